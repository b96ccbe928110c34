//! Log, journal, inbox positions and cursors together, on a disk that crashes, lies and fills up.
//!
//! A small engine (`engine.rs`) pushes events, takes some from an inbox, forms batches for two
//! webhooks, sends them, and journals it all as the real one does, while proptest chooses what it does
//! next and what the disk does to it. A book of facts (`facts.rs`) remembers what the outside was told:
//! this event is written, that one synced, this batch went out with these events. Whatever happens:
//!
//! - a written event is there after a killed process, a synced one after a power cut; a flipped bit costs
//!   at most one frame;
//! - no offset means two events to anyone who remembers it, and no batch id two bodies;
//! - what the inbox gave is in the log, or is taken again;
//! - a delivered batch does not go out again once its outcome is on the disk;
//! - a full disk stops appends, not the journal, and both go on by themselves;
//! - the books balance, and at the end each webhook has got everything that it was owed.

mod engine;
mod facts;

use crate::fs::sim::{Op, SimFs};
use engine::Engine;
use facts::Facts;
use proptest::prelude::*;
use std::io::ErrorKind;

/// The two webhooks: the first wants every event, the second every third.
const WEBHOOKS: u64 = 2;

#[derive(Clone, Debug)]
enum Step {
    Push {
        events: u64,
        bytes: usize,
    },
    /// Events from the inbox, with the position behind them.
    Take {
        events: u64,
        bytes: usize,
    },
    SyncLog,
    Form {
        webhook: u64,
        events: u32,
    },
    Attempt(usize),
    Deliver(usize),
    Fail(usize),
    Die(usize),
    Replay(usize),
    SyncJournal,
    Checkpoint,
    Release,
    Maintain,
    Fault(Op, usize),
    Full,
    Room,
    Flip {
        file: usize,
        at: usize,
        bit: u32,
    },
    Kill,
    PowerCut,
}

fn step() -> impl Strategy<Value = Step> {
    let any_batch = any::<usize>;
    let op = prop::sample::select(vec![
        Op::Open,
        Op::Read,
        Op::Write,
        Op::Allocate,
        Op::Zero,
        Op::Sync,
        Op::SyncDir,
        Op::Rename,
        Op::Remove,
    ]);
    prop_oneof![
        8 => (1u64..200, 1usize..4000).prop_map(|(events, bytes)| Step::Push { events, bytes }),
        3 => (1u64..20, 1usize..2000).prop_map(|(events, bytes)| Step::Take { events, bytes }),
        3 => Just(Step::SyncLog),
        5 => (0..WEBHOOKS, 1u32..120).prop_map(|(webhook, events)| Step::Form { webhook, events }),
        5 => any_batch().prop_map(Step::Attempt),
        4 => any_batch().prop_map(Step::Deliver),
        2 => any_batch().prop_map(Step::Fail),
        1 => any_batch().prop_map(Step::Die),
        1 => any_batch().prop_map(Step::Replay),
        3 => Just(Step::SyncJournal),
        1 => Just(Step::Checkpoint),
        3 => Just(Step::Release),
        2 => Just(Step::Maintain),
        2 => (op, 0usize..4).prop_map(|(op, after)| Step::Fault(op, after)),
        1 => Just(Step::Full),
        2 => Just(Step::Room),
        1 => (any::<usize>(), any::<usize>(), 0u32..8).prop_map(|(file, at, bit)| Step::Flip { file, at, bit }),
        1 => Just(Step::Kill),
        2 => Just(Step::PowerCut),
    ]
}

/// Runs a history, then lets everything end well and looks whether it did.
fn run(seed: u64, steps: &[Step]) -> Result<(), TestCaseError> {
    let fs = SimFs::new(seed);
    let mut facts = Facts::default();
    let mut engine = Engine::open(&fs, &mut facts)?;
    for step in steps {
        let mut crashed = None;
        match *step {
            Step::Push { events, bytes } => engine.push(&mut facts, events, bytes)?,
            Step::Take { events, bytes } => engine.take(&mut facts, events, bytes)?,
            Step::SyncLog => engine.sync_log(&mut facts),
            Step::Form { webhook, events } => engine.form(&mut facts, webhook, events)?,
            Step::Attempt(nth) => engine.attempt(&mut facts, nth)?,
            Step::Deliver(nth) => engine.deliver(&mut facts, nth),
            Step::Fail(nth) => engine.fail(nth),
            Step::Die(nth) => engine.die(nth),
            Step::Replay(nth) => engine.replay(nth),
            Step::SyncJournal => engine.sync_journal(&mut facts)?,
            Step::Checkpoint => engine.checkpoint(&mut facts)?,
            Step::Release => engine.release(&mut facts),
            Step::Maintain => engine.maintain(),
            Step::Fault(op, after) => {
                fs.fail(op, after, ErrorKind::Other);
                engine.faulty = true;
            }
            Step::Full => {
                fs.fill();
                engine.full = true;
            }
            Step::Room => {
                fs.set_capacity(usize::MAX);
                engine.full = false;
            }
            Step::Flip { file, at, bit } => facts.flip(&fs, file, at, bit),
            Step::Kill => {
                fs.kill();
                crashed = Some(true);
            }
            Step::PowerCut => {
                fs.power_cut();
                crashed = Some(false);
            }
        }
        // An operator starts an engine again that has stopped for good.
        if crashed.is_none() && engine.has_failed() {
            fs.kill();
            crashed = Some(true);
        }
        if let Some(kept) = crashed {
            drop(engine);
            fs.set_capacity(usize::MAX);
            facts.crashed(kept);
            engine = Engine::open(&fs, &mut facts)?;
        }
    }
    drop(engine);
    fs.kill();
    fs.set_capacity(usize::MAX);
    facts.crashed(true);
    let mut engine = Engine::open(&fs, &mut facts)?;
    engine.finish(&mut facts)?;
    facts.all_arrived()
}

proptest! {
    #![proptest_config(crate::cases(48))]

    #[test]
    fn nothing_acknowledged_is_lost(seed in any::<u64>(), steps in prop::collection::vec(step(), 1..120)) {
        run(seed, &steps)?;
    }
}
