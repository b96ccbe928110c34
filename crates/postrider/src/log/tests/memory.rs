//! The log in memory.

use super::*;

fn rig(bytes: usize) -> LogConfig {
    LogConfig {
        memory_bytes: bytes,
        full_wait: Duration::ZERO,
        ..LogConfig::in_memory()
    }
}

fn fill(writer: &mut LogWriter) -> (u64, LogError) {
    let mut next = 0;
    let mut frame = writer.frame();
    loop {
        for n in next..next + 1000 {
            push(&mut frame, n, &text(n));
        }
        match writer.append(&mut frame) {
            Ok(_) => next += 1000,
            Err(e) => return (next, e),
        }
    }
}

#[test]
fn a_full_memory_refuses_and_takes_again_what_was_refused() {
    let (mut writer, log, report) = open(rig(8 << 20), 100).unwrap();
    assert_eq!(report.next_offset, 100);
    let mut frame = writer.frame();
    let mut next = 100;
    let error = loop {
        for n in next..next + 1000 {
            push(&mut frame, n, &text(n));
        }
        match writer.append(&mut frame) {
            Ok(_) => next += 1000,
            Err(e) => break e,
        }
    };
    assert!(matches!(
        error,
        LogError::Full {
            limit: 0x80_0000,
            ..
        }
    ));
    assert!(error.is_no_space());
    assert_eq!(log.next_offset(), next);
    assert_eq!(frame.len(), 1000, "the frame is as it was");

    let wanted = log.pressure().expect("space is wanted");
    assert!(wanted > 100 && wanted < next);
    log.release(wanted, &[]);
    assert_eq!(log.pressure(), None);
    assert_eq!(writer.append(&mut frame).unwrap().base_offset, next);
    assert_eq!(log.first_offset(), wanted);
    assert_eq!(events(&log, 0), expected(wanted..next + 1000));
}

#[test]
fn a_pinned_frame_stays_and_its_neighbours_go() {
    let (mut writer, log, _) = open(rig(8 << 20), 0).unwrap();
    for n in 0..10 {
        append(&mut writer, n * 10..n * 10 + 10);
    }
    let pin = |offset| offset..offset + 1;
    log.release(80, &[pin(35), pin(71)]);
    let mut left = expected(30..40);
    left.extend(expected(70..100));
    assert_eq!(events(&log, 0), left);
    log.release(80, &[pin(35)]);
    log.release(90, &[pin(35)]);
    let mut left = expected(30..40);
    left.extend(expected(90..100));
    assert_eq!(events(&log, 0), left);
    log.release(100, &[]);
    assert!(events(&log, 0).is_empty());
    assert_eq!(log.stats().used_bytes, 0);
    assert_eq!(log.first_offset(), 100);
}

#[test]
fn a_pinned_frame_that_stays_moves_so_that_its_neighbours_memory_is_free() {
    let (mut writer, log, _) = open(rig(64 << 20), 0).unwrap();
    append(&mut writer, 0..10);
    let release = |floor| log.release(floor, std::slice::from_ref(&(3..4)));
    let held = || log.state().tail[0].is_left_behind();
    append(&mut writer, 10..20);
    release(20);
    let mut next = 20;
    while !held() {
        append(&mut writer, next..next + 1000);
        next += 1000;
    }
    release(next);
    assert!(!held(), "it has memory of its own");
    assert_eq!(events(&log, 0), expected(0..10));
}

#[test]
fn an_append_waits_for_a_release() {
    let config = LogConfig {
        full_wait: Duration::from_secs(600),
        ..rig(8 << 20)
    };
    let (mut writer, log, _) = open(config, 0).unwrap();
    std::thread::scope(|scope| {
        let releaser = scope.spawn(|| {
            // There is room for some 80,000: the writer gets no further than it is let.
            for floor in (50_000..=250_000).step_by(50_000) {
                assert!(log.written().wait(floor, None));
                log.release(floor, &[]);
            }
        });
        let mut next = 0;
        while next < 300_000 {
            append(&mut writer, next..next + 1000);
            next += 1000;
        }
        releaser.join().unwrap();
    });
    assert_eq!(log.next_offset(), 300_000);
    assert!(log.stats().used_bytes <= 8 << 20);
}

#[test]
fn what_is_kept_for_search_goes_when_there_is_no_room_for_new() {
    let clock = Arc::new(ManualClock::new(START_MS));
    let config = LogConfig {
        keep: Duration::from_secs(60),
        clock: clock.clone(),
        ..rig(8 << 20)
    };
    let (mut writer, log, _) = open(config, 0).unwrap();
    let (next, _) = fill(&mut writer);
    log.release(next, &[]);
    assert_eq!(log.first_offset(), 0, "young enough to be kept");
    append(&mut writer, next..next + 1000);
    assert!(log.first_offset() > 0, "room was made");
    assert!(log.first_offset() < next, "and no more than needed");
    clock.advance(Duration::from_secs(61));
    log.release(next + 1000, &[]);
    assert_eq!(log.stats().used_bytes, 0);
}

#[test]
fn housekeeping_frees_what_is_old_and_then_rests() {
    let clock = Arc::new(ManualClock::new(START_MS));
    let config = LogConfig {
        keep: Duration::from_secs(60),
        clock: clock.clone(),
        ..rig(8 << 20)
    };
    let (mut writer, log, _) = open(config, 0).unwrap();
    append(&mut writer, 0..10);
    log.release(10, &[]);
    clock.advance(Duration::from_secs(61));
    assert!(log.maintain().unwrap());
    assert_eq!(log.stats().used_bytes, 0);
    assert!(!log.maintain().unwrap());
    assert!(!log.state().work, "or a thread that keeps house would spin");
}

#[test]
fn there_is_nothing_to_sync() {
    let (mut writer, log, _) = open(rig(8 << 20), 0).unwrap();
    append(&mut writer, 0..10);
    assert_eq!(log.sync().unwrap(), 0);
    assert_eq!(log.synced().load(), 0);
    assert_eq!(log.written().load(), 10);
}
