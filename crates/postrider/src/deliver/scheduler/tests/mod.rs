//! The scheduler under a virtual clock, rule by rule.

mod balance;
mod batching;
mod changes;
mod holding;
mod lagging;
mod outcomes;
mod rates;
mod rendering;
mod restart;
mod retries;
mod space;
mod splitting;
mod tokens;

use super::*;
use crate::deliver::retry::{Answer, Ended};
use crate::deliver::settings::{Pace, Retry, Terms};
use crate::journal::DeadLetter;
use crate::route::Scope;
use std::collections::{BTreeMap, BTreeSet};

/// Every event has this many bytes, its separator included.
const EVENT: u32 = 10;

const START_MS: u64 = 1_700_000_000_000;

const HOUR: u64 = 3600;

/// One scheduler with a log, a clock and receivers that a test plays.
struct World {
    scheduler: Scheduler,
    now: Now,
    /// How far the wall clock was set from where it began.
    stepped_ms: i64,
    events: Events,
    /// Attempts that left and have not ended.
    flying: Vec<Attempt>,
    /// Batches that are with filters.
    rendering: Vec<Render>,
    /// Its webhooks have filters of their own.
    filtered: bool,
    /// Records, in order, as the journal would have them.
    journal: Vec<Record>,
    cancelled: Vec<u64>,
    /// Token requests that left and have not ended.
    fetching: Vec<Fetch>,
    notices: Vec<Notice>,
    /// Segments that a restart has counted.
    counted: u64,
}

/// The log as the scheduler asks for it.
#[derive(Clone, Default)]
struct Events {
    /// Per event: type, subaccount, when written.
    all: Vec<(u16, u32, u64)>,
    /// Offsets that can't be read.
    lost: BTreeSet<u64>,
    unreadable: bool,
    /// Bytes of single events that differ.
    sizes: HashMap<u64, u32>,
}

impl Events {
    fn size(&self, offset: u64) -> u32 {
        self.sizes.get(&offset).copied().unwrap_or(EVENT)
    }
}

impl Lengths for Events {
    fn measure(&mut self, first: u64, count: u32, bytes: u32) -> Result<Measure, Unreadable> {
        if self.unreadable {
            return Err(Unreadable("the disk is gone".into()));
        }
        let mut found = Measure::default();
        for offset in first..first + u64::from(count) {
            if self.lost.contains(&offset) {
                if found.good > 0 {
                    break;
                }
                found.missing += 1;
            } else if found.missing > 0 || found.bytes + self.size(offset) > bytes {
                break;
            } else {
                found.good += 1;
                found.bytes += self.size(offset);
                found.written_ms = self.all[offset as usize].2;
            }
        }
        Ok(found)
    }
}

fn hook(n: u8) -> Uuid {
    Uuid::from_bytes([n; 16])
}

fn no_answer(code: &'static str) -> Answer {
    let words = "it did not work".into();
    let unreached = code == "ECONNREFUSED";
    Answer::None {
        code,
        words,
        unreached,
    }
}

fn settings() -> Settings {
    let retry = Retry {
        jitter: 0.0,
        ..Retry::default()
    };
    Settings {
        retry,
        ..Settings::default()
    }
}

/// Sends at once, up to 10 events per batch.
fn pace() -> Pace {
    Pace {
        max_events: 10,
        linger: Duration::ZERO,
        ..Pace::default()
    }
}

fn wants(types: &[u16]) -> Selection {
    Selection {
        types: types.iter().copied().collect(),
        scope: Scope::all(),
    }
}

const S: fn(u64) -> Duration = Duration::from_secs;

impl World {
    fn new() -> World {
        World::with(settings())
    }

    fn with(settings: Settings) -> World {
        let mut scheduler = Scheduler::new(settings, State::default(), 0, 1);
        scheduler.caught_up(0);
        World {
            scheduler,
            now: Now {
                mono: Instant(1_000_000_000),
                unix_ms: START_MS,
            },
            stepped_ms: 0,
            events: Events::default(),
            flying: Vec::new(),
            rendering: Vec::new(),
            filtered: false,
            journal: Vec::new(),
            cancelled: Vec::new(),
            fetching: Vec::new(),
            notices: Vec::new(),
            counted: 0,
        }
    }

    /// A world with one webhook that wants type 1.
    fn one(pace: Pace) -> World {
        let mut world = World::new();
        world.put(1, 1, pace, wants(&[1]));
        world
    }

