//! Rate limits: kept over time, whatever the batches, the slots and the reason to send.

use super::*;

/// Answers everything with `status` for so long, and counts POSTs and events that went out.
fn run(world: &mut World, seconds: u64, status: u16) -> (u64, u64) {
    let (mut posts, mut events) = (0, 0);
    for _ in 0..seconds * 20 {
        for attempt in world.flying.clone() {
            posts += 1;
            events += offsets(&attempt).len() as u64;
            world.answer(&attempt, status);
        }
        world.pass(Duration::from_millis(50));
    }
    (posts, events)
}

fn limited(requests_per_s: u32, events_per_s: u32, max_events: u32) -> World {
    World::one(Pace {
        requests_per_s,
        events_per_s,
        max_events,
        ..pace()
    })
}

#[test]
fn events_a_second_are_kept_and_reached_also_by_large_batches_and_several_in_flight() {
    for max_events in [1, 10, 100] {
        let mut world = limited(0, 20, max_events);
        world.push(&[1; 3000]);
        let (_, events) = run(&mut world, 100, 200);
        let most = 20 * 100 + 2 + u64::from(max_events);
        assert!((20 * 98..=most).contains(&events), "{max_events}: {events}");
    }
}

#[test]
fn posts_a_second_are_kept_and_reached() {
    let mut world = limited(4, 0, 10);
    world.push(&[1; 10_000]);
    let (posts, _) = run(&mut world, 100, 200);
    assert!((392..=402).contains(&posts), "{posts}");
}

/// A receiver that comes back gets what waited at the limit, not all at once; retries count.
#[test]
fn a_backlog_is_drained_at_the_limit_and_failures_count() {
    let mut world = limited(2, 0, 10);
    world.push(&[1; 1000]);
    let (failed, _) = run(&mut world, 600, 503);
    assert!(failed >= 4, "{failed}");
    while world.flying.is_empty() {
        world.pass(S(60));
    }
    let (posts, events) = run(&mut world, 40, 200);
    assert!(
        (70..=82).contains(&posts),
        "{posts} POSTs of {events} events in 40 s"
    );
    let (_, rest) = run(&mut world, 20, 200);
    assert_eq!((events + rest, world.books(1).delivered), (1000, 1000));
}

#[test]
fn a_batch_that_was_formed_larger_waits_for_as_long_as_it_was_too_large() {
    let mut world = limited(0, 0, 100);
    world.push(&[1; 100]);
    let batch = world.single();
    world.answer(&batch, 503);
    world.put(
        1,
        2,
        Pace {
            events_per_s: 10,
            ..pace()
        },
        wants(&[1]),
    );
    world.pass(S(30));
    world.answer(&world.single(), 200);
    world.push(&[1]);
    world.pass(Duration::from_millis(9800));
    assert!(world.flying.is_empty());
    world.pass(Duration::from_millis(200));
    assert_eq!(world.flying.len(), 1);
}

#[test]
fn a_limit_that_is_lifted_holds_nothing_back() {
    let mut world = limited(0, 1, 100);
    world.push(&[1; 200]);
    world.answer_all(200);
    assert!(world.flying.is_empty());
    world.put(1, 2, pace(), wants(&[1]));
    assert!(!world.flying.is_empty());
}
