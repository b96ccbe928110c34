//! Filters in an engine: what receivers get, what the books say, and what is there after a restart.

use postrider::client::Client;
use postrider::engine::{Engine, Level, Outcome};
use postrider::event::{Event, types};
use postrider::filter::{FilterSpec, State};
use postrider::webhook::WebhookSpec;
use postrider_tests::filters::Modules;
use postrider_tests::receiver::{Post, Receiver};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

fn engine(dir: &Path) -> Result<Engine, postrider::engine::OpenError> {
    let builder = Engine::builder().data_dir(dir);
    let builder = builder.set("http.allow_target", "127.0.0.0/8").unwrap();
    let builder = builder.set("queue.bytes", "16 MiB").unwrap();
    builder.set("batch.linger_ms", "0").unwrap().start()
}

fn push(engine: &Engine, fields: &[(&str, &str)]) {
    let mut event = Event::new(types::DELIVERY);
    for (name, value) in fields {
        event = event.str(*name, value);
    }
    engine.push(&event).unwrap();
    engine.flush(Level::Written, MINUTE).unwrap();
}

#[test]
fn what_filters_drop_or_hold_is_not_delivered_and_the_books_balance() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let (dir, receiver) = (tempfile::tempdir().unwrap(), Receiver::ok());
    let open = engine(dir.path()).unwrap();
    let url = receiver.url("/");
    let spec = WebhookSpec::new("all", &url, ["delivery"]);
    let webhook = open.create_webhook(spec).unwrap().id;
    open.set_filters(vec![modules.spec("closed"), modules.spec("traces")])
        .unwrap();

    push(&open, &[("x_n", "1")]);
    push(&open, &[("x_drop", "1")]);
    push(&open, &[("x_provoke", "1")]);
    push(&open, &[("x_n", "2")]);
    let events = receiver.wait_events(2);
    let seen: Vec<&str> = events
        .iter()
        .map(|e| e["msys"]["message_event"]["x_n"].as_str().unwrap())
        .collect();
    assert_eq!(seen, ["1", "2"]);
    assert!(
        events
            .iter()
            .all(|e| e["msys"]["message_event"]["x_trace"] == "?")
    );

    let stats = open.stats();
    assert!(stats.balanced(), "{stats:?}");
    assert_eq!(stats.books.webhooks[&webhook].accepted, 2);
    assert_eq!(
        stats.log.events, 3,
        "the held event is in the log, the dropped one is not"
    );
    let closed = &open.filters()[0];
    assert_eq!(closed.stats.dropped["told to"], 1);
    assert_eq!(closed.stats.held, 1);
    let metrics = open.metrics();
    for line in [
        r#"postrider_filter_events_total{filter="closed"} 4"#,
        r#"postrider_filter_dropped_total{filter="closed",reason="told to"} 1"#,
        r#"postrider_filter_held_total{filter="closed"} 1"#,
        r#"postrider_filter_running{filter="traces"} 1"#,
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line}\n{metrics}");
    }
    open.close(MINUTE).unwrap();
}

#[test]
fn the_chain_is_kept_and_an_engine_without_its_filters_does_not_start() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let open = engine(dir.path()).unwrap();
    open.put_filter(modules.spec("good")).unwrap();
    open.put_filter(modules.spec("traces")).unwrap();
    open.move_filter("traces", 0).unwrap();
    open.put_filter(FilterSpec {
        enabled: false,
        ..modules.spec("open")
    })
    .unwrap();
    assert_eq!(
        open.remove_filter("none").unwrap_err().to_string(),
        "no filter is named none"
    );
    let names = |engine: &Engine| -> Vec<(String, State)> {
        engine
            .filters()
            .into_iter()
            .map(|f| (f.spec.name, f.state))
            .collect()
    };
    let expected = [
        ("traces".to_owned(), State::Running),
        ("good".to_owned(), State::Running),
        ("open".to_owned(), State::Off),
    ];
    assert_eq!(names(&open), expected);
    open.close(MINUTE).unwrap();

    // As an engine leaves it that is killed while it loads a filter.
    let left = dir
        .path()
        .join("filters/postrider-filter-1-0-0123456789abcdef.so");
    std::fs::write(&left, "").unwrap();
    let again = engine(dir.path()).unwrap();
    assert!(!left.exists());
    assert_eq!(names(&again), expected);
    again.enable_filter("open", true).unwrap();
    again.remove_filter("traces").unwrap();
    again.reload_filter("good").unwrap();
    again.close(MINUTE).unwrap();

    std::fs::remove_file(modules.dir().join("good.so")).unwrap();
    let error = engine(dir.path()).err().unwrap().to_string();
    assert!(
        error.starts_with("filter good: ") && error.contains("cannot be read"),
        "{error}"
    );
}

