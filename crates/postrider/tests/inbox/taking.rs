//! Taking: everything once, in each writer's order, and files deleted in time.

use super::*;
use crate::processes::fork;
use std::fs::{File, OpenOptions};
use std::io::Write;

#[test]
fn stumps_between_good_records_are_skipped_and_counted() {
    let data = Data::new();
    let mut taker = data.taker(TakerConfig::default());
    let mut writer = Writer::open(&data.inbox).unwrap();
    append(&mut writer, "one").unwrap();
    let file = data.newest();
    let record = fs::read(&file).unwrap()[64..].to_vec();
    let mut raw = OpenOptions::new().append(true).open(&file).unwrap();
    for cut in [1, 5, 20, 32, 34] {
        raw.write_all(&record[..cut]).unwrap();
        append(&mut writer, &format!("after {cut}")).unwrap();
    }
    raw.write_all(&record[..33]).unwrap();

    let mut all = Vec::new();
    let taken = take(&mut taker, &mut all);
    assert_eq!(
        all,
        [
            "one", "after 1", "after 5", "after 20", "after 32", "after 34"
        ]
    );
    assert_eq!(taken.damaged, 5, "the last may still be in the making");
    taker.rotate().unwrap();
    let taken = take(&mut taker, &mut all);
    assert_eq!((taken.damaged, all.len()), (1, 6));
    taker.committed(&taker.positions()).unwrap();
    assert!(!file.exists());
}

#[test]
fn recovered_positions_are_not_taken_twice() {
    let data = Data::new();
    let mut writer = Writer::open(&data.inbox).unwrap();
    let mut all = Vec::new();
    let mut positions = Vec::new();
    for round in 0..5 {
        // A new engine each time: it knows what the log remembers, and no more.
        let mut taker = data.taker_from(&positions, TakerConfig::default());
        for n in 0..10 {
            append(&mut writer, &format!("{round} {n}")).unwrap();
        }
        take(&mut taker, &mut all);
        if round == 2 {
            taker.rotate().unwrap();
        }
        positions = taker.positions();
    }
    let wanted: Vec<String> = (0..5)
        .flat_map(|round| (0..10).map(move |n| format!("{round} {n}")))
        .collect();
    assert_eq!(all, wanted);
}

#[test]
fn a_file_is_deleted_only_when_the_position_behind_it_is_durable() {
    let data = Data::new();
    let mut taker = data.taker(TakerConfig::default());
    let mut writer = Writer::open(&data.inbox).unwrap();
    append(&mut writer, "one").unwrap();
    let file = data.newest();
    let mut all = Vec::new();
    let early = take(&mut taker, &mut all);
    append(&mut writer, "two").unwrap();
    let late = take(&mut taker, &mut all);
    taker.rotate().unwrap();
    take(&mut taker, &mut all);
    taker.committed(&[]).unwrap();
    taker.committed(&early.positions).unwrap();
    assert!(file.exists());
    assert!(taker.deleted().is_empty());
    taker.committed(&late.positions).unwrap();
    assert!(!file.exists());
    let gone = late.positions[0].0;
    assert_eq!(taker.deleted(), [gone]);
    // A restart before the log could forget it says so again.
    let mut again = data.taker_from(&late.positions, TakerConfig::default());
    assert_eq!(again.deleted(), [gone]);
    // A writer that had it open goes on.
    append(&mut writer, "three").unwrap();
    assert_eq!(texts(&mut taker), ["three"]);
}

#[test]
fn what_the_sink_refuses_comes_again() {
    let data = Data::new();
    let mut taker = data.taker(TakerConfig::default());
    let mut writer = Writer::open(&data.inbox).unwrap();
    for n in 0..5 {
        append(&mut writer, &n.to_string()).unwrap();
    }
    let mut seen = 0;
    let taken = taker
        .take(usize::MAX, |_, _, _| {
            seen += 1;
            seen < 3
        })
        .unwrap();
    assert_eq!((taken.events, taken.more), (2, true));
    let again = data.taker_from(&taken.positions, TakerConfig::default());
    assert_eq!(texts(&mut { again }), ["2", "3", "4"]);
    let taken = taker.take(1, |_, _, _| true).unwrap();
    assert_eq!((taken.events, taken.more), (1, true));
    assert_eq!(texts(&mut taker), ["3", "4"]);
}

#[test]
fn a_writer_that_hangs_keeps_its_file_and_nothing_else() {
    let data = Data::new();
    let mut taker = data.taker(TakerConfig::default());
    let file = data.newest();
    let mut writer = Writer::open(&data.inbox).unwrap();
    append(&mut writer, "before").unwrap();
    let path = file.clone();
    let mut hanging = fork(move |out| {
        let file = File::open(path).unwrap();
        file.lock_shared().unwrap();
        out.write_all(b"+").unwrap();
        loop {
            std::thread::park();
        }
    });
    hanging.expect_byte();
    taker.rotate().unwrap();
    append(&mut writer, "after").unwrap();
    assert_eq!(texts(&mut taker), ["before", "after"]);
    taker.committed(&taker.positions()).unwrap();
    assert!(file.exists());
    hanging.signal(libc::SIGKILL);
    hanging.wait_status();
    assert!(texts(&mut taker).is_empty());
    taker.committed(&taker.positions()).unwrap();
    assert!(!file.exists());
}

#[test]
fn a_file_at_rest_is_sealed_after_its_time() {
    let data = Data::new();
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let config = TakerConfig::default();
    let idle = config.idle_age;
    let mut taker = Taker::open(&data.inbox, &[], clock.clone(), config).unwrap();
    let mut writer = Writer::open(&data.inbox).unwrap();
    append(&mut writer, "one").unwrap();
    let file = data.newest();
    assert_eq!(texts(&mut taker), ["one"]);
    clock.advance(idle);
    take(&mut taker, &mut Vec::new());
    take(&mut taker, &mut Vec::new());
    taker.committed(&taker.positions()).unwrap();
    assert!(!file.exists());
    let left = data.files();
    clock.advance(idle * 2);
    take(&mut taker, &mut Vec::new());
    assert_eq!(data.files(), left, "an empty file stays");
}

#[test]
fn the_watch_wakes_for_writers_and_stops() {
    let data = Data::new();
    let mut writer = Writer::open(&data.inbox).unwrap();
    let watch = Watch::open(&data.inbox).unwrap();
    append(&mut writer, "one").unwrap();
    assert_eq!(watch.wait().unwrap(), Woken::Written);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| watch.wait().unwrap());
        append(&mut writer, "two").unwrap();
        assert_eq!(waiting.join().unwrap(), Woken::Written);
        let waiting = scope.spawn(|| watch.wait().unwrap());
        watch.stop();
        assert_eq!(waiting.join().unwrap(), Woken::Stopped);
    });
    assert_eq!(watch.wait().unwrap(), Woken::Stopped);
}

#[test]
fn a_synced_append_is_synced_across_files() {
    let data = Data::new();
    let mut taker = data.taker(TakerConfig::default());
    let mut writer = Writer::open(&data.inbox).unwrap();
    for n in 0..5 {
        append(&mut writer, &n.to_string()).unwrap();
        taker.rotate().unwrap();
    }
    writer.sync().unwrap();
    assert_eq!(texts(&mut taker).len(), 5);
}
