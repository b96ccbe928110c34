use serde_json::json;

use super::{NOW, fields_of, typed};
use crate::event::{
    Catalogue, Encoder, Event, EventError, Field, FieldId, FieldName, MAX_TEXT, Schema, TypeId,
    Value, fields, type_of_text, types,
};

fn one(
    name: impl Into<FieldName<'static>>,
    value: Value<'_>,
) -> Result<serde_json::Value, EventError> {
    let name = name.into();
    let (_, event) = typed(&[Field { name, value }])?;
    let key = match name {
        FieldName::Id(id) => Catalogue::field(id).unwrap().name,
        FieldName::Name(name) => name,
    };
    Ok(event[key].clone())
}

#[test]
fn the_smallest_event() {
    let mut encoder = Encoder::new();
    let schema = Schema::new(false);
    let encoded = encoder.typed(&schema, types::INJECTION, &[], NOW).unwrap();
    let id = *encoded.event_id;
    assert_eq!(id.as_str().len(), 19);
    let text = format!(
        "{{\"msys\":{{\"message_event\":{{\"type\":\"injection\",\"event_id\":\"{id}\",\
         \"timestamp\":\"1700000000\"}}}}}}"
    );
    assert_eq!(encoded.text, text.as_bytes());
    let entry = encoded.entry;
    assert_eq!(
        (entry.time_ms, entry.subaccount, entry.type_id, entry.flags),
        (NOW, 0, types::INJECTION.0, 0)
    );
    let next = encoder
        .typed(&schema, types::INJECTION, &[], NOW)
        .unwrap()
        .event_id;
    assert_eq!(
        next.as_str().parse::<u64>().unwrap(),
        id.as_str().parse::<u64>().unwrap() + 1
    );
}

#[test]
fn values_take_the_form_of_the_contract() {
    let cases = [
        (fields::SUBJECT, Value::Str("Hi"), json!("Hi")),
        (
            fields::SUBJECT,
            Value::Bytes("Grüße".as_bytes()),
            json!("Grüße"),
        ),
        (fields::MSG_SIZE, Value::Int(1337), json!("1337")),
        (
            fields::MSG_SIZE,
            Value::Int(i64::MIN),
            json!("-9223372036854775808"),
        ),
        (fields::DR_LATENCY, Value::Double(0.25), json!("0.25")),
        (fields::TRANSACTIONAL, Value::Bool(true), json!("true")),
        (fields::SUBJECT, Value::Json(" \"a\\u0062\" "), json!("ab")),
        (fields::MSG_SIZE, Value::Json("12"), json!("12")),
        (fields::AMP_ENABLED, Value::Bool(false), json!(false)),
        (fields::AMP_ENABLED, Value::Json("true"), json!(true)),
        (fields::SMS_SEGMENTS, Value::Int(-3), json!(-3)),
        (fields::SMS_SEGMENTS, Value::Json("3"), json!(3)),
        (
            fields::RCPT_TAGS,
            Value::Json("[ \"a\" , \"b\" ]"),
            json!(["a", "b"]),
        ),
        (
            fields::RCPT_META,
            Value::Json("{\"k\" : {\"n\":[1, null]}}"),
            json!({"k": {"n": [1, null]}}),
        ),
    ];
    for (field, value, expected) in cases {
        assert_eq!(one(field, value).unwrap(), expected, "{value:?}");
    }
}

#[test]
fn fields_of_ones_own_keep_their_kind() {
    for (value, expected) in [
        (Value::Str("s"), json!("s")),
        (Value::Int(5), json!(5)),
        (Value::Double(1.0), json!(1.0)),
        (Value::Double(-1e300), json!(-1e300)),
        (Value::Bool(true), json!(true)),
        (Value::Json("null"), json!(null)),
        (Value::Json("[{}]"), json!([{}])),
    ] {
        assert_eq!(one("x_own", value).unwrap(), expected);
    }
}

