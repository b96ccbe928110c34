//! A number that only grows and that threads can wait for.

use super::bell::Bell;
use crate::sync::{AtomicU64, Ordering};
use crate::time::Instant;

/// A position that only grows: written, synced, drained. Any thread may advance it, load it or wait
/// for it; advancing makes a system call only when somebody waits.
///
/// What happened before an `advance` is visible to whoever sees its value through `load` or `wait`.
#[derive(Debug, Default)]
pub struct Watermark {
    value: AtomicU64,
    moved: Bell,
}

impl Watermark {
    /// Starts at `value`.
    pub fn new(value: u64) -> Self {
        Watermark {
            value: AtomicU64::new(value),
            moved: Bell::default(),
        }
    }

    /// Where it stands.
    #[inline]
    pub fn load(&self) -> u64 {
        self.value.load(Ordering::Acquire)
    }

    /// Raises it to `to` and wakes those who wait; a lower value changes nothing. Tells whether
    /// somebody waited.
    pub fn advance(&self, to: u64) -> bool {
        self.value.fetch_max(to, Ordering::AcqRel) < to && self.moved.ring()
    }

    /// Waits until it stands at `at_least` or above; false if `deadline` passed first. `None` waits
    /// for ever.
    pub fn wait(&self, at_least: u64, deadline: Option<Instant>) -> bool {
        self.wait_unless(at_least, deadline, || false)
    }

    /// As [`wait`](Self::wait), but also ends, with false, once `given_up` answers true: it is asked
    /// before each sleep and after each [`nudge`](Self::nudge).
    pub fn wait_unless(
        &self,
        at_least: u64,
        deadline: Option<Instant>,
        given_up: impl Fn() -> bool,
    ) -> bool {
        loop {
            if self.load() >= at_least {
                return true;
            }
            let armed = self.moved.arm();
            if self.load() >= at_least {
                return true;
            }
            if given_up() || !self.moved.sleep(armed, deadline) {
                return self.load() >= at_least;
            }
        }
    }

    /// Makes everyone who waits look again at what else would end the wait.
    pub fn nudge(&self) {
        self.moved.ring();
    }
}
