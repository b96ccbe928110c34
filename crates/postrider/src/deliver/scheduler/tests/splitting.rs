//! Batches that go in parts: too big, poisoned, or not all there any more.

use super::*;

#[test]
fn too_big_is_halved_at_once_and_the_limit_is_remembered() {
    let mut world = World::one(Pace {
        in_flight: 2,
        ..pace()
    });
    world.push(&[1; 10]);
    let whole = world.single();
    world.answer(&whole, 413);
    let halves: Vec<_> = world.flying.iter().map(offsets).collect();
    assert_eq!(halves, [vec![0, 1, 2, 3, 4], vec![5, 6, 7, 8, 9]]);
    let ids: Vec<_> = world.flying.iter().map(|attempt| attempt.batch).collect();
    assert_eq!(
        ids,
        [
            Uuid::new_v5(&whole.batch, b"0"),
            Uuid::new_v5(&whole.batch, b"1")
        ]
    );
    world.answer_all(200);
    world.push(&[1; 10]);
    assert!(
        world
            .flying
            .iter()
            .all(|attempt| offsets(attempt).len() == 5)
    );
}

#[test]
fn one_event_that_is_too_big_is_dead_at_once() {
    let mut world = World::one(pace());
    world.push(&[1]);
    world.answer_all(413);
    assert_eq!(world.dead()[0].reason, Reason::TOO_BIG);
}

#[test]
fn a_batch_that_ever_failed_otherwise_is_not_split() {
    let mut world = World::one(pace());
    world.push(&[1; 10]);
    let whole = world.single();
    world.answer(&whole, 503);
    world.pass(S(30));
    world.answer_all(413);
    assert!(world.flying.is_empty());
    world.pass(S(60));
    assert_eq!(world.single().batch, whole.batch);
}

/// A receiver that refuses every batch which holds event 5, and takes the others.
fn refuse_5(world: &mut World) {
    for attempt in world.flying.clone() {
        let status = if offsets(&attempt).contains(&5) {
            422
        } else {
            200
        };
        world.answer(&attempt, status);
    }
}

#[test]
fn a_poisonous_event_ends_alone_in_its_dead_letter() {
    let mut world = World::one(pace());
    world.push(&[1; 10]);
    for _ in 0..100 {
        refuse_5(&mut world);
        world.pass(S(150));
        // Others go well all the while.
        world.push(&[1]);
    }
    let dead = world.dead();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].start.spans, [Span { first: 5, count: 1 }]);
    assert_eq!(dead[0].reason, Reason::POISON);
    assert_eq!(world.books(1).dead, 1);
    assert!(world.now.unix_ms < START_MS + 8 * 3_600_000);
}

#[test]
fn without_a_success_elsewhere_a_refused_batch_is_not_split() {
    let mut world = World::one(pace());
    world.push(&[1; 10]);
    let whole = world.single();
    for _ in 0..6 {
        world.answer_all(422);
        world.pass(S(3600));
        assert_eq!(world.single().batch, whole.batch);
    }
}

#[test]
fn in_order_halves_keep_their_place() {
    let mut world = World::one(Pace {
        ordered: true,
        ..pace()
    });
    world.push(&[1; 20]);
    world.answer_all(413);
    let mut got = Vec::new();
    while let Some(attempt) = world.flying.first().cloned() {
        got.extend(offsets(&attempt));
        world.answer(&attempt, 200);
    }
    assert_eq!(got, (0..20).collect::<Vec<_>>());
}

#[test]
fn halves_inherit_the_age() {
    let mut world = World::one(pace());
    world.push(&[1; 2]);
    world.pass(S(3600));
    world.answer_all(413);
    world.answer_all(503);
    for _ in 0..20 {
        world.pass(S(7 * 3600 / 20));
        world.answer_all(503);
    }
    assert_eq!(world.books(1).dead, 2);
}

#[test]
fn events_that_are_gone_leave_the_rest_under_another_id() {
    let mut world = World::one(pace());
    world.push(&[1; 10]);
    let whole = world.single();
    world.flying.clear();
    let gone = [Span { first: 0, count: 1 }, Span { first: 4, count: 2 }];
    let (events, now) = (&mut world.events, world.now);
    world
        .scheduler
        .missing(whole.exchange, &gone, Reason::DAMAGED, events, now);
    world.turn();
    let rest = world.single();
    assert_eq!(offsets(&rest), [1, 2, 3, 6, 7, 8, 9]);
    assert_ne!(rest.batch, whole.batch);
    assert_eq!(world.dropped(1, Reason::DAMAGED), 3);
    world.answer_all(200);
    assert_eq!(world.books(1).delivered, 7);
}

#[test]
fn a_batch_of_which_nothing_is_left_is_closed() {
    let mut world = World::one(pace());
    world.push(&[1; 10]);
    let whole = world.single();
    world.flying.clear();
    let (events, now) = (&mut world.events, world.now);
    world.scheduler.missing(
        whole.exchange,
        &whole.spans,
        Reason::LOST_UNSYNCED,
        events,
        now,
    );
    world.turn();
    assert_eq!(world.dropped(1, Reason::LOST_UNSYNCED), 10);
    assert_eq!(world.books(1).pending, 0);
}
