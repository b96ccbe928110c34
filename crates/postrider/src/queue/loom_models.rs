//! Models, each named for the hazard that it looks for. Every interleaving within the bound is tried;
//! a lost wake-up is a deadlock, an unordered access to a granule is a data race, and both fail.

use std::sync::Arc;
use std::time::Duration;

use loom::model::Builder;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::*;
use crate::event::Entry;

/// Sleeps that only a wake-up ends.
const FOREVER: Duration = Duration::MAX;
/// A text of the longest record in one granule.
const ONE: usize = 40;
/// A text of the longest record in two granules.
const TWO: usize = 104;

/// Switches away from a thread that could go on, at most so often in one run. Each fault that was put
/// in to try the models needed one or two; without a bound some models take hours.
const PREEMPTIONS: usize = 2;

fn model(body: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    builder.check(body);
}

/// A queue of `granules`.
fn small(granules: usize) -> (Arc<Queue>, Drain) {
    with_shift((granules * word::GRANULE).ilog2()).unwrap()
}

/// Pushes a text of `bytes` times `name`.
fn push(queue: &Queue, name: u8, bytes: usize, policy: FullPolicy) -> Result<u64, Refused> {
    let entry = Entry {
        type_id: name.into(),
        ..Entry::default()
    };
    queue.push_by(&entry, &vec![name; bytes], policy)
}

fn must_push(queue: &Queue, name: u8, bytes: usize) -> u64 {
    push(queue, name, bytes, FullPolicy::Fail).unwrap()
}

/// The names of the records that are there; each is checked to be whole.
fn names(drain: &mut Drain) -> Vec<u8> {
    let mut names = Vec::new();
    drain.drain(usize::MAX, |entry, text| {
        let name = entry.type_id as u8;
        assert!(text.iter().all(|&byte| byte == name));
        names.push(name);
        true
    });
    names
}

/// Drains and sleeps until there were `records`; answers their names.
fn until(drain: &mut Drain, records: usize) -> Vec<u8> {
    let mut all = names(drain);
    while all.len() < records {
        drain.sleep(FOREVER, || false);
        all.extend(names(drain));
    }
    all
}

#[test]
fn a_commit_does_not_miss_a_drain_that_falls_asleep() {
    model(|| {
        let (queue, mut drain) = small(4);
        let producer = thread::spawn(move || {
            must_push(&queue, b'a', ONE);
            must_push(&queue, b'b', ONE);
        });
        assert_eq!(until(&mut drain, 2), b"ab");
        producer.join().unwrap();
    });
}

#[test]
fn two_producers_do_not_leave_the_wake_up_to_each_other() {
    model(|| {
        let (queue, mut drain) = small(4);
        let other = Arc::clone(&queue);
        let first = thread::spawn(move || must_push(&queue, b'a', ONE));
        let second = thread::spawn(move || must_push(&other, b'b', ONE));
        let mut all = until(&mut drain, 2);
        all.sort_unstable();
        assert_eq!(all, b"ab");
        first.join().unwrap();
        second.join().unwrap();
    });
}

#[test]
fn a_wake_for_other_work_is_not_lost() {
    model(|| {
        let (queue, drain) = small(4);
        let work = Arc::new(AtomicBool::new(false));
        let there = Arc::clone(&work);
        let waker = thread::spawn(move || {
            there.store(true, Ordering::Release);
            queue.wake();
        });
        let has_work = || work.load(Ordering::Acquire);
        while !has_work() {
            drain.sleep(FOREVER, has_work);
        }
        waker.join().unwrap();
    });
}

#[test]
fn padding_at_the_wrap_belongs_to_one_claim() {
    model(|| {
        let (queue, mut drain) = small(8);
        for _ in 0..7 {
            must_push(&queue, b'x', ONE);
        }
        assert_eq!(names(&mut drain).len(), 7);
        // One granule is left on this lap: a record of two goes round, one of one may still take it.
        let other = Arc::clone(&queue);
        let long = thread::spawn(move || must_push(&queue, b'a', TWO));
        let short = thread::spawn(move || must_push(&other, b'b', ONE));
        let mut all = names(&mut drain);
        long.join().unwrap();
        short.join().unwrap();
        all.extend(names(&mut drain));
        all.sort_unstable();
        assert_eq!(all, b"ab");
    });
}

#[test]
fn a_full_queue_that_is_drained_wakes_who_waits() {
    model(|| {
        let (queue, mut drain) = small(4);
        for name in b"abcd" {
            must_push(&queue, *name, ONE);
        }
        let producer = thread::spawn(move || {
            push(&queue, b'e', ONE, FullPolicy::Wait(FOREVER)).unwrap();
        });
        assert_eq!(until(&mut drain, 5), b"abcde");
        producer.join().unwrap();
    });
}

