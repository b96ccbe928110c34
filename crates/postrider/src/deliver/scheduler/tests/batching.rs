//! When a batch is formed, and of what.

use super::*;

#[test]
fn a_batch_waits_for_its_linger_and_no_longer() {
    let mut world = World::one(Pace {
        linger: S(1),
        ..pace()
    });
    world.push(&[1, 1]);
    world.pass(Duration::from_millis(999));
    assert!(world.flying.is_empty());
    world.pass(Duration::from_millis(1));
    assert_eq!(offsets(&world.single()), [0, 1]);
}

#[test]
fn a_full_batch_does_not_wait_and_the_rest_lingers() {
    let mut world = World::one(Pace {
        linger: S(1),
        ..pace()
    });
    world.push(&[1; 23]);
    assert_eq!(world.flying.len(), 2);
    assert_eq!(world.books(1).pending, 23);
    world.pass(S(1));
    assert_eq!(offsets(&world.flying[2]), [20, 21, 22]);
}

#[test]
fn without_linger_a_busy_receiver_gets_batches_that_grow_by_themselves() {
    let mut world = World::one(Pace {
        in_flight: 1,
        ..pace()
    });
    world.push(&[1]);
    assert_eq!(offsets(&world.single()), [0]);
    for _ in 0..5 {
        world.push(&[1]);
    }
    world.answer_all(200);
    assert_eq!(offsets(&world.single()), [1, 2, 3, 4, 5]);
}

#[test]
fn a_batch_is_limited_by_bytes() {
    let mut world = World::one(Pace {
        max_bytes: 35,
        ..pace()
    });
    world.push(&[1; 4]);
    assert_eq!(offsets(&world.flying[0]), [0, 1, 2]);
    assert_eq!(offsets(&world.flying[1]), [3]);
}

#[test]
fn an_event_larger_than_the_limit_goes_alone() {
    let mut world = World::one(Pace {
        max_bytes: 15,
        in_flight: 9,
        ..pace()
    });
    world.events.sizes.insert(1, 20);
    world.push(&[1; 3]);
    let sent: Vec<_> = world.flying.iter().map(offsets).collect();
    assert_eq!(sent, [[0], [1], [2]]);
}

#[test]
fn no_more_batches_are_in_flight_than_allowed() {
    let mut world = World::one(Pace {
        in_flight: 3,
        ..pace()
    });
    world.push(&[1; 100]);
    assert_eq!(world.flying.len(), 3);
    world.answer_all(200);
    assert_eq!(world.flying.len(), 3);
    assert_eq!(world.books(1).delivered, 30);
}

#[test]
fn attempts_of_all_webhooks_together_are_limited_and_who_waits_is_served_in_turn() {
    let mut world = World::with(Settings {
        attempts: 2,
        ..settings()
    });
    for n in 1..=3 {
        world.put(n, 1, pace(), wants(&[1]));
    }
    world.push(&[1; 20]);
    let mut served = Vec::new();
    while let Some(attempt) = world.flying.first().cloned() {
        assert!(world.flying.len() <= 2);
        served.push(attempt.webhook.as_bytes()[0]);
        world.answer(&attempt, 200);
    }
    assert_eq!(served.len(), 6);
    assert_eq!(
        served[..4].iter().collect::<BTreeSet<_>>().len(),
        3,
        "{served:?}"
    );
}

/// Receivers that take a batch and never answer must not keep those waiting that do.
#[test]
fn a_quarter_of_the_attempts_is_kept_for_webhooks_that_succeeded_last() {
    let mut world = World::with(Settings {
        attempts: 8,
        ..settings()
    });
    let of = |n: u8| move |attempt: &Attempt| attempt.webhook == hook(n);
    world.put(1, 1, pace(), wants(&[1]));
    world.push(&[1]);
    world.answer_all(200);
    for n in 2..=9 {
        world.put(n, 1, pace(), wants(&[2]));
    }
    world.push(&[2; 400]);
    // Six of eight, though each would take four.
    assert_eq!(world.flying.len(), 6);
    assert_eq!(world.flying.iter().filter(|a| of(1)(a)).count(), 0);
    world.push(&[1]);
    assert_eq!(world.flying.iter().filter(|a| of(1)(a)).count(), 1);
    // Once it fails, it queues up like the others.
    let own = world
        .flying
        .iter()
        .find(|a| of(1)(a))
        .cloned()
        .expect("there");
    world.answer(&own, 503);
    world.push(&[1]);
    assert_eq!(world.flying.len(), 6);
}

/// Hundreds of hanging attempts end in one moment, and as many webhooks wait for their places.
#[test]
fn who_waited_for_a_place_is_served_a_few_a_turn() {
    let mut world = World::with(Settings {
        attempts: 120,
        ..settings()
    });
    let one = Pace {
        in_flight: 1,
        ..pace()
    };
    for n in 1..=200 {
        world.put(n, 1, one, wants(&[1]));
    }
    world.push(&[1]);
    assert_eq!(world.flying.len(), 90);
    for attempt in std::mem::take(&mut world.flying) {
        let ended = Ended {
            answer: no_answer("ESOCKETTIMEDOUT"),
            latency_ms: 10_000,
        };
        world.scheduler.ended(attempt.exchange, &ended, world.now);
    }
    let mut turns = 0;
    while world.scheduler.is_busy() {
        let before = world.flying.len();
        world.scheduler.turn(&mut world.events, world.now);
        world.collect();
        // As many that waited, and as many that have just failed.
        assert!(world.flying.len() - before <= 2 * SERVED_PER_TURN[0]);
        turns += 1;
    }
    assert_eq!(world.flying.len(), 90);
    assert!(turns >= 90 / (2 * SERVED_PER_TURN[0]), "{turns}");
}

