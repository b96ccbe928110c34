//! Which connection carries a request: a kept one, a new one, or for now none.

use std::sync::Arc;

use super::Client;
use super::conn::{Conn, Hint, Job};
use super::link::Link;
use super::socket::Peek;
use super::target::Place;
use crate::time::Instant;

/// The connections to one place.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// All of them.
    pub(super) open: usize,
    /// The slots of idle ones, the last used last.
    pub(super) idle: Vec<usize>,
}

impl Client {
    /// Finds a connection for a request, or lets it wait.
    pub(super) fn place(&mut self, mut job: Box<Job>, now: Instant) {
        if let Some((slot, link)) = self.reusable(job.target.place()) {
            job.reused = true;
            self.counters.reused += 1;
            let deadline = job.deadline;
            self.advance(slot, job, link, deadline, Hint::default(), now);
        } else if self.has_room(job.target.place()) {
            self.open(job, now);
        } else {
            self.due = self.due.min(job.deadline);
            self.waiting.push_back(job);
        }
    }

    /// Gives waiting requests another chance, in their order.
    pub(super) fn place_waiting(&mut self, now: Instant) {
        if !std::mem::take(&mut self.freed) {
            return;
        }
        let mut again = std::mem::take(&mut self.waiting);
        while !self.is_full() {
            let Some(job) = again.pop_front() else { break };
            self.place(job, now);
        }
        self.waiting.append(&mut again);
    }

    /// Whether no connection can be made and none can be reused.
    fn is_full(&self) -> bool {
        let idle = |(_, conn)| matches!(conn, &Conn::Idle { .. });
        self.slots.used() >= self.config.max_connections && !self.slots.iter().any(idle)
    }

    /// The idle connection to a place that was used last and is still usable.
    pub(super) fn reusable(&mut self, place: &Place) -> Option<(usize, Link)> {
        while let Some(slot) = self.pools.get_mut(place)?.idle.pop() {
            let Some(Conn::Idle { mut link, .. }) = self.slots.take(slot) else {
                continue;
            };
            if link.probe() == Peek::Quiet {
                return Some((slot, link));
            }
            link.close();
            self.release(slot, place);
        }
        None
    }

    /// Whether one more connection may be made, if need be in place of the longest idle one.
    pub(super) fn has_room(&mut self, place: &Place) -> bool {
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
        self.drop_connection(slot);
        true
    }

    /// Puts a connection into its slot and notes when it is due.
    pub(super) fn keep(&mut self, slot: usize, conn: Conn) {
        self.due = self.due.min(conn.due(self.config.idle_age));
        self.slots.put(slot, conn);
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
        if let Conn::Idle { link, .. } | Conn::Busy { link, .. } = conn {
            link.close();
        }
        self.release(slot, target.place());
    }

    /// Gives a slot back after its connection has ended.
    pub(super) fn release(&mut self, slot: usize, place: &Place) {
        self.slots.release(slot);
        self.freed = true;
        if let Some(pool) = self.pools.get_mut(place) {
            pool.open -= 1;
            if pool.open == 0 {
                self.pools.remove(place);
            }
        }
    }
}
