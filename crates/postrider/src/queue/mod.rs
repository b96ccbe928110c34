//! The queue between threads that push and the one thread that writes.

mod bell;
mod watermark;

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

pub use watermark::Watermark;

use crate::event::Entry;

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
    /// It would never fit.
    #[error("a record of {bytes} bytes is too long for this queue: at most {max}")]
    TooLong {
        /// Bytes asked for.
        bytes: usize,
        /// Bytes that this queue takes.
        max: usize,
    },
}

/// Why a queue could not be made.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The capacity is out of range.
    #[error("queue of {0} bytes: need a power of two from {MIN_CAPACITY} to {MAX_CAPACITY}")]
    Capacity(usize),
    /// The memory could not be had.
    #[error("queue of {bytes} bytes: cannot map memory: {source}")]
    Map {
        /// Bytes asked for.
        bytes: usize,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// The smallest capacity of a queue, in bytes.
pub const MIN_CAPACITY: usize = 4 << 10;
/// The largest capacity of a queue, in bytes.
pub const MAX_CAPACITY: usize = 4 << 30;

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
    /// Bytes claimed and not yet drained.
    pub used_bytes: u64,
}

/// Makes a queue of `capacity_bytes`, a power of two, and its one drain. The memory is touched
/// ahead, so that no push meets a page fault.
pub fn queue(_capacity_bytes: usize) -> Result<(Arc<Queue>, Drain), QueueError> {
    todo!()
}

/// The producers' end: any number of threads.
pub struct Queue {}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

impl Queue {
    /// Puts one record in: its entry, and its text with the separator behind it. Answers the position
    /// after it: once [`Drained::position`] is there or above, the record is drained. Never blocks.
    pub fn push(&self, entry: &Entry, text_and_separator: &[u8]) -> Result<u64, Refused> {
        self.push_by(entry, text_and_separator, FullPolicy::Fail)
    }

    /// As [`push`](Self::push), with another policy for a full queue.
    pub fn push_by(
        &self,
        _entry: &Entry,
        _text_and_separator: &[u8],
        _policy: FullPolicy,
    ) -> Result<u64, Refused> {
        todo!()
    }

    /// Claims space for a text (separator included) of `text_bytes`, to be filled in place. The drain
    /// cannot pass an unfinished claim: fill it and commit it without waiting for anything.
    pub fn claim(&self, _text_bytes: usize, _policy: FullPolicy) -> Result<Claim<'_>, Refused> {
        todo!()
    }

    /// The position after the last claim: what was pushed before this call, by any thread, is below.
    pub fn position(&self) -> u64 {
        todo!()
    }

    /// Wakes the drain if it sleeps: for those with other work for its thread. Make the work visible
    /// first, so that the `more` of [`Drain::sleep`] sees it.
    pub fn wake(&self) {
        todo!()
    }

    /// The longest text (separator included) that this queue takes.
    pub fn max_text_bytes(&self) -> usize {
        todo!()
    }

    /// The counters now.
    pub fn counters(&self) -> QueueCounters {
        todo!()
    }
}

/// Claimed space of one record, as a slice to be filled. Dropped without [`commit`](Claim::commit),
/// also by a panic, it becomes padding.
pub struct Claim<'q> {
    _queue: &'q Queue,
}

impl Claim<'_> {
    /// Hands the record to the drain; answers the position after it.
    pub fn commit(self, _entry: &Entry) -> u64 {
        todo!()
    }
}

impl Deref for Claim<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        todo!()
    }
}

impl DerefMut for Claim<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        todo!()
    }
}

/// What one call of [`Drain::drain`] took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Records taken.
    pub records: u64,
    /// Everything below this position has been drained, now or before.
    pub position: u64,
}

/// The consumer's end: one thread.
pub struct Drain {
    _queue: Arc<Queue>,
}

impl Drain {
    /// Hands `take` every record that is there, in order, and then releases their space at once. Ends
    /// at the first unfinished claim, before the record that would pass `max_bytes` (but takes at least
    /// one), or when `take` answers false: that record stays and comes again.
    ///
    /// If `take` panics nothing is released: the records of this call come again.
    pub fn drain(
        &mut self,
        _max_bytes: usize,
        _take: impl FnMut(&Entry, &[u8]) -> bool,
    ) -> Drained {
        todo!()
    }

    /// Sleeps until there is a record to drain, somebody calls [`Queue::wake`], or `timeout` has
    /// passed; may return early. `more` is asked after the sleep is announced: true means do not sleep.
    pub fn sleep(&self, _timeout: Duration, _more: impl FnOnce() -> bool) {
        todo!()
    }
}
