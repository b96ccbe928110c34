//! Signed POSTs, verified by the libraries that receivers use.

use std::time::Duration;

use postrider::engine::Engine;
use postrider::event::{Event, types};
use postrider::webhook::{WebhookPatch, WebhookSpec};
use postrider_tests::binary::Background;
use postrider_tests::packages::{node, python};
use postrider_tests::told::Told;
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_secs(60);

/// What a receiver says of the next POST; it must have verified.
fn verified(receiver: &mut Told) -> Value {
    let told = receiver.hear();
    assert_eq!(told["error"], "", "{told}");
    assert_eq!(told["same_id"], true, "{told}");
    told
}

fn engine() -> Engine {
    let builder = Engine::builder().memory();
    let settings = [
        ("http.allow_target", "127.0.0.0/8"),
        ("batch.linger_ms", "0"),
        ("retry.schedule", "1"),
        ("retry.jitter", "0"),
    ];
    let set = settings
        .into_iter()
        .try_fold(builder, |b, (key, value)| b.set(key, value));
    set.expect("settings").start().expect("an engine")
}

/// A batch that fails once is signed anew: each attempt verifies, under one id, with its own time.
fn is_verified(verifier: &mut Told, keys: Value) {
    let engine = engine();
    let body = json!({
        "name": "signed", "target": verifier.url("/"), "events": ["delivery"], "signing_keys": keys,
    });
    let known = |name: &str| engine.schema().lookup(name).is_some();
    let spec = WebhookSpec::from_json(&body, known).expect("a webhook");
    engine
        .create_webhook(spec)
        .expect("the signed test POST is verified");
    assert_eq!(verified(verifier)["status"], 200);

    for events in [1, 200] {
        for _ in 0..events {
            let subject = "é\u{2028}\"\\".repeat(20);
            let event =
                Event::new(types::DELIVERY).str(postrider::event::fields::SUBJECT, &subject);
            engine.push(&event).expect("pushed");
        }
        let (mut first, mut again) = (0, 0);
        let mut times = std::collections::HashMap::new();
        while again < events {
            let told = verified(verifier);
            let (batch, time) = (told["batch"].to_string(), told["timestamp"].as_u64());
            match told["status"].as_u64() {
                Some(503) => {
                    first += told["events"].as_u64().expect("a count");
                    times.insert(batch, time);
                }
                _ => {
                    again += told["events"].as_u64().expect("a count");
                    assert!(time > times[&batch], "a retry has a time of its own");
                }
            }
        }
        assert_eq!((first, again), (events, events));
    }
    engine.close(MINUTE).expect("closed");
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn python_standardwebhooks_verifies_every_attempt() {
    let Some(python) = python("standardwebhooks") else {
        return;
    };
    let mut verifier = Told::start(python, "signed.py", SECRET);
    is_verified(&mut verifier, json!([SECRET]));
}

#[test]
fn node_standardwebhooks_verifies_every_attempt_also_beside_other_keys() {
    let Some(node) = node("standardwebhooks") else {
        return;
    };
    let mut verifier = Told::start(node, "signed.js", SECRET);
    let keys = json!([{"type": "ed25519"}, {"secret": SECRET}, {"type": "hmac-sha256"}]);
    is_verified(&mut verifier, keys);
}

#[test]
fn nodes_own_ed25519_verifies_every_attempt() {
    let Some(node) = node("crypto") else {
        return;
    };
    // RFC 8032 §7.1, test 2.
    let private = "whsk_TM0Imyj/ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U+4pvs=";
    let public = "whpk_PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=";
    let mut verifier = Told::start(node, "signed.js", public);
    is_verified(&mut verifier, json!([private, SECRET]));
}

/// The receiver changes over while both keys sign; when the old one is gone, it is refused.
#[test]
fn a_key_is_replaced_without_a_gap() {
    let Some(python) = python("standardwebhooks") else {
        return;
    };
    let mut old = Told::start(python, "signed.py", SECRET);
    let engine = engine();
    let known = |name: &str| engine.schema().lookup(name).is_some();
    let body = json!({
        "name": "signed", "target": old.url("/"), "events": ["delivery"], "signing_keys": [SECRET],
    });
    let spec = WebhookSpec::from_json(&body, known).expect("a webhook");
    let webhook = engine.create_webhook(spec).expect("created");
    verified(&mut old);
    let id = webhook.signing_keys[0].id.clone();
    let patch = |keys: Value| {
        let body = json!({ "signing_keys": keys });
        let patch = WebhookPatch::from_json(&body, known).expect("a patch");
        engine.update_webhook(webhook.id, patch).expect("updated")
    };
    let both = patch(json!([{"id": id, "retires_in_s": 86400}, {"type": "hmac-sha256"}]));
    engine
        .validate_webhook(webhook.id, b"[]".to_vec())
        .expect("the old key still signs");
    verified(&mut old);
    let new = both.signing_keys[1].secret.expose().to_owned();
    let new_id = both.signing_keys[1].id.clone();
    let python = postrider_tests::packages::python("standardwebhooks").expect("it was there");
    let mut changed = Told::start(python, "signed.py", &new);
    let moved = WebhookPatch {
        target: Some(changed.url("/")),
        ..WebhookPatch::default()
    };
    engine
        .update_webhook(webhook.id, moved)
        .expect("the new key signs too");
    verified(&mut changed);
    patch(json!([{"id": id, "retires_in_s": 0}, {"id": new_id}]));
    engine
        .validate_webhook(webhook.id, b"[]".to_vec())
        .expect("the new key signs alone");
    verified(&mut changed);
    let back = WebhookPatch {
        target: Some(old.url("/")),
        ..WebhookPatch::default()
    };
    let refused = engine
        .update_webhook(webhook.id, back)
        .expect_err("the old key signs no more");
    assert!(refused.to_string().contains("401"), "{refused}");
    engine.close(MINUTE).expect("closed");
}

/// Compressed bodies too: the signature is over what they unpack to.
#[test]
fn our_own_receiver_verifies_compressed_bodies_and_refuses_other_keys() {
    let receive = |key: &str| {
        let args = [
            "receive",
            "--listen",
            "127.0.0.1:0",
            "--count",
            "--exit-after",
            "50",
        ];
        let mut receiver = Background::start(&[&args[..], &["--signature", key]].concat());
        let line = receiver.wait_for("listening on ");
        let url = line.split_once("listening on ").expect("its address").1;
        (url.to_owned(), receiver)
    };
    let engine = engine();
    let known = |name: &str| engine.schema().lookup(name).is_some();
    let create = |url: &str| {
        let body = json!({
            "name": "signed", "target": url, "events": ["delivery"], "gzip": true,
            "signing_keys": [SECRET],
        });
        engine.create_webhook(WebhookSpec::from_json(&body, known).expect("a webhook"))
    };
    let (other, _stranger) = receive("whsec_bm90IHRoZSBvbmUgdGhhdCBpcyB1c2Vk");
    let refused = create(&other).expect_err("another key's signature");
    assert!(refused.to_string().contains("401"), "{refused}");

    let (url, mut receiver) = receive(SECRET);
    create(&url).expect("created");
    for _ in 0..50 {
        engine.push(&Event::new(types::DELIVERY)).expect("pushed");
    }
    receiver.wait_for("50 events in");
    engine.close(MINUTE).expect("closed");
}
