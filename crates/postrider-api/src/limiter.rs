//! How many requests a key may send: a bucket of tokens for each.
//!
//! A request takes a token; tokens come back at a steady rate, and a bucket holds two seconds' worth,
//! so that short bursts pass. Requests with keys that do not exist share one bucket: who tries keys
//! out is slowed down and cannot slow anyone else down. Time is an argument.

use std::collections::HashMap;
use std::time::Duration;

/// A bucket holds what comes back in this many seconds.
const BURST_SECONDS: f64 = 2.0;

/// More buckets than this are looked through for full ones, which say nothing and can go.
const BUCKETS: usize = 1024;

/// The buckets, by key id; "" is that of keys that do not exist.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    buckets: HashMap<String, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Duration,
}

impl Limiter {
    /// Takes a token of `who`, of whom there may be `rate` requests a second (0: any number). `now`
    /// never goes back.
    ///
    /// # Errors
    /// How long until there is one.
    pub(crate) fn take(&mut self, who: &str, rate: u32, now: Duration) -> Result<(), Duration> {
        if rate == 0 {
            return Ok(());
        }
        let rate = f64::from(rate);
        let most = rate * BURST_SECONDS;
        if self.buckets.len() > BUCKETS {
            self.buckets
                .retain(|_, bucket| bucket.at(now, rate, most) < most);
        }
        let bucket = match self.buckets.get_mut(who) {
            Some(bucket) => bucket,
            None => self.buckets.entry(who.to_owned()).or_insert(Bucket {
                tokens: most,
                filled: now,
            }),
        };
        bucket.tokens = bucket.at(now, rate, most);
        bucket.filled = now;
        if bucket.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.tokens) / rate));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }
}

impl Bucket {
    fn at(&self, now: Duration, rate: f64, most: f64) -> f64 {
        let passed = now.saturating_sub(self.filled).as_secs_f64();
        (self.tokens + passed * rate).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_000);

    #[test]
    fn a_burst_passes_then_the_rate_holds_for_each_alone() {
        let mut limiter = Limiter::default();
        for _ in 0..20 {
            assert_eq!(limiter.take("a", 10, START), Ok(()));
        }
        assert_eq!(
            limiter.take("a", 10, START),
            Err(Duration::from_millis(100))
        );
        assert_eq!(limiter.take("b", 10, START), Ok(()));
        let later = START + Duration::from_millis(100);
        assert_eq!(limiter.take("a", 10, later), Ok(()));
        assert!(limiter.take("a", 10, later).is_err());
    }

    #[test]
    fn over_any_time_no_more_pass_than_rate_and_burst() {
        let mut limiter = Limiter::default();
        let passed = (0..10_000)
            .filter(|ms| {
                limiter
                    .take("a", 7, START + Duration::from_millis(*ms))
                    .is_ok()
            })
            .count();
        // 9.999 s of them, the last of which has not come back whole.
        assert_eq!(passed, 7 * 10 + 14 - 1);
    }

    #[test]
    fn zero_is_no_limit() {
        let mut limiter = Limiter::default();
        assert!((0..10_000).all(|_| limiter.take("a", 0, START).is_ok()));
    }

    #[test]
    fn buckets_that_are_full_again_are_forgotten() {
        let mut limiter = Limiter::default();
        for n in 0..5_000_u64 {
            let _ = limiter.take(&n.to_string(), 10, START + Duration::from_secs(n));
        }
        assert!(limiter.buckets.len() <= BUCKETS + 1);
    }
}
