//! The producers' end: claim, fill, commit.
//!
//! A claim moves the tail by compare-exchange, not by fetch-add. Fetch-add is dearer for nobody and
//! does not retry under contention (from two threads, each with other work between, 75 ns against 86
//! in all), but it cannot be taken back, and a bounded ring must be able to answer "full" without
//! having claimed what isn't there.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::bell::Bell;
use super::policy::{FullCounters, FullPolicy, QueueCounters, Refused};
use super::ring::Ring;
use super::word::{self, Kind};
use crate::event::{ENTRY_BYTES, Entry};
use crate::sync::{AtomicU64, Counter, Ordering};
use crate::time::{Clock, SystemClock};

/// Two cache lines, since processors fetch them in pairs: what is in one such slot is not slowed by
/// writes to another.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Apart<T>(pub(super) T);

/// What the producers share.
#[derive(Debug, Default)]
struct Claimed {
    /// The position after the last claim.
    tail: AtomicU64,
    /// The head as a producer last saw it, at or below the real one. Read with the tail, from the same
    /// line, so that the head's line is fetched only when the ring looks full.
    head_seen: AtomicU64,
}

/// What the drain writes, once per drain.
#[derive(Debug, Default)]
pub(super) struct Released {
    /// Everything below is drained, its space free.
    pub(super) head: AtomicU64,
    pub(super) records: Counter,
}

/// Set in the tail: no claim is taken any more. It is above every position, so a claim finds the ring
/// full, and only then does anyone look for the reason.
const CLOSED: u64 = 1 << 63;

/// The producers' end: any number of threads.
pub struct Queue {
    claimed: Apart<Claimed>,
    pub(super) released: Apart<Released>,
    /// Rung by commits and by [`Queue::wake`], for the drain alone.
    pub(super) work: Apart<Bell>,
    /// Rung when space was released.
    pub(super) space: Apart<Bell>,
    full: FullCounters,
    pub(super) ring: Ring,
}

impl Queue {
    pub(super) fn over(ring: Ring) -> Queue {
        Queue {
            claimed: Default::default(),
            released: Default::default(),
            work: Default::default(),
            space: Default::default(),
            full: Default::default(),
            ring,
        }
    }

    /// Puts one record in: its entry, and its text with the separator behind it. Answers the position
    /// after it: once [`Drained::position`](super::Drained::position) is there or above, the record is
    /// drained. Never blocks.
    #[inline]
    pub fn push(&self, entry: &Entry, text_and_separator: &[u8]) -> Result<u64, Refused> {
        self.push_by(entry, text_and_separator, FullPolicy::Fail)
    }

    /// As [`push`](Self::push), with another policy for a full queue.
    #[inline]
    pub fn push_by(
        &self,
        entry: &Entry,
        text_and_separator: &[u8],
        policy: FullPolicy,
    ) -> Result<u64, Refused> {
        let mut claim = self.claim(text_and_separator.len(), policy)?;
        claim.copy_from_slice(text_and_separator);
        Ok(claim.commit(entry))
    }

