//! Webhooks that are created, changed, held and deleted.

use super::*;

#[test]
fn a_webhook_gets_what_comes_after_its_creation() {
    let mut world = World::new();
    world.push(&[1; 5]);
    world.put(1, 1, pace(), wants(&[1]));
    world.push(&[1; 2]);
    assert_eq!(offsets(&world.single()), [5, 6]);
}

#[test]
fn the_revision_in_force_at_an_offset_decides() {
    let mut world = World::with(Settings {
        runs: 0,
        ..settings()
    });
    world.put(
        1,
        1,
        Pace {
            in_flight: 1,
            ..pace()
        },
        wants(&[1]),
    );
    // More than memory takes, so that the rest is read back after the change.
    for _ in 0..20 {
        world.append((0..16).map(|i| (1 + i % 2, 0)));
    }
    world.put(
        1,
        2,
        Pace {
            in_flight: 1,
            ..pace()
        },
        wants(&[2]),
    );
    for _ in 0..20 {
        world.append((0..16).map(|i| (1 + i % 2, 0)));
    }
    world.turn();
    let mut got = Vec::new();
    while let Some(attempt) = world.flying.first().cloned() {
        got.extend(offsets(&attempt));
        world.answer(&attempt, 200);
    }
    let expected = (0..320).step_by(2).chain((321..640).step_by(2));
    assert_eq!(got, expected.collect::<Vec<_>>());
}

#[test]
fn a_formed_batch_keeps_its_revision_and_the_rest_has_the_new_one() {
    let mut world = World::one(Pace {
        in_flight: 1,
        ..pace()
    });
    world.push(&[1; 20]);
    world.put(
        1,
        2,
        Pace {
            in_flight: 1,
            ..pace()
        },
        wants(&[1]),
    );
    let first = world.single();
    world.answer(&first, 503);
    assert_eq!((first.revision, world.single().revision), (1, 2));
    world.answer_all(200);
    world.pass(S(30));
    assert_eq!(
        (world.single().batch, world.single().revision),
        (first.batch, 1)
    );
}

/// A world whose webhook left a target that takes nothing, with four batches for it.
fn moved(status: u16) -> World {
    let mut world = World::one(pace());
    world.push(&[1; 40]);
    world.answer_all(status);
    assert_ne!(world.books(1).activity.condition, Condition::Up);
    world.move_away(1, 2, &[1]);
    world
}

/// The attempts in the air that go to the target of this revision.
fn to(world: &World, revision: u32) -> Vec<Attempt> {
    let own = |attempt: &&Attempt| attempt.revision == revision;
    world.flying.iter().filter(own).cloned().collect()
}

#[test]
fn a_new_target_gets_its_batches_whatever_the_former_one_answers() {
    for status in [503, 410, 400] {
        let mut world = moved(status);
        assert_eq!(world.books(1).activity.condition, Condition::Up);
        for n in 1..=20 {
            world.push(&[1; 10]);
            for attempt in to(&world, 2) {
                world.answer(&attempt, 200);
            }
            assert_eq!(world.books(1).delivered, n * 10, "{status}");
            for attempt in to(&world, 1) {
                assert!(attempt.unproven);
                world.answer(&attempt, status);
            }
            let books = world.books(1);
            assert_eq!(books.activity.condition, Condition::Up, "{status}");
            assert_eq!((books.open_batches, books.window), (4, 4), "{status}");
            world.pass(S(900));
        }
        world.pass(S(9 * HOUR));
        world.answer_all(status);
        let reasons: BTreeSet<_> = world.dead().into_iter().map(|dead| dead.reason).collect();
        assert_eq!(reasons, BTreeSet::from([Reason::EXPIRED]), "{status}");
    }
}

/// How often the former and the present target are tried in four hours, if they answer like this.
fn tries(mut world: World, former: u16, present: u16) -> (usize, usize) {
    let mut tries = (0, 0);
    for _ in 0..240 {
        let answers = [(1, former, &mut tries.0), (2, present, &mut tries.1)];
        for (revision, status, tries) in answers {
            for attempt in to(&world, revision) {
                *tries += 1;
                world.answer(&attempt, status);
            }
        }
        world.pass(S(60));
    }
    world.answer_all(200);
    tries
}

