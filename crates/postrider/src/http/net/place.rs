//! Which connection carries a request: a kept one, a new one, or for now none.

use std::sync::Arc;
use std::time::Duration;

use super::conn::{Conn, Hint, Job};
use super::link::Link;
use super::socket::Peek;
use super::target::Place;
use super::{Client, Target};
use crate::http::proto::NoReuse;
use crate::time::Instant;

/// How long what a place has taught us holds.
const LEARNED_FOR: Duration = Duration::from_secs(600);
/// What it teaches is never less: a connection lost earlier was not lost for being idle.
const LEAST_AGE: Duration = Duration::from_millis(250);
/// Places without a connection that are remembered for what they taught.
const MAX_POOLS: usize = 4096;

/// The connections to one place.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// All of them.
    pub(super) open: usize,
    /// The slots of idle ones, the last used last.
    pub(super) idle: Vec<usize>,
    /// A request was lost on a connection that had been idle for longer than this; and until when
    /// that counts.
    learned: Option<(Duration, Instant)>,
}

impl Client {
    /// Finds a connection for a request, or lets it wait.
    pub(super) fn place(&mut self, mut job: Box<Job>, now: Instant) {
        if let Some((slot, mut link, since)) = self.reusable(job.target.place(), now) {
            job.reused = true;
            job.waited = now.since(since);
            self.counters.reused += 1;
            link.carry();
            self.advance(slot, job, link, Hint::default(), now);
        } else if self.has_room(job.target.place()) {
            self.open(job, now);
        } else {
            self.due = self.due.min(job.phase_by);
            self.waiting.push_back(job);
        }
    }

    /// Gives waiting requests another chance, in their order.
    pub(super) fn place_waiting(&mut self, now: Instant) {
        if !std::mem::take(&mut self.freed) {
            return;
        }
        let mut again = std::mem::take(&mut self.waiting);
        // Thousands may wait for one place: once one of them finds it full, the others need not ask.
        let mut full: Option<Arc<Target>> = None;
        while !self.is_full() {
            let Some(job) = again.pop_front() else { break };
            if full
                .as_ref()
                .is_some_and(|full| full.place() == job.target.place())
            {
                self.waiting.push_back(job);
                continue;
            }
            let (target, waiting) = (Arc::clone(&job.target), self.waiting.len());
            self.place(job, now);
            if self.waiting.len() > waiting {
                full = Some(target);
            }
        }
        self.waiting.append(&mut again);
    }

    /// Whether no connection can be made and none can be reused.
    fn is_full(&self) -> bool {
        let idle = |(_, conn)| matches!(conn, &Conn::Idle { .. });
        self.slots.used() >= self.config.max_connections && !self.slots.iter().any(idle)
    }

    /// The idle connection to a place that was used last and is still usable.
    fn reusable(&mut self, place: &Place, now: Instant) -> Option<(usize, Link, Instant)> {
        while let Some(slot) = self.pools.get_mut(place)?.idle.pop() {
            let Some(Conn::Idle {
                mut link,
                since,
                until,
                ..
            }) = self.slots.take(slot)
            else {
                continue;
            };
            let why = match link.probe() {
                Peek::Quiet if now < until => return Some((slot, link, since)),
                Peek::Quiet => NoReuse::IdleAge,
                Peek::Unusable => NoReuse::IdleClosed,
            };
            self.counters.not_reused[why.index()] += 1;
            link.close();
            self.release(slot, place);
        }
        None
    }

    /// Keeps a connection for the next request; `said` is the receiver's own limit in seconds.
    ///
    /// Ours stays below the receiver's: what it closes as we write is a request sent in vain.
    pub(super) fn keep_idle(
        &mut self,
        slot: usize,
        link: Link,
        target: Arc<Target>,
        said: Option<u32>,
        now: Instant,
    ) {
        let mut age = self.config.idle_age;
        if let Some(said) = said {
            age = age.min(below(Duration::from_secs(u64::from(said))));
        }
        if let Some(pool) = self.pools.get_mut(target.place()) {
            pool.learned = pool.learned.filter(|(_, until)| now < *until);
            age = pool.learned.map_or(age, |(learned, _)| age.min(learned));
            pool.idle.push(slot);
        }
        self.freed = true;
        let idle = Conn::Idle {
            link,
            target,
            since: now,
            until: now.after(age),
        };
        self.keep(slot, idle);
    }

    /// A request was lost on a connection to this place that had been idle for so long.
    pub(super) fn learn(&mut self, place: &Place, idle_for: Duration, now: Instant) {
        if let Some(pool) = self.pools.get_mut(place) {
            pool.learned = Some((below(idle_for).max(LEAST_AGE), now.after(LEARNED_FOR)));
        }
    }

    /// Whether one more connection may be made, if need be in place of the longest idle one.
    fn has_room(&mut self, place: &Place) -> bool {
        if self.pools.get(place).map_or(0, |p| p.open) >= self.config.max_per_target {
            return false;
        }
        if self.slots.used() < self.config.max_connections {
            return true;
        }
        let oldest = self.slots.iter().filter_map(|(slot, conn)| match conn {
            Conn::Idle { since, .. } => Some((*since, slot)),
            _ => None,
        });
        let Some((_, slot)) = oldest.min() else {
            return false;
        };
        self.drop_idle(slot, NoReuse::Evicted);
        true
    }

    /// Puts a connection into its slot and notes when it is due.
    pub(super) fn keep(&mut self, slot: usize, conn: Conn) {
        self.due = self.due.min(conn.due());
        self.slots.put(slot, conn);
    }

    /// Ends an idle connection and counts why.
    pub(super) fn drop_idle(&mut self, slot: usize, why: NoReuse) {
        self.counters.not_reused[why.index()] += 1;
        self.drop_connection(slot);
    }

    /// Ends what is in a slot, whatever it is doing.
    pub(super) fn drop_connection(&mut self, slot: usize) {
        let Some(conn) = self.slots.take(slot) else {
            return;
        };
        let target = Arc::clone(conn.target());
        if let Some(pool) = self.pools.get_mut(target.place()) {
            pool.idle.retain(|&s| s != slot);
        }
        if let Conn::Idle { link, .. } | Conn::Busy { link, .. } | Conn::Tunnel { link, .. } = conn
        {
            link.close();
        }
        self.release(slot, target.place());
    }

    /// Gives a slot back after its connection has ended.
    pub(super) fn release(&mut self, slot: usize, place: &Place) {
        self.slots.release(slot);
        self.ready.forget(slot);
        self.freed = true;
        if let Some(pool) = self.pools.get_mut(place) {
            pool.open -= 1;
            if pool.open == 0 && (pool.learned.is_none() || self.pools.len() > MAX_POOLS) {
                self.pools.remove(place);
            }
        }
    }
}

/// Three quarters: far enough below a limit that is not ours.
fn below(limit: Duration) -> Duration {
    limit / 4 * 3
}
