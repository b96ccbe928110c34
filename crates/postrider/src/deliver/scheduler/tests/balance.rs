//! Whatever happens, the books balance, and each event ends once per webhook.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Push(Vec<u16>),
    /// Answers one attempt in the air.
    Answer {
        which: usize,
        status: u16,
    },
    NoAnswer {
        which: usize,
    },
    Pass(u64),
    Put {
        webhook: u8,
        types: Vec<u16>,
        in_flight: u32,
        ordered: bool,
    },
    Pause {
        webhook: u8,
        paused: bool,
    },
    Delete {
        webhook: u8,
        purge: bool,
    },
    Relieve,
    Tidy,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let status = prop_oneof![
        6 => Just(200u16),
        2 => Just(503),
        1 => Just(422),
        1 => Just(413),
        1 => Just(410),
    ];
    prop_oneof![
        6 => prop::collection::vec(1u16..4, 1..30).prop_map(Step::Push),
        10 => (any::<usize>(), status).prop_map(|(which, status)| Step::Answer { which, status }),
        2 => any::<usize>().prop_map(|which| Step::NoAnswer { which }),
        4 => prop_oneof![0u64..100, 0u64..20_000].prop_map(Step::Pass),
        1 => (1u8..4, prop::collection::vec(1u16..4, 0..3), 1u32..5, any::<bool>()).prop_map(
            |(webhook, types, in_flight, ordered)| Step::Put { webhook, types, in_flight, ordered }
        ),
        1 => (1u8..4, any::<bool>()).prop_map(|(webhook, paused)| Step::Pause { webhook, paused }),
        1 => (1u8..4, any::<bool>()).prop_map(|(webhook, purge)| Step::Delete { webhook, purge }),
        1 => Just(Step::Relieve),
        1 => Just(Step::Tidy),
        2 => Just(Step::Crash),
    ]
}

/// What the receivers saw, and what they should.
#[derive(Default)]
struct Model {
    /// The webhooks that are there: revision, pace, types.
    webhooks: BTreeMap<u8, (u32, Pace, Selection)>,
    /// Ids never come back.
    deleted: BTreeSet<u8>,
    /// Per webhook, the events that it wanted while it was there.
    wanted: BTreeMap<Uuid, u64>,
    /// Per batch id, its events: they never change.
    batches: HashMap<Uuid, (Uuid, Vec<Span>)>,
    /// Per webhook and offset: batches accepted that held it.
    received: BTreeMap<(Uuid, u64), BTreeSet<Uuid>>,
}

impl Model {
    fn see(&mut self, world: &World) {
        for attempt in &world.flying {
            let known = self
                .batches
                .entry(attempt.batch)
                .or_insert_with(|| (attempt.webhook, attempt.spans.clone()));
            assert_eq!(
                *known,
                (attempt.webhook, attempt.spans.clone()),
                "an id has one content"
            );
        }
    }

    fn accept(&mut self, attempt: &Attempt) {
        for offset in offsets(attempt) {
            self.received
                .entry((attempt.webhook, offset))
                .or_default()
                .insert(attempt.batch);
        }
    }
}

