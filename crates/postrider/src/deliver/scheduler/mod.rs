//! What is sent when: the state machine behind the deliver thread.
//!
//! Frames, answers, commands and the time go in; journal records, attempts and notices come out.
//! No socket, no disk, no clock: a test drives it through eight hours in a millisecond.
//!
//! ```text
//!            route                form (a slot is free, and full or lingered)
//!   frame ─────────▶ backlog ─────────────────────▶ batch ─▶ attempt ─▶ delivered
//!                    counted: runs,                  ▲           │
//!                    beyond the budget a lag         └─ waiting ◀┤ failed
//!                                                                └▶ dead · split · disabled
//! ```
//!
//! Where the webhook has filters of its own, what they make of the batch is settled between `form` and the first attempt,
//! by somebody else: see `rendering`.
//!
//! A batch is formed only when it can go out at once, so a busy receiver gets full batches and a
//! slow one costs nothing but a count. What is journaled lives in [`State`], which is changed by
//! records alone; what is here besides could be made anew from it and the log.

mod demand;
mod end;
mod form;
mod rendering;
mod space;
#[cfg(test)]
mod tests;
mod token;
mod webhooks;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::backlog::{Backlog, Budget};
use super::handle::{Notice, Snapshot, WebhookBooks};
use super::health::Down;
use super::hook::{Hook, Mode, Next, Place, Rank, Stage, asked_of, selection_of};
use super::retry::Rng;
use super::settings::Settings;
use super::token::{Blame, Token};
use crate::event::Entry;
use crate::journal::{Change, OpenBatch, Reason, Record, Span, State};
use crate::log::Count;
use crate::route::{Router, Run, Selection, TypeSet};
use crate::time::{Instant, Now, UnixMillis};
use crate::webhook::{Activity, Condition};

use demand::Demand;
use space::Refill;

pub(crate) use form::{Lengths, Measure, Unreadable};
pub(crate) use rendering::{Made, Render};
pub(crate) use token::{Fetch, Fetched};

/// One POST that is to leave once the records of this turn are journaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Names it towards the HTTP client; never used twice.
    pub(crate) exchange: u64,
    pub(crate) webhook: Uuid,
    pub(crate) revision: u32,
    pub(crate) batch: Uuid,
    pub(crate) spans: Vec<Span>,
    /// Nothing good is known of the receiver.
    pub(crate) unproven: bool,
    /// What goes out instead of the spans: these events of a rendering.
    pub(crate) rendered: Option<(Uuid, Range<u32>)>,
}

/// What a turn of the scheduler asks for.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    /// To be journaled first, in this order.
    pub(crate) records: Vec<Record>,
    /// To be started then.
    pub(crate) attempts: Vec<Attempt>,
    /// Batches to be rendered.
    pub(crate) renders: Vec<Render>,
    /// Token requests to be started.
    pub(crate) fetches: Vec<Fetch>,
    /// To be cancelled: no answer is wanted any more.
    pub(crate) cancels: Vec<u64>,
    /// For the operator.
    pub(crate) notices: Vec<Notice>,
}

/// Webhooks served in one turn at most, by [`Rank`], and as many again that waited for a slot: answers, and those that go
/// first, come between.
const SERVED_PER_TURN: [usize; 4] = [16, 16, 16, 4];

/// Attempts that begin in one turn at most, by [`Rank`]: an attempt of several hundred small events takes as long as a
/// hundred small ones.
const ATTEMPTS_PER_TURN: [usize; 4] = [64, 4, 16, 4];

/// Once the batches of one turn have so many spans, webhooks that are behind wait for the next: each span is a
/// place of the log to read from, and others must not wait for all of them.
const SPANS_PER_TURN: usize = 256;

