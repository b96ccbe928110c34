//! Searching the events.

use crate::fake::{Fake, NOW_MS, World, error, world};
use postrider::event::{Encoder, Schema};
use postrider::log::LogConfig;
use postrider::store::Grant;
use serde_json::{Value, json};

const MESSAGE: &str = "/api/v1/events/message";
const OLD: &str = "/api/v1/message-events";

/// An API whose log has these events, an hour old where they do not say otherwise.
fn searchable(events: &[Value]) -> World {
    let (writer, log, _) = postrider::log::open(LogConfig::in_memory(), 0).unwrap();
    let fake = Fake::new();
    *fake.log.lock().unwrap() = Some((writer, log));
    let w = World::on(fake);
    append(&w, events);
    w
}

fn append(w: &World, events: &[Value]) {
    let mut log = w.fake.log.lock().unwrap();
    let (writer, _) = log.as_mut().unwrap();
    let mut frame = writer.frame();
    let (mut encoder, schema) = (Encoder::new(), Schema::new(true));
    for event in events {
        let mut event = event.clone();
        if event.get("timestamp").is_none() {
            event["timestamp"] = (NOW_MS / 1000 - 3600).to_string().into();
        }
        let line = event.to_string();
        let encoded = encoder.line(&schema, line.as_bytes(), NOW_MS).unwrap();
        assert!(frame.push(&encoded.entry, encoded.text_and_separator()));
    }
    writer.append(&mut frame).unwrap();
}

/// The `n` of each result.
fn ns(body: &Value) -> Vec<i64> {
    let results = body["results"]
        .as_array()
        .unwrap_or_else(|| panic!("{body}"));
    results.iter().map(|r| r["x_n"].as_i64().unwrap()).collect()
}

fn ask(w: &World, path: &str) -> Value {
    let (status, body) = w.get(path);
    assert_eq!(status, 200, "{path}: {body}");
    body
}

#[test]
fn a_record_is_flat_with_its_time_as_text() {
    let w = searchable(&[json!({
        "type": "bounce", "rcpt_to": "a@example.com", "friendly_from": "S <s@news.example.org>",
        "bounce_class": 10, "timestamp": "1699996400", "event_id": "7",
    })]);
    assert_eq!(
        ask(&w, MESSAGE),
        json!({
            "results": [{
                "type": "bounce", "rcpt_to": "a@example.com", "bounce_class": "10", "event_id": "7",
                "friendly_from": "S <s@news.example.org>", "sending_domain": "news.example.org",
                "timestamp": "2023-11-14T21:13:20.000Z",
            }],
            "total_count": 1, "links": {},
        })
    );
    let old = ask(&w, &format!("{OLD}?timezone=Asia/Kolkata"));
    assert_eq!(
        old["results"][0]["timestamp"],
        "2023-11-15T02:43:20.000+05:30"
    );
    assert_eq!(old["results"][0]["tdate"], "2023-11-14T21:13:20.000Z");
    assert_eq!(
        (&old["total_count"], &old["links"]),
        (&json!(1), &json!([]))
    );
}

