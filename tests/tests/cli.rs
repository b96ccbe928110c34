//! The binary's commands, and what they say to bad input.

use postrider::webhook::WebhookSpec;
use postrider_tests::binary::{Background, Served, push, run, told, until};
use postrider_tests::books;
use postrider_tests::receiver::{Receiver, Reply};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;

fn create(served: &Served, more: &[&str]) -> Output {
    let mut args = vec!["webhook", "create", "--data", served.data_arg()];
    args.extend(more);
    run(&args)
}

#[test]
fn a_webhook_is_created_listed_tested_changed_and_deleted() {
    let receiver = Receiver::ok();
    let dir = tempfile::tempdir().expect("a directory");
    let served = Served::start(&dir.path().join("data"), &[]);
    let data = served.data_arg();
    let url = receiver.url("/");
    let made = create(
        &served,
        &[
            "--name",
            "first",
            "--target",
            &url,
            "--events",
            "delivery,bounce",
        ],
    );
    assert!(made.status.success(), "{}", told(&made));
    let id = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    uuid::Uuid::parse_str(&id).expect("the id alone is printed");

    let list = told(&run(&["webhook", "list", "--data", data]));
    assert!(
        list.contains(&id) && list.contains("first") && list.contains("2 types"),
        "{list}"
    );
    let test = told(&run(&["webhook", "test", &id, "--data", data]));
    assert!(
        test.contains("Test POST to endpoint succeeded") && test.contains("200"),
        "{test}"
    );
    let changed = run(&["webhook", "update", &id, "--name", "second", "--data", data]);
    assert!(changed.status.success(), "{}", told(&changed));
    let shown = run(&["webhook", "show", &id, "--data", data]);
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["name"], "second");

    // It is there after a restart, and its books are a metric.
    served.process.terminate();
    let served = Served::start(&dir.path().join("data"), &[]);
    let data = served.data_arg();
    let list = told(&run(&["webhook", "list", "--data", data]));
    assert!(list.contains(&id), "{list}");
    let stats = told(&run(&["stats", "--data", data]));
    assert!(
        stats.contains(&format!("postrider_webhook_pending{{webhook=\"{id}\"}} 0")),
        "{stats}"
    );
    assert!(
        run(&["webhook", "delete", &id, "--data", data])
            .status
            .success()
    );
    assert_eq!(told(&run(&["webhook", "list", "--data", data])), "");
    let gone = run(&["webhook", "show", &id, "--data", data]);
    assert_eq!(gone.status.code(), Some(1), "{}", told(&gone));
}

