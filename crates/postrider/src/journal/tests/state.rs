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
