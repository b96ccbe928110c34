//! The catalogue as documentation: for the API's endpoints, and as `docs/events.md`.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::catalogue::{Catalogue, FieldInfo, TypeInfo, fields};

/// What stands under `results` of `events/documentation`: category → `events` → type → `event` →
/// field. `chosen` chooses types; a category without any is left out.
pub fn documentation(chosen: impl Fn(&TypeInfo) -> bool) -> Value {
    let mut all = Map::new();
    for category in Catalogue::categories() {
        let mut events = Map::new();
        for ty in category
            .types
            .iter()
            .filter_map(|&id| Catalogue::type_info(id))
        {
            if !chosen(ty) {
                continue;
            }
            let documented = |field: &FieldInfo| {
                let about =
                    json!({ "description": field.description, "sampleValue": sample(ty, field) });
                (field.name.to_owned(), about)
            };
            let event = json!({
                "display_name": ty.display,
                "description": ty.description,
                "event": fields_of(ty).map(documented).collect::<Map<_, _>>(),
            });
            events.insert(ty.name.to_owned(), event);
        }
        if !events.is_empty() {
            let about = json!({
                "display_name": category.display,
                "description": category.description,
                "events": events,
            });
            all.insert(category.name.to_owned(), about);
        }
    }
    Value::Object(all)
}

/// What stands under `results` of `events/samples`: one `{"msys":{"<category>":{…}}}` for each
/// type that `chosen` chooses, by id.
pub fn samples(chosen: impl Fn(&TypeInfo) -> bool) -> Vec<Value> {
    let chosen = Catalogue::types().iter().filter(|ty| chosen(ty));
    let event = |ty: &TypeInfo| {
        let values = fields_of(ty).map(|field| (field.name.to_owned(), sample(ty, field)));
        json!({ "msys": { ty.category().name: values.collect::<Map<_, _>>() } })
    };
    chosen.map(event).collect()
}

fn fields_of(ty: &TypeInfo) -> impl Iterator<Item = &'static FieldInfo> {
    ty.fields.iter().filter_map(|&id| Catalogue::field(id))
}

fn sample(ty: &TypeInfo, field: &FieldInfo) -> Value {
    match field.id {
        fields::TYPE => ty.name.into(),
        _ => serde_json::from_str(ty.sample(field)).expect("samples are JSON"),
    }
}

/// `docs/events.md`.
pub fn markdown() -> String {
    let mut page = String::from(INTRODUCTION);
    for category in Catalogue::categories() {
        let (name, display, description) = (category.name, category.display, category.description);
        writeln!(page, "\n### `{name}`: {display}\n\n{description}.\n").unwrap();
        page.push_str("| Id | Type | When | Fields |\n|---|---|---|---|\n");
        for ty in category
            .types
            .iter()
            .filter_map(|&id| Catalogue::type_info(id))
        {
            let names: Vec<String> = fields_of(ty)
                .filter(|field| field.id != fields::TYPE)
                .map(|field| format!("`{}`", field.name))
                .collect();
            let names = names.join(" ");
            let row = format!(
                "| {} | `{}` | {} | {names} |",
                ty.id.0, ty.name, ty.description
            );
            writeln!(page, "{row}").unwrap();
        }
    }
    page.push_str(
        "\n## Fields\n\n| Id | Field | JSON type | Meaning | Sample |\n|---|---|---|---|---|\n",
    );
    for field in Catalogue::fields() {
        let sample = match field.id {
            fields::TYPE => "\"delivery\"",
            _ => field.sample,
        };
        let (id, name, kind, about) = (field.id.0, field.name, field.kind, field.description);
        writeln!(page, "| {id} | `{name}` | {kind} | {about} | `{sample}` |").unwrap();
    }
    for field in Catalogue::fields()
        .iter()
        .filter(|field| !field.properties.is_empty())
    {
        writeln!(page, "\n### Members of `{}`\n", field.name).unwrap();
        page.push_str("| Member | JSON type | Meaning |\n|---|---|---|\n");
        for p in field.properties {
            writeln!(page, "| `{}` | {} | {} |", p.name, p.kind, p.description).unwrap();
        }
    }
    page
}

const INTRODUCTION: &str = "\
# Events

This page is made from `crates/postrider/catalogue.json`. To change it, change that, then
`POSTRIDER_REGENERATE=1 cargo test -p postrider --lib event::docs`.

An event goes out as

```json
{\"msys\":{\"message_event\":{\"type\":\"delivery\",\"rcpt_to\":\"alice@example.com\",\"event_id\":\"…\",\"timestamp\":\"…\"}}}
```

`msys` holds one category, the category holds the fields. Only fields that mean something for the
event are sent.

## What can be pushed

- **Type**: one of the table below, or a custom type: a category and a name of `a-z`, `0-9` and
  `_`, up to 64 bytes each, declared first. Custom types have the ids 256 to 1023. Names are unique
  across categories.
