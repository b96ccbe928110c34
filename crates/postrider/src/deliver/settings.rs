//! How batches are formed and retried, unless a webhook has limits of its own.

use std::time::Duration;

use crate::webhook::{Outcomes, Webhook};

/// What holds for every webhook that does not say otherwise, and for all of them together.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How batches are formed.
    pub pace: Pace,
    /// What happens to batches that fail.
    pub retry: Retry,
    /// How long dead letters are kept at least.
    pub dead_keep: Duration,
    /// How long the batch history is kept.
    pub history_keep: Duration,
    /// From start to end of one attempt.
    pub attempt_timeout: Duration,
    /// Attempts under way at once, over all webhooks.
    pub attempts: usize,
    /// Bytes of bodies under way at once, over all webhooks; one batch always goes.
    pub attempt_bytes: u64,
    /// Runs kept in memory over all webhooks; a webhook that can't keep its own reads them back
    /// from the log later.
    pub runs: usize,
    /// Bytes of batches that webhooks' own filters have rendered; what would be more waits.
    pub rendered_bytes: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            pace: Pace::default(),
            retry: Retry::default(),
            dead_keep: Duration::from_secs(7 * 24 * 3600),
            history_keep: Duration::from_secs(24 * 3600),
            attempt_timeout: Duration::from_secs(10),
            attempts: 1000,
            attempt_bytes: 64 << 20,
            runs: 256 * 1024,
            rendered_bytes: 256 << 20,
        }
    }
}

/// How a webhook's batches are formed, and how long and how many are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Events of one batch; at least 1.
    pub max_events: u32,
    /// Bytes of one batch's body; a single event may be larger.
    pub max_bytes: u32,
    /// How long a batch waits to fill up. Zero: not at all, so that an idle receiver gets its
    /// events at once and a busy one gets what came meanwhile.
    pub linger: Duration,
    /// Batches under way at once; at least 1.
    pub in_flight: u32,
    /// POSTs a second, retries included; 0: no limit.
    pub requests_per_s: u32,
    /// Events a second, over time; 0: no limit.
    pub events_per_s: u32,
    /// One batch at a time, in the order of the log; a batch that fails holds the rest.
    pub ordered: bool,
    /// A batch is given up when its youngest event is this old; `None`: as [`Retry`] says.
    pub give_up_after: Option<Duration>,
    /// Events that may wait where space is short; 0: no limit.
    pub backlog_events: u64,
    /// Bytes that may wait where space is short; 0: no limit.
    pub backlog_bytes: u64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            max_events: 350,
            max_bytes: 1_000_000,
            linger: Duration::from_secs(1),
            in_flight: 4,
            requests_per_s: 0,
            events_per_s: 0,
            ordered: false,
            give_up_after: None,
            backlog_events: 0,
            backlog_bytes: 0,
        }
    }
}

impl Pace {
    /// This pace, with a webhook's own limits in place of the general ones.
    pub fn with(self, webhook: &Webhook) -> Pace {
        let own = &webhook.limits;
        let linger = |ms| Duration::from_millis(u64::from(ms));
        let give_up = |s| Duration::from_secs(u64::from(s));
        let events_per_s = own.events_per_s.unwrap_or(self.events_per_s);
        let max_events = own.batch_events.unwrap_or(self.max_events).max(1);
        Pace {
            max_events: match events_per_s {
                0 => max_events,
                rate => max_events.min(rate),
            },
            max_bytes: own.batch_bytes.unwrap_or(self.max_bytes),
            linger: own.linger_ms.map_or(self.linger, linger),
            in_flight: own.in_flight.unwrap_or(self.in_flight).max(1),
            requests_per_s: own.requests_per_s.unwrap_or(self.requests_per_s),
            events_per_s,
            ordered: webhook.ordered,
            give_up_after: own.give_up_after_s.map(give_up).or(self.give_up_after),
            backlog_events: own.backlog_events.unwrap_or(self.backlog_events),
            backlog_bytes: own.backlog_bytes.unwrap_or(self.backlog_bytes),
        }
    }
}

/// What holds for one webhook.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) pace: Pace,
    pub(crate) outcomes: Outcomes,
    /// It has filters of its own.
    pub(crate) filtered: bool,
}

impl From<Pace> for Terms {
    fn from(pace: Pace) -> Terms {
        Terms {
            pace,
            ..Terms::default()
        }
    }
}

/// What happens to a batch that fails.
#[derive(Clone, Debug)]
pub struct Retry {
    /// The pause before each further attempt: the first entry follows the first attempt; the last
    /// one repeats.
    pub schedule: Vec<Duration>,
    /// How far a pause may stray from the schedule, either way: 0.2 is a fifth.
    pub jitter: f64,
    /// A batch is given up when its youngest event is this old, whatever the attempts.
    pub give_up_after: Duration,
    /// The longest pause that a receiver may ask for by `Retry-After`.
    pub retry_after_max: Duration,
}

impl Default for Retry {
    fn default() -> Retry {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        let mut schedule = vec![Duration::from_secs(30)];
        schedule.extend([1, 2, 5, 10, 20, 40, 60, 90, 120, 130].map(minutes));
        Retry {
            schedule,
            jitter: 0.2,
            give_up_after: Duration::from_secs(8 * 3600),
            retry_after_max: Duration::from_secs(3600),
        }
    }
}
