//! API keys over the API.

use crate::fake::{error, world};
use postrider::store::Grant;
use serde_json::{Value, json};

#[test]
fn a_key_is_shown_once_listed_and_revoked() {
    let w = world();
    let (status, body) = w.call(
        "POST",
        "/api/v1/keys",
        json!({"label": "ci", "grants": ["webhooks/view", "ingest/events"], "subaccount_id": 4}),
    );
    assert_eq!(status, 200);
    let mut made = body["results"].clone();
    let text = made["key"].take().as_str().unwrap().to_owned();
    made.as_object_mut().unwrap().remove("key");
    assert_eq!(made["short_key"], text[..4]);
    assert_eq!(made["label"], "ci");
    assert_eq!(made["subaccount_id"], 4);
    assert_eq!(made["grants"], json!(["webhooks/view", "ingest/events"]));
    assert_eq!(made["created"], "2023-11-14T22:13:20.123Z");
    assert_eq!(w.get("/api/v1/keys"), (200, json!({"results": [made]})));
    assert_eq!(
        w.call_with(&text, &[], "GET", "/api/v1/webhooks", Value::Null)
            .0,
        200
    );

    let path = format!("/api/v1/keys/{}", made["id"].as_str().unwrap());
    assert_eq!(w.call("DELETE", &path, Value::Null), (204, Value::Null));
    assert_eq!(
        w.call_with(&text, &[], "GET", "/api/v1/webhooks", Value::Null)
            .0,
        401
    );
    let (status, body) = w.call("DELETE", &path, Value::Null);
    assert_eq!(
        (status, error(&body)),
        (404, ("1600", "Resource could not be found"))
    );
}

#[test]
fn a_wrong_body_is_named() {
    let w = world();
    let names = Grant::ALL.map(Grant::name).join(", ");
    let grants = format!("'grants' must be a non-empty array of {names}");
    let unknown = format!("'grants' holds \"webhooks/eat\", which is none of {names}");
    for (body, code, message) in [
        (json!([]), "1300", "'request body' must be a JSON object"),
        (json!({}), "1400", "'grants' is required"),
        (json!({"grants": []}), "1300", grants.as_str()),
        (
            json!({"grants": ["webhooks/eat"]}),
            "1300",
            unknown.as_str(),
        ),
        (
            json!({"grant": []}),
            "1300",
            "'grant' is not a field of a key",
        ),
        (
            json!({"grants": ["keys"], "label": 7}),
            "1300",
            "'label' must be at most 255 bytes of text without control characters",
        ),
        (
            json!({"grants": ["keys"], "subaccount_id": -1}),
            "1300",
            "'subaccount_id' must be 0 for the primary account, or a subaccount",
        ),
    ] {
        let (status, answer) = w.call("POST", "/api/v1/keys", body);
        assert_eq!((status, error(&answer)), (422, (code, message)));
    }
}

#[test]
fn no_key_makes_one_that_may_do_more() {
    let w = world();
    let key = w.key(&[Grant::Keys, Grant::WebhooksView], Some(4));
    let make = |body| w.call_with(&key, &[], "POST", "/api/v1/keys", body);
    let (status, body) = make(json!({"grants": ["webhooks/modify"]}));
    let message = "Forbidden: this key has no grant webhooks/modify to give";
    assert_eq!((status, error(&body)), (403, ("1100", message)));
    let (status, body) = make(json!({"grants": ["keys"], "subaccount_id": 5}));
    let message = "Forbidden: this key acts for subaccount 4 only";
    assert_eq!((status, error(&body)), (403, ("1100", message)));
    let (status, body) = make(json!({"grants": ["webhooks/view"]}));
    assert_eq!(
        (status, &body["results"]["subaccount_id"]),
        (200, &json!(4))
    );

    let outside = w.fake.store.keys().unwrap().len();
    w.key(&Grant::ALL, None);
    let (_, body) = w.call_with(&key, &[], "GET", "/api/v1/keys", Value::Null);
    let shown = body["results"].as_array().unwrap();
    assert_eq!(shown.len(), outside, "its own subaccount's alone");
    let hidden = w.fake.store.keys().unwrap();
    let hidden = hidden.iter().find(|k| k.subaccount.is_none()).unwrap();
    let path = format!("/api/v1/keys/{}", hidden.id);
    assert_eq!(w.call_with(&key, &[], "DELETE", &path, Value::Null).0, 404);
}
