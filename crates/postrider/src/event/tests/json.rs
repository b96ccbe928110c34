use serde_json::{Value, json};

use super::{NOW, fields_of, json, json_bytes};
use crate::event::{Encoder, EventError, MAX_TEXT, Schema, types};

/// An object with this value for a field of one's own.
fn own(value: &str) -> String {
    format!("{{\"x_v\":{value}}}")
}

#[test]
fn values_take_the_form_of_the_contract() {
    let (entry, event) = json(
        r#" { "rcpt_to" : "a@b" , "msg_size":1337,"queue_time":0.5,"transactional":true,
              "amp_enabled":false,"sms_segments":2,"rcpt_tags":[ "a", "\u0062" ],
              "rcpt_meta":{ "deep" : { "er" : [ 1 , 2.50 , null ] } },"x_own":1e2,
              "subject":"quote \" slash \/ \ud83d\ude00","type":"delivery",
              "subaccount_id":7,"timestamp":1411751722.079,"event_id":42 } "#,
    )
    .unwrap();
    let expected = json!({
        "type": "delivery", "rcpt_to": "a@b", "msg_size": "1337", "queue_time": "0.5",
        "transactional": "true", "amp_enabled": false, "sms_segments": 2, "rcpt_tags": ["a", "b"],
        "rcpt_meta": {"deep": {"er": [1, 2.50, null]}}, "x_own": 1e2,
        "subject": "quote \" slash / 😀", "subaccount_id": "7", "timestamp": "1411751722.079",
        "event_id": "42",
    });
    assert_eq!(Value::Object(event), expected);
    assert_eq!((entry.time_ms, entry.subaccount), (1_411_751_722_079, 7));
}

#[test]
fn an_empty_object_is_an_event() {
    let (entry, event) = json(" {\t\r\n} ").unwrap();
    assert_eq!(event["timestamp"], "1700000000");
    assert_eq!(entry.time_ms, NOW);
}