#[test]
fn a_filter_that_never_returns_does_not_keep_an_engine_from_closing() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let open = engine(dir.path()).unwrap();
    let spec = FilterSpec {
        timeout_ms: 100,
        ..modules.spec("never_returns")
    };
    open.set_filters(vec![spec]).unwrap();
    // Wanted, so that it is taken at all.
    let receiver = Receiver::ok();
    open.create_webhook(WebhookSpec::new("all", &receiver.url("/"), ["delivery"]))
        .unwrap();
    push(&open, &[("x_provoke", "1")]);
    assert_eq!(open.filters()[0].state, State::Lost);
    open.close(MINUTE).unwrap();
}

#[test]
fn held_events_are_listed_kept_and_released_through_the_chain_again() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let (dir, receiver) = (tempfile::tempdir().unwrap(), Receiver::ok());
    let open = engine(dir.path()).unwrap();
    open.create_webhook(WebhookSpec::new("all", &receiver.url("/"), ["delivery"]))
        .unwrap();
    // First one that changes events: a held event must not have been changed when it is released.
    open.set_filters(vec![modules.spec("traces"), modules.spec("closed")])
        .unwrap();
    for n in ["1", "2", "3"] {
        push(&open, &[("x_n", n), ("x_provoke", "1")]);
    }
    push(&open, &[("x_n", "4")]);
    receiver.wait_events(1);
    let held = |engine: &Engine| -> Vec<u64> {
        engine
            .held_events(100)
            .unwrap()
            .iter()
            .map(|held| held.offset)
            .collect()
    };
    assert_eq!(held(&open), [0, 1, 2]);
    assert!(!open.held_events(1).unwrap()[0].text.contains("x_trace"));
    // Released into the same chain they are held again, in new places.
    assert_eq!(open.release_held().unwrap(), 3);
    open.flush(Level::Written, MINUTE).unwrap();
    assert_eq!(held(&open), [4, 5, 6]);
    open.close(MINUTE).unwrap();

    let again = engine(dir.path()).unwrap();
    assert_eq!(held(&again), [4, 5, 6]);
    again.set_filters(vec![modules.spec("traces")]).unwrap();
    assert_eq!(again.release_held().unwrap(), 3);
    again.flush(Level::Written, MINUTE).unwrap();
    let events = receiver.wait_events(4);
    let mut seen: Vec<&str> = events
        .iter()
        .map(|e| {
            let event = &e["msys"]["message_event"];
            assert_eq!(event["x_trace"], "?", "seen once by the first filter");
            event["x_n"].as_str().unwrap()
        })
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, ["1", "2", "3", "4"]);
    assert!(held(&again).is_empty());
    assert_eq!(again.release_held().unwrap(), 0);
    assert!(again.stats().balanced());
    again.close(MINUTE).unwrap();
}

