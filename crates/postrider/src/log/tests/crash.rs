//! Crashes and faults, on the simulated file system.

use super::*;
use crate::fs::sim::{Op, SimFs};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::ErrorKind;

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_until_reopened() {
    let fs = SimFs::new(1);
    let (mut writer, log, _) = open(simulated(&fs), 0).unwrap();
    append(&mut writer, 0..10);
    assert_eq!(log.sync().unwrap(), 10);
    append(&mut writer, 10..20);
    fs.fail(Op::Sync, 0, ErrorKind::Other);
    let error = log.sync().unwrap_err();
    assert!(matches!(error, LogError::SyncFailed { .. }));
    assert!(
        error.to_string().contains("00000000000000000000.seg"),
        "{error}"
    );
    assert!(log.sync().is_err(), "also when the disk would say yes");
    let mut frame = writer.frame();
    push(&mut frame, 20, &text(20));
    assert!(matches!(
        writer.append(&mut frame),
        Err(LogError::SyncFailed { .. })
    ));
    assert_eq!((log.synced().load(), log.written().load()), (10, 20));
    assert!(log.failed().is_some());
    assert_eq!(events(&log, 0), expected(0..20), "reading goes on");
    drop((writer, log));
    let (mut writer, log, _) = open(simulated(&fs), 0).unwrap();
    append(&mut writer, 20..30);
    assert_eq!(log.sync().unwrap(), 30);
}

#[test]
fn a_failed_directory_sync_counts_as_one() {
    let fs = SimFs::new(1);
    let (mut writer, log, _) = open(simulated(&fs), 0).unwrap();
    append(&mut writer, 0..10);
    fs.fail(Op::SyncDir, 0, ErrorKind::Other);
    assert!(log.sync().unwrap_err().to_string().contains("/log"));
    assert!(log.sync().is_err());
    assert_eq!(log.synced().load(), 0);
}

#[test]
fn a_failed_write_is_tried_again_at_the_same_offsets() {
    let fs = SimFs::new(1);
    let (mut writer, log, _) = open(simulated(&fs), 0).unwrap();
    append(&mut writer, 0..10);
    let mut frame = writer.frame();
    for n in 10..20 {
        push(&mut frame, n, &text(n));
    }
    for error in [ErrorKind::Other, ErrorKind::StorageFull] {
        fs.fail(Op::Write, 0, error);
        assert!(matches!(
            writer.append(&mut frame),
            Err(LogError::Io { .. })
        ));
        assert_eq!(log.next_offset(), 10);
        assert_eq!(events(&log, 0), expected(0..10));
    }
    assert_eq!(writer.append(&mut frame).unwrap().base_offset, 10);
    append(&mut writer, 20..30);
    drop((writer, log));
    fs.kill();
    let (_writer, log, report) = open(simulated(&fs), 0).unwrap();
    assert!(!report.is_damaged());
    assert_eq!(events(&log, 0), expected(0..30));
}

#[test]
fn a_full_disk_stops_appends_and_they_resume_when_space_returns() {
    let fs = SimFs::new(1);
    fs.set_capacity(2 * SEGMENT as usize + 4096);
    let (mut writer, log, _) = open(simulated(&fs), 0).unwrap();
    let mut frame = writer.frame();
    let mut next = 0;
    let error = loop {
        for n in next..next + 1000 {
            push(&mut frame, n, &text(n));
        }
        match writer.append(&mut frame) {
            Ok(_) => next += 1000,
            Err(e) => break e,
        }
    };
    assert!(error.is_no_space(), "{error}");
    assert_eq!(events(&log, 0), expected(0..next), "delivery goes on");
    assert!(log.pressure().is_some(), "space is asked for");
    assert!(writer.append(&mut frame).is_err());

    fs.set_capacity(usize::MAX);
    assert_eq!(writer.append(&mut frame).unwrap().base_offset, next);
    assert_eq!(log.pressure(), None);
    assert_eq!(events(&log, 0), expected(0..next + 1000));
}

#[test]
fn a_log_opens_on_a_full_disk() {
    let fs = SimFs::new(1);
    let (mut writer, log, _) = open(simulated(&fs), 0).unwrap();
    append(&mut writer, 0..1000);
    drop((writer, log));
    fs.set_capacity(SEGMENT as usize);
    let (_writer, log, _) = open(simulated(&fs), 0).unwrap();
    assert_eq!(events(&log, 0), expected(0..1000));
}

#[test]
fn an_error_of_the_disk_while_reading_is_told() {
    let fs = SimFs::new(1);
    let (mut writer, log, _) = open(simulated(&fs), 0).unwrap();
    append(&mut writer, 0..10);
    append(&mut writer, 10..20);
    fs.fail(Op::Read, 0, ErrorKind::Other);
    assert!(matches!(
        log.read(0, 1 << 20),
        Err(LogError::Io { doing: "read", .. })
    ));
    assert_eq!(events(&log, 0), expected(0..20));
}

#[derive(Clone, Debug)]
enum Step {
    Append {
        events: u64,
        bytes: usize,
    },
    Sync,
    Maintain,
    /// A floor, in thousandths of what is synced.
    Release(u64),
    Fault(Op, usize, ErrorKind),
    Kill,
    PowerCut,
}

