//! Filters of one webhook: what its receiver gets, at every attempt, and what everybody else gets.

use postrider::deliver::WebhookBooks;
use postrider::engine::{Engine, Level};
use postrider::event::{Event, types};
use postrider::filter::{FilterSpec, OnFailure, State};
use postrider::journal::Reason;
use postrider::webhook::{Replay, WebhookPatch, WebhookSpec};
use postrider_tests::binary::{Served, push as push_lines, run, told, until};
use postrider_tests::books::{self, MINUTE};
use postrider_tests::filters::Modules;
use postrider_tests::receiver::{Post, Receiver, Reply};
use std::path::Path;
use std::sync::{Arc, Barrier, mpsc};
use uuid::Uuid;

fn engine(dir: &Path) -> Engine {
    let settings = [
        ("batch.linger_ms", "0"),
        ("retry.schedule", "1"),
        ("log.keep", "all"),
    ];
    books::engine(Some(dir), &settings)
}

fn push(engine: &Engine, name: &str, value: &str) {
    let event = Event::new(types::DELIVERY).str(name, value);
    engine.push(&event).unwrap();
    engine.flush(Level::Written, MINUTE).unwrap();
}

/// A webhook with these filters.
fn with(engine: &Engine, receiver: &Receiver, filters: Vec<FilterSpec>) -> Uuid {
    let spec = WebhookSpec {
        filters,
        ..WebhookSpec::new("filtered", &receiver.url("/"), ["delivery"])
    };
    engine.create_webhook(spec).unwrap().id
}

fn now_with(engine: &Engine, id: Uuid, filters: Vec<FilterSpec>) {
    let patch = WebhookPatch {
        filters: Some(filters),
        ..WebhookPatch::default()
    };
    engine.update_webhook(id, patch).unwrap();
}

fn dropped_by(books: &WebhookBooks, name: &str) -> u64 {
    let reason = Reason::named(&format!("filter:{name}"));
    books.dropped.get(&reason).copied().unwrap_or(0)
}

fn rendered_files(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("journal/rendered"))
        .unwrap()
        .count()
}

fn holds(post: &Post, text: &str) -> bool {
    String::from_utf8_lossy(&post.body).contains(text)
}

#[test]
fn a_webhooks_own_filters_change_what_its_receiver_gets_and_nothing_else() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let (filtered, plain) = (Receiver::ok(), Receiver::ok());
    let dir = tempfile::tempdir().unwrap();
    let open = engine(dir.path());
    let own = vec![modules.spec("emits"), modules.spec("traces")];
    let id = with(&open, &filtered, own);
    let other = books::webhook(&open, &plain.url("/"), &["delivery"]);
    push(&open, "x_n", "1");
    push(&open, "x_drop", "2");
    push(&open, "x_provoke", "3");

    let got = filtered.wait_events(3);
    assert!(
        got.iter()
            .all(|e| e["msys"]["message_event"]["x_trace"] == "?")
    );
    assert!(
        got.iter()
            .any(|e| e["msys"]["message_event"]["x_added"] == true)
    );
    let raw = plain.wait_events(3);
    assert!(
        raw.iter()
            .all(|e| e["msys"]["message_event"]["x_trace"].is_null())
    );
    books::wait(&open, id, "delivered", |books| books.delivered == 3);
    let books = books::of(&open, id);
    assert_eq!((books.accepted, dropped_by(&books, "emits")), (4, 1));
    books::wait(&open, other, "delivered", |books| books.delivered == 3);
    assert_eq!(open.stats().log.events, 3, "the log keeps what was pushed");
    let status = open.webhook_filters(id).unwrap();
    assert_eq!(status[0].stats.dropped["told to"], 1);
    assert_eq!(status[1].state, State::Running);
    books::close(&open);
}

#[test]
fn events_that_its_filters_hold_are_a_dead_letter_until_they_are_replayed() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let (dir, receiver) = (tempfile::tempdir().unwrap(), Receiver::ok());
    let open = engine(dir.path());
    let id = with(&open, &receiver, vec![modules.spec("closed")]);
    push(&open, "x_provoke", "1");
    books::wait(&open, id, "held", |books| books.dead == 1);
    let letter = open.dead_letters(id, 10).unwrap().remove(0);
    assert_eq!((letter.reason.as_str(), letter.attempts), ("held", 0));
    // Through the same filter again it is held again.
    open.replay(id, Replay::Letters(None)).unwrap();
    books::wait(&open, id, "held again", |books| {
        books.dead == 1 && books.pending == 0
    });
    let letters = open.dead_letters(id, 10).unwrap();
    assert_eq!(letters.len(), 1);
    books::close(&open);

    let open = engine(dir.path());
    now_with(&open, id, vec![modules.spec("traces")]);
    open.replay(id, Replay::Letters(None)).unwrap();
    let got = receiver.wait_events(1);
    assert_eq!(got[0]["msys"]["message_event"]["x_trace"], "?");
    books::wait(&open, id, "delivered", |books| books.delivered == 1);
    books::close(&open);
    assert_eq!(
        rendered_files(dir.path()),
        0,
        "space is free when the batch has ended"
    );
}

