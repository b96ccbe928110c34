//! Requests that no call takes.

use crate::fake::{error, json, least_with, world};
use postrider_api::Caller;
use serde_json::{Value, json};

#[test]
fn an_unknown_path_is_404() {
    let w = world();
    for path in [
        "/",
        "/api/v1/webhook",
        "/api/v1/webhooks/abc",
        "/api/v2/webhooks",
        "x",
    ] {
        let (status, body) = w.get(path);
        assert_eq!(
            (status, error(&body)),
            (404, ("1101", "Resource could not be found")),
            "{path}"
        );
    }
    let id = "00000000-0000-0000-0000-00000000000a";
    let (status, body) = w.get(&format!("/api/v1/webhooks/{id}"));
    assert_eq!(
        (status, error(&body)),
        (404, ("1600", "Resource could not be found"))
    );
}

#[test]
fn a_wrong_method_is_405_with_those_that_there_are() {
    let w = world();
    let id = w.webhook(json!({}));
    for (method, path, allowed) in [
        ("PUT", "/api/v1/webhooks".to_owned(), "GET, HEAD, POST"),
        (
            "POST",
            format!("/api/v1/webhooks/{id}"),
            "GET, HEAD, PUT, DELETE",
        ),
        (
            "PATCH",
            format!("/api/v1/webhooks/{id}"),
            "GET, HEAD, PUT, DELETE",
        ),
        ("GET", format!("/api/v1/webhooks/{id}/validate"), "POST"),
        (
            "POST",
            format!("/api/v1/webhooks/{id}/batch-status"),
            "GET, HEAD",
        ),
        (
            "get",
            "/api/v1/webhooks/events/samples".to_owned(),
            "GET, HEAD",
        ),
        ("GET", "/api/v1/keys/0123456789abcdef".to_owned(), "DELETE"),
    ] {
        let response = w.send(method, &path, &[], b"", Caller::Host);
        assert_eq!(response.status, 405, "{method} {path}");
        assert!(
            response.headers.contains(&("allow".into(), allowed.into())),
            "{method} {path}"
        );
        let message = format!("Method not allowed: this path takes {allowed}");
        assert_eq!(error(&json(&response)), ("1102", message.as_str()));
    }
}

#[test]
fn head_is_get_without_its_body() {
    let w = world();
    let response = w.send("HEAD", "/api/v1/webhooks", &[], b"", Caller::Host);
    assert_eq!((response.status, response.body.len()), (200, 0));
    assert_eq!(
        w.send("HEAD", "/api/v1/nothing", &[], b"", Caller::Host)
            .status,
        404
    );
}

#[test]
fn a_body_that_is_no_json_says_where() {
    let w = world();
    let create = |headers: &[(&str, &str)], body: &[u8]| {
        let response = w.send("POST", "/api/v1/webhooks", headers, body, Caller::Host);
        (response.status, json(&response))
    };
    let (status, body) = create(&[], b"{\"name\": }");
    let message =
        "Request body parsing failed [Attached error message: expected value at line 1 column 10]";
    assert_eq!((status, error(&body)), (400, ("1300", message)));
    let (status, body) = create(&[], b"");
    let message = "Request body parsing failed [Attached error message: EOF while parsing a value at line 1 column 0]";
    assert_eq!((status, error(&body)), (400, ("1300", message)));
    let (status, body) = create(&[], b"{\"name\": \"\xff\"}");
    assert_eq!(
        (status, error(&body)),
        (400, ("1305", "Request body is not UTF-8"))
    );
    let deep = "[".repeat(100_000);
    assert_eq!(create(&[], deep.as_bytes()).0, 400);
    let (status, body) = create(&[], &vec![b' '; (1 << 20) + 1]);
    assert_eq!(
        (status, error(&body)),
        (413, ("1300", "Request body is larger than 1048576 bytes"))
    );

    let text = least_with(json!({})).to_string();
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let (status, body) = create(&form, text.as_bytes());
    let message = "Unsupported media type: send Content-Type: application/json";
    assert_eq!((status, error(&body)), (415, ("1700", message)));
    let typed = [("content-type", "Application/JSON; charset=utf-8")];
    assert_eq!(create(&typed, text.as_bytes()).0, 200);
}

#[test]
fn each_kind_of_wrong_field_has_its_code() {
    let w = world();
    let long = "x".repeat(3000);
    for (more, status, code, message) in [
        (
            json!({"taget": "x"}),
            422,
            "1300",
            "'taget' is not a field of a webhook",
        ),
        (
            json!({"active": 1}),
            422,
            "1300",
            "'active' must be true or false",
        ),
        (
            json!({"events": ["delivry"]}),
            422,
            "1300",
            "'events' names \"delivry\", which is not an event type",
        ),
        (
            json!({"auth_type": "basic"}),
            422,
            "1400",
            "'auth_credentials' is required",
        ),
        (
            json!({"auth_credentials": {"username": "u"}}),
            422,
            "1301",
            "'auth_credentials' needs auth_type basic",
        ),
        (
            json!({"custom_headers": {"Host": "x"}}),
            422,
            "10000",
            "'custom_headers' must not set Host",
        ),
        (
            json!({"custom_headers": {"x": long}}),
            413,
            "10001",
            "'custom_headers' must have less than 3000 bytes in all",
        ),
        (
            json!({"custom_headers": {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1}}),
            422,
            "10002",
            "'custom_headers' must have at most 5 entries",
        ),
    ] {
        let (got, body) = w.call("POST", "/api/v1/webhooks", least_with(more));
        assert_eq!((got, error(&body)), (status, (code, message)));
    }
    let (status, body) = w.call(
        "POST",
        "/api/v1/webhooks",
        least_with(json!({"target": "nowhere"})),
    );
    let (code, message) = error(&body);
    assert_eq!((status, code), (422, "1300"));
    assert!(message.starts_with("'target' is refused: "), "{message}");
    let (status, body) = w.call("POST", "/api/v1/webhooks", json!({"name": "x"}));
    assert_eq!(
        (status, error(&body)),
        (422, ("1400", "'target' is required"))
    );
    assert!(w.fake.posts.lock().unwrap().is_empty(), "nothing was tried");
    assert_eq!(w.get("/api/v1/webhooks").1, json!({"results": []}));
}

#[test]
fn a_wrong_parameter_is_named_an_unknown_one_ignored() {
    let w = world();
    let id = w.webhook(json!({}));
    let one = format!("/api/v1/webhooks/{id}");
    let zone =
        "parameter 'timezone' must be the IANA name of a time zone, such as America/New_York";
    let limit = "parameter 'limit' must be a whole number from 1 to 1000";
    for (method, path, message) in [
        (
            "GET",
            "/api/v1/webhooks?timezone=Mars%2FOlympus".to_owned(),
            zone,
        ),
        ("GET", format!("{one}?timezone="), zone),
        ("GET", format!("{one}/batch-status?limit=0"), limit),
        ("GET", format!("{one}/batch-status?limit=1001"), limit),
        ("GET", format!("{one}/batch-status?limit=all"), limit),
        (
            "DELETE",
            format!("{one}?purge=yes"),
            "parameter 'purge' must be true or false",
        ),
        (
            "GET",
            "/api/v1/webhooks/events/samples?events=click,clock".to_owned(),
            "parameter 'events' names \"clock\", which is not an event type",
        ),
    ] {
        let (status, body) = w.call(method, &path, Value::Null);
        assert_eq!((status, error(&body)), (400, ("1200", message)), "{path}");
    }
    assert_eq!(w.get(&format!("{one}?colour=red")).0, 200);
}
