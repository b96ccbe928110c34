//! What fails, and when it goes out again.

use super::*;

#[test]
fn a_failed_batch_goes_out_again_with_its_id_as_the_schedule_says() {
    let mut world = World::one(pace());
    world.push(&[1; 3]);
    let first = world.single();
    for spacing in [30, 60, 120, 300] {
        world.answer_all(503);
        world.pass(S(spacing - 1));
        assert!(world.flying.is_empty(), "before {spacing} s");
        world.pass(S(1));
        let again = world.single();
        assert_eq!((again.batch, &again.spans), (first.batch, &first.spans));
        assert_ne!(again.exchange, first.exchange);
    }
    world.answer_all(200);
    assert_eq!(world.books(1).delivered, 3);
}

#[test]
fn twelve_attempts_fit_into_eight_hours_and_then_the_batch_is_dead() {
    let mut world = World::one(pace());
    world.push(&[1; 3]);
    let mut attempts = 0;
    while world.books(1).pending > 0 {
        attempts += 1;
        world.answer(&world.single(), 500);
        while world.flying.is_empty() && world.books(1).pending > 0 {
            world.pass(S(60));
        }
    }
    // The thirteenth is the last chance at the end of the eight hours.
    assert_eq!(attempts, 13);
    let dead = world.dead();
    assert_eq!((dead.len(), dead[0].reason.clone()), (1, Reason::EXPIRED));
    assert!(world.now.unix_ms >= START_MS + 8 * HOUR * 1000);
    assert_eq!(world.books(1).dead, 3);
}

#[test]
fn what_the_receiver_asks_for_is_waited() {
    let mut world = World::one(pace());
    world.push(&[1]);
    let answer = Answer::Status {
        status: 429,
        complete: true,
        retry_after: Some(S(600)),
    };
    world.end(&world.single(), answer);
    world.pass(S(599));
    assert!(world.flying.is_empty());
    world.pass(S(1));
    assert_eq!(world.flying.len(), 1);
}

#[test]
fn a_redirect_is_a_failure() {
    let mut world = World::one(pace());
    world.push(&[1]);
    world.answer_all(302);
    assert_eq!(world.books(1).delivered, 0);
    world.pass(S(30));
    assert_eq!(world.flying.len(), 1);
}

#[test]
fn no_answer_is_a_failure_with_its_code() {
    let mut world = World::one(pace());
    world.push(&[1]);
    world.end(&world.single(), no_answer("ECONNREFUSED"));
    let status = world.scheduler.state().batch_status(hook(1), 10, false);
    assert_eq!(
        (status[0].code.as_ref(), status[0].status, status[0].failed),
        ("ECONNREFUSED", None, 1)
    );
}

#[test]
fn a_batch_in_back_off_is_overtaken() {
    let mut world = World::one(pace());
    world.push(&[1]);
    world.answer_all(503);
    world.push(&[1]);
    assert_eq!(offsets(&world.single()), [1]);
}

#[test]
fn in_order_a_failing_batch_holds_the_rest() {
    let mut world = World::one(Pace {
        ordered: true,
        ..pace()
    });
    world.push(&[1; 10]);
    world.push(&[1; 10]);
    let first = world.single();
    assert_eq!(
        first.spans,
        [Span {
            first: 0,
            count: 10
        }]
    );
    world.answer(&first, 503);
    assert!(world.flying.is_empty());
    world.pass(S(30));
    assert_eq!(world.single().batch, first.batch);
    world.answer_all(200);
    assert_eq!(offsets(&world.single())[0], 10);
}

#[test]
fn first_attempts_are_not_starved_by_retries() {
    let mut world = World::one(Pace {
        max_events: 1,
        in_flight: 4,
        ..pace()
    });
    // Three failing batches and a success between them, so that the target is not down.
    world.push(&[1; 4]);
    for (attempt, status) in world.flying.clone().iter().zip([500, 500, 500, 200]) {
        world.answer(attempt, status);
    }
    world.pass(S(30));
    assert_eq!(world.flying.len(), 2, "retries take half of the slots");
    world.push(&[1; 4]);
    let fresh = world
        .flying
        .iter()
        .filter(|attempt| offsets(attempt)[0] >= 4)
        .count();
    assert_eq!((fresh, world.flying.len()), (2, 4));
}

#[test]
fn with_one_slot_retries_and_first_attempts_take_turns() {
    let mut world = World::one(Pace {
        max_events: 1,
        in_flight: 1,
        ..pace()
    });
    world.push(&[1; 8]);
    for status in [503, 200, 503, 200, 503] {
        world.answer(&world.single(), status);
    }
    world.pass(S(30));
    let mut order = Vec::new();
    while let Some(attempt) = world.flying.first().cloned() {
        order.push(offsets(&attempt)[0]);
        world.answer(&attempt, 200);
    }
    let retried: Vec<_> = order.iter().take(4).map(|offset| *offset < 5).collect();
    assert!(
        retried.windows(2).all(|pair| pair[0] != pair[1]),
        "{order:?}"
    );
}

/// Makes the target of webhook 1 down: four batches fail.
fn down() -> World {
    let mut world = World::one(pace());
    world.push(&[1; 40]);
    assert_eq!(world.flying.len(), 4);
    world.answer_all(503);
    assert_eq!(world.books(1).activity.condition, Condition::Down);
    world
}

#[test]
fn a_target_that_is_down_is_probed_with_one_batch_and_the_others_wait() {
    let mut world = down();
    world.push(&[1; 100]);
    assert!(world.flying.is_empty());
    for spacing in [30, 60, 120, 300] {
        world.pass(S(spacing - 1));
        assert!(world.flying.is_empty());
        world.pass(S(1));
        let probe = world.single();
        world.answer(&probe, 503);
    }
    assert_eq!(
        world.books(1).open_batches,
        4,
        "nothing new is formed meanwhile"
    );
}

