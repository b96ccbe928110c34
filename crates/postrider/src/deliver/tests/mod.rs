//! The deliver thread against real sockets: log, journal and HTTP client as they are.

mod receiver;
mod signed;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::event::{Entry, Schema, types};
use crate::filter::{self, Filters};
use crate::fs::sim::SimFs;
use crate::fs::{Fs, RealFs};
use crate::http;
use crate::journal::{self, Renderings};
use crate::log::{self, Log, LogConfig, LogWriter};
use crate::time::SystemClock;
use crate::webhook::{TestFailure, Webhook};
use receiver::Receiver;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// An engine's delivery half: a log, a journal where there is a directory, and the thread.
struct Half {
    writer: LogWriter,
    log: Arc<Log>,
    deliverer: Deliverer,
    wanted: Arc<Mutex<Vec<u16>>>,
    next: u64,
}

impl Half {
    fn in_memory(webhooks: &[Webhook]) -> Half {
        let (writer, log, _) = log::open(LogConfig::in_memory(), 0).expect("a log in memory");
        Half::start(writer, log, None, webhooks)
    }

    fn on_disk(dir: &Path, webhooks: &[Webhook]) -> Half {
        Half::on(Arc::new(RealFs), dir, webhooks)
    }

    fn on(fs: Arc<dyn Fs>, dir: &Path, webhooks: &[Webhook]) -> Half {
        let (journal_dir, log_dir) = (dir.join("journal"), dir.join("log"));
        let clock = Arc::new(SystemClock);
        let journal = journal::open(&journal_dir, fs.clone(), clock);
        let (journal, recovered) = journal.expect("a journal");
        let above = recovered.state.next_offset();
        let config = LogConfig {
            segment_bytes: 2 << 20,
            fs,
            ..LogConfig::on_disk(log_dir)
        };
        let (writer, log, _) = log::open(config, above).expect("a log");
        Half::start(writer, log, Some((journal, recovered.state)), webhooks)
    }

    fn start(
        writer: LogWriter,
        log: Arc<Log>,
        journal: Option<(journal::Journal, journal::State)>,
        webhooks: &[Webhook],
    ) -> Half {
        let wanted = Arc::new(Mutex::new(Vec::new()));
        let (journal, state) = journal.unzip();
        let schema = Arc::new(Schema::new(false));
        let for_filters = schema.clone();
        let told = wanted.clone();
        let retry = Retry {
            schedule: vec![MS(20)],
            ..Retry::default()
        };
        let allow = vec!["127.0.0.0/8".parse().expect("a range")];
        let parts = Parts {
            log: log.clone(),
            journal,
            state: state.unwrap_or_default(),
            renderings: Renderings::in_memory(),
            filters: Box::new(move || {
                Filters::new(filter::Parts {
                    schema: for_filters.clone(),
                    clock: Arc::new(SystemClock),
                    say: Arc::new(|_, _| {}),
                    dir: "/tmp".into(),
                })
            }),
            webhooks: webhooks.to_vec(),
            former: Vec::new(),
            still_needed: Box::new(|_| {}),
            schema,
            settings: Settings {
                retry,
                ..Settings::default()
            },
            http: http::Config {
                policy: http::Policy { allow },
                ..http::Config::default()
            },
            wanted: Box::new(move |types| *told.lock().unwrap() = types.iter().collect()),
            notice: Box::new(|_| {}),
            clock: Arc::new(SystemClock),
        };
        let deliverer = Deliverer::spawn(parts).expect("a thread");
        let next = log.next_offset();
        Half {
            writer,
            log,
            deliverer,
            wanted,
            next,
        }
    }

    /// Appends one frame of `count` deliveries, numbered on.
    fn push(&mut self, count: u64) {
        let mut frame = self.writer.frame();
        for n in self.next..self.next + count {
            let text = json!({ "n": n, "msys": {} }).to_string();
            let entry = Entry {
                len: text.len() as u32,
                crc: crc32c::crc32c(text.as_bytes()),
                type_id: types::DELIVERY.0,
                ..Entry::default()
            };
            assert!(frame.push(&entry, format!("{text},\n").as_bytes()));
        }
        self.writer.append(&mut frame).expect("room in the log");
        self.next += count;
        self.deliverer.wake();
    }