#[test]
fn each_parameter_finds_what_it_names() {
    let common = json!({
        "type": "bounce", "event_id": "1", "rcpt_to": "a@mail.example.com", "x_n": 1,
        "friendly_from": "sender@news.example.org", "bounce_class": "10", "sending_ip": "192.0.2.1",
        "message_id": "m1", "transmission_id": "t1", "ab_test_id": "reset-test",
        "ab_test_version": "2", "recipient_domain": "mail.example.com", "subject": "Summer deals",
        "reason": "550 user unknown", "campaign_id": "spring_sale-2026", "template_id": "templ-1",
        "ip_pool": "shared", "mailbox_provider": "Gsuite", "subaccount_id": 7,
        "mailbox_provider_region": "Europe - UK",
    });
    let other = json!({"type": "click", "rcpt_to": "b@example.net", "x_n": 2, "event_id": "2"});
    let w = searchable(&[common, other]);
    for (query, found) in [
        ("", &[2, 1][..]),
        ("events=bounce", &[1]),
        ("events=bounce,click", &[2, 1]),
        ("events=bounce;click&delimiter=;", &[2, 1]),
        ("event_ids=2,3", &[2]),
        ("recipients=A@mail.example.com", &[1]),
        ("recipients=a@mail.example", &[]),
        ("from_addresses=sender@news.example.org", &[1]),
        ("bounce_classes=10", &[1]),
        ("bounce_classes=1", &[]),
        ("sending_ips=192.0.2.1", &[1]),
        ("subaccounts=7", &[1]),
        ("subaccounts=0", &[2]),
        ("messages=m1", &[1]),
        ("transmissions=t1,t2", &[1]),
        ("ab_tests=reset&ab_test_versions=2", &[1]),
        ("ab_tests=reset&ab_test_versions=3", &[]),
        ("recipient_domains=example.com", &[1]),
        ("recipient_domains=example.net", &[2]),
        ("recipient_domains=ample.com", &[]),
        ("sending_domains=news", &[1]),
        ("subjects=summer", &[1]),
        ("subjects=sum", &[]),
        ("reasons=unknown", &[1]),
        ("campaigns=sale", &[1]),
        ("campaigns=spring_sale", &[1]),
        ("campaigns=sale winter", &[]),
        ("templates=templ", &[1]),
        ("ip_pools=SHARED", &[1]),
        ("mailbox_providers=gsuite", &[1]),
        ("mailbox_provider_regions=uk", &[1]),
        ("recipients=a@mail.example.com&campaigns=winter", &[]),
        ("from=2023-11-14T22:00:00Z", &[]),
        ("to=2023-11-14T21:13:20Z", &[]),
        ("from=2023-11-14T21:13:20Z&to=2023-11-14T21:13:21Z", &[2, 1]),
    ] {
        let body = ask(&w, &format!("{MESSAGE}?{}", query.replace(' ', "%20")));
        assert_eq!(ns(&body), found, "{query}");
        assert_eq!(body["total_count"], found.len(), "{query}");
    }
    for (query, found) in [
        ("bounce_classes=10", &[1][..]),
        ("campaign_ids=spring_sale-2026", &[1]),
        ("campaign_ids=sale", &[]),
        ("friendly_froms=sender@news.example.org", &[1]),
        ("message_ids=m1", &[1]),
        ("reason=%25user%25", &[1]),
        ("reason=user", &[]),
        ("recipients=b@example.net", &[2]),
        ("template_ids=templ-1", &[1]),
        ("ab_test_ids=reset-test", &[1]),
        ("transmission_ids=t1", &[1]),
        ("subaccounts=7", &[1]),
        ("from=2023-11-14T16:13&timezone=America/New_York", &[2, 1]),
        ("from=2023-11-14T16:14&timezone=America/New_York", &[]),
    ] {
        assert_eq!(ns(&ask(&w, &format!("{OLD}?{query}"))), found, "{query}");
    }
}

#[test]
fn events_of_other_categories_are_found_by_name_alone() {
    let w = searchable(&[
        json!({"type": "relay_delivery", "x_n": 1}),
        json!({"type": "error", "x_n": 2, "batch_id": "b1", "error_type": "validation",
               "retryable": false}),
        json!({"type": "success", "x_n": 3, "batch_id": "b2"}),
    ]);
    assert_eq!(ns(&ask(&w, MESSAGE)), [0; 0]);
    assert_eq!(
        ns(&ask(&w, &format!("{MESSAGE}?events=relay_delivery"))),
        [1]
    );
    let ingest = "/api/v1/events/ingest";
    assert_eq!(ns(&ask(&w, ingest)), [3, 2]);
    assert_eq!(ns(&ask(&w, &format!("{ingest}?batch_ids=b1"))), [2]);
    assert_eq!(
        ns(&ask(&w, &format!("{ingest}?error_types=validation"))),
        [2]
    );
    assert_eq!(ns(&ask(&w, &format!("{ingest}?retryable=false"))), [2]);
    assert_eq!(ns(&ask(&w, &format!("{ingest}?retryable=true"))), [0; 0]);
}

#[test]
fn cursors_lead_through_every_event_once_while_others_arrive() {
    let events = |from: i64| -> Vec<Value> {
        let of = |n| json!({"type": "delivery", "campaign_id": "a b", "x_n": n});
        (from..from + 10).map(of).collect()
    };
    let w = searchable(&events(0));
    append(&w, &events(10));
    let mut next = format!("{MESSAGE}?per_page=7&campaigns=a");
    let mut seen = Vec::new();
    loop {
        let body = ask(&w, &next);
        assert_eq!(body["total_count"], 20);
        seen.extend(ns(&body));
        append(&w, &events(100));
        match body["links"]["next"].as_str() {
            Some(link) => next = link.to_owned(),
            None => break,
        }
        assert!(next.starts_with(&format!("{MESSAGE}?per_page=7&campaigns=a&cursor=")));
    }
    assert_eq!(seen, (0..20).rev().collect::<Vec<i64>>());
}

