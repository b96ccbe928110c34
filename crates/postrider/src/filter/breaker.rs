//! When a filter is called, and when its policy speaks for it instead.
//!
//! Failures in a row trip the breaker; after a while one call is tried again. Time is an argument.

use super::spec::OnFailure;
use super::stats::State;
use crate::time::Instant;
use std::time::Duration;

/// Failed or slow calls in a row that trip the breaker.
pub(super) const FAILURES: u32 = 5;
/// How long a tripped filter is not called.
pub(super) const PAUSE: Duration = Duration::from_secs(10);

/// When a filter is called.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: Inner,
    in_a_row: u32,
}

#[derive(Debug, Default)]
enum Inner {
    #[default]
    Closed,
    /// Not before then.
    Tripped(Instant),
    /// Not before it is enabled or reloaded.
    Out(State),
}

impl Breaker {
    /// Whether to call the filter now.
    pub(super) fn admits(&self, now: Instant) -> bool {
        match self.state {
            Inner::Closed => true,
            Inner::Tripped(until) => now >= until,
            Inner::Out(_) => false,
        }
    }

    pub(super) fn succeeded(&mut self) {
        if !matches!(self.state, Inner::Out(_)) {
            *self = Breaker::default();
        }
    }

    /// Notes a failed call; true when that trips the breaker.
    pub(super) fn failed(&mut self, now: Instant, policy: OnFailure) -> bool {
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.in_a_row < FAILURES || matches!(self.state, Inner::Out(_)) {
            return false;
        }
        self.state = match policy {
            OnFailure::Disable => Inner::Out(State::Disabled),
            OnFailure::Open | OnFailure::Closed => Inner::Tripped(now.after(PAUSE)),
        };
        true
    }

    /// The instance must never be called again.
    pub(super) fn out(&mut self, state: State) {
        self.state = Inner::Out(state);
    }

    pub(super) fn state(&self) -> State {
        match &self.state {
            Inner::Closed => State::Running,
            Inner::Tripped(_) => State::Tripped,
            Inner::Out(state) => *state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant(1_000_000_000);

    fn tripped(policy: OnFailure) -> Breaker {
        let mut breaker = Breaker::default();
        for i in 1..=FAILURES {
            assert!(breaker.admits(START));
            assert_eq!(breaker.failed(START, policy), i == FAILURES);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_trip_it_and_a_success_between_does_not() {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            for _ in 1..FAILURES {
                assert!(!breaker.failed(START, OnFailure::Open));
            }
            breaker.succeeded();
        }
        assert_eq!(breaker.state(), State::Running);
        assert_eq!(tripped(OnFailure::Open).state(), State::Tripped);
    }

    #[test]
    fn after_the_pause_one_call_decides() {
        let mut breaker = tripped(OnFailure::Closed);
        assert!(!breaker.admits(START));
        let later = START.after(PAUSE);
        assert!(breaker.admits(later));
        assert!(breaker.failed(later, OnFailure::Closed));
        assert!(!breaker.admits(later));
        let later = later.after(PAUSE);
        assert!(breaker.admits(later));
        breaker.succeeded();
        assert_eq!(breaker.state(), State::Running);
    }

    #[test]
    fn one_that_is_out_stays_out() {
        let mut breaker = tripped(OnFailure::Disable);
        assert_eq!(breaker.state(), State::Disabled);
        assert!(!breaker.admits(START.after(PAUSE * 1000)));
        breaker.out(State::Lost);
        breaker.succeeded();
        assert_eq!(breaker.state(), State::Lost);
    }
}