    /// The books once nothing is pending; they must balance all the while.
    fn settled(&self) -> Snapshot {
        loop {
            let snapshot = self.deliverer.books().expect("the thread runs");
            assert!(
                snapshot.webhooks.values().all(WebhookBooks::balanced),
                "{snapshot:?}"
            );
            let pending: u64 = snapshot.webhooks.values().map(|books| books.pending).sum();
            if pending == 0 && snapshot.offset == self.next {
                return snapshot;
            }
            std::thread::yield_now();
        }
    }
}

fn webhook(n: u8, target: &str) -> Webhook {
    let text = json!({
        "id": Uuid::from_bytes([n; 16]).to_string(),
        "revision": 1,
        "name": "test",
        "target": target,
        "events": ["delivery"],
        "active": true,
        "auth": { "type": "basic", "username": "alice", "password": "p:w" },
        "token": "the-token",
        "custom_headers": [{ "name": "X-Tenant", "value": "seven" }],
        "limits": { "linger_ms": 0, "batch_events": 100 },
        "created_ms": 0,
        "updated_ms": 0,
    });
    serde_json::from_value(text).expect("a webhook as the store has it")
}

#[test]
fn a_batch_arrives_as_the_contract_says() {
    let receiver = Receiver::start(Some(200));
    let mut half = Half::in_memory(&[webhook(1, &receiver.url())]);
    half.push(3);
    assert_eq!(receiver.wait_for(3), [0, 1, 2]);
    let post = receiver.wait(|posts| !posts.is_empty())[0].clone();
    assert!(
        post.head.starts_with("POST /events?x=1 HTTP/1.1\r\n"),
        "{}",
        post.head
    );
    assert_eq!(post.header("content-type"), Some("application/json"));
    assert_eq!(
        post.header("x-messagesystems-webhook-token"),
        Some("the-token")
    );
    assert_eq!(post.header("authorization"), Some("Basic YWxpY2U6cDp3"));
    assert_eq!(post.header("x-tenant"), Some("seven"));
    let agent = concat!("Postrider/", env!("CARGO_PKG_VERSION"));
    assert_eq!(post.header("user-agent"), Some(agent));
    assert_eq!(
        Uuid::parse_str(post.batch()).map(|id| id.get_version_num()),
        Ok(4)
    );
    let books = &half.settled().webhooks[&Uuid::from_bytes([1; 16])];
    assert_eq!((books.accepted, books.delivered), (3, 3));
    assert!(books.activity.last_successful_ms.is_some());
}

#[test]
fn a_receiver_that_fails_for_a_while_loses_nothing_and_delays_nobody() {
    let (failing, healthy) = (Receiver::start(Some(503)), Receiver::start(Some(200)));
    let mut half = Half::in_memory(&[webhook(1, &failing.url()), webhook(2, &healthy.url())]);
    for _ in 0..20 {
        half.push(500);
    }
    let all: Vec<u64> = (0..10_000).collect();
    assert_eq!(healthy.wait_for(10_000), all);
    let refused = failing.wait(|posts| posts.len() >= 6);
    assert!(refused.iter().all(|post| post.status == 503));

    failing.answer(Some(200));
    assert_eq!(failing.wait_for(10_000), all);
    for books in half.settled().webhooks.values() {
        assert_eq!((books.accepted, books.delivered), (10_000, 10_000));
    }
    // Every attempt of a batch had the same bytes, and each was accepted once.
    let posts = failing.wait(|_| true);
    let mut bodies = std::collections::HashMap::new();
    for post in &posts {
        assert_eq!(
            *bodies.entry(post.batch()).or_insert(&post.body),
            &post.body
        );
    }
    let accepted = posts.iter().filter(|post| post.status == 200);
    assert_eq!(
        accepted.map(|post| post.events().len()).sum::<usize>(),
        10_000
    );
    let statuses = half
        .deliverer
        .batch_status(Uuid::from_bytes([1; 16]), 10, false)
        .unwrap();
    assert!(
        statuses
            .iter()
            .all(|status| status.attempts > 0 && status.response_code == Some(200))
    );
}

