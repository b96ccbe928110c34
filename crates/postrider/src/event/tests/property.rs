//! The JSON reader against serde_json: it takes what serde_json takes, and means the same.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::{NOW, fields_of};
use crate::event::{
    Catalogue, Encoder, EventError, Field, FieldName, JsonType, Schema, TypeId, types,
};

/// Both readers' verdicts on an object of fields. Where ours is no it must be for the JSON, where
/// serde_json says no; limits and names are ours alone.
fn compare(object: &[u8]) {
    let schema = Schema::new(true);
    let mut encoder = Encoder::new();
    let theirs: Result<Map<String, Value>, _> = serde_json::from_slice(object);
    match (encoder.json(&schema, types::DELIVERY, object, NOW), theirs) {
        (Ok(encoded), Ok(theirs)) => {
            let ours = fields_of(&encoded);
            for (name, value) in theirs {
                assert_eq!(meant(&name, &ours[&name], &value), value, "{name}");
            }
        }
        (Ok(_), Err(theirs)) => panic!("taken, but {theirs}: {:?}", show(object)),
        (Err(error @ (EventError::Syntax { .. } | EventError::Utf8 { .. })), Ok(_)) => {
            panic!(
                "refused, but serde_json takes it: {error}: {:?}",
                show(object)
            )
        }
        (Err(_), _) => {}
    }
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What was sent, taken back from text where the contract sends `given` as text.
fn meant(name: &str, sent: &Value, given: &Value) -> Value {
    let text = Catalogue::field_by_name(name).is_some_and(|f| f.kind == JsonType::String);
    match sent {
        Value::String(raw) if text && !given.is_string() => serde_json::from_str(raw).unwrap(),
        other => other.clone(),
    }
}

#[test]
fn nasty_values() {
    let cases = [
        "1",
        "-0",
        "0",
        "-",
        "+1",
        "01",
        "-01",
        "1.",
        ".5",
        "1.e1",
        "1e",
        "1e+",
        "1E-5",
        "1e5",
        "0e0",
        "0.0e-0",
        "1e308",
        "1e309",
        "-1e309",
        "1.7976931348623157e308",
        "1e-400",
        "0e999999999999",
        "1e-999999999999",
        "1e999999999999",
        "18446744073709551616",
        "-9223372036854775809",
        "0x10",
        "1_000",
        "NaN",
        "Infinity",
        "-Infinity",
        "1 2",
        "--1",
        "1e1.5",
        "00",
        "0.",
        "- 1",
        "\"\"",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\\\\"",
        "\"\\/\"",
        "\"\\b\\f\\n\\r\\t\"",
        "\"\\a\"",
        "\"\\'\"",
        "\"\\u0000\"",
        "\"\\u12\"",
        "\"\\u123g\"",
        "\"\\U0041\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\ude00\"",
        "\"\\ud83dx\"",
        "\"\\ud83d\\n\"",
        "\"\\ud83d\\ud83d\"",
        "\"\\ud83d\\u0041\"",
        "\"\\uDBFF\\uDFFF\"",
        "\"\\uD800\\uDC00\"",
        "\"\\ud83d\\u",
        "\"\\",
        "\"\\u",
        "\"\t\"",
        "\"\u{7f}\"",
        "\"\0\"",
        "\"\u{2028}\"",
        "\"\u{feff}\"",
        "\"é\u{10ffff}\"",
        "'a'",
        "true",
        "tru",
        "truex",
        "True",
        "false",
        "fals",
        "null",
        "nul",
        "nulll",
        "[]",
        "[",
        "]",
        "[1",
        "[1,",
        "[,1]",
        "[1,]",
        "[1 2]",
        "[1,,2]",
        "[[]]",
        "[}",
        "{]",
        "{}",
        "{",
        "}",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1,\"a\":2}",
        "{\"a\"::1}",
        "{1:1}",
        "{null:1}",
        "{\"\":0}",
        "{\"\\u0061\":1}",
        "[1,{\"a\":[true,null]}]",
        "/*c*/1",
        "1//c",
        "1\u{a0}",
        "\u{feff}1",
        "\u{c}1",
        "\u{b}1",
        " \t\r\n1 \t\r\n",
        "",
        " ",
        ",",
        ":",
        "1,\"x_w\":2",
        "1}",
        "1},{",
        "1,\"x_v\":2",
        "@",
    ];
    for value in cases {
        for space in ["", " ", "\n\t"] {
            compare(format!("{{\"x_v\":{space}{value}{space}}}").as_bytes());
            compare(format!("{{{space}\"x_v\":[{value}{space},{space}{value}]}}").as_bytes());
        }
        compare(value.as_bytes());
        compare(format!("{{\"subject\":{value}}}").as_bytes());
    }
    for digits in [299, 300, 301, 308, 309, 310, 400] {
        let number = "9".repeat(digits);
        for text in [
            number.clone(),
            format!("-{number}"),
            format!("0.{number}"),
            format!("{number}e-200"),
        ] {
            compare(format!("{{\"x_v\":{text}}}").as_bytes());
        }
    }
}

#[test]
fn every_byte_in_every_place_of_a_value() {
    let template = br#"{"x_v": {"a": [1.5e1, "b\u00e9\n", true, null, -0]} , "subject":"s"}"#;
    for at in 0..template.len() {
        for byte in 0..=255 {
            let mut object = template.to_vec();
            object[at] = byte;
            compare(&object);
        }
        compare(&template[..at]);
        compare(&[&template[..at], &template[at + 1..]].concat());
    }
}

/// Any JSON value, within the nesting that an event may have.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("finite", |n| n.is_finite())
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_fields() -> impl Strategy<Value = Map<String, Value>> {
    let names = prop_oneof![
        ".{1,20}",
        prop::sample::select(
            Catalogue::fields()
                .iter()
                .map(|f| f.name.to_owned())
                .collect::<Vec<_>>()
        ),
    ];
    prop::collection::btree_map(names, any_value(), 0..12).prop_map(|map| map.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_object_is_read_as_serde_json_reads_it(fields in any_fields(), pretty: bool) {
        let text = match pretty {
            true => serde_json::to_vec_pretty(&fields),
            false => serde_json::to_vec(&fields),
        };
        compare(&text.unwrap());
    }

    #[test]
    fn an_object_of_ones_own_fields_is_always_taken(value in any_value(), name in "x_.{0,30}") {
        let object = serde_json::json!({ &name: &value }).to_string();
        // serde_json reads some doubles a last digit off: what counts is what it reads.
        let value = serde_json::from_str::<Map<String, Value>>(&object).unwrap()[&name].clone();
        let mut encoder = Encoder::new();
        let encoded = encoder.json(&Schema::new(false), types::DELIVERY, object.as_bytes(), NOW).unwrap();
        prop_assert_eq!(&fields_of(&encoded)[&name], &value);
    }

    #[test]
    fn damaged_json_is_judged_as_serde_json_judges_it(
        fields in any_fields(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..4),
    ) {
        let mut text = serde_json::to_vec(&fields).unwrap();
        for (place, byte, what) in damage {
            let at = place.index(text.len());
            match what {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => text.truncate(at.max(1)),
            }
        }
        compare(&text);
    }

    #[test]
    fn text_that_looks_like_json_is_judged_alike(value in r#"[\[\]{}:,"\\/u0-9a-fA-F.eE+\- \ntrlsé\x00]{0,24}"#) {
        compare(format!("{{\"x_v\":{value}}}").as_bytes());
        compare(format!("{{\"x_v\":\"{value}\"}}").as_bytes());
    }

    #[test]
    fn bytes_of_any_kind_are_judged_alike(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        compare(&[b"{\"x_v\":\"", &bytes[..], b"\"}"].concat());
        compare(&bytes);
    }

    #[test]
    fn typed_text_comes_out_as_it_went_in(texts in prop::collection::vec(any::<String>(), 0..20)) {
        let schema = Schema::new(false);
        let ty: TypeId = schema.declare("own", "own").unwrap();
        let names: Vec<String> = (0..texts.len()).map(|i| format!("f{i}")).collect();
        let fields: Vec<Field<'_>> = names
            .iter()
            .zip(&texts)
            .map(|(n, t)| Field { name: FieldName::Name(n), value: crate::event::Value::Str(t) })
            .collect();
        let mut encoder = Encoder::new();
        let event = fields_of(&encoder.typed(&schema, ty, &fields, NOW).unwrap());
        for (name, text) in names.iter().zip(&texts) {
            prop_assert_eq!(&event[name], text.as_str());
        }
    }

    #[test]
    fn a_line_is_judged_as_its_object_is(fields in any_fields()) {
        let schema = Schema::new(true);
        let mut fields = fields;
        fields.insert("type".into(), "delivery".into());
        let flat = Value::Object(fields);
        let wrapped = serde_json::json!({ "msys": { "message_event": &flat } });
        let judge = |line: &Value| {
            let mut encoder = Encoder::new();
            let encoded = encoder.line(&schema, line.to_string().as_bytes(), NOW);
            encoded.map(|encoded| {
                let mut event = fields_of(&encoded);
                if flat.get("event_id").is_none() {
                    event.remove("event_id");
                }
                event
            }).map_err(|error| error.field().map(str::to_owned))
        };
        prop_assert_eq!(judge(&flat), judge(&wrapped));
    }
}
