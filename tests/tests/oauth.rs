//! OAuth 2 client credentials between an engine, a token endpoint and a target.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use postrider::engine::Engine;
use postrider::event::{Event, types};
use postrider::webhook::{TestFailure, Webhook, WebhookError, WebhookPatch, WebhookSpec};
use postrider_tests::packages::{node, python};
use postrider_tests::receiver::{Post, Receiver, Reply};
use postrider_tests::told::Told;
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_secs(60);

fn engine() -> Engine {
    let settings = [
        ("http.allow_target", "127.0.0.0/8"),
        ("batch.linger_ms", "0"),
        ("batch.max_events", "10"),
        ("retry.schedule", "1"),
        ("retry.jitter", "0"),
    ];
    let builder = Engine::builder().memory();
    let set = settings
        .into_iter()
        .try_fold(builder, |b, (key, value)| b.set(key, value));
    set.expect("settings").start().expect("an engine")
}

/// What a token endpoint and its target know of each other.
#[derive(Default)]
struct Issued {
    tokens: u32,
    /// POSTs that the present token is still good for.
    left: u32,
    seen: Vec<(String, String)>,
}

/// A token endpoint whose tokens are good for `uses` POSTs, and a target that takes no others: it
/// answers `refusal` to them.
fn pair(uses: u32, refusal: u16) -> (Receiver, Receiver, Arc<Mutex<Issued>>) {
    let issued = Arc::new(Mutex::new(Issued::default()));
    let (at_endpoint, at_target) = (issued.clone(), issued.clone());
    let endpoint = Receiver::with(move |post: &Post| {
        let mut issued = at_endpoint.lock().unwrap();
        issued.tokens += 1;
        issued.left = uses;
        let body = String::from_utf8(post.body.clone()).expect("text");
        issued
            .seen
            .push((post.headers["content-type"].clone(), body));
        let token = format!("token-{}", issued.tokens);
        let answer = json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600});
        Reply::Full(
            200,
            "Cache-Control: no-store\r\n".into(),
            answer.to_string(),
        )
    });
    let target = Receiver::with(move |post: &Post| {
        let mut issued = at_target.lock().unwrap();
        let good = format!("Bearer token-{}", issued.tokens);
        if issued.left == 0 || post.headers.get("authorization") != Some(&good) {
            return Reply::Status(refusal);
        }
        issued.left -= 1;
        Reply::Status(200)
    });
    (endpoint, target, issued)
}

fn spec(engine: &Engine, target: &str, details: Value) -> WebhookSpec {
    let body = json!({
        "name": "oauth", "target": target, "events": ["delivery"],
        "auth_type": "oauth2", "auth_request_details": details,
    });
    let known = |name: &str| engine.schema().lookup(name).is_some();
    WebhookSpec::from_json(&body, known).expect("a webhook")
}

