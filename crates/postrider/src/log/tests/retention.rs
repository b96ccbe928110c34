//! What is kept, freed and recycled on disk.

use super::*;
use std::sync::atomic::Ordering::Relaxed;

/// Appends until there are `n` segments; answers the next offset.
fn bases(log: &Log) -> Vec<u64> {
    log.segments().iter().map(|s| s.base_offset).collect()
}

#[test]
fn segments_below_the_floor_go_except_pinned_ones() {
    let rig = Rig::uncached();
    let (mut writer, log, _) = rig.open();
    let next = fill(&mut writer, &log, 0, 5);
    let b = bases(&log);
    let pin = b[1]..b[1] + 1;
    log.release(b[3] - 1, std::slice::from_ref(&pin));
    assert_eq!(
        bases(&log),
        [b[1], b[2], b[3], b[4]],
        "a segment is needed to its last event"
    );
    log.release(b[3], std::slice::from_ref(&pin));
    assert_eq!(bases(&log), [b[1], b[3], b[4]]);
    assert_eq!(log.first_offset(), b[1]);
    let mut left = expected(b[1]..b[2]);
    left.extend(expected(b[3]..next));
    assert_eq!(events(&log, 0), left);
    log.release(next, &[]);
    assert_eq!(bases(&log), [b[4]], "the one being written stays");
    log.maintain().unwrap();
    assert_eq!(rig.files("seg").len(), 1);
    drop((writer, log));
    let (_, log, report) = rig.open();
    assert_eq!(report.next_offset, next);
    assert_eq!(events(&log, 0), expected(b[4]..next));
}

#[test]
fn a_recycled_file_holds_no_former_text() {
    let rig = Rig::uncached();
    let (mut writer, log, _) = rig.open();
    let mut frame = writer.frame();
    push(&mut frame, 0, r#"{"rcpt_to":"alice@secret.example"}"#);
    writer.append(&mut frame).unwrap();
    let next = fill(&mut writer, &log, 1, 4);
    log.release(next, &[]);
    log.maintain().unwrap();
    assert!(log.stats().recycled > 0);
    for entry in std::fs::read_dir(rig.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let found = memchr::memmem::find(&bytes, b"alice@secret");
        assert_eq!(found, None, "{}", path.display());
    }
    let unprepared = log.stats().unprepared;
    fill(&mut writer, &log, next, 2);
    assert_eq!(
        log.stats().unprepared,
        unprepared,
        "the recycled one was ready"
    );
}

#[test]
fn a_segment_is_not_recycled_under_its_reader() {
    let rig = Rig::uncached();
    let (mut writer, log, _) = rig.open();
    let next = fill(&mut writer, &log, 0, 3);
    let mut seen = 0;
    log.tables(0, |table| {
        if seen == 0 {
            log.release(next, &[]);
            log.maintain().unwrap();
        }
        assert_eq!(table.base_offset(), seen);
        seen += u64::from(table.count());
        seen < 20_000
    })
    .unwrap();
    assert_eq!(
        seen, 20_000,
        "the tables of a released segment were read to the end"
    );
    log.maintain().unwrap();
    assert_eq!(rig.files("seg").len(), 1);
}

#[test]
fn events_are_kept_for_search_until_they_are_old() {
    let mut rig = Rig::uncached();
    rig.config.keep = Duration::from_secs(3600);
    let (mut writer, log, _) = rig.open();
    let next = fill(&mut writer, &log, 0, 3);
    let b = bases(&log);
    log.release(next, &[]);
    assert_eq!(bases(&log), b);
    rig.clock.advance(Duration::from_secs(1800));
    fill(&mut writer, &log, next, 4);
    rig.clock.advance(Duration::from_secs(1801));
    log.maintain().unwrap();
    assert_eq!(bases(&log)[0], b[2], "by age, also without a release");
    rig.clock.set_unix_ms(START_MS);
    log.maintain().unwrap();
    assert_eq!(bases(&log)[0], b[2], "a clock that steps back keeps");
}

#[test]
fn limits_change_while_the_log_is_open() {
    let mut rig = Rig::uncached();
    (rig.config.max_bytes, rig.config.keep) = (20 * SEGMENT, Duration::from_secs(3600));
    let (mut writer, log, _) = rig.open();
    let next = fill(&mut writer, &log, 0, 10);
    log.release(next, &[]);
    assert_eq!(bases(&log).len(), 10);
    let refused = log.set_limits(3 * SEGMENT, Duration::ZERO).unwrap_err();
    assert!(refused.to_string().contains("log.max_bytes"), "{refused}");
    log.maintain().unwrap();
    assert_eq!(bases(&log).len(), 10, "a refusal changes nothing");

    log.set_limits(8 * SEGMENT, Duration::from_secs(3600))
        .unwrap();
    log.maintain().unwrap();
    assert_eq!(bases(&log).len(), 6, "two segments are kept free");
    log.set_limits(8 * SEGMENT, Duration::ZERO).unwrap();
    log.maintain().unwrap();
    assert_eq!(bases(&log).len(), 1, "nothing is kept for search");
}

#[test]
fn under_max_bytes_search_goes_first_and_then_space_is_asked_for() {
    let mut rig = Rig::uncached();
    rig.config.max_bytes = 6 * SEGMENT;
    rig.config.keep = Duration::from_secs(1 << 30);
    let (mut writer, log, _) = rig.open();
    let mut next = fill(&mut writer, &log, 0, 4);
    let needed = bases(&log)[2];
    log.release(needed, &[]);
    next = fill(&mut writer, &log, next, 5);
    log.maintain().unwrap();
    assert_eq!(log.pressure(), None, "what only search wants makes room");
    let mut frame = writer.frame();
    let error = loop {
        for n in next..next + 1000 {
            push(&mut frame, n, &text(n));
        }
        match writer.append(&mut frame) {
            Ok(_) => next += 1000,
            Err(e) => break e,
        }
    };
    assert!(matches!(error, LogError::Full { .. }), "{error}");
    assert!(log.stats().used_bytes <= 6 * SEGMENT);
    let first = bases(&log)[0];
    assert_eq!(first, needed, "nothing that is needed was freed");
    assert_eq!(events(&log, 0), expected(needed..next));
    let up_to = log.pressure().expect("space is wanted");
    assert!(up_to > needed);
    log.release(up_to, &[]);
    assert_eq!(writer.append(&mut frame).unwrap().base_offset, next);
}

#[test]
fn the_house_is_kept_by_a_thread_until_the_writer_goes() {
    let rig = Rig::uncached();
    let (mut writer, log, _) = rig.open();
    std::thread::scope(|scope| {
        let keeper = scope.spawn(|| log.keep_house(|e| panic!("{e}")));
        let next = fill(&mut writer, &log, 0, 3);
        log.release(next, &[]);
        let mut state = log.state();
        while log.counters.recycled.load(Relaxed) == 0 {
            state = log.room.wait(state).unwrap();
        }
        drop(state);
        drop(writer);
        keeper.join().unwrap();
    });
}
