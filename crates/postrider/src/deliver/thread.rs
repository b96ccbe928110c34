//! The deliver thread: the loop that drives the [`Scheduler`].
//!
//! One turn: commands, answers, new frames, decisions; then one journal commit, and only behind it
//! the first bytes of what it speaks of; then what may be forgotten. Where the commit fails nothing
//! leaves, and the next turn tries again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use uuid::Uuid;

use super::body::{self, LogReader};
use super::endpoint::Endpoint;
use super::errand::{self, TestReply, Tests, Tokens};
use super::handle::{Notice, Snapshot, StillNeeded, StopReport};
use super::render::{Renderers, Unrendered};
use super::replay::Cut;
use super::retry::{Answer, Ended};
use super::scheduler::{Attempt, Fetch, Fetched, Scheduler};
use super::settings::{Settings, Terms};
use super::standing::Standing;
use crate::filter::Filters;
use crate::http::{Body, Client, Done, Request, Reuse, Setup};
use crate::journal::{BatchStatus, DeadLetter, Journal, JournalError, Reason, Renderings, Span};
use crate::log::{FrameTable, Log, LogError, Part};
use crate::route::{Selection, TypeSet};
use crate::time::{Clock, Instant, Now};
use crate::webhook::Replayed;

/// Frames routed in one turn at most, so that answers are not kept waiting by a backlog.
const FRAMES_PER_TURN: u32 = 64;

/// Runs of wanted events read back in one turn at most; a whole frame counts as many.
const RUNS_PER_TURN: u32 = FRAMES_PER_TURN * RUNS_PER_FRAME;
const RUNS_PER_FRAME: u32 = 256;

/// How often the journal is synced while records are written.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// How soon it is synced where that would let the log free a segment.
const SYNC_SOON: Duration = Duration::from_millis(10);

/// How often old letters and history are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// How long the thread waits after a failure of its own before it tries again.
const HOLD: Duration = Duration::from_secs(1);

/// What others ask of the thread. Every question has its own channel for the answer; who does not
/// wait any more just drops it.
pub(super) enum Command {
    Put {
        id: Uuid,
        revision: u32,
        terms: Box<Terms>,
        selection: Selection,
        endpoint: Box<Endpoint>,
        /// The webhook's own filters.
        filters: Option<Arc<Filters>>,
        reply: Sender<()>,
    },
    Configure {
        settings: Box<Settings>,
        http: Box<Setup>,
        standings: Vec<Standing>,
        reply: Sender<()>,
    },
    Delete {
        id: Uuid,
        purge: bool,
        reply: Sender<()>,
    },
    Pause {
        id: Uuid,
        paused: bool,
        reply: Sender<bool>,
    },
    DeadLetters {
        id: Uuid,
        limit: usize,
        reply: Sender<Vec<DeadLetter>>,
    },
    Replay {
        id: Uuid,
        batches: Option<Vec<Uuid>>,
        reply: Sender<Option<Replayed>>,
    },
    Again {
        id: Uuid,
        cuts: Vec<Cut>,
        reply: Sender<bool>,
    },
    Test {
        endpoint: Box<Endpoint>,
        /// `None`: its token alone.
        body: Option<Vec<u8>>,
        reply: TestReply,
    },
    Books {
        reply: Sender<Snapshot>,
    },
    BatchStatus {
        id: Uuid,
        limit: usize,
        all: bool,
        reply: Sender<Vec<BatchStatus>>,
    },
    Stop {
        timeout: Duration,
        reply: Sender<StopReport>,
    },
}

/// Where batches go, by webhook and revision. The last one of a webhook is the one in force.
pub(super) type Endpoints = HashMap<Uuid, Vec<(u32, Arc<Endpoint>)>>;

pub(super) struct Courier {
    pub(super) log: Arc<Log>,
    pub(super) journal: Option<Journal>,
    pub(super) scheduler: Scheduler,
    pub(super) settings: Settings,
    pub(super) client: Client,
    pub(super) commands: Receiver<Command>,
    pub(super) endpoints: Endpoints,
    pub(super) wanted: Box<dyn FnMut(&TypeSet) + Send>,
    pub(super) notice: Box<dyn FnMut(&Notice) + Send>,
    pub(super) still_needed: StillNeeded,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) reader: LogReader,
    /// Journaled first, then started.
    pub(super) staged: Vec<(u64, Request)>,
    /// What webhooks' own filters made of batches, and who runs them.
    pub(super) renderings: Renderings,
    pub(super) renderers: Renderers,
    pub(super) tests: Tests,
    pub(super) tokens: Tokens,
    /// Offsets that were given out before the start and are in no frame.
    pub(super) unsynced: std::ops::Range<u64>,
    pub(super) rhythm: Rhythm,
    pub(super) stopping: Option<Stopping>,
}