#[test]
fn pages_by_number_have_links_to_their_neighbours() {
    let events: Vec<Value> = (0..5)
        .map(|n| json!({"type": "delivery", "x_n": n}))
        .collect();
    let w = searchable(&events);
    let page = |n: u32| ask(&w, &format!("{OLD}?per_page=2&page={n}&events=delivery"));
    let rels = |body: &Value| -> Vec<String> {
        let links = body["links"].as_array().unwrap().iter();
        links
            .map(|l| l["rel"].as_str().unwrap().to_owned())
            .collect()
    };
    let (first, second, third) = (page(1), page(2), page(3));
    assert_eq!(
        (ns(&first), ns(&second), ns(&third)),
        (vec![4, 3], vec![2, 1], vec![0])
    );
    assert_eq!(rels(&first), ["next", "last"]);
    assert_eq!(rels(&second), ["first", "previous", "next", "last"]);
    assert_eq!(rels(&third), ["first", "previous", "last"]);
    let last = first["links"][1]["href"].as_str().unwrap();
    assert_eq!(last, format!("{OLD}?per_page=2&events=delivery&page=3"));
    assert_eq!(second["total_count"], 5);
    assert_eq!(ns(&page(4)), [0; 0]);
}

#[test]
fn wrong_parameters_are_named() {
    let w = searchable(&[]);
    for (path, name) in [
        ("events/message?from=yesterday", "'from'"),
        ("events/message?per_page=0", "'per_page'"),
        ("events/message?per_page=10001", "'per_page'"),
        ("events/message?cursor=x", "'cursor'"),
        ("events/message?events=delivry", "'events'"),
        ("events/message?subaccounts=x", "'subaccounts'"),
        ("events/message?ab_test_versions=1", "'ab_test_versions'"),
        ("message-events?page=0", "'page'"),
        ("message-events?timezone=Mars", "'timezone'"),
        ("events/message/samples?events=relay_delivery", "'events'"),
    ] {
        let (status, body) = w.get(&format!("/api/v1/{path}"));
        let (code, message) = error(&body);
        assert_eq!((status, code), (400, "1200"), "{path}");
        assert!(message.contains(name), "{path}: {message}");
    }
}

#[test]
fn a_bound_key_finds_its_own_events_alone() {
    let w = searchable(&[
        json!({"type": "delivery", "subaccount_id": 7, "x_n": 1}),
        json!({"type": "delivery", "x_n": 2}),
    ]);
    let key = w.key(&[Grant::MessageEventsView], Some(7));
    let find = |path: &str, headers: &[(&str, &str)]| {
        let (status, body) = w.call_with(&key, headers, "GET", path, Value::Null);
        (status, body)
    };
    assert_eq!(ns(&find(MESSAGE, &[]).1), [1]);
    assert_eq!(ns(&find(&format!("{MESSAGE}?subaccounts=0,7"), &[]).1), [1]);
    assert_eq!(ns(&find(&format!("{OLD}?subaccounts=0"), &[]).1), [0; 0]);
    assert_eq!(find(MESSAGE, &[("X-MSYS-SUBACCOUNT", "0")]).0, 403);
    let viewless = w.key(&[Grant::WebhooksView], None);
    assert_eq!(
        w.call_with(&viewless, &[], "GET", MESSAGE, Value::Null).0,
        403
    );
}

#[test]
fn documentation_and_samples_are_of_the_types_that_are_found() {
    let w = world();
    let docs = ask(&w, &format!("{MESSAGE}/documentation"));
    let docs = docs["results"].as_array().unwrap();
    assert_eq!(docs.len(), 18);
    assert!(
        docs.iter()
            .all(|d| d["display_name"].is_string() && d["event_description"].is_string())
    );
    assert!(
        docs.iter()
            .all(|d| d["timestamp"]["description"].is_string())
    );
    let samples = ask(&w, &format!("{MESSAGE}/samples"));
    let samples = samples["results"].as_array().unwrap();
    assert_eq!(samples.len(), 18);
    let iso = |s: &Value| s["timestamp"].as_str().unwrap().ends_with(".000Z");
    assert!(samples.iter().all(iso));
    let two = ask(&w, &format!("{OLD}/events/samples?events=click,bounce"));
    assert_eq!(two["results"].as_array().unwrap().len(), 2);
    let old = ask(&w, &format!("{OLD}/events/documentation"));
    assert_eq!(old["results"].as_object().unwrap().len(), 4);
    let ingest = ask(&w, "/api/v1/events/ingest/documentation");
    assert_eq!(ingest["results"].as_array().unwrap().len(), 2);
}