#[test]
fn names_are_compared_as_they_are_meant() {
    let escaped = json(r#"{"rcpt\u005fto":"a"}"#).unwrap().1;
    assert_eq!(escaped["rcpt_to"], "a");
    for twice in [
        r#"{"rcpt_to":"a","rcpt_\u0074o":"b"}"#,
        r#"{"x_a":1,"x_\u0061":2}"#,
        r#"{"x_\"":1,"x_b":0,"x_\u0022":2}"#,
        r#"{"x_\n":1,"x_\u000A":2}"#,
        r#"{"event_id":"1","event_id":"1"}"#,
        r#"{"type":"delivery","type":"delivery"}"#,
    ] {
        let error = json(twice).unwrap_err();
        assert!(
            matches!(error, EventError::DuplicateField { .. }),
            "{twice}: {error}"
        );
    }
    // Inside a value they are not: what the receiver makes of it is between the two.
    assert!(json(&own(r#"{"a":1,"a":2}"#)).is_ok());
}

#[test]
fn what_is_wrong_is_named() {
    let deep = own(&format!("{}1{}", "[".repeat(16), "]".repeat(16)));
    for (object, message) in [
        (
            "",
            "not JSON at byte 0: expected an object, found `the end`",
        ),
        ("[]", "not JSON at byte 0: expected an object, found `[]`"),
        (
            "{\"a",
            "not JSON at byte 3: expected a closing quote, found `the end`",
        ),
        (
            "{a:1}",
            "not JSON at byte 1: expected a name in quotes, found `a:1}`",
        ),
        (
            "{\"subject\" 1}",
            "not JSON at byte 11: expected `:`, found `1}`",
        ),
        (
            "{\"subject\":}",
            "field `subject`: not JSON at byte 11: expected a value, found `}`",
        ),
        (
            "{\"subject\":\"a\nb\"}",
            "field `subject`: not JSON at byte 13: expected text without control characters, found `\\nb\\\"}`",
        ),
        (
            "{\"subject\":\"a\"",
            "not JSON at byte 14: expected `,` or `}`, found `the end`",
        ),
        (
            "{\"subject\":\"a\",}",
            "not JSON at byte 15: expected a name in quotes, found `}`",
        ),
        ("{} {}", "not JSON at byte 3: expected the end, found `{}`"),
        (
            "{\"msg_size\":01}",
            "not JSON at byte 13: expected `,` or `}`, found `1}`",
        ),
        (
            "{\"msg_size\":-}",
            "field `msg_size`: not JSON at byte 13: expected a digit, found `}`",
        ),
        (
            "{\"msg_size\":1e999}",
            "field `msg_size`: not JSON at byte 12: expected a number in the range of a double, found `1e999}`",
        ),
        (
            "{\"subject\":\"\\ud800\"}",
            "field `subject`: not JSON at byte 12: expected a surrogate pair, found `\\\\ud800\\\"}`",
        ),
        (
            "{\"subject\":null}",
            "field `subject` must be string, found null",
        ),
        (
            "{\"subject\":[1]}",
            "field `subject` must be string, found array",
        ),
        (
            "{\"sms_segments\":1.0}",
            "field `sms_segments` must be integer, found number",
        ),
        (
            "{\"tenant\":1}",
            "unknown field `tenant`: name it `x_…` or set events.unknown_fields = true",
        ),
        (
            "{\"type\":\"bounce\"}",
            "`type` says `bounce`, expected `delivery`",
        ),
        ("{\"type\":5}", "`type` says `5`, expected `delivery`"),
        (
            "{\"timestamp\":\"now\"}",
            "field `timestamp` must be Unix seconds from 0 to 253402300799, a fraction allowed, found `now`",
        ),
        (&deep, "field `x_v`: nested deeper than 16 levels"),
    ] {
        assert_eq!(json(object).unwrap_err().to_string(), message);
    }
}

#[test]
fn bytes_that_are_not_utf8_are_named_by_field_and_place() {
    for (object, message) in [
        (
            &b"{\"subject\":\"ab\xff\"}"[..],
            "field `subject`: not UTF-8 at byte 14",
        ),
        (
            b"{\"rcpt_meta\":{\"k\":[\"\xc3\"]}}",
            "field `rcpt_meta`: not UTF-8 at byte 20",
        ),
        (b"\xff", "not UTF-8 at byte 0"),
        (b"{\"x_\xff\":1}", "not UTF-8 at byte 4"),
        (b"{}\xff", "not UTF-8 at byte 2"),
        (
            b"{\"nope\":1,\"subject\":\"\xff\"}",
            "unknown field `nope`: name it `x_…` or set events.unknown_fields = true",
        ),
    ] {
        assert_eq!(
            json_bytes(types::DELIVERY, object).unwrap_err().to_string(),
            message
        );
    }
}

#[test]
fn sixteen_levels_are_taken() {
    let deep = format!("{}1{}", "[".repeat(15), "]".repeat(15));
    let (_, event) = json(&own(&deep)).unwrap();
    assert_eq!(event["x_v"].to_string(), deep);
    let objects = format!("{}1{}", "{\"k\":".repeat(15), "}".repeat(15));
    assert!(json(&own(&objects)).is_ok());
    let error = json(&own(&"[".repeat(1_000_000))).unwrap_err();
    assert!(matches!(error, EventError::TooDeep { .. }), "{error}");
}

#[test]
fn what_is_too_large_or_too_many_is_refused() {
    let large = json(&own(&format!("\"{}\"", "a".repeat(10_000_000)))).unwrap_err();
    assert_eq!(
        large.to_string(),
        format!("field `x_v`: the event would be longer than {MAX_TEXT} bytes")
    );
    let list = json(&own(&format!("[{}1]", "1,".repeat(MAX_TEXT)))).unwrap_err();
    assert_eq!(list.field(), Some("x_v"));
    let space = own(&format!("[{}1]", " ".repeat(MAX_TEXT)));
    assert_eq!(json(&space).unwrap().1["x_v"], json!([1]));
    let members: Vec<String> = (0..257).map(|i| format!("\"x_{i}\":0")).collect();
    assert!(json(&format!("{{{}}}", members[..256].join(","))).is_ok());
    let many = json(&format!("{{{}}}", members.join(","))).unwrap_err();
    assert_eq!(many.field(), Some("x_256"));
}

fn line(text: &str) -> Result<serde_json::Map<String, Value>, EventError> {
    let schema = Schema::new(false);
    schema.declare("mail_event", "held").unwrap();
    Encoder::new()
        .line(&schema, text.as_bytes(), NOW)
        .map(|encoded| fields_of(&encoded))
}

#[test]
fn a_line_is_an_envelope_or_a_flat_object() {
    for text in [
        r#"{"msys":{"message_event":{"type":"delivery","rcpt_to":"a@b"}}}"#,
        r#" { "msys" : { "message_event" : { "rcpt_to" : "a@b" , "type" : "delivery" } } } "#,
        r#"{"type":"delivery","rcpt_to":"a@b"}"#,
        r#"{"rcpt_to":"a@b","ty\u0070e":"deli\u0076ery"}"#,
    ] {
        let event = line(text).unwrap();
        assert_eq!(
            (&event["type"], &event["rcpt_to"]),
            (&json!("delivery"), &json!("a@b"))
        );
        assert_eq!(event.len(), 4);
    }
    assert_eq!(
        line(r#"{"msys":{"mail_event":{"type":"held","own":1}}}"#).unwrap()["own"],
        1
    );
    assert_eq!(line(r#"{"type":"held","own":1}"#).unwrap()["type"], "held");
}

#[test]
fn a_line_that_is_no_event_is_refused() {
    for (text, message) in [
        ("{}", "no event type: `type` is missing or no text"),
        (
            r#"{"rcpt_to":"a"}"#,
            "no event type: `type` is missing or no text",
        ),
        (
            r#"{"type":5}"#,
            "no event type: `type` is missing or no text",
        ),
        (
            r#"{"type":"Delivery"}"#,
            "unknown event type `Delivery`: declare custom types as category/type first",
        ),
        (
            r#"{"msys":{}}"#,
            "not JSON at byte 9: expected a name in quotes, found `}}`",
        ),
        (
            r#"{"msys":5}"#,
            "not JSON at byte 8: expected an object, found `5}`",
        ),
        (
            r#"{"msys":{"message_event":{}}}"#,
            "no event type: `type` is missing or no text",
        ),
        (
            r#"{"msys":{"track_event":{"type":"delivery"}}}"#,
            "`category` says `track_event`, expected `message_event`",
        ),
        (
            r#"{"msys":{"message_event":{"type":"delivery"},"x":1}}"#,
            "not JSON at byte 44: expected `}`: one category, found `,\"x\":1}}`",
        ),
        (
            r#"{"msys":{"message_event":{"type":"delivery"}},"x":1}"#,
            "not JSON at byte 45: expected `}`: `msys` alone, found `,\"x\":1}`",
        ),
        (
            r#"{"type":"delivery"} x"#,
            "not JSON at byte 20: expected the end, found `x`",
        ),
        (
            r#"{"rcpt_to":[,"type":"delivery"}"#,
            "field `rcpt_to`: not JSON at byte 12: expected a value, found `,\"type\":\"del`",
        ),
        (
            r#"{"type":"delivery","type":"delivery"}"#,
            "field `type` is given twice",
        ),
    ] {
        assert_eq!(
            line(text).unwrap_err().to_string(),
            message.replace('"', "\\\"").replace("\\\\\"", "\\\""),
            "{text}"
        );
    }
    let mut encoder = Encoder::new();
    let bad = encoder.line(
        &Schema::new(false),
        b"{\"type\":\"delivery\",\"subject\":\"\xff\"}",
        NOW,
    );
    assert_eq!(
        bad.unwrap_err().to_string(),
        "field `subject`: not UTF-8 at byte 30"
    );
}
