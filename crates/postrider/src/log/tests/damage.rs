//! Recovery: one function per kind of damage.

use super::*;
use crate::log::format::{FRAME_HEADER, FrameHeader, SEGMENT_HEADER, SegmentHeader, u32_at};

/// Where the frames of a segment begin and end.
fn frames(path: &Path) -> Vec<std::ops::Range<usize>> {
    let bytes = std::fs::read(path).unwrap();
    let mut at = SEGMENT_HEADER;
    let mut all = Vec::new();
    while let Some(header) = bytes.get(at..at + FRAME_HEADER)
        && let Ok(header) = FrameHeader::decode(header.try_into().unwrap())
    {
        all.push(at..at + header.frame_len());
        at += header.frame_len();
    }
    all
}

/// A closed log of `n` frames with 10 events each.
fn written(frames: u64) -> Rig {
    let rig = Rig::uncached();
    let (mut writer, _log, _) = rig.open();
    for n in 0..frames {
        append(&mut writer, n * 10..n * 10 + 10);
    }
    rig
}

/// Appends one more frame and checks that all of `before` and it are there, now and after reopening.
fn goes_on(rig: &Rig, opened: (LogWriter, Arc<Log>, Recovery), before: &[(u64, String)]) {
    let (mut writer, log, report) = opened;
    let appended = append(&mut writer, 500..510);
    assert_eq!(appended.base_offset, report.next_offset);
    let mut all = before.to_vec();
    all.extend((500..510).map(|n| (appended.base_offset + n - 500, text(n))));
    assert_eq!(events(&log, 0), all);
    drop((writer, log));
    let (_writer, log, report) = rig.open();
    assert_eq!(events(&log, 0), all);
    assert_eq!(report.cut_at, None, "the cut was cleaned");
}

#[test]
fn a_torn_tail_is_cut_and_its_offsets_are_not_used_again() {
    let rig = written(3);
    let segment = rig.segment();
    let last = frames(&segment)[2].clone();
    // Header, table and some events of the last frame were written, then the process was killed.
    let torn = last.start + FRAME_HEADER + 240 + 100;
    rig.edit(&segment, |b| b[torn..].fill(0));
    let opened = rig.open();
    let report = &opened.2;
    assert_eq!((report.frames, report.events), (2, 20));
    assert_eq!(report.cut_at, Some((0, last.start as u64)));
    assert!(!report.is_damaged(), "a killed process explains it");
    assert_eq!(report.next_offset, 30);
    goes_on(&rig, opened, &expected(0..20));
}

#[test]
fn a_tail_torn_inside_its_header_or_table_is_cut() {
    for keep in [10, FRAME_HEADER, FRAME_HEADER + 50] {
        let rig = written(3);
        let segment = rig.segment();
        let last = frames(&segment)[2].clone();
        rig.edit(&segment, |b| b[last.start + keep..].fill(0));
        let opened = rig.open();
        assert_eq!(opened.2.cut_at, Some((0, last.start as u64)));
        assert!(!opened.2.is_damaged(), "a killed process explains it");
        let named = if keep < FRAME_HEADER { 20 } else { 30 };
        assert_eq!(opened.2.next_offset, named);
        goes_on(&rig, opened, &expected(0..20));
    }
}

/// A power cut took the end of a frame and all but the header of the next. That header tells that the frame was whole once;
/// the first opening zeroes it.
#[test]
fn a_frame_that_lost_its_end_is_kept_by_every_opening() {
    let rig = written(3);
    let segment = rig.segment();
    let all = frames(&segment);
    let (kept, next) = (all[1].clone(), all[2].clone());
    rig.edit(&segment, |b| {
        b[kept.end - 60..kept.end].fill(0);
        b[next.start + FRAME_HEADER..].fill(0);
        b[next.end - 10] = b'x';
    });
    let mut left = Vec::new();
    for opening in 0..3 {
        let opened = rig.open();
        assert_eq!(opened.2.frames, 2, "opening {opening}");
        let cut = (opening == 0).then_some((0, kept.end as u64));
        assert_eq!(opened.2.cut_at, cut, "opening {opening}");
        let found = events(&opened.1, 0);
        assert!(found.len() > 10 && found.len() < 20);
        if opening > 0 {
            assert_eq!(found, left);
        }
        left = found;
    }
    goes_on(&rig, rig.open(), &left);
}

