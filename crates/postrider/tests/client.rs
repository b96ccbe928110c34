//! The client: the engine's calls into the inbox, also in forked children.

mod processes;

use postrider::client::{Client, Input, Level, Outcome, PushError, PushOptions};
use postrider::event::{Entry, Event, Schema, TypeId, fields, type_of_text, types};
use postrider::inbox::{self, Problem, Taker, TakerConfig};
use postrider::time::SystemClock;
use processes::fork;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;

fn data() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    inbox::init(dir.path(), None).unwrap();
    dir
}

fn delivery(to: &str) -> Event<'_> {
    Event::new(types::DELIVERY).str(fields::RCPT_TO, to)
}

fn taken(data: &Path) -> Vec<(Entry, serde_json::Value)> {
    let inbox = data.join(inbox::DIR_NAME);
    let clock = Arc::new(SystemClock);
    let mut taker = Taker::open(&inbox, &[], clock, TakerConfig::default()).unwrap();
    let mut events = Vec::new();
    let taken = taker
        .take(usize::MAX, |entry, text, _| {
            let json = &text[..entry.len as usize];
            assert_eq!(crc32c::crc32c(json), entry.crc);
            events.push((*entry, serde_json::from_slice(json).unwrap()));
            true
        })
        .unwrap();
    assert_eq!(taken.damaged, 0);
    events
}

fn inner(event: &serde_json::Value) -> &serde_json::Value {
    &event["msys"]["message_event"]
}

fn recipients(data: &Path) -> Vec<String> {
    let events = taken(data);
    let to = events.iter().map(|(_, event)| &inner(event)["rcpt_to"]);
    to.map(|to| to.as_str().unwrap().to_owned()).collect()
}

#[test]
fn events_arrive_as_they_were_pushed_in_all_forms() {
    let data = data();
    let client = Client::connect(data.path()).unwrap();
    let pushed = client.push(&delivery("a@x")).unwrap();
    assert_eq!(pushed.outcome, Outcome::Taken(Level::Written));
    let synced = PushOptions {
        level: Level::Synced,
        deadline: None,
    };
    let object = br#"{"rcpt_to":"b@x"}"#;
    let second = client.push_json(types::BOUNCE, object, synced).unwrap();
    assert_eq!(second.outcome, Outcome::Taken(Level::Synced));
    let line = br#"{"type":"injection","rcpt_to":"c@x"}"#;
    client.push_line(line, PushOptions::default()).unwrap();
    client.flush(Level::Synced).unwrap();
    let stats = client.stats();
    client.close();

    let events = taken(data.path());
    let seen: Vec<_> = events
        .iter()
        .map(|(entry, event)| {
            (
                TypeId(entry.type_id),
                inner(event)["rcpt_to"].as_str().unwrap(),
            )
        })
        .collect();
    let wanted = [
        (types::DELIVERY, "a@x"),
        (types::BOUNCE, "b@x"),
        (types::INJECTION, "c@x"),
    ];
    assert_eq!(seen, wanted);
    let id = pushed.event_id.unwrap();
    assert_eq!(inner(&events[0].1)["event_id"], id.as_str());
    let bytes: u32 = events.iter().map(|(entry, _)| entry.len).sum();
    assert_eq!((stats.pushed, stats.bytes), (3, bytes.into()));
}

#[test]
fn an_invalid_event_is_named_and_records_nothing() {
    let data = data();
    let client = Client::connect(data.path()).unwrap();
    let bad = Event::new(types::DELIVERY).bytes(fields::RCPT_TO, b"\xff@x");
    let error = client.push(&bad).unwrap_err();
    assert!(matches!(error, PushError::Invalid(_)));
    assert!(error.to_string().contains("rcpt_to"), "{error}");
    let stats = client.stats();
    assert_eq!((stats.pushed, stats.invalid, stats.failed), (0, 1, 0));
    assert!(taken(data.path()).is_empty());
}

#[test]
fn a_custom_type_travels_by_name() {
    let data = data();
    let client = Client::connect(data.path()).unwrap();
    // Numbers are this process's own: another engine has them otherwise.
    client.schema().declare("ops", "first").unwrap();
    let ty = client.schema().declare("ops", "disk_full").unwrap();
    client.push(&Event::new(ty).str("x_host", "mx1")).unwrap();

    let engine = Schema::new(false);
    let known = engine.declare("ops", "disk_full").unwrap();
    assert_ne!(known, ty);
    let (entry, event) = taken(data.path()).remove(0);
    assert_eq!(TypeId(entry.type_id), TypeId::IN_TEXT);
    assert_eq!(event["msys"]["ops"]["x_host"], "mx1");
    let text = serde_json::to_string(&event).unwrap();
    // Parsing sorts fields; what the encoder wrote begins with the type.
    let text = text.replacen("{\"event_id\"", "{\"type\":\"disk_full\",\"event_id\"", 1);
    assert_eq!(type_of_text(&engine, text.as_bytes()), Some(known));
}

