//! What a filter may do, tried with filters that are linked in: what a call gives, what it changes, and what is refused.
//! Shared objects, and what the host does with bad ones, are in the repository's `tests/tests/filter.rs`.

use super::{Trial, Verdict};
use postrider_filter::{Batch, Error, Event, Field, Filter, Host, OnFailure, Value, abi};
use serde::Deserialize;
use std::ffi::CStr;

/// Does to each event what its field `x_do` says, word by word.
struct Doer {
    host: Host,
    what: Field,
    config: DoerConfig,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DoerConfig {
    #[serde(default)]
    greeting: String,
}

impl Filter for Doer {
    const ID: &'static CStr = c"doer";
    const VERSION: &'static CStr = c"1.0";
    const SUMMARY: &'static CStr = c"Does what the event says";
    const ON_FAILURE: OnFailure = OnFailure::Closed;
    type Config = DoerConfig;

    fn create(host: &Host, config: DoerConfig) -> Result<Self, Error> {
        Ok(Doer {
            what: host.field("x_do")?,
            host: host.clone(),
            config,
        })
    }

    fn event(&mut self, event: &mut Event<'_>) -> Result<(), Error> {
        let Some(what) = event.str(self.what) else {
            return Ok(());
        };
        for step in what.split(';') {
            self.step(event, step)?;
        }
        Ok(())
    }

