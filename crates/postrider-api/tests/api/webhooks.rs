//! The webhook calls and their answers.

use crate::fake::{Fake, World, error, least_with, world};
use postrider::webhook::{Activity, BatchStatus, Secret, TestFailure, TestPost};
use serde_json::{Value, json};
use uuid::Uuid;

const ID: &str = "00000000-0000-0000-0000-000000000001";

fn full() -> Value {
    json!({
        "auth_type": "basic", "auth_credentials": {"username": "u", "password": "hush1"},
        "auth_token": "hush2", "custom_headers": {"x-key": "hush3"},
        "exception_subaccounts": [7], "limits": {"batch_events": 1000}
    })
}

#[test]
fn create_answers_with_id_and_link() {
    let w = world();
    let (status, body) = w.call("POST", "/api/v1/webhooks/", least_with(json!({})));
    assert_eq!(status, 200);
    let link = json!({
        "href": format!("/api/v1/webhooks/{ID}"), "rel": "urn.msys.webhooks.webhook",
        "method": ["GET", "PUT"],
    });
    assert_eq!(body, json!({"results": {"id": ID, "links": [link]}}));
    let posts = w.fake.posts.lock().unwrap();
    assert_eq!(
        posts[..],
        [("http://example.com/hook".into(), b"test".to_vec())]
    );
}

#[test]
fn a_list_item_has_every_field_its_times_and_a_link_to_itself() {
    let mut fake = Fake::new();
    fake.activity = Activity {
        last_successful_ms: Some(1_700_000_000_000),
        last_failure_ms: Some(1_690_000_000_000),
        ..Activity::default()
    };
    let w = World::on(fake);
    w.webhook(full());
    let (status, body) = w.get("/api/v1/webhooks?timezone=America%2FNew_York");
    assert_eq!(status, 200);
    let mask = Secret::MASK;
    assert_eq!(
        body["results"],
        json!([{
            "id": ID, "name": "Example webhook", "target": "http://example.com/hook",
            "events": ["delivery"], "active": true,
            "auth_type": "basic", "auth_credentials": {"username": "u", "password": mask},
            "auth_token": mask, "custom_headers": {"x-key": mask},
            "exception_subaccounts": ["7"], "limits": {"batch_events": 1000},
            "last_successful": "2023-11-14 17:13:20", "last_failure": "2023-07-22 00:26:40",
            "links": [{
                "href": format!("/api/v1/webhooks/{ID}"), "rel": "urn.msys.webhooks.webhook",
                "method": ["GET", "PUT"],
            }],
        }])
    );
}

#[test]
fn a_single_webhook_links_to_what_can_be_done_with_it() {
    let w = world();
    let id = w.webhook(json!({}));
    let (status, body) = w.get(&format!("/api/v1/webhooks/{id}"));
    assert_eq!(status, 200);
    assert_eq!(
        body["results"],
        json!({
            "id": id, "name": "Example webhook", "target": "http://example.com/hook",
            "events": ["delivery"], "active": true, "auth_type": "none", "auth_token": "",
            "custom_headers": {},
            "links": [
                {
                    "href": format!("/api/v1/webhooks/{id}/validate"),
                    "rel": "urn.msys.webhooks.validate", "method": ["POST"],
                },
                {
                    "href": format!("/api/v1/webhooks/{id}/batch-status"),
                    "rel": "urn.msys.webhooks.batches", "method": ["GET"],
                },
            ],
        })
    );
}

#[test]
fn times_are_utc_unless_asked_otherwise() {
    let mut fake = Fake::new();
    fake.activity.last_successful_ms = Some(1_700_000_000_000);
    let w = World::on(fake);
    let path = format!("/api/v1/webhooks/{}", w.webhook(json!({})));
    let (_, body) = w.get(&path);
    assert_eq!(body["results"]["last_successful"], "2023-11-14 22:13:20");
    assert_eq!(body["results"].get("last_failure"), None);
    let (_, body) = w.get(&format!("{path}?timezone=Asia/Kolkata"));
    assert_eq!(body["results"]["last_successful"], "2023-11-15 03:43:20");
}

