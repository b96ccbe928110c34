//! What the records add up to.

use super::record::{BatchStart, Code, Reason, Record};
use crate::time::UnixMillis;
use std::collections::BTreeMap;
use uuid::Uuid;

/// How many statuses of failed or retried batches are kept per webhook.
pub const HISTORY: usize = 1000;
/// How many statuses of batches delivered at once are kept per webhook.
pub const HISTORY_FIRST_TRY: usize = 50;

/// A webhook's events, every one in exactly one place:
/// `accepted = delivered + dead + dropped + open`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Wanted events below `scanned_to`.
    pub accepted: u64,
    /// In batches that the receiver took.
    pub delivered: u64,
    /// In batches given up.
    pub dead: u64,
    /// Dropped, by reason.
    pub dropped: BTreeMap<Reason, u64>,
    /// In batches without an end.
    pub open: u64,
}

/// Books that don't balance: a defect, or a hole in the journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("webhook {webhook}: {accepted} accepted, {accounted} accounted for")]
pub struct Imbalance {
    /// Whose books.
    pub webhook: Uuid,
    /// Accepted events.
    pub accepted: u64,
    /// Delivered, dead, dropped and open together.
    pub accounted: u64,
}

/// What is remembered of one webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookState {
    /// The last revision recorded.
    pub revision: u32,
    /// True once it forms no more batches.
    pub deleted: bool,
    /// It has looked at every offset below this one.
    pub scanned_to: u64,
    /// Its books at `scanned_to`.
    pub books: Books,
    /// When a batch last arrived.
    pub last_success_ms: Option<UnixMillis>,
    /// When an attempt last failed.
    pub last_failure_ms: Option<UnixMillis>,
}

/// How a batch's last attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When.
    pub at_ms: UnixMillis,
    /// The HTTP status, when a complete answer came.
    pub status: Option<u16>,
    /// The error's code.
    pub code: Code,
    /// Milliseconds.
    pub latency_ms: u32,
}

/// A batch without an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBatch {
    /// As it was formed.
    pub start: BatchStart,
    /// Attempts begun.
    pub attempts: u32,
    /// True while the last attempt has no outcome: after a crash it goes out again.
    pub in_flight: bool,
    /// Its last failure.
    pub failure: Option<Failure>,
    /// When the next attempt is due; 0: at once.
    pub next_at_ms: UnixMillis,
    /// Where its age begins: its youngest event's writing, or its replay.
    pub age_from_ms: UnixMillis,
    /// Attempts that ended in a complete 400 or 422.
    pub refused: u32,
    /// True while every attempt that ended did so in a complete 400, 413 or 422: it may be split.
    pub only_refused: bool,
}

/// A batch given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// As it was formed.
    pub start: BatchStart,
    /// Why.
    pub reason: Reason,
    /// When.
    pub dead_ms: UnixMillis,
    /// Attempts made.
    pub attempts: u32,
    /// Its last failure.
    pub failure: Option<Failure>,
}

/// One line of a webhook's batch history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchStatus {
    /// The batch.
    pub batch: Uuid,
    /// When its last attempt ended.
    pub at_ms: UnixMillis,
    /// Failed attempts.
    pub failed: u32,
    /// Events in it.
    pub events: u32,
    /// The last HTTP status.
    pub status: Option<u16>,
    /// The last failure's code; empty when delivered.
    pub code: Code,
    /// The last attempt's latency, milliseconds.
    pub latency_ms: u32,
    /// True when it arrived.
    pub delivered: bool,
}

/// What the journal's records add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {}

impl State {
    /// Takes one record into account. A record about something unknown (behind a hole) changes
    /// nothing but [`strays`](Self::strays).
    pub fn apply(&mut self, record: &Record) {
        let _ = record;
        todo!()
    }

    /// One webhook.
    pub fn webhook(&self, id: Uuid) -> Option<&WebhookState> {
        let _ = id;
        todo!()
    }

    /// All webhooks that anything is remembered of, by id.
    pub fn webhooks(&self) -> impl Iterator<Item = (Uuid, &WebhookState)> {
        std::iter::empty()
    }

    /// One open batch.
    pub fn batch(&self, id: Uuid) -> Option<&OpenBatch> {
        let _ = id;
        todo!()
    }

    /// All open batches, in the order they were formed.
    pub fn batches(&self) -> impl Iterator<Item = &OpenBatch> {
        std::iter::empty()
    }

    /// One dead letter.
    pub fn dead_letter(&self, id: Uuid) -> Option<&DeadLetter> {
        let _ = id;
        todo!()
    }

    /// All dead letters, oldest first.
    pub fn dead_letters(&self) -> impl Iterator<Item = &DeadLetter> {
        std::iter::empty()
    }

    /// Above every offset that any record has named.
    pub fn next_offset(&self) -> u64 {
        todo!()
    }

    /// Records that spoke of a batch or webhook not known: only behind a hole.
    pub fn strays(&self) -> u64 {
        todo!()
    }

    /// A webhook's batch history, newest first: failing, failed and retried batches, and with
    /// `first_tries` also the latest that arrived at once.
    pub fn batch_status(&self, webhook: Uuid, limit: usize, first_tries: bool) -> Vec<BatchStatus> {
        let _ = (webhook, limit, first_tries);
        todo!()
    }

    /// Drops history older than this.
    pub fn forget_history_before(&mut self, at_ms: UnixMillis) {
        let _ = at_ms;
        todo!()
    }

    /// Checks every webhook's books.
    pub fn check(&self) -> Result<(), Imbalance> {
        todo!()
    }
}