#[test]
fn a_key_is_shown_once_and_does_what_it_was_granted() {
    let dir = tempfile::tempdir().expect("a directory");
    let served = Served::start(&dir.path().join("data"), &[]);
    let data = served.data_arg();
    let made = run(&[
        "key",
        "create",
        "--grant",
        "webhooks/view",
        "--label",
        "viewer",
        "--data",
        data,
    ]);
    assert!(made.status.success(), "{}", told(&made));
    let key = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    assert!(
        !key.contains(char::is_whitespace) && key.len() >= 40,
        "{key:?}"
    );
    let as_viewer = |args: &[&str]| {
        let mut all = args.to_vec();
        all.extend(["--url", &served.url, "--key", &key]);
        run(&all)
    };
    assert!(as_viewer(&["webhook", "list"]).status.success());
    let refused = as_viewer(&[
        "webhook",
        "create",
        "--name",
        "x",
        "--target",
        "http://127.0.0.1/",
        "--events",
        "delivery",
    ]);
    assert_eq!(refused.status.code(), Some(1), "{}", told(&refused));

    let list = told(&run(&["key", "list", "--data", data]));
    let line = list
        .lines()
        .find(|l| l.contains("viewer"))
        .expect("the key is listed");
    assert!(!list.contains(&key), "a key's text is not kept");
    let id = line.split_whitespace().next().expect("an id");
    assert!(run(&["key", "revoke", id, "--data", data]).status.success());
    assert_eq!(as_viewer(&["webhook", "list"]).status.code(), Some(1));

    let unknown = run(&["key", "create", "--grant", "everything", "--data", data]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(told(&unknown).contains("everything"), "{}", told(&unknown));
}

#[test]
fn a_bad_line_is_named_by_its_number_and_the_rest_goes_on() {
    let receiver = Receiver::ok();
    let dir = tempfile::tempdir().expect("a directory");
    let served = Served::start(&dir.path().join("data"), &["--set", "batch.linger_ms=0"]);
    let url = receiver.url("/");
    let made = create(
        &served,
        &[
            "--name",
            "all",
            "--target",
            &url,
            "--events",
            "delivery,bounce",
        ],
    );
    assert!(made.status.success(), "{}", told(&made));

    let mut lines = Vec::new();
    lines.extend_from_slice(b"{\"type\":\"delivery\",\"rcpt_to\":\"a@b\"}\n");
    lines.extend_from_slice(b"{\"type\":\"no_such_type\"}\n");
    lines.extend_from_slice(b"{\"type\":\"delivery\",\n");
    lines.extend_from_slice(b"{\"type\":\"delivery\",\"rcpt_tags\":7}\n");
    lines.extend_from_slice(b"{\"type\":\"delivery\",\"subject\":\"\xff\xfe\"}\n");
    lines.extend_from_slice(b"{\"type\":\"delivery\",\"subject\":\"");
    lines.extend_from_slice(&vec![b'x'; 10 << 20]);
    lines.extend_from_slice(b"\"}\n\n");
    lines.extend_from_slice(
        b"{\"msys\":{\"message_event\":{\"type\":\"bounce\",\"rcpt_to\":\"c@d\"}}}\n",
    );
    let pushed = push(served.data_arg(), &lines);
    let text = told(&pushed);
    assert_eq!(pushed.status.code(), Some(1), "{text}");
    for (line, part) in [
        (2, "no_such_type"),
        (3, ""),
        (4, "rcpt_tags"),
        (5, "subject"),
        (6, "131072"),
    ] {
        let prefix = format!("line {line}: ");
        let told = text
            .lines()
            .find_map(|l| l.split_once(&prefix))
            .map(|(_, why)| why);
        assert!(
            told.is_some_and(|why| why.contains(part)),
            "line {line}, {part:?}: {text}"
        );
    }
    assert!(text.contains("2 events pushed, 5 lines refused"), "{text}");
    let events = receiver.wait_events(2);
    let types: Vec<&str> = events
        .iter()
        .filter_map(|e| e["msys"]["message_event"]["type"].as_str())
        .collect();
    assert_eq!(types, ["delivery", "bounce"]);
}

#[test]
fn a_webhook_that_cannot_be_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let served = Served::start(&dir.path().join("data"), &[]);
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}/", listener.local_addr().expect("its address"))
    };
    let events = ["--events", "delivery"];
    let cases: &[(&[&str], &str)] = &[
        (
            &["--name", "x", "--target", &nobody, events[0], events[1]],
            "ECONNREFUSED",
        ),
        (
            &["--name", "x", "--target", "not a url", events[0], events[1]],
            "target",
        ),
        (
            &[
                "--name",
                "x",
                "--target",
                "ftp://example.com/",
                events[0],
                events[1],
            ],
            "target",
        ),
        (
            &[
                "--name",
                "x",
                "--target",
                &nobody,
                "--events",
                "delivery,opened",
            ],
            "opened",
        ),
        (
            &["--target", &nobody, events[0], events[1]],
            "'name' is required",
        ),
        (
            &[
                "--name",
                "x",
                "--target",
                "http://10.0.0.1/",
                events[0],
                events[1],
            ],
            "10.0.0.1",
        ),
    ];
    for (fields, part) in cases {
        let refused = create(&served, fields);
        let text = told(&refused);
        assert_eq!(refused.status.code(), Some(1), "{fields:?}: {text}");
        assert!(text.contains(part), "{fields:?}: {text}");
    }
    assert_eq!(
        told(&run(&["webhook", "list", "--data", served.data_arg()])),
        ""
    );
}