#[test]
fn a_former_and_a_present_target_that_are_down_are_tried_as_each_alone_would_be() {
    let pushed = |mut world: World| {
        world.push(&[1; 40]);
        world
    };
    let mut alone = World::new();
    alone.put(1, 2, pace(), wants(&[1]));
    let (_, present) = tries(pushed(alone), 200, 503);
    let (former, _) = tries(moved(503), 503, 200);
    assert!(former > 20 && present > 10, "{former} {present}");
    let both = tries(pushed(moved(503)), 503, 503);
    assert_eq!(both, (former, present));
}

#[test]
fn batches_for_a_former_target_arrive_while_the_present_one_is_down() {
    let mut world = moved(503);
    world.pass(S(10));
    world.push(&[1; 40]);
    world.answer_all(503);
    assert_eq!(world.books(1).activity.condition, Condition::Down);
    let due = world.scheduler.next_timer();
    assert_eq!(
        due,
        Some(world.now.mono.after(S(20))),
        "30 s after they failed"
    );
    world.pass(S(20));
    for delivered in [10, 20, 30, 40] {
        let attempt = world.single();
        assert_eq!(attempt.revision, 1);
        world.answer(&attempt, 200);
        let books = world.books(1);
        assert_eq!(books.delivered, delivered);
        assert_eq!(
            books.activity.condition,
            Condition::Down,
            "what they say is not of it"
        );
    }
}

#[test]
fn a_target_is_probed_with_a_batch_of_its_own_and_the_former_one_has_times_of_its_own() {
    // All were tried once, and are due at once.
    let mut world = moved(503);
    world.push(&[1; 40]);
    world.answer_all(503);
    world.pass(S(30));
    assert_eq!(world.single().revision, 2);

    let mut world = moved(503);
    world.pass(S(10));
    world.push(&[1; 40]);
    world.answer_all(503);
    for (wait, revision, times) in [(20, 1, 4), (10, 2, 1), (50, 1, 4), (10, 2, 1)] {
        world.pass(S(wait - 1));
        assert!(world.flying.is_empty());
        world.pass(S(1));
        for _ in 0..times {
            let attempt = world.single();
            assert_eq!(attempt.revision, revision, "after {wait} s");
            world.answer(&attempt, 503);
        }
    }
}

#[test]
fn what_a_former_target_bears_says_nothing_of_the_present_one() {
    let mut world = World::one(pace());
    world.push(&[1; 40]);
    world.move_away(1, 2, &[1]);
    world.answer_all(503);
    let books = world.books(1);
    assert_eq!((books.window, books.activity.condition), (4, Condition::Up));
}

#[test]
fn halves_of_a_batch_go_where_the_batch_went() {
    let mut world = World::one(pace());
    world.push(&[1; 10]);
    world.move_away(1, 2, &[1]);
    world.answer_all(413);
    for _ in 0..20 {
        world.answer_all(503);
        world.pass(S(60));
    }
    let books = world.books(1);
    assert_eq!(
        (books.open_batches, books.activity.condition),
        (2, Condition::Up)
    );
    world.answer_all(200);
    world.push(&[1; 10]);
    let whole = (10..20).collect::<Vec<_>>();
    assert_eq!(
        offsets(&to(&world, 2)[0]),
        whole,
        "no limit for the new target"
    );
}

#[test]
fn a_target_that_a_webhook_comes_back_to_is_its_own_again() {
    let mut world = moved(503);
    world.move_away(1, 3, &[2]);
    assert_eq!(world.books(1).activity.condition, Condition::Up);
    for _ in 0..4 {
        world.pass(S(60));
        world.answer_all(503);
    }
    assert_eq!(world.books(1).activity.condition, Condition::Down);
}

