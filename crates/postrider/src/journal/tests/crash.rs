//! Random histories, cut off at any byte.

use super::disk::{Disk, Op};
use super::*;
use proptest::prelude::*;

/// What a deliverer may do next; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Form {
        webhook: u64,
        gap: u64,
        counts: Vec<u32>,
    },
    Attempt(usize),
    Deliver(usize),
    Fail(usize, u16),
    Split(usize),
    Die(usize),
    Replay(usize),
    Forget(usize),
    Close(usize),
    Drop {
        webhook: u64,
        events: u64,
    },
    Floor {
        webhook: u64,
    },
    Change {
        webhook: u64,
        change: Change,
    },
    Commit,
    Checkpoint,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let webhook = 0..3u64;
    let change = prop_oneof![
        (1..5u32).prop_map(Change::Revised),
        Just(Change::Deleted),
        Just(Change::Gone)
    ];
    let step = prop_oneof![
        4 => (webhook.clone(), 0..200u64, prop::collection::vec(1..5u32, 1..4))
            .prop_map(|(webhook, gap, counts)| Step::Form { webhook, gap, counts }),
        4 => any::<usize>().prop_map(Step::Attempt),
        3 => any::<usize>().prop_map(Step::Deliver),
        3 => (any::<usize>(), prop_oneof![Just(0), Just(400), Just(413), Just(503)])
            .prop_map(|(n, status)| Step::Fail(n, status)),
        1 => any::<usize>().prop_map(Step::Split),
        1 => any::<usize>().prop_map(Step::Die),
        1 => any::<usize>().prop_map(Step::Replay),
        1 => any::<usize>().prop_map(Step::Forget),
        1 => any::<usize>().prop_map(Step::Close),
        1 => (webhook.clone(), 1..9u64).prop_map(|(webhook, events)| Step::Drop { webhook, events }),
        1 => webhook.clone().prop_map(|webhook| Step::Floor { webhook }),
        1 => (webhook, change).prop_map(|(webhook, change)| Step::Change { webhook, change }),
        4 => Just(Step::Commit),
        1 => Just(Step::Checkpoint),
    ];
    prop::collection::vec(step, 1..60)
}

/// Turns a step into a record that makes sense in `state`; `n` numbers new batches and times.
fn record_of(step: &Step, state: &State, n: u64) -> Option<Record> {
    let open = |k: usize| {
        let count = state.batches().count();
        state.batches().nth(k.checked_rem(count)?)
    };
    let dead = |k: usize| {
        let count = state.dead_letters().count();
        state.dead_letters().nth(k.checked_rem(count)?)
    };
    Some(match step {
        Step::Form {
            webhook,
            gap,
            counts,
        } => {
            let mut at = state.next_offset();
            let place = |&count: &u32| {
                let span = span(at + gap, count);
                at = span.end();
                span
            };
            start(n, *webhook, counts.iter().map(place).collect())
        }
        Step::Attempt(k) => Record::Attempt {
            batch: open(*k)?.start.batch,
            number: open(*k)?.attempts + 1,
            at_ms: n,
        },
        Step::Deliver(k) => Record::Outcome {
            batch: open(*k)?.start.batch,
            at_ms: n,
            latency_ms: 1,
            result: OK,
            next_at_ms: 0,
        },
        Step::Fail(k, status) => Record::Outcome {
            batch: open(*k)?.start.batch,
            at_ms: n,
            latency_ms: 1,
            result: failed(*status),
            next_at_ms: n + 30,
        },
        Step::Split(k) => {
            let parent = &open(*k)?.start;
            let (first, rest) = parent.spans.split_first()?;
            if rest.is_empty() {
                return None;
            }
            let half = |k, spans: Vec<Span>| Half {
                batch: Uuid::new_v5(&parent.batch, &[k]),
                events: spans.iter().map(|s| s.count).sum(),
                bytes: 10,
                spans,
            };
            Record::Split {
                parent: parent.batch,
                at_ms: n,
                halves: [half(0, vec![*first]), half(1, rest.to_vec())],
            }
        }
        Step::Die(k) => Record::Dead {
            batch: open(*k)?.start.batch,
            reason: Reason::EXPIRED,
            at_ms: n,
        },
        Step::Replay(k) => Record::Replay {
            batch: dead(*k)?.start.batch,
            at_ms: n,
        },
        Step::Forget(k) => Record::Forget {
            batch: dead(*k)?.start.batch,
        },
        Step::Close(k) => Record::Close {
            batch: open(*k)?.start.batch,
            reason: Reason::named("filter:redact"),
            at_ms: n,
        },
        Step::Drop { webhook, events } => Record::Dropped {
            webhook: id(*webhook),
            reason: Reason::SPACE,
            events: *events,
            scanned_to: state.next_offset() + events,
        },
        Step::Floor { webhook } => Record::Floor {
            webhook: id(*webhook),
            scanned_to: state.next_offset() + 10,
        },
        Step::Change { webhook, change } => Record::Webhook {
            webhook: id(*webhook),
            change: *change,
            at_offset: state.next_offset(),
        },
        Step::Commit | Step::Checkpoint => return None,
    })
}

proptest! {
    #![proptest_config(crate::cases(96))]

    /// Wherever it stops, what is recovered is the state after some record: none of the committed ones
    /// is missing, and no half of a record counts. The books always balance.
    #[test]
    fn a_crash_at_any_byte_leaves_a_prefix(steps in steps(), at in any::<prop::sample::Index>()) {
        let disk = Disk::default();
        let (mut journal, recovered) = disk.open();
        let mut state = recovered.state;
        let mut states = vec![state.clone()];
        // After so many changes of the disk, at least so many records are there for good.
        let mut committed = vec![(disk.ops(), 0)];
        let first = disk.ops();
        for (n, step) in steps.iter().enumerate() {
            match step {
                Step::Commit => journal.commit().unwrap(),
                Step::Checkpoint => journal.checkpoint(&state).unwrap(),
                _ => {
                    let Some(record) = record_of(step, &state, n as u64 + 100) else { continue };
                    journal.append(&record);
                    state.apply(&record);
                    state.check().unwrap();
                    states.push(state.clone());
                    continue;
                }
            }
            committed.push((disk.ops(), states.len() - 1));
        }
        journal.commit().unwrap();
        committed.push((disk.ops(), states.len() - 1));
        prop_assert_eq!(state.strays(), 0);

        let ops = first + at.index(disk.ops() - first + 1);
        let length = match disk.0.lock().unwrap().ops.get(ops) {
            Some(Op::Write(_, _, bytes)) => bytes.len(),
            _ => 0,
        };
        let sure = committed.iter().filter(|(done, _)| *done <= ops).map(|(_, n)| *n).max().unwrap();
        for cut in 0..=length {
            let crashed = disk.crashed(ops, cut);
            let (mut journal, recovered) = crashed.open();
            prop_assert!(!recovered.checkpoint_damaged);
            prop_assert_eq!(recovered.holes, 0);
            let known = states[sure..].iter().position(|s| *s == recovered.state);
            prop_assert!(known.is_some(), "cut {} of {} at {}", cut, length, ops);
            // It goes on from there, and that is found again.
            let more = start(9_999, 1, vec![span(recovered.state.next_offset(), 1)]);
            let mut state = recovered.state;
            journal.append(&more);
            state.apply(&more);
            journal.commit().unwrap();
            prop_assert_eq!(&crashed.open().1.state, &state);
        }
    }
}
