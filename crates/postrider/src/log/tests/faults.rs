//! What the disk does to directories, indexes and opening: by name, on the simulated file system.

use super::*;
use crate::fs::sim::{Op, SimFs};
use std::io::ErrorKind;

#[test]
fn what_a_failed_append_left_does_not_hide_what_was_written_at_its_offsets() {
    for seed in 0..40 {
        let fs = SimFs::new(seed);
        let (mut writer, log, _) = open(simulated(&fs), 0).unwrap();
        append(&mut writer, 0..500);
        let mut next = 500;
        while log.segments()[0].bytes + 120_000 < SEGMENT {
            append(&mut writer, next..next + 500);
            next += 500;
        }
        // This one fits into the segment and fails, the next one is too long for it.
        let mut frame = writer.frame();
        (next..next + 500).for_each(|n| push(&mut frame, n, &text(n + 1)));
        fs.fail(Op::Write, 0, ErrorKind::Other);
        writer.append(&mut frame).unwrap_err();
        append(&mut writer, next..next + 5000);
        next += 5000;
        assert_eq!(log.stats().segments, 2);
        log.sync().unwrap();
        fs.power_cut();
        drop((writer, log));
        let (_writer, log, report) = open(simulated(&fs), 0).unwrap();
        assert!(!report.is_damaged(), "seed {seed}: {report:?}");
        assert_eq!(events(&log, 0), expected(0..next), "seed {seed}");
    }
}

#[test]
fn names_of_new_segments_are_durable_before_their_events_are_acknowledged() {
    for seed in 0..40 {
        let fs = SimFs::new(seed);
        let (mut writer, log, _) = open(simulated(&fs), 0).unwrap();
        let next = fill(&mut writer, &log, 0, 3);
        assert_eq!(log.sync().unwrap(), next);
        fs.power_cut();
        drop((writer, log));
        let (_writer, log, report) = open(simulated(&fs), 0).unwrap();
        assert!(!report.is_damaged(), "seed {seed}: {report:?}");
        assert_eq!(events(&log, 0), expected(0..next), "seed {seed}");
    }
}

#[test]
fn a_name_is_gone_for_good_before_its_text_is() {
    for seed in 0..40 {
        let fs = SimFs::new(seed);
        let (mut writer, log, _) = open(simulated(&fs), 0).unwrap();
        let next = fill(&mut writer, &log, 0, 4);
        log.maintain().unwrap();
        log.sync().unwrap();
        let kept = log.segments()[2].base_offset;
        log.release(kept, &[]);
        // The power goes somewhere in the recycling of two segments, or behind it.
        let ops = [Op::Remove, Op::Rename, Op::SyncDir, Op::Zero];
        fs.fail(
            ops[seed as usize % 4],
            seed as usize / 4 % 3,
            ErrorKind::Other,
        );
        let _ = log.maintain();
        fs.power_cut();
        drop((writer, log));
        let (_writer, log, report) = open(simulated(&fs), next).unwrap();
        assert!(report.set_aside.is_empty(), "seed {seed}: {report:?}");
        assert_eq!((report.holes, report.damaged), (0, 0), "seed {seed}");
        assert_eq!(events(&log, kept), expected(kept..next), "seed {seed}");
    }
}

#[test]
fn an_index_that_could_not_be_written_is_written_later() {
    for op in [Op::Open, Op::Write, Op::Rename] {
        let fs = SimFs::new(1);
        let (mut writer, log, _) = open(simulated(&fs), 0).unwrap();
        let next = fill(&mut writer, &log, 0, 2);
        // Both segments and a spare are there: all that is left to do is the index.
        log.sync().unwrap();
        while log.segments()[0].contents.is_none() {
            fs.fail(op, 0, ErrorKind::Other);
            let failed = log.maintain().is_err();
            fs.clear_faults();
            assert!(failed || log.segments()[0].contents.is_some(), "{op:?}");
            log.maintain().unwrap();
        }
        assert_eq!(events(&log, 0), expected(0..next), "{op:?}");
    }
}

#[test]
fn a_log_that_cannot_be_read_is_not_opened_and_loses_nothing() {
    for op in [Op::Open, Op::Read] {
        for after in 0..6 {
            let fs = SimFs::new(1);
            let (mut writer, log, _) = open(simulated(&fs), 0).unwrap();
            let next = fill(&mut writer, &log, 0, 3);
            drop((writer, log));
            fs.fail(op, after, ErrorKind::Other);
            if let Err(error) = open(simulated(&fs), 0) {
                assert!(error.to_string().contains("/log/"), "{error}");
            }
            fs.kill();
            let (_writer, log, report) = open(simulated(&fs), 0).unwrap();
            assert!(!report.is_damaged(), "{op:?} after {after}");
            assert_eq!(events(&log, 0), expected(0..next), "{op:?} after {after}");
        }
    }
}

