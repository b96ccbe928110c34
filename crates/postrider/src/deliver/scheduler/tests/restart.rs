//! Going on from the journal.

use super::*;

fn puts() -> [(u8, u32, Pace, Selection); 1] {
    [(1, 1, pace(), wants(&[1]))]
}

#[test]
fn what_was_in_flight_goes_out_again_with_its_id_and_events() {
    let mut world = World::one(pace());
    world.push(&[1; 35]);
    let before = world.flying.clone();
    assert_eq!(before.len(), 4);
    let world = world.restart(settings(), &puts());
    // Retries take half of the slots; the other batches follow.
    let mut world = world;
    let mut again = Vec::new();
    while let Some(attempt) = world.flying.first().cloned() {
        again.push((attempt.batch, attempt.spans.clone()));
        world.answer(&attempt, 200);
    }
    assert_eq!(
        again,
        before
            .into_iter()
            .map(|a| (a.batch, a.spans))
            .collect::<Vec<_>>()
    );
    assert_eq!(world.books(1).delivered, 35);
}

#[test]
fn what_was_delivered_is_not_sent_again() {
    let mut world = World::one(pace());
    world.push(&[1; 30]);
    world.answer_all(200);
    let world = world.restart(settings(), &puts());
    assert!(world.flying.is_empty());
    let books = world.books(1);
    assert_eq!((books.accepted, books.delivered), (30, 30));
}

#[test]
fn what_was_not_formed_is_found_in_the_log() {
    let mut world = World::one(Pace {
        in_flight: 1,
        ..pace()
    });
    world.push(&[1, 2, 1, 1]);
    world.push(&[1; 30]);
    let mut world = world.restart(settings(), &puts());
    assert_eq!(world.books(1).accepted, 33);
    let mut got = Vec::new();
    while let Some(attempt) = world.flying.first().cloned() {
        got.extend(offsets(&attempt));
        world.answer(&attempt, 200);
    }
    got.sort_unstable();
    assert_eq!(
        got,
        (0..34).filter(|offset| *offset != 1).collect::<Vec<_>>()
    );
}

#[test]
fn a_pause_goes_on_where_it_was() {
    let mut world = World::one(pace());
    world.push(&[1]);
    world.answer_all(503);
    world.pass(S(10));
    let mut world = world.restart(settings(), &puts());
    world.pass(S(19));
    assert!(world.flying.is_empty());
    world.pass(S(1));
    assert_eq!(world.flying.len(), 1);
    world.answer_all(503);
    world.pass(S(59));
    assert!(world.flying.is_empty(), "the attempts are counted on");
    world.pass(S(1));
    assert_eq!(world.flying.len(), 1);
}

#[test]
fn a_clock_that_was_stepped_back_does_not_hold_a_batch_for_as_long() {
    let mut world = World::one(pace());
    world.push(&[1]);
    world.answer_all(503);
    world.now.unix_ms -= 365 * 24 * 3_600_000;
    let mut world = world.restart(settings(), &puts());
    let back = world.now.unix_ms;
    world.pass(S(8 * 3600));
    assert_eq!(world.flying.len(), 1, "{back}");
}

#[test]
fn a_batch_that_is_too_old_at_the_start_gets_one_more_attempt() {
    let mut world = World::one(pace());
    world.push(&[1]);
    world.answer_all(503);
    world.advance(S(24 * 3600));
    let mut world = world.restart(settings(), &puts());
    assert_eq!(world.flying.len(), 1);
    world.answer_all(503);
    assert_eq!(world.books(1).dead, 1);
}

#[test]
fn batches_of_a_webhook_that_is_gone_are_dropped_and_counted() {
    let mut world = World::one(pace());
    world.push(&[1; 5]);
    let world = world.restart(settings(), &[]);
    assert_eq!(world.dropped(1, Reason::DELETED), 5);
    assert_eq!(world.books(1).pending, 0);
}

#[test]
fn batches_of_a_deleted_webhook_finish_after_a_restart() {
    let mut world = World::one(pace());
    world.push(&[1; 10]);
    world.answer_all(503);
    world.push(&[1; 10]);
    let flying = world.single();
    world.scheduler.delete(hook(1), false, world.now);
    world.turn();
    let mut world = world.restart_with(settings(), &[], &[1]);
    assert_eq!(world.single().batch, flying.batch);
    world.push(&[1; 5]);
    world.answer_all(200);
    world.pass(S(30));
    world.answer_all(200);
    let books = world.books(1);
    assert_eq!((books.accepted, books.delivered), (20, 20));
    assert!(!world.scheduler.knows(hook(1)));
}

#[test]
fn a_webhook_deleted_just_before_the_crash_counts_what_it_drops() {
    let mut world = World::one(Pace {
        in_flight: 1,
        ..pace()
    });
    world.push(&[1; 25]);
    // The store has deleted it, the journal never heard of it.
    let mut world = world.restart_with(settings(), &[], &[1]);
    assert_eq!(world.dropped(1, Reason::DELETED), 15);
    world.push(&[1; 5]);
    world.answer_all(200);
    assert_eq!(
        (world.books(1).accepted, world.books(1).delivered),
        (25, 10)
    );
}