    fn put(&mut self, n: u8, revision: u32, pace: Pace, selection: Selection) {
        let terms = self.terms(pace);
        self.scheduler
            .put(hook(n), revision, terms, selection, self.now);
        self.turn();
    }

    /// Puts the next revision, which sends to another target than the `former` ones.
    fn move_away(&mut self, n: u8, revision: u32, former: &[u32]) {
        let terms = self.terms(pace());
        self.scheduler
            .put(hook(n), revision, terms, wants(&[1]), self.now);
        self.scheduler.retarget(hook(n), former.to_vec());
        self.turn();
    }

    fn terms(&self, pace: Pace) -> Terms {
        Terms {
            filtered: self.filtered,
            ..Terms::from(pace)
        }
    }

    /// Appends and routes a frame of events of these types, then takes a turn.
    fn push(&mut self, types: &[u16]) {
        self.append(types.iter().map(|t| (*t, 0)));
        self.turn();
    }

    fn append(&mut self, events: impl IntoIterator<Item = (u16, u32)>) {
        let base = self.events.all.len() as u64;
        let written_ms = self.now.unix_ms;
        self.events
            .all
            .extend(events.into_iter().map(|(t, sub)| (t, sub, written_ms)));
        let frame = &self.events.all[base as usize..];
        self.scheduler.route(
            base,
            frame.len() as u32,
            written_ms,
            entry_of(frame),
            self.now.mono,
        );
    }

    /// Takes turns until nothing is left to do now.
    fn turn(&mut self) {
        for _ in 0..5_000 {
            self.refill();
            self.scheduler.turn(&mut self.events, self.now);
            self.collect();
            if !self.scheduler.is_busy() {
                return;
            }
        }
        panic!("it never rests");
    }

    /// A part of a pass: four frames.
    fn refill(&mut self) {
        let Some(mut pass) = self.scheduler.refill() else {
            return;
        };
        let (mut whole, mut left) = (true, 4);
        for base in (0..self.events.all.len()).step_by(16) {
            let frame = &self.events.all[base..(base + 16).min(self.events.all.len())];
            let (base, count) = (base as u64, frame.len() as u32);
            if base + u64::from(count) <= pass.from() {
                continue;
            }
            let written_ms = frame[0].2;
            whole =
                self.scheduler
                    .refill_frame(&mut pass, base, count, written_ms, entry_of(frame));
            left -= 1;
            if !whole {
                break;
            }
            if left == 0 {
                return self.scheduler.refill_later(pass);
            }
        }
        self.scheduler.refilled(pass, whole);
    }

    fn collect(&mut self) {
        let orders = self.scheduler.take_orders();
        self.journal.extend(orders.records);
        self.flying.extend(orders.attempts);
        self.rendering.extend(orders.renders);
        self.flying
            .retain(|attempt| !orders.cancels.contains(&attempt.exchange));
        self.cancelled.extend(orders.cancels);
        self.fetching.extend(orders.fetches);
        self.notices.extend(orders.notices);
        self.check();
    }

    /// What must hold at every moment.
    fn check(&self) {
        for (id, books) in &self.scheduler.snapshot().webhooks {
            assert!(books.balanced(), "{id}: {books:?}");
        }
        let mut asked = TypeSet::EMPTY;
        let hooks = self.scheduler.hooks.iter().flatten();
        for selection in hooks.filter_map(Hook::asks) {
            asked.union(&selection.types);
        }
        assert_eq!(self.scheduler.wanted(), asked);
        assert_eq!(
            self.scheduler.state().strays(),
            0,
            "a record spoke of an unknown batch"
        );
    }

    /// Lets time pass, from timer to timer, with a turn at each.
    fn pass(&mut self, d: Duration) {
        let end = self.now.mono.after(d);
        let mut looks = 0;
        while let Some(due) = self.scheduler.next_timer().filter(|due| *due <= end) {
            looks += 1;
            assert!(looks < 5_000, "its timers never come to an end");
            self.advance(due.since(self.now.mono));
            self.turn();
        }
        self.advance(end.since(self.now.mono));
        self.turn();
    }

    fn advance(&mut self, d: Duration) {
        self.now.mono = self.now.mono.after(d);
        let passed = (self.now.mono.0 - 1_000_000_000) / 1_000_000;
        self.now.unix_ms = (START_MS + passed).saturating_add_signed(self.stepped_ms);
    }

    /// Somebody sets the wall clock.
    fn step_clock(&mut self, by_ms: i64) {
        self.stepped_ms += by_ms;
        self.advance(Duration::ZERO);
    }

