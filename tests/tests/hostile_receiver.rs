//! What the HTTP client makes of `postrider receive` at its worst.

use std::time::Duration;

use postrider::http::{BodyEnd, ErrorKind, HttpError, Phase, Request, Response};
use postrider::time::{Clock, SystemClock};
use postrider_tests::binary::Background;
use postrider_tests::poster::*;

/// A receiver with one rule for every POST, and where it listens.
fn receiver(rule: &str, more: &[&str]) -> (Background, String) {
    let rule = format!("always: {rule}");
    let args = [
        "receive",
        "--listen",
        "127.0.0.1:0",
        "--quiet",
        "--rule",
        &rule,
    ];
    let mut process = Background::start(&[&args, more].concat());
    let line = process.wait_for("listening on ");
    let url = line.rsplit(' ').next().expect("an address").to_owned();
    (process, url)
}

fn outcome(rule: &str) -> Result<Response, HttpError> {
    let (_process, url) = receiver(rule, &[]);
    exchange(&mut client(), post(&url, 1000)).result
}

#[test]
fn a_clumsy_end_behind_the_head_leaves_the_status_standing() {
    for (rule, end) in [
        ("endless-body", BodyEnd::TooLong),
        ("short", BodyEnd::Truncated),
        ("long", BodyEnd::Complete),
        ("reset 65", BodyEnd::Truncated),
        ("cut", BodyEnd::Complete),
    ] {
        let response = outcome(rule).expect("an answer");
        assert_eq!((response.status, response.end), (200, end), "{rule}");
    }
}

#[test]
fn what_is_no_whole_head_is_no_answer() {
    for (rule, phase, kind) in [
        ("endless-head", Phase::Answer, ErrorKind::Protocol),
        ("garbage", Phase::Answer, ErrorKind::Protocol),
        ("reset", Phase::FirstByte, ErrorKind::Closed),
        ("close", Phase::FirstByte, ErrorKind::Closed),
        ("reset 0", Phase::FirstByte, ErrorKind::Closed),
        ("reset 20", Phase::Answer, ErrorKind::Closed),
    ] {
        let error = outcome(rule).expect_err("no answer");
        assert_eq!((error.phase, error.kind), (phase, kind), "{rule}: {error}");
    }
}

#[test]
fn what_takes_too_long_ends_at_the_deadline() {
    for (rule, phase) in [("drip 100", Phase::Answer), ("hang", Phase::FirstByte)] {
        let (_process, url) = receiver(rule, &[]);
        let request = Request {
            deadline: SystemClock.now().mono.after(Duration::from_millis(1000)),
            ..post(&url, 10)
        };
        let error = failure(&mut client(), request);
        assert_eq!(
            (error.phase, error.kind),
            (phase, ErrorKind::Timeout),
            "{rule}"
        );
    }
}

#[test]
fn an_answer_before_the_body_is_read_is_the_answer() {
    for status in [200, 413, 429] {
        let (_process, url) = receiver(&format!("early {status}"), &[]);
        let mut client = client();
        for bytes in [10, 8_000_000] {
            let response = answer(&mut client, post(&url, bytes));
            assert_eq!(response.status, status, "{bytes} bytes");
        }
        assert_eq!(client.counters().retried, 0);
    }
}

#[test]
fn tls_that_is_cut_is_told_from_tls_that_ends() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("receiver.pem");
    let tls = ["--tls", file.to_str().expect("UTF-8")];
    for (rule, end) in [("204", BodyEnd::Complete), ("cut", BodyEnd::Truncated)] {
        let (_process, url) = receiver(rule, &tls);
        assert!(url.starts_with("https://"), "{url}");
        let mut client = client_trusting(&file);
        let response = answer(&mut client, post(&url, 100_000));
        assert_eq!((response.status / 100, response.end), (2, end), "{rule}");
    }
}
