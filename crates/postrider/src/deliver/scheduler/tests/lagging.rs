//! Webhooks with more runs than memory has for them.

use super::*;

/// Each of `webhooks` wants the events of one subaccount, which take turns.
fn world(webhooks: u8, runs: usize, pace: Pace) -> World {
    let mut world = World::with(Settings { runs, ..settings() });
    for n in 1..=webhooks {
        let scope = Scope::One(n.into());
        world.put(
            n,
            1,
            pace,
            Selection {
                scope,
                ..wants(&[1])
            },
        );
    }
    world
}

/// Appends so many events for each webhook, a frame a round.
fn append(world: &mut World, webhooks: u8, rounds: usize) {
    for _ in 0..rounds {
        world.append((1..=webhooks).map(|n| (1, n.into())));
    }
}

#[test]
fn many_that_lag_take_turns_so_that_each_gets_full_batches() {
    let slow = Pace {
        max_events: 40,
        in_flight: 1,
        ..pace()
    };
    let mut world = world(50, 400, slow);
    append(&mut world, 50, 16 + 120);
    world.turn();
    let mut sizes: HashMap<Uuid, Vec<usize>> = HashMap::new();
    while !world.flying.is_empty() {
        let runs = world.scheduler.budget.used;
        assert!(runs <= 400, "{runs} runs in memory");
        for attempt in world.flying.clone() {
            let events = offsets(&attempt).len();
            sizes.entry(attempt.webhook).or_default().push(events);
            world.answer(&attempt, 200);
        }
    }
    assert_eq!(sizes.len(), 50);
    let batches: usize = sizes.values().map(Vec::len).sum();
    assert!(sizes.values().all(|of| of.iter().sum::<usize>() == 136));
    // Whoever has kept sixteen runs begins with those.
    assert!(batches <= 50 * 5, "{batches} batches: {sizes:?}");
    assert_eq!(world.scheduler.budget.used, 0);
}

#[test]
fn whoever_keeps_up_goes_before_those_that_are_behind() {
    let one = Pace {
        max_events: 100,
        in_flight: 1,
        ..pace()
    };
    let mut world = world(40, 10_000, one);
    append(&mut world, 40, 1);
    world.turn();
    world.answer_all(200);
    // All are proven. Forty get far behind, then an event comes for one that is not.
    world.put(41, 1, one, wants(&[2]));
    world.push(&[2]);
    world.answer_all(200);
    append(&mut world, 40, 100);
    world.append([(2, 0)]);
    world.scheduler.turn(&mut world.events, world.now);
    world.collect();
    let first = world.flying.first().expect("something goes out");
    assert_eq!(first.webhook, hook(41));
    let spans: usize = world.flying.iter().map(|a| a.spans.len()).sum();
    assert!(
        spans <= SPANS_PER_TURN + 101,
        "{spans} spans in one turn keep it waiting"
    );
    world.turn();
    while !world.flying.is_empty() {
        world.answer_all(200);
    }
    assert_eq!(world.books(1).delivered, 101);
}

#[test]
fn a_pass_in_parts_serves_who_came_changed_or_went_meanwhile() {
    let mut world = world(3, 0, pace());
    append(&mut world, 3, 100);
    // A part of a pass, in the midst of which one webhook goes and another asks for something else.
    world.scheduler.turn(&mut world.events, world.now);
    world.collect();
    world.answer_all(200);
    world.scheduler.delete(hook(2), false, world.now);
    world.put(
        3,
        2,
        pace(),
        Selection {
            scope: Scope::One(3),
            ..wants(&[2])
        },
    );
    append(&mut world, 3, 10);
    world.turn();
    while !world.flying.is_empty() {
        world.answer_all(200);
    }
    assert_eq!(world.books(1).delivered, 110);
    assert_eq!(world.books(3).delivered, 100, "and nothing of type 1 since");
    assert_eq!(world.books(3).pending, 0);
}

impl World {
    fn hook(&self, n: u8) -> &Hook {
        let slot = self.scheduler.slots[&hook(n)];
        self.scheduler.hooks[slot as usize].as_ref().unwrap()
    }
}

/// Appends so many rounds and lets them be routed.
fn scattered(world: &mut World, webhooks: u8, rounds: usize) {
    append(world, webhooks, rounds);
    world.turn();
}

#[test]
fn one_that_is_held_leaves_its_room_to_others() {
    let slow = Pace {
        max_events: 40,
        in_flight: 1,
        ..pace()
    };
    let mut world = world(2, 100, slow);
    world.scheduler.pause(hook(1), world.now);
    scattered(&mut world, 2, 200);
    assert_eq!(
        world.hook(1).backlog.runs().len(),
        16,
        "held from the start"
    );
    assert!(world.scheduler.budget.used > 0);
    // The other one has its runs when it is held.
    world.scheduler.pause(hook(2), world.now);
    assert_eq!(world.scheduler.budget.used, 0);
    assert_eq!(world.hook(2).backlog.runs().len(), 16);
    world.answer_all(200);
    assert!(world.flying.is_empty());

    for n in [1, 2] {
        world.scheduler.resume(hook(n), world.now);
    }
    world.turn();
    let mut sizes = Vec::new();
    while !world.flying.is_empty() {
        sizes.extend(world.flying.iter().map(|a| offsets(a).len()));
        world.answer_all(200);
    }
    assert_eq!(world.books(1).delivered, 200);
    assert_eq!(world.books(2).delivered, 200);
    assert!(
        sizes.len() <= 12,
        "full ones but for each one's first: {sizes:?}"
    );
}

#[test]
fn one_that_is_held_in_the_midst_of_a_pass_misses_nothing() {
    let slow = Pace {
        max_events: 40,
        in_flight: 1,
        ..pace()
    };
    let mut world = world(3, 200, slow);
    for n in 1..=3 {
        world.scheduler.pause(hook(n), world.now);
    }
    scattered(&mut world, 3, 200);
    for n in 1..=3 {
        world.scheduler.resume(hook(n), world.now);
    }
    // Sixteen runs each go out, then some parts of a pass read more.
    world.scheduler.turn(&mut world.events, world.now);
    world.collect();
    for attempt in std::mem::take(&mut world.flying) {
        let ended = Ended {
            answer: Answer::Status {
                status: 200,
                complete: true,
                retry_after: None,
            },
            latency_ms: 7,
        };
        world.scheduler.ended(attempt.exchange, &ended, world.now);
    }
    world.scheduler.turn(&mut world.events, world.now);
    world.refill();
    assert!(world.scheduler.pass.is_some(), "a pass is under way");
    assert!(world.scheduler.budget.used > 0);
    world.scheduler.pause(hook(2), world.now);
    world.refill();
    world.scheduler.resume(hook(2), world.now);
    world.turn();
    while !world.flying.is_empty() {
        world.answer_all(200);
    }
    for n in 1..=3 {
        let books = world.books(n);
        assert_eq!((books.delivered, books.pending), (200, 0), "webhook {n}");
    }
}

#[test]
fn one_that_is_held_and_lags_makes_way_where_space_is_short() {
    let mut world = world(1, 30, pace());
    world.scheduler.pause(hook(1), world.now);
    scattered(&mut world, 2, 200);
    let mut asked = 0;
    while world.scheduler.relieve(300, world.now) {
        world.turn();
        asked += 1;
        assert!(asked < 100);
    }
    assert_eq!(world.dropped(1, Reason::SPACE), 150);
    world.scheduler.resume(hook(1), world.now);
    world.turn();
    while !world.flying.is_empty() {
        world.answer_all(200);
    }
    assert_eq!(world.books(1).delivered, 50);
}
