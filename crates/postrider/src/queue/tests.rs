use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::*;
use crate::event::{ENTRY_BYTES, Entry};
use crate::time::{Clock, Instant, SystemClock};

const LONG: Duration = Duration::from_secs(60);

fn entry(n: u32) -> Entry {
    Entry {
        len: n,
        crc: !n,
        time_ms: u64::from(n) << 33,
        subaccount: n,
        type_id: n as u16,
        flags: 0,
    }
}

/// Everything there is, as (entry, text).
fn all(drain: &mut Drain) -> Vec<(Entry, Vec<u8>)> {
    let mut taken = Vec::new();
    drain.drain(usize::MAX, |entry, text| {
        taken.push((*entry, text.to_vec()));
        true
    });
    taken
}

fn deadline(d: Duration) -> Option<Instant> {
    Some(SystemClock.now().mono.after(d))
}

/// Fills the queue with texts of one granule; answers how many went in.
fn fill(queue: &Queue) -> u64 {
    let mut pushed = 0;
    while queue.push(&entry(0), &[b'x'; 40]).is_ok() {
        pushed += 1;
    }
    pushed
}

#[test]
fn capacity_is_a_power_of_two_in_range() {
    for wrong in [0, 4095, 5000, MIN_CAPACITY / 2, MAX_CAPACITY * 2] {
        let error = queue(wrong).expect_err("out of range");
        assert!(matches!(error, QueueError::Capacity(bytes) if bytes == wrong));
        assert!(error.to_string().contains(&wrong.to_string()));
    }
}

#[test]
fn records_come_out_as_they_went_in() {
    let (queue, mut drain) = queue(MIN_CAPACITY).unwrap();
    assert_eq!(all(&mut drain), []);
    // Several laps, all sizes, so that every alignment and the padding at the wrap are met.
    for n in 0..2000 {
        let text: Vec<u8> = (0..n % (queue.max_text_bytes() + 1))
            .map(|i| (n + i) as u8)
            .collect();
        let end = queue.push(&entry(n as u32), &text).unwrap();
        assert_eq!(end, queue.position());
        assert_eq!(all(&mut drain), [(entry(n as u32), text)]);
    }
    assert_eq!(queue.counters().drained, 2000);
    assert_eq!(queue.counters().used_bytes, 0);
}

#[test]
fn a_default_queue_takes_the_largest_event() {
    let (queue, _drain) = queue(1 << 20).unwrap();
    assert!(queue.max_text_bytes() >= 128 * 1024 + 2);
}

#[test]
fn too_long_is_refused_and_named() {
    let (queue, mut drain) = queue(MIN_CAPACITY).unwrap();
    let max = queue.max_text_bytes();
    let long = vec![0; max + 1];
    for policy in [FullPolicy::Fail, FullPolicy::Drop, FullPolicy::Wait(LONG)] {
        let refused = queue.push_by(&entry(1), &long, policy).unwrap_err();
        assert_eq!(
            refused,
            Refused::TooLong {
                bytes: max + 1,
                max
            }
        );
    }
    assert_eq!(queue.position(), 0);
    queue.push(&entry(1), &long[..max]).unwrap();
    assert_eq!(all(&mut drain).len(), 1);
}

#[test]
fn a_full_queue_fails_or_drops_and_counts() {
    let (queue, mut drain) = queue(MIN_CAPACITY).unwrap();
    assert_eq!(fill(&queue), 64);
    assert_eq!(
        queue.push_by(&entry(1), b"x", FullPolicy::Drop),
        Err(Refused::Dropped)
    );
    assert_eq!(
        queue.push_by(&entry(1), b"x", FullPolicy::Drop),
        Err(Refused::Dropped)
    );
    let counters = queue.counters();
    assert_eq!((counters.failed, counters.dropped), (1, 2));
    assert_eq!(counters.used_bytes, MIN_CAPACITY as u64);
    assert_eq!(all(&mut drain).len(), 64);
    queue.push(&entry(1), b"x").unwrap();
}

#[test]
fn full_counts_the_padding_that_a_record_would_need() {
    let (queue, mut drain) = queue(MIN_CAPACITY).unwrap();
    fill(&queue);
    let mut left = 3;
    drain.drain(usize::MAX, |_, _| {
        left -= 1;
        left >= 0
    });
    // Three granules free at the start of the lap; a record of two fits, then one of two does not.
    queue.push(&entry(1), &[0; 100]).unwrap();
    assert_eq!(queue.push(&entry(1), &[0; 100]), Err(Refused::Full));
    queue.push(&entry(1), &[0; 10]).unwrap();
}

