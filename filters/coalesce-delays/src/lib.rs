//! Passes one delay of a message and recipient per window, and drops those in between: a mailbox that is full for a day is
//! one event, not a hundred.
//!
//! ```json
//! {"window_s": 3600, "max": 200000}
//! ```
//!
//! | Setting | | Default |
//! |---|---|---|
//! | `window_s` | seconds in which further delays are dropped | 3600 |
//! | `max` | pairs of message and recipient that are remembered; past it, the older half is forgotten | 200000 |
//!
//! The first delay passes. The next that passes, after the window, says in `x_delays_coalesced` how many were dropped since. A
//! delivery, bounce or other end of the message forgets the pair. Time is the events' own. An event without `message_id` or
//! `rcpt_to` passes. What is remembered is lost when the filter is reloaded: then a delay more passes.

use postrider_filter::{Error, Event, Field, Filter, Host, Type, export};
use serde::Deserialize;
use std::collections::HashMap;
use std::ffi::CStr;

/// Types that end the story of a message and recipient.
const ENDS: [&str; 4] = ["delivery", "bounce", "out_of_band", "policy_rejection"];

/// What an operator sets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    window_s: u32,
    max: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            window_s: 3600,
            max: 200_000,
        }
    }
}

/// A delay that passed.
#[derive(Clone, Copy)]
struct Passed {
    at_ms: i64,
    dropped: u32,
}

/// The filter.
pub struct CoalesceDelays {
    message_id: Field,
    rcpt_to: Field,
    count: Field,
    delay: Type,
    ends: Vec<Type>,
    window_ms: i64,
    /// Pairs seen lately, and those seen before that: when the one is full it takes the place of the other, so that
    /// forgetting costs nothing.
    young: HashMap<Box<str>, Passed>,
    old: HashMap<Box<str>, Passed>,
    half: usize,
    key: String,
}

impl Filter for CoalesceDelays {
    const ID: &'static CStr = c"coalesce-delays";
    const VERSION: &'static CStr = c"1.0";
    const SUMMARY: &'static CStr = c"Passes one of the delays of a message and recipient";
    type Config = Config;

    fn create(host: &Host, config: Config) -> Result<Self, Error> {
        if config.window_s == 0 {
            return Err(Error::new("window_s must be at least 1"));
        }
        if config.max < 2 {
            return Err(Error::new("max must be at least 2"));
        }
        let delay = host.event_type("delay");
        Ok(CoalesceDelays {
            message_id: host.field("message_id")?,
            rcpt_to: host.field("rcpt_to")?,
            count: host.field("x_delays_coalesced")?,
            delay: delay.ok_or_else(|| Error::new("no event type is named delay"))?,
            ends: ENDS
                .iter()
                .filter_map(|name| host.event_type(name))
                .collect(),
            window_ms: i64::from(config.window_s) * 1000,
            young: HashMap::new(),
            old: HashMap::new(),
            half: config.max / 2,
            key: String::new(),
        })
    }

    fn event(&mut self, event: &mut Event<'_>) -> Result<(), Error> {
        let delayed = event.event_type() == self.delay;
        if !delayed && !self.ends.contains(&event.event_type()) {
            return Ok(());
        }
        let (Some(message), Some(rcpt)) = (event.str(self.message_id), event.str(self.rcpt_to))
        else {
            return Ok(());
        };
        self.key.clear();
        self.key.push_str(message);
        self.key.push('\0');
        self.key.push_str(rcpt);
        let known = self
            .young
            .remove(&*self.key)
            .or_else(|| self.old.remove(&*self.key));
        if !delayed {
            return Ok(());
        }
        let now = match known {
            Some(passed) if (0..self.window_ms).contains(&(event.time_ms() - passed.at_ms)) => {
                event.drop("repeated delay")?;
                Passed {
                    dropped: passed.dropped.saturating_add(1),
                    ..passed
                }
            }
            known => {
                if let Some(Passed { dropped: 1.., .. }) = known {
                    let dropped = known.map_or(0, |passed| passed.dropped);
                    event.set(self.count, i64::from(dropped))?;
                }
                Passed {
                    at_ms: event.time_ms(),
                    dropped: 0,
                }
            }
        };
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(self.key.as_str().into(), now);
        Ok(())
    }
}

