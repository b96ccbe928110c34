use super::*;
use crate::event::Entry;
use crate::fs::sim::SimFs;
use crate::log::{self, Glean, Log, LogConfig, LogWriter};

/// A log of two frames: events 0 to 9 of about 1,000 bytes, events 10 to 12 of 3 bytes.
fn a_log() -> (LogWriter, LogReader) {
    let (mut writer, log, _) = log::open(LogConfig::in_memory(), 0).expect("a log in memory");
    let long: Vec<_> = (0..10)
        .map(|i| format!("{{\"{i}\":\"{}\"}}", "x".repeat(1000)))
        .collect();
    let short: Vec<_> = (10..13).map(|i| format!("{i}.")).collect();
    for texts in [long, short] {
        let mut frame = writer.frame();
        for text in texts {
            let entry = Entry {
                len: text.len() as u32,
                crc: crc32c::crc32c(text.as_bytes()),
                ..Entry::default()
            };
            assert!(frame.push(&entry, format!("{text},\n").as_bytes()));
        }
        writer.append(&mut frame).expect("room for a frame");
    }
    (writer, LogReader::new(log))
}

fn text(body: &Body) -> String {
    body.slices()
        .iter()
        .map(|slice| String::from_utf8_lossy(slice.as_bytes()))
        .collect()
}

fn span(first: u64, count: u32) -> Span {
    Span { first, count }
}

const LONG: u32 = 1000 + 8 + 2;

#[test]
fn neighbours_are_one_slice_and_the_last_separator_is_left_out() {
    let (_writer, mut reader) = a_log();
    let found = reader.assemble(&[span(2, 5)]).unwrap();
    assert_eq!(found.body.slices().len(), 3);
    assert_eq!(found.body.len(), u64::from(5 * LONG));
    let text = text(&found.body);
    assert!(text.starts_with("[{\"2\":\"x") && text.ends_with("x\"}]"));
    assert_eq!(text.matches(",\n").count(), 4);
}

#[test]
fn small_pieces_are_copied_into_one_slice() {
    let (_writer, mut reader) = a_log();
    let found = reader
        .assemble(&[span(0, 1), span(3, 1), span(10, 1), span(12, 1)])
        .unwrap();
    assert_eq!(found.body.slices().len(), 3);
    assert!(text(&found.body).ends_with(",\n10.,\n12.]"));
    assert!(found.missing.is_empty());
}

#[test]
fn a_batch_may_reach_over_frames() {
    let (_writer, mut reader) = a_log();
    let found = reader.assemble(&[span(0, 13)]).unwrap();
    assert!(text(&found.body).ends_with("x\"},\n10.,\n11.,\n12.]"));
    assert_eq!(found.body.len(), u64::from(10 * LONG + 3 * 5));
}

#[test]
fn what_the_log_does_not_have_is_missing() {
    let (_writer, mut reader) = a_log();
    let found = reader.assemble(&[span(11, 4), span(20, 2)]).unwrap();
    assert_eq!(text(&found.body), "[11.,\n12.]");
    assert_eq!(found.missing, [span(13, 2), span(20, 2)]);
}

#[test]
fn measuring_stops_at_the_limits_and_at_the_end() {
    let (_writer, mut reader) = a_log();
    let mut measure = |first, count, bytes| {
        let found = reader.measure(first, count, bytes).unwrap();
        (found.good, found.bytes, found.missing)
    };
    assert_eq!(measure(0, 4, u32::MAX), (4, 4 * LONG, 0));
    assert_eq!(measure(0, 13, u32::MAX), (13, 10 * LONG + 15, 0));
    assert_eq!(measure(0, 13, 3 * LONG), (3, 3 * LONG, 0));
    assert_eq!(measure(0, 13, 3 * LONG - 1), (2, 2 * LONG, 0));
    assert_eq!(measure(0, 13, 10 * LONG + 5), (11, 10 * LONG + 5, 0));
    assert_eq!(
        measure(0, 13, 5),
        (0, 0, 0),
        "the first is larger than that"
    );
    assert_eq!(measure(11, 9, u32::MAX), (2, 10, 0));
    assert_eq!(measure(13, 9, u32::MAX), (0, 0, 9));
}

#[test]
fn a_body_is_what_measuring_said() {
    let (_writer, mut reader) = a_log();
    for (first, count) in [(0, 1), (0, 10), (5, 8), (12, 1)] {
        let bytes = reader.measure(first, count, u32::MAX).unwrap().bytes;
        let body = reader.assemble(&[span(first, count)]).unwrap().body;
        assert_eq!(body.len(), u64::from(bytes));
    }
}

/// A log on disk with nothing in memory but the newest frame: 2,000 events of 1,000 bytes and more.
fn an_old_log(dir: &std::path::Path) -> (LogWriter, LogReader, Arc<Log>) {
    let config = LogConfig {
        tail_bytes: 0,
        ..LogConfig::on_disk(dir.join("log"))
    };
    let (mut writer, log, _) = log::open(config, 0).expect("a log on disk");
    let mut frame = writer.frame();
    for i in 0..2001 {
        let text = format!("{{\"{i}\":\"{}\"}}", "x".repeat(1000));
        let entry = Entry {
            len: text.len() as u32,
            crc: crc32c::crc32c(text.as_bytes()),
            ..Entry::default()
        };
        assert!(frame.push(&entry, format!("{text},\n").as_bytes()));
        if i % 250 == 249 || i == 2000 {
            writer.append(&mut frame).expect("room for a frame");
        }
    }
    (writer, LogReader::new(log.clone()), log)
}

