//! The whole path in one process: push, log, route, POST.

use postrider::engine::{Engine, Level};
use postrider::event::{Event, fields, types};
use postrider::webhook::WebhookSpec;
use postrider_tests::books::{self, MINUTE, engine, webhook};
use postrider_tests::receiver::{Receiver, Reply};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
fn an_event_arrives_in_the_contracts_json_with_its_headers() {
    let receiver = Receiver::ok();
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(Some(dir.path()), &[("batch.linger_ms", "0")]);
    let body = serde_json::json!({
        "name": "test", "target": receiver.url("/hook?x=1"), "events": ["delivery"],
        "auth_token": "t0ken", "custom_headers": {"x-api-key": "abc"},
    });
    let known = |name: &str| engine.schema().lookup(name).is_some();
    let spec = WebhookSpec::from_json(&body, known).unwrap();
    let id = engine.create_webhook(spec).unwrap().id;

    let pushed = engine
        .push(
            &Event::new(types::DELIVERY)
                .str(fields::RCPT_TO, "alice@example.com")
                .int(fields::MSG_SIZE, 1337),
        )
        .unwrap();
    engine.push(&Event::new(types::BOUNCE)).unwrap();
    engine.flush(Level::Synced, MINUTE).unwrap();

    let events = receiver.wait_events(1);
    assert_eq!(events.len(), 1);
    let event = &events[0]["msys"]["message_event"];
    assert_eq!(event["type"], "delivery");
    assert_eq!(event["rcpt_to"], "alice@example.com");
    assert_eq!(
        event["msg_size"], "1337",
        "the contract sends numbers as text"
    );
    assert_eq!(event["event_id"], pushed.event_id.unwrap().as_str());

    let post = &receiver.posts()[0];
    assert_eq!(post.path, "/hook?x=1");
    assert_eq!(post.headers["content-type"], "application/json");
    assert_eq!(post.headers["x-messagesystems-webhook-token"], "t0ken");
    assert_eq!(post.headers["x-api-key"], "abc");
    assert!(post.headers["user-agent"].starts_with("Postrider/"));
    uuid::Uuid::parse_str(post.batch_id()).unwrap();
    books::wait(&engine, id, "delivered", |b| {
        b.delivered == 1 && b.pending == 0
    });
    assert_eq!(engine.stats().unwanted, 1, "nobody wants bounces");
    books::close(&engine);
}

/// Exactly once, in batches within their limits, with books that balance at every look.
#[test]
fn two_million_events_from_four_threads_arrive_exactly_once() {
    const THREADS: u64 = 4;
    const EACH: u64 = 500_000;
    let seen: Arc<Vec<AtomicU64>> = Arc::new(
        (0..THREADS * EACH / 64)
            .map(|_| AtomicU64::new(0))
            .collect(),
    );
    let total = Arc::new(AtomicU64::new(0));
    let faults = Arc::new(Mutex::new(Vec::new()));
    let batches: Mutex<HashMap<String, ()>> = Mutex::default();
    let receiver = {
        let (seen, total, faults) = (seen.clone(), total.clone(), faults.clone());
        Receiver::discarding(move |post| {
            if post.body == br#"[{"msys":{}}]"# {
                return Reply::Status(200);
            }
            let fault = |text: String| faults.lock().unwrap().push(text);
            if batches
                .lock()
                .unwrap()
                .insert(post.batch_id().to_owned(), ())
                .is_some()
            {
                fault(format!("batch {} came twice", post.batch_id()));
            }
            if post.body.len() > 1_000_000 {
                fault(format!("a body of {} bytes", post.body.len()));
            }
            let mut n = 0;
            for number in numbers(&post.body) {
                n += 1;
                let bit = 1 << (number % 64);
                if seen[(number / 64) as usize].fetch_or(bit, Ordering::Relaxed) & bit != 0 {
                    fault(format!("event {number} came twice"));
                }
            }
            if n == 0 || n > 350 {
                fault(format!("a batch of {n} events"));
            }
            total.fetch_add(n, Ordering::Release);
            Reply::Status(200)
        })
    };
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(
        Some(dir.path()),
        &[("queue.policy", "wait"), ("queue.wait_ms", "60000")],
    );
    let id = webhook(&engine, &receiver.url("/"), &["delivery"]);

    let pushing = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let producers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let engine = &engine;
                scope.spawn(move || {
                    for n in thread * EACH..(thread + 1) * EACH {
                        let text = n.to_string();
                        let event = Event::new(types::DELIVERY)
                            .str(fields::MESSAGE_ID, &text)
                            .str(fields::RCPT_TO, "alice@example.com");
                        engine.push(&event).unwrap();
                    }
                })
            })
            .collect();
        let watcher = scope.spawn(|| {
            let mut looks = 0;
            while pushing.load(Ordering::Acquire) {
                let stats = engine.stats();
                assert!(stats.balanced(), "{stats:?}");
                looks += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            looks
        });
        for producer in producers {
            producer.join().unwrap();
        }
        pushing.store(false, Ordering::Release);
        assert!(watcher.join().unwrap() > 0);
    });
    engine.flush(Level::Written, MINUTE).unwrap();
    let all = THREADS * EACH;
    books::wait(&engine, id, "delivered", |b| b.delivered == all);
    assert_eq!(total.load(Ordering::Acquire), all);
    assert!(
        seen.iter()
            .all(|word| word.load(Ordering::Relaxed) == u64::MAX)
    );
    assert_eq!(*faults.lock().unwrap(), Vec::<String>::new());
    let books = &engine.stats().books.webhooks[&id];
    assert_eq!((books.accepted, books.pending, books.dead), (all, 0, 0));
    books::close(&engine);
}

