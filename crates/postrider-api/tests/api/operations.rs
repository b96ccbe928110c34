//! Pause, resume, dead letters, replay.

use crate::fake::{Fake, World, error, world};
use postrider::store::Grant;
use postrider::webhook::{DeadLetter, Replay, Replayed};
use postrider_api::Caller;
use serde_json::{Value, json};
use uuid::Uuid;

fn path(id: &str, call: &str) -> String {
    format!("/api/v1/webhooks/{id}/{call}")
}

#[test]
fn a_webhook_is_paused_and_resumed_and_shows_it() {
    let w = world();
    let id = w.webhook(json!({}));
    let (status, body) = w.call("POST", &path(&id, "pause"), Value::Null);
    assert_eq!((status, &body["results"]["state"]), (200, &json!("paused")));
    let (_, shown) = w.get(&format!("/api/v1/webhooks/{id}"));
    assert_eq!(shown["results"]["state"], "paused");
    // What was shown may be sent back.
    let (status, body) = w.call(
        "PUT",
        &format!("/api/v1/webhooks/{id}"),
        shown["results"].clone(),
    );
    assert_eq!(status, 200, "{body}");
    let (status, body) = w.call("POST", &path(&id, "resume"), Value::Null);
    assert_eq!((status, &body["results"]["state"]), (200, &json!("up")));
    let (_, shown) = w.get(&format!("/api/v1/webhooks/{id}"));
    assert_eq!(shown["results"]["state"], Value::Null);
}

#[test]
fn dead_letters_are_listed_with_why_and_when() {
    let mut fake = Fake::new();
    fake.letters = vec![DeadLetter {
        batch_id: Uuid::from_u128(7),
        dead_ms: 1_700_000_000_000,
        reason: "expired".into(),
        events: 350,
        bytes: 99_000,
        last_written_ms: 1_699_971_200_000,
        attempts: 12,
        response_code: Some(503),
        failure_code: Some("503".into()),
    }];
    let w = World::on(fake);
    let id = w.webhook(json!({}));
    let (status, body) = w.get(&path(&id, "dead-letters?limit=10"));
    assert_eq!(status, 200);
    let letter = json!([{
        "batch_id": "00000000-0000-0000-0000-000000000007", "ts": "2023-11-14T22:13:20.000Z",
        "reason": "expired", "batch_size": 350, "bytes": 99_000, "attempts": 12,
        "last_event": "2023-11-14T14:13:20.000Z", "response_code": "503", "failure_code": "503",
    }]);
    assert_eq!(body["results"], letter);
    let (status, body) = w.get(&path(&id, "dead-letters?limit=0"));
    assert_eq!((status, error(&body).0), (400, "1200"));
}

#[test]
fn a_replay_is_by_ids_of_all_or_of_a_stretch_of_time() {
    let w = world();
    let id = w.webhook(json!({}));
    let batch = Uuid::from_u128(7);
    for (body, asked) in [
        (
            json!({"batch_ids": [batch.to_string()]}),
            Replay::Letters(Some(vec![batch])),
        ),
        (json!({"all": true}), Replay::Letters(None)),
        (
            json!({"from": "2023-11-14T22:00:00Z", "to": "2023-11-14T22:13:20+00:00"}),
            Replay::Written(1_699_999_200_000..1_700_000_000_000),
        ),
        (
            json!({"from": "2023-11-14T22:00:00Z"}),
            Replay::Written(1_699_999_200_000..u64::MAX),
        ),
    ] {
        let (status, answer) = w.call("POST", &path(&id, "replay"), body);
        assert_eq!(status, 200, "{answer}");
        assert_eq!(w.fake.replays.lock().unwrap().pop(), Some(asked));
    }
    *w.fake.replayed.lock().unwrap() = Replayed {
        batches: 2,
        events: 700,
        unknown: vec![batch],
        next_ms: Some(1_700_000_000_000),
    };
    let (_, answer) = w.call("POST", &path(&id, "replay"), json!({"all": true}));
    let all = json!({"batches": 2, "events": 700, "unknown": [batch.to_string()],
        "next": "2023-11-14T22:13:20.000Z"});
    assert_eq!(answer["results"], all);
}

#[test]
fn a_replay_of_nothing_that_can_be_is_refused_by_name() {
    let w = world();
    let id = w.webhook(json!({}));
    for (body, text) in [
        (json!([]), "'request body' must be a JSON object"),
        (json!({}), "'request body' must have one of"),
        (json!({"batch_ids": []}), "'batch_ids' must be"),
        (json!({"batch_ids": ["x"]}), "'batch_ids' must be"),
        (json!({"all": false}), "'all' must be true"),
        (
            json!({"all": true, "from": "2023-11-14T22:00:00Z"}),
            "'request body' must have one of",
        ),
        (json!({"from": "yesterday"}), "'from' must be a time"),
        (
            json!({"to": "2023-11-14T22:00:00Z"}),
            "'request body' must have one of",
        ),
        (
            json!({"from": "2023-11-14T22:00:00Z", "to": "2023-11-14T22:00:00Z"}),
            "'to' must be later than 'from'",
        ),
        (
            json!({"from": "2123-11-14T22:00:00Z"}),
            "'to' must be later than 'from'",
        ),
        (json!({"since": 1}), "'since' is not a field of a replay"),
    ] {
        let (status, answer) = w.call("POST", &path(&id, "replay"), body.clone());
        assert_eq!(status, 422, "{body}");
        assert!(error(&answer).1.starts_with(text), "{body}: {answer}");
    }
    assert!(w.fake.replays.lock().unwrap().is_empty());
}

#[test]
fn these_calls_need_their_grants_and_a_webhook_that_is_shown() {
    let w = world();
    let id = w.webhook(json!({}));
    let viewer = w.key(&[Grant::WebhooksView], None);
    let other = w.key(&[Grant::WebhooksView, Grant::WebhooksModify], Some(9));
    for (method, call) in [
        ("POST", "pause"),
        ("POST", "resume"),
        ("POST", "replay"),
        ("GET", "dead-letters"),
    ] {
        let as_key = |key: &str| {
            let headers = [("authorization", key), ("content-type", "application/json")];
            let body = br#"{"all": true}"#;
            w.send(method, &path(&id, call), &headers, body, Caller::Key)
                .status
        };
        assert_eq!(
            as_key(&viewer),
            if method == "GET" { 200 } else { 403 },
            "{call}"
        );
        assert_eq!(as_key(&other), 404, "{call}: of another subaccount");
        let missing = path("00000000-0000-0000-0000-00000000ffff", call);
        assert_eq!(
            w.call(method, &missing, json!({"all": true})).0,
            404,
            "{call}"
        );
    }
}