    fn process(&mut self, batch: &mut Batch<'_>) -> Result<(), Error> {
        for mut event in batch.events() {
            let emit = event
                .str(self.what)
                .and_then(|what| what.strip_prefix("emit "));
            if let Some(object) = emit {
                let ty = self
                    .host
                    .event_type("click")
                    .ok_or_else(|| Error::new("no click"))?;
                batch.emit(ty, object)?;
            } else if let Err(e) = self.event(&mut event) {
                event.fail(&e.to_string());
            }
        }
        Ok(())
    }
}

impl Doer {
    fn step(&mut self, event: &mut Event<'_>, step: &str) -> Result<(), Error> {
        let mut words = step.splitn(3, ' ');
        let (verb, name, rest) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let field = self.host.field(name);
        match verb {
            "set" => event.set(field?, rest)?,
            "json" => event.set(field?, Value::Json(rest))?,
            "int" => event.set(field?, rest.parse::<i64>()?)?,
            "double" => event.set(field?, f64::NAN)?,
            "bool" => event.set(field?, rest == "true")?,
            "remove" => event.remove(field?)?,
            "tag" => event.tag(name)?,
            "drop" => event.drop(name)?,
            "fail" => event.fail(name),
            "huge" => event.set(field?, &*"h".repeat(140_000))?,
            "greet" => event.set(field?, &*self.config.greeting)?,
            "read" => {
                let read = format!("{:?}", event.get(field?));
                event.set(self.host.field("x_read")?, &*read)?;
            }
            "ignore" => drop(event.set(field?, rest)),
            "panic" => panic!("told to"),
            other => return Err(Error::new(format!("cannot {other}"))),
        }
        Ok(())
    }
}

extern "C" fn doer() -> *const abi::Entry {
    postrider_filter::entry::<Doer>()
}

fn trial() -> Trial {
    Trial::of(doer, r#"{"greeting":"hello"}"#).unwrap()
}

const GIVEN: &str = r#""event_id":"7","timestamp":"1460989507","rcpt_to":"a@example.com","num_retries":"2","rcpt_tags":["x"],"x_n":1.5,"x_flag":true,"x_null":null,"subject":"\u00e9 \"quoted\"""#;

/// What becomes of an event whose `x_do` is `what`; of one that passes, what follows `subject`.
fn done(what: &str) -> Verdict {
    let what = serde_json::to_string(what).unwrap();
    let line = format!(r#"{{"type":"delivery",{GIVEN},"x_do":{what}}}"#);
    match trial().one(&line) {
        Verdict::Passed(text) => {
            let head = r#"{"msys":{"message_event":{"type":"delivery",""#;
            assert!(text.starts_with(head) && text.ends_with("}}}"), "{text}");
            assert!(
                serde_json::from_str::<serde_json::Value>(&text).is_ok(),
                "{text}"
            );
            let doing = format!(r#","x_do":{what}"#);
            Verdict::Passed(text.replace(&doing, ""))
        }
        other => other,
    }
}

fn passed(given: &str, added: &str) -> Verdict {
    Verdict::Passed(format!(
        r#"{{"msys":{{"message_event":{{"type":"delivery",{given}{added}}}}}}}"#
    ))
}

fn failed(what: &str) -> String {
    match done(what) {
        Verdict::Failed(why) => why,
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn an_event_that_nobody_touches_is_the_same_bytes() {
    let line = format!(r#"{{"type":"delivery",{GIVEN}}}"#);
    assert_eq!(trial().one(&line), passed(GIVEN, ""));
}

#[test]
fn set_replaces_in_place_and_adds_at_the_end() {
    let given = GIVEN.replace("a@example.com", "b@example.com");
    assert_eq!(done("set rcpt_to b@example.com"), passed(&given, ""));
    assert_eq!(
        done("set x_new a \"b\"\n"),
        passed(GIVEN, r#","x_new":"a \"b\"\n""#)
    );
    assert_eq!(
        done("json x_new {\"a\":[1]}"),
        passed(GIVEN, r#","x_new":{"a":[1]}"#)
    );
    assert_eq!(done("bool x_new true"), passed(GIVEN, r#","x_new":true"#));
    assert_eq!(done("greet x_new"), passed(GIVEN, r#","x_new":"hello""#));
    // Of several changes the last counts.
    assert_eq!(done("set x_new a;set x_new b;remove x_null"), {
        let given = GIVEN.replace(r#","x_null":null"#, "");
        passed(&given, r#","x_new":"b""#)
    });
    assert_eq!(done("set x_new a;remove x_new"), passed(GIVEN, ""));
}

#[test]
fn a_number_goes_out_as_the_contract_sends_it() {
    let given = GIVEN.replace(r#""num_retries":"2""#, r#""num_retries":"3""#);
    assert_eq!(done("int num_retries 3"), passed(&given, ""));
    assert_eq!(done("int x_new -3"), passed(GIVEN, r#","x_new":-3"#));
}

#[test]
fn values_are_read_in_their_kind_and_as_they_were_set() {
    for (read, value) in [
        ("rcpt_to", r#"Some(Str("a@example.com"))"#),
        ("subject", r#"Some(Str("é \"quoted\""))"#),
        ("num_retries", r#"Some(Str("2"))"#),
        ("rcpt_tags", r#"Some(Json("[\"x\"]"))"#),
        ("x_n", "Some(Double(1.5))"),
        ("x_flag", "Some(Bool(true))"),
        ("x_null", r#"Some(Json("null"))"#),
        ("type", r#"Some(Str("delivery"))"#),
        ("x_none", "None"),
        ("geo_ip", "None"),
    ] {
        let told = serde_json::to_string(value).unwrap();
        let expected = passed(GIVEN, &format!(r#","x_read":{told}"#));
        assert_eq!(done(&format!("read {read}")), expected, "{read}");
    }
    let expected = passed(GIVEN, r#","x_new":5,"x_read":"Some(Int(5))""#);
    assert_eq!(done("int x_new 5;read x_new"), expected);
    let given = GIVEN.replace(r#","x_n":1.5"#, "");
    assert_eq!(
        done("remove x_n;read x_n"),
        passed(&given, r#","x_read":"None""#)
    );
}

#[test]
fn tags_are_an_array_without_repetition() {
    assert_eq!(
        done("tag vip;tag late;tag vip"),
        passed(GIVEN, r#","x_tags":["vip","late"]"#)
    );
    assert!(failed(&format!("tag {}", "t".repeat(65))).contains("limit"));
}

#[test]
fn a_dropped_event_has_its_reason() {
    assert_eq!(done("drop unwanted"), Verdict::Dropped("unwanted".into()));
    assert_eq!(
        done("drop unwanted;fail later"),
        Verdict::Failed("later".into())
    );
    assert_eq!(
        done("fail first;drop later"),
        Verdict::Failed("first".into())
    );
}

#[test]
fn what_a_push_would_refuse_fails_the_event() {
    for (what, why) in [
        ("set type bounce", "not a field that a filter may change"),
        ("set event_id 8", "not a field that a filter may change"),
        ("remove timestamp", "not a field that a filter may change"),
        ("set rcpt_tags text", "not a value that the field takes"),
        (
            "set subaccount_id minus",
            "not a value that the field takes",
        ),
        ("json x_new {", "not a value that the field takes"),
        ("double x_new", "not a value that the field takes"),
        ("huge x_new", "past a limit"),
        ("fly", "cannot fly"),
    ] {
        assert_eq!(failed(what), why, "{what}");
    }
    // Not even by not looking at the answer.
    assert_eq!(
        failed("ignore type bounce"),
        "a change was refused with status -13"
    );
}

#[test]
fn two_changes_that_fit_alone_but_not_together_fail_the_event() {
    let half = "h".repeat(70_000);
    let line = format!(
        r#"{{"type":"delivery","event_id":"7","timestamp":"1","x_a":"{half}","x_do":"huge x_b"}}"#
    );
    assert_eq!(trial().one(&line), Verdict::Failed("past a limit".into()));
}

#[test]
fn the_subaccount_is_the_events_own() {
    let Verdict::Passed(text) = done("set subaccount_id 7") else {
        panic!()
    };
    assert!(text.contains(r#""subaccount_id":"7""#), "{text}");
}

#[test]
fn an_added_event_is_checked_and_stamped() {
    let mut trial = trial();
    let emit = |object: &str| {
        let what = serde_json::to_string(&format!("emit {object}")).unwrap();
        format!(r#"{{"type":"delivery","x_do":{what}}}"#)
    };
    let report = trial.run(&[emit(r#"{"rcpt_to":"c@example.com"}"#)]);
    assert_eq!(report.failed, None);
    let [text] = &report.emitted[..] else {
        panic!("{report:?}")
    };
    assert!(
        text.starts_with(
            r#"{"msys":{"track_event":{"type":"click","rcpt_to":"c@example.com","event_id":""#
        ),
        "{text}"
    );
    let report = trial.run(&[emit("[]"), r#"{"type":"click"}"#.to_owned()]);
    assert_eq!(report.verdicts.len(), 2);
    assert!(
        report.failed.is_some() && report.emitted.is_empty(),
        "{report:?}"
    );
    // 64, and 2 for each event of the batch.
    let many = vec![emit("{}"); 300];
    assert_eq!(trial.run(&many).emitted.len(), 300);
}

#[test]
fn a_panic_fails_the_batch_and_poisons_the_instance() {
    let mut trial = trial();
    let good = format!(r#"{{"type":"delivery",{GIVEN}}}"#);
    let bad = r#"{"type":"delivery","x_do":"panic"}"#;
    let report = trial.run(&[good.as_str(), bad]);
    assert!(report.failed.is_some());
    assert!(matches!(
        &report.verdicts[..],
        [Verdict::Failed(_), Verdict::Failed(_)]
    ));
    assert!(trial.take_log().iter().any(|line| line.contains("told to")));
    let report = trial.run(&[good]);
    assert_eq!(
        report.failed.as_deref(),
        Some("process() says that the instance is broken")
    );
}

#[test]
fn a_configuration_that_does_not_fit_is_refused_with_the_reason() {
    let refused = |config: &str| Trial::of(doer, config).err().unwrap().to_string();
    assert!(refused(r#"{"greting":""}"#).contains("unknown field `greting`"));
    assert!(refused(r#"{"greeting":7}"#).contains("expected a string"));
    assert!(Trial::of(doer, "{}").is_ok());
}
