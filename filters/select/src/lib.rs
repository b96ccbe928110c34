//! Passes the events for which an expression is true; the others are dropped.
//!
//! ```json
//! {"pass": "type != 'open' || !(campaign_id in ['test', 'demo'])", "reason": "test campaign"}
//! ```
//!
//! | Setting | | Default |
//! |---|---|---|
//! | `pass` | the expression | |
//! | `reason` | with which the others are dropped, 1 to 64 bytes | `not selected` |
//! | `tag` | instead of dropping the others, passed events get this tag, and all go on | none |
//!
//! The language is [CEL](https://cel.dev), the Common Expression Language. An event's fields are its variables; one that the event does not
//! have is `null`. Most fields are text, as the contract sends them: `int(num_retries) > 3`. Objects and arrays can be looked into:
//! `rcpt_meta.tenant == 'blue'`, `'vip' in rcpt_tags`.
//!
//! An event for which the expression has no truth value (a comparison of text and number, `int('x')`, a member of `null`) fails: it goes on, unless the
//! operator sets another policy.

use cel::common::types::{CelBool, CelDouble, CelInt, CelNull, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, Env, Program};
use postrider_filter::{Error, Event, Field, Filter, Host, Value, export};
use serde::Deserialize;
use std::ffi::CStr;
use std::sync::Arc;

/// What an operator sets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pass: String,
    #[serde(default = "not_selected")]
    reason: String,
    #[serde(default)]
    tag: Option<String>,
}

fn not_selected() -> String {
    "not selected".into()
}

/// The filter.
pub struct Select {
    program: Program,
    /// The language: its functions and operators.
    env: Arc<Env>,
    /// The fields that the expression names.
    fields: Vec<(String, Field)>,
    config: Config,
}

impl Filter for Select {
    const ID: &'static CStr = c"select";
    const VERSION: &'static CStr = c"1.0";
    const SUMMARY: &'static CStr = c"Passes the events for which an expression is true";
    type Config = Config;

    fn create(host: &Host, config: Config) -> Result<Self, Error> {
        let short = |text: &str| (1..=64).contains(&text.len());
        if !short(&config.reason) || !config.tag.as_deref().is_none_or(short) {
            return Err(Error::new("reason and tag must have 1 to 64 bytes"));
        }
        let env = Arc::new(Env::stdlib());
        let program = env.compile(&config.pass);
        let program = program.map_err(|e| Error::new(format!("pass: {e}")))?;
        let mut fields = Vec::new();
        for name in program.references().variables() {
            fields.push((name.to_owned(), host.field(name)?));
        }
        if fields.is_empty() {
            return Err(Error::new(
                "pass names no field, so it says the same of every event",
            ));
        }
        Ok(Select {
            program,
            env,
            fields,
            config,
        })
    }

    fn event(&mut self, event: &mut Event<'_>) -> Result<(), Error> {
        match (self.says(event)?, &self.config.tag) {
            (true, Some(tag)) => event.tag(tag)?,
            (false, None) => event.drop(&self.config.reason)?,
            (true, None) | (false, Some(_)) => {}
        }
        Ok(())
    }
}

impl Select {
    fn says(&self, event: &Event<'_>) -> Result<bool, Error> {
        let fields = Fields {
            names: &self.fields,
            values: self.fields.iter().map(|(_, f)| event.get(*f)).collect(),
        };
        let mut context = Context::with_env(self.env.clone());
        context.set_variable_resolver(&fields);
        match self.program.execute(&context) {
            Ok(cel::Value::Bool(truth)) => Ok(truth),
            Ok(other) => Err(Error::new(format!(
                "pass is a {}, neither true nor false",
                other.type_of()
            ))),
            Err(e) => Err(Error::new(format!("pass: {e}"))),
        }
    }
}

/// The fields of one event as the variables of the expression: texts stay where they are, and an object is looked into
/// only if the expression comes to it.
struct Fields<'e> {
    names: &'e [(String, Field)],
    /// In the same order.
    values: Vec<Option<Value<'e>>>,
}

