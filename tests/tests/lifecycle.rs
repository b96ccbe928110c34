//! Engines that end and begin again, and webhooks that change, are held or go meanwhile.

use postrider::deliver::WebhookBooks;
use postrider::engine::{Engine, Level, OpenError, PushError};
use postrider::event::{Event, fields, types};
use postrider::webhook::{Condition, Replay, WebhookPatch, WebhookSpec};
use postrider_tests::binary::Served;
use postrider_tests::books::{self, MINUTE, engine, webhook};
use postrider_tests::receiver::{Post, Receiver, Reply};
use serde_json::json;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Quick, and the same at every start.
const SETTINGS: [(&str, &str); 3] = [
    ("batch.linger_ms", "0"),
    ("retry.schedule", "1"),
    ("retry.jitter", "0"),
];

fn push(engine: &Engine, numbers: std::ops::Range<u32>) {
    for n in numbers {
        let text = n.to_string();
        let event = Event::new(types::DELIVERY).str(fields::MESSAGE_ID, &text);
        engine.push(&event).unwrap();
    }
    engine.flush(Level::Written, MINUTE).unwrap();
}

/// The numbers that these POSTs carry, in order.
fn numbers(posts: &[Post]) -> Vec<u32> {
    let events = posts.iter().flat_map(Post::events);
    let number = |event: serde_json::Value| {
        let id = event["msys"]["message_event"]["message_id"].as_str();
        id.and_then(|id| id.parse().ok()).expect("a number of ours")
    };
    let mut numbers: Vec<u32> = events.map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// Checks that no batch id ever came with different bytes.
fn assert_one_body_per_batch(posts: &[Post]) {
    let mut bodies: HashMap<&str, &[u8]> = HashMap::new();
    for post in posts {
        assert_eq!(
            *bodies.entry(post.batch_id()).or_insert(&post.body),
            post.body
        );
    }
}

fn failing() -> Receiver {
    Receiver::with(|post| match post.body == br#"[{"msys":{}}]"# {
        true => Reply::Status(200),
        false => Reply::Status(503),
    })
}

fn sent_to(target: String) -> WebhookPatch {
    WebhookPatch {
        target: Some(target),
        ..WebhookPatch::default()
    }
}

#[test]
fn a_batch_goes_where_it_was_formed_for_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (failing(), Receiver::ok());
    let first = engine(Some(dir.path()), &SETTINGS);
    let id = webhook(&first, &old.url("/"), &["delivery"]);
    push(&first, 0..10);
    let formed = old.wait("an attempt", |posts| !numbers(posts).is_empty());
    first.update_webhook(id, sent_to(new.url("/"))).unwrap();
    push(&first, 10..20);
    books::wait(&first, id, "delivered to the new target", |b| {
        b.delivered > 0
    });
    books::close(&first);

    old.answer(|_| Reply::Status(200));
    let second = engine(Some(dir.path()), &SETTINGS);
    push(&second, 20..30);
    books::wait(&second, id, "all delivered", |b| b.delivered == 30);
    let (at_old, at_new) = (numbers(&old.posts()), numbers(&new.posts()));
    assert!(at_old.contains(&0) && !at_new.contains(&0));
    assert!(
        at_new.ends_with(&(10..30).collect::<Vec<_>>()),
        "{at_new:?}"
    );
    assert_one_body_per_batch(&old.posts());
    assert!(
        old.posts()
            .iter()
            .any(|post| post.batch_id() == formed[0].batch_id())
    );
    books::close(&second);
}

#[test]
fn a_target_that_is_down_holds_nothing_that_goes_to_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (failing(), Receiver::ok());
    let first = engine(Some(dir.path()), &SETTINGS);
    let id = webhook(&first, &old.url("/"), &["delivery"]);
    let is_down = |books: &WebhookBooks| books.activity.condition == Condition::Down;
    for n in 0..10 {
        push(&first, n..n + 1);
        books::wait(&first, id, "in a batch, or held", |b| {
            b.open_batches > u64::from(n) || is_down(b)
        });
    }
    books::wait(&first, id, "down", is_down);
    first.update_webhook(id, sent_to(new.url("/"))).unwrap();
    push(&first, 10..20);
    books::wait(&first, id, "delivered", |b| b.delivered >= 10);
    let books = books::of(&first, id);
    assert_eq!(books.activity.condition, Condition::Up);
    books::close(&first);

    let second = engine(Some(dir.path()), &SETTINGS);
    push(&second, 20..30);
    books::wait(&second, id, "delivered, too", |b| b.delivered >= 20);
    assert!(numbers(&new.posts()).ends_with(&(10..30).collect::<Vec<_>>()));
    books::close(&second);
}