/// The numbers in `"message_id":"…"`, without parsing the rest: two million JSON trees are slow.
fn numbers(body: &[u8]) -> impl Iterator<Item = u64> + '_ {
    const KEY: &[u8] = br#""message_id":""#;
    memchr::memmem::find_iter(body, KEY).map(|at| {
        let digits = body[at + KEY.len()..]
            .iter()
            .take_while(|b| b.is_ascii_digit());
        digits.fold(0, |n, b| n * 10 + u64::from(b - b'0'))
    })
}

/// A receiver that fails, then recovers, loses nothing; the other webhook never waits for it.
#[test]
fn a_failing_receiver_loses_nothing_and_delays_nobody() {
    let down = Arc::new(AtomicBool::new(true));
    let failing = {
        let down = down.clone();
        Receiver::with(move |post| {
            let test = post.body == br#"[{"msys":{}}]"#;
            Reply::Status(if !test && down.load(Ordering::Acquire) {
                503
            } else {
                200
            })
        })
    };
    let healthy = Receiver::ok();
    let dir = tempfile::tempdir().unwrap();
    // The schedule's shape, a thousand times faster.
    let engine = engine(
        Some(dir.path()),
        &[
            ("batch.linger_ms", "0"),
            ("retry.schedule", "1"),
            ("retry.jitter", "0"),
        ],
    );
    let slow = webhook(&engine, &failing.url("/"), &["delivery"]);
    let fast = webhook(&engine, &healthy.url("/"), &["delivery"]);
    for n in 0..1000 {
        let text = n.to_string();
        engine
            .push(&Event::new(types::DELIVERY).str(fields::MESSAGE_ID, &text))
            .unwrap();
    }
    books::wait(&engine, fast, "delivered", |b| b.delivered == 1000);
    let books = engine.stats().books;
    assert_eq!(books.webhooks[&slow].delivered, 0, "still down");
    assert_eq!(books.webhooks[&slow].accepted, 1000);
    failing.wait("second attempt", |posts| {
        posts.iter().any(|p| {
            posts
                .iter()
                .filter(|q| q.batch_id() == p.batch_id())
                .count()
                > 1
        })
    });
    down.store(false, Ordering::Release);
    books::wait(&engine, slow, "delivered", |b| {
        b.delivered == 1000 && b.pending == 0
    });

    // A batch that came again came with the same bytes.
    let mut bodies: HashMap<String, Vec<u8>> = HashMap::new();
    for post in failing.posts() {
        let body = bodies
            .entry(post.batch_id().to_owned())
            .or_insert_with(|| post.body.clone());
        assert_eq!(*body, post.body, "batch {} changed", post.batch_id());
    }
    let history = engine.batch_status(slow, 1000, false).unwrap();
    assert!(
        history
            .iter()
            .any(|b| b.attempts > 0 && b.response_code == Some(200))
    );
    books::close(&engine);
}

/// What a closed engine had not delivered goes out after the next open; what it had does not.
#[test]
fn a_restart_resumes_where_the_last_life_ended() {
    let down = Arc::new(AtomicBool::new(false));
    let receiver = {
        let down = down.clone();
        Receiver::with(move |_| {
            Reply::Status(if down.load(Ordering::Acquire) {
                503
            } else {
                200
            })
        })
    };
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("batch.linger_ms", "0"),
        ("retry.schedule", "1"),
        ("retry.jitter", "0"),
    ];
    let push = |engine: &Engine, from: u32, to: u32| {
        for n in from..to {
            let text = n.to_string();
            engine
                .push(&Event::new(types::DELIVERY).str(fields::MESSAGE_ID, &text))
                .unwrap();
        }
    };
    let first = engine(Some(dir.path()), &settings);
    let id = webhook(&first, &receiver.url("/"), &["delivery"]);
    push(&first, 0, 100);
    books::wait(&first, id, "delivered", |b| b.delivered == 100);
    down.store(true, Ordering::Release);
    push(&first, 100, 200);
    receiver.wait("failed attempt", |posts| {
        posts
            .iter()
            .flat_map(|p| p.events())
            .any(|e| e["msys"]["message_event"]["message_id"] == "100")
    });
    books::close(&first);

    down.store(false, Ordering::Release);
    let before = receiver.posts().len();
    let second = engine(Some(dir.path()), &settings);
    books::wait(&second, id, "delivered", |b| {
        b.delivered == 200 && b.pending == 0
    });
    let after = receiver.posts().split_off(before);
    let mut ids: Vec<u32> = after
        .iter()
        .flat_map(|p| p.events())
        .map(|e| {
            e["msys"]["message_event"]["message_id"]
                .as_str()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    ids.sort_unstable();
    assert_eq!(
        ids,
        (100..200).collect::<Vec<_>>(),
        "only what was not delivered came"
    );
    books::close(&second);
}
