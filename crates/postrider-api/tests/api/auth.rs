//! Who may call what.

use crate::fake::{error, json, least_with, world};
use postrider::store::Grant;
use postrider_api::Caller;
use serde_json::{Value, json};

#[test]
fn without_a_good_key_the_answer_is_401_with_a_challenge() {
    let w = world();
    let key = w.key(&[Grant::WebhooksView], None);
    let bearer = format!("Bearer {key}");
    for headers in [
        &[][..],
        &[("Authorization", "")],
        &[("Authorization", "0123456789abcdef0123456789abcdef01234567")],
        &[("Authorization", &bearer)],
    ] {
        let response = w.send("GET", "/api/v1/webhooks", headers, b"", Caller::Key);
        assert_eq!(response.status, 401);
        assert_eq!(
            json(&response),
            json!({"errors": [{"message": "Unauthorized"}]})
        );
        assert!(response.headers.contains(&(
            "www-authenticate".into(),
            "Basic realm=\"postrider\"".into()
        )));
    }
}

#[test]
fn a_key_works_raw_and_as_basic_user() {
    use base64::Engine as _;
    let w = world();
    let key = w.key(&[Grant::WebhooksView], None);
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{key}:"));
    for value in [key, format!("Basic {basic}")] {
        assert_eq!(
            w.call_with(&value, &[], "GET", "/api/v1/webhooks", Value::Null)
                .0,
            200
        );
    }
}

#[test]
fn each_call_needs_its_grant() {
    let w = world();
    let id = w.webhook(json!({}));
    let one = format!("/api/v1/webhooks/{id}");
    let validate = format!("{one}/validate");
    let batches = format!("{one}/batch-status");
    let calls = [
        ("GET", "/api/v1/webhooks", Grant::WebhooksView),
        ("GET", &one, Grant::WebhooksView),
        ("GET", &batches, Grant::WebhooksView),
        ("POST", "/api/v1/webhooks", Grant::WebhooksModify),
        ("PUT", &one, Grant::WebhooksModify),
        ("POST", &validate, Grant::WebhooksModify),
        ("DELETE", &one, Grant::WebhooksModify),
        ("GET", "/api/v1/keys", Grant::Keys),
        ("POST", "/api/v1/keys", Grant::Keys),
        ("DELETE", "/api/v1/keys/0123456789abcdef", Grant::Keys),
    ];
    for (method, path, needed) in calls {
        let others: Vec<Grant> = Grant::ALL.into_iter().filter(|g| *g != needed).collect();
        let key = w.key(&others, None);
        let (status, body) = w.call_with(&key, &[], method, path, json!({}));
        assert_eq!(status, 403, "{method} {path}");
        let message = format!("Forbidden: this call needs the grant {}", needed.name());
        assert_eq!(error(&body), ("1100", message.as_str()));

        let key = w.key(&[needed], None);
        let (status, body) = w.call_with(&key, &[], method, path, json!({}));
        assert!(!matches!(status, 401 | 403), "{method} {path}: {body}");
    }
}

#[test]
fn documentation_samples_and_health_need_no_key() {
    let w = world();
    for path in [
        "/api/v1/webhooks/events/documentation",
        "/api/v1/webhooks/events/samples",
        "/healthz",
    ] {
        assert_eq!(
            w.send("GET", path, &[], b"", Caller::Key).status,
            200,
            "{path}"
        );
        assert_eq!(
            w.call_with("wrong", &[], "GET", path, Value::Null).0,
            200,
            "{path}"
        );
    }
}

#[test]
fn the_subaccount_header_decides_a_new_webhooks_scope() {
    let w = world();
    let key = w.key(&Grant::ALL, None);
    let create = |headers: &[(&str, &str)]| {
        w.call_with(
            &key,
            headers,
            "POST",
            "/api/v1/webhooks",
            least_with(json!({})),
        )
    };
    assert_eq!(create(&[]).0, 200);
    assert_eq!(create(&[("X-MSYS-SUBACCOUNT", "0")]).0, 200);
    assert_eq!(create(&[("x-msys-subaccount", "42")]).0, 200);
    let (status, body) = create(&[("X-MSYS-SUBACCOUNT", "all")]);
    assert_eq!(status, 400);
    let message = "header 'X-MSYS-SUBACCOUNT' must be a whole number from 0 to 2147483647";
    assert_eq!(error(&body), ("1200", message));

    let (_, body) = w.get("/api/v1/webhooks");
    let shown: Vec<&Value> = body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hook| &hook["subaccount_id"])
        .collect();
    assert_eq!(shown, [&Value::Null, &json!(0), &json!(42)]);

    // On the other calls the header chooses among webhooks.
    let of_42 = [("X-MSYS-SUBACCOUNT", "42")];
    let (_, body) = w.call_with(&key, &of_42, "GET", "/api/v1/webhooks", Value::Null);
    assert_eq!(body["results"].as_array().unwrap().len(), 1);
    let id = body["results"][0]["id"].as_str().unwrap();
    let path = format!("/api/v1/webhooks/{id}");
    assert_eq!(w.call_with(&key, &of_42, "GET", &path, Value::Null).0, 200);
    let of_7 = [("X-MSYS-SUBACCOUNT", "7")];
    assert_eq!(w.call_with(&key, &of_7, "GET", &path, Value::Null).0, 404);
}

