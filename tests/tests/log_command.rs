//! `postrider log`: what it says of a good directory, a damaged one, and one in use.

use postrider_tests::binary::{Served, postrider, run, told};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Pushes three events and waits until the log has them.
fn push_three(served: &Served) {
    let mut child = postrider(&["push", "--data", served.data_arg()])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("push runs");
    let mut input = child.stdin.take().expect("a pipe");
    for (kind, rcpt) in [("delivery", "ann"), ("bounce", "bob"), ("delivery", "cyd")] {
        writeln!(
            input,
            r#"{{"type":"{kind}","rcpt_to":"{rcpt}@example.com"}}"#
        )
        .expect("it reads");
    }
    drop(input);
    assert!(child.wait().expect("it ends").success());
    while dump(&served.data, &[]).1.lines().count() < 3 {
        std::thread::yield_now();
    }
}

/// A data directory of an engine that has stopped, with three events.
fn stopped(dir: &Path) -> PathBuf {
    let served = Served::start(&dir.join("data"), &[]);
    push_three(&served);
    served.process.terminate();
    served.data
}

fn log(command: &str, data: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let mut args = vec!["log", command, data.to_str().expect("a path of UTF-8")];
    args.extend(more);
    let done = run(&args);
    (
        done.status.code(),
        String::from_utf8_lossy(&done.stdout).into_owned(),
        String::from_utf8_lossy(&done.stderr).into_owned(),
    )
}

fn dump(data: &Path, more: &[&str]) -> (Option<i32>, String) {
    let (code, out, _) = log("dump", data, more);
    (code, out)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn a_good_directory_is_verified_dumped_and_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = stopped(dir.path());

    let (code, text, _) = log("verify", &data, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.ends_with("3 events in 1 segments: good\n"), "{text}");
    assert!(text.contains("the books balance"), "{text}");
    let verified = json(&log("verify", &data, &["--json"]).1);
    assert_eq!(
        (&verified["good"], &verified["events"]),
        (&true.into(), &3.into())
    );
    assert_eq!(verified["engine_pid"], Value::Null);

    let lines: Vec<String> = dump(&data, &[]).1.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3);
    let words: Vec<&str> = lines[1].splitn(5, ' ').collect();
    assert_eq!((words[0], words[2], words[3]), ("1", "bounce", "0"));
    assert_eq!(
        json(words[4])["msys"]["message_event"]["rcpt_to"],
        "bob@example.com"
    );
    let bounces = dump(&data, &["--type", "bounce,delay", "--json"]).1;
    let bounce = json(&bounces);
    assert_eq!(
        (&bounce["offset"], &bounce["type"]),
        (&1.into(), &"bounce".into())
    );
    let range = dump(&data, &["--from", "1", "--to", "2"]).1;
    assert_eq!(range.lines().count(), 1);
    assert_eq!(dump(&data, &["--subaccount", "7"]).1, "");

    let stats = json(&log("stats", &data, &["--json"]).1);
    assert_eq!(
        stats["types"],
        serde_json::json!({"bounce": 1, "delivery": 2})
    );
    assert_eq!(
        (&stats["next_offset"], &stats["events"]),
        (&3.into(), &3.into())
    );
    assert!(log("stats", &data, &[]).1.contains("types delivery: 2"));
}

#[test]
fn damage_is_named_and_is_the_exit_code() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = stopped(dir.path());
    let segment = data.join("log/00000000000000000000.seg");
    let mut bytes = std::fs::read(&segment).expect("the segment");
    let needle = b"bob@example.com";
    let at = bytes
        .windows(needle.len())
        .position(|w| w == needle)
        .expect("it is there");
    bytes[at] ^= 1;
    std::fs::write(&segment, &bytes).expect("written");

    let (code, text, errors) = log("verify", &data, &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("event at offset 1: damaged"), "{text}");
    assert!(errors.contains("damage was found"), "{errors}");
    let (code, text, _) = log("verify", &data, &["--json"]);
    assert_eq!(code, Some(1));
    assert_eq!(json(&text)["segments"][0]["damaged_events"][0], 1);
    let (code, text, errors) = log("dump", &data, &[]);
    assert_eq!((code, text.lines().count()), (Some(1), 2));
    assert!(
        errors.contains("1 damaged events were left out"),
        "{errors}"
    );
    assert_eq!(
        std::fs::read(&segment).expect("the segment"),
        bytes,
        "nothing is written"
    );
}

#[test]
fn beside_a_running_engine_it_names_it_and_disturbs_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let served = Served::start(&dir.path().join("data"), &[]);
    push_three(&served);
    let owner =
        std::fs::read_to_string(served.data.join("lock")).expect("the lock names its owner");
    let pid = owner.split(' ').nth(1).expect("pid N name").to_owned();
    let (code, text, errors) = log("verify", &served.data, &[]);
    assert_eq!(code, Some(0), "{text}{errors}");
    assert!(
        errors.contains(&format!("an engine is running (pid {pid})")),
        "{errors}"
    );
    let verified = json(&log("verify", &served.data, &["--json"]).1);
    assert_eq!(verified["engine_pid"].to_string(), pid);

    // The engine still holds its directory, and its name is in the refusal.
    let refused = run(&[
        "serve",
        "--data",
        served.data_arg(),
        "--listen",
        "127.0.0.1:0",
    ]);
    assert_eq!(refused.status.code(), Some(4), "{}", told(&refused));
    assert!(
        told(&refused).contains(&format!("pid {pid}")),
        "{}",
        told(&refused)
    );
}

#[test]
fn a_directory_without_a_log_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let (code, _, errors) = log("verify", dir.path(), &[]);
    assert_eq!(code, Some(4));
    assert!(
        errors.contains(dir.path().to_str().expect("UTF-8")),
        "{errors}"
    );
}