#[test]
fn waiting_in_vain_is_counted() {
    let (queue, _drain) = queue(MIN_CAPACITY).unwrap();
    fill(&queue);
    let limit = Duration::from_millis(1);
    let refused = queue.push_by(&entry(1), b"x", FullPolicy::Wait(limit));
    assert_eq!(refused, Err(Refused::TimedOut(limit)));
    let counters = queue.counters();
    assert_eq!((counters.waited, counters.timed_out), (1, 1));
}

#[test]
fn a_waiting_producer_goes_on_when_space_is_released() {
    let (queue, mut drain) = queue(MIN_CAPACITY).unwrap();
    fill(&queue);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| queue.push_by(&entry(7), b"late", FullPolicy::Wait(LONG)));
        while queue.counters().waited == 0 {
            thread::yield_now();
        }
        assert_eq!(all(&mut drain).len(), 64);
        waiter.join().unwrap().unwrap();
    });
    assert_eq!(all(&mut drain), [(entry(7), b"late".to_vec())]);
    assert_eq!(queue.counters().timed_out, 0);
}

#[test]
fn a_closed_queue_has_given_out_everything_that_it_took() {
    for _ in 0..50 {
        let (queue, mut drain) = queue(MIN_CAPACITY).unwrap();
        let stop = AtomicBool::new(false);
        let (taken, drained) = thread::scope(|threads| {
            let push_until_closed = || {
                let mut taken = 0;
                loop {
                    match queue.push_by(&entry(1), b"x", FullPolicy::Wait(LONG)) {
                        Ok(_) => taken += 1,
                        Err(Refused::Closed) => return taken,
                        Err(other) => panic!("{other}"),
                    }
                    stop.store(true, Ordering::Relaxed);
                }
            };
            let producers = [
                threads.spawn(push_until_closed),
                threads.spawn(push_until_closed),
            ];
            let mut drained = 0;
            loop {
                drained += all(&mut drain).len();
                if stop.load(Ordering::Relaxed) && drain.close_if_drained() {
                    break;
                }
            }
            (
                producers.map(|p| p.join().unwrap()).iter().sum::<usize>(),
                drained,
            )
        });
        assert_eq!(taken, drained);
        assert_eq!(queue.push(&entry(1), b"x"), Err(Refused::Closed));
        assert_eq!(all(&mut drain), []);
    }
}

#[test]
fn closing_wakes_a_producer_that_waits_for_space() {
    let (queue, _drain) = queue(MIN_CAPACITY).unwrap();
    fill(&queue);
    thread::scope(|threads| {
        let waiting = threads.spawn(|| queue.push_by(&entry(1), b"x", FullPolicy::Wait(LONG)));
        while queue.counters().waited == 0 {
            thread::yield_now();
        }
        queue.close();
        assert_eq!(waiting.join().unwrap(), Err(Refused::Closed));
    });
}

#[test]
fn a_drain_ends_at_max_bytes_but_takes_one() {
    let (queue, mut drain) = queue(MIN_CAPACITY).unwrap();
    for n in 0..5 {
        queue.push(&entry(n), &[0; 100]).unwrap();
    }
    assert_eq!(drain.drain(1, |_, _| true).records, 1);
    assert_eq!(drain.drain(256, |_, _| true).records, 2);
    assert_eq!(drain.drain(usize::MAX, |_, _| true).records, 2);
}

#[test]
fn a_record_that_is_not_taken_comes_again() {
    let (queue, mut drain) = queue(MIN_CAPACITY).unwrap();
    for n in 0..3 {
        queue.push(&entry(n), b"text").unwrap();
    }
    let drained = drain.drain(usize::MAX, |entry, _| entry.len < 1);
    assert_eq!(drained.records, 1);
    assert!(drained.position < queue.position());
    let again: Vec<u32> = all(&mut drain).iter().map(|(entry, _)| entry.len).collect();
    assert_eq!(again, [1, 2]);
}

