use crate::mask::{addresses, whole};
use crate::postrider_filter;
use postrider::filter::{Trial, Verdict};

const KEY: &str = "0123456789abcdef";

fn trial(fields: &str) -> Trial {
    Trial::of(
        postrider_filter,
        &format!(r#"{{"fields":{fields},"key":"{KEY}"}}"#),
    )
    .unwrap()
}

fn redacted(fields: &str, event: &str) -> serde_json::Value {
    let event = format!(r#"{{"type":"bounce",{event}}}"#);
    match trial(fields).one(&event) {
        Verdict::Passed(text) => {
            let event: serde_json::Value = serde_json::from_str(&text).unwrap();
            event["msys"]["message_event"].clone()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_action_leaves_what_it_says() {
    let event = redacted(
        r#"{"rcpt_to":"mask","raw_rcpt_to":"drop","ip_address":"mask","raw_reason":"addresses","subject":"mask","rcpt_meta":"mask","rcpt_tags":"mask"}"#,
        r#""rcpt_to":"a@example.com","raw_rcpt_to":"A@example.com","ip_address":"192.0.2.7","raw_reason":"550 <a@example.com> unknown","subject":"Secret","rcpt_meta":{"name":"A"},"rcpt_tags":["a"],"msg_from":"b@example.net""#,
    );
    assert_eq!(event["rcpt_to"], "***@example.com");
    assert_eq!(event.get("raw_rcpt_to"), None);
    assert_eq!(event["ip_address"], "192.0.2.0");
    assert_eq!(event["raw_reason"], "550 <***@example.com> unknown");
    assert_eq!(event["subject"], "***");
    assert_eq!(event["rcpt_meta"], serde_json::json!({}));
    assert_eq!(event["rcpt_tags"], serde_json::json!([]));
    assert_eq!(
        event["msg_from"], "b@example.net",
        "not named, so not touched"
    );
}

/// Computed with `printf a@example.com | openssl dgst -sha256 -hmac 0123456789abcdef`.
#[test]
fn a_hash_is_hmac_sha_256_cut_to_128_bits() {
    let event = redacted(r#"{"rcpt_to":"hash"}"#, r#""rcpt_to":"a@example.com""#);
    assert_eq!(event["rcpt_to"], "87c8707b0c61806881347867c370e9f6");
    let again = redacted(r#"{"rcpt_to":"hash"}"#, r#""rcpt_to":"b@example.com""#);
    assert_ne!(event["rcpt_to"], again["rcpt_to"]);
}

#[test]
fn masks() {
    for (text, masked) in [
        ("a@example.com", "***@example.com"),
        ("<a@b@example.com>", "***@example.com"),
        ("2001:db8:1:2::3", "2001:db8:1::"),
        ("", "***"),
        ("Alice", "***"),
    ] {
        assert_eq!(whole(text), masked);
    }
    for (text, masked) in [
        ("no address, @ alone, a@ b", "no address, @ alone, a@ b"),
        (
            "a@b.example, c+d@e.example;f",
            "***@b.example, ***@e.example;f",
        ),
        (r#"<"a b\"c"@example.com> gone"#, "<***@example.com> gone"),
        ("<jos\u{e9}@example.com>:", "<***@example.com>:"),
        ("a@[192.0.2.1]", "***@[192.0.2.1]"),
        ("a@b@c", "***@***@c"),
    ] {
        assert_eq!(addresses(text), masked);
    }
}

/// Also where it is told to redact what it can't: then nothing goes out.
#[test]
fn an_event_that_cannot_be_redacted_fails() {
    let config = r#"{"rcpt_meta":"hash"}"#;
    let verdict = trial(config).one(r#"{"type":"bounce","rcpt_meta":{"name":"A"}}"#);
    assert!(matches!(verdict, Verdict::Failed(_)), "{verdict:?}");
}

#[test]
fn configurations_that_would_not_redact_are_refused() {
    for (config, why) in [
        ("{}", "missing field `fields`"),
        (r#"{"fields":{}}"#, "fields: name at least one"),
        (r#"{"fields":{"rcpt_to":"hide"}}"#, "unknown variant `hide`"),
        (r#"{"fields":{"rcpt_to":"hash"}}"#, "hash needs a key"),
        (
            r#"{"fields":{"rcpt_to":"hash"},"key":"short"}"#,
            "the key has 5 bytes",
        ),
        (
            r#"{"fields":{"event_id":"drop"}}"#,
            "event_id is what makes an event",
        ),
        (
            r#"{"fields":{"rcpt_to":"mask"},"key_file":"/none"}"#,
            "key_file /none: ",
        ),
        (r#"{"fileds":{}}"#, "unknown field `fileds`"),
    ] {
        let refusal = Trial::of(postrider_filter, config)
            .err()
            .unwrap()
            .to_string();
        assert!(refusal.contains(why), "{config}: {refusal}");
    }
}

#[test]
fn the_key_may_be_in_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{KEY}\n")).unwrap();
    let config = format!(
        r#"{{"fields":{{"rcpt_to":"hash"}},"key_file":{:?}}}"#,
        file.path()
    );
    let event = r#"{"type":"bounce","event_id":"1","timestamp":"1","rcpt_to":"a@example.com"}"#;
    let of_file = Trial::of(postrider_filter, &config).unwrap().one(event);
    assert_eq!(of_file, trial(r#"{"rcpt_to":"hash"}"#).one(event));
}
