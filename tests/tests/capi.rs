//! The C ABI as C programs use it: plain, under sanitizers, under valgrind.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use postrider::engine::Engine;
use postrider::webhook::WebhookSpec;
use postrider_tests::cc::{Library, Program, Under};
use postrider_tests::receiver::{Post, Receiver, Reply};
use serde_json::{Value, json};
use tempfile::TempDir;

const EVERY_WAY: [Under; 3] = [Under::Plain, Under::Sanitizers, Under::Valgrind];

/// How often each (`x_who`, `x_number`) arrived.
fn arrivals(events: &[Value]) -> BTreeMap<(String, i64), u32> {
    let mut counts = BTreeMap::new();
    for event in events {
        let fields = &event["msys"]["message_event"];
        let who = fields["x_who"]
            .as_str()
            .expect("every event says who pushed it");
        *counts
            .entry((
                who.to_owned(),
                fields["x_number"].as_i64().expect("and its number"),
            ))
            .or_default() += 1;
    }
    counts
}

fn once_each(counts: &BTreeMap<(String, i64), u32>) {
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count != 1).collect();
    assert!(twice.is_empty(), "arrived more than once: {twice:?}");
}

#[test]
fn an_example_sends_typed_and_json_events_from_four_threads() {
    for under in EVERY_WAY {
        let Some(program) = Program::build("examples/c/emit.c", Library::Engine, under) else {
            continue;
        };
        let receiver = Receiver::ok();
        let dir = TempDir::new().unwrap();
        let each = if under == Under::Valgrind {
            "50"
        } else {
            "1000"
        };
        let printed = program.run([dir.path().to_str().unwrap(), &receiver.url("/events"), each]);
        let expected = 4 * each.parse::<usize>().unwrap();
        let line =
            format!("accepted {expected} = delivered {expected} + dead 0 + dropped 0 + pending 0");
        assert!(printed.contains(&line), "{under:?}: {printed}");
        let events = receiver.wait_events(expected);
        let fields = |e: &Value| e["msys"]["message_event"].clone();
        let recipients: BTreeSet<_> = events
            .iter()
            .map(|e| fields(e)["rcpt_to"].to_string())
            .collect();
        let ids: BTreeSet<_> = events
            .iter()
            .map(|e| fields(e)["event_id"].to_string())
            .collect();
        assert_eq!(
            (events.len(), recipients.len(), ids.len()),
            (expected, expected, expected),
            "{under:?}"
        );
        let typed = events
            .iter()
            .map(fields)
            .find(|f| f["rcpt_tags"] == json!(["typed"]))
            .unwrap();
        assert_eq!(typed["type"], "delivery");
        assert_eq!(typed["subject"], "Hello");
        assert_eq!(
            typed["msg_size"]
                .as_str()
                .map(str::parse::<u32>)
                .map(|n| n.is_ok()),
            Some(true),
            "{typed}"
        );
        assert!(typed["x_thread"].is_i64(), "{typed}");
    }
}

#[test]
fn every_mistake_is_answered_with_its_number_and_a_text_that_names_it() {
    for under in EVERY_WAY {
        if let Some(program) = Program::build("tests/c/badinput.c", Library::Engine, under) {
            let dir = TempDir::new().unwrap();
            program.run([dir.path()]);
        }
    }
}

#[test]
fn children_push_through_the_handle_they_inherit_while_threads_push() {
    for under in EVERY_WAY {
        let Some(program) = Program::build("tests/c/fork.c", Library::Engine, under) else {
            continue;
        };
        let program = program.may_leak();
        let receiver = Receiver::ok();
        let dir = TempDir::new().unwrap();
        let printed = program.run([dir.path().to_str().unwrap(), &receiver.url("/")]);
        let by_threads: usize = printed.lines().last().unwrap().trim().parse().unwrap();
        let events = receiver.wait_events(by_threads + 8 * 50);
        let counts = arrivals(&events);
        once_each(&counts);
        assert_eq!(counts.len(), by_threads + 8 * 50, "{under:?}");
        for child in 0..8 {
            let of_child = counts
                .keys()
                .filter(|(who, _)| *who == format!("child {child}"))
                .count();
            assert_eq!(of_child, 50, "{under:?}: child {child}");
        }
    }
}