#[test]
fn retries_send_what_was_rendered_whatever_becomes_of_the_filters() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let (dir, receiver) = (tempfile::tempdir().unwrap(), Receiver::ok());
    let open = engine(dir.path());
    let id = with(&open, &receiver, vec![modules.spec("traces")]);
    receiver.answer(|_| Reply::Status(503));
    push(&open, "x_n", "1");
    let rendered = |posts: &[Post]| -> Vec<(String, Vec<u8>)> {
        let batches = posts.iter().filter(|post| !post.batch_id().is_empty());
        let with_n = batches.filter(|post| post.body.windows(5).any(|w| w == b"\"x_n\""));
        with_n
            .map(|p| (p.batch_id().to_owned(), p.body.clone()))
            .collect()
    };
    let posts = receiver.wait("a first attempt", |posts| !rendered(posts).is_empty());
    let first = rendered(&posts).remove(0);
    assert!(String::from_utf8_lossy(&first.1).contains("x_trace"));
    assert_eq!(rendered_files(dir.path()), 1);
    now_with(&open, id, Vec::new());
    let seen = receiver.wait("a retry", |posts| rendered(posts).len() >= 2);
    assert!(rendered(&seen).iter().all(|post| *post == first));
    open.close(std::time::Duration::ZERO).ok();
    drop(open);

    let before = rendered(&receiver.posts()).len();
    receiver.answer(|_| Reply::Status(200));
    let open = engine(dir.path());
    let seen = receiver.wait("one after a restart", |posts| {
        rendered(posts).len() > before
    });
    assert!(rendered(&seen).iter().all(|post| *post == first));
    books::wait(&open, id, "delivered", |books| books.delivered == 1);
    books::close(&open);
    assert_eq!(rendered_files(dir.path()), 0);
}

#[test]
fn a_filter_that_never_returns_delays_its_webhook_alone_and_is_given_up() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let (stuck, plain) = (Receiver::ok(), Receiver::ok());
    let dir = tempfile::tempdir().unwrap();
    let open = engine(dir.path());
    let slow = FilterSpec {
        on_failure: Some(OnFailure::Open),
        timeout_ms: 500,
        ..modules.spec("never_returns")
    };
    let id = with(&open, &stuck, vec![slow]);
    let other = books::webhook(&open, &plain.url("/"), &["delivery"]);
    for _ in 0..20 {
        push(&open, "x_provoke", "1");
    }
    books::wait(&open, other, "delivered", |books| books.delivered == 20);
    books::wait(&open, id, "delivered", |books| books.delivered == 20);
    assert_eq!(open.webhook_filters(id).unwrap()[0].state, State::Lost);
    open.reload_webhook_filter(id, "never-returns").unwrap();
    assert_eq!(open.webhook_filters(id).unwrap()[0].state, State::Running);
    books::close(&open);
}

#[test]
fn a_webhook_is_refused_with_a_filter_that_can_not_be_loaded_and_keeps_those_it_has() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let (dir, receiver) = (tempfile::tempdir().unwrap(), Receiver::ok());
    let open = engine(dir.path());
    let id = with(&open, &receiver, vec![modules.spec("traces")]);
    let refused = WebhookPatch {
        filters: Some(vec![modules.spec("wrong_magic")]),
        ..WebhookPatch::default()
    };
    let e = open.update_webhook(id, refused).unwrap_err().to_string();
    assert!(e.contains("filters") && e.contains("wrong-magic"), "{e}");
    assert_eq!(open.webhook(id).unwrap().0.filters[0].name, "traces");
    push(&open, "x_n", "1");
    assert_eq!(
        receiver.wait_events(1)[0]["msys"]["message_event"]["x_trace"],
        "?"
    );
    books::wait(&open, id, "delivered", |books| books.delivered == 1);
    books::close(&open);

    // Where it is gone at the next start, nothing goes out that it has not seen.
    std::fs::remove_file(modules.path("traces")).unwrap();
    let open = engine(dir.path());
    push(&open, "x_n", "2");
    let (_, activity) = open.webhook(id).unwrap();
    assert!(activity.why.unwrap().contains("traces"));
    books::wait(&open, id, "waiting", |books| books.pending == 1);
    now_with(&open, id, vec![modules.spec("traces")]);
    receiver.wait_events(2);
    books::close(&open);
}

