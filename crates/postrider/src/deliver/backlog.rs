//! What a webhook wants and no batch holds yet.
//!
//! Memory is bounded: runs that don't fit are only counted, the webhook *lags* from there on, and
//! when most of the runs in memory are used up the next ones are read back from the log's tables.

use crate::route::{Run, Runs};

/// What every webhook may keep, however little is left of the common budget, which does not count them.
const RUNS_AT_LEAST: usize = 16;

/// What one webhook may keep, however much is left.
const RUNS_AT_MOST: usize = 16 * 1024;

/// A webhook with this many runs is behind: it has batches waiting that take long to put together.
const RUNS_OF_ONE_BEHIND: usize = 64;

/// Runs in memory over all webhooks, beyond those that each has in any case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) used: usize,
    pub(crate) max: usize,
}

#[derive(Debug)]
pub(crate) struct Backlog {
    runs: Runs,
    /// Where the runs that are not in memory begin, and how many events they hold.
    lag: Option<Lag>,
    events: u64,
    bytes: u64,
    /// Offsets below are none of this webhook's business any more.
    from: u64,
}

#[derive(Clone, Copy, Debug)]
struct Lag {
    from: u64,
    events: u64,
}

impl Backlog {
    /// An empty backlog that begins at `from`.
    pub(crate) fn new(from: u64) -> Backlog {
        Backlog {
            runs: Runs::default(),
            lag: None,
            events: 0,
            bytes: 0,
            from,
        }
    }

    /// Events that wait.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// Their bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The runs in memory, oldest first.
    pub(crate) fn runs(&self) -> &Runs {
        &self.runs
    }

    /// Where it lags from, if it does.
    pub(crate) fn lag(&self) -> Option<u64> {
        self.lag.map(|lag| lag.from)
    }

    /// Events of the runs in memory.
    pub(crate) fn in_memory(&self) -> u64 {
        self.events - self.lag.map_or(0, |lag| lag.events).min(self.events)
    }

    /// Whether it is behind: it lags, or has many runs.
    pub(crate) fn is_behind(&self) -> bool {
        self.lag.is_some() || self.runs.len() >= RUNS_OF_ONE_BEHIND
    }

    /// Where it lags from, if runs should be read back now.
    pub(crate) fn hungry(&self) -> Option<u64> {
        self.lag().filter(|_| self.runs.len() < RUNS_AT_LEAST / 2)
    }

    /// Where it began, or was last cut off.
    pub(crate) fn from(&self) -> u64 {
        self.from
    }

    /// Below this every event is in a batch, dropped, or was not wanted.
    pub(crate) fn position(&self, routed: u64) -> u64 {
        let front = self.runs.front().map(|run| run.first);
        front.or(self.lag()).unwrap_or(routed).max(self.from)
    }

    /// Takes a run from the router.
    #[inline]
    pub(crate) fn accept(&mut self, run: Run, budget: &mut Budget) {
        if run.first < self.from {
            debug_assert!(
                run.end() <= self.from,
                "frames are cut where webhooks begin"
            );
            return;
        }
        self.events += u64::from(run.count);
        self.bytes += u64::from(run.bytes);
        if let Some(lag) = &mut self.lag {
            lag.events += u64::from(run.count);
        } else if !self.keep(run, budget) {
            self.lag = Some(Lag {
                from: run.first,
                events: u64::from(run.count),
            });
        }
    }

    /// Counts events from `first` on without their runs: it lags from there on.
    pub(crate) fn count(&mut self, first: u64, events: u64, bytes: u64) {
        if first < self.from {
            // All of them are: where a webhook begins is between two counts.
            return;
        }
        self.events += events;
        self.bytes += bytes;
        let lag = self.lag.get_or_insert(Lag {
            from: first,
            events: 0,
        });
        lag.events += events;
    }

    /// Takes a run that was read back; `false` when there is no room, so that it lags from here.
    pub(crate) fn take_back(&mut self, run: Run, budget: &mut Budget) -> bool {
        match self.lag {
            Some(lag) if run.first >= lag.from => {}
            _ => return true,
        }
        let kept = self.keep(run, budget);
        if let Some(lag) = &mut self.lag {
            if kept {
                *lag = Lag {
                    from: run.end(),
                    events: lag.events.saturating_sub(run.count.into()),
                };
            } else {
                lag.from = run.first;
            }
        }
        kept
    }

    /// All tables below `reached` were looked at. Where that is all there is, the lag is over;
    /// answers how many events were counted and not found again.
    pub(crate) fn looked_to(&mut self, reached: u64, routed: u64) -> u64 {
        let Some(lag) = &mut self.lag else { return 0 };
        lag.from = lag.from.max(reached);
        if lag.from < routed {
            return 0;
        }
        let missing = lag.events;
        self.lag = None;
        self.events -= missing;
        missing
    }

    fn keep(&mut self, run: Run, budget: &mut Budget) -> bool {
        let (len, counted) = (self.runs.len(), self.counted());
        if len >= RUNS_AT_MOST || (len >= RUNS_AT_LEAST && budget.used >= budget.max) {
            return false;
        }
        self.runs.push(run);
        budget.used += self.counted() - counted;
        true
    }

    /// Runs that the common budget counts.
    fn counted(&self) -> usize {
        self.runs.len().saturating_sub(RUNS_AT_LEAST)
    }