#[test]
fn behind_a_frame_that_a_power_cut_took_no_inbox_position_is_believed() {
    let fs = SimFs::new(1);
    let path = Path::new("/log/00000000000000000000.seg");
    for synced in [false, true] {
        let fs_path = if synced { "/log-synced" } else { "/log" };
        let config = LogConfig {
            dir: Some(fs_path.into()),
            ..simulated(&fs)
        };
        let path = Path::new(fs_path).join(path.file_name().unwrap());
        let (mut writer, log, _) = open(config.clone(), 0).unwrap();
        let mut frame = writer.frame();
        let mut ends = Vec::new();
        for n in 0..3 {
            push(&mut frame, n, &text(n));
            frame.inbox_position(7, 100 * (n + 1));
            writer.append(&mut frame).unwrap();
            ends.push(log.segments()[0].bytes as usize);
        }
        if synced {
            log.sync().unwrap();
        }
        append(&mut writer, 3..4);
        drop((writer, log));
        // The second frame is not there.
        fs.flip(&path, ends[0], 0);
        let (_writer, log, report) = open(config, 0).unwrap();
        assert_eq!(report.holes, 1);
        assert_eq!(events(&log, 0).len(), 3, "its neighbours are");
        // Synced once, it is damage: taking again would give the others twice.
        let believed = if synced { 300 } else { 100 };
        assert_eq!(report.inbox_positions, [(7, believed)]);
    }
}

/// What the journal remembers is above what the log has: the log goes on behind a gap. Then it is synced with nothing new in it,
/// which says that all below was synced; what a power cut took next to the gap was not.
#[test]
fn a_hole_behind_a_gap_is_not_taken_for_damage() {
    let fs = SimFs::new(1);
    let (mut writer, log, _) = open(simulated(&fs), 0).unwrap();
    append(&mut writer, 0..1);
    drop((writer, log));
    let (mut writer, log, _) = open(simulated(&fs), 50).unwrap();
    log.sync().unwrap();
    let mut frame = writer.frame();
    let mut ends = vec![log.segments()[0].bytes as usize];
    for n in 0..2 {
        push(&mut frame, n, &text(n));
        frame.inbox_position(7, 100 * (n + 1));
        writer.append(&mut frame).unwrap();
        ends.push(log.segments()[0].bytes as usize);
    }
    drop((writer, log));
    // The first of them is not there.
    fs.flip(Path::new("/log/00000000000000000000.seg"), ends[0], 0);
    let (_writer, log, report) = open(simulated(&fs), 50).unwrap();
    assert_eq!((report.holes, events(&log, 0).len()), (1, 2));
    assert_eq!(report.inbox_positions, []);
}

/// The same where the hole ends its segment, so that nothing of it but the next one's name tells of it.
#[test]
fn a_hole_behind_a_gap_at_the_end_of_a_segment_is_not_taken_for_damage() {
    let fs = SimFs::new(1);
    let (mut writer, log, _) = open(simulated(&fs), 0).unwrap();
    let bytes = |log: &Log| log.segments()[0].bytes;
    let mut next = 0;
    let mut fill = |writer: &mut LogWriter| {
        append(writer, next..next + 1000);
        next += 1000;
    };
    fill(&mut writer);
    let frame = bytes(&log);
    // Room for one more and not for two.
    while bytes(&log) + 2 * frame <= SEGMENT {
        fill(&mut writer);
    }
    drop((writer, log));
    let (mut writer, log, _) = open(simulated(&fs), next + 50).unwrap();
    log.sync().unwrap();
    let end = bytes(&log) as usize;
    let mut frame = writer.frame();
    for n in 0..2 {
        (0..1000).for_each(|i| push(&mut frame, i, &text(i)));
        frame.inbox_position(7, 100 * (n + 1));
        writer.append(&mut frame).unwrap();
    }
    assert_eq!(log.stats().segments, 2);
    drop((writer, log));
    // The first of them is not there.
    fs.flip(Path::new("/log/00000000000000000000.seg"), end, 0);
    let (_writer, log, report) = open(simulated(&fs), next + 50).unwrap();
    assert_eq!(events(&log, 0).len() as u64, next + 1000);
    assert_eq!(report.inbox_positions, []);
}

/// Opening a log indexes what is sealed; of a segment with a loss that would say that it is whole.
#[test]
fn a_loss_is_remembered_until_a_frame_accounts_for_it() {
    let fs = SimFs::new(1);
    let (mut writer, log, _) = open(simulated(&fs), 0).unwrap();
    let mut frame = writer.frame();
    let mut ends = Vec::new();
    for n in 0..2 {
        push(&mut frame, n, &text(n));
        frame.inbox_position(7, 100 * (n + 1));
        writer.append(&mut frame).unwrap();
        ends.push(log.segments()[0].bytes as usize);
    }
    // The next segment's first frame repeats the position.
    let next = fill(&mut writer, &log, 2, 2);
    drop((writer, log));
    fs.flip(Path::new("/log/00000000000000000000.seg"), ends[0], 0);
    for _ in 0..3 {
        let (_writer, log, report) = open(simulated(&fs), 0).unwrap();
        assert_eq!(report.inbox_positions, [(7, 100)]);
        assert!(log.segments()[0].contents.is_none(), "it is not indexed");
        fs.kill();
    }
    let (mut writer, log, _) = open(simulated(&fs), 0).unwrap();
    append(&mut writer, next..next + 1);
    log.maintain().unwrap();
    assert!(log.segments()[0].contents.is_some());
    drop((writer, log));
    let (_writer, _log, report) = open(simulated(&fs), 0).unwrap();
    assert_eq!(report.inbox_positions, [(7, 100)]);
}