- **Fields**: any field of the table below may go with any type; the list of a type says what
  receivers can expect. A field that is not in the table is taken if its name starts with `x_`, if
  the type is a custom type, or if `events.unknown_fields` is set. Its name has 1 to 128 bytes, its
  value may be any JSON.
- **Values** have the field's JSON type. A number or a truth value given for a *string* goes out as
  text: `1337` as `\"1337\"`. Nothing else is converted, and `null` is refused: leave the field out.
  JSON is copied as given, white space between its parts left out.
- **`event_id`** is filled in where missing: 19 decimal digits, below 2^63, never used twice. A
  given one is kept: up to 36 decimal digits, or a UUID.
- **`timestamp`** is filled in where missing. A given one is kept: Unix seconds, a fraction allowed.
- **`subaccount_id`** is a number from 0 (the primary account) to 2147483647.
- **`type`** in an object of fields must be the type that the event is pushed as.

An event is refused as a whole, with an error that names the field, if a field is given twice, if
there are more than 256 of them, if values are nested deeper than 16 levels (the object of fields is
the first), if its text would be longer than 131072 bytes, or if anything in it is not UTF-8 or not
JSON. Inside the value of a field, names are not compared: a member given twice is the receiver's to
judge.

## Types

Ids never change.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Encoder, Schema};

    #[test]
    fn the_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/events.md");
        let page = markdown();
        if std::env::var_os("POSTRIDER_REGENERATE").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            there == page,
            "docs/events.md is stale: set POSTRIDER_REGENERATE=1 and run again"
        );
    }

    #[test]
    fn there_is_a_sample_of_every_type_with_all_its_fields() {
        let all = samples(|_| true);
        assert_eq!(all.len(), 27);
        for (ty, sample) in Catalogue::types().iter().zip(&all) {
            let event = sample["msys"][ty.category().name].as_object().unwrap();
            assert_eq!(event["type"], ty.name);
            assert_eq!(event.len(), ty.fields.len());
            for field in fields_of(ty) {
                let value = &event[field.name];
                let right = match field.kind {
                    crate::event::JsonType::String => value.is_string(),
                    crate::event::JsonType::Boolean => value.is_boolean(),
                    crate::event::JsonType::Integer => value.is_i64(),
                    crate::event::JsonType::Number => value.is_number(),
                    crate::event::JsonType::Object => value.is_object(),
                    crate::event::JsonType::Array => value.is_array(),
                };
                assert!(right, "{} of {}: {value}", field.name, ty.name);
            }
        }
    }

    #[test]
    fn samples_are_what_the_encoder_takes_and_gives() {
        let mut encoder = Encoder::new();
        let schema = Schema::new(false);
        for mut sample in samples(|_| true) {
            let ty = sample["msys"].as_object().unwrap().values().next().unwrap()["type"].clone();
            let encoded = encoder.line(&schema, sample.to_string().as_bytes(), 1_700_000_000_000);
            let text: Value = serde_json::from_slice(encoded.unwrap().text).unwrap();
            if ty == "sms_status" {
                // The one type whose sample has no event id: it is filled in.
                let id = text["msys"]["message_event"]["event_id"].clone();
                assert!(id.is_string());
                sample["msys"]["message_event"]["event_id"] = id;
            }
            assert_eq!(text, sample);
        }
    }

    #[test]
    fn objects_have_the_members_that_are_documented() {
        let winner = Catalogue::type_by_name("ab_test_completed").unwrap();
        for field in Catalogue::fields()
            .iter()
            .filter(|field| !field.properties.is_empty())
        {
            let value = sample(winner, field);
            let members = value.as_object().unwrap();
            let documented: Vec<&str> = field.properties.iter().map(|p| p.name).collect();
            assert!(
                documented.iter().all(|name| members.contains_key(*name)),
                "{}",
                field.name
            );
            assert_eq!(members.len(), documented.len(), "{}", field.name);
        }
    }

    #[test]
    fn documentation_has_the_shape_of_the_contract() {
        let all = documentation(|_| true);
        assert_eq!(all.as_object().unwrap().len(), 7);
        let bounce = &all["message_event"]["events"]["bounce"];
        assert_eq!(bounce["display_name"], "Bounce");
        assert_eq!(bounce["event"]["type"]["sampleValue"], "bounce");
        assert_eq!(bounce["event"]["amp_enabled"]["sampleValue"], true);
        assert!(bounce["event"]["rcpt_to"]["description"].is_string());
        assert_eq!(all["track_event"]["display_name"], "Engagement Events");
        let few = documentation(|ty| ty.name == "click");
        assert_eq!(few.as_object().unwrap().len(), 1);
        assert_eq!(few["track_event"]["events"].as_object().unwrap().len(), 1);
    }
}
