//! Many processes, and some that are killed.

use super::*;
use crate::processes::{Child, fork};
use postrider::log::{self, LogConfig};
use std::io::Write;

#[test]
fn several_processes_write_while_files_are_taken_rotated_and_deleted() {
    const WRITERS: usize = 6;
    const EVENTS: usize = 3000;
    let data = Data::new();
    let config = TakerConfig {
        file_bytes: 64 * 1024,
        ..TakerConfig::default()
    };
    let mut taker = data.taker(config);
    let watch = Watch::open(&data.inbox).unwrap();
    let children: Vec<_> = (0..WRITERS)
        .map(|k| {
            let inbox = data.inbox.clone();
            fork(move |_| {
                let mut writer = Writer::open(&inbox).unwrap();
                for n in 0..EVENTS {
                    append(&mut writer, &format!("{k} {n} {}", "x".repeat(n % 700))).unwrap();
                }
            })
        })
        .collect();

    let mut all = Vec::new();
    let mut files = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            children.into_iter().for_each(|child| child.wait());
            watch.stop();
        });
        while watch.wait().unwrap() == Woken::Written {
            let taken = take(&mut taker, &mut all);
            assert_eq!(taken.damaged, 0);
            assert!(taken.problems.is_empty(), "{:?}", taken.problems);
            files = files.max(taker.stats().files);
            taker.committed(&taken.positions).unwrap();
        }
    });
    take(&mut taker, &mut all);

    assert_eq!(all.len(), WRITERS * EVENTS);
    let mut next = [0; WRITERS];
    for text in &all {
        let numbers: Vec<usize> = text
            .split(' ')
            .take(2)
            .map(|n| n.parse().unwrap())
            .collect();
        assert_eq!(numbers[1], next[numbers[0]], "writer {}", numbers[0]);
        next[numbers[0]] += 1;
    }
    assert!(files > 1, "never rotated");
    taker.rotate().unwrap();
    take(&mut taker, &mut all);
    taker.committed(&taker.positions()).unwrap();
    assert_eq!(data.files().len(), 1, "what was taken is deleted");
}

#[test]
fn what_a_killed_process_recorded_is_there() {
    let data = Data::new();
    for round in 0..20 {
        let mut taker = data.taker(TakerConfig::default());
        let inbox = data.inbox.clone();
        let mut child = fork(move |out| {
            let mut writer = Writer::open(&inbox).unwrap();
            for n in 0u64.. {
                append(&mut writer, &format!("{n} {}", "y".repeat(5000))).unwrap();
                out.write_all(b"+").unwrap();
            }
        });
        for _ in 0..round * 7 + 1 {
            child.expect_byte();
        }
        child.signal(libc::SIGKILL);
        child.wait_status();
        let mut acknowledged = round * 7 + 1;
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut child.out, &mut rest).unwrap();
        acknowledged += rest.len();

        let mut got = Vec::new();
        let taken = take(&mut taker, &mut got);
        let extra = got.len() - acknowledged;
        assert!(
            extra <= 1,
            "{acknowledged} acknowledged, {} taken",
            got.len()
        );
        taker.rotate().unwrap();
        let after = take(&mut taker, &mut got);
        assert!(taken.damaged + after.damaged <= 1);
        taker.committed(&taker.positions()).unwrap();
    }
}

/// An engine's side of the inbox without the engine: takes into the log, a little at a time, until `done`.
fn take_into_log(data: &Path, mut done: impl FnMut(&Taken) -> bool) {
    let inbox = data.join(inbox::DIR_NAME);
    let config = LogConfig {
        segment_bytes: 2 << 20,
        ..LogConfig::on_disk(data.join("log"))
    };
    let (mut writer, log, recovery) = log::open(config, 0).unwrap();
    let config = TakerConfig {
        file_bytes: 64 * 1024,
        ..TakerConfig::default()
    };
    let clock = Arc::new(SystemClock);
    let mut taker = Taker::open(&inbox, &recovery.inbox_positions, clock, config).unwrap();
    let watch = Watch::open(&inbox).unwrap();
    let mut frame = writer.frame();
    loop {
        let taken = taker
            .take(8192, |entry, text, _| frame.push(entry, text))
            .unwrap();
        for &(file, position) in &taken.positions {
            frame.inbox_position(file, position);
        }
        writer.append(&mut frame).unwrap();
        log.sync().unwrap();
        taker.committed(&taken.positions).unwrap();
        for file in taker.deleted() {
            writer.forget_inbox(file);
        }
        if done(&taken) {
            return;
        }
        if taken.events == 0 && !taken.more {
            watch.wait().unwrap();
        }
    }
}

#[test]
fn an_engine_killed_at_any_point_loses_nothing_and_takes_nothing_twice() {
    const WRITERS: usize = 3;
    const EVENTS: usize = 400;
    let data = Data::new();
    let mut writers: Vec<Child> = (0..WRITERS)
        .map(|k| {
            let inbox = data.inbox.clone();
            fork(move |out| {
                let mut writer = Writer::open(&inbox).unwrap();
                for n in 0..EVENTS {
                    append(
                        &mut writer,
                        &format!("{k} {n} {}", "x".repeat(n * 37 % 3000)),
                    )
                    .unwrap();
                    out.write_all(b"+").unwrap();
                }
            })
        })
        .collect();
    for round in 0..20 {
        let path = data.dir.path().to_owned();
        let mut engine = fork(move |out| {
            take_into_log(&path, |_| {
                out.write_all(b"+").unwrap();
                false
            });
        });
        engine.expect_byte();
        for _ in 0..round * 2 {
            writers.iter_mut().for_each(|writer| {
                writer.expect_byte();
            });
        }
        engine.signal(libc::SIGKILL);
        engine.wait_status();
    }
    writers.into_iter().for_each(Child::wait);
    take_into_log(data.dir.path(), |taken| taken.events == 0 && !taken.more);

    let mut next = [0; WRITERS];
    let log = data.dir.path().join("log");
    log::inspect(&postrider::fs::RealFs, &log, 0..u64::MAX, |frame| {
        for i in 0..frame.count() {
            let text = String::from_utf8(frame.text(i).to_vec()).unwrap();
            let mut numbers = text.split(' ').map(|n| n.parse::<usize>());
            let (k, n) = (
                numbers.next().unwrap().unwrap(),
                numbers.next().unwrap().unwrap(),
            );
            assert_eq!(n, next[k], "writer {k}: each event once, in its order");
            next[k] += 1;
        }
        true
    })
    .unwrap();
    assert_eq!(next, [EVENTS; WRITERS]);
}