/// Under `log.keep = wanted`, where what no webhook needs goes as soon as a segment is wanted.
#[test]
fn held_events_are_kept_while_what_nobody_needs_is_recycled() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let (dir, receiver) = (tempfile::tempdir().unwrap(), Receiver::ok());
    let small = || {
        let builder = Engine::builder().data_dir(dir.path());
        let builder = builder.set("http.allow_target", "127.0.0.0/8").unwrap();
        let builder = builder.set("log.keep", "wanted").unwrap();
        let builder = builder.set("log.segment_bytes", "4 MiB").unwrap();
        builder
            .set("batch.linger_ms", "0")
            .unwrap()
            .start()
            .unwrap()
    };
    let open = small();
    open.create_webhook(WebhookSpec::new("all", &receiver.url("/"), ["delivery"]))
        .unwrap();
    open.set_filters(vec![modules.spec("closed")]).unwrap();
    let text = "t".repeat(100_000);
    // More until some of it was recycled: what lies before the held event, or behind it.
    let push_more = |engine: &Engine, recycled: u64| {
        let deadline = Instant::now() + MINUTE;
        while engine.stats().log.recycled < recycled {
            assert!(Instant::now() < deadline, "{:?}", engine.stats().log);
            push(engine, &[("x_text", &text)]);
        }
    };
    push(&open, &[("x_n", "held"), ("x_provoke", "1")]);
    push_more(&open, 2);
    let held = |engine: &Engine| engine.held_events(10).unwrap().len();
    assert_eq!(held(&open), 1);
    open.close(MINUTE).unwrap();

    let again = small();
    push_more(&again, 2);
    assert_eq!(held(&again), 1);
    assert_eq!(again.stats().log.first_offset, 0);
    again.set_filters(Vec::new()).unwrap();
    assert_eq!(again.release_held().unwrap(), 1);
    let released = |posts: &[Post]| {
        let holds = |post: &Post| String::from_utf8_lossy(&post.body).contains(r#""x_n":"held""#);
        posts.iter().any(holds)
    };
    receiver.wait("the released event", released);
    // Nothing is held any more, so its segment goes too.
    let deadline = Instant::now() + MINUTE;
    while again.stats().log.first_offset == 0 {
        assert!(Instant::now() < deadline, "{:?}", again.stats().log);
        push(&again, &[("x_text", &text)]);
    }
    again.close(MINUTE).unwrap();
}

#[test]
fn a_type_that_a_filter_selects_by_name_is_wanted_as_long_as_it_is_in_force() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let open = engine(dir.path()).unwrap();
    let push = |ty| open.push(&Event::new(ty).str("x_n", "1")).unwrap().outcome;
    assert_eq!(push(types::BOUNCE), Outcome::Unwanted);
    open.put_filter(modules.spec("traces")).unwrap();
    assert_eq!(push(types::BOUNCE), Outcome::Unwanted, "it names none");
    let mut spec = modules.spec("good");
    spec.events = vec!["bounce".into()];
    open.put_filter(spec).unwrap();
    assert_ne!(push(types::BOUNCE), Outcome::Unwanted);
    assert_eq!(push(types::DELIVERY), Outcome::Unwanted);
    // A webhook that comes and goes leaves the filter's wish alone.
    let receiver = Receiver::ok();
    let spec = WebhookSpec::new("one", &receiver.url("/"), ["delivery"]);
    let webhook = open.create_webhook(spec).unwrap().id;
    assert_ne!(push(types::DELIVERY), Outcome::Unwanted);
    open.delete_webhook(webhook, true).unwrap();
    assert_eq!(push(types::DELIVERY), Outcome::Unwanted);
    open.close(MINUTE).unwrap();

    let open = engine(dir.path()).unwrap();
    let push = |ty| open.push(&Event::new(ty).str("x_n", "1")).unwrap().outcome;
    assert_ne!(
        push(types::BOUNCE),
        Outcome::Unwanted,
        "also after a restart"
    );
    open.enable_filter("good", false).unwrap();
    assert_eq!(push(types::BOUNCE), Outcome::Unwanted);
    open.close(MINUTE).unwrap();
}

#[test]
fn a_logger_that_is_set_later_gets_what_filters_say() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let open = engine(dir.path()).unwrap();
    let said: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = said.clone();
    open.set_logger(Some(Arc::new(move |_, line| {
        told.lock().unwrap().push(line.to_owned());
    })));
    let mut spec = modules.spec("open");
    spec.events = vec!["delivery".into()];
    open.set_filters(vec![spec]).unwrap();
    push(&open, &[("x_provoke", "1")]);
    let said = said.lock().unwrap();
    assert!(
        said.iter().any(|line| line.contains("failed the batch")),
        "{said:?}"
    );
    drop(said);
    open.close(MINUTE).unwrap();
}

