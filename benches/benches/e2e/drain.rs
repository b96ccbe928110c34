//! A backlog drained from the log, plain and over TLS. The engine is a process of its own: one life writes the
//! backlog for a paused webhook and ends without closing anything, the next opens it and resumes the webhook.
//!
//! `EVENTS=10000000 ROUNDS=1 … -- --only drain` is the backlog of ten million; it needs 0.9 KB of disk an event,
//! in the directory that `TMPDIR` names.

use crate::Size;
use crate::rows::{Run, header, row, timed};
use crate::senders::{close, engine, limit, limit_by_reading, push, wait_delivered, webhook};
use postrider::engine::Level;
use postrider_bench::figures::median;
use postrider_bench::process::{SinkProcess, Wants};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// In the environment of the engine's process: `write` or `drain`.
const ROLE: &str = "POSTRIDER_BENCH_DRAIN";

/// Events of which the disk has to take a file besides the log.
const MOST_TWICE: u64 = 1_000_000;

pub(crate) fn measure(size: Size) {
    compare(size, false, "Backlog drained from the log");
}

pub(crate) fn measure_tls(size: Size) {
    compare(size, true, "The same over TLS");
}

fn compare(size: Size, tls: bool, title: &str) {
    let (mut base, mut read, mut drained, mut first) = (vec![], vec![], vec![], vec![]);
    for _ in 0..size.rounds {
        base.push(limit(size.events, tls));
        if !tls {
            read.push(limit_by_reading(size.events.min(MOST_TWICE)));
        }
        let (run, first_post_ms) = backlog(tls);
        drained.push(run);
        first.push(first_post_ms);
    }
    header(title, "of the limit");
    let what = match tls {
        false => "limit: prepared buffer, one connection",
        true => "limit: prepared buffer through rustls, one connection",
    };
    let base = row(what, &base, None);
    if !tls {
        row("the same, read from a file before", &read, Some(base));
    }
    row("drained", &drained, Some(base));
    println!(
        "\nFirst POST accepted {:.0} ms after opening began.",
        median(&mut first)
    );
}

/// Both lives; what the second measured.
fn backlog(tls: bool) -> (Run, f64) {
    let dir = tempfile::tempdir().expect("a directory");
    let wants = Wants {
        tls,
        ..Wants::default()
    };
    let sink = SinkProcess::start(wants).expect("a receiver");
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, sink.certificate.clone().unwrap_or_default()).expect("written");
    life("write", dir.path(), &sink);
    let said = life("drain", dir.path(), &sink);
    let numbers = said
        .split_whitespace()
        .map(|n| n.parse::<f64>().expect("a number"));
    let numbers: Vec<f64> = numbers.collect();
    let [rate, cpu, peak, first] = numbers[..] else {
        panic!("four numbers: {said}");
    };
    let run = Run {
        events_per_s: rate,
        cpu_s_per_million: cpu,
        peak_kib: peak as u64,
    };
    (run, first)
}

/// Runs one life of the engine; what it says.
fn life(role: &str, dir: &Path, sink: &SinkProcess) -> String {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(std::env::args().skip(1).filter(|arg| arg == "--test"))
        .env(ROLE, role)
        .env("DIR", dir)
        .env("TARGET", sink.url())
        .stderr(Stdio::inherit())
        .output()
        .expect("this program");
    let status = output.status;
    // The first ends by `abort`, on purpose.
    assert!(status.success() || status.signal() == Some(6), "{status}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// If this process was started to be a life: lives it.
pub(crate) fn live_if_asked(size: Size) -> bool {
    match std::env::var(ROLE).as_deref() {
        Ok("write") => write(size.events),
        Ok("drain") => drain(size.events),
        _ => return false,
    }
    true
}

fn open() -> postrider::engine::Engine {
    let dir = std::env::var("DIR").expect("a directory");
    let dir = Path::new(&dir);
    let ca = dir.join("ca.pem");
    let tls = std::env::var("TARGET").is_ok_and(|url| url.starts_with("https"));
    let ca = [("http.ca_file", ca.to_str().expect("text"))];
    engine(Some(&dir.join("data")), if tls { &ca } else { &[] })
}

fn write(events: u64) {
    let engine = open();
    let id = webhook(
        &engine,
        &std::env::var("TARGET").expect("a target"),
        "delivery",
    );
    engine.pause_webhook(id).expect("it is there");
    push(&engine, events);
    let flushed = engine.flush(Level::Written, Duration::from_secs(600));
    flushed.expect("written");
    std::process::abort();
}

/// Says rate, CPU, peak memory and when the first POST was accepted.
fn drain(events: u64) {
    let began = Instant::now();
    let engine = open();
    let id = engine.webhooks().expect("the store")[0].0.id;
    engine.resume_webhook(id).expect("it is there");
    wait_delivered(&engine, id, 1);
    let first = began.elapsed();
    let run = timed(events, || wait_delivered(&engine, id, events));
    println!(
        "{} {} {} {}",
        run.events_per_s,
        run.cpu_s_per_million,
        run.peak_kib,
        first.as_secs_f64() * 1e3
    );
    close(engine);
}
