//! Bounce classes out of SMTP replies.
//!
//! For every event with a reply of the other side in `raw_reason` (or `reason`) that has no `bounce_class` yet:
//!
//! - `bounce_class` is what the reply means, as the contract numbers it: `10` invalid recipient, `22` mailbox full, `51` spam
//!   block, …;
//! - `error_code` is the reply's code, where there is none;
//! - `reason` is the reply with mail and IP addresses masked, where there is none but `raw_reason`.
//!
//! ```json
//! {"events": ["bounce", "delay", "out_of_band"], "overwrite": false, "mask": true}
//! ```
//!
//! | Setting | | Default |
//! |---|---|---|
//! | `overwrite` | also where the event has a class | `false` |
//! | `mask` | writes `reason` | `true` |
//! | `rules` | more phrases, which count before all others: `[{"class": 51, "phrase": "not today"}]` | none |
//!
//! The words of a reply say most, so the phrases of `rules.rs` are looked for first; then the enhanced status code (RFC 3463), then
//! the reply code (RFC 5321) decide.

mod classify;
mod mask;
mod rules;

pub use classify::{Classifier, Rule};

use postrider_filter::{Error, Event, Field, Filter, Host, Type, export};
use serde::Deserialize;
use std::ffi::CStr;

/// What an operator sets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    events: Vec<String>,
    overwrite: bool,
    mask: bool,
    rules: Vec<Rule>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            events: ["bounce", "delay", "out_of_band"]
                .map(String::from)
                .to_vec(),
            overwrite: false,
            mask: true,
            rules: Vec::new(),
        }
    }
}

/// The filter.
pub struct BounceClassify {
    classifier: Classifier,
    types: Vec<Type>,
    raw_reason: Field,
    reason: Field,
    error_code: Field,
    bounce_class: Field,
    config: Config,
}

impl Filter for BounceClassify {
    const ID: &'static CStr = c"bounce-classify";
    const VERSION: &'static CStr = c"1.0";
    const SUMMARY: &'static CStr = c"Bounce classes out of SMTP replies";
    type Config = Config;

    fn create(host: &Host, config: Config) -> Result<Self, Error> {
        Ok(BounceClassify {
            classifier: Classifier::with(&config.rules)?,
            types: host.event_types("events", &config.events)?,
            raw_reason: host.field("raw_reason")?,
            reason: host.field("reason")?,
            error_code: host.field("error_code")?,
            bounce_class: host.field("bounce_class")?,
            config,
        })
    }

    fn event(&mut self, event: &mut Event<'_>) -> Result<(), Error> {
        if !self.types.contains(&event.event_type()) {
            return Ok(());
        }
        let (raw, reason) = (event.str(self.raw_reason), event.str(self.reason));
        let Some(reply) = raw.or(reason) else {
            return Ok(());
        };
        let code = event
            .str(self.error_code)
            .and_then(|code| code.parse().ok());
        let judged = self.classifier.judge(reply, code);
        if self.config.overwrite || event.get(self.bounce_class).is_none() {
            event.set(self.bounce_class, i64::from(judged.class))?;
        }
        if let (None, Some(code)) = (code, judged.code) {
            event.set(self.error_code, i64::from(code))?;
        }
        if let (true, Some(raw), None) = (self.config.mask, raw, reason) {
            event.set(self.reason, &*mask::mask(raw))?;
        }
        Ok(())
    }
}

export!(BounceClassify);

#[cfg(test)]
mod tests {
    use super::*;
    use postrider::filter::{Trial, Verdict};
    use serde_json::{Value, json};

    fn classified(config: &str, event: Value) -> Value {
        let mut trial = Trial::of(postrider_filter, config).unwrap();
        let Verdict::Passed(text) = trial.one(&event.to_string()) else {
            panic!()
        };
        let event: Value = serde_json::from_str(&text).unwrap();
        event["msys"]["message_event"].clone()
    }

    const REPLY: &str = "550 5.1.1 <alice@example.com> no such user, says 192.0.2.7";

    #[test]
    fn class_code_and_masked_reason_are_filled_in() {
        let event = classified("{}", json!({ "type": "bounce", "raw_reason": REPLY }));
        assert_eq!(event["bounce_class"], "10");
        assert_eq!(event["error_code"], "550");
        assert_eq!(
            event["reason"],
            "550 5.1.1 [internal] no such user, says a.b.c.d"
        );
        assert_eq!(event["raw_reason"], REPLY);
    }

    #[test]
    fn what_is_there_stays_unless_told_otherwise() {
        let given = json!({ "type": "bounce", "raw_reason": REPLY, "reason": "gone", "bounce_class": "1", "error_code": "554" });
        let event = classified("{}", given.clone());
        assert_eq!(
            (
                &event["bounce_class"],
                &event["reason"],
                &event["error_code"]
            ),
            (&json!("1"), &json!("gone"), &json!("554"))
        );
        let event = classified(r#"{"overwrite":true}"#, given);
        assert_eq!(event["bounce_class"], "10");
    }

    #[test]
    fn other_types_and_events_without_a_reply_are_left_alone() {
        for event in [
            json!({ "type": "delivery", "raw_reason": REPLY }),
            json!({ "type": "bounce" }),
        ] {
            let after = classified("{}", event);
            assert_eq!(after.get("bounce_class"), None, "{after}");
        }
        let config = r#"{"events":["policy_rejection"]}"#;
        let event = classified(
            config,
            json!({ "type": "policy_rejection", "reason": REPLY }),
        );
        assert_eq!(event["bounce_class"], "10");
    }

    #[test]
    fn an_operators_phrases_count_first() {
        let config = r#"{"rules":[{"class":51,"phrase":"NO SUCH user"}]}"#;
        let event = classified(config, json!({ "type": "bounce", "raw_reason": REPLY }));
        assert_eq!(event["bounce_class"], "51");
        for (config, why) in [
            (
                r#"{"rules":[{"class":11,"phrase":"x y z"}]}"#,
                "class 11: there is no such class",
            ),
            (r#"{"rules":[{"class":10,"phrase":" "}]}"#, "empty phrase"),
            (
                r#"{"events":["bouncy"]}"#,
                "'bouncy', which is not an event type",
            ),
        ] {
            let refusal = Trial::of(postrider_filter, config)
                .err()
                .unwrap()
                .to_string();
            assert!(refusal.contains(why), "{refusal}");
        }
    }
}
