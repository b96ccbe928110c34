//! What a webhook wants and has not been sent: runs of neighbouring offsets.
//!
//! Webhooks by the ten thousand are filled and emptied by turns, a thousand runs and more each time. In a ring that grows
//! by doubling each of them would keep the room of its fullest moment; shrunk in place, it would leave a hole that its own
//! rest keeps from joining others: with ten thousand webhooks these held more memory than all else. So runs are kept in pages of
//! one size: a page that one webhook has done with serves the next.

use std::collections::LinkedList;
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

/// Runs of one page: half a kilobyte.
const PAGE: usize = 16;

/// Some neighbouring runs.
#[derive(Debug)]
struct Page {
    runs: [Run; PAGE],
    /// Those before were taken off.
    first: u8,
    /// Those from here on are yet to come.
    end: u8,
}

impl Page {
    fn of(run: Run) -> Page {
        Page {
            runs: [run; PAGE],
            first: 0,
            end: 1,
        }
    }

    fn runs(&self) -> &[Run] {
        &self.runs[self.first.into()..self.end.into()]
    }

    fn runs_mut(&mut self) -> &mut [Run] {
        &mut self.runs[self.first.into()..self.end.into()]
    }

    /// `false` where it is full.
    fn push(&mut self, run: Run) -> bool {
        let room = self.runs.get_mut(usize::from(self.end));
        self.end += u8::from(room.is_some());
        room.map(|room| *room = run).is_some()
    }
}

/// The runs of one webhook, in the order of their offsets.
#[derive(Debug, Default)]
pub struct Runs {
    /// None is empty.
    pages: LinkedList<Page>,
    len: usize,
}

impl Runs {
    /// Adds a run behind all others.
    #[inline]
    pub fn push(&mut self, run: Run) {
        let many = self.len >= MANY;
        let last = self.pages.back_mut();
        if let Some(last) = last.and_then(|page| page.runs_mut().last_mut())
            && (many || run.since.since(last.since) <= SAME_TIME)
            && last.join(&run)
        {
            return;
        }
        self.len += 1;
        if !self.pages.back_mut().is_some_and(|page| page.push(run)) {
            self.pages.push_back(Page::of(run));
        }
    }

    /// The oldest run.
    pub fn front(&self) -> Option<&Run> {
        self.iter().next()
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Run> {
        self.pages.iter().flat_map(Page::runs)
    }

    /// How many runs there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes off all but the first `count` runs.
    pub fn split_off(&mut self, count: usize) -> Vec<Run> {
        let gone = self.iter().skip(count).copied().collect();
        while self.len > count
            && let Some(last) = self.pages.back_mut()
        {
            let cut = last.runs().len().min(self.len - count);
            last.end -= cut as u8;
            self.len -= cut;
            if last.runs().is_empty() {
                self.pages.pop_back();
            }
        }
        gone
    }

    /// Takes `count` events of `bytes` bytes off the front run, which has at least as many, and
    /// answers by how many bytes the runs have shrunk.
    pub fn take_front(&mut self, count: u32, bytes: u32) -> u32 {
        let Some(page) = self.pages.front_mut() else {
            return 0;
        };
        let Some(front) = page.runs_mut().first_mut() else {
            return 0;
        };
        debug_assert!(count <= front.count);
        if count >= front.count {
            let bytes = front.bytes;
            page.first += 1;
            self.len -= 1;
            if page.runs().is_empty() {
                self.pages.pop_front();
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

    /// Pages that are held, at most, for what is there.
    fn needed(runs: &Runs) -> usize {
        // The first may be partly taken off, the last partly filled.
        runs.len().div_ceil(PAGE) + 1
    }

    #[test]
    fn no_more_room_is_kept_than_the_runs_need_that_are_there() {
        let mut runs = Runs::default();
        for round in 0..3 {
            for n in 0..1000 {
                runs.push(run(round * 2000 + n * 2, 1, 0));
                assert!(runs.pages.len() <= needed(&runs));
            }
            while runs.len() > 5 {
                runs.take_front(1, 10);
                assert!(runs.pages.len() <= needed(&runs));
            }
        }
        (0..5).for_each(|_| _ = runs.take_front(1, 10));
        assert_eq!((runs.len(), runs.pages.len()), (0, 0));
    }

    #[test]
    fn what_is_split_off_is_the_rest_in_order_and_its_room_goes_with_it() {
        for (taken, count) in [(0, 0), (3, 5), (3, 13), (5, 16), (0, 32), (7, 40), (0, 100)] {
            let all = (0..taken + 40).map(|n| run(n * 2, 1, 0));
            let mut runs = Runs::default();
            all.clone().for_each(|run| runs.push(run));
            (0..taken).for_each(|_| _ = runs.take_front(1, 10));
            let gone = runs.split_off(count);
            assert_eq!(
                (runs.len(), gone.len()),
                (count.min(40), 40 - count.min(40))
            );
            let both = runs.iter().copied().chain(gone).collect::<Vec<_>>();
            assert_eq!(both, all.skip(taken as usize).collect::<Vec<_>>());
            assert!(runs.pages.len() <= needed(&runs));
            runs.push(run(1000, 1, 0));
            assert_eq!(runs.iter().last(), Some(&run(1000, 1, 0)));
        }
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
