//! Webhooks that are paused, disabled or unfit.

use super::*;

fn condition(world: &World) -> (Condition, Option<String>) {
    let activity = world.books(1).activity;
    (activity.condition, activity.why)
}

fn again() -> [(u8, u32, Pace, Selection); 1] {
    [(1, 1, pace(), wants(&[1]))]
}

#[test]
fn pausing_lets_attempts_under_way_end_and_forms_no_more() {
    let mut world = World::one(pace());
    world.push(&[1; 10]);
    assert!(world.scheduler.pause(hook(1), world.now));
    world.push(&[1; 10]);
    world.answer_all(200);
    assert_eq!((world.books(1).delivered, world.books(1).pending), (10, 10));
    assert!(world.flying.is_empty());
    assert_eq!(condition(&world), (Condition::Paused, None));
    assert!(world.scheduler.resume(hook(1), world.now));
    world.turn();
    world.answer_all(200);
    assert_eq!(world.books(1).delivered, 20);
    assert!(!world.scheduler.pause(hook(9), world.now), "there is none");
}

#[test]
fn paused_lasts_over_restarts_and_changes_until_it_is_resumed() {
    let mut world = World::one(pace());
    world.scheduler.pause(hook(1), world.now);
    world.push(&[1; 10]);
    let mut world = world.restart(settings(), &again());
    assert_eq!(condition(&world), (Condition::Paused, None));
    world.put(1, 2, pace(), wants(&[1]));
    world.push(&[1; 5]);
    assert!(world.flying.is_empty());
    world.scheduler.resume(hook(1), world.now);
    world.collect();
    let mut world = world.restart(settings(), &[(1, 2, pace(), wants(&[1]))]);
    while !world.flying.is_empty() {
        world.answer_all(200);
    }
    assert_eq!(world.books(1).delivered, 15);
}

#[test]
fn disabled_lasts_over_restarts_with_its_reason_until_somebody_looks_after_it() {
    for resumed in [true, false] {
        let mut world = World::one(pace());
        world.push(&[1; 10]);
        world.answer_all(410);
        let told = world.notices.iter().map(ToString::to_string);
        assert!(
            told.clone()
                .any(|line| line.contains("disabled") && line.contains("410"))
        );
        let mut world = world.restart(settings(), &again());
        assert_eq!(condition(&world), (Condition::Disabled, Some("410".into())));
        world.pass(S(100 * HOUR));
        assert!(world.flying.is_empty());
        if resumed {
            world.scheduler.resume(hook(1), world.now);
            world.turn();
        } else {
            world.put(1, 2, pace(), wants(&[1]));
        }
        assert_eq!(condition(&world), (Condition::Up, None));
        world.answer_all(200);
        assert_eq!(world.books(1).delivered, 10);
    }
}

#[test]
fn what_was_held_does_not_age_in_a_batch_or_out_of_one_also_after_a_restart() {
    let mut world = World::one(Pace {
        in_flight: 1,
        ..pace()
    });
    world.push(&[1; 20]);
    world.answer_all(503);
    world.scheduler.pause(hook(1), world.now);
    world.answer_all(503);
    world.pass(S(48 * HOUR));
    world.scheduler.resume(hook(1), world.now);
    world.collect();
    let mut world = world.restart(settings(), &again());
    assert_eq!(
        world.flying.len(),
        2,
        "the batches that waited are due at once"
    );
    let mut passed = 0;
    while world.books(1).dead == 0 {
        world.answer_all(503);
        world.pass(S(60));
        passed += 60;
        assert!(passed < 9 * HOUR);
    }
    assert!(passed >= 8 * HOUR, "given up {passed} s after it went on");
}

#[test]
fn a_webhook_that_is_unfit_is_resumed_by_a_change_alone_and_is_no_secret() {
    let mut world = World::one(pace());
    world
        .scheduler
        .set_unfit(hook(1), "its target is refused".into());
    world.push(&[1; 10]);
    world.scheduler.resume(hook(1), world.now);
    world.turn();
    assert!(world.flying.is_empty());
    let why = Some("its target is refused".to_owned());
    assert_eq!(condition(&world), (Condition::Unfit, why));
    world.put(1, 2, pace(), wants(&[1]));
    assert_eq!(world.flying.len(), 1);
}

#[test]
fn a_webhook_that_is_unfit_stays_so_when_it_is_paused_and_resumed() {
    for first in ["pause", "unfit"] {
        let mut world = World::one(pace());
        let unfit = |world: &mut World| world.scheduler.set_unfit(hook(1), "no endpoint".into());
        if first == "unfit" {
            assert!(unfit(&mut world));
        }
        world.scheduler.pause(hook(1), world.now);
        if first == "pause" {
            assert!(unfit(&mut world));
        }
        assert!(!unfit(&mut world), "no news");
        world.push(&[1; 10]);
        assert_eq!(condition(&world), (Condition::Paused, None));
        world.scheduler.resume(hook(1), world.now);
        world.turn();
        assert!(world.flying.is_empty());
        assert_eq!(
            condition(&world),
            (Condition::Unfit, Some("no endpoint".into()))
        );
        world.scheduler.set_fit(hook(1), world.now);
        world.turn();
        assert_eq!(world.flying.len(), 1);
    }
}

#[test]
fn a_paused_webhook_that_becomes_fit_stays_paused() {
    let mut world = World::one(pace());
    world.scheduler.pause(hook(1), world.now);
    world.scheduler.set_unfit(hook(1), "no endpoint".into());
    world.scheduler.set_fit(hook(1), world.now);
    world.push(&[1; 10]);
    assert!(world.flying.is_empty());
    assert_eq!(condition(&world), (Condition::Paused, None));
}