    /// Gives back what it has of the common budget: it lags from there on.
    pub(crate) fn let_go(&mut self, budget: &mut Budget) {
        budget.used -= self.counted();
        let gone = self.runs.split_off(RUNS_AT_LEAST);
        let Some(first) = gone.first() else { return };
        let events: u64 = gone.iter().map(|run| u64::from(run.count)).sum();
        self.lag = Some(Lag {
            from: first.first,
            events: events + self.lag.map_or(0, |lag| lag.events),
        });
    }

    /// Takes `count` events of `bytes` bytes off the front run.
    pub(crate) fn take_front(&mut self, count: u32, bytes: u32, budget: &mut Budget) {
        let counted = self.counted();
        let taken = self.runs.take_front(count, bytes);
        budget.used -= counted - self.counted();
        self.events -= u64::from(count);
        self.bytes = self.bytes.saturating_sub(u64::from(taken));
        if self.events == 0 {
            self.bytes = 0;
        }
    }

    /// Forgets everything below `at`, which nothing in memory straddles, and answers how many
    /// events that was.
    pub(crate) fn drop_all(&mut self, at: u64, budget: &mut Budget) -> u64 {
        budget.used -= self.counted();
        let events = self.events;
        *self = Backlog::new(at);
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Instant;

    fn run(first: u64, count: u32) -> Run {
        Run {
            first,
            count,
            bytes: count * 10,
            since: Instant(0),
            written_ms: 0,
        }
    }

    fn budget(max: usize) -> Budget {
        Budget { used: 0, max }
    }

    #[test]
    fn a_backlog_over_its_budget_counts_and_reads_back_later() {
        let mut budget = budget(0);
        let mut backlog = Backlog::new(0);
        for at in 0..100 {
            backlog.accept(run(at * 10, 2), &mut budget);
        }
        assert_eq!(
            (backlog.events(), backlog.runs().len(), budget.used),
            (200, 16, 0)
        );
        assert_eq!(backlog.lag(), Some(160));
        assert_eq!(backlog.hungry(), None);

        while backlog.runs().front().is_some() {
            backlog.take_front(2, 20, &mut budget);
        }
        assert_eq!(backlog.hungry(), Some(160));
        assert_eq!(backlog.position(1000), 160);
        // A pass over all tables offers everything; only what is behind the lag's start counts.
        let mut at = 0;
        while at < 100 && backlog.take_back(run(at * 10, 2), &mut budget) {
            at += 1;
        }
        assert_eq!(at, 32, "no room for more than 16");
        assert_eq!(backlog.looked_to(0, 1000), 0);
        assert_eq!((backlog.events(), backlog.lag()), (168, Some(320)));
    }

    #[test]
    fn what_is_only_counted_is_read_back_behind_what_was_there() {
        let mut budget = budget(9);
        let mut backlog = Backlog::new(5);
        backlog.count(0, 7, 70);
        backlog.accept(run(5, 2), &mut budget);
        backlog.count(10, 3, 30);
        backlog.count(20, 1, 10);
        assert_eq!((backlog.events(), backlog.bytes()), (6, 60));
        assert_eq!((backlog.position(30), backlog.lag()), (5, Some(10)));
        backlog.take_front(2, 20, &mut budget);
        assert_eq!(backlog.position(30), 10);
        assert!(backlog.take_back(run(11, 3), &mut budget));
        assert!(backlog.take_back(run(24, 1), &mut budget));
        assert_eq!(backlog.looked_to(30, 30), 0);
        assert_eq!(
            (backlog.events(), backlog.bytes(), backlog.lag()),
            (4, 40, None)
        );
    }

    #[test]
    fn what_was_counted_and_is_gone_when_read_back_is_missing() {
        let mut budget = budget(0);
        let mut backlog = Backlog::new(0);
        for at in 0..20 {
            backlog.accept(run(at * 10, 1), &mut budget);
        }
        for _ in 0..16 {
            backlog.take_front(1, 10, &mut budget);
        }
        assert!(backlog.take_back(run(170, 1), &mut budget));
        assert_eq!(backlog.looked_to(200, 200), 3);
        assert_eq!((backlog.events(), backlog.lag()), (1, None));
    }

    #[test]
    fn what_is_let_go_is_read_back_from_its_first_run() {
        let mut budget = budget(100);
        let mut backlog = Backlog::new(0);
        for at in 0..20 {
            backlog.accept(run(at * 10, 2), &mut budget);
        }
        backlog.count(200, 3, 30);
        assert_eq!((budget.used, backlog.lag()), (4, Some(200)));
        backlog.let_go(&mut budget);
        assert_eq!((budget.used, backlog.lag()), (0, Some(160)));
        assert_eq!((backlog.events(), backlog.in_memory()), (43, 32));
        backlog.let_go(&mut budget);
        assert_eq!((backlog.lag(), backlog.runs().len()), (Some(160), 16));
        let back = (16..20).all(|at| backlog.take_back(run(at * 10, 2), &mut budget));
        assert!(back && backlog.take_back(run(201, 3), &mut budget));
        assert_eq!(backlog.looked_to(210, 210), 0);
        assert_eq!((backlog.events(), backlog.lag()), (43, None));
    }

    #[test]
    fn runs_below_the_beginning_are_not_accepted() {
        let mut backlog = Backlog::new(10);
        backlog.accept(run(0, 10), &mut budget(9));
        assert_eq!((backlog.events(), backlog.position(10)), (0, 10));
    }
}
