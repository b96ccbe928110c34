//! django-anymail, unchanged, as a receiver: what arrives is what it makes of SparkPost's own events.

use postrider_tests::binary::{Served, push, run, told};
use postrider_tests::cc::workspace;
use postrider_tests::packages;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

/// A Django site with anymail in a process of its own.
struct Anymail {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Anymail {
    fn start(secret: &str) -> Option<Anymail> {
        let mut process = packages::python("anymail")?
            .arg(workspace().join("tests/interop/anymail_site.py"))
            .arg(secret)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python runs");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let port = lines.next().expect("its port").expect("UTF-8");
        Some(Anymail {
            process,
            lines,
            url: format!("http://127.0.0.1:{port}/anymail/sparkpost/tracking/"),
        })
    }

    /// The next event that its signal gave.
    fn event(&mut self) -> Value {
        let line = self.lines.next().expect("an event").expect("UTF-8");
        serde_json::from_str(&line).expect("JSON")
    }
}

impl Drop for Anymail {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn create(served: &Served, target: &str, basic: &str) -> std::process::Output {
    let data = served.data_arg();
    run(&[
        "webhook",
        "create",
        "--data",
        data,
        "--name",
        "anymail",
        "--target",
        target,
        "--all-events",
        "--basic",
        basic,
    ])
}

/// What anymail calls each type.
const NORMALIZED: [(&str, &str); 27] = [
    ("bounce", "bounced"),
    ("delivery", "delivered"),
    ("injection", "queued"),
    ("sms_status", "unknown"),
    ("spam_complaint", "complained"),
    ("out_of_band", "bounced"),
    ("policy_rejection", "rejected"),
    ("delay", "deferred"),
    ("click", "clicked"),
    ("open", "opened"),
    ("initial_open", "unknown"),
    ("amp_click", "clicked"),
    ("amp_open", "opened"),
    ("amp_initial_open", "unknown"),
    ("generation_failure", "failed"),
    ("generation_rejection", "rejected"),
    ("list_unsubscribe", "unsubscribed"),
    ("link_unsubscribe", "unsubscribed"),
    ("relay_injection", "unknown"),
    ("relay_rejection", "unknown"),
    ("relay_delivery", "unknown"),
    ("relay_tempfail", "unknown"),
    ("relay_permfail", "unknown"),
    ("ab_test_completed", "unknown"),
    ("ab_test_cancelled", "unknown"),
    ("success", "unknown"),
    ("error", "unknown"),
];

#[test]
fn each_type_arrives_as_the_normalized_event_that_it_should_be() {
    let Some(mut anymail) = Anymail::start("user:pass:word") else {
        return;
    };
    let dir = tempfile::tempdir().expect("a directory");
    let served = Served::start(&dir.path().join("data"), &["--set", "batch.linger_ms=0"]);
    let made = create(&served, &anymail.url, "user:pass:word");
    assert!(made.status.success(), "{}", told(&made));

    let samples = postrider::event::samples(|_| true);
    let lines: Vec<String> = samples.iter().map(Value::to_string).collect();
    let pushed = push(served.data_arg(), lines.join("\n").as_bytes());
    assert!(pushed.status.success(), "{}", told(&pushed));
    let events = (0..samples.len()).map(|_| anymail.event());
    let events: BTreeMap<String, Value> = events
        .map(|event| {
            (
                event["original"].as_str().expect("a type").to_owned(),
                event,
            )
        })
        .collect();

    let normalized = |name: &str| events[name]["event_type"].as_str().map(str::to_owned);
    for (name, anymails) in NORMALIZED {
        // A bounce class says more than the type does: see below.
        if !matches!(name, "bounce" | "out_of_band") {
            assert_eq!(normalized(name).as_deref(), Some(anymails), "{name}");
        }
    }
    for sample in &samples {
        let fields = sample["msys"]
            .as_object()
            .expect("a category")
            .values()
            .next();
        let fields = fields.expect("the fields");
        let event = &events[fields["type"].as_str().expect("a type")];
        for (anymails, field) in [
            ("message_id", "transmission_id"),
            ("event_id", "event_id"),
            ("recipient", "raw_rcpt_to"),
            ("mta_response", "raw_reason"),
            ("click_url", "target_link_url"),
            ("user_agent", "user_agent"),
        ] {
            // Postrider fills an event id in where an event has none.
            let filled = anymails == "event_id" && fields.get(field).is_none();
            if !filled {
                assert_eq!(&event[anymails], &fields[field], "{anymails} of {fields}");
            }
        }
        let time: i64 = fields["timestamp"]
            .as_str()
            .expect("text")
            .parse()
            .expect("seconds");
        assert_eq!(event["timestamp"], time);
        let tags: Vec<&Value> = fields.get("campaign_id").into_iter().collect();
        assert_eq!(event["tags"], json!(tags));
        let metadata = fields.get("rcpt_meta").cloned().unwrap_or(json!({}));
        assert_eq!(event["metadata"], metadata);
    }
    served.process.terminate();
}

#[test]
fn bounce_classes_are_the_text_that_it_looks_for() {
    let Some(mut anymail) = Anymail::start("user:pass") else {
        return;
    };
    let dir = tempfile::tempdir().expect("a directory");
    let served = Served::start(&dir.path().join("data"), &["--set", "batch.linger_ms=0"]);
    let made = create(&served, &anymail.url, "user:pass");
    assert!(made.status.success(), "{}", told(&made));
    // Given as a number, as an MTA has it.
    for (class, event_type, reason) in [
        (10, "bounced", "invalid"),
        (51, "bounced", "spam"),
        (60, "autoresponded", "other"),
        (80, "subscribed", "other"),
        (90, "unsubscribed", "unsubscribed"),
    ] {
        let line = json!({"type": "bounce", "bounce_class": class, "transmission_id": "1"});
        let pushed = push(served.data_arg(), line.to_string().as_bytes());
        assert!(pushed.status.success(), "{}", told(&pushed));
        let event = anymail.event();
        assert_eq!(event["event_type"], event_type, "{class}: {event}");
        assert_eq!(event["reject_reason"], reason, "{class}: {event}");
    }
    served.process.terminate();
}

#[test]
fn its_400_to_a_wrong_secret_is_the_apis_error() {
    let Some(anymail) = Anymail::start("user:pass") else {
        return;
    };
    let dir = tempfile::tempdir().expect("a directory");
    let served = Served::start(&dir.path().join("data"), &[]);
    let refused = create(&served, &anymail.url, "user:wrong");
    assert_eq!(refused.status.code(), Some(1));
    let told = told(&refused);
    assert!(
        told.contains("POST to webhook target URL failed with non-2xx response code 400"),
        "{told}"
    );
    served.process.terminate();
}