#[test]
fn batches_of_a_deleted_webhook_finish_after_a_restart_and_nothing_of_it_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = failing();
    let first = engine(Some(dir.path()), &SETTINGS);
    let id = webhook(&first, &receiver.url("/"), &["delivery"]);
    push(&first, 0..10);
    let formed = receiver.wait("an attempt", |posts| !posts.is_empty());
    first.delete_webhook(id, false).unwrap();
    push(&first, 10..20);
    let before = books::of(&first, id);
    books::close(&first);

    receiver.answer(|_| Reply::Status(200));
    let second = engine(Some(dir.path()), &SETTINGS);
    books::wait(&second, id, "nothing pending", |b| b.pending == 0);
    let after = books::of(&second, id);
    assert_eq!(after.accepted, before.accepted);
    assert_eq!(after.delivered, before.pending, "what had a batch arrived");
    assert!(after.delivered > 0);
    let again = receiver.posts().split_off(formed.len());
    assert!(
        again
            .iter()
            .any(|post| post.batch_id() == formed[0].batch_id())
    );
    books::close(&second);

    // Its credentials are kept no longer than its batches.
    let third = engine(Some(dir.path()), &SETTINGS);
    let deadline = Instant::now() + MINUTE;
    while !third.store().former().unwrap().is_empty() {
        assert!(Instant::now() < deadline, "{:?}", third.store().former());
        std::thread::sleep(Duration::from_millis(5));
    }
    books::close(&third);
}

#[test]
fn purging_ends_everything_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = failing();
    let first = engine(Some(dir.path()), &SETTINGS);
    let id = webhook(&first, &receiver.url("/"), &["delivery"]);
    push(&first, 0..10);
    receiver.wait("an attempt", |posts| !posts.is_empty());
    first.delete_webhook(id, true).unwrap();
    let purged = books::of(&first, id);
    assert_eq!(
        (purged.pending, purged.dropped.values().sum::<u64>()),
        (0, 10)
    );
    books::close(&first);
    let posts = receiver.posts().len();
    let second = engine(Some(dir.path()), &SETTINGS);
    assert_eq!(books::of(&second, id).dropped, purged.dropped);
    books::close(&second);
    assert_eq!(receiver.posts().len(), posts);
}

/// A receiver that answers when it is told to (the sender is dropped), and not before; it tells the
/// batch ids of the POSTs that it has got.
fn slow() -> (Receiver, mpsc::Sender<()>, mpsc::Receiver<String>) {
    let (go, told) = mpsc::channel::<()>();
    let (arrived, arrivals) = mpsc::channel();
    let receiver = Receiver::with(move |post| {
        if post.body != br#"[{"msys":{}}]"# {
            let _ = arrived.send(post.batch_id().to_owned());
            let _ = told.recv();
        }
        Reply::Status(200)
    });
    (receiver, go, arrivals)
}

#[test]
fn batches_under_way_at_a_stop_finish_before_the_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let (receiver, go, arrivals) = slow();
    let first = engine(Some(dir.path()), &SETTINGS);
    let id = webhook(&first, &receiver.url("/"), &["delivery"]);
    push(&first, 0..1);
    let formed = arrivals.recv().unwrap();
    std::thread::scope(|threads| {
        let closing = threads.spawn(|| first.close(MINUTE));
        while !matches!(
            first.push(&Event::new(types::DELIVERY)),
            Err(PushError::Closed)
        ) {
            std::thread::yield_now();
        }
        drop(go);
        closing.join().unwrap().unwrap();
    });
    let second = engine(Some(dir.path()), &SETTINGS);
    books::wait(&second, id, "nothing pending", |b| b.pending == 0);
    let done = books::of(&second, id);
    assert_eq!(done.accepted, done.delivered);
    assert_one_body_per_batch(&receiver.posts());
    // What ended in the first life was not sent again; what came behind it was sent once.
    let posts = receiver.posts();
    let mut ids: Vec<&str> = posts.iter().map(Post::batch_id).collect();
    assert_eq!(ids[0], formed);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), posts.len());
    books::close(&second);
}