#[test]
fn deleting_drops_what_is_not_formed_and_lets_the_rest_finish() {
    let mut world = World::one(Pace {
        in_flight: 1,
        ..pace()
    });
    world.push(&[1; 25]);
    world.scheduler.delete(hook(1), false, world.now);
    world.turn();
    assert_eq!(world.dropped(1, Reason::DELETED), 15);
    world.push(&[1; 5]);
    world.answer_all(503);
    assert!(world.scheduler.knows(hook(1)));
    world.pass(S(30));
    world.answer_all(200);
    let books = world.books(1);
    assert_eq!(
        (books.accepted, books.delivered, books.pending),
        (25, 10, 0)
    );
    assert!(!world.scheduler.knows(hook(1)));
}

#[test]
fn purging_drops_everything_and_ends_what_is_under_way() {
    let mut world = World::one(Pace {
        in_flight: 1,
        ..pace()
    });
    world.push(&[1; 25]);
    let exchange = world.single().exchange;
    world.scheduler.delete(hook(1), true, world.now);
    world.turn();
    assert_eq!(world.cancelled, [exchange]);
    assert_eq!(world.dropped(1, Reason::PURGED), 25);
    assert_eq!(world.books(1).pending, 0);
    // An answer that was on its way counts for nothing.
    let ended = Ended {
        answer: no_answer("ECONNRESET"),
        latency_ms: 0,
    };
    world.scheduler.ended(exchange, &ended, world.now);
    world.turn();
    assert_eq!(world.books(1).accepted, 25);
}

#[test]
fn the_books_of_a_deleted_webhook_are_kept_for_the_history_s_time() {
    let mut world = World::one(pace());
    world.push(&[1; 5]);
    world.answer_all(200);
    world.scheduler.delete(hook(1), false, world.now);
    world.turn();
    world.scheduler.tidy(world.now);
    assert_eq!(world.books(1).delivered, 5);
    world.pass(S(24 * 3600));
    world.scheduler.tidy(world.now);
    assert!(world.scheduler.snapshot().webhooks.is_empty());
}

#[test]
fn an_inactive_webhook_drops_what_waits_and_accepts_nothing() {
    let mut world = World::one(Pace {
        in_flight: 1,
        ..pace()
    });
    world.push(&[1; 25]);
    world.put(1, 2, pace(), Selection::nothing());
    world.push(&[1; 5]);
    assert_eq!(world.dropped(1, Reason::INACTIVE), 15);
    world.answer_all(200);
    assert_eq!(
        (world.books(1).accepted, world.books(1).delivered),
        (25, 10)
    );
    world.put(1, 3, pace(), wants(&[1]));
    world.push(&[1]);
    assert_eq!(offsets(&world.single()), [30]);
}

#[test]
fn a_paused_webhook_keeps_everything_and_nothing_ages() {
    let mut world = World::one(pace());
    world.push(&[1; 10]);
    world.scheduler.pause(hook(1), world.now);
    world.turn();
    world.answer_all(503);
    world.push(&[1; 10]);
    world.pass(S(48 * 3600));
    assert!(world.flying.is_empty());
    assert_eq!(world.books(1).pending, 20);
    world.scheduler.resume(hook(1), world.now);
    world.turn();
    world.answer_all(200);
    assert_eq!(world.books(1).delivered, 20);
}

#[test]
fn what_webhooks_want_is_the_union_of_their_types() {
    let mut world = World::one(pace());
    world.put(2, 1, pace(), wants(&[2, 300]));
    assert_eq!(
        world.scheduler.wanted().iter().collect::<Vec<_>>(),
        [1, 2, 300]
    );
    world.scheduler.delete(hook(2), false, world.now);
    assert_eq!(world.scheduler.wanted().iter().collect::<Vec<_>>(), [1]);
}

#[test]
fn after_stop_nothing_leaves_and_answers_still_count() {
    let mut world = World::one(Pace {
        in_flight: 1,
        ..pace()
    });
    world.push(&[1; 25]);
    world.scheduler.stop();
    world.answer_all(200);
    world.pass(S(60));
    assert!(world.flying.is_empty());
    let books = world.books(1);
    assert_eq!((books.delivered, books.pending), (10, 15));
}
