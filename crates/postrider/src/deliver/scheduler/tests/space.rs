//! What the log is asked to keep.

use super::*;
use crate::deliver::replay::Cut;

/// The floor, and the pins as pairs.
fn needs(world: &World) -> (u64, Vec<(u64, u64)>) {
    let (floor, pins) = world.scheduler.needs();
    (
        floor,
        pins.into_iter().map(|pin| (pin.start, pin.end)).collect(),
    )
}

#[test]
fn the_floor_is_the_webhook_furthest_behind_and_open_batches_are_pins() {
    let mut world = World::one(Pace {
        in_flight: 1,
        ..pace()
    });
    assert_eq!(needs(&world), (0, vec![]));
    world.push(&[1; 25]);
    assert_eq!(needs(&world), (10, vec![(0, 10)]));
    world.answer_all(503);
    assert_eq!(needs(&world), (20, vec![(0, 10), (10, 20)]));
    world.answer_all(200);
    world.answer_all(200);
    assert_eq!(needs(&world), (25, vec![(0, 10)]));
}

#[test]
fn a_webhook_that_wants_nothing_holds_nothing() {
    let mut world = World::one(pace());
    world.push(&[2; 100]);
    assert_eq!(needs(&world), (100, vec![]));
}

#[test]
fn dead_letters_are_held_until_their_time_is_over() {
    let mut world = World::one(pace());
    world.push(&[1]);
    world.answer_all(413);
    world.push(&[2]);
    world.pass(S(7 * 24 * 3600));
    world.scheduler.tidy(world.now);
    assert_eq!(needs(&world), (2, vec![(0, 1)]));
    world.pass(S(1));
    world.scheduler.tidy(world.now);
    assert_eq!(needs(&world), (2, vec![]));
    assert_eq!(world.books(1).dead, 1, "still counted");
}

#[test]
fn a_dead_letter_that_is_replayed_keeps_its_id() {
    let mut world = World::one(pace());
    world.push(&[1]);
    let first = world.single();
    world.answer_all(413);
    assert_eq!(replay(&mut world, first.batch), 1);
    world.turn();
    assert_eq!(world.single().batch, first.batch);
    assert_eq!(world.single().spans, first.spans);
    world.answer_all(200);
    assert_eq!((world.books(1).dead, world.books(1).delivered), (0, 1));
    assert_eq!(replay(&mut world, first.batch), 0);
}

#[test]
fn under_pressure_dead_letters_go_first() {
    let mut world = World::one(pace());
    world.push(&[1]);
    world.answer_all(413);
    world.push(&[1; 10]);
    world.answer_all(503);
    world.scheduler.relieve(5, world.now);
    world.turn();
    assert!(world.dead().is_empty());
    assert_eq!(
        world.books(1).pending,
        10,
        "what can still be delivered is kept"
    );
}

#[test]
fn then_the_largest_backlog_that_is_over_its_own_cap_gives_up_its_oldest() {
    let capped = |backlog_events| Pace {
        in_flight: 1,
        backlog_events,
        ..pace()
    };
    let mut world = World::one(capped(0));
    world.put(2, 1, capped(15), wants(&[1]));
    world.put(3, 1, capped(25), wants(&[1, 2]));
    for _ in 0..4 {
        world.push(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2]);
    }
    // Of 40, 40 and 48 events, 10 each are under way.
    assert!(world.scheduler.relieve(36, world.now));
    world.turn();
    let dropped = |world: &World| [1, 2, 3].map(|n| world.dropped(n, Reason::SPACE));
    assert_eq!(
        dropped(&world),
        [0, 0, 23],
        "down to its cap, and no further"
    );
    assert!(world.scheduler.relieve(36, world.now));
    world.turn();
    // Of the second one's, 20 in no batch lie below; its cap asks for 25.
    assert_eq!(dropped(&world), [0, 20, 23]);
    assert!(
        !world.scheduler.relieve(36, world.now),
        "the others make way"
    );
}