#[test]
fn a_host_that_daemonises_gets_a_whole_engine_again() {
    // Not under the sanitizers: what threads of the parent have locked of their allocator when it forks stays locked in
    // the child. glibc's and valgrind's look after theirs.
    for under in [Under::Plain, Under::Valgrind] {
        let Some(program) = Program::build("tests/c/daemonise.c", Library::Engine, under) else {
            continue;
        };
        let receiver = Receiver::ok();
        let dir = TempDir::new().unwrap();
        program.run([dir.path().to_str().unwrap(), &receiver.url("/")]);
        // What was under way when the launcher ended may go out again, under its id.
        let mut batches = BTreeSet::new();
        let mut posts = receiver.posts();
        posts.retain(|post| batches.insert(post.batch_id().to_owned()));
        let events: Vec<Value> = posts.iter().flat_map(Post::events).collect();
        let counts = arrivals(&events);
        once_each(&counts);
        let who: Vec<_> = counts.into_keys().collect();
        let expected = [
            ("daemon".to_owned(), 1),
            ("daemon".to_owned(), 2),
            ("launcher".to_owned(), 0),
        ];
        assert_eq!(who, expected, "{under:?}");
    }
}

#[test]
fn a_host_that_does_nothing_for_its_guest_survives_a_receiver_that_resets() {
    for under in EVERY_WAY {
        let Some(program) = Program::build("tests/c/hostile.c", Library::Engine, under) else {
            continue;
        };
        static RESETS: AtomicU32 = AtomicU32::new(0);
        RESETS.store(0, Ordering::Relaxed);
        let mut posts = 0;
        let receiver = Receiver::with(move |_| {
            posts += 1;
            // The first POST tests the target; then each connection dies until enough have.
            if posts == 1 || posts > 8 {
                return Reply::Status(200);
            }
            RESETS.fetch_add(1, Ordering::Relaxed);
            Reply::Reset
        });
        let dir = TempDir::new().unwrap();
        program.run([dir.path().to_str().unwrap(), &receiver.url("/")]);
        assert_eq!(RESETS.load(Ordering::Relaxed), 7, "{under:?}");
        let accepted = receiver.wait_events(2000);
        let all: BTreeSet<_> = arrivals(&accepted).into_keys().collect();
        assert_eq!(all.len(), 2000, "{under:?}");
    }
}

fn engine(dir: &Path) -> Engine {
    let settings = [
        ("http.allow_target", "127.0.0.0/8"),
        ("batch.linger_ms", "10"),
    ];
    let builder = Engine::builder().data_dir(dir);
    settings
        .iter()
        .fold(builder, |b, (key, value)| b.set(key, value).unwrap())
        .start()
        .unwrap()
}

#[test]
fn processes_append_with_the_engine_up_and_down() {
    const EACH: usize = 200;
    const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);
    for (library, under) in [
        (Library::Client, Under::Plain),
        (Library::Engine, Under::Plain),
        (Library::Client, Under::Sanitizers),
        (Library::Client, Under::Valgrind),
    ] {
        let Some(program) = Program::build("tests/c/client.c", library, under) else {
            continue;
        };
        let receiver = Receiver::ok();
        let dir = TempDir::new().unwrap();
        let first = engine(dir.path());
        let body = json!({"name": "test", "target": receiver.url("/"), "events": ["delivery"]});
        let spec =
            WebhookSpec::from_json(&body, |name| first.schema().lookup(name).is_some()).unwrap();
        first.create_webhook(spec).unwrap();

        let several = |round: &str| {
            let path = dir.path().to_str().unwrap();
            let names: Vec<_> = (0..4).map(|n| format!("{round} {n}")).collect();
            let started = names.iter().map(|name| {
                program
                    .command([path, name, &EACH.to_string()])
                    .spawn()
                    .unwrap()
            });
            for mut process in started.collect::<Vec<_>>() {
                assert!(process.wait().unwrap().success(), "{library:?} {under:?}");
            }
        };
        several("up");
        first.close(MINUTE).unwrap();
        several("down");
        let second = engine(dir.path());
        let events = receiver.wait_events(2 * 4 * EACH);
        let counts = arrivals(&events);
        once_each(&counts);
        assert_eq!(counts.len(), 2 * 4 * EACH, "{library:?} {under:?}");
        second.close(MINUTE).unwrap();
    }
}
