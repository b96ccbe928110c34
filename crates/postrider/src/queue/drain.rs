//! The consumer's end: take what is there, release it at once, sleep when there is nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::bell::Armed;
use super::push::Queue;
use super::word::{self, Kind};
use crate::event::{ENTRY_BYTES, Entry};
use crate::sync::{self, Ordering};
use crate::time::{Clock, SystemClock};

/// Looks at an open claim before napping: about two microseconds, many times what a copy takes, and
/// time for any processor to make a commit visible that did not see the bell.
const SPINS: u32 = if cfg!(postrider_loom) { 1 } else { 50 };
/// How long at most a claim that stays open is not looked at.
const NAP: Duration = Duration::from_millis(1);

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
        while let Some((kind, bytes)) = self.at(at) {
            let end = at + word::granules(bytes);
            ring.prefetch_record(end);
            match kind {
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

    /// Closes the queue if all that was ever claimed is drained: no push that succeeded is left behind,
    /// and none succeeds any more.
    pub fn close_if_drained(&self) -> bool {
        self.queue.close_at(self.head)
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
    pub fn sleep(&self, timeout: Duration, more: impl FnOnce() -> bool) -> bool {
        let bell = &self.queue.work.0;
        let armed = bell.arm();
        let rested = if self.queue.is_claimed(self.head) {
            self.await_commit(armed, more);
            true
        } else {
            more() || bell.sleep(armed, Some(SystemClock.now().mono.after(timeout)))
        };
        bell.disarm();
        rested
    }

    /// Waits for the commit of what is claimed at the head: it is a copy away, unless its thread was
    /// interrupted in between. Then this naps; if he saw the bell armed the commit ends the nap.
    fn await_commit(&self, armed: Armed, more: impl FnOnce() -> bool) {
        for _ in 0..SPINS {
            if self.at(self.head).is_some() {
                return;
            }
            sync::spin();
        }
        if !more() {
            let deadline = SystemClock.now().mono.after(NAP);
            self.queue.work.0.sleep(armed, Some(deadline));
        }
    }

    /// What is committed at `position`, and its bytes.
    #[inline]
    fn at(&self, position: u64) -> Option<(Kind, usize)> {
        let ring = &self.queue.ring;
        let word = ring.word(position).load(Ordering::Acquire);
        word::decode(word, ring.lap(position))
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}