#[test]
fn connecting_without_an_inbox_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let error = Client::connect(dir.path()).unwrap_err();
    assert_eq!(error.problem, Problem::Missing);
    let text = error.to_string();
    assert!(
        text.contains("postrider init") && text.contains(dir.path().to_str().unwrap()),
        "{text}"
    );
    assert!(!dir.path().join("inbox").exists(), "clients never make it");
}

#[test]
fn children_push_while_threads_of_the_parent_push() {
    const CHILDREN: usize = 12;
    let data = data();
    let client = Client::connect(data.path()).unwrap();
    let stop = AtomicBool::new(false);
    let mut from_threads = 0;
    std::thread::scope(|scope| {
        // Forks meet these threads anywhere: encoding, holding the lock, in the middle of a write.
        let threads: Vec<_> = (0..3)
            .map(|k| {
                let (client, stop) = (&client, &stop);
                scope.spawn(move || {
                    let mut pushed = 0;
                    while !stop.load(Ordering::Relaxed) {
                        client.push(&delivery(&format!("thread {k}"))).unwrap();
                        pushed += 1;
                    }
                    pushed
                })
            })
            .collect();
        for n in 0..CHILDREN {
            let client = &client;
            let child = fork(move |_| {
                client.push(&delivery(&format!("child {n}"))).unwrap();
                // Its own child: the third generation.
                fork(|_| {
                    client.push(&delivery(&format!("grandchild {n}"))).unwrap();
                    client.flush(Level::Synced).unwrap();
                })
                .wait();
                client.push(&delivery(&format!("child {n} again"))).unwrap();
            });
            child.wait();
        }
        stop.store(true, Ordering::Relaxed);
        from_threads = threads.into_iter().map(|t| t.join().unwrap()).sum();
    });

    let events = taken(data.path());
    assert_eq!(events.len(), from_threads + 3 * CHILDREN);
    let ids: HashSet<&str> = events
        .iter()
        .map(|(_, event)| inner(event)["event_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), events.len(), "an event id was used twice");
    for n in 0..CHILDREN {
        for name in [
            format!("child {n}"),
            format!("grandchild {n}"),
            format!("child {n} again"),
        ] {
            let count = events
                .iter()
                .filter(|(_, event)| inner(event)["rcpt_to"] == name[..]);
            assert_eq!(count.count(), 1, "{name}");
        }
    }
}

#[test]
fn a_child_may_drop_what_it_inherited() {
    let data = data();
    let client = Client::connect(data.path()).unwrap();
    client.push(&delivery("parent")).unwrap();
    let client = std::sync::Mutex::new(Some(client));
    fork(|_| {
        let client = client.lock().unwrap().take().unwrap();
        client.push(&delivery("child")).unwrap();
        client.close();
    })
    .wait();
    let client = client.into_inner().unwrap().unwrap();
    client.push(&delivery("parent again")).unwrap();
    assert_eq!(recipients(data.path()), ["parent", "child", "parent again"]);
}

#[test]
fn a_prepared_client_opens_nothing_before_it_must() {
    let data = tempfile::tempdir().unwrap();
    let inbox = data.path().join(inbox::DIR_NAME);
    let client = Client::prepared(&inbox, Arc::new(Schema::new(true)));
    let error = client.push(&delivery("too early")).unwrap_err();
    let PushError::Inbox(error) = error else {
        panic!("{error}")
    };
    assert_eq!(error.problem, Problem::Missing);
    assert_eq!(client.stats().failed, 1);
    inbox::init(data.path(), None).unwrap();
    fork(|_| {
        let event = delivery("child").str("anything", "goes");
        client.push(&event).unwrap();
    })
    .wait();
    assert_eq!(recipients(data.path()), ["child"]);
}

#[test]
fn a_push_may_wait_for_room() {
    let data = data();
    let inbox = data.path().join(inbox::DIR_NAME);
    let config = TakerConfig {
        max_bytes: 4096,
        ..TakerConfig::default()
    };
    let mut taker = Taker::open(&inbox, &[], Arc::new(SystemClock), config).unwrap();
    let client = Client::connect(data.path()).unwrap();
    while client.push(&delivery("x@x")).is_ok() {}
    let full = client.push(&delivery("x@x")).unwrap_err();
    assert!(
        matches!(&full, PushError::Inbox(e) if matches!(e.problem, Problem::Full { .. })),
        "{full}"
    );
    let patient = PushOptions {
        deadline: Some(Duration::from_secs(60)),
        ..PushOptions::default()
    };
    let event = delivery("patient@x");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let input = Input::Fields(event.ty(), event.fields());
            client.push_with(input, patient)
        });
        taker.take(usize::MAX, |_, _, _| true).unwrap();
        taker.rotate().unwrap();
        taker.take(usize::MAX, |_, _, _| true).unwrap();
        taker.committed(&taker.positions()).unwrap();
        waiting.join().unwrap().unwrap();
    });
    let mut last = 0;
    taker
        .take(usize::MAX, |_, _, _| {
            last += 1;
            true
        })
        .unwrap();
    assert_eq!(last, 1);
}