    /// The only attempt in the air.
    fn single(&self) -> Attempt {
        assert_eq!(self.flying.len(), 1, "{:?}", self.flying);
        self.flying[0].clone()
    }

    /// Ends an attempt with an answer.
    fn answer(&mut self, attempt: &Attempt, status: u16) {
        self.end(
            attempt,
            Answer::Status {
                status,
                complete: true,
                retry_after: None,
            },
        );
    }

    fn end(&mut self, attempt: &Attempt, answer: Answer) {
        let at = self.flying.iter().position(|flying| flying == attempt);
        self.flying.remove(at.expect("the attempt is in the air"));
        self.scheduler.ended(
            attempt.exchange,
            &Ended {
                answer,
                latency_ms: 7,
            },
            self.now,
        );
        self.turn();
    }

    /// Answers everything in the air, once.
    fn answer_all(&mut self, status: u16) {
        for attempt in self.flying.clone() {
            self.answer(&attempt, status);
        }
    }

    fn books(&self, n: u8) -> WebhookBooks {
        self.scheduler.snapshot().webhooks[&hook(n)].clone()
    }

    fn dropped(&self, n: u8, reason: Reason) -> u64 {
        self.books(n).dropped.get(&reason).copied().unwrap_or(0)
    }

    fn dead(&self) -> Vec<DeadLetter> {
        self.scheduler.state().dead_letters().cloned().collect()
    }

    /// The engine is killed and starts anew from what was journaled.
    fn restart(self, settings: Settings, puts: &[(u8, u32, Pace, Selection)]) -> World {
        self.restart_with(settings, puts, &[])
    }

    /// The same, where the store remembers webhooks that were `deleted`.
    fn restart_with(
        mut self,
        settings: Settings,
        puts: &[(u8, u32, Pace, Selection)],
        deleted: &[u8],
    ) -> World {
        let mut state = State::default();
        self.journal.iter().for_each(|record| state.apply(record));
        let next = self.events.all.len() as u64;
        let mut scheduler = Scheduler::new(settings, state, next, 2);
        for (n, revision, pace, selection) in puts {
            let terms = self.terms(*pace);
            scheduler.put(hook(*n), *revision, terms, selection.clone(), self.now);
        }
        for n in deleted {
            scheduler.put_deleted(hook(*n), self.terms(pace()), self.now);
        }
        scheduler.restore(0, self.now);
        // Frames of 16 events, segments of 48; the last segment is not sealed. What was counted is not routed.
        let routed = scheduler.routed() as usize;
        for base in (routed - routed % 16..self.events.all.len()).step_by(16) {
            if base % 48 == 0 && base + 48 < self.events.all.len() {
                let mut counts = BTreeMap::<(u16, u32), Count>::new();
                for (type_id, subaccount, _) in &self.events.all[base..base + 48] {
                    let count = counts.entry((*type_id, *subaccount)).or_default();
                    count.events += 1;
                    count.bytes += u64::from(EVENT);
                }
                self.counted +=
                    u64::from(scheduler.count(base as u64..base as u64 + 48, counts.iter()));
            }
            let frame = &self.events.all[base..(base + 16).min(self.events.all.len())];
            let (base, written_ms) = (base as u64, frame[0].2);
            scheduler.route(
                base,
                frame.len() as u32,
                written_ms,
                entry_of(frame),
                self.now.mono,
            );
        }
        scheduler.caught_up(next);
        self.scheduler = scheduler;
        self.flying.clear();
        self.rendering.clear();
        self.turn();
        self
    }
}

/// Replays one dead letter of webhook 1; answers how many there were.
fn replay(world: &mut World, batch: Uuid) -> u64 {
    let replayed = world
        .scheduler
        .replay(hook(1), Some(vec![batch]), world.now);
    world.turn();
    replayed.expect("webhook 1 is there").batches
}

fn entry_of(frame: &[(u16, u32, u64)]) -> impl Fn(u32) -> Entry + '_ {
    |i| {
        let (type_id, subaccount, time_ms) = frame[i as usize];
        Entry {
            len: EVENT - 2,
            type_id,
            subaccount,
            time_ms,
            ..Entry::default()
        }
    }
}

/// The offsets of an attempt's events.
fn offsets(attempt: &Attempt) -> Vec<u64> {
    attempt
        .spans
        .iter()
        .flat_map(|span| span.first..span.end())
        .collect()
}