#[test]
fn probes_take_turns_among_the_waiting_batches() {
    let mut world = down();
    let mut probes = BTreeSet::new();
    for _ in 0..4 {
        world.pass(S(20 * 60));
        probes.insert(world.single().batch);
        world.answer_all(503);
    }
    assert_eq!(probes.len(), 4);
}

#[test]
fn a_target_that_comes_up_gets_everything_that_waited() {
    let mut world = down();
    world.push(&[1; 20]);
    world.pass(S(30));
    world.answer_all(200);
    assert_eq!(world.books(1).activity.condition, Condition::Up);
    while !world.flying.is_empty() {
        world.answer_all(200);
    }
    assert_eq!(
        world.books(1).delivered,
        60,
        "without waiting out the schedule"
    );
}

#[test]
fn one_batch_that_keeps_failing_does_not_put_its_target_down() {
    let mut world = World::one(pace());
    world.push(&[1]);
    for _ in 0..8 {
        world.answer_all(500);
        world.pass(S(HOUR));
    }
    assert_eq!(world.books(1).activity.condition, Condition::Up);
    world.push(&[1]);
    assert!(world.flying.iter().any(|attempt| offsets(attempt) == [1]));
}

#[test]
fn one_batch_that_keeps_failing_to_reach_its_target_shows_that_it_is_down() {
    let mut world = World::one(pace());
    world.push(&[1]);
    for attempt in 1..=5 {
        let probe = world.single();
        world.end(&probe, no_answer("ECONNREFUSED"));
        let activity = world.books(1).activity;
        let down = activity.condition == Condition::Down;
        assert_eq!(down, attempt >= 4, "after attempt {attempt}");
        world.pass(S(HOUR));
    }
}

#[test]
fn while_a_target_is_down_age_runs_and_attempts_do_not() {
    let mut world = down();
    world.push(&[1; 100]);
    let mut probes = 0;
    for _ in 0..9 * 60 {
        world.pass(S(60));
        probes += world.flying.len();
        world.answer_all(503);
    }
    assert!((8..=13).contains(&probes), "{probes}");
    let books = world.books(1);
    assert_eq!((books.dead, books.pending), (140, 0), "{books:?}");
    assert!(world.dead().iter().any(|letter| letter.attempts == 0));
}

#[test]
fn a_target_that_is_down_and_has_nothing_to_get_is_left_alone() {
    let mut world = down();
    for _ in 0..9 * 6 {
        world.pass(S(600));
        world.answer_all(503);
    }
    assert_eq!((world.books(1).pending, world.books(1).dead), (0, 40));
    world.pass(S(60));
    assert_eq!(world.scheduler.next_timer(), None);
    world.push(&[1]);
    world.pass(S(3 * HOUR));
    world.answer_all(200);
    assert_eq!(world.books(1).activity.condition, Condition::Up);
}

#[test]
fn another_webhook_is_not_delayed() {
    let mut world = down();
    world.put(2, 1, pace(), wants(&[1]));
    world.push(&[1; 30]);
    let other = world
        .flying
        .iter()
        .filter(|attempt| attempt.webhook == hook(2))
        .count();
    assert_eq!(other, 3);
}

#[test]
fn gone_disables_until_the_webhook_is_changed() {
    let mut world = World::one(pace());
    world.push(&[1; 10]);
    world.answer_all(410);
    assert_eq!(world.books(1).activity.condition, Condition::Disabled);
    assert!(
        world
            .notices
            .iter()
            .any(|notice| matches!(notice, Notice::Disabled { .. }))
    );
    world.push(&[1; 10]);
    world.pass(S(9 * HOUR));
    assert!(world.flying.is_empty());
    assert_eq!(world.books(1).pending, 20, "kept, and not aged");

    world.put(1, 2, pace(), wants(&[1]));
    while !world.flying.is_empty() {
        world.answer_all(200);
    }
    assert_eq!(world.books(1).delivered, 20);
}

#[test]
fn a_clock_that_is_stepped_gives_nothing_up() {
    let mut world = World::one(pace());
    world.push(&[1]);
    world.now.unix_ms += 24 * HOUR * 1000;
    world.scheduler.ended(
        world.single().exchange,
        &Ended {
            answer: no_answer("ETIMEDOUT"),
            latency_ms: 0,
        },
        world.now,
    );
    world.flying.clear();
    world.turn();
    assert_eq!(world.books(1).dead, 0);
    world.pass(S(30));
    assert_eq!(world.flying.len(), 1);
}

/// Lets time pass while every attempt fails.
fn fail_for(world: &mut World, hours: u64) {
    for _ in 0..hours * 6 {
        world.pass(S(600));
        world.answer_all(503);
    }
}

#[test]
fn a_clock_that_is_stepped_while_events_wait_makes_none_of_them_older() {
    for step in [24 * HOUR as i64, -24 * HOUR as i64] {
        let mut world = down();
        for _ in 0..20 {
            world.push(&[1; 10]);
        }
        world.step_clock(step * 1000);
        fail_for(&mut world, 3);
        assert_eq!(
            (world.books(1).dead, world.books(1).pending),
            (0, 240),
            "{step}"
        );
        // Age still runs: what waits longer than its time is given up, however the clock was set.
        fail_for(&mut world, 40);
        assert_eq!(
            (world.books(1).dead, world.books(1).pending),
            (240, 0),
            "{step}"
        );
    }
}