#[test]
fn secrets_show_only_where_the_configuration_says_so() {
    let w = world();
    w.webhook(full());
    let (_, body) = w.get("/api/v1/webhooks");
    assert!(!body.to_string().contains("hush"));

    let mut fake = Fake::new();
    fake.echo_secrets = true;
    let w = World::on(fake);
    let id = w.webhook(full());
    let (_, body) = w.get(&format!("/api/v1/webhooks/{id}"));
    assert_eq!(body["results"]["auth_credentials"]["password"], "hush1");
    assert_eq!(body["results"]["auth_token"], "hush2");
    assert_eq!(body["results"]["custom_headers"]["x-key"], "hush3");
}

#[test]
fn an_update_keeps_what_it_does_not_name_and_masks_sent_back() {
    let w = world();
    let id = w.webhook(full());
    let path = format!("/api/v1/webhooks/{id}");
    let (_, shown) = w.get(&path);
    let mut sent_back = shown["results"].clone();
    sent_back["name"] = "Renamed".into();
    sent_back["events"] = json!(["bounce", "open"]);
    let (status, body) = w.call("PUT", &path, sent_back);
    assert_eq!(status, 200);
    let link = json!({
        "href": format!("{path}/validate"), "rel": "urn.msys.webhooks.validate", "method": ["POST"],
    });
    assert_eq!(body, json!({"results": {"id": id, "links": [link]}}));
    let (_, after) = w.get(&path);
    assert_eq!(after["results"]["name"], "Renamed");
    assert_eq!(after["results"]["events"], json!(["bounce", "open"]));
    let stored = w.fake.store.webhook(Uuid::from_u128(1)).unwrap().unwrap();
    assert_eq!(stored.token, Some(Secret::new("hush2")));
    assert_eq!(stored.custom_headers[0].value, Secret::new("hush3"));
    assert_eq!(stored.limits.batch_events, Some(1000));
    assert_eq!(
        w.fake.posts.lock().unwrap().len(),
        1,
        "the target is the same"
    );
}

#[test]
fn a_new_target_is_tested_and_a_failure_changes_nothing() {
    let w = world();
    let id = w.webhook(json!({}));
    let path = format!("/api/v1/webhooks/{id}");
    w.set_receiver(Ok(TestPost {
        status: 405,
        headers: vec![],
        body: vec![],
    }));
    let change = json!({"target": "http://example.org/", "name": "Renamed"});
    let (status, body) = w.call("PUT", &path, change.clone());
    let message = "POST to webhook target URL failed with non-2xx response code 405";
    assert_eq!((status, error(&body)), (400, ("", message)));
    assert_eq!(w.get(&path).1["results"]["name"], "Example webhook");
    w.set_receiver(Ok(TestPost {
        status: 204,
        headers: vec![],
        body: vec![],
    }));
    assert_eq!(w.call("PUT", &path, change).0, 200);
    assert_eq!(w.get(&path).1["results"]["target"], "http://example.org/");
}

#[test]
fn a_failed_test_is_400_with_the_receivers_answer_and_nothing_created() {
    let w = world();
    w.set_receiver(Ok(TestPost {
        status: 502,
        headers: vec![
            ("server".into(), "nginx".into()),
            ("set-cookie".into(), "a".into()),
            ("set-cookie".into(), "b".into()),
        ],
        body: b"bad \xff gateway".to_vec(),
    }));
    let (status, body) = w.call("POST", "/api/v1/webhooks", least_with(json!({})));
    assert_eq!(status, 400);
    assert_eq!(
        body,
        json!({"errors": [{
            "code": 400,
            "message": "POST to webhook target URL failed with non-2xx response code 502",
            "response": {
                "status": 502, "headers": {"server": "nginx", "set-cookie": "a, b"},
                "body": "bad \u{fffd} gateway",
            },
        }]})
    );
    w.set_receiver(Err(TestFailure::NoAnswer {
        code: "ECONNREFUSED".into(),
        detail: "connecting to 127.0.0.1:9: connection refused".into(),
    }));
    let (status, body) = w.call("POST", "/api/v1/webhooks", least_with(json!({})));
    assert_eq!(status, 400);
    assert_eq!(
        body,
        json!({"errors": [{
            "code": 400,
            "message": "POST to webhook target URL failed with error code ECONNREFUSED",
            "description": "connecting to 127.0.0.1:9: connection refused",
        }]})
    );
    assert_eq!(w.get("/api/v1/webhooks").1, json!({"results": []}));
}