#[test]
fn a_torn_frame_takes_its_inbox_position_back() {
    let rig = Rig::uncached();
    let (mut writer, log, _) = rig.open();
    let mut frame = writer.frame();
    for n in 0..2 {
        push(&mut frame, n, &text(n));
        frame.inbox_position(5, 100 * (n + 1));
        writer.append(&mut frame).unwrap();
    }
    drop((writer, log));
    let segment = rig.segment();
    let last = frames(&segment)[1].clone();
    rig.edit(&segment, |b| b[last.end - 20..].fill(0));
    assert_eq!(rig.open().2.inbox_positions, [(5, 100)]);
}

#[test]
fn good_frames_behind_a_hole_are_kept_and_the_hole_is_counted() {
    let rig = written(5);
    let segment = rig.segment();
    let lost = frames(&segment)[1..3].to_vec();
    rig.edit(&segment, |b| b[lost[0].start..lost[1].end].fill(0));
    let opened = rig.open();
    let report = &opened.2;
    assert_eq!((report.frames, report.holes), (3, 1));
    assert_eq!(report.cut_at, None);
    assert_eq!(report.next_offset, 50);
    let mut left = expected(0..10);
    left.extend(expected(30..50));
    goes_on(&rig, opened, &left);
}

#[test]
fn a_flipped_bit_of_text_costs_one_event() {
    let rig = written(3);
    let segment = rig.segment();
    let bytes = std::fs::read(&segment).unwrap();
    let needle = text(14);
    let at = memchr::memmem::find(&bytes, needle.as_bytes()).unwrap();
    rig.edit(&segment, |b| b[at + 9] ^= 4);
    let opened = rig.open();
    let report = &opened.2;
    assert_eq!((report.frames, report.events, report.damaged), (3, 29, 1));
    assert_eq!(report.damaged_events, [14]);
    let frame = &opened.1.read(10, 0).unwrap()[0];
    assert!(frame.has_damage() && frame.is_damaged(4) && !frame.is_damaged(3));
    assert_eq!(opened.1.stats().damaged_events, 1);
    let left: Vec<_> = expected(0..30).into_iter().filter(|e| e.0 != 14).collect();
    goes_on(&rig, opened, &left);
}

#[test]
fn a_flipped_bit_of_a_separator_costs_the_event_before_it() {
    let rig = written(1);
    let segment = rig.segment();
    let bytes = std::fs::read(&segment).unwrap();
    let at = memchr::memmem::find(&bytes, text(4).as_bytes()).unwrap();
    rig.edit(&segment, |b| b[at + text(4).len()] ^= 1);
    assert_eq!(rig.open().2.damaged_events, [4]);
}

#[test]
fn a_flipped_bit_in_the_last_event_is_not_taken_for_a_torn_tail() {
    let rig = written(2);
    let segment = rig.segment();
    let bytes = std::fs::read(&segment).unwrap();
    let at = memchr::memmem::find(&bytes, text(19).as_bytes()).unwrap();
    rig.edit(&segment, |b| b[at + 5] ^= 1);
    let opened = rig.open();
    assert_eq!(opened.2.cut_at, None);
    assert_eq!(opened.2.damaged_events, [19]);
    goes_on(&rig, opened, &expected(0..19));
}

#[test]
fn a_damaged_table_costs_its_frame() {
    let rig = written(3);
    let segment = rig.segment();
    let frame = frames(&segment)[1].clone();
    rig.edit(&segment, |b| b[frame.start + FRAME_HEADER + 30] ^= 0x80);
    let opened = rig.open();
    let report = &opened.2;
    assert_eq!(
        (report.frames, report.damaged_frames, report.holes),
        (2, 1, 0)
    );
    let mut left = expected(0..10);
    left.extend(expected(20..30));
    goes_on(&rig, opened, &left);
}

#[test]
fn a_damaged_table_of_the_last_frame_is_no_torn_tail() {
    let rig = written(3);
    let segment = rig.segment();
    let frame = frames(&segment)[2].clone();
    rig.edit(&segment, |b| b[frame.start + FRAME_HEADER + 30] ^= 0x80);
    let opened = rig.open();
    assert_eq!(opened.2.damaged_frames, 1);
    goes_on(&rig, opened, &expected(0..20));
}

#[test]
fn a_damaged_header_costs_its_frame_and_reading_goes_on_behind_it() {
    let rig = written(4);
    let (_writer, log, _) = rig.open();
    let segment = rig.segment();
    let frame = frames(&segment)[1].clone();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&segment)
        .unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"?", frame.start as u64 + 17).unwrap();
    let mut left = expected(0..10);
    left.extend(expected(20..40));
    assert_eq!(events(&log, 0), left, "also while the log is open");
    assert!(log.stats().damaged_frames > 0);
    let mut counted = 0;
    log.tables(0, |t| {
        counted += t.count();
        true
    })
    .unwrap();
    assert_eq!(counted, 30);
    drop((_writer, log));
    let opened = rig.open();
    assert_eq!((opened.2.frames, opened.2.holes), (3, 1));
    goes_on(&rig, opened, &left);
}

