//! Settings that change while `postrider serve` runs: by SIGHUP, by `postrider reload`, by
//! `Engine::reconfigure`.

use postrider::engine::{Engine, ReconfigureError};
use postrider_tests::binary::{Background, push, run, told, until};
use postrider_tests::receiver::{Receiver, Reply};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A `serve` with a configuration file of its own.
struct World {
    serve: Background,
    url: String,
    data: PathBuf,
    file: PathBuf,
    dir: tempfile::TempDir,
}

const OPEN: &str = "[http]\nallow_target = [\"127.0.0.0/8\"]\n";

impl World {
    fn start(settings: &str) -> World {
        let dir = tempfile::tempdir().expect("a directory");
        let (data, file) = (dir.path().join("data"), dir.path().join("postrider.toml"));
        std::fs::write(&file, settings).expect("written");
        let (data_arg, file_arg) = (text(&data), text(&file));
        let args = ["serve", "--data", data_arg, "--config", file_arg];
        let mut serve = Background::start(&[&args[..], &["--listen", "127.0.0.1:0"]].concat());
        let line = serve.wait_for("listens on http");
        let (_, url) = line.split_once("listens on ").expect("the address");
        let url = url.to_owned();
        serve.wait_for("api/v1/webhooks");
        World {
            serve,
            url,
            data,
            file,
            dir,
        }
    }

    fn write(&self, settings: &str) {
        std::fs::write(&self.file, settings).expect("written");
    }

    /// Writes the file and has it read.
    fn reload(&self, settings: &str) -> Value {
        self.write(settings);
        let done = self.run(&["reload", "--json"]);
        serde_json::from_str(&done).expect("JSON")
    }

    /// A command that must succeed; what it prints.
    fn run(&self, args: &[&str]) -> String {
        let (head, tail) = args.split_at(if args[0] == "webhook" { 2 } else { 1 });
        let done = run(&[head, &["--data", text(&self.data)], tail].concat());
        assert!(done.status.success(), "{args:?}: {}", told(&done));
        String::from_utf8(done.stdout).expect("UTF-8")
    }

    fn refused(&self, args: &[&str]) -> String {
        let done = run(&[args, &["--data", text(&self.data)]].concat());
        assert_eq!(done.status.code(), Some(1), "{args:?}: {}", told(&done));
        String::from_utf8(done.stderr).expect("UTF-8")
    }

    /// Creates a webhook; its id.
    fn webhook(&self, receiver: &Receiver) -> String {
        let target = receiver.url("/");
        let args = ["webhook", "create", "--json", "--name", "a", "--target"];
        let more = [target.as_str(), "--events", "delivery"];
        let made = self.run(&[&args[..], &more].concat());
        let made: Value = serde_json::from_str(&made).expect("JSON");
        made["id"].as_str().expect("an id").to_owned()
    }

    fn state(&self, id: &str) -> Value {
        let shown = self.run(&["webhook", "show", "--json", id]);
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        shown["state"].clone()
    }