#[test]
fn batches_that_a_stop_cuts_off_go_back_and_out_again_with_their_ids_and_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (receiver, go, arrivals) = slow();
    let first = engine(Some(dir.path()), &SETTINGS);
    let id = webhook(&first, &receiver.url("/"), &["delivery"]);
    push(&first, 0..1);
    let formed = arrivals.recv().unwrap();
    let _ = first.close(Duration::from_millis(50));
    drop(first);

    drop(go);
    let second = engine(Some(dir.path()), &SETTINGS);
    books::wait(&second, id, "delivered", |b| {
        b.delivered == 1 && b.pending == 0
    });
    let posts = receiver.posts();
    assert_eq!(posts.len(), 2, "finished or sent again, never both");
    assert!(posts.iter().all(|post| post.batch_id() == formed));
    assert_one_body_per_batch(&posts);
    books::close(&second);
}

#[test]
fn a_webhook_that_is_deleted_or_changed_while_its_batch_is_under_way_gets_that_batch_once() {
    for delete in [true, false] {
        let (receiver, go, arrivals) = slow();
        let other = Receiver::ok();
        let engine = engine(None, &SETTINGS);
        let id = webhook(&engine, &receiver.url("/"), &["delivery"]);
        engine.push(&Event::new(types::DELIVERY)).unwrap();
        arrivals.recv().unwrap();
        match delete {
            true => engine.delete_webhook(id, false).unwrap(),
            false => drop(engine.update_webhook(id, sent_to(other.url("/"))).unwrap()),
        }
        drop(go);
        books::wait(&engine, id, "delivered", |b| {
            b.delivered == 1 && b.pending == 0
        });
        assert_eq!((receiver.posts().len(), other.posts().len()), (1, 0));
        books::close(&engine);
    }
}

#[test]
fn paused_and_disabled_last_until_somebody_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let (quiet, gone) = (Receiver::ok(), Receiver::ok());
    let first = engine(Some(dir.path()), &SETTINGS);
    let paused = webhook(&first, &quiet.url("/"), &["delivery"]);
    let disabled = webhook(&first, &gone.url("/"), &["delivery"]);
    first.pause_webhook(paused).unwrap();
    gone.answer(|_| Reply::Status(410));
    push(&first, 0..10);
    books::wait(&first, disabled, "disabled", |b| {
        b.activity.condition == Condition::Disabled
    });
    books::close(&first);

    let second = engine(Some(dir.path()), &SETTINGS);
    push(&second, 10..20);
    let (of_paused, of_disabled) = (books::of(&second, paused), books::of(&second, disabled));
    assert_eq!(of_paused.activity.condition, Condition::Paused);
    assert_eq!(of_disabled.activity.condition, Condition::Disabled);
    assert_eq!(of_disabled.activity.why.as_deref(), Some("410"));
    let metrics = second.metrics();
    let state = format!("postrider_webhook_state{{webhook=\"{disabled}\",state=\"disabled\"}} 1");
    assert!(metrics.lines().any(|line| line == state), "{metrics}");
    assert_eq!(quiet.posts().len(), 0);

    gone.answer(|_| Reply::Status(200));
    for id in [paused, disabled] {
        second.resume_webhook(id).unwrap();
        books::wait(&second, id, "delivered", |b| {
            b.delivered == 20 && b.pending == 0
        });
    }
    assert_eq!(numbers(&quiet.posts()), (0..20).collect::<Vec<_>>());
    books::close(&second);
}

