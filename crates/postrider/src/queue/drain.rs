//! The consumer's end: take what is there, release it at once, sleep when there is nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::push::Queue;
use super::word::{self, Kind};
use crate::event::{ENTRY_BYTES, Entry};
use crate::sync::Ordering;
use crate::time::{Clock, SystemClock};

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
    queue: Arc<Queue>,
    /// The queue's head; only the drain moves it.
    head: u64,
}

impl Drain {
    pub(super) fn of(queue: Arc<Queue>) -> Drain {
        Drain { queue, head: 0 }
    }

    /// Hands `take` every record that is there (entry; text with separator), in order, and then
    /// releases their space at once. Ends at the first unfinished claim, before the record that would
    /// pass `max_bytes` of the ring (but takes at least one), or when `take` answers false: that record
    /// stays and comes again.
    ///
    /// If `take` panics nothing is released: the records of this call come again.
    pub fn drain(
        &mut self,
        max_bytes: usize,
        mut take: impl FnMut(&Entry, &[u8]) -> bool,
    ) -> Drained {
        let ring = &self.queue.ring;
        let start = self.head;
        let mut at = start;
        let mut records = 0;
        while let Some((kind, bytes)) =
            word::decode(ring.word(at).load(Ordering::Acquire), ring.lap(at))
        {
            let end = at + word::granules(bytes);
            match kind {
                Kind::Awaited => break,
                Kind::Padding => {}
                Kind::Record => {
                    if records > 0 && end - start > max_bytes as u64 {
                        break;
                    }
                    // SAFETY: its commit was acquired above; its space is released below.
                    let record = unsafe { ring.read(at, bytes) };
                    let (entry, text) = record
                        .split_first_chunk::<ENTRY_BYTES>()
                        .expect("a record begins with its entry");
                    if !take(&Entry::from_bytes(entry), text) {
                        break;
                    }
                    records += 1;
                }
            }
            at = end;
        }
        if at != start {
            self.release(at, records);
        }
        Drained {
            records,
            position: at,
        }
    }

    fn release(&mut self, head: u64, records: u64) {
        self.head = head;
        let released = &self.queue.released.0;
        released.records.add(records);
        released.head.store(head, Ordering::Release);
        self.queue.space.0.ring();
    }

    /// Sleeps until there is a record to drain, somebody calls [`Queue::wake`], or `timeout` has
    /// passed, which is false; may return early. `more` is asked after the sleep is announced: true means
    /// do not sleep.
    ///
    /// The announcement to producers is a mark in the very word that the next record's commit replaces:
    /// the commit finds it there and wakes, and all other commits cost nothing.
    pub fn sleep(&self, timeout: Duration, more: impl FnOnce() -> bool) -> bool {
        let armed = self.queue.work.0.arm();
        if !self.await_next() || more() {
            return true;
        }
        let deadline = SystemClock.now().mono.after(timeout);
        self.queue.work.0.sleep(armed, Some(deadline))
    }

    /// Marks the next record's word as awaited; false if it is committed already.
    fn await_next(&self) -> bool {
        let ring = &self.queue.ring;
        let lap = ring.lap(self.head);
        let word = ring.word(self.head);
        let seen = word.load(Ordering::Relaxed);
        match word::decode(seen, lap) {
            Some((Kind::Record | Kind::Padding, _)) => false,
            // Left by an earlier sleep that ended otherwise.
            Some((Kind::Awaited, _)) => true,
            None => {
                let awaited = word::encode(lap, 0, Kind::Awaited);
                // It fails only against the commit.
                word.compare_exchange(seen, awaited, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
            }
        }
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}
