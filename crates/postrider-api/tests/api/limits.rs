//! How often, and who did what.

use crate::fake::{Fake, World, json, least_with};
use postrider::store::Grant;
use postrider_api::{AUDIT_LOG, Caller, Request};
use serde_json::{Value, json};

fn limited(rate: u32) -> World {
    let mut fake = Fake::new();
    fake.rate = rate;
    World::on(fake)
}

#[test]
fn a_key_that_sends_too_much_gets_429_and_the_others_do_not() {
    let w = limited(1);
    let (busy, calm) = (w.key(&Grant::ALL, None), w.key(&Grant::ALL, None));
    let get = |key: &str| {
        let headers = [("Authorization", key)];
        w.send("GET", "/api/v1/webhooks", &headers, b"", Caller::Key)
    };
    let refused = (0..100).map(|_| get(&busy)).find(|r| r.status == 429);
    let refused = refused.expect("100 requests are more than one a second");
    assert_eq!(
        json(&refused),
        json!({"errors": [{"message": "Too many requests"}]})
    );
    assert!(
        refused
            .headers
            .contains(&("retry-after".into(), "1".into()))
    );
    assert_eq!(get(&calm).status, 200);
    // Whoever tries keys out is slowed down.
    assert!((0..100).any(|n| get(&format!("{n:040}")).status == 429));
    assert_eq!(w.get("/api/v1/webhooks").0, 200, "the host is not limited");
}

#[test]
fn heads_are_judged_before_bodies_are_read() {
    let w = limited(0);
    let key = w.key(&[Grant::WebhooksView], None);
    let admit = |method: &str, path: &str, key: &str| {
        let head = Request {
            method: method.into(),
            path_and_query: path.into(),
            headers: vec![("authorization".into(), key.into())],
            body: Vec::new(),
        };
        w.api.admit(&head, Caller::Key).map_err(|r| r.status)
    };
    assert_eq!(admit("GET", "/api/v1/webhooks", &key), Ok(1 << 20));
    assert_eq!(admit("POST", "/api/v1/webhooks", &key), Err(403));
    assert_eq!(admit("POST", "/api/v1/webhooks", "wrong"), Err(401));
    assert_eq!(admit("POST", "/api/v1/nothing", &key), Err(404));
    let ingest = w.key(&[Grant::IngestEvents], None);
    assert_eq!(
        admit("POST", "/api/v1/ingest/events", &ingest),
        Ok(5_000_000)
    );
}

#[test]
fn every_change_is_in_the_audit_log_with_who_made_it() {
    let mut fake = Fake::new();
    fake.audit = Some(tempfile::tempdir().unwrap());
    let w = World::on(fake);
    let lines = || -> Vec<Value> {
        let dir = w.fake.audit.as_ref().unwrap();
        let text = std::fs::read_to_string(dir.path().join(AUDIT_LOG)).unwrap_or_default();
        text.lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    };
    let key = w.key(&[Grant::WebhooksModify], None);
    let key_id = w.fake.store.keys().unwrap()[0].id.clone();
    let body = least_with(json!({"auth_token": "hush"}));
    let (status, _) = w.call_with(&key, &[], "POST", "/api/v1/webhooks?x=1", body);
    assert_eq!(status, 200);
    w.call_with(
        &key,
        &[],
        "POST",
        "/api/v1/keys",
        json!({"grants": ["keys"]}),
    );
    w.call("DELETE", "/api/v1/keys/0123456789abcdef", Value::Null);
    w.get("/api/v1/webhooks");
    w.call_with("wrong", &[], "POST", "/api/v1/webhooks", json!({}));
    let lines = lines();
    assert_eq!(
        lines.len(),
        3,
        "reading is none, and strangers write no files: {lines:?}"
    );
    assert_eq!(
        lines[0],
        json!({
            "time": "2023-11-14T22:13:20.123Z", "by": format!("key {key_id}"), "method": "POST",
            "path": "/api/v1/webhooks", "status": 200,
            "fields": ["auth_token", "events", "name", "target"],
        })
    );
    assert_eq!(
        (&lines[1]["path"], &lines[1]["status"]),
        (&json!("/api/v1/keys"), &json!(403))
    );
    assert_eq!(
        (&lines[2]["by"], &lines[2]["status"]),
        (&json!("host"), &json!(404))
    );
    assert!(!format!("{lines:?}").contains("hush"));
}