    /// Claims space for a text (separator included) of `text_bytes`, to be filled in place. It holds
    /// bytes of earlier records until then. The drain cannot pass an unfinished claim: fill and commit
    /// it without waiting for anything.
    #[inline]
    pub fn claim(&self, text_bytes: usize, policy: FullPolicy) -> Result<Claim<'_>, Refused> {
        let max = self.max_text_bytes();
        if text_bytes > max {
            return Err(Refused::TooLong {
                bytes: text_bytes,
                max,
            });
        }
        let bytes = ENTRY_BYTES + text_bytes;
        match self.try_claim(bytes) {
            Some(claim) => Ok(claim),
            None => self.refuse_or_wait(bytes, policy),
        }
    }

    #[inline]
    fn try_claim(&self, bytes: usize) -> Option<Claim<'_>> {
        let Claimed { tail, head_seen } = &self.claimed.0;
        let needed = word::granules(bytes);
        let mut at = tail.load(Ordering::Relaxed);
        loop {
            let to_end = self.ring.to_end(at);
            let padding = if needed > to_end { to_end } else { 0 };
            let end = at + padding + needed;
            // Acquired, so that the drain is done reading what this claim will overwrite.
            if end > head_seen.load(Ordering::Acquire) + self.ring.capacity() {
                let head = self.released.0.head.load(Ordering::Acquire);
                if end > head + self.ring.capacity() {
                    return None;
                }
                head_seen.store(head, Ordering::Release);
            }
            // Acquired for `is_claimed`.
            match tail.compare_exchange_weak(at, end, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => {
                    if padding > 0 {
                        self.commit(at, padding as usize, Kind::Padding);
                    }
                    return Some(Claim {
                        queue: self,
                        at: at + padding,
                        bytes,
                    });
                }
                Err(now) => at = now,
            }
        }
    }

    #[cold]
    fn refuse_or_wait(&self, bytes: usize, policy: FullPolicy) -> Result<Claim<'_>, Refused> {
        if self.is_closed() {
            return Err(Refused::Closed);
        }
        let limit = match policy {
            FullPolicy::Fail => {
                self.full.failed.add(1);
                return Err(Refused::Full);
            }
            FullPolicy::Drop => {
                self.full.dropped.add(1);
                return Err(Refused::Dropped);
            }
            FullPolicy::Wait(limit) => limit,
        };
        self.full.waited.add(1);
        let deadline = SystemClock.now().mono.after(limit);
        let mut in_time = true;
        loop {
            let armed = self.space.0.arm();
            if let Some(claim) = self.try_claim(bytes) {
                return Ok(claim);
            }
            if self.is_closed() {
                return Err(Refused::Closed);
            }
            if !in_time {
                self.full.timed_out.add(1);
                return Err(Refused::TimedOut(limit));
            }
            in_time = self.space.0.sleep(armed, Some(deadline));
        }
    }

    /// Publishes what begins at `at`, and wakes the drain if it sleeps.
    ///
    /// A plain store, then a plain load: a locked instruction here would wait until the record's cold
    /// cache lines are written, a third of the price of a push that other work surrounds. `is_claimed`
    /// says why that is enough.
    #[inline]
    fn commit(&self, at: u64, bytes: usize, kind: Kind) {
        let committed = word::encode(self.ring.lap(at), bytes, kind);
        self.ring.word(at).store(committed, Ordering::Release);
        if self.work.0.is_armed() {
            self.work.0.ring();
        }
    }

    /// For a drain that has armed its bell and stands at `head`: whether something is claimed there. If
    /// not, whoever claims it will find the bell armed when he commits: his claim and this look change
    /// the same location, so one comes first, and he acquires the other.
    pub(super) fn is_claimed(&self, head: u64) -> bool {
        self.claimed.0.tail.fetch_add(0, Ordering::AcqRel) & !CLOSED != head
    }

    /// For the drain, which stands at `head`: takes no claim any more, unless there is one above.
    pub(super) fn close_at(&self, head: u64) -> bool {
        let tail = &self.claimed.0.tail;
        let closed =
            tail.compare_exchange(head, head | CLOSED, Ordering::AcqRel, Ordering::Relaxed);
        self.space.0.ring();
        closed.is_ok()
    }

    /// Takes no claim any more, whatever is still to be drained: every push from now on is
    /// [`Refused::Closed`], those that wait for space included.
    pub fn close(&self) {
        self.claimed.0.tail.fetch_or(CLOSED, Ordering::AcqRel);
        self.space.0.ring();
    }

    fn is_closed(&self) -> bool {
        self.claimed.0.tail.load(Ordering::Acquire) & CLOSED != 0
    }

    /// The position after the last claim: what was pushed before this call, by any thread, is below.
    pub fn position(&self) -> u64 {
        self.claimed.0.tail.load(Ordering::Acquire) & !CLOSED
    }

    /// Wakes the drain if it sleeps: for those with other work for its thread. Make the work visible
    /// first, so that the `more` of [`Drain::sleep`](super::Drain::sleep) sees it.
    pub fn wake(&self) {
        self.work.0.ring();
    }

    /// The longest text (separator included) that this queue takes: a quarter of its capacity less an
    /// entry, so that a record and the padding before it always fit into an empty ring; 4 MiB at most.
    #[inline]
    pub fn max_text_bytes(&self) -> usize {
        (self.ring.capacity() as usize / 4).min(word::MAX_BYTES) - ENTRY_BYTES
    }

    /// The counters now.
    pub fn counters(&self) -> QueueCounters {
        let head = self.released.0.head.load(Ordering::Acquire);
        QueueCounters {
            drained: self.released.0.records.load(),
            failed: self.full.failed.load(),
            dropped: self.full.dropped.load(),
            waited: self.full.waited.load(),
            timed_out: self.full.timed_out.load(),
            used_bytes: self.position() - head,
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("capacity", &self.ring.capacity())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

/// Claimed space of one record: its text, separator included, as a slice to be filled. Dropped without
/// [`commit`](Claim::commit), also by a panic, it becomes padding.
#[must_use = "an uncommitted claim is dropped as padding"]
pub struct Claim<'q> {
    queue: &'q Queue,
    at: u64,
    bytes: usize,
}

impl Claim<'_> {
    /// Hands the record to the drain; answers the position after it.
    #[inline]
    pub fn commit(mut self, entry: &Entry) -> u64 {
        self.record()[..ENTRY_BYTES].copy_from_slice(&entry.to_bytes());
        let Claim { queue, at, bytes } = *std::mem::ManuallyDrop::new(self);
        queue.commit(at, bytes, Kind::Record);
        // For the next: the ring is larger than the caches, and a copy into lines that are elsewhere takes several times
        // as long. Whoever makes a text meanwhile has them when it is made.
        queue.ring.prefetch_claim(queue.position());
        at + word::granules(bytes)
    }

    #[inline]
    fn record(&mut self) -> &mut [u8] {
        // SAFETY: claimed by this claim alone, within one lap, and not yet committed.
        unsafe { self.queue.ring.write(self.at, self.bytes) }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.queue.commit(self.at, self.bytes, Kind::Padding);
    }
}

impl Deref for Claim<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: claimed by this claim alone, within one lap, and not yet committed.
        unsafe { &self.queue.ring.read(self.at, self.bytes)[ENTRY_BYTES..] }
    }
}

impl DerefMut for Claim<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.record()[ENTRY_BYTES..]
    }
}

impl fmt::Debug for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("at", &self.at)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
