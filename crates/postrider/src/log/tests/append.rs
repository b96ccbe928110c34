//! Appending and reading back.

use super::*;
use crate::event::ENTRY_BYTES;
use crate::fs::sim::SimFs;

#[test]
fn what_was_appended_is_read_from_memory_and_after_reopening_from_disk() {
    let rig = Rig::new();
    let (mut writer, log, report) = rig.open();
    assert_eq!(report.next_offset, 0);
    let first = append(&mut writer, 0..10);
    assert_eq!(
        (first.base_offset, first.count, first.written_end),
        (0, 10, 10)
    );
    append(&mut writer, 10..11);
    assert_eq!(events(&log, 0), expected(0..11));
    assert_eq!(events(&log, 7), expected(7..11));
    assert_eq!(log.written().load(), 11);
    assert_eq!(log.stats().disk_reads, 0);
    drop((writer, log));

    let (_writer, log, report) = rig.open();
    assert_eq!(
        (report.frames, report.events, report.next_offset),
        (2, 11, 11)
    );
    assert!(!report.is_damaged());
    assert_eq!(report.cut_at, None);
    assert_eq!(events(&log, 0), expected(0..11));
    assert_eq!(events(&log, 10), expected(10..11));
    assert!(log.stats().disk_reads > 0);
}

#[test]
fn neighbouring_events_are_one_slice_of_a_body() {
    let rig = Rig::new();
    let (mut writer, log, _) = rig.open();
    append(&mut writer, 0..5);
    let frame = &log.read(0, 1).unwrap()[0];
    let slice = &frame.bytes()[frame.range(1..4)];
    let body = format!("{},\n{},\n{},\n", text(1), text(2), text(3));
    assert_eq!(std::str::from_utf8(slice).unwrap(), body);
    assert_eq!(frame.range(0..5), 0..frame.bytes().len());
}

#[test]
fn entries_come_back_with_the_producers_checksum() {
    let rig = Rig::uncached();
    let (mut writer, log, _) = rig.open();
    append(&mut writer, 0..3);
    append(&mut writer, 3..6);
    let mut seen = Vec::new();
    log.tables(2, |table| {
        assert_eq!(table.written_ms(), START_MS);
        seen.extend((table.base_offset()..).zip(table.entries()));
        true
    })
    .unwrap();
    let all = (0..6).map(|n| (n, entry(n, text(n).as_bytes())));
    assert_eq!(seen, all.collect::<Vec<_>>());
    let mut calls = 0;
    log.tables(0, |_| {
        calls += 1;
        false
    })
    .unwrap();
    assert_eq!(calls, 1, "`false` ends it");
}

#[test]
fn the_budget_bounds_a_read_but_never_to_nothing() {
    for rig in [Rig::new(), Rig::uncached()] {
        let (mut writer, log, _) = rig.open();
        for n in 0..10 {
            append(&mut writer, n * 10..n * 10 + 10);
        }
        let one = log.read(35, 0).unwrap();
        assert_eq!(one.len(), 1);
        assert_eq!((one[0].base_offset(), one[0].count()), (30, 10));
        let two: usize = [&one[0], &log.read(40, 0).unwrap()[0]]
            .map(|f| f.bytes().len())
            .iter()
            .sum();
        assert_eq!(log.read(35, two).unwrap().len(), 2);
        assert_eq!(log.read(35, two - 1).unwrap().len(), 1);
        assert_eq!(log.read(0, usize::MAX).unwrap().len(), 10);
        assert!(log.read(100, usize::MAX).unwrap().is_empty());
    }
}

