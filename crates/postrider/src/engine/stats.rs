//! Figures of an engine.

use super::{Engine, Shared};
use crate::deliver::{Snapshot, WebhookBooks};
use crate::inbox::TakerStats;
use crate::log::LogStats;
use crate::queue::QueueCounters;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// Figures of an engine. The webhooks' books are one snapshot at one offset of the log; counters of
/// other parts are exact by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Pushes (and inbox events) of types that nobody wants.
    pub unwanted: u64,
    /// Pushes refused because the event was not acceptable.
    pub invalid: u64,
    /// Inbox events of a custom type that this engine does not know; they were dropped.
    pub inbox_unknown_type: u64,
    /// Appends to the log that the disk refused, retries included.
    pub append_failures: u64,
    /// The queue's counters.
    pub queue: QueueCounters,
    /// The log's figures.
    pub log: LogStats,
    /// The inbox's figures.
    pub inbox: TakerStats,
    /// The books of every webhook at `books.offset`.
    pub books: Snapshot,
}

impl Stats {
    /// Whether every webhook's books balance: accepted = delivered + dead + dropped + pending.
    pub fn balanced(&self) -> bool {
        self.books.webhooks.values().all(WebhookBooks::balanced)
    }
}

impl Engine {
    /// Figures now. Asks the deliver thread, so it takes up to one turn of its loop; when the engine
    /// is closed, the books are empty. In a forked child all is zero but what this process counted
    /// itself: see [`child_stats`](Self::child_stats).
    pub fn stats(&self) -> Stats {
        let shared = self.shared();
        let counted = Stats {
            unwanted: shared.counters.unwanted.load(Ordering::Relaxed),
            invalid: shared.counters.invalid.load(Ordering::Relaxed),
            inbox_unknown_type: shared.counters.inbox_unknown_type.load(Ordering::Relaxed),
            append_failures: shared.counters.append_failures.load(Ordering::Relaxed),
            ..Stats::default()
        };
        if self.is_child() {
            // The rest is behind locks that a thread of the parent may have held at the fork.
            return counted;
        }
        Stats {
            queue: shared.queue.counters(),
            log: shared.log.stats(),
            inbox: *shared
                .inbox_stats
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
            books: books(shared).unwrap_or_default(),
            ..counted
        }
    }
}

fn books(shared: &Shared) -> Option<Snapshot> {
    shared.deliverer.get()?.books().ok()
}
