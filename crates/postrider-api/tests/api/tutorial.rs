//! The documentation and samples calls, as a newcomer meets them.

use crate::fake::{json, world};
use postrider_api::Caller;
use serde_json::json;

#[test]
fn documentation_goes_from_category_to_field() {
    let w = world();
    let (status, body) = w.get("/api/v1/webhooks/events/documentation");
    assert_eq!(status, 200);
    let click = &body["results"]["track_event"]["events"]["click"];
    assert!(click["display_name"].is_string() && click["description"].is_string());
    assert_eq!(click["event"]["type"]["sampleValue"], "click");
    assert!(click["event"]["target_link_url"]["description"].is_string());
    assert_eq!(body["results"].as_object().unwrap().len(), 7);
}

#[test]
fn samples_are_of_the_types_asked_for() {
    let w = world();
    let types = |path: &str| -> Vec<String> {
        let body = json(&w.send("GET", path, &[], b"", Caller::Key));
        let events = body["results"].as_array().unwrap().iter();
        let one = |e: &serde_json::Value| {
            let (_, event) = e["msys"].as_object().unwrap().iter().next().unwrap();
            event["type"].as_str().unwrap().to_owned()
        };
        events.map(one).collect()
    };
    assert_eq!(
        types("/api/v1/webhooks/events/samples?events=click"),
        ["click"]
    );
    let mut two = types("/api/v1/webhooks/events/samples?events=bounce%2Cdelivery");
    two.sort();
    assert_eq!(two, ["bounce", "delivery"]);
    assert_eq!(types("/api/v1/webhooks/events/samples").len(), 27);
    assert_eq!(types("/api/v1/webhooks/events/samples?events=").len(), 27);
}

#[test]
fn health_is_told() {
    assert_eq!(world().get("/healthz"), (200, json!({"status": "ok"})));
}

#[test]
fn metrics_are_text() {
    let response = world().send("GET", "/metrics", &[], b"", Caller::Key);
    assert_eq!(response.status, 200);
    assert!(
        response.headers[0]
            .1
            .starts_with("text/plain; version=0.0.4")
    );
    assert_eq!(response.body, b"postrider_up 1\n");
}