/// As a webhook does that lags: on and on, with a budget that one frame nearly uses up, or several do, or is less than one.
#[test]
fn reading_on_reads_hardly_more_than_it_gives() {
    const EVENT: usize = 50 << 10;
    let fs = SimFs::new(1);
    let (mut writer, log, _) = open(simulated(&fs), 0).unwrap();
    let mut frame = writer.frame();
    let mut end = 0;
    for events in [8, 2, 9, 5, 10, 1, 7, 6, 3, 9, 4] {
        for n in end..end + events {
            push(&mut frame, n, &"x".repeat(EVENT));
        }
        end += events;
        writer.append(&mut frame).unwrap();
    }
    for budget in [EVENT, 10 * EVENT, 20 * EVENT] {
        let before = fs.bytes_read();
        let (mut next, mut given) = (0, 0);
        while next < end {
            let frames = log.read(next, budget).unwrap();
            given += frames.iter().map(|f| f.bytes().len()).sum::<usize>();
            next = frames.last().unwrap().end_offset();
        }
        let read = fs.bytes_read() - before;
        assert!(
            read < given as u64 * 7 / 5,
            "{read} bytes read for {given}, {budget} at a time"
        );
    }
}

#[test]
fn a_full_segment_gives_way_to_the_next() {
    let rig = Rig::uncached();
    let (mut writer, log, _) = rig.open();
    let mut next = 0;
    while log.stats().segments < 4 {
        append(&mut writer, next..next + 1000);
        next += 1000;
    }
    assert_eq!(events(&log, 0), expected(0..next));
    let names = rig.files("seg");
    assert_eq!(names.len(), 4);
    let bases: Vec<u64> = log.segments().iter().map(|s| s.base_offset).collect();
    let named: Vec<String> = bases.iter().map(|b| format!("{b:020}.seg")).collect();
    let found: Vec<&str> = names
        .iter()
        .map(|p| p.file_name().unwrap().to_str().unwrap())
        .collect();
    assert_eq!(found, named);
    for name in &names {
        assert_eq!(std::fs::metadata(name).unwrap().len(), SEGMENT);
    }
    drop((writer, log));
    let (_writer, log, report) = rig.open();
    assert_eq!((report.segments, report.next_offset), (4, next));
    assert_eq!(events(&log, next - 1500), expected(next - 1500..next));
}

#[test]
fn a_frame_takes_no_more_than_its_limits() {
    let rig = Rig::new();
    let (mut writer, log, _) = rig.open();
    let mut frame = writer.frame();
    let (small, big) = (b"0,\n".to_vec(), vec![b'x'; MAX_EVENT_BYTES - 2]);
    let big = [&big[..], SEPARATOR].concat();
    let small_entry = entry(0, b"0");
    for _ in 0..MAX_FRAME_EVENTS {
        assert!(frame.push(&small_entry, &small));
    }
    assert!(!frame.push(&small_entry, &small));
    assert_eq!(writer.append(&mut frame).unwrap().count, MAX_FRAME_EVENTS);

    let big_entry = entry(0, &big[..big.len() - 2]);
    while frame.push(&big_entry, &big) {}
    assert!(
        frame.bytes() >= FRAME_BYTES / 2,
        "a frame is of a useful size"
    );
    assert!(frame.bytes() <= FRAME_BYTES + MAX_EVENT_BYTES);
    writer.append(&mut frame).unwrap();
    assert!(
        frame.push(&big_entry, &big),
        "an empty frame takes any event"
    );
    let mut too_big = vec![b'x'; MAX_EVENT_BYTES - 1];
    too_big.extend_from_slice(SEPARATOR);
    let mut empty = writer.frame();
    let len = too_big.len() as u32 - 2;
    assert!(!empty.push(&Entry { len, ..big_entry }, &too_big));
    assert_eq!(writer.append(&mut frame).unwrap().count, 1);
    assert_eq!(events(&log, 0).len() as u64, log.next_offset());
}

#[test]
fn nothing_is_written_for_nothing() {
    let rig = Rig::new();
    let (mut writer, log, _) = rig.open();
    let mut frame = writer.frame();
    let appended = writer.append(&mut frame).unwrap();
    assert_eq!((appended.count, appended.written_end), (0, 0));
    assert_eq!(log.stats().frames, 0);
}