export!(CoalesceDelays);

#[cfg(test)]
mod tests {
    use super::*;
    use postrider::filter::{Trial, Verdict};

    fn trial(config: &str) -> Trial {
        Trial::of(postrider_filter, config).unwrap()
    }

    fn event(ty: &str, second: u32, message: &str, rcpt: &str) -> String {
        format!(
            r#"{{"type":"{ty}","timestamp":"{second}","message_id":"{message}","rcpt_to":"{rcpt}"}}"#
        )
    }

    fn delay(second: u32) -> String {
        event("delay", second, "m", "a@example.com")
    }

    fn dropped() -> Verdict {
        Verdict::Dropped("repeated delay".into())
    }

    /// What `x_delays_coalesced` says of one that passed.
    fn count(verdict: Verdict) -> Option<i64> {
        let Verdict::Passed(text) = verdict else {
            panic!("{verdict:?}")
        };
        let event: serde_json::Value = serde_json::from_str(&text).unwrap();
        event["msys"]["message_event"]["x_delays_coalesced"].as_i64()
    }

    #[test]
    fn one_delay_of_a_window_passes_and_the_next_says_how_many_did_not() {
        let mut trial = trial(r#"{"window_s":60}"#);
        assert_eq!(count(trial.one(&delay(1000))), None);
        assert_eq!(trial.one(&delay(1001)), dropped());
        assert_eq!(trial.one(&delay(1059)), dropped());
        assert_eq!(count(trial.one(&delay(1060))), Some(2));
        assert_eq!(trial.one(&delay(1061)), dropped());
        assert_eq!(count(trial.one(&delay(1200))), Some(1));
        assert_eq!(count(trial.one(&delay(1300))), None);
        // A clock that stepped back begins a new window.
        assert_eq!(count(trial.one(&delay(500))), None);
    }

    #[test]
    fn messages_and_recipients_are_apart_and_other_events_pass() {
        let mut trial = trial("{}");
        for line in [
            event("delay", 1, "m", "a@example.com"),
            event("delay", 1, "m", "b@example.com"),
            event("delay", 1, "n", "a@example.com"),
            event("open", 1, "m", "a@example.com"),
            event("open", 1, "m", "a@example.com"),
            r#"{"type":"delay","timestamp":"1","rcpt_to":"a@example.com"}"#.to_owned(),
            r#"{"type":"delay","timestamp":"1","rcpt_to":"a@example.com"}"#.to_owned(),
        ] {
            assert_eq!(count(trial.one(&line)), None, "{line}");
        }
        assert_eq!(
            trial.one(&event("delay", 2, "n", "a@example.com")),
            dropped()
        );
    }

    #[test]
    fn the_end_of_a_message_forgets_its_delays() {
        for end in ENDS {
            let mut trial = trial("{}");
            count(trial.one(&delay(1)));
            assert_eq!(trial.one(&delay(2)), dropped());
            count(trial.one(&event(end, 3, "m", "a@example.com")));
            assert_eq!(count(trial.one(&delay(4))), None, "{end}");
        }
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let mut trial = trial(r#"{"max":100}"#);
        let of = |n: usize| event("delay", 1, &format!("m{n}"), "a@example.com");
        for n in 0..120 {
            count(trial.one(&of(n)));
        }
        assert_eq!(trial.one(&of(119)), dropped());
        assert_eq!(trial.one(&of(60)), dropped());
        assert_eq!(count(trial.one(&of(0))), None, "forgotten");
    }

    #[test]
    fn configurations_without_sense_are_refused() {
        for (config, why) in [
            (r#"{"window_s":0}"#, "window_s must be at least 1"),
            (r#"{"max":1}"#, "max must be at least 2"),
            (r#"{"windows":1}"#, "unknown field `windows`"),
        ] {
            let refusal = Trial::of(postrider_filter, config)
                .err()
                .unwrap()
                .to_string();
            assert!(refusal.contains(why), "{config}: {refusal}");
        }
    }
}
