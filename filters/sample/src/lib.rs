//! Passes a part of the events, chosen by a field so that what belongs together stays together: by default all events of one
//! message are passed, or none.
//!
//! ```json
//! {"rate": 0.1, "by": "message_id", "always": ["bounce", "spam_complaint"], "mark": true}
//! ```
//!
//! | Setting | | Default |
//! |---|---|---|
//! | `rate` | the part that passes, 0 to 1 | |
//! | `by` | events with the same value here share their fate | `message_id` |
//! | `always` | event types that always pass | none |
//! | `salt` | another salt chooses others | empty |
//! | `mark` | passed events get `x_sample_rate`, so that receivers can count for all | `false` |
//!
//! An event without the field is chosen by its `event_id`. The choice is a function of the value, the salt and the rate alone: the same on
//! every host and in every version; and what passes at one rate passes at every higher one.

use postrider_filter::{Error, Event, Field, Filter, Host, Type, Value, export};
use serde::Deserialize;
use std::ffi::CStr;

/// What an operator sets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    rate: f64,
    #[serde(default = "message_id")]
    by: String,
    #[serde(default)]
    always: Vec<String>,
    #[serde(default)]
    salt: String,
    #[serde(default)]
    mark: bool,
}

fn message_id() -> String {
    "message_id".into()
}

/// The filter.
pub struct Sample {
    /// What passes has a hash below this; none: everything does.
    below: Option<u64>,
    by: Field,
    event_id: Field,
    always: Vec<Type>,
    seed: u64,
    mark: Option<(Field, f64)>,
}

impl Filter for Sample {
    const ID: &'static CStr = c"sample";
    const VERSION: &'static CStr = c"1.0";
    const SUMMARY: &'static CStr = c"Passes a part of the events, the same for all of one message";
    type Config = Config;

    fn create(host: &Host, config: Config) -> Result<Self, Error> {
        if !(0.0..=1.0).contains(&config.rate) {
            return Err(Error::new(format!("rate {}: must be 0 to 1", config.rate)));
        }
        Ok(Sample {
            // 2^64 does not fit, and 1 means everything anyway.
            below: (config.rate < 1.0).then_some((config.rate * 2_f64.powi(64)) as u64),
            by: host.field(&config.by)?,
            event_id: host.field("event_id")?,
            always: host.event_types("always", &config.always)?,
            seed: hash(0, config.salt.as_bytes()),
            mark: match config.mark {
                true => Some((host.field("x_sample_rate")?, config.rate)),
                false => None,
            },
        })
    }

    fn event(&mut self, event: &mut Event<'_>) -> Result<(), Error> {
        if self.always.contains(&event.event_type()) {
            return Ok(());
        }
        if let Some(below) = self.below {
            let hash = match event.get(self.by).or_else(|| event.get(self.event_id)) {
                Some(Value::Str(text) | Value::Json(text)) => hash(self.seed, text.as_bytes()),
                Some(Value::Int(n)) => hash(self.seed, n.to_string().as_bytes()),
                Some(Value::Double(n)) => hash(self.seed, n.to_string().as_bytes()),
                Some(Value::Bool(truth)) => hash(self.seed, truth.to_string().as_bytes()),
                None => hash(self.seed, b""),
            };
            if hash >= below {
                event.drop("not sampled")?;
                return Ok(());
            }
        }
        if let Some((field, rate)) = self.mark {
            event.set(field, rate)?;
        }
        Ok(())
    }
}

/// FNV-1a, 64 bits, its bits then mixed (the finalizer of MurmurHash3): plain, published, and the same everywhere.
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed;
    for &byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

export!(Sample);

#[cfg(test)]
mod tests {
    use super::*;
    use postrider::filter::{Trial, Verdict};

    fn passes(config: &str, event: &str) -> bool {
        let mut trial = Trial::of(postrider_filter, config).unwrap();
        match trial.one(event) {
            Verdict::Passed(_) => true,
            Verdict::Dropped(reason) if reason == "not sampled" => false,
            other => panic!("{other:?}"),
        }
    }

    fn of(message: usize, ty: &str) -> String {
        format!(r#"{{"type":"{ty}","message_id":"m{message}"}}"#)
    }

    fn passed(config: &str, lines: &[String]) -> Vec<bool> {
        let mut trial = Trial::of(postrider_filter, config).unwrap();
        let verdicts = trial.run(lines).verdicts;
        verdicts
            .iter()
            .map(|v| matches!(v, Verdict::Passed(_)))
            .collect()
    }

    #[test]
    fn all_events_of_a_message_share_their_fate() {
        let all = |ty| (0..500).map(|m| of(m, ty)).collect::<Vec<_>>();
        let config = r#"{"rate":0.3}"#;
        let injections = passed(config, &all("injection"));
        assert_eq!(injections, passed(config, &all("delivery")));
        assert_eq!(injections, passed(config, &all("click")));
        assert_ne!(
            injections,
            passed(r#"{"rate":0.3,"salt":"x"}"#, &all("click"))
        );
    }

    #[test]
    fn as_many_pass_as_the_rate_says_and_more_at_a_higher_one() {
        let all: Vec<String> = (0..10_000).map(|m| of(m, "delivery")).collect();
        let mut before = vec![false; all.len()];
        for rate in [0.0, 0.01, 0.1, 0.5, 0.9, 1.0] {
            let now = passed(&format!(r#"{{"rate":{rate}}}"#), &all);
            let part = now.iter().filter(|p| **p).count() as f64 / all.len() as f64;
            assert!((part - rate).abs() < 0.02, "{rate}: {part}");
            assert!(before.iter().zip(&now).all(|(before, now)| now >= before));
            before = now;
        }
        assert!(before.iter().all(|p| *p));
    }

    /// A choice that changed with a version would split messages whose events come before and after an update.
    #[test]
    fn the_choice_never_changes() {
        assert_eq!(hash(0, b""), 0xefd0_1f60_ba99_2926);
        let chosen: Vec<bool> = passed(
            r#"{"rate":0.5}"#,
            &(0..8).map(|m| of(m, "open")).collect::<Vec<_>>(),
        );
        assert_eq!(chosen, CHOSEN);
    }

    /// By a second implementation, in Python.
    const CHOSEN: [bool; 8] = [true, false, false, false, false, true, false, false];

    #[test]
    fn types_that_always_pass_do() {
        let config = r#"{"rate":0,"always":["bounce"]}"#;
        assert!(passes(config, &of(1, "bounce")));
        assert!(!passes(config, &of(1, "delivery")));
    }

    #[test]
    fn passed_events_are_marked_if_asked_for() {
        let mut trial = Trial::of(postrider_filter, r#"{"rate":1,"mark":true}"#).unwrap();
        let Verdict::Passed(text) = trial.one(&of(1, "open")) else {
            panic!()
        };
        assert!(text.contains(r#""x_sample_rate":1.0"#), "{text}");
    }

    #[test]
    fn configurations_without_sense_are_refused() {
        for (config, why) in [
            ("{}", "missing field `rate`"),
            (r#"{"rate":1.1}"#, "must be 0 to 1"),
            (r#"{"rate":-0.1}"#, "must be 0 to 1"),
            (
                r#"{"rate":0.5,"always":["bounced"]}"#,
                "'bounced', which is not an event type",
            ),
            (r#"{"rate":0.5,"by":""}"#, "no field can be named ``"),
        ] {
            let refusal = Trial::of(postrider_filter, config)
                .err()
                .unwrap()
                .to_string();
            assert!(refusal.contains(why), "{config}: {refusal}");
        }
    }
}