#[test]
fn delete_is_204_once() {
    let w = world();
    let path = format!("/api/v1/webhooks/{}", w.webhook(json!({})));
    assert_eq!(w.call("DELETE", &path, Value::Null), (204, Value::Null));
    assert_eq!(w.call("DELETE", &path, Value::Null).0, 404);
    let path = format!("/api/v1/webhooks/{}?purge=true", w.webhook(json!({})));
    assert_eq!(w.call("DELETE", &path, Value::Null).0, 204);
    assert_eq!(*w.fake.purged.lock().unwrap(), [false, true]);
}

#[test]
fn validate_takes_every_form_and_posts_an_array() {
    let w = world();
    let path = format!("/api/v1/webhooks/{}/validate", w.webhook(json!({})));
    let event = json!({"msys": {"message_event": {"type": "delivery"}}});
    for (body, posted) in [
        (Value::Null, json!([{"msys": {}}])),
        (json!({}), json!([{"msys": {}}])),
        (json!([{"msys": {}}]), json!([{"msys": {}}])),
        (event.clone(), json!([event])),
        (json!({"message": event}), json!([event])),
        (json!({"message": [event, event]}), json!([event, event])),
    ] {
        let (status, answer) = w.call("POST", &path, body.clone());
        assert_eq!(status, 200, "{body}");
        assert_eq!(
            answer["results"],
            json!({
                "msg": "Test POST to endpoint succeeded",
                "response": {"status": 200, "headers": {"content-type": "text/plain"}, "body": "OK"},
            })
        );
        let sent = w.fake.posts.lock().unwrap().last().unwrap().1.clone();
        assert_eq!(
            serde_json::from_slice::<Value>(&sent).unwrap(),
            posted,
            "{body}"
        );
    }
    for bad in [json!("x"), json!([1]), json!({"message": 7})] {
        let (status, body) = w.call("POST", &path, bad);
        let message = "'message' must be an object or an array of objects";
        assert_eq!((status, error(&body)), (422, ("1300", message)));
    }
    w.set_receiver(Ok(TestPost {
        status: 302,
        headers: vec![],
        body: vec![],
    }));
    let (status, body) = w.call("POST", &path, Value::Null);
    assert_eq!(
        (status, &body["errors"][0]["response"]["status"]),
        (400, &json!(302))
    );
}

#[test]
fn batch_status_has_codes_as_text() {
    let mut fake = Fake::new();
    let batch = BatchStatus {
        batch_id: Uuid::from_u128(0xabc),
        webhook_id: Uuid::from_u128(1),
        ts_ms: 1_406_756_288_000,
        attempts: 7,
        response_code: Some(200),
        failure_code: None,
        latency_ms: 160,
        batch_size: 350,
    };
    let failed = BatchStatus {
        response_code: None,
        failure_code: Some("ECONNREFUSED".into()),
        ..batch.clone()
    };
    let first_try = BatchStatus {
        attempts: 0,
        ..batch.clone()
    };
    fake.batches = vec![batch, failed, first_try];
    let w = World::on(fake);
    let path = format!("/api/v1/webhooks/{}/batch-status", w.webhook(json!({})));
    let (status, body) = w.get(&path);
    assert_eq!(status, 200);
    let id = "00000000-0000-0000-0000-000000000abc";
    assert_eq!(
        body["results"],
        json!([
            {
                "batch_id": id, "webhook_id": ID, "ts": "2014-07-30T21:38:08.000Z", "attempts": 7,
                "response_code": "200", "latency": 160, "batch_size": 350,
            },
            {
                "batch_id": id, "webhook_id": ID, "ts": "2014-07-30T21:38:08.000Z", "attempts": 7,
                "failure_code": "ECONNREFUSED", "latency": 160, "batch_size": 350,
            },
        ])
    );
    let (_, body) = w.get(&format!("{path}?limit=1"));
    assert_eq!(body["results"].as_array().unwrap().len(), 1);
    let shown = |query: &str| {
        let (_, body) = w.get(&format!("{path}{query}"));
        body["results"].as_array().unwrap().len()
    };
    assert_eq!((shown("?all=false"), shown("?all=true")), (2, 3));
}
