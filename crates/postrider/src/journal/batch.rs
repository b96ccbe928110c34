//! Batches as the state knows them: open, dead, or a line of history.

use super::record::{BatchStart, Code, Half, Reason};
use crate::time::UnixMillis;
use uuid::Uuid;

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

/// Where the bytes of a batch are that the webhook's own filters have rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The file.
    pub file: Uuid,
    /// The first of its events that belongs to the batch.
    pub first: u32,
}

/// A batch without an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBatch {
    /// As it was formed; events and bytes as they were rendered.
    pub start: BatchStart,
    /// What goes out instead of what the log has.
    pub rendered: Option<Rendered>,
    /// It went out as the log has it before it was replayed, and so goes out again.
    pub as_logged: bool,
    /// Attempts begun, since the replay if it was replayed.
    pub attempts: u32,
    /// Attempts failed, likewise.
    pub failed: u32,
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

impl OpenBatch {
    pub(super) fn new(start: BatchStart, age_from_ms: UnixMillis) -> OpenBatch {
        OpenBatch {
            start,
            rendered: None,
            as_logged: false,
            attempts: 0,
            failed: 0,
            in_flight: false,
            failure: None,
            next_at_ms: 0,
            age_from_ms,
            refused: 0,
            only_refused: true,
        }
    }

    pub(super) fn half(&self, half: &Half, at_ms: UnixMillis) -> OpenBatch {
        let start = BatchStart {
            batch: half.batch,
            spans: match self.rendered {
                None => half.spans.clone(),
                Some(_) => self.start.spans.clone(),
            },
            events: half.events,
            bytes: half.bytes,
            formed_ms: at_ms,
            ..self.start.clone()
        };
        OpenBatch::new(start, self.age_from_ms)
    }

    /// Whether what goes out is settled: rendered, or as the log has it.
    pub fn is_settled(&self) -> bool {
        self.rendered.is_some() || self.as_logged || self.attempts > 0
    }

    pub(super) fn events(&self) -> u64 {
        self.start.events.into()
    }
}

/// A batch given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// As it was formed; events and bytes as they were rendered.
    pub start: BatchStart,
    /// What goes out when it is replayed, instead of what the log has.
    pub rendered: Option<Rendered>,
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

impl BatchStatus {
    /// Of a batch that failed at least once.
    pub(super) fn failing(batch: &OpenBatch) -> Option<BatchStatus> {
        let failure = batch.failure.clone()?;
        Some(BatchStatus {
            batch: batch.start.batch,
            at_ms: failure.at_ms,
            failed: batch.failed,
            events: batch.start.events,
            status: failure.status,
            code: failure.code,
            latency_ms: failure.latency_ms,
            delivered: false,
        })
    }
}
