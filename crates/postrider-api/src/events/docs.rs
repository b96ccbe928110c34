//! What searches find: documentation and samples. None of them needs a key.

use super::params::Dialect;
use super::record;
use crate::failure::Failure;
use crate::message::Response;
use crate::operation::{Answer, Call, Doc, Param};
use serde_json::{Map, Value, json};

pub(super) const EVENTS: &[Param] = &[Param {
    name: "events",
    schema: r#"{"type": "string"}"#,
    about: "Names of event types, separated by commas; all without it",
}];

pub(super) const fn doc(id: &'static str, summary: &'static str, query: &'static [Param]) -> Doc {
    Doc {
        id,
        summary,
        extension: false,
        query,
        body: None,
        answer: (200, Some("Results")),
    }
}

/// An object for each type: its fields, its name and what it is.
pub(super) fn documentation(call: &Call<'_>, dialect: &Dialect) -> Answer {
    let all = of_dialect(call, dialect);
    let types = all.values().filter_map(|c| c["events"].as_object());
    let one = |ty: &Value| {
        let mut fields = ty["event"].as_object().cloned().unwrap_or_default();
        fields.insert("display_name".into(), ty["display_name"].clone());
        fields.insert("event_description".into(), ty["description"].clone());
        Value::Object(fields)
    };
    let types: Vec<Value> = types.flat_map(|types| types.values().map(one)).collect();
    Ok(Response::results(types))
}

/// As the webhooks' documentation, of the categories that are found.
pub(super) fn by_category(call: &Call<'_>) -> Answer {
    Ok(Response::results(of_dialect(call, &super::params::OLD)))
}

fn of_dialect(call: &Call<'_>, dialect: &Dialect) -> Map<String, Value> {
    let all = call.backend.event_documentation();
    let all = all.as_object().cloned().unwrap_or_default();
    all.into_iter()
        .filter(|(category, _)| dialect.categories.contains(&category.as_str()))
        .collect()
}

/// A record of each type, as a search would show it.
pub(super) fn samples(call: &Call<'_>, dialect: &Dialect) -> Answer {
    let named = call.query.get("events").filter(|list| !list.is_empty());
    let named: Option<Vec<&str>> = named.map(|list| list.split(',').map(str::trim).collect());
    let known = call.backend.event_types();
    let of_dialect = |name: &str| {
        known
            .iter()
            .any(|ty| ty.name == name && dialect.categories.contains(&&*ty.category))
    };
    if let Some(unknown) = named.iter().flatten().find(|name| !of_dialect(name)) {
        return Err(Failure::Parameter {
            name: "events",
            reason: format!("names {unknown:?}, which is not an event type of this call"),
        });
    }
    let chosen =
        |name: &str| of_dialect(name) && named.as_ref().is_none_or(|named| named.contains(&name));
    let samples = call.backend.event_samples(&chosen);
    let records: Vec<Value> = samples.iter().map(sample).collect();
    Ok(Response::results(json!(records)))
}

fn sample(event: &Value) -> Value {
    let fields = event["msys"]
        .as_object()
        .and_then(|msys| msys.values().next());
    let fields = fields
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let seconds = fields.get("timestamp").and_then(Value::as_str);
    let seconds: u64 = seconds.and_then(|s| s.parse().ok()).unwrap_or(0);
    record::flat(fields, seconds * 1000, None)
}
