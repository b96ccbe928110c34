//! Events from outside.

use crate::fake::{Fake, World, error, json, world};
use flate2::Compression;
use flate2::write::GzEncoder;
use postrider::engine::Level;
use postrider::store::Grant;
use postrider_api::{Caller, MAX_BODY, Response};
use serde_json::{Value, json};
use std::io::Write;

const PATH: &str = "/api/v1/ingest/events";
const ID: &str = "3f0e2a9c-58f5-4d0a-9f8e-0d6f0f3a7b11";
const NDJSON: (&str, &str) = ("Content-Type", "application/x-ndjson");
const TWO: &str = "{\"type\":\"delivery\",\"rcpt_to\":\"a@example.com\"}\n\
                   \n{\"msys\":{\"message_event\":{\"type\":\"bounce\"}}}";

fn post(w: &World, headers: &[(&str, &str)], body: &[u8]) -> Response {
    w.send("POST", PATH, headers, body, Caller::Host)
}

/// What was pushed, without the events that tell of batches.
fn pushed(w: &World) -> Vec<Value> {
    let all = w.fake.pushed.lock().unwrap();
    let events = all.iter().filter(|e| e["msys"]["ingest_event"].is_null());
    events.cloned().collect()
}

/// The last event that tells of a batch.
fn told(w: &World) -> Value {
    let all = w.fake.pushed.lock().unwrap();
    all.last().unwrap()["msys"]["ingest_event"].clone()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn each_line_is_an_event_and_the_answer_comes_when_they_are_written() {
    let w = world();
    let response = post(&w, &[NDJSON], TWO.as_bytes());
    assert_eq!(response.status, 200);
    let results = json(&response)["results"].clone();
    assert_eq!(results["number_succeeded"], 2);
    assert_eq!(
        (&results["number_failed"], &results["errors"]),
        (&json!(0), &json!([]))
    );
    let events = pushed(&w);
    assert_eq!(
        events[0]["msys"]["message_event"]["rcpt_to"],
        "a@example.com"
    );
    assert_eq!(events[1]["msys"]["message_event"]["type"], "bounce");
    assert_eq!(*w.fake.flushed.lock().unwrap(), [Level::Written]);
    let told = told(&w);
    assert_eq!(
        (&told["type"], &told["number_succeeded"]),
        (&json!("success"), &json!(2))
    );
    assert_eq!(told["batch_id"], results["id"]);
}

#[test]
fn a_caller_may_wait_for_the_disk() {
    let w = world();
    let path = format!("{PATH}?level=synced");
    let answer = |path: &str| w.send("POST", path, &[], TWO.as_bytes(), Caller::Host);
    assert_eq!(answer(&path).status, 200);
    assert_eq!(*w.fake.flushed.lock().unwrap(), [Level::Synced]);
    let refused = answer(&format!("{PATH}?level=queued"));
    assert_eq!((refused.status, error(&json(&refused)).0), (400, "1200"));
}

#[test]
fn a_bad_line_is_named_and_the_others_are_taken() {
    let w = world();
    let long = format!(
        "{{\"type\":\"delivery\",\"subject\":\"{}\"}}",
        "x".repeat(300_000)
    );
    let lines = [
        "{\"type\":\"delivery\"}",
        "",
        "{\"type\":\"delivry\"}",
        "not json",
        &long,
        "{\"type\":\"click\"}",
    ];
    let response = post(&w, &[], lines.join("\n").as_bytes());
    let results = json(&response)["results"].clone();
    assert_eq!(response.status, 200, "{results}");
    assert_eq!(
        (&results["number_succeeded"], &results["number_failed"]),
        (&json!(2), &json!(3))
    );
    let numbers: Vec<&Value> = results["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["line"])
        .collect();
    assert_eq!(numbers, [&json!(3), &json!(4), &json!(5)]);
    let message = results["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("delivry"), "{message}");
    assert_eq!(pushed(&w).len(), 2);
    let told = told(&w);
    assert_eq!(
        (&told["type"], &told["error_type"]),
        (&json!("error"), &json!("validation"))
    );
    assert_eq!(
        (&told["number_failed"], &told["retryable"]),
        (&json!(3), &json!(false))
    );
}

#[test]
fn a_batch_without_a_good_line_is_422() {
    let w = world();
    let response = post(&w, &[], b"{}\n{\"type\":7}");
    assert_eq!(response.status, 422);
    let errors = json(&response)["errors"].clone();
    assert_eq!(
        (&errors[0]["line"], &errors[1]["line"]),
        (&json!(1), &json!(2))
    );
    let empty = post(&w, &[], b" \n\n");
    assert_eq!(empty.status, 422);
    assert_eq!(
        error(&json(&empty)),
        ("1300", "'request body' has no event")
    );
    assert_eq!(told(&w)["error_type"], "empty_batch");
}

#[test]
fn gzip_is_taken_in_any_number_of_members() {
    let w = world();
    let mut body = gzip(b"{\"type\":\"delivery\"}\n");
    body.extend(gzip(b"{\"type\":\"bounce\"}\n"));
    let headers = [NDJSON, ("Content-Encoding", "gzip")];
    assert_eq!(post(&w, &headers, &body).status, 200);
    assert_eq!(pushed(&w).len(), 2);
    let torn = post(&w, &headers, &body[..body.len() - 4]);
    assert_eq!(torn.status, 400);
    let text = json(&torn)["errors"][0].clone();
    assert!(
        text["message"].as_str().unwrap().contains("not gzip"),
        "{text}"
    );
    assert_eq!(
        text["number_succeeded"], 2,
        "who sends again knows what was taken"
    );
    assert_eq!(told(&w)["error_type"], "decompress");
    let other = post(&w, &[("Content-Encoding", "br")], TWO.as_bytes());
    assert_eq!((other.status, error(&json(&other)).0), (415, "1700"));
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(post(&w, &form, TWO.as_bytes()).status, 415);
}

#[test]
fn a_small_body_cannot_become_a_huge_batch() {
    let w = world();
    let mut bomb = gzip(b"{\"type\":\"delivery\"}\n");
    let spaces = gzip(&vec![b' '; 16 << 20]);
    (0..5).for_each(|_| bomb.extend(&spaces));
    assert!(bomb.len() < 1_000_000);
    let response = post(&w, &[("Content-Encoding", "gzip")], &bomb);
    assert_eq!(response.status, 400);
    let text = json(&response)["errors"][0]["message"].to_string();
    assert!(text.contains("decompressed"), "{text}");
    let most = post(&w, &[], &vec![b'x'; MAX_BODY + 1]);
    assert_eq!(most.status, 413);
}

#[test]
fn a_batch_with_an_id_is_taken_once() {
    let w = world();
    let headers = [("X-MessageSystems-Batch-ID", ID)];
    let first = post(&w, &headers, TWO.as_bytes());
    assert_eq!(
        (first.status, json(&first)["results"]["id"].as_str()),
        (200, Some(ID))
    );
    let second = post(&w, &headers, TWO.as_bytes());
    assert_eq!(second.status, 409);
    let message = format!("resource 'batch {ID}' already exists");
    assert_eq!(error(&json(&second)), ("1602", message.as_str()));
    assert_eq!(pushed(&w).len(), 2);
    assert_eq!(told(&w)["error_type"], "duplicate_batch");
    let odd = post(&w, &[("X-MessageSystems-Batch-ID", "7")], TWO.as_bytes());
    assert_eq!((odd.status, error(&json(&odd)).0), (400, "1200"));
}

#[test]
fn a_batch_that_failed_may_come_again() {
    let w = world();
    let headers = [("X-MessageSystems-Batch-ID", ID)];
    w.fake.room.store(1, std::sync::atomic::Ordering::Relaxed);
    let full = post(&w, &headers, TWO.as_bytes());
    assert_eq!(full.status, 503);
    assert!(full.headers.contains(&("retry-after".into(), "5".into())));
    assert_eq!(json(&full)["errors"][0]["number_succeeded"], 1);
    w.fake
        .room
        .store(usize::MAX, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(post(&w, &headers, TWO.as_bytes()).status, 200);
}

#[test]
fn a_bound_key_hands_in_its_own_events_alone() {
    let w = World::on(Fake::new());
    let key = w.key(&[Grant::IngestEvents], Some(42));
    let send = |line: &str| {
        let headers = [("Authorization", key.as_str())];
        w.send("POST", PATH, &headers, line.as_bytes(), Caller::Key)
    };
    assert_eq!(send("{\"type\":\"delivery\"}").status, 200);
    assert_eq!(
        pushed(&w)[0]["msys"]["message_event"]["subaccount_id"],
        "42"
    );
    let refused = send("{\"type\":\"delivery\",\"subaccount_id\":7}");
    assert_eq!(refused.status, 422);
    let text = json(&refused)["errors"][0]["message"].to_string();
    assert!(text.contains("acts for subaccount 42 only"), "{text}");
}

#[test]
fn the_ingest_socket_hands_in_events_and_does_nothing_else() {
    let w = world();
    let send = |method: &str, path: &str| w.send(method, path, &[], TWO.as_bytes(), Caller::Ingest);
    assert_eq!(send("POST", PATH).status, 200);
    assert_eq!(send("GET", "/api/v1/webhooks").status, 403);
    assert_eq!(send("GET", "/api/v1/keys").status, 403);
}
