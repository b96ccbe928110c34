//! What a webhook wants and has not been sent: runs of neighbouring offsets.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::{Instant, UnixMillis};

/// Neighbouring events that one webhook wants. 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The offset of the first.
    pub first: u64,
    /// How many.
    pub count: u32,
    /// Their bytes in a body, a separator each.
    pub bytes: u32,
    /// When the first of them was routed: where lingering begins.
    pub since: Instant,
    /// When the last of them was written to the log: where giving up begins.
    pub written_ms: UnixMillis,
}

impl Run {
    /// A run without events, for the ones to come.
    pub const fn empty(first: u64, since: Instant, written_ms: UnixMillis) -> Run {
        Run {
            first,
            count: 0,
            bytes: 0,
            since,
            written_ms,
        }
    }

    /// The offset behind the last.
    pub fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    /// Takes the neighbour in, if it is one and the sums fit.
    #[inline]
    pub(crate) fn join(&mut self, next: &Run) -> bool {
        if self.end() != next.first {
            return false;
        }
        match (
            self.count.checked_add(next.count),
            self.bytes.checked_add(next.bytes),
        ) {
            (Some(count), Some(bytes)) => {
                (self.count, self.bytes) = (count, bytes);
                self.written_ms = self.written_ms.max(next.written_ms);
                true
            }
            _ => false,
        }
    }
}

/// Runs this close in time are one when they touch: the price is a linger that is off by as much.
const SAME_TIME: Duration = Duration::from_millis(10);

/// From this many runs on there is more than a batch waiting, so that linger no longer matters
/// and neighbours of any age are one run.
const MANY: usize = 64;

/// Down to this many runs, room for more than [`MANY`] is given back: of ten thousand webhooks each would keep what it had
/// at its fullest.
const FEW: usize = 8;

/// The runs of one webhook, in the order of their offsets.
#[derive(Debug, Default)]
pub struct Runs(VecDeque<Run>);

impl Runs {
    /// Adds a run behind all others.
    #[inline]
    pub fn push(&mut self, run: Run) {
        let many = self.0.len() >= MANY;
        if let Some(last) = self.0.back_mut()
            && (many || run.since.since(last.since) <= SAME_TIME)
            && last.join(&run)
        {
            return;
        }
        self.0.push_back(run);
    }

    /// The oldest run.
    pub fn front(&self) -> Option<&Run> {
        self.0.front()
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Run> {
        self.0.iter()
    }

    /// How many runs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes off all but the first `count` runs.
    pub fn split_off(&mut self, count: usize) -> Vec<Run> {
        let gone = self.0.split_off(count.min(self.0.len()));
        self.0.shrink_to(MANY);
        gone.into()
    }

    /// Takes `count` events of `bytes` bytes off the front run, which has at least as many, and
    /// answers by how many bytes the runs have shrunk.
    pub fn take_front(&mut self, count: u32, bytes: u32) -> u32 {
        let Some(front) = self.0.front_mut() else {
            return 0;
        };
        debug_assert!(count <= front.count);
        if count >= front.count {
            let bytes = front.bytes;
            self.0.pop_front();
            if self.0.len() <= FEW {
                self.0.shrink_to(MANY);
            }
            return bytes;
        }
        let bytes = bytes.min(front.bytes);
        front.first += u64::from(count);
        front.count -= count;
        front.bytes -= bytes;
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(first: u64, count: u32, ms: u64) -> Run {
        Run {
            first,
            count,
            bytes: count.saturating_mul(10),
            since: Instant(ms * 1_000_000),
            written_ms: 0,
        }
    }

    #[test]
    fn neighbours_of_one_moment_become_one_run_and_keep_the_older_time() {
        let mut runs = Runs::default();
        runs.push(run(0, 5, 0));
        runs.push(run(5, 5, 9));
        assert_eq!(runs.iter().copied().collect::<Vec<_>>(), [run(0, 10, 0)]);
    }

    #[test]
    fn a_gap_or_a_later_time_begins_a_run() {
        let mut runs = Runs::default();
        runs.push(run(0, 5, 0));
        runs.push(run(6, 1, 0));
        runs.push(run(7, 1, 11));
        assert_eq!(runs.len(), 3);
    }

    #[test]
    fn a_backlog_merges_whatever_its_age() {
        let mut runs = Runs::default();
        for at in 0..10_000 {
            runs.push(run(at, 1, at * 100));
        }
        assert_eq!(runs.len(), MANY);
        assert_eq!(runs.iter().map(|r| u64::from(r.count)).sum::<u64>(), 10_000);
    }

    #[test]
    fn room_is_given_back_before_the_last_run_has_gone() {
        let mut runs = Runs::default();
        (0..1000).for_each(|n| runs.push(run(n * 2, 1, 0)));
        (FEW..1000).for_each(|_| _ = runs.take_front(1, 10));
        assert_eq!(runs.len(), FEW);
        assert!(runs.0.capacity() <= 2 * MANY);
    }

    #[test]
    fn sums_that_do_not_fit_stay_apart() {
        let mut big = run(0, u32::MAX, 0);
        big.bytes = 10;
        let mut runs = Runs::default();
        runs.push(big);
        runs.push(run(u64::from(u32::MAX), 1, 0));
        assert_eq!(runs.len(), 2);
    }

    #[test]
    fn taking_from_the_front_leaves_the_rest() {
        let mut runs = Runs::default();
        runs.push(run(0, 5, 0));
        runs.take_front(2, 20);
        assert_eq!(runs.front(), Some(&run(2, 3, 0)));
        runs.take_front(3, 30);
        assert!(runs.is_empty());
    }
}