#[test]
fn a_name_of_the_catalogue_is_its_field() {
    assert_eq!(one("msg_size", Value::Int(7)).unwrap(), "7");
    let twice = [
        Field {
            name: "msg_size".into(),
            value: Value::Int(7),
        },
        Field {
            name: fields::MSG_SIZE.into(),
            value: Value::Int(7),
        },
    ];
    let error = typed(&twice).unwrap_err();
    assert_eq!(error.to_string(), "field `msg_size` is given twice");
}

#[test]
fn every_control_character_quote_and_backslash_is_escaped() {
    let all: String = (0..0x250).filter_map(char::from_u32).collect();
    let text = one(fields::SUBJECT, Value::Str(&all)).unwrap();
    assert_eq!(text, all);
    let own = one("x_\u{1}\"\\ é", Value::Str("v")).unwrap();
    assert_eq!(own, "v");
}

#[test]
fn wrong_kinds_name_field_expected_and_found() {
    for (field, value, message) in [
        (
            fields::AMP_ENABLED,
            Value::Int(1),
            "field `amp_enabled` must be boolean, found integer",
        ),
        (
            fields::AMP_ENABLED,
            Value::Str("true"),
            "field `amp_enabled` must be boolean, found string",
        ),
        (
            fields::SMS_SEGMENTS,
            Value::Double(1.5),
            "field `sms_segments` must be integer, found number",
        ),
        (
            fields::SMS_SEGMENTS,
            Value::Bool(true),
            "field `sms_segments` must be integer, found boolean",
        ),
        (
            fields::SUBJECT,
            Value::Json("null"),
            "field `subject` must be string, found null",
        ),
        (
            fields::SUBJECT,
            Value::Json("{}"),
            "field `subject` must be string, found object",
        ),
        (
            fields::RCPT_META,
            Value::Json("[]"),
            "field `rcpt_meta` must be object, found array",
        ),
        (
            fields::RCPT_TAGS,
            Value::Str("a"),
            "field `rcpt_tags` must be array, found string",
        ),
        (
            fields::RCPT_TAGS,
            Value::Json("null"),
            "field `rcpt_tags` must be array, found null",
        ),
        (
            fields::SUBJECT,
            Value::Double(f64::NAN),
            "field `subject` must be a finite number, found `NaN`",
        ),
        (
            fields::SUBJECT,
            Value::Bytes(b"ab\xffc"),
            "field `subject`: not UTF-8 at byte 2",
        ),
        (
            fields::RCPT_META,
            Value::Json("{\"a\":1"),
            "field `rcpt_meta`: not JSON at byte 6: expected `,` or `}`, found `the end`",
        ),
        (
            fields::RCPT_META,
            Value::Json("{} x"),
            "field `rcpt_meta`: not JSON at byte 3: expected the end, found `x`",
        ),
        (
            fields::RCPT_META,
            Value::Json(""),
            "field `rcpt_meta`: not JSON at byte 0: expected a value, found `the end`",
        ),
        (
            fields::TIMESTAMP,
            Value::Str("2026-01-01"),
            "field `timestamp` must be Unix seconds from 0 to 253402300799, a fraction allowed, found `2026-01-01`",
        ),
        (
            fields::EVENT_ID,
            Value::Int(-4),
            "field `event_id` must be decimal digits, at most 36, or a UUID, found `-4`",
        ),
        (
            fields::SUBACCOUNT_ID,
            Value::Bool(true),
            "field `subaccount_id` must be a number from 0 to 2147483647, found `true`",
        ),
        (
            fields::TYPE,
            Value::Str("bounce"),
            "`type` says `bounce`, expected `delivery`",
        ),
        (FieldId(0), Value::Int(1), "unknown field 0"),
        (FieldId(82), Value::Int(1), "unknown field 82"),
    ] {
        assert_eq!(one_error(field, value), message);
    }
}

fn one_error(field: FieldId, value: Value<'_>) -> String {
    typed(&[Field {
        name: field.into(),
        value,
    }])
    .unwrap_err()
    .to_string()
}

