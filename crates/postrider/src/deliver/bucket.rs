//! A rate limit that is kept over time: so many units a second, whatever the size of one taking.
//!
//! The bucket may go into debt: who finds it open takes as much as is at hand, and it stays shut
//! until that is paid off at the rate. So a batch that is larger than a second's worth goes out
//! whole, and what follows waits for as long as it was too large. Unused time is forgotten, but for
//! a tenth of a second that makes good for timers that are late: over any time, no more is taken
//! than rate × (time + 0.1 s), and one taking.

use std::time::Duration;

use crate::time::Instant;

const CREDIT: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    /// When all that was taken is paid off.
    even_at: Instant,
}

impl Bucket {
    /// When something may be taken.
    pub(super) fn open_at(&self) -> Instant {
        self.even_at
    }

    /// Takes `units` of a bucket that fills at `rate` a second; 0 is no limit.
    pub(super) fn take(&mut self, units: u32, rate: u32, now: Instant) {
        let Some(nanos) = (u64::from(units) * 1_000_000_000).checked_div(u64::from(rate)) else {
            return;
        };
        let earliest = Instant(now.0.saturating_sub(CREDIT.as_nanos() as u64));
        self.even_at = self
            .even_at
            .max(earliest)
            .after(Duration::from_nanos(nanos));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant(1_000_000_000_000);

    /// Takes `units` whenever the bucket is open, for `seconds`, looking every `step`.
    fn run(units: u32, rate: u32, seconds: u64, step: Duration) -> u64 {
        let (mut bucket, mut taken, mut now) = (Bucket::default(), 0, NOW);
        while now < NOW.after(Duration::from_secs(seconds)) {
            while now >= bucket.open_at() {
                bucket.take(units, rate, now);
                taken += u64::from(units);
            }
            now = now.after(step);
        }
        taken
    }

    #[test]
    fn over_time_the_rate_is_kept_and_reached_whatever_is_taken_at_once() {
        for (units, rate) in [
            (1, 1),
            (1, 100),
            (7, 100),
            (350, 100),
            (1000, 10),
            (10, 50_000),
        ] {
            for step in [1, 7, 50].map(Duration::from_millis) {
                let taken = run(units, rate, 600, step);
                let most = u64::from(rate) * 600 + u64::from(rate / 10) + u64::from(units);
                assert!(
                    taken <= most,
                    "{units} at {rate}/s by {step:?}: {taken} > {most}"
                );
                let least = u64::from(rate) * 599 - u64::from(units).min(u64::from(rate) * 599);
                assert!(
                    taken >= least,
                    "{units} at {rate}/s by {step:?}: {taken} < {least}"
                );
            }
        }
    }

    #[test]
    fn what_was_not_used_is_not_saved_up() {
        let mut bucket = Bucket::default();
        bucket.take(1, 10, NOW);
        let later = NOW.after(Duration::from_secs(3600));
        let mut at_once = 0;
        while later >= bucket.open_at() {
            bucket.take(1, 10, later);
            at_once += 1;
        }
        assert_eq!(at_once, 2);
    }

    #[test]
    fn without_a_rate_there_is_no_limit() {
        let mut bucket = Bucket::default();
        bucket.take(1_000_000, 0, NOW);
        assert!(NOW >= bucket.open_at());
    }
}