#[test]
fn a_rendered_batch_and_the_same_one_unrendered_are_under_way_at_once_and_share_nothing() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let both = Arc::new(Barrier::new(2));
    let (tell, arrived) = mpsc::channel();
    // Neither answers before the other has it too.
    let rule = || {
        let (both, tell) = (both.clone(), tell.clone());
        move |post: &Post| {
            if holds(post, "x_n") {
                tell.send(()).unwrap();
                both.wait();
            }
            Reply::Status(200)
        }
    };
    let (filtered, plain) = (Receiver::with(rule()), Receiver::with(rule()));
    let settings = [("batch.linger_ms", "0"), ("http.timeout_ms", "60000")];
    let open = books::engine(Some(dir.path()), &settings);
    let id = with(&open, &filtered, vec![modules.spec("traces")]);
    let other = books::webhook(&open, &plain.url("/"), &["delivery"]);
    for (n, second) in [(1, other), (2, id)] {
        open.pause_webhook(second).unwrap();
        push(&open, "x_n", "1");
        arrived.recv_timeout(MINUTE).unwrap();
        open.resume_webhook(second).unwrap();
        arrived.recv_timeout(MINUTE).unwrap();
        for id in [id, other] {
            books::wait(&open, id, "delivered", |books| books.delivered == n);
        }
    }
    let traced = |receiver: &Receiver| -> Vec<bool> {
        let posts = receiver.posts();
        posts.iter().map(|post| holds(post, "x_trace")).collect()
    };
    assert_eq!(traced(&filtered), [true, true]);
    assert_eq!(traced(&plain), [false, false]);
    books::close(&open);
}

#[test]
fn redact_on_one_webhook_survives_a_kill_and_leaves_the_other_alone() {
    let dir = tempfile::tempdir().unwrap();
    let object = crate::shipped::object("redact");
    let refusing = |post: &Post| Reply::Status(if holds(post, "rcpt_to") { 503 } else { 200 });
    let (masked, plain) = (Receiver::with(refusing), Receiver::ok());
    let more = ["--set", "retry.schedule=1", "--set", "batch.linger_ms=0"];
    let served = Served::start(dir.path(), &more);
    let data = served.data_arg().to_owned();
    let ok = |args: &[&str]| {
        let output = run(&[args, &["--data", &data]].concat());
        assert!(output.status.success(), "{args:?}: {}", told(&output));
        told(&output).trim().to_owned()
    };
    let create = |url: &str| {
        let named = ["webhook", "create", "--name", "n", "--target", url];
        ok(&[&named[..], &["--events", "delivery"]].concat())
    };
    let id = create(&masked.url("/"));
    create(&plain.url("/"));
    let redact = |how: &str| {
        let config = format!(r#"{{"fields":{{"rcpt_to":"{how}"}}}}"#);
        let add = ["filter", "add", "redact", object.to_str().unwrap()];
        let patient = ["--timeout-ms", "30000", "--budget-us", "1000000"];
        let own = ["--config", &config, "--webhook", &id];
        ok(&[&add[..], &patient, &own].concat())
    };
    redact("mask");
    assert!(ok(&["filter", "list", "--webhook", &id]).contains("running"));
    let common = ok(&["filter", "list"]);
    assert!(common.is_empty(), "the common chain is another: {common}");

    let line = br#"{"type":"delivery","rcpt_to":"alice@example.com"}"#;
    let pushed = push_lines(&data, line);
    assert!(pushed.status.success(), "{}", told(&pushed));
    let attempts = |posts: &[Post]| -> Vec<(String, Vec<u8>)> {
        let attempt = |post: &Post| (post.batch_id().to_owned(), post.body.clone());
        posts.iter().map(attempt).collect()
    };
    let first = attempts(&masked.wait("an attempt", |posts| !posts.is_empty())).remove(0);
    let text = String::from_utf8_lossy(&first.1);
    assert!(text.contains("***@example.com") && !text.contains("alice"));
    let posts = plain.wait("the event", |posts| !posts.is_empty());
    assert!(holds(&posts[0], "alice@example.com"));

    // By now the filter would make something else of it.
    redact("drop");
    drop(served);
    let before = masked.posts().len();
    masked.answer(|_| Reply::Status(200));
    let served = Served::start(dir.path(), &more);
    let posts = masked.wait("it again", |posts| posts.len() > before);
    let same = |posts: &[Post]| attempts(posts).iter().all(|post| *post == first);
    assert!(same(&posts), "the same bytes under the same id");
    until("end of its file", || {
        (rendered_files(dir.path()) == 0).then_some(())
    });
    ok(&["filter", "remove", "redact", "--webhook", &id]);
    assert!(ok(&["filter", "list", "--webhook", &id]).is_empty());
    served.process.terminate();
}
