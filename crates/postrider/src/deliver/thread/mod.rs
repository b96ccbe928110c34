//! The deliver thread: the loop that drives the [`Scheduler`].
//!
//! One turn: commands, answers, new frames, decisions; then one journal commit, and only behind it
//! the first bytes of what it speaks of; then what may be forgotten. Where the commit fails nothing
//! leaves, and the next turn tries again.

mod answers;
mod commands;
mod feed;
mod send;
mod upkeep;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use uuid::Uuid;

use super::body::LogReader;
use super::endpoint::Endpoint;
use super::errand::{Tests, Tokens};
use super::handle::{Notice, StillNeeded, StopReport};
use super::render::Renderers;
use super::scheduler::Scheduler;
use super::settings::Settings;
use crate::http::{Client, Request};
use crate::journal::{Journal, Renderings};
use crate::log::Log;
use crate::route::TypeSet;
use crate::time::{Clock, Instant, Now};
use commands::tell;

pub(super) use commands::Command;

/// How long the thread waits after a failure of its own before it tries again.
const HOLD: Duration = Duration::from_secs(1);
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