#[test]
fn what_was_cut_off_goes_out_again_after_a_restart_with_its_id_and_bytes() {
    let dir = tempfile::tempdir().expect("a directory");
    let receiver = Receiver::start(None);
    let hook = webhook(1, &receiver.url());
    let mut half = Half::on_disk(dir.path(), std::slice::from_ref(&hook));
    half.push(250);
    let before =
        receiver.wait(|posts| posts.iter().map(|p| p.events().len()).sum::<usize>() == 250);
    let report = half.deliverer.stop(Duration::ZERO);
    assert_eq!(
        report,
        StopReport {
            finished: 0,
            cut_off: 3
        }
    );
    drop(half);

    receiver.answer(Some(200));
    let half = Half::on_disk(dir.path(), &[hook]);
    assert_eq!(receiver.wait_for(250), (0..250).collect::<Vec<_>>());
    let again = receiver.wait(|_| true).split_off(before.len());
    let seen = |posts: &[receiver::Post]| {
        let mut all: Vec<_> = posts
            .iter()
            .map(|post| (post.batch().to_owned(), post.body.clone()))
            .collect();
        all.sort();
        all
    };
    assert_eq!(seen(&again), seen(&before));
    let books = &half.settled().webhooks[&Uuid::from_bytes([1; 16])];
    assert_eq!((books.accepted, books.delivered), (250, 250));
}

#[test]
fn a_clean_stop_lets_what_is_under_way_end_and_nothing_is_sent_twice() {
    let dir = tempfile::tempdir().expect("a directory");
    let receiver = Receiver::start(Some(200));
    let hook = webhook(1, &receiver.url());
    let mut half = Half::on_disk(dir.path(), std::slice::from_ref(&hook));
    half.push(2_000);
    receiver.wait(|posts| !posts.is_empty());
    let report = half.deliverer.stop(Duration::from_secs(60));
    assert_eq!(report.cut_off, 0);
    drop(half);
    let half = Half::on_disk(dir.path(), &[hook]);
    let snapshot = half.settled();
    let accepted: usize = receiver
        .wait(|_| true)
        .iter()
        .map(|post| post.events().len())
        .sum();
    assert_eq!(accepted, 2_000);
    let books = &snapshot.webhooks[&Uuid::from_bytes([1; 16])];
    assert_eq!((books.accepted, books.delivered), (2_000, 2_000));
}

#[test]
fn a_webhook_sees_what_is_pushed_after_it_was_put() {
    let receiver = Receiver::start(Some(200));
    let mut half = Half::in_memory(&[]);
    half.push(5);
    assert_eq!(*half.wanted.lock().unwrap(), Vec::<u16>::new());
    half.deliverer
        .put_webhook(webhook(1, &receiver.url()))
        .expect("put");
    assert_eq!(*half.wanted.lock().unwrap(), [types::DELIVERY.0]);
    half.push(5);
    assert_eq!(receiver.wait_for(5), [5, 6, 7, 8, 9]);
    half.deliverer
        .delete_webhook(Uuid::from_bytes([1; 16]), false)
        .expect("deleted");
    assert_eq!(*half.wanted.lock().unwrap(), Vec::<u16>::new());
    half.push(5);
    assert_eq!(
        half.settled().webhooks[&Uuid::from_bytes([1; 16])].accepted,
        5
    );
}

#[test]
fn a_webhook_that_cannot_be_delivered_to_is_refused_with_the_reason() {
    let half = Half::in_memory(&[]);
    let put = |change: fn(&mut Webhook)| {
        let mut webhook = webhook(1, "http://127.0.0.1/");
        change(&mut webhook);
        half.deliverer
            .put_webhook(webhook)
            .map_err(|error| error.to_string())
    };
    assert!(
        put(|webhook| webhook.target = "ftp://x/".into())
            .unwrap_err()
            .contains("ftp")
    );
    assert!(
        put(|webhook| webhook.target = "http://10.0.0.1/".into())
            .unwrap_err()
            .contains("10.0.0.1")
    );
    assert!(
        put(|webhook| webhook.events = vec!["nonsense".into()])
            .unwrap_err()
            .contains("nonsense")
    );
}