    fn push(&self, n: usize) {
        let lines: String = (0..n)
            .map(|i| format!("{{\"type\":\"delivery\",\"rcpt_to\":\"u{i}@example.com\"}}\n"))
            .collect();
        let pushed = push(text(&self.data), lines.as_bytes());
        assert!(pushed.status.success(), "{}", told(&pushed));
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn keys(report: &Value, field: &str) -> Vec<String> {
    let all = report[field].as_array().into_iter().flatten();
    all.map(|key| key.as_str().expect("a key").to_owned())
        .collect()
}

#[test]
fn on_sighup_the_file_is_read_anew_and_holds_for_what_waits() {
    let receiver = Receiver::ok();
    let hour = format!("{OPEN}[batch]\nlinger_ms = 3600000\n");
    let mut world = World::start(&hour);
    world.webhook(&receiver);
    world.push(3);
    world.write(&format!("{OPEN}[batch]\nlinger_ms = 0\nmax_events = 1\n"));
    world.serve.hang_up();
    receiver.wait_events(3);
    assert!(receiver.posts().iter().all(|post| post.events().len() == 1));
    let line = world.serve.wait_for_error("configuration read");
    assert!(
        line.ends_with("in force now: batch.max_events, batch.linger_ms"),
        "{line}"
    );
    world.serve.terminate();
}

#[test]
fn a_file_that_is_wrong_changes_nothing_and_says_where() {
    let receiver = Receiver::ok();
    let hour = format!("{OPEN}[batch]\nlinger_ms = 3600000\n");
    let mut world = World::start(&hour);
    let id = world.webhook(&receiver);
    world.push(1);
    let at_once = format!("{OPEN}[batch]\nlinger_ms = 0\n");
    for (bad, why) in [
        (
            "in_flight = 0",
            "line 5: batch.in_flight = \"0\": must be a whole number from 1 to 256",
        ),
        (
            "max_event = 1",
            "line 5: unknown key batch.max_event: did you mean batch.max_events?",
        ),
        ("in_flight =", "line 5: not TOML"),
        ("[http]", "line 5: not TOML"),
        (
            "[serve]\ntls_cert = \"x\"",
            "serve.tls_cert and serve.tls_key: one needs the other",
        ),
        ("[log]\nmax_bytes = \"64 MiB\"", "log.max_bytes"),
        (
            "[events]\ncustom = \"message_event/delivery\"",
            "events.custom",
        ),
        ("[events]\ncustom = \"a/one,b/one\"", "events.custom"),
    ] {
        world.write(&format!("{at_once}{bad}\n"));
        let told = world.refused(&["reload"]);
        assert!(told.contains("configuration unchanged: "), "{told}");
        assert!(told.contains(why), "{told}");
    }
    for (bad, why) in [
        ("ca_file = \"/nowhere.pem\"", "/nowhere.pem"),
        ("certificate_file = \"/none.pem\"", "/none.pem"),
        ("proxy = \"ftp://x\"", "http.proxy"),
        ("no_proxy = \"a b\"", "http.no_proxy"),
    ] {
        world.write(&at_once.replace("[batch]", &format!("{bad}\n[batch]")));
        let told = world.refused(&["reload"]);
        assert!(told.contains(why), "{told}");
    }
    std::fs::remove_file(&world.file).expect("there");
    world.serve.hang_up();
    world.serve.wait_for_error("postrider.toml: No such file");
    // A whole hour has not passed: nothing of those files holds.
    assert!(receiver.posts().is_empty());
    assert_eq!(world.state(&id), Value::Null);
    assert_eq!(
        keys(&world.reload(&at_once), "applied"),
        ["batch.linger_ms"]
    );
    receiver.wait_events(1);
    world.serve.terminate();
}

#[test]
fn what_needs_a_restart_is_named_and_the_rest_holds() {
    let mut world = World::start("");
    let settings = "[queue]\nbytes = \"16 MiB\"\n[serve]\ningest_socket = \"/tmp/none\"\n\
                    log_format = \"json\"\n[api]\nrequests_per_second = 1\n";
    for _ in 0..2 {
        let report = world.reload(settings);
        let restart = ["queue.bytes", "serve.ingest_socket"];
        assert_eq!(keys(&report, "needs_restart"), restart);
    }
    let line = world.serve.wait_for_error("\"level\":\"info\"");
    let line: Value = serde_json::from_str(&line).expect("JSON");
    let message = line["message"].as_str().expect("a message");
    assert!(
        message.contains("needs a restart: queue.bytes, serve.ingest_socket"),
        "{message}"
    );
    // The limit counts by key; the socket's owner has none.
    let key = std::fs::read_to_string(world.data.join("api.key")).expect("the key");
    let list = || {
        let reach = ["--url", &world.url, "--key", key.trim()];
        told(&run(&[&["webhook", "list"][..], &reach].concat()))
    };
    until("limit", || {
        list().contains("Too many requests").then_some(())
    });
    // No key may ask for it, whatever its grants.
    let asked = || world.refused(&["reload", "--url", &world.url, "--key", key.trim()]);
    until("refusal", || asked().contains("Forbidden").then_some(()));
    world.reload("");
    until("end of the limit", || {
        (!list().contains("Too many")).then_some(())
    });
    world.serve.terminate();
}

#[test]
fn targets_are_allowed_and_refused_without_a_restart() {
    let receiver = Receiver::ok();
    let now = format!("{OPEN}[batch]\nlinger_ms = 0\n");
    let world = World::start(&now);
    let id = world.webhook(&receiver);
    world.push(1);
    receiver.wait_events(1);

    world.reload("[batch]\nlinger_ms = 0\n");
    assert_eq!(world.state(&id), "unfit");
    world.push(2);
    let target = receiver.url("/");
    let args = ["webhook", "create", "--name", "b", "--target", &target];
    let refused = world.refused(&[&args[..], &["--events", "delivery"]].concat());
    assert!(refused.contains("allow"), "{refused}");

    world.reload(&now);
    assert_eq!(world.state(&id), Value::Null);
    let events = receiver.wait_events(3);
    assert_eq!(events.len(), 3, "kept meanwhile, none twice");
    world.serve.terminate();
}

#[test]
fn the_spacing_of_retries_and_the_time_to_give_up_change_for_what_is_open() {
    let receiver = Receiver::with(|_| Reply::Status(503));
    receiver.answer(|post| {
        let test = post.body == br#"[{"msys":{}}]"#;
        Reply::Status(if test { 200 } else { 503 })
    });
    let start = format!("{OPEN}[batch]\nlinger_ms = 0\n[retry]\njitter = 0\n");
    let world = World::start(&format!("{start}schedule = [0]\n"));
    let id = world.webhook(&receiver);
    world.push(1);
    receiver.wait("attempts", |posts| posts.len() > 5);
    // Now the next one is far off.
    world.reload(&format!(
        "{start}schedule = [100000]\ngive_up_after_s = 200000\n"
    ));
    let letters = || {
        let dead = world.run(&["webhook", "dead", "--json", &id]);
        let dead: Value = serde_json::from_str(&dead).expect("JSON");
        dead.as_array().expect("an array").len()
    };
    assert_eq!(letters(), 0);
    world.reload(&format!(
        "{start}schedule = [100000]\ngive_up_after_s = 1\n"
    ));
    until("dead letter", || (letters() == 1).then_some(()));
    world.serve.terminate();
}

#[test]
fn a_renewed_certificate_is_served_from_then_on() {
    let make = || {
        let names = vec!["localhost".to_owned()];
        rcgen::generate_simple_self_signed(names).expect("a certificate")
    };
    let dir = tempfile::tempdir().expect("a directory");
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let install = |made: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        std::fs::write(&cert, made.cert.pem()).expect("written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    };
    install(&make());
    let settings = format!(
        "[serve]\ntls_cert = \"{}\"\ntls_key = \"{}\"\n",
        text(&cert),
        text(&key)
    );
    let world = World::start(&settings);
    let url = world.url.replace("127.0.0.1", "localhost");
    let api_key = std::fs::read_to_string(world.data.join("api.key")).expect("the key");
    let trusting = |ca: &Path| {
        let reach = ["--url", &url, "--key", api_key.trim(), "--ca", text(ca)];
        run(&[&["webhook", "list"][..], &reach].concat())
            .status
            .success()
    };
    let renewed = make();
    let renewed_cert = world.dir.path().join("renewed.pem");
    std::fs::write(&renewed_cert, renewed.cert.pem()).expect("written");
    assert!(trusting(&cert) && !trusting(&renewed_cert));
    install(&renewed);
    assert!(!trusting(&renewed_cert), "not before it is told");
    world.run(&["reload"]);
    assert!(trusting(&renewed_cert));
    // And to none at all.
    world.reload("");
    let plain = world.url.replace("https://", "http://");
    let reach = ["--url", &plain, "--key", api_key.trim()];
    let listed = run(&[&["webhook", "list"][..], &reach].concat());
    assert!(listed.status.success(), "{}", told(&listed));
    world.serve.terminate();
}

#[test]
fn nothing_is_lost_or_doubled_while_settings_change() {
    let receiver = Receiver::ok();
    let dir = tempfile::tempdir().expect("a directory");
    let engine = Engine::builder().data_dir(dir.path());
    let engine = engine.set("http.allow_target", "127.0.0.0/8").expect("set");
    let engine = engine.start().expect("an engine");
    let spec = postrider::webhook::WebhookSpec::new("a", &receiver.url("/"), ["delivery"]);
    engine.create_webhook(spec).expect("a webhook");
    const EVENTS: usize = 5_000;
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| {
            for i in 0..EVENTS {
                let line = format!("{{\"type\":\"delivery\",\"rcpt_to\":\"u{i}@example.com\"}}");
                let options = postrider::engine::PushOptions {
                    deadline: Some(Duration::from_secs(60)),
                    ..Default::default()
                };
                engine.push_line(line.as_bytes(), options).expect("pushed");
            }
        });
        let mut round = 0_u32;
        while !pushing.is_finished() || round < 5 {
            round += 1;
            let mut config = (*engine.config()).clone();
            for (key, value) in [
                ("batch.linger_ms", (round % 3).to_string()),
                ("batch.max_events", (1 + round % 40).to_string()),
                ("batch.in_flight", (1 + round % 4).to_string()),
                ("http.max_per_target", (1 + round % 3).to_string()),
                (
                    "queue.policy",
                    ["fail", "wait"][round as usize % 2].to_owned(),
                ),
            ] {
                config.set(key, &value).expect("allowed");
            }
            engine.reconfigure(config).expect("taken");
        }
    });
    let events = receiver.wait_events(EVENTS);
    let ids: std::collections::HashSet<_> = events
        .iter()
        .map(|event| event["msys"]["message_event"]["event_id"].to_string())
        .collect();
    assert_eq!((events.len(), ids.len()), (EVENTS, EVENTS));
    engine.close(Duration::from_secs(60)).expect("closed");
    let late = engine.reconfigure((*engine.config()).clone());
    assert!(matches!(late, Err(ReconfigureError::Closed)), "{late:?}");
}
