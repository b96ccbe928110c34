//! What the API has beyond the contract, call by call on a real engine: that it is taken is one thing, that it
//! does something another.

use postrider::engine::{Engine, Level};
use postrider::event::{Event, fields, types};
use postrider_api::{AdminSocket, Api, Caller, Request};
use postrider_tests::binary::until;
use postrider_tests::books::{MINUTE, engine};
use postrider_tests::receiver::{Post, Receiver, Reply};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct World {
    engine: Arc<Engine>,
    api: Api,
    receiver: Receiver,
    _dir: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().expect("a directory");
        let settings = [
            ("batch.linger_ms", "0"),
            ("retry.schedule", "0"),
            ("log.keep", "all"),
        ];
        let engine = Arc::new(engine(Some(dir.path()), &settings));
        World {
            api: Api::new(engine.clone()),
            engine,
            receiver: Receiver::ok(),
            _dir: dir,
        }
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = Request {
            method: method.to_owned(),
            path_and_query: format!("/api/v1/webhooks{path}"),
            headers: Vec::new(),
            body: match body {
                Value::Null => Vec::new(),
                body => body.to_string().into_bytes(),
            },
        };
        let answer = self.api.handle(&request, Caller::Host);
        let body = serde_json::from_slice(&answer.body).unwrap_or_default();
        (answer.status, body)
    }

    /// A call that must succeed; its results.
    fn ok(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call(method, path, body);
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer["results"].clone()
    }

    /// Creates a webhook with these fields; the path of its calls.
    fn webhook(&self, more: Value) -> String {
        let mut body = json!({
            "name": "a", "target": self.receiver.url("/"), "events": ["delivery"],
        });
        let fields = body.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        let made = self.ok("POST", "", &body);
        format!("/{}", made["id"].as_str().expect("an id"))
    }

    fn push(&self, n: usize) {
        for i in 0..n {
            let to = format!("u{i}@example.com");
            let event = Event::new(types::DELIVERY).str(fields::RCPT_TO, &to);
            self.engine.push(&event).expect("pushed");
        }
        self.engine.flush(Level::Written, MINUTE).expect("written");
    }
}

fn sizes(posts: &[Post]) -> Vec<usize> {
    posts.iter().map(|post| post.events().len()).collect()
}

#[test]
fn limits_of_a_webhook_form_its_batches() {
    let w = World::new();
    let all_day = json!({"limits": {"linger_ms": 3_600_000, "batch_events": 4}});
    let hook = w.webhook(all_day);
    w.push(3);
    // The fourth fills a batch; the fifth waits for the hour, or for a change.
    w.push(2);
    w.receiver.wait_events(4);
    assert_eq!(sizes(&w.receiver.posts()), [4]);
    w.ok("PUT", &hook, &json!({"limits": {"linger_ms": 0}}));
    w.receiver.wait_events(5);
    assert_eq!(sizes(&w.receiver.posts()), [4, 1]);
    let shown = w.ok("GET", &hook, &Value::Null);
    assert_eq!(shown["limits"], json!({"linger_ms": 0}), "replaced whole");

    // The size of one event and a half: never two in one body.
    let bytes = w.receiver.posts()[1].body.len() * 3 / 2;
    let limits = json!({"limits": {"linger_ms": 0, "batch_bytes": bytes.max(1024)}});
    w.ok("PUT", &hook, &limits);
    w.push(200);
    w.receiver.wait_events(205);
    let posts = w.receiver.posts();
    assert!(
        posts[2..]
            .iter()
            .all(|post| post.body.len() <= bytes.max(1024))
    );
    let (status, refused) = w.call("PUT", &hook, &json!({"limits": {"batch_events": 0}}));
    assert_eq!(status, 422, "{refused}");
}

