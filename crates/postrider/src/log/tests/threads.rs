//! Reading while another thread appends, and one more recycles.

use super::*;
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
fn readers_see_every_event_once_and_in_order_while_the_writer_writes() {
    const EVENTS: u64 = 200_000;
    for tail_bytes in [0, 1 << 20] {
        let mut rig = Rig::new();
        rig.config.tail_bytes = tail_bytes;
        rig.config.full_wait = Duration::from_secs(600);
        rig.config.max_bytes = 8 * SEGMENT;
        let (mut writer, log, _) = rig.open();
        let positions = [AtomicU64::new(0), AtomicU64::new(0)];
        std::thread::scope(|scope| {
            scope.spawn(|| log.keep_house(|e| panic!("{e}")));
            let readers = [0, 1].map(|i| {
                let (log, positions) = (&log, &positions);
                scope.spawn(move || {
                    let mut next = 0;
                    while next < EVENTS {
                        assert!(log.written().wait(next + 1, None));
                        for frame in log.read(next, 300_000 * (i + 1)).unwrap() {
                            assert!(!frame.has_damage());
                            for e in 0..frame.count() {
                                let offset = frame.base_offset() + u64::from(e);
                                if offset >= next {
                                    assert_eq!(offset, next);
                                    assert_eq!(frame.text(e), text(next).as_bytes());
                                    next += 1;
                                }
                            }
                        }
                        positions[i].store(next, Ordering::SeqCst);
                        let floor = positions.iter().map(|p| p.load(Ordering::SeqCst)).min();
                        log.release(floor.unwrap(), &[]);
                    }
                })
            });
            let mut next = 0;
            while next < EVENTS {
                let count = (next % 977 + 1).min(EVENTS - next);
                append(&mut writer, next..next + count);
                next += count;
            }
            let synced = log.sync().unwrap();
            assert_eq!(synced, EVENTS);
            for reader in readers {
                reader.join().unwrap();
            }
            drop(writer);
        });
        assert!(log.stats().recycled > 0);
    }
}
