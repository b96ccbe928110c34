//! The fixture of version 1.

use super::*;
use crate::time::ManualClock;
use std::sync::Arc;

const FIXTURE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/journal-v1/0000000000000007.jnl"
);

fn held(webhook: u64, at_ms: u64, hold: Option<Hold>) -> Record {
    Record::Held {
        webhook: id(webhook),
        at_ms,
        hold,
    }
}

fn asks(webhook: u64, at_offset: u64, accounts: Accounts) -> Record {
    Record::Selected {
        webhook: id(webhook),
        at_offset,
        asked: Asked {
            types: vec![1, 2, 300],
            accounts,
        },
    }
}

/// The state at the fixture's checkpoint: one of everything.
fn fixture_checkpoint() -> State {
    state_of(&[
        Record::Webhook {
            webhook: id(1),
            change: Change::Created,
            at_offset: 10,
        },
        Record::Webhook {
            webhook: id(1),
            change: Change::Revised(3),
            at_offset: 12,
        },
        asks(1, 12, Accounts::AllBut(vec![7, 0x0102_0304])),
        held(1, 60, Some(Hold::Disabled { why: "410".into() })),
        start(1, 1, vec![span(12, 1)]),
        outcome(1, 70, OK),
        start(2, 1, vec![span(13, 2), span(20, 300)]),
        outcome(2, 80, failed(0)),
        start(3, 1, vec![span(400, 5)]),
        outcome(3, 81, failed(503)),
        Record::Dead {
            batch: id(3),
            reason: Reason::EXPIRED,
            at_ms: 90,
        },
        Record::Dropped {
            webhook: id(1),
            reason: Reason::named("filter:redact"),
            events: 4,
            scanned_to: 500,
        },
    ])
}

/// The records behind it: one of each kind.
fn fixture_records() -> Vec<Record> {
    let half = |batch, first, count| Half {
        batch: id(batch),
        spans: vec![span(first, count)],
        events: count,
        bytes: 500,
    };
    vec![
        start(4, 1, vec![span(600, 2), span(700, 2)]),
        Record::Attempt {
            batch: id(4),
            number: 1,
            at_ms: 100,
        },
        outcome(4, 101, failed(413)),
        Record::Split {
            parent: id(4),
            at_ms: 102,
            halves: [half(5, 600, 2), half(6, 700, 2)],
        },
        outcome(5, 103, OK),
        Record::Close {
            batch: id(6),
            reason: Reason::LOST_UNSYNCED,
            at_ms: 104,
        },
        Record::Replay {
            batch: id(3),
            at_ms: 105,
        },
        Record::Dead {
            batch: id(3),
            reason: Reason::POISON,
            at_ms: 106,
        },
        Record::Forget { batch: id(3) },
        Record::Dropped {
            webhook: id(2),
            reason: Reason::INACTIVE,
            events: 9,
            scanned_to: 800,
        },
        Record::Floor {
            webhook: id(2),
            scanned_to: 900,
        },
        Record::Webhook {
            webhook: id(9),
            change: Change::Created,
            at_offset: 901,
        },
        asks(9, 901, Accounts::One(42)),
        asks(1, 901, Accounts::Primary),
        held(1, 107, None),
        held(2, 108, Some(Hold::Paused)),
        Record::Webhook {
            webhook: id(2),
            change: Change::Deleted,
            at_offset: 902,
        },
        Record::Webhook {
            webhook: id(9),
            change: Change::Gone,
            at_offset: 903,
        },
    ]
}

/// A whole file, with a damaged place before the last record but one.
fn fixture() -> Vec<u8> {
    let header = frames::Header {
        version: 1,
        generation: 0x0123_4567_89AB_CDEF,
        number: 7,
        created_ms: 1_700_000_000_000,
    };
    let mut frames = frames::Frames::new(header.generation);
    snapshot::write(&fixture_checkpoint(), &mut frames);
    let records = fixture_records();
    let (last, others) = records
        .split_last_chunk::<2>()
        .map(|(a, b)| (b, a))
        .unwrap();
    others
        .iter()
        .for_each(|r| frames.record(|out| out.record(r)));
    let mut bytes = [&header.to_bytes()[..], frames.bytes(), &[0xA5; 40]].concat();
    frames.clear();
    last.iter().for_each(|r| frames.record(|out| out.record(r)));
    // All of it was synced, so the damaged place costs itself alone.
    crate::journal::file::mark_synced(&mut frames, bytes.len() as u64);
    bytes.extend_from_slice(frames.bytes());
    bytes.resize(bytes.len() + 128, 0);
    bytes
}

/// The bytes of version 1 never change.
/// `UPDATE_FIXTURES=1` writes it anew, which is right only before version 1 was published.
#[test]
fn version_1_is_written_as_ever() {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(FIXTURE, fixture()).unwrap();
    }
    assert_eq!(std::fs::read(FIXTURE).unwrap(), fixture());
}

#[test]
fn version_1_is_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(FIXTURE, dir.path().join("0000000000000007.jnl")).unwrap();
    let fs = Arc::new(crate::fs::RealFs);
    let clock = Arc::new(ManualClock::new(0));
    let (mut journal, recovered) = open(dir.path(), fs.clone(), clock.clone()).unwrap();
    let mut wanted = fixture_checkpoint();
    fixture_records()
        .iter()
        .for_each(|record| wanted.apply(record));
    assert_eq!(recovered.state, wanted);
    assert_eq!((recovered.holes, recovered.checkpoint_damaged), (1, false));
    wanted.check().unwrap();
    // And through a checkpoint of this build, on a real disk.
    journal.checkpoint(&recovered.state).unwrap();
    journal.append(&Record::Forget { batch: id(77) });
    journal.commit().unwrap();
    journal.sync().unwrap();
    let (_, again) = open(dir.path(), fs, clock).unwrap();
    assert_eq!((again.holes, again.state.strays()), (0, 1));
    assert_eq!(again.state.batch(id(2)), wanted.batch(id(2)));
}