#[test]
fn a_dead_letter_goes_where_its_webhook_sends_when_it_is_replayed() {
    let mut world = World::one(pace());
    world.push(&[1]);
    let letter = world.single();
    world.answer_all(413);
    world.put(1, 2, pace(), wants(&[1]));
    assert_eq!(replay(&mut world, letter.batch), 1);
    world.turn();
    assert_eq!((letter.revision, world.single().revision), (1, 2));
    assert_eq!(world.single().spans, letter.spans);
}

#[test]
fn webhooks_go_on_each_from_its_own_place() {
    let mut world = World::one(Pace {
        in_flight: 1,
        ..pace()
    });
    world.put(2, 1, pace(), wants(&[1]));
    world.push(&[1; 40]);
    let two: Vec<_> = world
        .flying
        .iter()
        .filter(|a| a.webhook == hook(2))
        .cloned()
        .collect();
    for attempt in two {
        world.answer(&attempt, 200);
    }
    let puts = [(1, 1, pace(), wants(&[1])), (2, 1, pace(), wants(&[1]))];
    let mut world = world.restart(settings(), &puts);
    while !world.flying.is_empty() {
        world.answer_all(200);
    }
    for n in [1, 2] {
        let books = world.books(n);
        assert_eq!((books.accepted, books.delivered), (40, 40));
    }
}

#[test]
fn what_waits_is_selected_as_before_its_webhook_was_changed() {
    let mut world = World::one(Pace {
        in_flight: 1,
        ..pace()
    });
    world.push(&[1, 2, 1, 2]);
    world.push(&[1, 2, 1, 2]);
    world.put(1, 2, pace(), wants(&[2]));
    world.push(&[1, 2, 1, 2]);
    let mut world = world.restart(settings(), &[(1, 2, pace(), wants(&[2]))]);
    let mut got = Vec::new();
    while let Some(attempt) = world.flying.first().cloned() {
        got.extend(offsets(&attempt));
        world.answer(&attempt, 200);
    }
    assert_eq!(got, [0, 2, 4, 6, 9, 11]);
}

#[test]
fn a_webhook_that_was_made_inactive_just_before_the_crash_counts_what_it_drops() {
    let mut world = World::one(Pace {
        in_flight: 1,
        ..pace()
    });
    world.push(&[1; 25]);
    let world = world.restart(settings(), &[(1, 2, pace(), Selection::nothing())]);
    let books = world.books(1);
    assert_eq!((books.accepted, books.pending), (25, 10));
    assert_eq!(world.dropped(1, Reason::INACTIVE), 15);
}

#[test]
fn a_backlog_of_whole_segments_is_counted_and_read_back() {
    let mut world = World::one(Pace {
        in_flight: 1,
        ..pace()
    });
    world.put(2, 1, pace(), wants(&[2]));
    for _ in 0..100 {
        world.push(&[1, 1, 2, 1, 1, 3]);
    }
    world.answer_all(200);
    let puts = [(1, 1, pace(), wants(&[1])), (2, 1, pace(), wants(&[2]))];
    let mut world = world.restart(settings(), &puts);
    assert!(world.counted >= 8, "{} of 12 segments", world.counted);
    for (n, wanted) in [(1, 400), (2, 100)] {
        let books = world.books(n);
        assert_eq!(
            (books.accepted, books.delivered + books.pending),
            (wanted, wanted)
        );
    }
    let mut got: Vec<Vec<u64>> = vec![Vec::new(); 3];
    while let Some(attempt) = world.flying.first().cloned() {
        got[attempt.webhook.as_bytes()[0] as usize].extend(offsets(&attempt));
        world.answer(&attempt, 200);
    }
    for (n, type_id) in [(1, 1), (2, 2)] {
        got[n].sort_unstable();
        let all = 0..world.events.all.len() as u64;
        let wanted: Vec<u64> = all
            .filter(|at| world.events.all[*at as usize].0 == type_id)
            .collect();
        assert!(wanted.ends_with(&got[n]), "{n}: {:?}", got[n]);
        let books = world.books(n as u8);
        assert_eq!((books.delivered, books.pending), (wanted.len() as u64, 0));
    }
}

#[test]
fn segments_that_webhooks_begin_in_are_not_counted_whole() {
    let mut world = World::one(pace());
    world.scheduler.pause(hook(1), world.now);
    world.push(&[1; 60]);
    world.put(2, 1, pace(), wants(&[1]));
    world.scheduler.pause(hook(2), world.now);
    world.push(&[1; 140]);
    let puts = [(1, 1, pace(), wants(&[1])), (2, 1, pace(), wants(&[1]))];
    let world = world.restart(settings(), &puts);
    assert_eq!(world.counted, 3, "of 4 whole ones, one is begun in");
    assert_eq!(
        (world.books(1).accepted, world.books(2).accepted),
        (200, 140)
    );
}