#[test]
fn serve_names_what_it_cannot_have() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let served = Served::start(&data, &[]);
    let refused = |args: &[&str]| {
        let mut all = vec!["serve"];
        all.extend(args);
        let output = run(&all);
        (output.status.code(), told(&output))
    };
    let port = served
        .url
        .strip_prefix("http://")
        .expect("an address")
        .to_owned();
    let other = dir.path().join("other");
    let other = other.to_str().expect("UTF-8");
    let (code, text) = refused(&["--data", other, "--listen", &port]);
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains(&port), "the port in use: {text}");

    let (code, text) = refused(&["--data", served.data_arg(), "--listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(4), "{text}");
    assert!(
        text.contains("held by another engine") && text.contains("pid"),
        "{text}"
    );

    let (code, text) = refused(&["--data", "/proc/postrider", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(4), "{text}");
    assert!(
        text.contains("/proc/postrider"),
        "a directory that cannot be: {text}"
    );

    let config = dir.path().join("wrong.toml");
    std::fs::write(&config, "[batch]\nmax_event = 5\n").expect("written");
    let config = config.to_str().expect("UTF-8");
    let (code, text) = refused(&[
        "--data",
        other,
        "--config",
        config,
        "--listen",
        "127.0.0.1:0",
    ]);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("batch.max_event") && text.contains("batch.max_events"),
        "{text}"
    );

    let (code, text) = refused(&[
        "--data",
        other,
        "--set",
        "queue.policy=never",
        "--listen",
        "127.0.0.1:0",
    ]);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("queue.policy") && text.contains("wait"),
        "{text}"
    );
    // The one that was there never noticed.
    assert!(
        run(&["webhook", "list", "--data", served.data_arg()])
            .status
            .success()
    );
}

#[test]
fn commands_without_an_engine_say_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().to_str().expect("UTF-8");
    let output = run(&["webhook", "list", "--data", data]);
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    assert!(
        told(&output).contains("postrider serve"),
        "{}",
        told(&output)
    );
    let output = push(data, b"{\"type\":\"delivery\"}\n");
    assert_eq!(output.status.code(), Some(4), "{}", told(&output));
    assert!(told(&output).contains("inbox"), "{}", told(&output));

    // With an inbox, pushing needs no engine.
    assert!(run(&["init", "--data", data]).status.success());
    let output = push(data, b"{\"type\":\"delivery\"}\n");
    assert!(output.status.success(), "{}", told(&output));
}

#[test]
fn the_receiver_fails_by_rule_and_counts() {
    let mut receiver = Background::start(&[
        "receive",
        "--listen",
        "127.0.0.1:0",
        "--count",
        "--token",
        "s3cret",
        "--rule",
        "first 2: 503 retry-after=1",
        "--exit-after",
        "3",
    ]);
    let line = receiver.wait_for("listening on ");
    let url = line
        .split_once("listening on ")
        .expect("the address")
        .1
        .to_owned();
    let dir = tempfile::tempdir().expect("a directory");
    let served = Served::start(
        &dir.path().join("data"),
        &[
            "--set",
            "batch.linger_ms=0",
            "--set",
            "retry.schedule=1",
            "--set",
            "batch.in_flight=1",
        ],
    );
    let fields = ["--name", "r", "--target", &url, "--events", "delivery"];
    let wrong = create(&served, &[&fields[..], &["--token", "wrong"]].concat());
    assert!(told(&wrong).contains("401"), "{}", told(&wrong));
    let made = create(&served, &[&fields[..], &["--token", "s3cret"]].concat());
    assert!(made.status.success(), "{}", told(&made));
    let lines = b"{\"type\":\"delivery\"}\n{\"type\":\"delivery\"}\n{\"type\":\"delivery\"}\n";
    assert!(push(served.data_arg(), lines).status.success());
    let summary = receiver.wait_for("3 events in ");
    assert!(
        summary.contains("0 batches came again after a 2xx"),
        "{summary}"
    );
    assert!(receiver.printed.contains(": 503"), "{}", receiver.printed);
}

