//! What a receiver gets of each event type has the shape of the original contract's sample: the same
//! fields with the same JSON types, whatever the host gave.

use postrider_tests::binary::{Served, push, run, told};
use postrider_tests::receiver::Receiver;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Category and shape of each type, as the official samples have them.
fn contract() -> BTreeMap<String, (String, String)> {
    let text = include_str!("../fixtures/event-shapes.txt");
    let mut shapes = BTreeMap::new();
    let mut current = String::new();
    for line in text
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
    {
        if let Some(more) = line.strip_prefix("  ") {
            let (_, shape): &mut (String, String) = shapes.get_mut(&current).expect("a type");
            if !shape.is_empty() {
                shape.push(' ');
            }
            shape.push_str(more);
        } else {
            let (category, name) = line.split_once(' ').expect("CATEGORY TYPE");
            current = name.to_owned();
            shapes.insert(current.clone(), (category.to_owned(), String::new()));
        }
    }
    assert_eq!(shapes.len(), 27);
    shapes
}

fn shape(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "boolean".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Number(n) if n.is_i64() => "integer".to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::Array(items) => {
            let kinds: BTreeSet<String> = items.iter().map(shape).collect();
            format!("[{}]", kinds.into_iter().collect::<Vec<_>>().join("|"))
        }
        Value::Object(members) => shape_of(members),
    }
}

fn shape_of(members: &Map<String, Value>) -> String {
    let member = |(name, value): (&String, &Value)| match shape(value).as_str() {
        "string" => name.clone(),
        // What a sender put there: any members.
        other if name == "rcpt_meta" || name == "rcpt_subs" => {
            assert!(other.starts_with('{'), "{name} is an object");
            format!("{name}:object")
        }
        other => format!("{name}:{other}"),
    };
    let members: BTreeSet<String> = members.iter().map(member).collect();
    format!("{{{}}}", members.into_iter().collect::<Vec<_>>().join(" "))
}

/// Category and fields of an event in its envelope.
fn fields(event: &Value) -> (&String, &Map<String, Value>) {
    let categories = event["msys"].as_object().expect("an envelope");
    assert_eq!(categories.len(), 1);
    let (category, fields) = categories.iter().next().expect("a category");
    (category, fields.as_object().expect("fields"))
}

fn assert_contract(event: &Value) {
    let (category, fields) = fields(event);
    let name = fields["type"].as_str().expect("a type");
    let contract = &contract()[name];
    assert_eq!(category, &contract.0, "{name}");
    let mut got = shape_of(fields);
    if name == "sms_status" {
        // The one sample without an id: Postrider gives every event one, to be told apart by.
        got = got.replacen("dr_latency event_id ", "dr_latency ", 1);
    }
    assert_eq!(got, contract.1, "{name}");
}

#[test]
fn samples_have_the_contracts_shape() {
    let samples = postrider::event::samples(|_| true);
    assert_eq!(samples.len(), 27);
    samples.iter().for_each(assert_contract);
}

#[test]
fn what_arrives_has_the_contracts_shape_though_the_host_gave_numbers() {
    let receiver = Receiver::ok();
    let dir = tempfile::tempdir().expect("a directory");
    let served = Served::start(&dir.path().join("data"), &["--set", "batch.linger_ms=0"]);
    let target = receiver.url("/");
    let made = run(&[
        "webhook",
        "create",
        "--data",
        served.data_arg(),
        "--name",
        "all",
        "--target",
        &target,
        "--all-events",
    ]);
    assert!(made.status.success(), "{}", told(&made));

    let mut lines = String::new();
    let samples = postrider::event::samples(|_| true);
    for sample in &samples {
        let (category, fields) = fields(sample);
        let given: Map<String, Value> = fields
            .iter()
            .map(|(name, value)| (name.clone(), as_a_host_has_it(name, value)))
            .collect();
        lines += &format!("{}\n", json!({"msys": {category: given}}));
    }
    assert!(lines.contains(r#""bounce_class":1"#), "some were numbers");
    let pushed = push(served.data_arg(), lines.as_bytes());
    assert!(pushed.status.success(), "{}", told(&pushed));
    let events = receiver.wait_events(samples.len());
    assert_eq!(events.len(), samples.len());
    events.iter().for_each(assert_contract);
    served.process.terminate();
}

/// Text that is a number as the number: an MTA has sizes, codes and counts as such.
fn as_a_host_has_it(name: &str, value: &Value) -> Value {
    let number = value.as_str().and_then(|text| text.parse::<i64>().ok());
    match number {
        // Ids are text to their host too, and may have leading zeros.
        Some(n) if !name.ends_with("_id") && n.to_string() == *value.as_str().unwrap_or("") => {
            n.into()
        }
        _ => value.clone(),
    }
}