#[test]
fn inbox_positions_survive_and_every_segment_repeats_them() {
    let rig = Rig::new();
    let (mut writer, log, _) = rig.open();
    let mut frame = writer.frame();
    push(&mut frame, 0, &text(0));
    assert!(frame.inbox_position(7, 100));
    assert!(frame.inbox_position(8, 200));
    assert!(
        frame.inbox_position(7, 150),
        "the later position of a file counts"
    );
    writer.append(&mut frame).unwrap();
    // A position without an event: what was passed over in the inbox.
    assert!(frame.inbox_position(8, 300));
    writer.append(&mut frame).unwrap();
    let mut next = 1;
    while log.stats().segments < 2 {
        append(&mut writer, next..next + 1000);
        next += 1000;
    }
    let newest = log.segments().last().unwrap().base_offset;
    let first = &log.read(newest, 0).unwrap()[0];
    assert_eq!(
        first.inbox_positions().collect::<Vec<_>>(),
        [(7, 150), (8, 300)]
    );
    writer.forget_inbox(7);
    drop((writer, log));
    // The older segment is gone: the newer one knows all the same.
    std::fs::remove_file(&rig.files("seg")[0]).unwrap();
    let (mut writer, log, report) = rig.open();
    assert_eq!(report.inbox_positions, [(7, 150), (8, 300)]);
    writer.forget_inbox(7);
    while log.stats().segments < 2 {
        append(&mut writer, next..next + 1000);
        next += 1000;
    }
    drop((writer, log));
    std::fs::remove_file(&rig.files("seg")[0]).unwrap();
    assert_eq!(
        rig.open().2.inbox_positions,
        [(8, 300)],
        "a forgotten file is not repeated"
    );
}

#[test]
fn the_first_offset_is_above_what_the_caller_remembers() {
    let rig = Rig::new();
    let (mut writer, log, report) = open(rig.config.clone(), 1000).unwrap();
    assert_eq!(report.next_offset, 1000);
    let appended = append(&mut writer, 0..2);
    assert_eq!(appended.base_offset, 1000);
    drop((writer, log));
    let (mut writer, log, report) = open(rig.config.clone(), 5000).unwrap();
    assert_eq!(report.next_offset, 5000);
    assert_eq!(append(&mut writer, 2..3).base_offset, 5000);
    let read: Vec<u64> = events(&log, 0).iter().map(|e| e.0).collect();
    assert_eq!(read, [1000, 1001, 5000]);
    assert_eq!(events(&log, 3000)[0].0, 5000);
    drop((writer, log));
    assert_eq!(rig.open().2.next_offset, 5001);
}

#[test]
fn sync_moves_the_watermark_to_what_was_written() {
    let rig = Rig::new();
    let (mut writer, log, _) = rig.open();
    append(&mut writer, 0..3);
    assert_eq!(log.synced().load(), 0);
    assert_eq!(log.sync().unwrap(), 3);
    assert_eq!(log.synced().load(), 3);
    append(&mut writer, 3..4);
    assert_eq!(log.synced().load(), 3);
    assert_eq!(log.sync().unwrap(), 4);
}

#[test]
fn a_table_takes_24_bytes_an_event_and_the_frame_is_aligned() {
    let rig = Rig::new();
    let (mut writer, log, _) = rig.open();
    append(&mut writer, 0..3);
    let text: usize = (0..3).map(|n| text(n).len() + 2).sum();
    let frame = (64 + 3 * ENTRY_BYTES + text).next_multiple_of(8);
    assert_eq!(log.stats().bytes, frame as u64);
    assert_eq!(log.segments()[0].bytes, 64 + frame as u64);
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    let rig = Rig::new();
    for (key, config) in [
        (
            "log.segment_bytes",
            LogConfig {
                segment_bytes: 4096,
                ..rig.config.clone()
            },
        ),
        (
            "log.max_bytes",
            LogConfig {
                max_bytes: 3 * SEGMENT,
                ..rig.config.clone()
            },
        ),
        (
            "log.memory_bytes",
            LogConfig {
                memory_bytes: 1,
                ..LogConfig::in_memory()
            },
        ),
    ] {
        let error = open(config, 0).err().unwrap().to_string();
        assert!(error.contains(key), "{error}");
    }
}