#[test]
fn an_offset_in_the_middle_of_a_frame_behind_a_hole_is_found() {
    let rig = written(4);
    let segment = rig.segment();
    let lost = frames(&segment)[1].clone();
    rig.edit(&segment, |b| b[lost].fill(0));
    let (_writer, log, _) = rig.open();
    let read = &log.read(25, 0).unwrap()[0];
    assert_eq!(
        (read.base_offset(), read.text(5)),
        (20, text(25).as_bytes())
    );
    let few = log.few(25).unwrap().unwrap();
    assert_eq!(few.base_offset(), 20);
}

#[test]
fn a_length_that_leads_out_of_the_segment_is_not_followed() {
    let rig = written(2);
    let segment = rig.segment();
    let last = frames(&segment)[1].clone();
    // A good header that claims more than the file has left.
    let bytes = std::fs::read(&segment).unwrap();
    let header: [u8; FRAME_HEADER] = bytes[last.start..last.start + FRAME_HEADER]
        .try_into()
        .unwrap();
    let mut header = FrameHeader::decode(&header).unwrap();
    header.base_offset = 20;
    header.payload_len = 1 << 20;
    let at = (SEGMENT as usize) - 4096;
    rig.edit(&segment, |b| {
        b[at..at + FRAME_HEADER].copy_from_slice(&header.encode())
    });
    let opened = rig.open();
    assert_eq!(opened.2.cut_at, Some((0, last.end as u64)));
    goes_on(&rig, opened, &expected(0..20));
}

#[test]
fn a_damaged_segment_header_is_made_up_for_by_its_frames() {
    let rig = written(3);
    let segment = rig.segment();
    rig.edit(&segment, |b| b[20] ^= 1);
    let opened = rig.open();
    assert_eq!((opened.2.damaged_headers, opened.2.frames), (1, 3));
    goes_on(&rig, opened, &expected(0..30));
    assert_eq!(rig.open().2.damaged_headers, 0);
}

#[test]
fn a_former_life_of_a_recycled_segment_is_never_read() {
    let rig = written(3);
    let segment = rig.segment();
    // The zeroing of a recycled file was lost: header of a new life, frames of the old one.
    let header = SegmentHeader {
        generation: 42,
        base_offset: 1000,
        created_ms: START_MS,
        segment_bytes: SEGMENT,
    };
    rig.edit(&segment, |b| {
        b[..SEGMENT_HEADER].copy_from_slice(&header.encode())
    });
    std::fs::rename(&segment, rig.path().join("00000000000000001000.seg")).unwrap();
    let opened = rig.open();
    assert_eq!((opened.2.frames, opened.2.next_offset), (0, 1000));
    assert_eq!(opened.2.cut_at, Some((1000, SEGMENT_HEADER as u64)));
    goes_on(&rig, opened, &[]);
}

#[test]
fn a_former_life_is_not_read_where_the_new_header_is_lost_too() {
    let rig = written(3);
    let segment = rig.segment();
    rig.edit(&segment, |b| b[..SEGMENT_HEADER].fill(0));
    std::fs::rename(&segment, rig.path().join("00000000000000001000.seg")).unwrap();
    let (_writer, log, report) = rig.open();
    assert!(events(&log, 0).is_empty());
    assert_eq!(report.next_offset, 1000);
    assert_eq!(
        report.set_aside,
        [rig.path().join("00000000000000001000.damaged")]
    );
}

#[test]
fn an_event_that_carries_a_frame_is_not_taken_for_one() {
    let rig = Rig::uncached();
    let (mut writer, log, _) = rig.open();
    append(&mut writer, 0..3);
    drop((writer, log));
    // A reader of the file replays its first frame as the text of an event, aligned, and its
    // own frame's header then gets lost: the copy has good checksums and the right generation.
    let segment = rig.segment();
    let first = frames(&segment)[0].clone();
    let copy = std::fs::read(&segment).unwrap()[first].to_vec();
    let (mut writer, log, _) = rig.open();
    let mut frame = writer.frame();
    let with_separator = [&copy[..], SEPARATOR].concat();
    assert!(frame.push(&entry(3, &copy), &with_separator));
    writer.append(&mut frame).unwrap();
    drop((writer, log));
    let second = frames(&segment)[1].start;
    rig.edit(&segment, |b| b[second] ^= 1);
    let opened = rig.open();
    assert_eq!(opened.2.frames, 1, "its offsets were used before");
    goes_on(&rig, opened, &expected(0..3));
}

