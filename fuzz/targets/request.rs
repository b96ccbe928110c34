//! Requests of the API, several to one engine: whatever is sent, nothing panics, nothing fails on our side, and the
//! answer is one that the OpenAPI document has for that call.
//!
//! The input is text: a line with method and path, header lines, an empty line, the body, and `---` before the next
//! request. `@KEY@` stands for a key with all grants, `@BOUND@` for one bound to a subaccount, `@HOOK@` for a
//! webhook's id.

#![no_main]

#[allow(dead_code)]
#[path = "../../crates/postrider-api/tests/api/fake.rs"]
mod fake;

use fake::{Fake, NOW_MS, World};
use libfuzzer_sys::fuzz_target;
use postrider::event::{Encoder, Schema};
use postrider::log::LogConfig;
use postrider::store::Grant;
use postrider_api::{Caller, MAX_BODY, Request, openapi};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Requests of one input at most.
const REQUESTS: usize = 16;

static DOCUMENT: LazyLock<Value> = LazyLock::new(openapi::document);

fuzz_target!(|input: &[u8]| {
    let world = world();
    let all = [
        Grant::WebhooksView,
        Grant::WebhooksModify,
        Grant::MessageEventsView,
        Grant::IngestEvents,
        Grant::Keys,
    ];
    let names = [
        ("@KEY@", world.key(&all, None)),
        ("@BOUND@", world.key(&all, Some(7))),
        ("@HOOK@", world.webhook(json!({"auth_token": "t"}))),
    ];
    let text = String::from_utf8_lossy(input);
    for part in text.split("\n---\n").take(REQUESTS) {
        let (head, body) = part.split_once("\n\n").unwrap_or((part, ""));
        let named = |text: &str| {
            let mut text = text.to_owned();
            for (name, value) in &names {
                text = text.replace(name, value);
            }
            text
        };
        let mut lines = head.lines();
        let first = named(lines.next().unwrap_or_default());
        let (method, path_and_query) = first.split_once(' ').unwrap_or((&first, "/"));
        let headers = lines.filter_map(|line| line.split_once(':'));
        let request = Request {
            method: method.to_owned(),
            path_and_query: path_and_query.to_owned(),
            headers: headers.map(|(k, v)| (k.to_owned(), named(v))).collect(),
            // Bytes that are no text, in a body that should be one.
            body: body.replace('\u{fffd}', "\u{0}").into_bytes(),
        };
        for caller in [Caller::Key, Caller::Ingest, Caller::Host] {
            check(&world, &request, caller);
        }
    }
});

fn check(world: &World, request: &Request, caller: Caller) {
    let admitted = world.api.admit(request, caller);
    let answer = world.api.handle(request, caller);
    let status = answer.status;
    assert!(
        (200..=503).contains(&status) && status != 500,
        "{request:?}: {status}"
    );
    match admitted {
        Ok(most) => assert!(most <= MAX_BODY),
        Err(refusal) => assert_eq!(refusal.status, status, "{request:?}"),
    }
    if request.method == "HEAD" {
        assert!(answer.body.is_empty());
    } else if status >= 400 {
        let body: Value = serde_json::from_slice(&answer.body).expect("an error is JSON");
        let errors = body["errors"].as_array().expect("errors");
        assert!(
            errors.iter().all(|error| error["message"].is_string()),
            "{body}"
        );
    }
    let (path, _) = request
        .path_and_query
        .split_once('?')
        .unwrap_or((&request.path_and_query, ""));
    let method = match request.method.as_str() {
        "HEAD" => "get".to_owned(),
        // Case counts (RFC 9110 §9.1): the document has the methods' names in small letters, requests in capitals.
        method if method.bytes().any(|b| b.is_ascii_lowercase()) => String::new(),
        method => method.to_lowercase(),
    };
    match documented(path, &method) {
        Some(call) => {
            let answers = &call["responses"][status.to_string()];
            assert!(
                answers.is_object(),
                "{} {path}: {status} is not documented",
                request.method
            );
        }
        None => assert!(
            matches!(status, 404 | 405),
            "{} {path}: {status}",
            request.method
        ),
    }
}

/// What the document says of a call.
fn documented(path: &str, method: &str) -> Option<&'static Value> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let paths = DOCUMENT["paths"].as_object()?;
    let fits = |template: &str| {
        let (wanted, given) = (template.split('/'), path.split('/'));
        wanted.clone().count() == given.clone().count()
            && wanted
                .zip(given)
                .all(|(w, g)| w == g || w.starts_with('{') && !g.is_empty())
    };
    // What is named goes before what is a parameter.
    let fitting = paths.iter().filter(|(template, _)| fits(template));
    let mut fitting: Vec<_> = fitting.collect();
    fitting.sort_by_key(|(template, _)| template.matches('{').count());
    fitting.iter().find_map(|(_, calls)| calls.get(method))
}

/// An API whose log has some events.
fn world() -> World {
    let (mut writer, log, _) = postrider::log::open(LogConfig::in_memory(), 0).expect("a log");
    let mut frame = writer.frame();
    let (mut encoder, schema) = (Encoder::new(), Schema::new(true));
    for (i, ty) in ["delivery", "bounce", "click", "success"]
        .iter()
        .enumerate()
    {
        let event = json!({
            "type": ty, "rcpt_to": format!("u{i}@example.com"), "subject": "One two three",
            "timestamp": (NOW_MS / 1000 - 60).to_string(),
        });
        let line = event.to_string();
        let encoded = encoder
            .line(&schema, line.as_bytes(), NOW_MS)
            .expect("an event");
        frame.push(&encoded.entry, encoded.text_and_separator());
    }
    writer.append(&mut frame).expect("appended");
    let fake = Fake::new();
    *fake.log.lock().expect("a log") = Some((writer, log));
    World::on(fake)
}