#[test]
fn an_unknown_field_is_taken_only_where_allowed() {
    let fields = [Field {
        name: "tenant".into(),
        value: Value::Str("blue"),
    }];
    let mut encoder = Encoder::new();
    let schema = Schema::new(false);
    let error = encoder
        .typed(&schema, types::DELIVERY, &fields, NOW)
        .unwrap_err();
    assert_eq!(error.field(), Some("tenant"));
    assert!(matches!(error, EventError::UnknownField { .. }));
    let custom = schema.declare("mail_event", "held").unwrap();
    assert!(encoder.typed(&schema, custom, &fields, NOW).is_ok());
    schema.set_unknown_fields(true);
    assert!(
        encoder
            .typed(&schema, types::DELIVERY, &fields, NOW)
            .is_ok()
    );
    let long = "n".repeat(129);
    for name in ["", &long] {
        let fields = [Field {
            name: name.into(),
            value: Value::Int(1),
        }];
        let error = encoder
            .typed(&schema, types::DELIVERY, &fields, NOW)
            .unwrap_err();
        assert!(matches!(error, EventError::FieldName { .. }));
    }
}

#[test]
fn id_time_and_subaccount_are_kept_and_noted() {
    let event = Event::new(types::DELIVERY)
        .str(fields::EVENT_ID, "12affc24-f183-11e3-9234-3c15c2c818c2")
        .double(fields::TIMESTAMP, 1_411_751_722.079)
        .int(fields::SUBACCOUNT_ID, 101)
        .str(fields::TYPE, "delivery");
    let (entry, written) = typed(event.fields()).unwrap();
    assert_eq!(written["event_id"], "12affc24-f183-11e3-9234-3c15c2c818c2");
    assert_eq!(written["timestamp"], "1411751722.079");
    assert_eq!(written["subaccount_id"], "101");
    assert_eq!(written.len(), 4);
    assert_eq!((entry.time_ms, entry.subaccount), (1_411_751_722_079, 101));
}

#[test]
fn a_custom_type_goes_out_under_its_category() {
    let schema = Schema::new(false);
    let held = schema.declare("mail_event", "held").unwrap();
    let mut encoder = Encoder::new();
    let encoded = encoder.typed(&schema, held, &[], NOW).unwrap();
    assert!(
        encoded
            .text
            .starts_with(b"{\"msys\":{\"mail_event\":{\"type\":\"held\",")
    );
    assert_eq!(encoded.entry.type_id, held.0);
    fields_of(&encoded);
    let undeclared = encoder.typed(&schema, TypeId(257), &[], NOW).unwrap_err();
    assert_eq!(undeclared.to_string(), "unknown event type 257");
}

#[test]
fn the_type_can_be_told_from_the_text() {
    let schema = Schema::new(false);
    let held = schema.declare("mail_event", "held").unwrap();
    let mut encoder = Encoder::new();
    for ty in [types::DELIVERY, types::ERROR, held] {
        let encoded = encoder.typed(&schema, ty, &[], NOW).unwrap();
        assert_eq!(type_of_text(&schema, encoded.text), Some(ty));
        assert_eq!(
            type_of_text(&Schema::new(false), encoded.text),
            (ty != held).then_some(ty)
        );
    }
    for text in [
        "",
        "{\"msys\":{}}",
        "{\"msys\":{\"message_event\":{\"type\":\"held\"",
        "{\"msys\":{\"x",
    ] {
        assert_eq!(type_of_text(&schema, text.as_bytes()), None, "{text}");
    }
}

#[test]
fn the_longest_event_fits_and_one_byte_more_does_not() {
    let mut encoder = Encoder::new();
    let schema = Schema::new(false);
    let bare = encoder
        .typed(&schema, types::DELIVERY, &[], NOW)
        .unwrap()
        .text
        .len();
    let room = MAX_TEXT - bare - ",\"subject\":\"\"".len();
    let long = "s".repeat(room + 1);
    let mut encode = |text: &str| {
        let fields = [Field {
            name: fields::SUBJECT.into(),
            value: Value::Str(text),
        }];
        encoder
            .typed(&schema, types::DELIVERY, &fields, NOW)
            .map(|encoded| {
                fields_of(&encoded);
                encoded.text.len()
            })
    };
    assert_eq!(encode(&long[..room]), Ok(MAX_TEXT));
    assert_eq!(encode(&long), Err(EventError::TooLarge { field: None }));
    // Escapes count as written: this is short enough only before it is escaped.
    let quotes = "\"".repeat(room / 2 + 1);
    assert_eq!(encode(&quotes[..room / 2]), Ok(MAX_TEXT - room % 2));
    assert!(matches!(encode(&quotes), Err(EventError::TooLarge { .. })));
    let huge = "s".repeat(10_000_000);
    assert_eq!(encode(&huge).unwrap_err().field(), Some("subject"));
    assert_eq!(
        encode("short again").unwrap(),
        bare + ",\"subject\":\"short again\"".len()
    );
}