#[test]
fn two_who_wait_for_space_both_get_it() {
    model(|| {
        let (queue, mut drain) = small(4);
        for name in b"abcd" {
            must_push(&queue, *name, ONE);
        }
        let other = Arc::clone(&queue);
        let waits = |queue: &Queue, name| push(queue, name, ONE, FullPolicy::Wait(FOREVER)).is_ok();
        let first = thread::spawn(move || waits(&queue, b'e'));
        let second = thread::spawn(move || waits(&other, b'f'));
        assert_eq!(names(&mut drain)[..4], *b"abcd");
        assert!(first.join().unwrap() && second.join().unwrap());
    });
}

#[test]
fn space_is_not_reused_while_it_is_read() {
    model(|| {
        let (queue, mut drain) = small(4);
        for name in b"abcd" {
            must_push(&queue, *name, ONE);
        }
        let other = Arc::clone(&queue);
        let pushed = |queue: &Queue, name| push(queue, name, ONE, FullPolicy::Fail).is_ok();
        let first = thread::spawn(move || pushed(&queue, b'e'));
        // It may see space only through what the first saw: `head_seen`.
        let second = thread::spawn(move || pushed(&other, b'f'));
        assert_eq!(names(&mut drain)[..4], *b"abcd");
        let more = usize::from(first.join().unwrap()) + usize::from(second.join().unwrap());
        assert!(more <= 2);
    });
}

#[test]
fn what_happened_before_is_drained_before() {
    model(|| {
        let (queue, mut drain) = small(4);
        let told = Arc::new(AtomicBool::new(false));
        let (other, heard) = (Arc::clone(&queue), Arc::clone(&told));
        let first = thread::spawn(move || {
            must_push(&queue, b'a', ONE);
            told.store(true, Ordering::Release);
        });
        let second = thread::spawn(move || {
            let after = heard.load(Ordering::Acquire);
            assert!(!after || other.position() > 0);
            must_push(&other, b'b', ONE);
            after
        });
        let all = until(&mut drain, 2);
        first.join().unwrap();
        if second.join().unwrap() {
            assert_eq!(all, b"ab");
        }
    });
}

#[test]
fn an_abandoned_claim_holds_nothing_back() {
    model(|| {
        let (queue, mut drain) = small(4);
        let other = Arc::clone(&queue);
        let gives_up = thread::spawn(move || drop(queue.claim(ONE, FullPolicy::Fail).unwrap()));
        let pushes = thread::spawn(move || must_push(&other, b'b', ONE));
        assert_eq!(until(&mut drain, 1), b"b");
        gives_up.join().unwrap();
        pushes.join().unwrap();
        assert!(names(&mut drain).is_empty());
    });
}

#[test]
fn an_abandoned_claim_lets_the_position_pass() {
    model(|| {
        let (queue, mut drain) = small(4);
        let other = Arc::clone(&queue);
        let gives_up = thread::spawn(move || drop(other.claim(ONE, FullPolicy::Fail).unwrap()));
        gives_up.join().unwrap();
        let drained = drain.drain(usize::MAX, |_, _| unreachable!("nothing was pushed"));
        assert_eq!(drained.position, queue.position());
    });
}

#[test]
fn a_watermark_wakes_each_waiter() {
    model(|| {
        let mark = Arc::new(Watermark::default());
        let (low, advances) = (Arc::clone(&mark), Arc::clone(&mark));
        let waits = thread::spawn(move || assert!(low.wait(1, None)));
        let moves = thread::spawn(move || {
            advances.advance(1);
            advances.advance(2);
        });
        // The second waiter must not send the first back to sleep by arming again.
        assert!(mark.wait(2, None));
        waits.join().unwrap();
        moves.join().unwrap();
    });
}

#[test]
fn a_watermark_shows_what_happened_before_it() {
    model(|| {
        let mark = Arc::new(Watermark::default());
        let advances = Arc::clone(&mark);
        let data = Arc::new(loom::cell::UnsafeCell::new(0));
        let writes = Arc::clone(&data);
        let writer = thread::spawn(move || {
            // SAFETY: loom checks that the read below comes after.
            writes.with_mut(|data| unsafe { *data = 7 });
            advances.advance(1);
        });
        assert!(mark.wait(1, None));
        // SAFETY: loom checks it.
        assert_eq!(data.with(|data| unsafe { *data }), 7);
        writer.join().unwrap();
    });
}

#[test]
fn a_nudge_is_not_lost() {
    model(|| {
        let mark = Arc::new(Watermark::default());
        let failed = Arc::new(AtomicBool::new(false));
        let (nudges, fails) = (Arc::clone(&mark), Arc::clone(&failed));
        let breaker = thread::spawn(move || {
            fails.store(true, Ordering::Release);
            nudges.nudge();
        });
        assert!(!mark.wait_unless(1, None, || failed.load(Ordering::Acquire)));
        breaker.join().unwrap();
    });
}