/// When what comes round is due next.
#[derive(Default)]
pub(super) struct Rhythm {
    release: Instant,
    /// Something changed since the log was told what is needed.
    stale: bool,
    sync: Option<Instant>,
    tidy: Instant,
    /// Something was given up for space, and the log does not know yet.
    relieving: bool,
    /// The same, for the space of renderings.
    forgetting: bool,
    /// The store was told which former revisions are needed, since the start.
    told: bool,
    held: Instant,
}

pub(super) struct Stopping {
    deadline: Instant,
    in_flight: u32,
    reply: Sender<StopReport>,
}

impl Courier {
    /// Runs until it is told to stop.
    pub(super) fn run(mut self) {
        self.catch_up();
        let mut done = Vec::new();
        loop {
            let now = self.clock.now();
            for done in done.drain(..) {
                self.answer(done, now);
            }
            self.obey(now);
            self.take_rendered(now);
            if self.has_ended(now) {
                return;
            }
            let more = self.route(now) | self.refill();
            if now.mono >= self.rhythm.held {
                self.scheduler.turn(&mut self.reader, now);
            }
            self.relieve(now);
            self.carry_out(now);
            self.upkeep(now);
            let timeout = self.timeout(more);
            if let Err(error) = self.client.poll(timeout, &*self.clock, &mut done) {
                self.hold(format!("cannot wait for sockets: {error}"), now);
            }
        }
    }

    /// Counts what was there before the start: segments that nobody's place is in by their indexes, so that it takes
    /// no longer where the backlog is large.
    fn catch_up(&mut self) {
        let next = self.log.next_offset();
        loop {
            let now = self.clock.now().mono;
            let scheduler = &mut self.scheduler;
            let mut end = scheduler.routed();
            let read = self.log.outline(end, |part| match part {
                Part::Segment(offsets, contents) => {
                    end = offsets.end;
                    scheduler.count(offsets, contents.counts.iter())
                }
                Part::Frame(table) => {
                    end = route_table(scheduler, table, now);
                    true
                }
            });
            match read {
                Ok(()) => {
                    self.unsynced = end..next;
                    return self.scheduler.caught_up(next);
                }
                Err(error) => {
                    (self.notice)(&Notice::Held {
                        what: error.to_string(),
                    });
                    std::thread::sleep(HOLD);
                }
            }
        }
    }

    fn route(&mut self, now: Now) -> bool {
        if self.scheduler.routed() >= self.log.next_offset() {
            return false;
        }
        let before = self.scheduler.routed();
        self.rhythm.stale = true;
        if let Err(error) = self.route_frames(FRAMES_PER_TURN, now) {
            self.hold(error.to_string(), now);
            return false;
        }
        let routed = self.scheduler.routed();
        routed > before && routed < self.log.next_offset()
    }

    /// Routes up to `frames` frames.
    fn route_frames(&mut self, frames: u32, now: Now) -> Result<(), LogError> {
        let (scheduler, mut left) = (&mut self.scheduler, frames);
        self.log.tables(scheduler.routed(), |table| {
            route_table(scheduler, table, now.mono);
            left -= 1;
            left > 0
        })
    }

    /// Reads tables back for webhooks that lag.
    fn refill(&mut self) -> bool {
        let Some(mut pass) = self.scheduler.refill() else {
            return false;
        };
        let (scheduler, mut left, mut whole) = (&mut self.scheduler, RUNS_PER_TURN, true);
        let wants = pass.wants();
        let read = self.log.wanted(pass.from(), &wants, |some| {
            let (base, count) = (some.base_offset, some.count());
            left = left.saturating_sub(if some.is_frame() { RUNS_PER_FRAME } else { 1 });
            let entry = |i| some.entry(i);
            whole = scheduler.refill_frame(&mut pass, base, count, some.written_ms, entry);
            if whole && left == 0 {
                whole = false;
                return false;
            }
            whole
        });
        match read {
            Ok(()) => self.scheduler.refilled(pass, whole),
            Err(error) => {
                let now = self.clock.now();
                self.hold(error.to_string(), now);
            }
        }
        true
    }