impl VariableResolver for Fields<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let at = self.names.iter().position(|(name, _)| name == variable)?;
        Some(match *self.values.get(at)? {
            None => CowVal::owned(CelNull),
            Some(Value::Str(text)) => CowVal::owned(CelString::from(text)),
            Some(Value::Int(n)) => CowVal::owned(CelInt::from(n)),
            Some(Value::Double(n)) => CowVal::owned(CelDouble::from(n)),
            Some(Value::Bool(truth)) => CowVal::owned(CelBool::from(truth)),
            Some(Value::Json(json)) => {
                let value: serde_json::Value = serde_json::from_str(json).ok()?;
                let value: Box<dyn Val> = cel::to_value(value).ok()?.try_into().ok()?;
                CowVal::Owned(value)
            }
        })
    }
}

export!(Select);

#[cfg(test)]
mod tests {
    use super::*;
    use postrider::filter::{Trial, Verdict};

    const EVENT: &str = r#"{"type":"bounce","campaign_id":"spring","num_retries":"5","rcpt_to":"a@example.com","rcpt_tags":["vip"],"rcpt_meta":{"tenant":"blue"},"x_n":7}"#;

    fn verdict(config: serde_json::Value) -> Verdict {
        let mut trial = Trial::of(postrider_filter, &config.to_string()).unwrap();
        trial.one(EVENT)
    }

    fn says(pass: &str) -> Option<bool> {
        match verdict(serde_json::json!({ "pass": pass })) {
            Verdict::Passed(_) => Some(true),
            Verdict::Dropped(reason) => {
                assert_eq!(reason, "not selected");
                Some(false)
            }
            Verdict::Failed(_) => None,
        }
    }

    #[test]
    fn fields_are_variables() {
        for (pass, passes) in [
            ("type == 'bounce'", true),
            ("type == 'delivery'", false),
            ("campaign_id in ['spring', 'summer']", true),
            ("!(campaign_id in ['spring', 'summer'])", false),
            ("int(num_retries) > 3 && x_n == 7", true),
            ("rcpt_to.endsWith('@example.com')", true),
            ("rcpt_to.matches('^b.*')", false),
            ("'vip' in rcpt_tags", true),
            ("rcpt_meta.tenant == 'blue'", true),
            ("subject == null", true),
            (
                "rcpt_tags.exists(tag, tag == 'vip' && campaign_id == 'spring')",
                true,
            ),
            ("rcpt_meta.tenant == campaign_id", false),
            ("subject != null && subject.startsWith('x')", false),
        ] {
            assert_eq!(says(pass), Some(passes), "{pass}");
        }
    }

    #[test]
    fn what_is_neither_true_nor_false_fails_the_event() {
        for pass in ["x_n", "int(rcpt_to) > 1", "subject.tenant == 'x'"] {
            assert_eq!(says(pass), None, "{pass}");
        }
    }

    #[test]
    fn the_reason_is_the_operators_and_a_tag_drops_nothing() {
        let dropped = verdict(serde_json::json!({ "pass": "type == 'x'", "reason": "why not" }));
        assert_eq!(dropped, Verdict::Dropped("why not".into()));
        let tagged = |pass: &str| match verdict(serde_json::json!({ "pass": pass, "tag": "many" }))
        {
            Verdict::Passed(text) => text.contains(r#""x_tags":["many"]"#),
            other => panic!("{other:?}"),
        };
        assert!(tagged("int(num_retries) > 3"));
        assert!(!tagged("int(num_retries) > 5"));
    }

    #[test]
    fn expressions_that_cannot_be_are_refused_when_loading() {
        for (config, why) in [
            (r#"{"pass":"type =="}"#, "pass: "),
            (r#"{"pass":"1 == 1"}"#, "pass names no field"),
            (
                r#"{"pass":"type == 'x'","reason":""}"#,
                "must have 1 to 64 bytes",
            ),
            ("{}", "missing field `pass`"),
        ] {
            let refusal = Trial::of(postrider_filter, config)
                .err()
                .unwrap()
                .to_string();
            assert!(refusal.contains(why), "{refusal}");
        }
    }
}