#[test]
fn a_bound_key_stays_in_its_subaccount() {
    let w = world();
    let foreign = w.webhook(json!({}));
    let key = w.key(&Grant::ALL, Some(42));
    let path = "/api/v1/webhooks";
    let body = least_with(json!({}));
    let (status, created) = w.call_with(&key, &[], "POST", path, body.clone());
    assert_eq!(status, 200);
    let own = format!("{path}/{}", created["results"]["id"].as_str().unwrap());
    let (_, shown) = w.call_with(&key, &[], "GET", &own, Value::Null);
    assert_eq!(shown["results"]["subaccount_id"], 42);

    let other = [("X-MSYS-SUBACCOUNT", "7")];
    let (status, refused) = w.call_with(&key, &other, "POST", path, body);
    assert_eq!(status, 403);
    assert_eq!(
        error(&refused),
        ("1100", "Forbidden: this key acts for subaccount 42 only")
    );
    let (status, _) = w.call_with(&key, &[], "PUT", &own, json!({"subaccount_id": 7}));
    assert_eq!(status, 403);
    assert_eq!(
        w.call_with(&key, &[], "PUT", &own, json!({"subaccount_id": 42}))
            .0,
        200
    );

    let (_, list) = w.call_with(&key, &[], "GET", path, Value::Null);
    assert_eq!(list["results"].as_array().unwrap().len(), 1);
    let foreign = format!("{path}/{foreign}");
    for (method, tail) in [
        ("GET", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("POST", "/validate"),
        ("GET", "/batch-status"),
    ] {
        let (status, _) = w.call_with(&key, &[], method, &format!("{foreign}{tail}"), json!({}));
        assert_eq!(status, 404, "{method} {tail}");
    }
    assert_eq!(w.get(&foreign).0, 200);
}

#[test]
fn debug_output_shows_no_key() {
    let w = world();
    let key = w.key(&[Grant::Keys], None);
    let request = postrider_api::Request {
        method: "POST".into(),
        path_and_query: "/api/v1/keys".into(),
        headers: vec![("authorization".into(), key.clone())],
        body: br#"{"grants": ["keys"]}"#.to_vec(),
    };
    let response = w.api.handle(&request, Caller::Key);
    let made = json(&response)["results"]["key"]
        .as_str()
        .unwrap()
        .to_owned();
    let shown = format!("{request:?} {response:?}");
    assert!(!shown.contains(&key) && !shown.contains(&made), "{shown}");
}

#[test]
fn a_webhooks_own_filters_are_for_the_host_alone_whatever_a_key_is_granted() {
    let w = world();
    let filters = json!({"filters": [{"name": "redact", "path": "/usr/lib/redact.so"}]});
    let id = w.webhook(filters.clone());
    let key = w.key(&Grant::ALL, None);
    let path = format!("/api/v1/webhooks/{id}");
    let (_, shown) = w.get(&path);
    assert_eq!(shown["results"]["filters"][0]["name"], "redact");
    let (status, shown) = w.call_with(&key, &[], "GET", &path, Value::Null);
    assert_eq!((status, &shown["results"]["filters"]), (200, &Value::Null));

    let (own, again) = (
        format!("{path}/filters"),
        format!("{path}/filters/reload?name=redact"),
    );
    for (method, path, body) in [
        ("POST", "/api/v1/webhooks", least_with(filters.clone())),
        ("PUT", &path, filters),
        ("PUT", &path, json!({"filters": []})),
        ("GET", &own, Value::Null),
        ("POST", &again, Value::Null),
    ] {
        let (status, body) = w.call_with(&key, &[], method, path, body);
        assert_eq!(status, 403, "{method} {path}: {body}");
    }
    let (_, after) = w.get(&path);
    assert_eq!(after["results"]["filters"][0]["name"], "redact");
}