#[test]
fn a_webhook_that_does_not_make_way_in_its_time_gives_up_what_is_in_the_way() {
    let mut world = World::one(Pace {
        in_flight: 1,
        ..pace()
    });
    world.push(&[1; 100]);
    // It makes way: asked again and again, it is below no stretch for long.
    for below in (20..60).step_by(10) {
        assert!(!world.scheduler.relieve(below, world.now));
        world.answer_all(200);
        world.answer_all(200);
        world.pass(S(20));
    }
    assert_eq!(world.dropped(1, Reason::SPACE), 0);
    // It is stuck.
    assert!(!world.scheduler.relieve(95, world.now));
    world.pass(S(29));
    assert!(!world.scheduler.relieve(95, world.now));
    assert!(
        world.scheduler.next_timer().is_some(),
        "it is looked at in time"
    );
    world.pass(S(1));
    assert!(world.scheduler.relieve(95, world.now));
    world.turn();
    assert!(world.dropped(1, Reason::SPACE) > 0);
    assert_eq!(
        world.books(1).pending,
        15,
        "what is under way, and what lies above"
    );
}

#[test]
fn under_pressure_a_failing_webhook_gives_up_what_is_in_the_way() {
    let mut world = World::one(Pace {
        in_flight: 1,
        ..pace()
    });
    world.put(
        2,
        1,
        Pace {
            in_flight: 1,
            ..pace()
        },
        wants(&[1]),
    );
    world.push(&[1; 20]);
    world.push(&[1; 20]);
    let failing = world
        .flying
        .iter()
        .find(|attempt| attempt.webhook == hook(1))
        .cloned();
    world.answer(&failing.unwrap(), 503);
    world.scheduler.pause(hook(1), world.now);
    world.scheduler.relieve(30, world.now);
    world.turn();
    // Events 0 to 9 wait in a batch, 10 to 19 are under way, 20 to 39 are in no batch.
    assert_eq!(world.dropped(1, Reason::SPACE), 20);
    assert_eq!(world.books(1).pending, 20);
    assert_eq!(
        world.dropped(2, Reason::SPACE),
        0,
        "it progresses: the writer waits for it"
    );
}

#[test]
fn all_dead_letters_of_one_webhook_are_replayed_and_no_others() {
    let mut world = World::one(pace());
    world.put(2, 1, pace(), wants(&[1]));
    for _ in 0..3 {
        world.push(&[1]);
        world.answer_all(413);
    }
    assert_eq!(world.books(1).dead_letters, 3);
    let others = world
        .dead()
        .into_iter()
        .find(|letter| letter.start.webhook == hook(2));
    let foreign = others.unwrap().start.batch;
    assert_eq!(replay(&mut world, foreign), 0, "it is another webhook's");
    let replayed = world.scheduler.replay(hook(1), None, world.now).unwrap();
    assert_eq!((replayed.batches, replayed.events), (3, 3));
    world.turn();
    world.answer_all(200);
    assert_eq!(
        (world.books(1).delivered, world.books(1).dead_letters),
        (3, 0)
    );
    assert_eq!((world.books(2).dead, world.books(2).dead_letters), (3, 3));
    assert_eq!(world.scheduler.replay(hook(9), None, world.now), None);
}

#[test]
fn a_stretch_sent_again_is_new_batches_with_an_age_of_their_own() {
    let mut world = World::one(pace());
    world.push(&[1; 10]);
    let first = world.single();
    world.answer_all(200);
    world.pass(S(20 * 3600));
    let cut = Cut {
        spans: first.spans.clone(),
        events: 10,
        bytes: 100,
    };
    assert!(world.scheduler.again(hook(1), vec![cut], world.now));
    world.turn();
    let again = world.single();
    assert_eq!(again.spans, first.spans);
    assert_ne!(again.batch, first.batch);
    world.answer_all(503);
    assert_eq!(world.books(1).dead, 0, "not too old");
    // Its batches survive a crash like any other.
    let mut world = world.restart(settings(), &[(1, 1, pace(), wants(&[1]))]);
    world.pass(S(30));
    assert_eq!(world.single().batch, again.batch);
    world.answer_all(200);
    assert_eq!(
        (world.books(1).accepted, world.books(1).delivered),
        (20, 20)
    );
}