#[test]
fn so_many_batches_are_under_way_and_no_more() {
    let w = World::new();
    let hook = w.webhook(json!({"limits": {"in_flight": 2, "batch_events": 1}}));
    let (release, wait) = std::sync::mpsc::channel::<()>();
    w.receiver.answer(move |_| {
        let _ = wait.recv();
        Reply::Status(200)
    });
    w.push(20);
    let flying = || {
        let books = w.engine.stats().books;
        let mut all = books.webhooks.into_values();
        all.next().map_or(0, |books| books.in_flight)
    };
    until("second POST", || (flying() == 2).then_some(()));
    for _ in 0..10 {
        let _ = release.send(());
        assert!(flying() <= 2);
    }
    drop(release);
    w.receiver.wait_events(20);
    let shown = w.ok("GET", &hook, &Value::Null);
    assert_eq!(shown["limits"]["in_flight"], 2);
}

#[test]
fn a_rate_is_kept_by_posts_and_by_events() {
    let w = World::new();
    let hook = w.webhook(json!({"limits": {"requests_per_s": 2, "batch_events": 1}}));
    let before = Instant::now();
    w.push(4);
    let posts = w.receiver.wait("4 POSTs", |posts| posts.len() == 4);
    // Three pauses of half a second, less the tenth that makes good for late timers.
    let least = Duration::from_millis(1_400);
    assert!(posts[3].at - before >= least, "{:?}", posts[3].at - before);

    w.ok("PUT", &hook, &json!({"limits": {"events_per_s": 3}}));
    w.push(6);
    w.receiver.wait_events(10);
    let posts = w.receiver.posts();
    assert!(posts[4..].iter().all(|post| post.events().len() <= 3));
}

#[test]
fn the_table_of_outcomes_decides_what_an_answer_means() {
    let w = World::new();
    let outcomes = json!({"404": "success", "4xx": "dead", "500": "disable", "202": "retry"});
    let hook = w.webhook(json!({"outcomes": outcomes, "limits": {"batch_events": 1}}));
    let list = |call: &str| {
        let listed = w.ok("GET", &format!("{hook}/{call}"), &Value::Null);
        listed.as_array().expect("an array").clone()
    };
    w.receiver.answer(|_| Reply::Status(404));
    w.push(1);
    let all = until("batch", || list("batch-status?all=true").pop());
    assert_eq!(all["response_code"], "404");
    assert!(all.get("failure_code").is_none(), "{all}");
    assert!(list("batch-status").is_empty(), "at the first try");

    let mut tries = 0;
    w.receiver.answer(move |_| {
        tries += 1;
        Reply::Status(if tries < 3 { 202 } else { 200 })
    });
    w.push(1);
    let retried = until("batch", || {
        list("batch-status")
            .pop()
            .filter(|b| b["response_code"] == "200")
    });
    assert_eq!(retried["attempts"], 2, "{retried}");

    w.receiver.answer(|_| Reply::Status(403));
    w.push(1);
    let letter = until("letter", || list("dead-letters").pop());
    assert_eq!(
        (&letter["reason"], &letter["response_code"]),
        (&json!("rejected"), &json!("403"))
    );

    w.receiver.answer(|_| Reply::Status(500));
    w.push(1);
    let state = || w.ok("GET", &hook, &Value::Null)["state"].clone();
    until("state", || (state() == "disabled").then_some(()));
    w.receiver.answer(|_| Reply::Status(200));
    let resumed = w.ok("POST", &format!("{hook}/resume"), &Value::Null);
    assert_eq!(resumed["state"], "up");
    w.receiver.wait("delivery", |posts| {
        posts
            .iter()
            .filter(|post| post.batch_id() == posts[posts.len() - 1].batch_id())
            .count()
            > 1
    });
}

