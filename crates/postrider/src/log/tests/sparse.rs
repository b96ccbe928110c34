//! Those who want few events read few bytes, and see the same events as those who read all.

use super::*;
use crate::fs::sim::SimFs;
use crate::fs::{Fs, Open};
use crate::log::index::index_path;

/// A type and a subaccount of which there is one event in 1,000.
fn rare(type_id: u16, subaccount: u32) -> bool {
    type_id == 9 && subaccount == 77
}

/// Three segments, of which two are sealed and indexed; every 1,000th event is rare.
fn written(fs: &SimFs) -> (LogWriter, Arc<Log>, u64) {
    let (mut writer, log, _) = open(simulated(fs), 0).unwrap();
    let mut n = 0;
    while log.stats().segments < 3 {
        let mut frame = writer.frame();
        for _ in 0..500 {
            let text = text(n);
            let mut entry = entry(n, text.as_bytes());
            if n % 1000 == 700 {
                (entry.type_id, entry.subaccount) = (9, 77);
            }
            assert!(frame.push(&entry, &[text.as_bytes(), SEPARATOR].concat()));
            n += 1;
        }
        writer.append(&mut frame).unwrap();
    }
    log.maintain().unwrap();
    (writer, log, n)
}

/// The rare events that posting lists tell of: offset and site.
fn sites(log: &Log) -> Vec<(u64, Site)> {
    let (mut glean, mut next, mut found) = (Glean::default(), Some(0), Vec::new());
    while let Some(from) = next {
        let seen = log.wanted(from, &rare, &mut glean, |some| {
            let sites = (0..some.count()).filter_map(|i| some.site(i));
            found.extend((some.base_offset..).zip(sites));
            true
        });
        next = seen.unwrap();
    }
    found
}

/// Offsets and lengths of the rare events, as `wanted` shows them; and how many others it showed.
fn seen(log: &Log, from: u64) -> (Vec<(u64, u32)>, u64) {
    let (mut found, mut others) = (Vec::new(), 0);
    let (mut glean, mut next) = (Glean::default(), Some(from));
    while let Some(from) = next {
        let seen = log.wanted(from, &rare, &mut glean, |some| {
            assert_eq!(some.written_ms, START_MS);
            for i in 0..some.count() {
                let entry = some.entry(i);
                let offset = some.base_offset + u64::from(i);
                match rare(entry.type_id, entry.subaccount) {
                    true if offset >= from => found.push((offset, entry.len)),
                    _ => others += 1,
                }
            }
            true
        });
        next = seen.unwrap();
    }
    (found, others)
}

fn expected_rare(from: u64, end: u64) -> Vec<(u64, u32)> {
    let rare = (0..end).filter(|n| n % 1000 == 700 && *n >= from);
    rare.map(|n| (n, text(n).len() as u32)).collect()
}

#[test]
fn few_of_many_are_found_by_posting_lists() {
    let fs = SimFs::new(1);
    let (_writer, log, end) = written(&fs);
    let sealed_end = log.segments()[2].base_offset;
    let before = fs.bytes_read();
    let (found, others) = seen(&log, 0);
    assert_eq!(found, expected_rare(0, end));
    assert!(others <= end - sealed_end, "{others} unwanted ones shown");
    assert_eq!(log.stats().postings_read, 2);
    let read = fs.bytes_read() - before;
    let tables = end * 24;
    assert!(
        read < tables / 4,
        "{read} bytes read, tables alone are {tables}"
    );
    assert_eq!(seen(&log, 1700).0, expected_rare(1700, end));
    assert_eq!(seen(&log, 1701).0, expected_rare(1701, end));
}

#[test]
fn what_a_segments_index_says_is_read_once_for_all_parts() {
    let fs = SimFs::new(1);
    let (_writer, log, end) = written(&fs);
    let sealed_end = log.segments()[2].base_offset;
    let (mut glean, mut from, mut found) = (Glean::default(), 0, Vec::new());
    while from < sealed_end {
        // A part ends with each event.
        let seen = log.wanted(from, &rare, &mut glean, |some| {
            found.push((some.base_offset, some.entry(0).len));
            false
        });
        let behind = found.last().map_or(0, |last| last.0 + 1);
        from = seen.unwrap().unwrap_or(behind).max(behind);
    }
    found.retain(|event| event.0 < sealed_end);
    assert_eq!(found, expected_rare(0, end.min(sealed_end)));
    assert_eq!(log.stats().postings_read, 2, "two segments are sealed");
}

#[test]
fn a_text_whose_site_is_known_is_read_alone() {
    let fs = SimFs::new(1);
    let (_writer, log, _) = written(&fs);
    let known = sites(&log);
    let sealed_end = log.segments()[2].base_offset;
    assert_eq!(known.len(), expected_rare(0, sealed_end).len());
    let (mut texts, mut out, mut expected) = (log.texts(), Vec::new(), String::new());
    let before = fs.bytes_read();
    for &(offset, site) in &known {
        assert!(texts.read(offset, site, &mut out).unwrap());
        expected += &(text(offset) + ",\n");
    }
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    assert_eq!(fs.bytes_read() - before, expected.len() as u64);
}