pub(crate) struct Scheduler {
    settings: Settings,
    state: State,
    hooks: Vec<Option<Hook>>,
    slots: HashMap<Uuid, u32>,
    /// Slots of webhooks that are gone.
    free: Vec<u32>,
    demand: Demand,
    live: HashMap<Uuid, Live>,
    /// Attempts under way: exchange to batch.
    flights: HashMap<u64, Uuid>,
    flight_bytes: u64,
    next_exchange: u64,
    router: Option<Router>,
    /// Every event below was routed.
    routed: u64,
    /// Offsets above `routed` where webhooks begin or ask for something else: frames are cut there. Whether what is
    /// asked for is another from there on.
    begins: BTreeMap<u64, bool>,
    budget: Budget,
    /// Webhooks whose runs should be read back, by where they lag from: where that is not so any more, the
    /// entry means nothing.
    hungry: BTreeSet<(u64, u32)>,
    /// Whether a pass may begin, and when it may although there is little room.
    may_refill: bool,
    refill_at: Instant,
    refill_timer: Option<Instant>,
    pass_ended: bool,
    /// The pass that reads runs back, while the thread does something else between its parts.
    pass: Option<Refill>,
    /// Webhooks to look at in this turn, and those that wait for a slot of all webhooks'; both by [`Rank`].
    touched: [VecDeque<u32>; 4],
    blocked: [VecDeque<u32>; 4],
    /// Attempts that may still begin in this turn, by rank.
    attempts_left: [usize; 4],
    /// Spans that batches of webhooks that are behind may still have in this turn.
    spans_left: usize,
    timers: BinaryHeap<Reverse<(Instant, u32)>>,
    deleted: HashMap<Uuid, Instant>,
    rng: Rng,
    /// The first time that was told: what the wall clock would say if nobody had set it since.
    began: Option<Now>,
    /// What a former life left is counted; before that there is no backlog to drop.
    restored: bool,
    stopping: bool,
    /// There is space for more renderings.
    may_render: bool,
    orders: Orders,
}

/// What is known of an open batch beside the journal.
struct Live {
    slot: u32,
    place: Place,
    bytes: u32,
    expires: Instant,
    stage: Stage,
    /// The webhook's successes when the receiver first refused this batch for what is in it.
    refused_at: Option<u64>,
    blame: Blame,
}

impl Scheduler {
    /// A scheduler that goes on from `state`. `routed` is where routing resumes at the latest: the
    /// log's next offset. [`put`](Self::put) all webhooks, then call [`restore`](Self::restore).
    pub(crate) fn new(settings: Settings, state: State, routed: u64, seed: u64) -> Scheduler {
        let budget = Budget {
            used: 0,
            max: settings.runs,
        };
        Scheduler {
            settings,
            state,
            hooks: Vec::new(),
            slots: HashMap::new(),
            free: Vec::new(),
            demand: Demand::default(),
            live: HashMap::new(),
            flights: HashMap::new(),
            flight_bytes: 0,
            next_exchange: 1,
            router: None,
            routed,
            begins: BTreeMap::new(),
            budget,
            hungry: BTreeSet::new(),
            may_refill: true,
            refill_at: Instant(0),
            refill_timer: None,
            pass_ended: false,
            pass: None,
            touched: Default::default(),
            blocked: Default::default(),
            attempts_left: ATTEMPTS_PER_TURN,
            spans_left: SPANS_PER_TURN,
            timers: BinaryHeap::new(),
            deleted: HashMap::new(),
            rng: Rng::new(seed),
            began: None,
            restored: false,
            stopping: false,
            may_render: true,
            orders: Orders::default(),
        }
    }

    /// Goes on with other settings. [`put`](Self::put) all webhooks then, and
    /// [`age_anew`](Self::age_anew).
    pub(crate) fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Every event below this was routed.
    pub(crate) fn routed(&self) -> u64 {
        self.routed
    }