/// Most fields under known ids go a way of their own, which a field under its name does not.
#[test]
fn a_field_is_the_same_under_its_id_and_under_its_name_however_near_the_limit() {
    let mut encoder = Encoder::new();
    let schema = Schema::new(false);
    let mut encode = |room: usize, more: &[Field<'_>]| {
        let long = "s".repeat(MAX_TEXT - room);
        let mut all = vec![
            Field {
                name: fields::EVENT_ID.into(),
                value: Value::Str("1"),
            },
            Field {
                name: fields::SUBJECT.into(),
                value: Value::Str(&long),
            },
        ];
        all.extend(more);
        let encoded = encoder.typed(&schema, types::DELIVERY, &all, NOW)?;
        fields_of(&encoded);
        Ok::<_, EventError>(encoded.text.to_vec())
    };
    let least = (0..).find(|room| encode(*room, &[]).is_ok()).unwrap();
    for (field, value) in [
        (fields::RCPT_TO, Value::Str("alice@example.com")),
        (fields::RCPT_TO, Value::Str("\"a b\"@example.com")),
        (
            fields::RCPT_TO,
            Value::Bytes("älice@example.com".as_bytes()),
        ),
        (fields::RCPT_TO, Value::Bytes(b"alice\xff@example.com")),
        (fields::RCPT_TO, Value::Int(7)),
        (fields::MSG_SIZE, Value::Int(-1_337)),
        (fields::SMS_SEGMENTS, Value::Int(3)),
        (fields::SMS_SEGMENTS, Value::Bool(true)),
        (fields::TRANSACTIONAL, Value::Bool(false)),
        (fields::AMP_ENABLED, Value::Bool(true)),
        (fields::AMP_ENABLED, Value::Int(1)),
        (fields::AMP_ENABLED, Value::Str("true")),
        (fields::RCPT_META, Value::Str("{}")),
        (fields::SUBJECT, Value::Str("again")),
        (fields::TIMESTAMP, Value::Int(1_776_522_307)),
    ] {
        let name = Catalogue::field(field).unwrap().name;
        for room in least..least + 64 {
            let [by_id, by_name] = [FieldName::Id(field), FieldName::Name(name)]
                .map(|name| encode(room, &[Field { name, value }]));
            assert_eq!(by_id, by_name, "{name} {value:?}, {} bytes", room - least);
        }
    }
}

#[test]
fn the_field_after_the_last_is_named() {
    let names: Vec<String> = (0..=256).map(|i| format!("x_{i}")).collect();
    let fields: Vec<Field<'_>> = names
        .iter()
        .map(|n| Field {
            name: n.as_str().into(),
            value: Value::Int(1),
        })
        .collect();
    assert_eq!(typed(&fields[..256]).unwrap().1.len(), 256 + 3);
    let error = typed(&fields).unwrap_err();
    assert_eq!(
        error.to_string(),
        "more than 256 fields, the first too many is `x_256`"
    );
}

#[test]
fn errors_carry_no_more_than_an_excerpt() {
    let secret = format!("{}SECRET", "a".repeat(60));
    for error in [
        one_error(fields::TIMESTAMP, Value::Str(&secret)),
        one_error(fields::TYPE, Value::Str(&secret)),
        one_error(fields::RCPT_META, Value::Json(&secret)),
        one("x_a", Value::Json(&format!("{{\"{secret}")))
            .unwrap_err()
            .to_string(),
    ] {
        assert!(!error.contains("SECRET") && error.len() < 250, "{error}");
    }
}