#[test]
fn a_text_that_is_not_at_its_site_is_not_given() {
    let fs = SimFs::new(1);
    let (_writer, log, _) = written(&fs);
    let known = sites(&log);
    let (first, last) = (known[0], known[known.len() - 1]);
    let mut out = b"as it was".to_vec();
    // Another segment's, as one has its name that was compacted or used anew.
    assert!(!log.texts().read(first.0, last.1, &mut out).unwrap());
    let path = Path::new("/log/00000000000000000000.seg");
    let mut bytes = vec![0; SEGMENT as usize];
    let file = fs.open(path, Open::Read).unwrap();
    file.read_at(&mut bytes, 0).unwrap();
    let at = memchr::memmem::find(&bytes, text(first.0).as_bytes()).unwrap();
    fs.flip(path, at + 3, 1);
    assert!(!log.texts().read(first.0, first.1, &mut out).unwrap());
    assert_eq!(out, b"as it was");
}

/// The front of an index of another version may mean anything.
#[test]
fn an_index_of_an_older_version_is_passed_over_and_made_anew() {
    let rig = Rig::uncached();
    let (mut writer, log, _) = rig.open();
    let end = fill(&mut writer, &log, 0, 2);
    log.maintain().unwrap();
    drop((writer, log));
    let index = rig.files("idx").remove(0);
    rig.edit(&index, |b| {
        let count = |at: usize| u32::from_le_bytes(b[at..at + 4].try_into().unwrap()) as usize;
        let front = 128 + count(88) * 16 + count(92) * 28 + count(96) * 32;
        b[8..16].copy_from_slice(&[3, 0, 0, 0, 0, 0, 0, 0]);
        let crc = crc32c::crc32c(&b[..front]);
        b[12..16].copy_from_slice(&crc.to_le_bytes());
    });
    let (_writer, log, report) = rig.open();
    assert_eq!((report.scanned, report.is_damaged()), (2, false));
    assert_eq!(events(&log, 0), expected(0..end));
    assert!(log.segments()[0].contents.is_some());
    assert_eq!(std::fs::read(&index).unwrap()[8], 4);
}

#[test]
fn an_index_that_does_not_check_out_is_not_asked() {
    let fs = SimFs::new(1);
    let (_writer, log, end) = written(&fs);
    let first = Path::new("/log/00000000000000000000.seg");
    let index = index_path(first);
    let len = fs.open(&index, Open::Read).unwrap().len().unwrap() as usize;
    for at in (0..len).step_by(41) {
        fs.flip(&index, at, 3);
        assert_eq!(seen(&log, 0).0, expected_rare(0, end), "byte {at}");
        fs.flip(&index, at, 3);
    }
    fs.remove(&index).unwrap();
    assert_eq!(seen(&log, 0).0, expected_rare(0, end));
}

#[test]
fn of_a_frame_only_the_wanted_texts_are_read() {
    let fs = SimFs::new(1);
    let (_writer, log, _) = written(&fs);
    let before = fs.bytes_read();
    let few = log.few(700).unwrap().unwrap();
    assert_eq!((few.base_offset(), few.end_offset()), (500, 1000));
    let mut out = Vec::new();
    few.texts(&log, 200..202, &mut out, |i| panic!("{i} is good"))
        .unwrap();
    let wanted = format!("{},\n{},\n", text(700), text(701));
    assert_eq!(String::from_utf8(out).unwrap(), wanted);
    assert_eq!(few.len_of(200..202), wanted.len());
    let read = (fs.bytes_read() - before) as usize;
    assert!(read < few.text_len() + 500 * 24, "{read} bytes read");
}

#[test]
fn a_damaged_text_among_few_is_left_out_and_told() {
    let fs = SimFs::new(1);
    let (_writer, log, _) = written(&fs);
    let path = Path::new("/log/00000000000000000000.seg");
    let mut bytes = vec![0; SEGMENT as usize];
    let file = fs.open(path, Open::Read).unwrap();
    file.read_at(&mut bytes, 0).unwrap();
    let at = memchr::memmem::find(&bytes, text(701).as_bytes()).unwrap();
    fs.flip(path, at + 3, 1);
    let few = log.few(700).unwrap().unwrap();
    let (mut out, mut damaged) = (Vec::new(), Vec::new());
    few.texts(&log, 200..203, &mut out, |i| damaged.push(i))
        .unwrap();
    assert_eq!(damaged, [201]);
    let wanted = format!("{},\n{},\n", text(700), text(702));
    assert_eq!(String::from_utf8(out).unwrap(), wanted);
}

#[test]
fn the_newest_frames_are_few_from_memory() {
    let fs = SimFs::new(1);
    let (_writer, log, end) = written(&fs);
    let few = log.few(end - 1).unwrap().unwrap();
    assert!(matches!(few, Few::Frame(_)));
    assert!(log.few(end).unwrap().is_none());
}