    /// Routes a frame: `count` events from offset `base`. What was routed already is skipped.
    pub(crate) fn route(
        &mut self,
        base: u64,
        count: u32,
        written_ms: UnixMillis,
        entry: impl Fn(u32) -> Entry,
        now: Instant,
    ) {
        let end = base + u64::from(count);
        let mut first = self.routed.max(base);
        while first < end {
            self.begun(first);
            let until = self.begins.keys().next().map_or(end, |at| end.min(*at));
            let entries = ((first - base) as u32..(until - base) as u32).map(&entry);
            self.route_stretch(Run::empty(first, now, written_ms), entries);
            first = until;
        }
        self.routed = self.routed.max(end);
    }

    /// Counts what is wanted of many events without seeing any; their webhooks lag from here on. Answers `false`,
    /// with nothing done, where a webhook begins or asks for something else among them, or some were
    /// routed: then they must be routed one by one.
    pub(crate) fn count<'a>(
        &mut self,
        offsets: Range<u64>,
        counts: impl ExactSizeIterator<Item = (&'a (u16, u32), &'a Count)>,
    ) -> bool {
        self.begun(offsets.start);
        let next = self.begins.keys().next();
        let between = next.is_some_and(|at| *at < offsets.end);
        if between || self.routed > offsets.start {
            return false;
        }
        let Scheduler {
            router,
            hooks,
            hungry,
            touched,
            ..
        } = self;
        let router = router_at(router, hooks, offsets.start);
        // With that many kinds of events for that many webhooks, the events are less work.
        let work = counts.len() as u64 * router.most_takers() as u64;
        if work > offsets.end - offsets.start {
            return false;
        }
        for (&(type_id, subaccount), count) in counts {
            let kind = Entry {
                type_id,
                subaccount,
                ..Entry::default()
            };
            let at = Run::empty(offsets.start, Instant(0), 0);
            router.route(at, std::iter::once(kind), |slot, _| {
                let Some(hook) = hooks[slot as usize].as_mut() else {
                    return;
                };
                let (events, bytes) = (u64::from(count.events), count.bytes);
                hook.backlog.count(offsets.start, events, bytes);
                hungry.extend(hook.backlog.hungry().map(|from| (from, slot)));
                if !std::mem::replace(&mut hook.touched, true) {
                    touched[hook.rank() as usize].push_back(slot);
                }
            });
        }
        self.routed = self.routed.max(offsets.end);
        true
    }

    /// What began up to `at` is in force.
    fn begun(&mut self, at: u64) {
        while let Some(first) = self.begins.first_entry().filter(|first| *first.key() <= at) {
            if first.remove() {
                self.router = None;
            }
        }
    }

    fn route_stretch(&mut self, at: Run, entries: impl Iterator<Item = Entry> + Clone) {
        let Scheduler {
            router,
            hooks,
            budget,
            touched,
            ..
        } = self;
        router_at(router, hooks, at.first).route(at, entries, |slot, run| {
            let Some(hook) = hooks[slot as usize].as_mut() else {
                return;
            };
            let (first, was_ready) = (hook.backlog.events() == 0, hook.ready(at.since));
            // One that is held takes no more than is its own in any case.
            let mut nothing = Budget { used: 0, max: 0 };
            let sends = hook.is_sending();
            let budget = if sends { &mut *budget } else { &mut nothing };
            hook.backlog.accept(run, budget);
            // Who lingers has a timer; who could go and has not waits for an answer, a place or a
            // timer. So most events cost a webhook a count and no look.
            let stirs = first || (!was_ready && hook.ready(at.since));
            if stirs && !std::mem::replace(&mut hook.touched, true) {
                touched[hook.rank() as usize].push_back(slot);
            }
        });
    }

    /// Says that everything below `to` that the log has was routed: what a former life left is
    /// counted.
    pub(crate) fn caught_up(&mut self, to: u64) {
        self.routed = self.routed.max(to);
        self.begins.clear();
        self.router = None;
        self.restored = true;
        for slot in 0..self.hooks.len() as u32 {
            let selection = self.hooks[slot as usize].as_ref().and_then(Hook::selection);
            let wants_nothing = selection.is_some_and(|selection| selection.types.is_empty());
            match self.hooks[slot as usize].as_ref().map(|hook| hook.mode) {
                Some(Mode::Deleted) => self.bury(slot, Reason::DELETED),
                Some(_) if wants_nothing => self.drop_backlog(slot, Reason::INACTIVE),
                _ => {}
            }
        }
    }

    /// One turn: forms what is to be formed and sends what is due.
    pub(crate) fn turn(&mut self, lengths: &mut impl Lengths, now: Now) {
        self.began.get_or_insert(now);
        while let Some(&Reverse((at, slot))) = self.timers.peek() {
            if at > now.mono {
                break;
            }
            self.timers.pop();
            if let Some(hook) = self.hooks.get_mut(slot as usize).and_then(Option::as_mut)
                && hook.timer == Some(at)
            {
                hook.timer = None;
                self.touch(slot);
            }
        }
        if self.stopping {
            return;
        }
        // Those that waited for a slot come first. Who is touched during this turn waits for the next.
        self.spans_left = SPANS_PER_TURN;
        self.attempts_left = ATTEMPTS_PER_TURN;
        for rank in Rank::ALL {
            let blocked = rank as usize;
            for _ in 0..self.blocked[blocked].len().min(SERVED_PER_TURN[blocked]) {
                if !self.has_room(rank) {
                    break;
                }
                let Some(slot) = self.blocked[blocked].pop_front() else {
                    break;
                };
                if let Some(hook) = self.hooks[slot as usize].as_mut() {
                    hook.blocked = false;
                    self.serve(slot, lengths, now);
                }
            }
        }
        for rank in Rank::ALL.map(|rank| rank as usize) {
            let mut served = 0;
            for _ in 0..self.touched[rank].len() {
                if served == SERVED_PER_TURN[rank] {
                    break;
                }
                let Some(slot) = self.touched[rank].pop_front() else {
                    break;
                };
                let Some(hook) = self.hooks[slot as usize].as_mut() else {
                    continue;
                };
                // It may have fallen behind since.
                if hook.rank() as usize > rank {
                    self.touched[hook.rank() as usize].push_back(slot);
                    continue;
                }
                hook.touched = false;
                served += 1;
                self.serve(slot, lengths, now);
            }
        }
        self.pace_refills(now.mono);
    }

    /// Whether another turn would find something to do now.
    pub(crate) fn is_busy(&self) -> bool {
        let touched = self.touched.iter().any(|queue| !queue.is_empty());
        let let_in = |rank: Rank| !self.blocked[rank as usize].is_empty() && self.has_room(rank);
        let unblocked = Rank::ALL.into_iter().any(let_in);
        let refills = self.pass.is_some() || (self.may_refill && !self.hungry.is_empty());
        !self.stopping && (touched || unblocked || refills)
    }

    /// When the next turn is due, apart from frames, answers and commands.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    /// What this turn asks for; empties it.
    pub(crate) fn take_orders(&mut self) -> Orders {
        std::mem::take(&mut self.orders)
    }

    /// From now on nothing new goes out.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
        let routed = self.routed;
        self.note_floors(|position, _| position <= routed);
    }

    /// Attempts under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// What the records add up to.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// The books of all webhooks at the routed offset.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut letters: HashMap<Uuid, u64> = HashMap::new();
        for letter in self.state.dead_letters() {
            *letters.entry(letter.start.webhook).or_default() += 1;
        }
        let books = |(id, known): (Uuid, &crate::journal::WebhookState)| {
            let hook = self
                .slots
                .get(&id)
                .and_then(|slot| self.hooks[*slot as usize].as_ref());
            let waiting = hook.map_or(0, |hook| hook.backlog.events());
            let (condition, why) = hook.map_or((Condition::Deleted, None), Hook::condition);
            let books = WebhookBooks {
                accepted: known.books.accepted + waiting,
                delivered: known.books.delivered,
                dead: known.books.dead,
                dead_letters: letters.get(&id).copied().unwrap_or(0),
                dropped: known.books.dropped.clone(),
                pending: known.books.open + waiting,
                open_batches: hook.map_or(0, |hook| hook.open.len() as u64),
                in_flight: hook.map_or(0, |hook| hook.in_flight),
                window: hook.map_or(0, |hook| hook.health.window.places(hook.pace.in_flight)),
                not_kept: hook.map(|hook| hook.not_kept).unwrap_or_default(),
                activity: Activity {
                    last_successful_ms: known.last_success_ms,
                    last_failure_ms: known.last_failure_ms,
                    condition,
                    why: why.map(str::to_owned),
                },
            };
            (id, books)
        };
        Snapshot {
            offset: self.routed,
            webhooks: self.state.webhooks().map(books).collect(),
        }
    }

    /// Takes a record into account and has it journaled.
    fn record(&mut self, record: Record) {
        self.state.apply(&record);
        self.orders.records.push(record);
    }

    fn touch(&mut self, slot: u32) {
        if let Some(hook) = self.hooks[slot as usize].as_mut()
            && !std::mem::replace(&mut hook.touched, true)
        {
            self.touched[hook.rank() as usize].push_back(slot);
        }
    }

    /// Whether one more attempt may begin. A quarter of what all share is kept for webhooks whose
    /// last attempt was a success, and half of that for those of them that are not behind: neither receivers that
    /// take and never answer nor large backlogs can use up all of it.
    fn has_room(&self, rank: Rank) -> bool {
        let (attempts, bytes) = (self.settings.attempts, self.settings.attempt_bytes);
        let (attempts, bytes) = match rank {
            Rank::Prompt | Rank::Large => (attempts, bytes),
            Rank::Behind => (attempts - attempts / 8, bytes - bytes / 8),
            Rank::Unproven => (attempts - attempts / 4, bytes - bytes / 4),
        };
        self.flights.len() < attempts && self.flight_bytes < bytes
    }

    /// Does for one webhook what can be done now.
    fn serve(&mut self, slot: u32, lengths: &mut impl Lengths, now: Now) {
        self.split_marked(slot, lengths, now);
        self.report_token(slot, lengths, now);
        self.sweep(slot, lengths, now);
        loop {
            let Some(hook) = self.hooks[slot as usize].as_mut() else {
                return;
            };
            if self.spans_left == 0 && hook.backlog.is_behind() {
                self.touch(slot);
                break;
            }
            let rank = hook.rank();
            if self.attempts_left[rank as usize] == 0 {
                self.touch(slot);
                break;
            }
            let next = hook.choose(now.mono);
            if next == Next::Nothing || !self.has_token(slot, now.mono) {
                break;
            }
            if !self.may_render && self.would_render(slot, next) {
                break;
            }
            if !self.has_room(rank) {
                if let Some(hook) = self.hooks[slot as usize].as_mut()
                    && !std::mem::replace(&mut hook.blocked, true)
                {
                    self.blocked[rank as usize].push_back(slot);
                }
                break;
            }
            let batch = match next {
                Next::Again(batch) => Some(batch),
                Next::Probe => self.probe(slot).or_else(|| self.form(slot, lengths, now)),
                Next::Fresh | Next::Nothing => self.form(slot, lengths, now),
            };
            match batch {
                Some(batch) => {
                    self.attempts_left[rank as usize] -= 1;
                    self.send(batch, now);
                }
                None if next == Next::Probe => break,
                None => {}
            }
        }
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
        self.hungry
            .extend(hook.backlog.hungry().map(|from| (from, slot)));
        hook.prune_selections(self.routed);
        if hook.mode == Mode::Deleted && hook.open.is_empty() {
            self.slots.remove(&hook.id);
            self.hooks[slot as usize] = None;
            self.free.push(slot);
            return;
        }
        if let Some(at) = hook.next_look(now.mono)
            && hook.timer.is_none_or(|timer| at < timer)
        {
            hook.timer = Some(at);
            self.timers.push(Reverse((at, slot)));
        }
    }

    /// Which waiting batch probes a target that is down: the one tried least, then the oldest, so
    /// that a batch which fails for what is in it can't keep the target down alone.
    fn probe(&self, slot: u32) -> Option<Uuid> {
        let hook = self.hooks[slot as usize].as_ref()?;
        let tries = |batch: &Uuid| self.state.batch(*batch).map_or(0, |open| open.attempts);
        let open = hook.open.iter().map(|(_, batch)| *batch);
        let own = open.filter(|batch| !hook.elsewhere.contains(batch));
        own.min_by_key(tries)
    }

    pub(super) fn attempt(&mut self, batch: Uuid, now: Now) {
        let Some(open) = self.state.batch(batch) else {
            return;
        };
        let number = open.attempts + 1;
        let (spans, events) = (open.start.spans.clone(), open.start.events);
        let (webhook, revision) = (open.start.webhook, open.start.revision);
        let rendered = open.rendered;
        let rendered = rendered.map(|part| (part.file, part.first..part.first + events));
        let Some(live) = self.live.get_mut(&batch) else {
            return;
        };
        let Some(hook) = self.hooks[live.slot as usize].as_mut() else {
            return;
        };
        hook.unlist(live.stage, live.place, batch);
        let (exchange, retry) = (self.next_exchange, number > 1);
        let unproven = !hook.health.is_proven() || hook.elsewhere.contains(&batch);
        self.next_exchange += 1;
        live.stage = Stage::Flying { exchange, retry };
        hook.take_rates(events, now.mono);
        live.blame.serial = hook.token.as_ref().map_or(0, Token::serial);
        hook.in_flight += 1;
        hook.retries += u32::from(retry);
        self.flight_bytes += u64::from(live.bytes);
        self.flights.insert(exchange, batch);
        self.record(Record::Attempt {
            batch,
            number,
            at_ms: now.unix_ms,
        });
        self.orders.attempts.push(Attempt {
            exchange,
            webhook,
            revision,
            batch,
            spans,
            unproven,
            rendered,
        });
    }

    /// When a batch of this age is given up, on the clock that can't be stepped.
    fn expiry(&self, slot: u32, age_from_ms: UnixMillis, now: Now) -> Instant {
        let hook = self.hooks[slot as usize].as_ref();
        let from_ms = age_from_ms.max(hook.map_or(0, |hook| hook.age_from_ms));
        let age = Duration::from_millis(self.wall_ms(now).saturating_sub(from_ms));
        now.mono.after(self.give_up_after(slot).saturating_sub(age))
    }

    /// What ages are counted to: the wall clock, or what it would say had nobody set it, whichever is
    /// earlier. So a step of the clock makes nothing older than it is.
    fn wall_ms(&self, now: Now) -> UnixMillis {
        let unset = self.began.map_or(now.unix_ms, |began| {
            let passed = now.mono.since(began.mono).as_millis() as u64;
            began.unix_ms.saturating_add(passed)
        });
        now.unix_ms.min(unset)
    }

    fn give_up_after(&self, slot: u32) -> Duration {
        let hook = self.hooks[slot as usize].as_ref();
        let own = hook.and_then(|hook| hook.pace.give_up_after);
        own.unwrap_or(self.settings.retry.give_up_after)
    }
}

/// The router for what the webhooks ask for at `offset`, made where there is none.
fn router_at<'a>(
    router: &'a mut Option<Router>,
    hooks: &[Option<Hook>],
    offset: u64,
) -> &'a mut Router {
    router.get_or_insert_with(|| {
        let asks = |(slot, hook): (u32, &Option<Hook>)| {
            let (selection, _) = hook.as_ref()?.selection_at(offset)?;
            Some((slot, selection.clone()))
        };
        Router::new((0..).zip(hooks).filter_map(asks))
    })
}