#[test]
fn a_panic_in_take_releases_nothing() {
    let (queue, mut drain) = queue(MIN_CAPACITY).unwrap();
    queue.push(&entry(1), b"a").unwrap();
    queue.push(&entry(2), b"b").unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        drain.drain(usize::MAX, |entry, _| {
            assert_eq!(entry.len, 1, "the second");
            true
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(all(&mut drain).len(), 2);
}

#[test]
fn an_open_claim_holds_back_what_is_behind_it() {
    let (queue, mut drain) = queue(MIN_CAPACITY).unwrap();
    let mut claim = queue.claim(3, FullPolicy::Fail).unwrap();
    queue.push(&entry(2), b"second").unwrap();
    assert_eq!(drain.drain(usize::MAX, |_, _| true), Drained::default());
    claim.copy_from_slice(b"abc");
    assert_eq!(&claim[..], b"abc");
    claim.commit(&entry(1));
    let texts: Vec<_> = all(&mut drain).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, [b"abc".to_vec(), b"second".to_vec()]);
}

#[test]
fn an_abandoned_claim_is_passed_over() {
    let (queue, mut drain) = queue(MIN_CAPACITY).unwrap();
    drop(queue.claim(500, FullPolicy::Fail).unwrap());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _claim = queue.claim(10, FullPolicy::Fail).unwrap();
        panic!("while filling");
    }));
    assert!(panicked.is_err());
    queue.push(&entry(3), b"good").unwrap();
    assert_eq!(all(&mut drain), [(entry(3), b"good".to_vec())]);
    assert_eq!(queue.counters().used_bytes, 0);
}

#[test]
fn a_claim_is_within_its_record() {
    let (queue, _drain) = queue(MIN_CAPACITY).unwrap();
    let claim = queue.claim(0, FullPolicy::Fail).unwrap();
    assert_eq!(claim.len(), 0);
    assert_eq!(
        claim.commit(&entry(0)),
        ENTRY_BYTES.next_multiple_of(64) as u64
    );
}

#[test]
fn a_push_wakes_a_sleeping_drain() {
    let (queue, mut drain) = queue(MIN_CAPACITY).unwrap();
    let drained = Watermark::default();
    thread::scope(|scope| {
        scope.spawn(|| {
            while drained.load() < 1000 {
                assert!(drain.sleep(LONG, || false));
                drained.advance(drained.load() + drain.drain(usize::MAX, |_, _| true).records);
            }
        });
        for n in 0..1000 {
            queue.push(&entry(n), b"text").unwrap();
            // The drain is about to sleep again, or asleep: every push meets that moment.
            assert!(drained.wait(u64::from(n) + 1, deadline(LONG)));
        }
    });
}

#[test]
fn a_drain_does_not_sleep_over_a_record_or_more_work() {
    let (queue, drain) = queue(MIN_CAPACITY).unwrap();
    assert!(drain.sleep(LONG, || true));
    assert!(!drain.sleep(Duration::from_millis(1), || false));
    queue.push(&entry(1), b"text").unwrap();
    drain.sleep(LONG, || panic!("a record is there: nothing else is asked"));
}

#[test]
fn wake_ends_a_sleep() {
    let (queue, drain) = queue(MIN_CAPACITY).unwrap();
    let work = AtomicBool::new(false);
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            while !work.load(Ordering::Acquire) {
                assert!(drain.sleep(LONG, || work.load(Ordering::Acquire)));
            }
        });
        work.store(true, Ordering::Release);
        queue.wake();
        sleeper.join().unwrap();
    });
}

#[test]
fn a_watermark_only_grows() {
    let mark = Watermark::new(5);
    mark.advance(3);
    assert_eq!(mark.load(), 5);
    mark.advance(9);
    assert_eq!(mark.load(), 9);
    assert!(mark.wait(9, None));
}

#[test]
fn a_watermark_wait_ends_at_its_deadline() {
    let mark = Watermark::new(5);
    assert!(!mark.wait(6, deadline(Duration::from_millis(1))));
    assert!(!mark.wait(6, deadline(Duration::ZERO)));
}

#[test]
fn each_waiter_of_a_watermark_wakes_at_its_own_position() {
    let mark = Watermark::default();
    thread::scope(|scope| {
        for at_least in 1..=4 {
            let mark = &mark;
            scope.spawn(move || assert!(mark.wait(at_least, deadline(LONG))));
        }
        for to in 1..=4 {
            mark.advance(to);
            thread::yield_now();
        }
    });
}

#[test]
fn a_nudge_lets_a_waiter_give_up() {
    let mark = Watermark::default();
    let failed = AtomicBool::new(false);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| mark.wait_unless(1, None, || failed.load(Ordering::Acquire)));
        failed.store(true, Ordering::Release);
        mark.nudge();
        assert!(!waiter.join().unwrap());
    });
}