/// Hundreds of webhooks may be due in one moment, with hundreds of events each.
#[test]
fn large_batches_begin_a_few_a_turn_and_behind_those_who_have_little_to_send() {
    const LARGE: u8 = 20;
    let mut world = World::new();
    for n in 1..=LARGE {
        world.put(n, 1, pace(), wants(&[1]));
    }
    world.put(LARGE + 1, 1, pace(), wants(&[2]));
    // All have proved that they are there.
    world.push(&[1, 2]);
    world.answer_all(200);
    world.append([(1, 0); 7000]);
    world.append([(2, 0)]);
    let mut turns = 0;
    while world.flying.len() <= usize::from(LARGE) {
        let before = world.flying.len();
        world.scheduler.turn(&mut world.events, world.now);
        world.collect();
        let begun = &world.flying[before..];
        let of_little = begun.iter().position(|a| a.webhook == hook(LARGE + 1));
        assert_eq!(of_little, (turns == 0).then_some(0), "first of all");
        let large = begun.len() - usize::from(turns == 0);
        assert!(large <= ATTEMPTS_PER_TURN[Rank::Large as usize], "{large}");
        turns += 1;
    }
}

#[test]
fn a_receiver_that_is_too_busy_gets_fewer_batches_at_once() {
    let mut world = World::one(Pace {
        in_flight: 8,
        ..pace()
    });
    world.push(&[1; 3000]);
    assert_eq!(world.flying.len(), 4, "what every webhook begins with");
    for _ in 0..20 {
        world.answer_all(200);
    }
    assert_eq!(world.flying.len(), 8, "it bears more");
    let busy = world.flying[0].clone();
    world.answer(&busy, 429);
    assert_eq!(world.books(1).window, 4);
}

#[test]
fn a_batch_takes_only_what_its_webhook_wants() {
    let mut world = World::one(pace());
    world.put(
        2,
        1,
        pace(),
        Selection {
            types: [1].into_iter().collect(),
            scope: Scope::One(5),
        },
    );
    world.append([(1, 0), (2, 0), (1, 5), (1, 5), (3, 5)]);
    world.turn();
    assert_eq!(offsets(&world.flying[0]), [0, 2, 3]);
    assert_eq!(offsets(&world.flying[1]), [2, 3]);
    assert_eq!(world.books(1).accepted, 3);
    assert_eq!(world.books(2).accepted, 2);
}

#[test]
fn events_that_cannot_be_read_when_formed_are_dropped_and_counted() {
    let mut world = World::one(pace());
    world.events.lost.extend([2, 3, 12]);
    world.push(&[1; 15]);
    assert_eq!(offsets(&world.flying[0]), [0, 1, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(world.dropped(1, Reason::MISSING), 2);
}

#[test]
fn a_log_that_cannot_be_read_holds_the_webhook_and_loses_nothing() {
    let mut world = World::one(pace());
    world.events.unreadable = true;
    world.push(&[1; 15]);
    assert!(world.flying.is_empty());
    assert_eq!(world.books(1).pending, 15);
    world.events.unreadable = false;
    world.pass(S(1));
    assert_eq!(world.flying.len(), 2);
}

#[test]
fn a_backlog_beyond_memory_is_read_back_in_order() {
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
    for _ in 0..20 {
        world.append((0..16).map(|i| (1 + i % 2, 0)));
    }
    world.turn();
    let mut got = Vec::new();
    while let Some(attempt) = world.flying.first().cloned() {
        got.extend(offsets(&attempt));
        world.answer(&attempt, 200);
    }
    assert_eq!(got, (0..320).step_by(2).collect::<Vec<_>>());
    assert_eq!(world.books(1).accepted, 160);
    assert_eq!(world.books(1).pending, 0);
}

#[test]
fn an_event_for_a_webhook_that_lingers_is_busy_or_is_down_costs_no_look() {
    let linger = Pace {
        linger: S(1),
        in_flight: 1,
        ..pace()
    };
    let mut world = World::one(linger);
    let looked_at = |world: &mut World, n: usize| {
        world.append((0..n).map(|_| (1, 0)));
        let looked_at = world.scheduler.is_busy();
        world.turn();
        looked_at
    };
    assert!(looked_at(&mut world, 1), "the first one begins to linger");
    assert!(!looked_at(&mut world, 8));
    assert!(looked_at(&mut world, 1), "the tenth fills the batch");
    let batch = world.single();
    assert!(looked_at(&mut world, 1), "the next one begins to linger");
    assert!(!looked_at(&mut world, 1));
    world.pass(S(1));
    assert!(
        !looked_at(&mut world, 1),
        "it has one place, and that is taken"
    );
    world.answer(&batch, 200);
    assert_eq!(offsets(&world.single()), [10, 11, 12]);
}

#[test]
fn what_is_full_does_not_linger_once_the_log_can_be_read_again() {
    let mut world = World::one(Pace {
        linger: S(3600),
        ..pace()
    });
    world.events.unreadable = true;
    world.push(&[1; 11]);
    assert!(world.flying.is_empty());
    world.events.unreadable = false;
    world.pass(S(2));
    assert_eq!(world.flying.len(), 1);
}