fn play(world: &mut World, model: &mut Model, step: Step, runs: usize) {
    let pick = |world: &World, which: usize| {
        (!world.flying.is_empty()).then(|| world.flying[which % world.flying.len()].clone())
    };
    match step {
        Step::Push(types) => {
            for (n, (_, _, selection)) in &model.webhooks {
                let wanted = types.iter().filter(|t| selection.wants(**t, 0)).count();
                *model.wanted.entry(hook(*n)).or_default() += wanted as u64;
            }
            world.push(&types);
        }
        Step::Answer { which, status } => {
            if let Some(attempt) = pick(world, which) {
                if status == 200 {
                    model.accept(&attempt);
                }
                world.answer(&attempt, status);
            }
        }
        Step::NoAnswer { which } => {
            if let Some(attempt) = pick(world, which) {
                world.end(&attempt, no_answer("ECONNRESET"));
            }
        }
        Step::Pass(seconds) => world.pass(S(seconds)),
        Step::Put {
            webhook,
            types,
            in_flight,
            ordered,
        } => {
            if model.deleted.contains(&webhook) {
                return;
            }
            let pace = Pace {
                in_flight,
                ordered,
                ..pace()
            };
            let known = model
                .webhooks
                .entry(webhook)
                .or_insert((0, pace, wants(&types)));
            known.0 += 1;
            (known.1, known.2) = (pace, wants(&types));
            let (revision, pace, selection) = known.clone();
            world.put(webhook, revision, pace, selection);
        }
        Step::Pause { webhook, paused } => {
            match paused {
                true => world.scheduler.pause(hook(webhook), world.now),
                false => world.scheduler.resume(hook(webhook), world.now),
            };
            world.turn();
        }
        Step::Delete { webhook, purge } => {
            if model.webhooks.remove(&webhook).is_some() {
                model.deleted.insert(webhook);
            }
            world.scheduler.delete(hook(webhook), purge, world.now);
            world.turn();
        }
        Step::Relieve => {
            let wanted = world.scheduler.routed() / 2;
            world.scheduler.relieve(wanted, world.now);
            world.turn();
        }
        Step::Tidy => {
            world.scheduler.tidy(world.now);
            world.turn();
        }
        Step::Crash => {
            let puts: Vec<_> = model
                .webhooks
                .iter()
                .map(|(n, (r, p, s))| (*n, *r, *p, s.clone()))
                .collect();
            let old = std::mem::replace(world, World::new());
            *world = old.restart(Settings { runs, ..settings() }, &puts);
        }
    }
    model.see(world);
}

/// Lets everything come to its end: receivers accept, pauses end.
fn settle(world: &mut World, model: &mut Model) {
    for n in model.webhooks.keys() {
        world.scheduler.resume(hook(*n), world.now);
    }
    for (n, (revision, pace, selection)) in model.webhooks.clone() {
        // Enables what was disabled.
        world.put(n, revision + 1, pace, selection);
    }
    for _ in 0..10_000 {
        model.see(world);
        match world.flying.first().cloned() {
            Some(attempt) => {
                model.accept(&attempt);
                world.answer(&attempt, 200);
            }
            None if world.scheduler.next_timer().is_none() => return,
            None => world.pass(S(600)),
        }
    }
    panic!("it does not come to an end");
}

proptest! {
    #![proptest_config(crate::cases(300))]
    #[test]
    fn the_books_balance_and_every_event_ends_once(
        steps in prop::collection::vec(step(), 1..80),
        runs in prop_oneof![Just(0usize), Just(1000)],
    ) {
        let mut world = World::with(Settings { runs, ..settings() });
        let mut model = Model::default();
        for n in [1, 2] {
            let first = Step::Put { webhook: n, types: vec![1, u16::from(n)], in_flight: 2, ordered: false };
            play(&mut world, &mut model, first, runs);
        }
        for step in steps {
            play(&mut world, &mut model, step, runs);
        }
        settle(&mut world, &mut model);
        let dead: BTreeMap<(Uuid, u64), Uuid> = world.dead().iter()
            .flat_map(|letter| letter.start.spans.iter().flat_map(|span| span.first..span.end())
                .map(|offset| ((letter.start.webhook, offset), letter.start.batch)))
            .collect();
        for (id, books) in world.scheduler.snapshot().webhooks {
            prop_assert!(books.balanced());
            prop_assert_eq!(books.pending, 0);
            prop_assert_eq!(books.accepted, model.wanted.get(&id).copied().unwrap_or(0));
            let received = model.received.iter().filter(|((webhook, _), _)| *webhook == id);
            // Each event came under one id, and what is dead never came.
            for ((_, offset), batches) in received.clone() {
                prop_assert_eq!(batches.len(), 1, "event {} came in {:?}", offset, batches);
                prop_assert!(!dead.contains_key(&(id, *offset)));
            }
            prop_assert_eq!(received.count() as u64, books.delivered);
        }
    }
}
