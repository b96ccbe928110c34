//! Several producers against one drain, every byte of every record checked.

use std::thread;
use std::time::Duration;

use super::*;
use crate::event::Entry;

const PRODUCERS: u32 = 4;
const EACH: u32 = 30_000;

/// A small generator of reproducible sizes and bytes (xorshift).
struct Random(u64);

impl Random {
    fn of(producer: u32, record: u32) -> Random {
        Random(
            (u64::from(producer) << 32 | u64::from(record)).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        )
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// The text that `producer` pushes as its `record`-th; every byte depends on both.
fn fill(text: &mut Vec<u8>, producer: u32, record: u32, max: usize) {
    let mut random = Random::of(producer, record);
    let bytes = random.next() as usize % max;
    text.clear();
    while text.len() < bytes {
        text.extend_from_slice(&random.next().to_le_bytes());
    }
    text.truncate(bytes);
}

/// Which claims a producer abandons: they must leave no trace.
fn abandoned(record: u32) -> bool {
    record % 97 == 13
}

#[derive(Default)]
struct Outcome {
    pushed: u64,
    failed: u64,
    dropped: u64,
    timed_out: u64,
}

fn produce(queue: &Queue, producer: u32, policy: impl Fn(u32) -> FullPolicy) -> Outcome {
    let max = queue.max_text_bytes().min(5000);
    let mut text = Vec::new();
    let mut outcome = Outcome::default();
    let mut last = 0;
    for record in 0..EACH {
        fill(&mut text, producer, record, max);
        let entry = Entry {
            len: text.len() as u32,
            subaccount: producer,
            time_ms: u64::from(record),
            ..Entry::default()
        };
        let claim = match queue.claim(text.len(), policy(record)) {
            Ok(claim) if abandoned(record) => {
                drop(claim);
                continue;
            }
            claim => claim,
        };
        let pushed = claim.map(|mut claim| {
            claim.copy_from_slice(&text);
            claim.commit(&entry)
        });
        match pushed {
            Ok(end) => {
                assert!(end > last);
                last = end;
                outcome.pushed += 1;
            }
            Err(Refused::Full) => outcome.failed += 1,
            Err(Refused::Dropped) => outcome.dropped += 1,
            Err(Refused::TimedOut(_)) => outcome.timed_out += 1,
            Err(other) => panic!("{other}"),
        }
    }
    outcome
}

/// Runs all producers, drains, and checks bytes, order and counters.
fn run(capacity: usize, policy: impl Fn(u32) -> FullPolicy + Sync) {
    let (queue, mut drain) = queue(capacity).unwrap();
    let max = queue.max_text_bytes().min(5000);
    let produced = thread::scope(|scope| {
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|producer| {
                let (queue, policy) = (&queue, &policy);
                scope.spawn(move || produce(queue, producer, policy))
            })
            .collect();
        let mut next = [0; PRODUCERS as usize];
        let mut expected = Vec::new();
        let mut drained = 0;
        loop {
            let done = producers.iter().all(|producer| producer.is_finished());
            let got = drain.drain(capacity / 2, |entry, text| {
                let record = entry.time_ms as u32;
                let next = &mut next[entry.subaccount as usize];
                assert!(record >= *next, "a producer's order is kept");
                assert!(!abandoned(record));
                *next = record + 1;
                fill(&mut expected, entry.subaccount, record, max);
                assert_eq!(entry.len as usize, text.len());
                assert!(text == expected, "record {record} is damaged");
                true
            });
            drained += got.records;
            if done && got.records == 0 {
                break;
            }
            if got.records == 0 {
                drain.sleep(Duration::from_millis(10), || false);
            }
        }
        let mut all = Outcome::default();
        for producer in producers {
            let one = producer.join().unwrap();
            all.pushed += one.pushed;
            all.failed += one.failed;
            all.dropped += one.dropped;
            all.timed_out += one.timed_out;
        }
        assert_eq!(drained, all.pushed);
        all
    });
    let counters = queue.counters();
    assert_eq!(counters.drained, produced.pushed);
    assert_eq!(counters.failed, produced.failed);
    assert_eq!(counters.dropped, produced.dropped);
    assert_eq!(counters.timed_out, produced.timed_out);
    assert!(counters.waited >= counters.timed_out);
    assert_eq!(counters.used_bytes, 0);
}

#[test]
fn nothing_is_lost_while_producers_wait() {
    let long = Duration::from_secs(600);
    run(MIN_CAPACITY, |_| FullPolicy::Wait(long));
    run(1 << 20, |_| FullPolicy::Wait(long));
}

#[test]
fn every_policy_is_counted() {
    run(MIN_CAPACITY * 2, |record| match record % 3 {
        0 => FullPolicy::Fail,
        1 => FullPolicy::Drop,
        _ => FullPolicy::Wait(Duration::from_micros(50)),
    });
}