/// More than a frame takes: 1 MiB.
#[test]
fn events_that_grow_past_a_frame_are_all_written() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let (dir, receiver) = (tempfile::tempdir().unwrap(), Receiver::ok());
    let open = engine(dir.path()).unwrap();
    open.create_webhook(WebhookSpec::new("all", &receiver.url("/"), ["delivery"]))
        .unwrap();
    open.set_filters(vec![modules.spec("emits"), modules.spec("traces")])
        .unwrap();
    // Each event brings another, so the writer's full frames come out of the filters with more than fits.
    let text = "t".repeat(1000);
    let event = Event::new(types::DELIVERY).str("x_provoke", &text);
    for _ in 0..5000 {
        open.push(&event).unwrap();
    }
    open.flush(Level::Written, MINUTE).unwrap();
    let events = receiver.wait_events(10_000);
    let added = events
        .iter()
        .filter(|e| e["msys"]["message_event"]["x_added"] == true)
        .count();
    assert_eq!((events.len(), added), (10_000, 5000));
    assert!(open.stats().balanced());
    open.close(MINUTE).unwrap();
}

/// Where the magic of each frame begins in a segment, after the one that its header is in.
fn frames(segment: &[u8]) -> Vec<usize> {
    let at_magic = |&at: &usize| segment[at..].starts_with(b"PRFM");
    (64..segment.len() - 8)
        .step_by(8)
        .filter(at_magic)
        .collect()
}

/// Puts into `to` what is in `from`, directories and all.
fn copy(from: &Path, to: &Path) {
    let mut cp = std::process::Command::new("cp");
    cp.arg("-a").arg(from.join(".")).arg(to);
    assert!(cp.status().unwrap().success());
}

/// The frames of a batch that grew are written one after the other, so a crash can come between any two. It is played here by
/// wiping the log from each frame on, beside an inbox as it was before.
#[test]
fn a_crash_within_a_batch_that_grew_takes_no_inbox_event_twice_and_loses_none() {
    const EVENTS: u64 = 2000;
    let Some(modules) = Modules::new() else {
        return;
    };
    let kept_all = |dir: &Path| {
        let builder = Engine::builder().data_dir(dir);
        let builder = builder.set("log.keep", "all").unwrap();
        let builder = builder.set("queue.bytes", "16 MiB").unwrap();
        builder.start().unwrap()
    };
    let in_log = |engine: &Engine| {
        let log = engine.stats().log;
        log.next_offset - log.first_offset
    };
    let wait = |engine: &Engine| {
        let deadline = Instant::now() + MINUTE;
        while in_log(engine) < EVENTS && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let dir = tempfile::tempdir().unwrap();
    let open = kept_all(dir.path());
    open.set_filters(vec![modules.spec("traces")]).unwrap();
    open.close(MINUTE).unwrap();
    let client = Client::connect(dir.path()).unwrap();
    let text = "t".repeat(1000);
    for n in 0..EVENTS {
        let n = n.to_string();
        let event = Event::new(types::DELIVERY).str("x_n", &n);
        client.push(&event.str("x_text", &text)).unwrap();
    }
    client.close();
    let before = tempfile::tempdir().unwrap();
    copy(dir.path(), before.path());

    let open = kept_all(dir.path());
    wait(&open);
    assert_eq!(in_log(&open), EVENTS);
    open.close(MINUTE).unwrap();
    let log = std::fs::read_dir(dir.path().join("log")).unwrap();
    let whole = log.map(|entry| entry.unwrap().path());
    let (path, segment) = whole
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .find(|(_, bytes)| bytes.starts_with(b"PRSEGMT1") && !frames(bytes).is_empty())
        .expect("a segment with frames");
    let frames = frames(&segment);
    assert!(
        frames.len() > 2,
        "a batch has grown past its frame: {frames:?}"
    );
    for cut in &frames[1..] {
        let crashed = tempfile::tempdir().unwrap();
        copy(dir.path(), crashed.path());
        copy(&before.path().join("inbox"), &crashed.path().join("inbox"));
        let mut damaged = segment.clone();
        damaged[*cut..].fill(0);
        let path = crashed.path().join("log").join(path.file_name().unwrap());
        std::fs::write(path, damaged).unwrap();
        let again = kept_all(crashed.path());
        wait(&again);
        again.close(MINUTE).unwrap();
        assert_eq!(in_log(&again), EVENTS, "cut at {cut} of {frames:?}");
    }
}
