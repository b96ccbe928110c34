//! What records add up to.

use super::*;

#[test]
fn a_dead_letter_is_listed_with_its_reason_and_can_come_back() {
    let mut state = state_of(&[
        start(1, 1, vec![span(0, 5)]),
        outcome(1, 80, failed(500)),
        Record::Dead {
            batch: id(1),
            reason: Reason::EXPIRED,
            at_ms: 90,
        },
    ]);
    let letter = state.dead_letters().next().expect("it is listed");
    assert_eq!(letter.reason, Reason::EXPIRED);
    assert_eq!(letter.start.spans, [span(0, 5)]);
    assert_eq!(state.webhook(id(1)).unwrap().books.dead, 5);

    state.apply(&Record::Replay {
        batch: id(1),
        at_ms: 200,
    });
    let batch = state.batch(id(1)).expect("it is open again");
    assert_eq!((batch.age_from_ms, batch.attempts), (200, 0));
    state.apply(&outcome(1, 210, OK));
    let books = &state.webhook(id(1)).unwrap().books;
    assert_eq!((books.dead, books.delivered, books.open), (0, 5, 0));
    state.check().unwrap();
}

#[test]
fn only_complete_400_413_and_422_allow_a_split() {
    let mut state = state_of(&[start(1, 1, vec![span(0, 5)])]);
    for (status, refused, only_refused) in [
        (400, 1, true),
        (413, 1, true),
        (422, 2, true),
        (0, 2, false),
        (400, 3, false),
    ] {
        state.apply(&outcome(1, 80, failed(status)));
        let batch = state.batch(id(1)).unwrap();
        assert_eq!((batch.refused, batch.only_refused), (refused, only_refused));
    }
}

#[test]
fn history_lists_failing_failed_and_retried_batches_newest_first() {
    let state = state_of(&[
        start(1, 1, vec![span(0, 1)]),
        outcome(1, 10, OK),
        start(2, 1, vec![span(1, 1)]),
        outcome(2, 20, failed(503)),
        outcome(2, 21, OK),
        start(3, 1, vec![span(2, 1)]),
        outcome(3, 30, failed(0)),
        start(4, 1, vec![span(3, 1)]),
        outcome(4, 40, failed(500)),
        Record::Dead {
            batch: id(4),
            reason: Reason::EXPIRED,
            at_ms: 41,
        },
        start(5, 2, vec![span(4, 1)]),
        outcome(5, 50, failed(500)),
    ]);
    let lines = |first_tries| -> Vec<(Uuid, u32, Option<u16>, bool)> {
        let all = state.batch_status(id(1), 1000, first_tries);
        all.iter()
            .map(|s| (s.batch, s.failed, s.status, s.delivered))
            .collect()
    };
    let retried = [
        (id(4), 1, Some(500), false),
        (id(3), 1, None, false),
        (id(2), 1, Some(200), true),
    ];
    assert_eq!(lines(false), retried);
    assert_eq!(lines(true)[3], (id(1), 0, Some(200), true));
    assert_eq!(state.batch_status(id(1), 2, true).len(), 2);
    assert_eq!(state.batch_status(id(1), 9, false)[1].code, "ECONNREFUSED");
}

#[test]
fn history_is_bounded() {
    let mut state = State::default();
    for n in 0..1200 {
        state.apply(&start(n, 1, vec![span(n, 1)]));
        state.apply(&outcome(n, n, failed(500)));
        state.apply(&outcome(n, n, OK));
    }
    let all = state.batch_status(id(1), usize::MAX, true);
    assert_eq!((all.len(), all[0].batch), (1000, id(1199)));
    state.forget_history_before(1190);
    assert_eq!(state.batch_status(id(1), usize::MAX, true).len(), 10);
}

#[test]
fn a_record_about_an_unknown_batch_is_a_stray() {
    let state = state_of(&[outcome(1, 1, OK), Record::Forget { batch: id(1) }]);
    assert_eq!(state.strays(), 2);
    state.check().unwrap();
}

fn asks(types: &[u16]) -> Asked {
    Asked {
        types: types.to_vec(),
        accounts: Accounts::AllBut(vec![7]),
    }
}

fn selected(at_offset: u64, types: &[u16]) -> Record {
    let (webhook, asked) = (id(1), asks(types));
    Record::Selected {
        webhook,
        at_offset,
        asked,
    }
}

#[test]
fn what_was_asked_for_is_remembered_as_long_as_events_wait_for_it() {
    let mut state = state_of(&[selected(0, &[1]), selected(10, &[2]), selected(20, &[3])]);
    let asked = |state: &State| state.webhook(id(1)).unwrap().asked.clone();
    assert_eq!(asked(&state).len(), 3);
    let floor = |scanned_to| Record::Floor {
        webhook: id(1),
        scanned_to,
    };
    state.apply(&floor(10));
    assert_eq!(asked(&state), [(10, asks(&[2])), (20, asks(&[3]))]);
    state.apply(&floor(500));
    assert_eq!(asked(&state), [(20, asks(&[3]))]);
    assert_eq!(state.next_offset(), 500);
}

/// A record and the state that it makes are the same when they come back from bytes.
fn assert_kept(record: &Record) {
    let mut bytes = Vec::new();
    let kind = codec::Out(&mut bytes).record(record);
    assert_eq!(codec::In(&bytes).record(kind).as_ref(), Some(record));
    for cut in 0..bytes.len() {
        assert_eq!(codec::In(&bytes[..cut]).record(kind), None);
    }

    let state = state_of(std::slice::from_ref(record));
    let mut frames = frames::Frames::new(1);
    snapshot::write(&state, &mut frames);
    let mut back = State::default();
    for (kind, payload) in records_in(frames.bytes()) {
        assert!(snapshot::read(&mut back, kind, payload).is_some());
    }
    assert_eq!(back, state);
}

#[test]
fn what_holds_a_webhook_goes_through_records_and_checkpoints() {
    let why = Code::Borrowed("410");
    for hold in [None, Some(Hold::Paused), Some(Hold::Disabled { why })] {
        assert_kept(&Record::Held {
            webhook: id(1),
            at_ms: 7,
            hold,
        });
    }
}

#[test]
fn what_was_asked_for_goes_through_records_and_checkpoints() {
    for accounts in [
        Accounts::AllBut(vec![]),
        Accounts::AllBut(vec![1, u32::MAX]),
        Accounts::Primary,
        Accounts::One(9),
    ] {
        let asked = Asked {
            types: vec![1, 1023],
            accounts,
        };
        let record = Record::Selected {
            webhook: id(1),
            at_offset: 5,
            asked,
        };
        assert_kept(&record);
    }
}

/// The records of a run of frames that is known to be good.
fn records_in(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let len = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
        records.push((bytes[12], &bytes[16..16 + len]));
        bytes = &bytes[(16 + len).next_multiple_of(8)..];
    }
    records
}