#[test]
fn what_is_paused_waits_and_what_is_dead_is_replayed_under_its_id() {
    let w = World::new();
    let hook = w.webhook(json!({"outcomes": {"4xx": "dead"}, "limits": {"batch_events": 10}}));
    let paused = w.ok("POST", &format!("{hook}/pause"), &Value::Null);
    assert_eq!(paused["state"], "paused");
    w.push(3);
    let shown = w.ok("GET", "", &Value::Null);
    assert_eq!(shown[0]["state"], "paused");
    assert!(w.receiver.posts().is_empty());
    w.receiver.answer(|_| Reply::Status(400));
    w.ok("POST", &format!("{hook}/resume"), &Value::Null);
    let letters = || w.ok("GET", &format!("{hook}/dead-letters?limit=5"), &Value::Null);
    until("letter", || (letters()[0]["batch_size"] == 3).then_some(()));
    let id = letters()[0]["batch_id"].clone();

    w.receiver.answer(|_| Reply::Status(200));
    let replay = |body: Value| w.ok("POST", &format!("{hook}/replay"), &body);
    let none = uuid::Uuid::nil().to_string();
    let done = replay(json!({"batch_ids": [id, none]}));
    assert_eq!(done, json!({"batches": 1, "events": 3, "unknown": [none]}));
    let posts = w.receiver.wait("replay", |posts| posts.len() == 2);
    assert_eq!(posts[0].batch_id(), posts[1].batch_id());
    assert_eq!(posts[0].body, posts[1].body);
    assert_eq!(letters(), json!([]));
    assert_eq!(replay(json!({"all": true}))["batches"], 0);

    let again = replay(json!({"from": "2020-01-01T00:00:00Z"}));
    assert_eq!(
        (&again["batches"], &again["events"]),
        (&json!(1), &json!(3))
    );
    let posts = w.receiver.wait("replay", |posts| posts.len() == 3);
    assert_ne!(posts[2].batch_id(), posts[1].batch_id());
    assert_eq!(posts[2].events(), posts[1].events());

    let metrics = w.engine.metrics();
    let id = hook.trim_start_matches('/');
    let figure = |name: &str| {
        let line = metrics
            .lines()
            .find(|line| line.starts_with(name) && line.contains(id));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
    };
    assert_eq!(
        figure("postrider_webhook_delivered_total"),
        Some(6),
        "{metrics}"
    );
}

#[test]
fn one_call_lets_the_command_line_reach_an_embedded_engine() {
    let w = World::new();
    let admin = AdminSocket::of(&w.engine).expect("a socket");
    let data = w.engine.data_dir().expect("a directory").to_owned();
    let ask = |method: &str, path: &str| {
        let mut stream = UnixStream::connect(data.join("admin.sock")).expect("it listens");
        let head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    assert!(ask("GET", "/api/v1/webhooks").starts_with("HTTP/1.1 200"));
    // Its settings are its host's.
    let refused = ask("POST", "/api/v1/reload");
    assert!(refused.starts_with("HTTP/1.1 422"), "{refused}");
    assert!(refused.contains("its host sets its settings"), "{refused}");
    drop(admin);
    assert!(!data.join("admin.sock").exists());

    let memory = Arc::new(engine(None, &[]));
    assert!(AdminSocket::of(&memory).expect("none").is_none());
    let mut off = (*w.engine.config()).clone();
    off.set("admin.socket", "false").expect("allowed");
    let without = Engine::builder().data_dir(data.join("other")).config(off);
    let without = Arc::new(without.start().expect("an engine"));
    assert!(AdminSocket::of(&without).expect("none").is_none());
}

#[test]
fn keys_that_sign_go_in_and_their_signatures_out() {
    let w = World::new();
    let hook = w.webhook(json!({"signing_keys": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]}));
    let shown = w.ok("GET", &hook, &Value::Null);
    assert!(!shown.to_string().contains("MfKQ9r8"), "{shown}");
    // The mask sent back leaves the key alone.
    w.ok("PUT", &hook, &shown);
    w.push(1);
    let post = &w.receiver.wait("a POST", |posts| posts.len() == 1)[0];
    assert_eq!(post.headers["webhook-id"], post.batch_id());
    assert!(post.headers["webhook-signature"].starts_with("v1,"));
    w.ok("PUT", &hook, &json!({"signing_keys": []}));
    w.push(1);
    let post = &w.receiver.wait("a POST", |posts| posts.len() == 2)[1];
    assert!(!post.headers.contains_key("webhook-signature"));
}