#[test]
fn what_is_dead_or_past_is_replayed_on_request() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::ok();
    let settings = [&SETTINGS[..], &[("log.keep", "all")]].concat();
    let engine = engine(Some(dir.path()), &settings);
    let body = json!({"name": "n", "target": receiver.url("/"), "events": ["delivery"],
        "outcomes": {"404": "dead"}, "limits": {"batch_events": 4}});
    let spec = WebhookSpec::from_json(&body, |_| true).unwrap();
    let id = engine.create_webhook(spec).unwrap().id;
    receiver.answer(|_| Reply::Status(404));
    push(&engine, 0..10);
    books::wait(&engine, id, "dead", |b| b.dead == 10);
    let letters = engine.dead_letters(id, 100).unwrap();
    assert_eq!(letters.iter().map(|letter| letter.events).sum::<u32>(), 10);
    assert!(letters.iter().all(|letter| letter.reason == "rejected"));
    assert_eq!(letters[0].response_code, Some(404));

    receiver.answer(|_| Reply::Status(200));
    let refused = receiver.posts();
    let one = vec![letters[0].batch_id, Uuid::nil()];
    let replayed = engine.replay(id, Replay::Letters(Some(one))).unwrap();
    assert_eq!(
        (replayed.batches, &replayed.unknown[..]),
        (1, &[Uuid::nil()][..])
    );
    let replayed = engine.replay(id, Replay::Letters(None)).unwrap();
    assert_eq!(replayed.batches as usize, letters.len() - 1);
    books::wait(&engine, id, "delivered", |b| {
        b.delivered == 10 && b.dead == 0
    });
    assert_one_body_per_batch(&receiver.posts());

    let past = Replay::Written(0..u64::MAX);
    let replayed = engine.replay(id, past).unwrap();
    assert_eq!(
        (replayed.batches, replayed.events, replayed.next_ms),
        (3, 10, None)
    );
    books::wait(&engine, id, "delivered again", |b| {
        b.delivered == 20 && b.pending == 0
    });
    let all = receiver.posts();
    let again = all.iter().skip(refused.len() + letters.len());
    for post in again {
        assert!(
            letters
                .iter()
                .all(|letter| letter.batch_id.to_string() != post.batch_id())
        );
    }
    assert!(engine.dead_letters(Uuid::nil(), 1).is_err());
    books::close(&engine);
}

#[test]
fn a_push_that_races_a_close_is_kept_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::ok();
    let first = engine(Some(dir.path()), &SETTINGS);
    let id = webhook(&first, &receiver.url("/"), &["delivery"]);
    let begun = AtomicBool::new(false);
    let taken: u64 = std::thread::scope(|threads| {
        let push_until_closed = || {
            let mut taken = 0;
            loop {
                match first.push(&Event::new(types::DELIVERY)) {
                    Ok(_) => taken += 1,
                    Err(PushError::Closed) => return taken,
                    Err(PushError::Full { .. }) => std::thread::yield_now(),
                    Err(other) => panic!("{other}"),
                }
                begun.store(true, Ordering::Relaxed);
            }
        };
        let producers = [
            threads.spawn(push_until_closed),
            threads.spawn(push_until_closed),
        ];
        while !begun.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        first.close(MINUTE).unwrap();
        producers.map(|p| p.join().unwrap()).iter().sum()
    });
    let second = engine(Some(dir.path()), &SETTINGS);
    books::wait(&second, id, "all delivered", |b| {
        b.accepted == taken && b.delivered == taken
    });
    books::close(&second);
}

#[test]
fn a_new_logger_gets_the_notices_too() {
    let receiver = Receiver::ok();
    let engine = engine(None, &SETTINGS);
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = lines.clone();
    engine.set_logger(Some(Arc::new(move |_, line: &str| {
        told.lock().unwrap().push(line.to_owned());
    })));
    let id = webhook(&engine, &receiver.url("/"), &["delivery"]);
    receiver.answer(|_| Reply::Status(410));
    engine.push(&Event::new(types::DELIVERY)).unwrap();
    books::wait(&engine, id, "disabled", |b| {
        b.activity.condition == Condition::Disabled
    });
    // The notice comes in the turn that the books show.
    books::close(&engine);
    let lines = lines.lock().unwrap();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("disabled") && line.contains("410")),
        "{lines:?}"
    );
}

#[test]
fn a_second_engine_on_a_directory_is_refused_and_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let other = Served::start(dir.path(), &[]).process;
    match Engine::builder().data_dir(dir.path()).start() {
        Err(OpenError::Held { owner, .. }) => {
            assert!(owner.contains(&format!("pid {}", other.pid())), "{owner}");
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("two engines on one directory"),
    }
}