fn step() -> impl Strategy<Value = Step> {
    let op = prop::sample::select(vec![
        Op::Open,
        Op::Write,
        Op::Allocate,
        Op::Zero,
        Op::Sync,
        Op::SyncDir,
        Op::Rename,
        Op::Remove,
    ]);
    let error = prop::sample::select(vec![ErrorKind::Other, ErrorKind::StorageFull]);
    prop_oneof![
        8 => (1u64..300, 1usize..4000).prop_map(|(events, bytes)| Step::Append { events, bytes }),
        3 => Just(Step::Sync),
        2 => Just(Step::Maintain),
        2 => (0u64..1000).prop_map(Step::Release),
        2 => (op, 0usize..4, error).prop_map(|(op, n, e)| Step::Fault(op, n, e)),
        1 => Just(Step::Kill),
        1 => Just(Step::PowerCut),
    ]
}

fn body(n: u64, bytes: usize) -> String {
    let mut text = format!("{n}:");
    while text.len() < bytes {
        text.push((b'a' + (text.len() as u64 * 7 + n) as u8 % 26) as char);
    }
    text
}

/// What may and what must be there.
#[derive(Default)]
struct Model {
    /// Every event that was ever tried: its offset's possible texts.
    tried: BTreeMap<u64, Vec<String>>,
    /// Offsets that were acknowledged as written.
    written: BTreeMap<u64, String>,
    /// Above all offsets acknowledged as synced.
    synced: u64,
    floor: u64,
    /// What the journal would remember: above all offsets ever acknowledged.
    above: u64,
}

fn check(model: &mut Model, log: &Log, kept: bool) -> Result<(), TestCaseError> {
    let found: BTreeMap<u64, String> = events(log, 0).into_iter().collect();
    for (offset, text) in &found {
        let known = model.tried.get(offset);
        prop_assert!(
            known.is_some_and(|k| k.contains(text)),
            "offset {offset} was never given this text"
        );
    }
    for (offset, text) in model.written.range(model.floor..) {
        if kept || *offset < model.synced {
            prop_assert_eq!(
                found.get(offset),
                Some(text),
                "offset {} was acknowledged",
                offset
            );
        }
    }
    // What a power cut took is gone; what it left counts from now on.
    model.written = found;
    Ok(())
}

/// Appends the frame that is still to be written, if there is one; answers whether none is left. The engine's
/// writer tries a frame again too before it takes the next: what a failed write left lies where it will lie.
fn try_append(
    model: &mut Model,
    writer: &mut LogWriter,
    log: &Log,
    unwritten: &mut Option<(FrameBuilder, Vec<String>)>,
) -> Result<bool, TestCaseError> {
    let Some((frame, texts)) = unwritten else {
        return Ok(true);
    };
    for (offset, text) in (log.next_offset()..).zip(&*texts) {
        model.tried.entry(offset).or_default().push(text.clone());
    }
    let Ok(appended) = writer.append(frame) else {
        return Ok(false);
    };
    prop_assert!(
        appended.base_offset >= model.above,
        "an offset is used once"
    );
    model.above = appended.written_end;
    model
        .written
        .extend((appended.base_offset..).zip(texts.drain(..)));
    *unwritten = None;
    Ok(true)
}

proptest! {
    #![proptest_config(crate::cases(32))]

    #[test]
    fn what_was_acknowledged_survives(seed in any::<u64>(), steps in prop::collection::vec(step(), 1..80)) {
        let fs = SimFs::new(seed);
        let mut model = Model::default();
        let (mut serial, mut power_was_cut, mut unwritten) = (0, false, None);
        let (mut writer, mut log, _) = open(simulated(&fs), 0).unwrap();
        for step in steps {
            let mut crashed = None;
            match step {
                Step::Append { events, bytes } => {
                    if !try_append(&mut model, &mut writer, &log, &mut unwritten)? {
                        continue;
                    }
                    let (mut frame, mut texts) = (writer.frame(), Vec::new());
                    for _ in 0..events {
                        serial += 1;
                        let text = body(serial, bytes);
                        let with_separator = [text.as_bytes(), SEPARATOR].concat();
                        if !frame.push(&entry(serial, text.as_bytes()), &with_separator) {
                            break;
                        }
                        texts.push(text);
                    }
                    unwritten = Some((frame, texts));
                    try_append(&mut model, &mut writer, &log, &mut unwritten)?;
                }
                Step::Sync => match log.sync() {
                    Ok(synced) => model.synced = model.synced.max(synced),
                    // A real engine stops here and is started again by its operator.
                    Err(_) => crashed = Some(true),
                },
                Step::Maintain => {
                    let _ = log.maintain();
                    if log.failed().is_some() {
                        crashed = Some(true);
                    }
                }
                Step::Release(to) => {
                    model.floor = model.floor.max(model.synced * to / 1000);
                    log.release(model.floor, &[]);
                }
                Step::Fault(op, after, error) => fs.fail(op, after, error),
                Step::Kill => {
                    fs.kill();
                    crashed = Some(true);
                }
                Step::PowerCut => {
                    fs.power_cut();
                    crashed = Some(false);
                }
            }
            if let Some(kept) = crashed {
                drop((writer, log));
                unwritten = None;
                fs.kill();
                let report;
                (writer, log, report) = open(simulated(&fs), model.above).unwrap();
                prop_assert!(report.next_offset >= model.above);
                power_was_cut |= !kept;
                prop_assert!(power_was_cut || !report.is_damaged(), "{report:?}");
                check(&mut model, &log, kept)?;
                // Offsets that only a name had used may be given again.
                model.synced = model.synced.min(report.next_offset);
                model.floor = model.floor.min(report.next_offset);
            }
        }
        drop((writer, log));
        fs.kill();
        let (_writer, log, _) = open(simulated(&fs), model.above).unwrap();
        check(&mut model, &log, true)?;
    }
}