#[test]
fn of_old_frames_with_little_for_a_batch_no_more_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (_writer, mut reader, log) = an_old_log(dir.path());
    let spans = [
        span(3, 1),
        span(7, 2),
        span(700, 1),
        span(1999, 1),
        span(2000, 1),
    ];
    let found = reader.assemble(&spans).unwrap();
    assert!(found.missing.is_empty() && found.damaged.is_empty());
    let body = text(&found.body);
    let begins: Vec<&str> = body
        .split(":\"")
        .filter_map(|part| part.rsplit('"').nth(1))
        .collect();
    assert_eq!(begins[..6], ["3", "7", "8", "700", "1999", "2000"]);
    assert!(body.starts_with("[{\"3\"") && body.ends_with("x\"}]"));
    assert_eq!(log.stats().disk_reads, 0, "no whole frame was read");

    // Where a batch wants much of a frame, the frame is read, and sent from.
    let found = reader.assemble(&[span(500, 200)]).unwrap();
    assert_eq!(found.body.slices().len(), 3);
    assert_eq!(log.stats().disk_reads, 1);
}

#[test]
fn batches_that_follow_each_other_read_each_frame_once_and_ahead() {
    let dir = tempfile::tempdir().unwrap();
    let (_writer, mut reader, log) = an_old_log(dir.path());
    for first in (0..2000).step_by(100) {
        let found = reader.assemble(&[span(first, 100)]).unwrap();
        assert!(found.missing.is_empty());
    }
    // Eight frames of 250 events: one, one, four, and what is left.
    assert_eq!(log.stats().disk_reads, 4);

    // Who jumps about reads a frame at a time, also when nothing is kept any more.
    reader.forget();
    for first in [0, 500, 1000, 1500, 0] {
        reader.assemble(&[span(first, 100)]).unwrap();
    }
    assert_eq!(log.stats().disk_reads, 8, "the last was kept");
}

#[test]
fn a_damaged_event_among_few_is_said_to_be_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let (_writer, mut reader, _log) = an_old_log(dir.path());
    let segment = dir.path().join("log/00000000000000000000.seg");
    let bytes = std::fs::read(&segment).unwrap();
    let at = memchr::memmem::find(&bytes, b"{\"700\":").unwrap();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&segment)
        .unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"?", at as u64 + 20).unwrap();
    let found = reader.assemble(&[span(3, 1), span(699, 3)]).unwrap();
    assert_eq!(found.damaged, [span(700, 1)]);
    let body = text(&found.body);
    assert!(body.contains("\"699\"") && body.contains("\"701\"") && !body.contains("\"700\""));
    let found = reader.assemble(&[span(700, 1)]).unwrap();
    assert_eq!(
        (text(&found.body), found.damaged),
        ("[]".to_owned(), vec![span(700, 1)])
    );
}

#[test]
fn one_body_serves_all_who_are_sent_the_same_at_the_same_time() {
    let (_writer, mut reader) = a_log();
    let owner = |body: &Body| body.slices()[1].as_bytes().as_ptr();
    let spans = [span(0, 1), span(3, 1)];
    let first = reader.assemble(&spans).unwrap().body;
    let (copied, again) = (owner(&first), reader.assemble(&spans).unwrap().body);
    assert_eq!((owner(&again), text(&again)), (copied, text(&first)));
    let other = reader.assemble(&[span(0, 1), span(4, 1)]).unwrap().body;
    assert_ne!(text(&other), text(&first));
    // Nobody sends it any more: it is not kept, and made anew when it is wanted again.
    let weak = first.downgrade();
    let said = text(&first);
    drop((first, again));
    assert!(weak.upgrade().is_none());
    assert_eq!(text(&reader.assemble(&spans).unwrap().body), said);
}

#[test]
fn events_whose_places_are_known_are_read_without_their_frames() {
    let fs = SimFs::new(1);
    let config = LogConfig {
        segment_bytes: 2 << 20,
        tail_bytes: 0,
        fs: Arc::new(fs.clone()),
        ..LogConfig::on_disk("/log")
    };
    let (mut writer, log, _) = log::open(config, 0).expect("an empty disk");
    let mut next = 0u64;
    while log.stats().segments < 2 {
        let mut frame = writer.frame();
        for _ in 0..1000 {
            let text = format!("{{\"{next}\":\"{}\"}}", "x".repeat(100));
            let entry = Entry {
                len: text.len() as u32,
                crc: crc32c::crc32c(text.as_bytes()),
                type_id: u16::from(next % 100 == 7) + 1,
                ..Entry::default()
            };
            assert!(frame.push(&entry, format!("{text},\n").as_bytes()));
            next += 1;
        }
        writer.append(&mut frame).expect("room for a frame");
    }
    log.maintain().expect("an index");
    let mut reader = LogReader::new(log.clone());
    let mut spans = Vec::new();
    let rare = |type_id, _| type_id == 2;
    let seen = log.wanted(0, &rare, &mut Glean::default(), |some| {
        let site = some.site(0).expect("a posting list tells");
        reader.sites.note(some.base_offset, site);
        spans.push(span(some.base_offset, 1));
        true
    });
    assert!(seen.unwrap().is_some(), "the first of two segments");
    let before = fs.bytes_read();
    let found = reader.assemble(&spans).unwrap();
    let read = fs.bytes_read() - before;
    assert_eq!(read, found.body.len(), "a bracket for the last separator");
    let known = text(&found.body);
    // The same again, from where each event is looked for.
    let mut anew = LogReader::new(log);
    assert_eq!(text(&anew.assemble(&spans).unwrap().body), known);
    assert!(fs.bytes_read() - before > 2 * read);
}
