//! How a busy writer gathers.
//!
//! A writer that looks again at once finds what was pushed in the few microseconds since: frames of a
//! handful of events, and for each a wake-up of the deliverer, and of the writer by a producer. On two
//! cores that costs more than the events do. So while events come fast and nobody waits for one of
//! them to be written, the writer pauses a moment between two looks, which no producer has to end:
//! what comes meanwhile is one frame. An event that comes alone is written at once, as ever.

use crate::time::Instant;
use std::time::Duration;

/// How long the pause is. The kernel's timer adds about half of it.
pub(super) const PAUSE: Duration = Duration::from_micros(100);
/// Events that come no further apart than this come fast: a pause then gathers ten.
const FAST: Duration = Duration::from_micros(10);
/// Fewer than this tell nothing of the rate.
const LEAST: u64 = 8;

/// What was found up to one look at the queue.
#[derive(Clone, Copy)]
pub(super) struct Look {
    /// When it was.
    pub(super) at: Instant,
    /// Events found by it.
    pub(super) events: u64,
    /// The queue's position behind them, in bytes.
    pub(super) position: u64,
}

/// When to pause.
pub(super) struct Gather {
    queue_bytes: u64,
    /// Where counting began, and the events since.
    since: Look,
}

impl Gather {
    pub(super) fn new(queue_bytes: u64, now: Instant) -> Gather {
        let since = Look {
            at: now,
            events: 0,
            position: 0,
        };
        Gather { queue_bytes, since }
    }

    /// Whether to pause after this look: events come fast, and what a pause gathers takes no more than
    /// a quarter of the queue.
    pub(super) fn pays(&mut self, look: Look) -> bool {
        let events = self.since.events + look.events;
        let took = look.at.since(self.since.at);
        if events < LEAST && took <= FAST.saturating_mul(LEAST as u32) {
            self.since.events = events;
            return false;
        }
        let bytes = look.position - self.since.position;
        self.since = Look { events: 0, ..look };
        let fast = events >= LEAST && took.as_nanos() <= FAST.as_nanos() * u128::from(events);
        // Where the clock stood still, the queue is as full as it was found.
        let in_a_pause = match took.as_nanos() {
            0 => 0,
            nanos => u128::from(bytes) * PAUSE.as_nanos() * 2 / nanos,
        };
        fast && in_a_pause.max(bytes.into()) <= u128::from(self.queue_bytes / 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICROS: fn(u64) -> Duration = Duration::from_micros;
    const QUEUE: u64 = 8 << 20;

    /// Whether it pays after `events` of 1,000 bytes each that came within `took`.
    fn pays(queue_bytes: u64, events: u64, took: Duration) -> bool {
        let begin = Instant(7_000_000);
        let mut gather = Gather::new(queue_bytes, begin);
        gather.pays(Look {
            at: begin.after(took),
            events,
            position: events * 1000,
        })
    }

    #[test]
    fn events_that_come_fast_are_gathered() {
        assert!(pays(QUEUE, 8, MICROS(80)));
        assert!(pays(QUEUE, 100, MICROS(150)), "a million a second");
        assert!(pays(QUEUE, 8, Duration::ZERO), "a clock that stands still");
    }

    #[test]
    fn events_that_come_alone_or_slowly_are_not_waited_for() {
        assert!(!pays(QUEUE, 0, MICROS(1)));
        assert!(!pays(QUEUE, 7, MICROS(1)), "too few to tell");
        assert!(!pays(QUEUE, 8, MICROS(81)));
        assert!(!pays(QUEUE, 5000, MICROS(1_000_000)));
    }

    #[test]
    fn a_queue_that_a_pause_would_fill_is_drained_at_once() {
        assert!(!pays(64 << 10, 20, MICROS(20)), "200 KB in a pause");
        assert!(!pays(16 << 10, 8, Duration::ZERO), "already half full");
        assert!(pays(1 << 20, 20, MICROS(20)));
    }

    #[test]
    fn a_few_events_at_each_look_come_fast_too_and_old_looks_do_not_count() {
        let mut gather = Gather::new(QUEUE, Instant(0));
        let mut position = 0;
        let mut look = |at: u64, events| {
            position += events * 1000;
            gather.pays(Look {
                at: Instant(0).after(MICROS(at)),
                events,
                position,
            })
        };
        assert!(!look(10, 3));
        assert!(!look(20, 0), "an idle look ends nothing");
        assert!(!look(30, 4));
        assert!(look(40, 3), "ten in 40 us");
        assert!(look(190, 40), "and so while they come");
        assert!(!look(10_000, 40));
        assert!(!look(10_050, 5));
        assert!(!look(10_500, 5), "the time for eight was over");
        assert!(!look(10_510, 5), "counted anew");
        assert!(look(10_520, 5));
    }
}