#[test]
fn a_test_post_brings_back_what_the_receiver_said() {
    let receiver = Receiver::start(Some(200));
    let half = Half::in_memory(&[]);
    let hook = webhook(1, &receiver.url());
    let body = br#"[{"msys":{}}]"#;
    let answer = half.deliverer.test_post(&hook, body.to_vec()).expect("200");
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (200, b"OK".as_slice())
    );
    let post = receiver.wait(|posts| !posts.is_empty())[0].clone();
    assert_eq!(post.batch(), "77c2b630-d712-11e4-9642-efc2723b99c1");
    assert_eq!(post.body.as_bytes(), body);

    receiver.answer(Some(404));
    let failure = half
        .deliverer
        .test_post(&hook, body.to_vec())
        .expect_err("404");
    assert_eq!(failure.response().map(|answer| answer.status), Some(404));

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", nobody.local_addr().expect("its address"));
    drop(nobody);
    match half.deliverer.test_post(&webhook(1, &url), body.to_vec()) {
        Err(TestFailure::NoAnswer { code, .. }) => assert_eq!(code, "ECONNREFUSED"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_log_in_memory_is_released_as_batches_arrive() {
    let receiver = Receiver::start(Some(200));
    let mut half = Half::in_memory(&[webhook(1, &receiver.url())]);
    // Twice what the log in memory may hold.
    let frame = 6_000;
    let mut frames = 0;
    while half.log.stats().bytes < 2 * (64 << 20) {
        half.push(frame);
        frames += 1;
    }
    let snapshot = half.settled();
    let books = &snapshot.webhooks[&Uuid::from_bytes([1; 16])];
    assert_eq!(books.delivered, frame * frames);
}

#[test]
fn a_segment_goes_only_when_a_power_cut_would_leave_a_journal_that_needs_nothing_of_it() {
    let (dir, fs) = (Path::new("/data"), SimFs::new(1));
    // For each segment that went: where the next one begins, and what the journal would have said.
    let gone: Arc<Mutex<Vec<(u64, journal::State)>>> = Arc::default();
    let (told, all) = (gone.clone(), fs.clone());
    fs.watch(move |path, left| {
        if path.extension().is_none_or(|e| e != "seg") {
            return;
        }
        let names = all.list(path.parent().unwrap()).unwrap();
        let next = names
            .iter()
            .find(|p| *p > path && p.extension() == path.extension());
        let next = next.and_then(|p| p.file_stem()?.to_str()?.parse().ok());
        let journal = journal::read(Path::new("/data/journal"), left).unwrap();
        told.lock()
            .unwrap()
            .push((next.expect("the active one stays"), journal.unwrap().state));
    });
    let receiver = Receiver::start(Some(200));
    let hook = webhook(1, &receiver.url());
    let mut half = Half::on(Arc::new(fs.clone()), dir, std::slice::from_ref(&hook));
    while half.log.stats().bytes < 7 << 20 {
        half.push(6_000);
    }
    half.log.sync().unwrap();
    while gone.lock().unwrap().len() < 2 {
        half.log.maintain().unwrap();
        std::thread::yield_now();
    }
    for (next, state) in gone.lock().unwrap().iter() {
        let scanned_to = state.webhook(hook.id).expect("it is known").scanned_to;
        assert!(
            scanned_to >= *next,
            "read up to {scanned_to}, gone up to {next}"
        );
        let letters = state.dead_letters().map(|letter| &letter.start);
        for start in state.batches().map(|open| &open.start).chain(letters) {
            assert!(
                start.spans.iter().all(|span| span.first >= *next),
                "{start:?}"
            );
        }
    }

    // And such a power cut costs nothing.
    let pushed = half.next;
    fs.power_cut();
    drop(half);
    let half = Half::on(Arc::new(fs), dir, std::slice::from_ref(&hook));
    let books = &half.settled().webhooks[&hook.id];
    assert_eq!(
        (books.accepted, books.delivered),
        (pushed, pushed),
        "{books:?}"
    );
    assert_eq!(
        receiver.wait_for(pushed as usize),
        (0..pushed).collect::<Vec<_>>()
    );
}

#[test]
fn after_the_thread_has_ended_calls_say_so() {
    let half = Half::in_memory(&[]);
    assert_eq!(half.deliverer.stop(Duration::ZERO), StopReport::default());
    assert_eq!(half.deliverer.books(), Err(Stopped));
    assert_eq!(half.deliverer.stop(Duration::ZERO), StopReport::default());
}

/// A target can't be blamed for a thread that does not get to it.
#[test]
fn a_test_that_has_no_outcome_in_time_says_that_it_is_not_the_targets_fault() {
    let (reply, answer) = crossbeam_channel::bounded(1);
    let busy = handle::outcome_of_test(&answer, Duration::ZERO);
    drop(reply);
    let ended = handle::outcome_of_test(&answer, Duration::ZERO);
    let code_and_words = |outcome| match outcome {
        Err(TestFailure::NoAnswer { code, detail }) => (code, detail),
        _ => panic!("there was none"),
    };
    let (code, words) = code_and_words(busy);
    assert!(code == "EBUSY" && words.contains("held up"), "{words}");
    let (code, words) = code_and_words(ended);
    assert!(code == "ECANCELED" && words.contains("ended"), "{words}");
}
