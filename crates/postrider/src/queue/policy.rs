//! What a full queue does, what it answers, and what it counts.

use std::time::Duration;

use super::{MAX_CAPACITY, MIN_CAPACITY};
use crate::sync::Counter;

/// What to do with a record for which the queue has no space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FullPolicy {
    /// Refuse it at once: [`Refused::Full`].
    #[default]
    Fail,
    /// Sleep until there is space, at most this long from finding the queue full; then
    /// [`Refused::TimedOut`].
    Wait(Duration),
    /// Drop it and count it: [`Refused::Dropped`], which a caller may take for success.
    Drop,
}

/// Why a record was not taken. Nothing of it is in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// No space now. Try again later, or give the queue more bytes.
    #[error("the queue is full")]
    Full,
    /// No space within the time that the policy allows.
    #[error("the queue stayed full for {0:?}")]
    TimedOut(Duration),
    /// No space, and the policy says to drop.
    #[error("the queue is full; the event was dropped")]
    Dropped,
    /// The queue was closed.
    #[error("the queue is closed")]
    Closed,
    /// It would never fit.
    #[error("a text of {bytes} bytes is too long for this queue: at most {max}")]
    TooLong {
        /// Bytes asked for.
        bytes: usize,
        /// Bytes that this queue takes.
        max: usize,
    },
}

/// Why a queue could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The capacity is out of range.
    #[error("a queue of {0} bytes: need a power of two from {MIN_CAPACITY} to {MAX_CAPACITY}")]
    Capacity(usize),
    /// The memory could not be had.
    #[error("a queue of {bytes} bytes: cannot map memory: {source}")]
    Map {
        /// Bytes asked for.
        bytes: usize,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// Figures of a queue since it was made. Each is exact by itself; together they are no snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounters {
    /// Records drained. Counted there because one more shared counter would make every push dearer;
    /// what is pushed and not yet drained is within `used_bytes`.
    pub drained: u64,
    /// Pushes refused under [`FullPolicy::Fail`].
    pub failed: u64,
    /// Pushes dropped under [`FullPolicy::Drop`].
    pub dropped: u64,
    /// Pushes that had to wait under [`FullPolicy::Wait`], whether or not they then succeeded.
    pub waited: u64,
    /// Pushes that waited in vain.
    pub timed_out: u64,
    /// Bytes claimed and not yet drained, records rounded up and padding included.
    pub used_bytes: u64,
}

/// The counters that producers touch, only when the queue is full.
#[derive(Debug, Default)]
pub(super) struct FullCounters {
    pub(super) failed: Counter,
    pub(super) dropped: Counter,
    pub(super) waited: Counter,
    pub(super) timed_out: Counter,
}