#[test]
fn a_newer_segment_is_refused_by_name_and_left_alone() {
    let rig = written(1);
    let segment = rig.segment();
    rig.edit(&segment, |b| {
        b[8] = 2;
        b[12..16].fill(0);
        let crc = crc32c::crc32c(&b[..SEGMENT_HEADER]);
        b[12..16].copy_from_slice(&crc.to_le_bytes());
    });
    let before = std::fs::read(&segment).unwrap();
    let error = open(rig.config.clone(), 0).err().unwrap();
    assert!(matches!(
        error,
        LogError::NewerVersion {
            found: 2,
            known: 1,
            ..
        }
    ));
    assert!(
        error
            .to_string()
            .contains("00000000000000000000.seg is format version 2")
    );
    assert_eq!(std::fs::read(&segment).unwrap(), before);
}

#[test]
fn a_newer_frame_is_refused_by_name() {
    let rig = written(2);
    let segment = rig.segment();
    let second = frames(&segment)[1].start;
    rig.edit(&segment, |b| {
        b[second + 4] = 3;
        let crc = crc32c::crc32c(&b[second..second + 60]);
        b[second + 60..second + 64].copy_from_slice(&crc.to_le_bytes());
    });
    let error = open(rig.config.clone(), 0).err().unwrap();
    assert!(matches!(error, LogError::NewerVersion { found: 3, .. }));
}

#[test]
fn a_spare_is_zeroed_again_before_use() {
    let rig = written(1);
    rig.open().1.maintain().unwrap();
    let spare = std::fs::read_dir(rig.path())
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| {
            p.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("spare-")
        })
        .unwrap();
    rig.edit(&spare, |b| {
        b[5000..5020].copy_from_slice(b"rcpt@secret.example!")
    });
    drop(rig.open());
    assert!(std::fs::read(&spare).unwrap().iter().all(|b| *b == 0));
}

#[test]
fn a_sealed_segment_without_its_index_is_read_and_indexed_again() {
    let rig = Rig::uncached();
    let (mut writer, log, _) = rig.open();
    let mut next = 0;
    while log.stats().segments < 3 {
        append(&mut writer, next..next + 1000);
        next += 1000;
    }
    log.maintain().unwrap();
    drop((writer, log));
    assert_eq!(rig.files("idx").len(), 2);
    let (_, log, report) = rig.open();
    assert_eq!(report.scanned, 1, "indexes vouch for sealed segments");
    let contents: Vec<_> = log.segments().iter().map(|s| s.contents.clone()).collect();
    assert!(contents[0].is_some() && contents[2].is_none());
    drop(log);

    let indexes = rig.files("idx");
    std::fs::remove_file(&indexes[0]).unwrap();
    rig.edit(&indexes[1], |b| b[30] ^= 1);
    let (_, log, report) = rig.open();
    assert_eq!((report.scanned, report.next_offset), (3, next));
    assert_eq!(events(&log, 0), expected(0..next));
    log.maintain().unwrap();
    let again: Vec<_> = log.segments().iter().map(|s| s.contents.clone()).collect();
    assert_eq!(again, contents);
    let c = contents[0].as_ref().unwrap();
    let first = &log.segments()[0];
    let counted: u64 = c.counts.values().map(|n| u64::from(n.events)).sum();
    assert_eq!(counted, first.end_offset - first.base_offset);
    assert_eq!(
        c.times_ms,
        Some((START_MS, START_MS + first.end_offset - 1))
    );
    assert!(c.has_type(1) && !c.has_type(9));
}

#[test]
fn an_empty_file_in_place_of_a_segment_is_passed_over() {
    let rig = written(1);
    std::fs::write(rig.path().join("00000000000000000777.seg"), b"").unwrap();
    let (mut writer, log, report) = rig.open();
    assert_eq!(report.next_offset, 777, "its name has named an offset");
    assert!(report.set_aside.is_empty());
    append(&mut writer, 777..780);
    let mut all = expected(0..10);
    all.extend(expected(777..780));
    assert_eq!(events(&log, 0), all);
    let bytes = std::fs::read(rig.files("seg").last().unwrap()).unwrap();
    assert_eq!(u32_at(&bytes, 8), 1);
}