fn settled(engine: &Engine, webhook: &Webhook, events: u64) {
    let deadline = std::time::Instant::now() + MINUTE;
    loop {
        let stats = engine.stats();
        assert!(stats.balanced(), "{stats:?}");
        let books = &stats.books.webhooks[&webhook.id];
        if books.delivered == events && books.pending == 0 {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{books:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Tokens that end after every few POSTs: nothing is lost, given up or refused twice.
#[test]
fn tokens_that_end_early_are_replaced_and_every_event_arrives() {
    for (refusal, encoding, kind) in [
        (401, "form", "application/x-www-form-urlencoded"),
        (400, "json", "application/json"),
    ] {
        let (endpoint, target, issued) = pair(7, refusal);
        let engine = engine();
        let details = json!({
            "url": endpoint.url("/oauth/token"), "encoding": encoding,
            "body": {"client_id": "me", "client_secret": "s3cret"},
        });
        let spec = spec(&engine, &target.url("/hook"), details);
        let webhook = engine.create_webhook(spec).expect("created");
        for _ in 0..500 {
            engine.push(&Event::new(types::DELIVERY)).expect("pushed");
        }
        settled(&engine, &webhook, 500);
        let delivered = engine.stats().books.webhooks[&webhook.id].delivered;
        assert_eq!(delivered, 500);

        let issued = issued.lock().unwrap();
        assert!(issued.tokens > 7, "{} tokens", issued.tokens);
        let asked: BTreeSet<_> = issued.seen.iter().cloned().collect();
        assert_eq!(asked.len(), 1, "every request is the same: {asked:?}");
        let (content_type, body) = &issued.seen[0];
        assert_eq!(content_type, kind);
        match encoding {
            "form" => assert_eq!(
                body,
                "client_id=me&client_secret=s3cret&grant_type=client_credentials"
            ),
            _ => assert_eq!(
                serde_json::from_str::<Value>(body).expect("JSON"),
                json!({"client_id": "me", "client_secret": "s3cret", "grant_type": "client_credentials"})
            ),
        }
        engine.close(MINUTE).expect("closed");
    }
}

#[test]
fn a_webhook_whose_token_cannot_be_had_is_not_created_and_says_why() {
    let engine = engine();
    let target = Receiver::ok();
    let create = |url: &str| {
        let details = json!({"url": url, "body": {"client_id": "me", "client_secret": "hush"}});
        let error = engine.create_webhook(spec(&engine, &target.url("/"), details));
        match error.expect_err("no token") {
            WebhookError::TestFailed(failure) => {
                assert_eq!(failure.to_string(), "POST to webhook tokens URL failed");
                match failure {
                    TestFailure::NoToken { detail, response } => (detail, response),
                    other => panic!("{other:?}"),
                }
            }
            other => panic!("{other:?}"),
        }
    };
    let refusing =
        Receiver::with(|_| Reply::Full(401, String::new(), r#"{"error":"invalid_client"}"#.into()));
    let (detail, response) = create(&refusing.url("/"));
    assert_eq!(detail, "the token endpoint answered 401: invalid_client");
    assert_eq!(response.expect("an answer").status, 401);

    let odd = Receiver::with(|_| Reply::Full(200, String::new(), r#"{"token":"hush"}"#.into()));
    let (detail, response) = create(&odd.url("/"));
    assert_eq!(detail, "the token endpoint's answer has no access_token");
    assert_eq!(response, None, "it may hold a token under another name");

    // The token endpoint is under the same policy as targets.
    let (detail, _) = create("http://169.254.169.254/token");
    assert!(detail.contains("169.254.169.254"), "{detail}");
    assert!(
        target.all_posts().is_empty(),
        "nothing was POSTed without a token"
    );
    assert!(engine.webhooks().expect("a list").is_empty());
    engine.close(MINUTE).expect("closed");
}

#[test]
fn an_update_of_the_settings_fetches_a_token_before_it_takes_force() {
    let (endpoint, target, issued) = pair(1000, 401);
    let engine = engine();
    let details = |secret: &str| json!({"url": endpoint.url("/"), "body": {"client_id": "me", "client_secret": secret}});
    let first = spec(&engine, &target.url("/"), details("one"));
    let webhook = engine.create_webhook(first).expect("created");
    assert_eq!(issued.lock().unwrap().tokens, 1);
    let known = |name: &str| engine.schema().lookup(name).is_some();
    let update = |body: Value| {
        let patch = WebhookPatch::from_json(&body, known).expect("a patch");
        engine.update_webhook(webhook.id, patch)
    };
    update(json!({"name": "renamed"})).expect("nothing to test");
    assert_eq!(issued.lock().unwrap().tokens, 1);
    update(json!({"auth_request_details": details("two")})).expect("a token");
    assert_eq!(issued.lock().unwrap().tokens, 2);
    endpoint.answer(|_| Reply::Status(503));
    let refused = update(json!({"auth_request_details": details("three")}));
    assert!(matches!(
        refused.expect_err("no token"),
        WebhookError::TestFailed(TestFailure::NoToken { .. })
    ));
    let (kept, _) = engine.webhook(webhook.id).expect("there");
    assert_eq!(kept.revision, 3, "the refused update changed nothing");
    engine.close(MINUTE).expect("closed");
}

/// A token endpoint that is down holds the webhook's events, and the batch history says why.
#[test]
fn an_outage_of_the_token_endpoint_loses_nothing_and_is_seen() {
    let (endpoint, target, _) = pair(1, 401);
    let engine = engine();
    let details = json!({"url": endpoint.url("/"), "body": {"client_id": "me"}});
    let spec = spec(&engine, &target.url("/"), details);
    let webhook = engine.create_webhook(spec).expect("created");
    endpoint.answer(|_| Reply::Status(503));
    for _ in 0..25 {
        engine.push(&Event::new(types::DELIVERY)).expect("pushed");
    }
    let deadline = std::time::Instant::now() + MINUTE;
    loop {
        let history = engine
            .batch_status(webhook.id, 10, false)
            .expect("a history");
        if let Some(batch) = history.first() {
            assert_eq!(batch.failure_code.as_deref(), Some("ERR_TOKEN_503"));
            break;
        }
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    endpoint.answer(|_| Reply::Full(200, String::new(), r#"{"access_token":"free"}"#.into()));
    target.answer(|_| Reply::Status(200));
    settled(&engine, &webhook, 25);
    engine.close(MINUTE).expect("closed");
}

/// The client that the providers of `tests/receivers` know.
fn client_of(provider: &Told, encoding: &str, secret: &str) -> Value {
    json!({
        "url": provider.url("/token"), "encoding": encoding,
        "body": {"client_id": "postrider", "client_secret": secret, "scope": "events"},
    })
}

const SECRET: &str = "s3cret: with/odd+ signs";

/// What a provider and its target have told so far.
#[derive(Default)]
struct Account {
    /// Status and content type of each token request.
    requests: Vec<(u64, String)>,
    /// By token, in the order of their first use: how often it was taken, and refused.
    tokens: BTreeMap<u64, (u32, u32)>,
    /// Events in POSTs that were taken.
    events: u64,
}

impl Account {
    /// Adds the next line.
    fn hear(&mut self, provider: &mut Told) {
        let line = provider.hear();
        if let Some(status) = line["token_request"].as_u64() {
            let kind = line["type"].as_str().expect("a content type");
            return self.requests.push((status, kind.to_owned()));
        }
        let token = line["token"].as_u64().expect("a token's number");
        let (taken, refused) = self.tokens.entry(token).or_default();
        match line["hook"].as_u64() {
            Some(200) => {
                *taken += 1;
                self.events += line["events"].as_u64().expect("a count");
            }
            _ => *refused += 1,
        }
    }
}

/// A provider revokes tokens that have served seven POSTs: each is replaced, by one request, and every
/// event arrives.
fn outlives_revocations(provider: &mut Told, encoding: &str, kind: &str) {
    let engine = engine();
    let target = provider.url("/hook");
    let refused = spec(&engine, &target, client_of(provider, encoding, "wrong"));
    match engine.create_webhook(refused).expect_err("a wrong secret") {
        WebhookError::TestFailed(TestFailure::NoToken { detail, .. }) => {
            assert!(
                detail.starts_with("the token endpoint answered 401: invalid_client"),
                "{detail}"
            );
        }
        other => panic!("{other:?}"),
    }
    let fine = spec(&engine, &target, client_of(provider, encoding, SECRET));
    let webhook = engine.create_webhook(fine).expect("created");
    let (mut account, mut pushed) = (Account::default(), 0);
    while account.tokens.len() < 6 {
        for _ in 0..100 {
            engine.push(&Event::new(types::DELIVERY)).expect("pushed");
        }
        pushed += 100;
        while account.events < pushed {
            account.hear(provider);
        }
    }
    settled(&engine, &webhook, pushed);
    let (first, others) = account.requests.split_first().expect("token requests");
    assert_eq!(*first, (401, kind.to_owned()), "the wrong secret");
    assert!(
        others.iter().all(|asked| *asked == (200, kind.to_owned())),
        "{others:?}"
    );
    // One for the test POST, then one at a time: none was asked for that was not needed.
    assert_eq!(others.len(), account.tokens.len(), "{:?}", account.tokens);
    let (last, _) = account.tokens.pop_last().expect("the last");
    for (token, (taken, refused)) in account.tokens {
        let served = if token == 0 { taken == 1 } else { taken >= 7 };
        assert!(
            served && (refused > 0) == (token > 0),
            "{token} of {last}: {taken} taken, {refused} refused"
        );
    }
    engine.close(MINUTE).expect("closed");
}

#[test]
fn tokens_of_node_oidc_provider_are_replaced_when_it_revokes_them() {
    let Some(node) = node("oidc-provider") else {
        return;
    };
    let mut provider = Told::start(node, "oidc.js", "revoke");
    outlives_revocations(&mut provider, "form", "application/x-www-form-urlencoded");
}

#[test]
fn tokens_of_django_oauth_toolkit_are_asked_for_in_json_and_replaced_when_it_revokes_them() {
    let Some(python) = python("oauth2_provider") else {
        return;
    };
    let mut provider = Told::start(python, "oauth.py", "");
    outlives_revocations(&mut provider, "json", "application/json");
}

/// Tokens whose `expires_in` is below the five seconds that one is used for at least: the target says when
/// they have ended.
#[test]
fn tokens_of_node_oidc_provider_are_replaced_when_they_expire() {
    let Some(node) = node("oidc-provider") else {
        return;
    };
    let mut provider = Told::start(node, "oidc.js", "expire");
    let engine = engine();
    let details = client_of(&provider, "form", SECRET);
    let spec = spec(&engine, &provider.url("/hook"), details);
    let webhook = engine.create_webhook(spec).expect("created");
    let (mut account, mut pushed) = (Account::default(), 0);
    let expired = |account: &Account| {
        let all = account.tokens.values();
        all.filter(|(taken, refused)| *taken > 0 && *refused > 0)
            .count()
    };
    while expired(&account) < 2 {
        engine.push(&Event::new(types::DELIVERY)).expect("pushed");
        pushed += 1;
        while account.events < pushed {
            account.hear(&mut provider);
        }
    }
    settled(&engine, &webhook, pushed);
    engine.close(MINUTE).expect("closed");
}