    /// Does what was asked.
    fn obey(&mut self, now: Now) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Put {
                    id,
                    revision,
                    terms,
                    selection,
                    endpoint,
                    filters,
                    reply,
                } => {
                    // What was pushed before the change is selected as before it.
                    self.route_all(now);
                    let revisions = self.endpoints.entry(id).or_default();
                    revisions.retain(|(known, _)| *known != revision);
                    let source = endpoint.token_source();
                    revisions.push((revision, Arc::from(endpoint)));
                    self.renderers.put(id, filters);
                    self.scheduler.put(id, revision, *terms, selection, now);
                    self.scheduler.authenticate(id, source);
                    self.changed(reply);
                }
                Command::Configure {
                    settings,
                    http,
                    standings,
                    reply,
                } => {
                    self.route_all(now);
                    self.configure(*settings, *http, standings, now);
                    self.changed(reply);
                }
                Command::Delete { id, purge, reply } => {
                    self.route_all(now);
                    self.scheduler.delete(id, purge, now);
                    self.changed(reply);
                }
                Command::Pause { id, paused, reply } => {
                    let known = match paused {
                        true => self.scheduler.pause(id, now),
                        false => self.scheduler.resume(id, now),
                    };
                    // What was answered for is journaled.
                    self.carry_out(now);
                    tell(&reply, known);
                }
                Command::DeadLetters { id, limit, reply } => {
                    let letters = self.scheduler.state().dead_letters().rev();
                    let letters = letters.filter(|letter| letter.start.webhook == id);
                    tell(&reply, letters.take(limit).cloned().collect());
                }
                Command::Replay { id, batches, reply } => {
                    let replayed = self.scheduler.replay(id, batches, now);
                    self.carry_out(now);
                    tell(&reply, replayed);
                }
                Command::Again { id, cuts, reply } => {
                    let known = self.scheduler.again(id, cuts, now);
                    self.carry_out(now);
                    tell(&reply, known);
                }
                Command::Test {
                    endpoint,
                    body,
                    reply,
                } => {
                    let first = self.tests.begin(endpoint, body, reply, now);
                    self.start(first, now);
                }
                Command::Books { reply } => tell(&reply, self.scheduler.snapshot()),
                Command::BatchStatus {
                    id,
                    limit,
                    all,
                    reply,
                } => {
                    tell(&reply, self.scheduler.state().batch_status(id, limit, all));
                }
                Command::Stop { timeout, reply } => {
                    self.scheduler.stop();
                    let in_flight = self.scheduler.in_flight() as u32;
                    let deadline = now.mono.after(timeout);
                    self.stopping = Some(Stopping {
                        deadline,
                        in_flight,
                        reply,
                    });
                }
            }
        }
    }

    fn configure(&mut self, settings: Settings, http: Setup, all: Vec<Standing>, now: Now) {
        self.client.reconfigure(http, now.mono);
        self.tests.set_timeout(settings.attempt_timeout);
        self.scheduler.set_settings(settings.clone());
        self.settings = settings;
        for standing in all {
            let (scheduler, endpoints) = (&mut self.scheduler, &mut self.endpoints);
            standing.take(
                scheduler,
                (endpoints, &mut self.renderers),
                &mut self.notice,
                now,
            );
        }
        self.scheduler.age_anew(now);
    }

    fn route_all(&mut self, now: Now) {
        if let Err(error) = self.route_frames(u32::MAX, now) {
            self.hold(error.to_string(), now);
        }
    }

    fn changed(&mut self, reply: Sender<()>) {
        (self.wanted)(&self.scheduler.wanted());
        tell(&reply, ());
    }

    fn answer(&mut self, done: Done, now: Now) {
        if self.tests.has(done.id) {
            let next = self.tests.ended(done, now);
            return self.start(next, now);
        }
        let Some(fetch) = self.tokens.take(done.id) else {
            if let Ok(response) = &done.result
                && let Reuse::No(why) = response.reuse
            {
                self.scheduler.not_kept(done.id, why);
            }
            let ended = Ended::of(&done, now.unix_ms);
            return self.scheduler.ended(done.id, &ended, now);
        };
        match errand::fetched(done, now.unix_ms) {
            Ok(token) => {
                let newest = self
                    .endpoints
                    .get(&fetch.webhook)
                    .and_then(|all| all.last());
                let source = newest.and_then(|(_, newest)| newest.token_source());
                let fetched = Fetched::Token(token.lifetime);
                if self.scheduler.fetched(fetch, fetched, now)
                    && let Some(source) = source
                {
                    self.tokens.keep(fetch.webhook, source, token);
                }
            }
            Err(failed) => {
                self.scheduler.fetched(fetch, failed, now);
            }
        }
    }

    /// Takes what filters have made of batches.
    fn take_rendered(&mut self, now: Now) {
        while let Some(rendered) = self.renderers.take() {
            let batch = rendered.batch;
            match rendered.result {
                Ok(None) => self.scheduler.rendered(batch, None, now),
                Ok(Some((made, written))) => {
                    written.iter().for_each(|w| self.renderings.adopt(w));
                    self.rhythm.stale = true;
                    self.scheduler.rendered(batch, Some(made), now);
                }
                Err(Unrendered::Lost { spans, damaged }) => {
                    let reason = self.reason_of_loss(&spans, damaged);
                    let reader = &mut self.reader;
                    self.scheduler
                        .unrenderable(batch, &spans, reason, reader, now);
                }
                Err(Unrendered::Failed(what)) => self.scheduler.not_rendered(batch, what, now),
            }
        }
    }

    /// Keeps the renderings within their space: dead letters go first, then webhooks wait.
    fn relieve_renderings(&mut self) {
        let excess = self
            .renderings
            .bytes()
            .saturating_sub(self.settings.rendered_bytes);
        self.scheduler.may_render(excess == 0);
        // What was given up is removed once that is synced; only then is it clear whether more is needed.
        if excess > 0 && !self.rhythm.forgetting {
            self.rhythm.forgetting = self.scheduler.forget_rendered(excess);
        }
    }

    /// Gives up what the log needs back.
    fn relieve(&mut self, now: Now) {
        self.relieve_renderings();
        let Some(wanted) = self.log.pressure() else {
            return;
        };
        // What was given up is journaled and synced before the log may have it; only then is it clear
        // whether more is needed.
        self.rhythm.relieving = self.rhythm.relieving || self.scheduler.relieve(wanted, now);
        if let Some(due) = &mut self.rhythm.sync {
            *due = (*due).min(now.mono.after(SYNC_SOON));
        }
    }

    /// Journals what was decided, then does it.
    fn carry_out(&mut self, now: Now) {
        loop {
            let orders = self.scheduler.take_orders();
            self.rhythm.stale |= !orders.records.is_empty();
            for record in orders.records {
                if let Some(journal) = &mut self.journal {
                    journal.append(&record);
                    self.rhythm.sync.get_or_insert(now.mono.after(SYNC_EVERY));
                }
            }
            for notice in &orders.notices {
                (self.notice)(notice);
            }
            for fetch in orders.fetches {
                self.fetch(fetch, now);
            }
            for render in orders.renders {
                let batch = render.batch;
                match self.renderers.begin(render) {
                    Ok(true) => {}
                    Ok(false) => self.scheduler.unaddressed(batch, now),
                    Err(e) => {
                        let what = format!("no thread to render a batch on: {e}");
                        self.scheduler.not_rendered(batch, what, now);
                    }
                }
            }
            for exchange in orders.cancels {
                self.staged.retain(|(staged, _)| *staged != exchange);
                self.client.cancel(exchange);
            }
            if orders.attempts.is_empty() {
                break;
            }
            // A batch with missing events is split, which gives new orders.
            for attempt in orders.attempts {
                self.stage(attempt, now);
            }
        }
        if self.staged.is_empty() && self.client.in_flight() == 0 {
            self.reader.forget();
        }
        if let Some(journal) = &mut self.journal
            && let Err(error) = journal.commit()
        {
            return self.hold(error.to_string(), now);
        }
        for (exchange, request) in self.staged.drain(..) {
            self.client.start(exchange, request, now.mono);
        }
    }

    fn stage(&mut self, attempt: Attempt, now: Now) {
        let Attempt {
            exchange,
            webhook,
            revision,
            batch,
            spans,
            rendered,
        } = attempt;
        if let Some((file, events)) = rendered {
            let body = self.renderings.read(file);
            let body = body.map(|found| found.and_then(|r| body::of_rendering(&r, events)));
            return match body {
                Ok(Some(body)) => self.stage_body(exchange, webhook, revision, batch, body, now),
                Ok(None) => self.scheduler.rendering_lost(batch, now),
                Err(error) => self.unreadable(exchange, error.to_string(), now),
            };
        }
        let assembled = match self.reader.assemble(&spans) {
            Ok(assembled) => assembled,
            Err(error) => return self.unreadable(exchange, error.to_string(), now),
        };
        // One reason at a time: what is left is a batch of its own, which is looked at again.
        let (lost, damaged) = match assembled.missing.is_empty() {
            true => (&assembled.damaged, true),
            false => (&assembled.missing, false),
        };
        if !lost.is_empty() {
            let reason = self.reason_of_loss(lost, damaged);
            let reader = &mut self.reader;
            return self.scheduler.missing(exchange, lost, reason, reader, now);
        }
        self.stage_body(exchange, webhook, revision, batch, assembled.body, now);
    }

    /// The disk refuses what is to be sent.
    fn unreadable(&mut self, exchange: u64, what: String, now: Now) {
        let ended = Ended {
            answer: Answer::None {
                code: "EIO",
                words: what.clone(),
                unreached: false,
            },
            latency_ms: 0,
        };
        self.scheduler.ended(exchange, &ended, now);
        (self.notice)(&Notice::Held { what });
    }

    /// Why events that a batch was formed of can't be sent.
    fn reason_of_loss(&self, lost: &[Span], damaged: bool) -> Reason {
        let unsynced = |span: &Span| self.unsynced.contains(&span.first);
        match damaged {
            true => Reason::DAMAGED,
            false if lost.iter().all(unsynced) => Reason::LOST_UNSYNCED,
            false => Reason::MISSING,
        }
    }

    fn stage_body(
        &mut self,
        exchange: u64,
        webhook: Uuid,
        revision: u32,
        batch: Uuid,
        body: Body,
        now: Now,
    ) {
        let Some(endpoint) = self.endpoint(webhook, revision) else {
            return self.scheduler.unaddressed(batch, now);
        };
        let timeout = self.settings.attempt_timeout;
        let token = self.tokens.of(webhook, &endpoint);
        let request = endpoint.request(batch, body, token, now, timeout);
        self.staged.push((exchange, request));
    }

    /// Stages a token request, from where the webhook has its tokens now.
    fn fetch(&mut self, fetch: Fetch, now: Now) {
        let newest = self
            .endpoints
            .get(&fetch.webhook)
            .and_then(|all| all.last());
        let timeout = self.settings.attempt_timeout;
        let request = newest.and_then(|(_, newest)| newest.token_request(now, timeout));
        if let Some(request) = request {
            self.tokens.begin(fetch);
            self.staged.push((fetch.exchange, request));
        }
    }

    fn start(&mut self, request: Option<(u64, Request)>, now: Now) {
        if let Some((exchange, request)) = request {
            self.client.start(exchange, request, now.mono);
        }
    }

    /// Where a batch goes: where it was formed for, or, where that can't be sent to any more, where its
    /// webhook sends now. As long as the webhook sends to the same target, with its present
    /// credentials: those of a former revision were changed because they are no longer good.
    fn endpoint(&self, webhook: Uuid, revision: u32) -> Option<Arc<Endpoint>> {
        let revisions = self.endpoints.get(&webhook)?;
        let (_, newest) = revisions.last()?;
        let own = revisions.iter().find(|(known, _)| *known == revision);
        let own = own
            .map(|(_, own)| own)
            .filter(|own| !own.same_target(newest));
        Some(own.unwrap_or(newest).clone())
    }

    /// What comes round by time.
    fn upkeep(&mut self, now: Now) {
        if now.mono < self.rhythm.held {
            return;
        }
        if let Err(error) = self.keep_journal(now) {
            return self.hold(error.to_string(), now);
        }
        if self.rhythm.stale && now.mono >= self.rhythm.release {
            self.release(now);
        }
        if now.mono >= self.rhythm.tidy {
            self.rhythm.tidy = now.mono.after(TIDY_EVERY);
            self.scheduler.tidy(now);
            self.forget_endpoints();
        }
    }

    fn keep_journal(&mut self, now: Now) -> Result<(), JournalError> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        if journal.wants_checkpoint() {
            journal.checkpoint(self.scheduler.state())?;
        } else if self.rhythm.sync.is_some_and(|due| now.mono >= due) {
            journal.sync()?;
        } else {
            return Ok(());
        }
        self.rhythm.sync = None;
        Ok(())
    }

    /// Tells the log what is still needed, as far as that follows from what the journal has synced:
    /// what the log frees does not come back after a power cut.
    fn release(&mut self, now: Now) {
        let (floor, pins) = self.scheduler.needs();
        // As often as it costs little.
        let cost = Duration::from_micros(self.scheduler.needs_cost() as u64);
        self.rhythm.release = now.mono.after(cost);
        match &mut self.rhythm.sync {
            None => {
                self.rhythm.stale = false;
                self.rhythm.relieving = false;
                self.log.release(floor, &pins);
                self.release_renderings();
            }
            Some(due) if self.log.would_free(floor, &pins) => {
                *due = (*due).min(now.mono.after(SYNC_SOON));
            }
            Some(_) => {}
        }
    }

    /// Removes the renderings of batches that have ended.
    fn release_renderings(&mut self) {
        self.rhythm.forgetting = false;
        if !self.renderings.is_empty() {
            let needed: HashSet<Uuid> = self.scheduler.state().rendered_files().collect();
            self.renderings.retain(|id| needed.contains(&id));
        }
    }

    /// Forgets revisions that no open batch was formed for, here and in the store.
    fn forget_endpoints(&mut self) {
        let state = self.scheduler.state();
        let open: HashSet<(Uuid, u32)> = state
            .batches()
            .map(|open| (open.start.webhook, open.start.revision))
            .collect();
        let known = &self.scheduler;
        let count = |all: &Endpoints| all.values().map(Vec::len).sum::<usize>();
        let before = count(&self.endpoints);
        self.endpoints.retain(|webhook, revisions| {
            let newest = known
                .knows(*webhook)
                .then(|| revisions.last().map(|(last, _)| *last));
            revisions.retain(|(revision, _)| {
                Some(Some(*revision)) == newest || open.contains(&(*webhook, *revision))
            });
            !revisions.is_empty()
        });
        self.tokens.retain(|webhook| known.knows(webhook));
        self.renderers.retain(|webhook| known.knows(webhook));
        if count(&self.endpoints) < before || !self.rhythm.told {
            self.rhythm.told = true;
            let endpoints = &self.endpoints;
            (self.still_needed)(&|webhook, revision| {
                let of = endpoints.get(&webhook).into_iter().flatten();
                of.into_iter().any(|(known, _)| *known == revision)
            });
        }
    }

    /// Something of ours fails: nothing new goes out for a while.
    fn hold(&mut self, what: String, now: Now) {
        if now.mono >= self.rhythm.held {
            (self.notice)(&Notice::Held { what });
        }
        self.rhythm.held = now.mono.after(HOLD);
    }

    fn timeout(&self, more: bool) -> Option<Duration> {
        let now = self.clock.now().mono;
        if self.rhythm.held > now {
            return Some(self.rhythm.held.since(now));
        }
        if more || self.scheduler.is_busy() || !self.commands.is_empty() {
            return Some(Duration::ZERO);
        }
        let stop = self.stopping.as_ref().map(|stopping| stopping.deadline);
        let free = self.rhythm.stale && self.rhythm.sync.is_none();
        let release = free.then_some(self.rhythm.release);
        let timer = self.scheduler.next_timer();
        let dues = [
            timer,
            release,
            self.rhythm.sync,
            stop,
            Some(self.rhythm.tidy),
        ];
        dues.into_iter().flatten().min().map(|due| due.since(now))
    }

    /// Whether it is time to go: nothing is in the air, or there is no time left.
    fn has_ended(&mut self, now: Now) -> bool {
        let Some(stopping) = &self.stopping else {
            return false;
        };
        let cut_off = self.scheduler.in_flight() as u32;
        if cut_off > 0 && now.mono < stopping.deadline {
            return false;
        }
        let finished = stopping.in_flight.saturating_sub(cut_off);
        let reply = stopping.reply.clone();
        // An attempt without an outcome goes out again at the next start, so its connection must be
        // closed before the receiver's answer can be lost.
        self.staged.clear();
        self.client.close_idle();
        self.carry_out(now);
        match self.journal.as_mut().map_or(Ok(()), Journal::sync) {
            Ok(()) => {
                let (floor, pins) = self.scheduler.needs();
                self.log.release(floor, &pins);
                self.release_renderings();
            }
            Err(error) => (self.notice)(&Notice::Held {
                what: error.to_string(),
            }),
        }
        tell(&reply, StopReport { finished, cut_off });
        true
    }
}

/// Routes a frame; answers the offset behind it.
fn route_table(scheduler: &mut Scheduler, table: &FrameTable<'_>, now: Instant) -> u64 {
    let (base, count) = (table.base_offset(), table.count());
    let written_ms = table.written_ms();
    scheduler.route(base, count, written_ms, |i| table.entry(i), now);
    base + u64::from(count)
}

/// Answers a question. Who asked may have stopped waiting, which is theirs to decide.
fn tell<T>(reply: &Sender<T>, answer: T) {
    let _ = reply.send(answer);
}