#[test]
fn help_completions_and_man_page_are_there() {
    let help = told(&run(&["--help"]));
    for command in ["serve", "push", "webhook", "key", "receive", "Exit codes"] {
        assert!(help.contains(command), "{help}");
    }
    for command in ["serve", "push", "receive"] {
        let help = told(&run(&[command, "--help"]));
        assert!(help.contains("Examples:"), "{help}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(told(&run(&["completions", shell])).contains("postrider"));
    }
    let man = told(&run(&["man"]));
    assert!(
        man.starts_with(".ie") || man.contains(".TH postrider"),
        "{}",
        &man[..200.min(man.len())]
    );
    assert!(told(&run(&["config"])).contains("batch.max_events"));
    assert!(Path::new(postrider_tests::binary::binary()).exists());
}

#[test]
fn a_webhook_is_paused_and_resumed_and_its_dead_letters_and_past_are_replayed() {
    let receiver = Receiver::ok();
    let dir = tempfile::tempdir().expect("a directory");
    let body = json!({"name": "n", "target": receiver.url("/"), "events": ["delivery"],
        "outcomes": {"404": "dead"}, "limits": {"batch_events": 4, "linger_ms": 0}});
    let spec = WebhookSpec::from_json(&body, |_| true).expect("a webhook");
    let engine = books::engine(Some(dir.path()), &[]);
    let id = engine.create_webhook(spec).expect("created").id.to_string();
    books::close(&engine);
    let served = Served::start(dir.path(), &[]);
    let data = served.data_arg();
    let webhook = |args: &[&str]| {
        let done = run(&[&["webhook"], args, &["--data", data]].concat());
        (done.status.code(), told(&done).trim().to_owned())
    };
    let done = |args: &[&str]| {
        let (code, text) = webhook(args);
        assert_eq!(code, Some(0), "{args:?}: {text}");
        text
    };
    let books = |name: &str| {
        let line = format!("postrider_webhook_{name}{{webhook=\"{id}\"}} ");
        let stats = told(&run(&["stats", "--data", data]));
        let number = stats.lines().find_map(|l| l.strip_prefix(&line));
        number.and_then(|n| n.parse::<u64>().ok())
    };
    let lines = |n: usize| "{\"type\":\"delivery\"}\n".repeat(n).into_bytes();

    // Dead letters: one by its id, then all.
    receiver.answer(|_| Reply::Status(404));
    assert!(push(data, &lines(10)).status.success());
    until("dead letters", || {
        (books("pending")? == 0 && books("dead_total")? == 10).then_some(())
    });
    let letters = done(&["dead", &id]);
    assert!(
        letters
            .lines()
            .all(|l| l.contains("rejected") && l.contains("404")),
        "{letters}"
    );
    let json: Value = serde_json::from_str(&done(&["dead", &id, "--json"])).expect("JSON");
    let first = &json[0];
    let (batch, events) = (
        first["batch_id"].as_str().expect("an id"),
        &first["batch_size"],
    );
    assert!(letters.starts_with(first["ts"].as_str().expect("a time")) && letters.contains(batch));
    assert_eq!(done(&["dead", &id, "--limit", "1"]).lines().count(), 1);
    receiver.answer(|_| Reply::Status(200));
    assert_eq!(
        done(&["replay", &id, batch]),
        format!("1 batches, {events} events")
    );
    let (code, text) = webhook(&["replay", &id, batch]);
    assert!(
        code == Some(1) && text.contains(batch),
        "it is none any more: {text}"
    );
    let rest = 10 - events.as_u64().expect("a number");
    let replayed = done(&["replay", &id, "--all"]);
    assert!(
        replayed.ends_with(&format!(" batches, {rest} events")),
        "{replayed}"
    );
    until("them delivered", || {
        (books("delivered_total")? == 10 && books("dead_total")? == 0).then_some(())
    });
    assert_eq!(done(&["dead", &id]), "");

    // Held, then let go.
    let before = receiver.posts().len();
    assert_eq!(done(&["pause", &id]), "paused");
    assert!(push(data, &lines(3)).status.success());
    until("events that wait", || {
        (books("pending")? == 3).then_some(())
    });
    assert_eq!(receiver.posts().len(), before, "nothing leaves");
    assert_eq!(done(&["resume", &id]), "up");
    until("them delivered", || {
        (books("delivered_total")? == 13).then_some(())
    });

    // A stretch of time, under new batch ids.
    let past = done(&["replay", &id, "--from", "2020-01-01T00:00:00Z"]);
    assert!(past.ends_with(" batches, 13 events"), "{past}");
    until("them delivered again", || {
        (books("delivered_total")? == 26).then_some(())
    });
    let none = [
        "replay",
        &id,
        "--from",
        "2020-01-01T00:00:00Z",
        "--to",
        "2020-01-02T00:00:00Z",
    ];
    assert_eq!(done(&none), "0 batches, 0 events");
    let nobody = "00000000-0000-0000-0000-000000000000";
    for command in ["pause", "resume", "dead"] {
        let (code, text) = webhook(&[command, nobody]);
        assert_eq!(code, Some(1), "{command}: {text}");
    }
    served.process.terminate();
}
