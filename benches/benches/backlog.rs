//! A backlog of ten million events: how soon after opening the first POST leaves, how fast the
//! backlog drains beside the limit, and what memory that takes.
//!
//! `cargo bench -p postrider-bench --bench backlog`; `EVENTS` (10,000,000) changes its size. The engine is
//! a process of its own: one life writes the backlog for a paused webhook and ends without closing
//! anything, the next opens it and resumes the webhook. Memory is anonymous and shared pages, looked at every
//! 10 ms. It needs 0.9 KB of disk an event, in the directory that `TMPDIR` names.

use postrider::engine::{Engine, Level, PushOptions};
use postrider::event::types;
use postrider::webhook::WebhookSpec;
use postrider_bench::event;
use postrider_bench::figures::{machine, resident_kib};
use postrider_bench::sink::{Sink, post_prepared, prepared_body};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// In the environment of the engine's process: `write` or `drain`.
const ROLE: &str = "POSTRIDER_BENCH_BACKLOG";
const BATCH: u64 = 1000;

fn main() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let test = std::env::args().any(|arg| arg == "--test");
    let events = number("EVENTS").unwrap_or(if test { 20_000 } else { 10_000_000 });
    match std::env::var(ROLE).as_deref() {
        Ok("write") => write(events),
        Ok("drain") => drain(events),
        _ => measure(events),
    }
}

fn measure(events: u64) {
    let body = prepared_body(BATCH);
    println!("{}", machine());
    println!(
        "{events} events of {} bytes, batches of {BATCH}",
        body.len() as u64 / BATCH
    );
    let dir = tempfile::tempdir().expect("a directory");
    let sink = Sink::start(false).expect("a sink");
    life("write", events, dir.path(), &sink);
    let limit = || {
        let began = Instant::now();
        let posts = (events / BATCH).clamp(1, 2000);
        post_prepared(sink.addr, &body, posts).expect("the sink answers");
        posts as f64 * BATCH as f64 / began.elapsed().as_secs_f64()
    };
    let before = limit();
    life("drain", events, dir.path(), &sink);
    println!(
        "limit: prepared buffer, one connection: {:.2} and {:.2} M events/s, before and after",
        before / 1e6,
        limit() / 1e6
    );
}

/// Runs one life of the engine and passes on what it says.
fn life(role: &str, events: u64, dir: &std::path::Path, sink: &Sink) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .env(ROLE, role)
        .env("EVENTS", events.to_string())
        .env("DIR", dir)
        .env("TARGET", format!("http://{}/", sink.addr))
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program");
    for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
        println!("{}", line.expect("text"));
    }
    let status = child.wait().expect("it ends");
    // The first ends by `abort`, on purpose.
    assert!(status.success() || status.signal() == Some(6), "{status}");
}

fn engine() -> Engine {
    [
        ("http.allow_target", "127.0.0.0/8"),
        ("batch.max_events", "1000"),
        ("queue.policy", "wait"),
        ("queue.wait_ms", "60000"),
        ("log.max_bytes", "64GiB"),
    ]
    .iter()
    .try_fold(
        Engine::builder().data_dir(std::env::var("DIR").expect("a directory")),
        |builder, (key, value)| builder.set(key, value),
    )
    .expect("settings")
    .start()
    .expect("an engine")
}

fn write(events: u64) {
    let engine = engine();
    let target = std::env::var("TARGET").expect("a target");
    let spec = WebhookSpec::new("bench", &target, ["delivery"]);
    let id = engine.create_webhook(spec).expect("the sink answers").id;
    engine.pause_webhook(id).expect("it is there");
    let fields = event::fields();
    let began = Instant::now();
    for _ in 0..events {
        let pushed = engine.push_fields(types::DELIVERY, &fields, PushOptions::default());
        pushed.expect("push");
    }
    let flushed = engine.flush(Level::Written, Duration::from_secs(600));
    flushed.expect("written");
    println!(
        "written for a paused webhook: {:.2} M events/s; memory then {:.0} MB",
        events as f64 / began.elapsed().as_secs_f64() / 1e6,
        resident_kib() as f64 / 1024.0
    );
    std::process::abort();
}

fn drain(events: u64) {
    let began = Instant::now();
    let done = AtomicBool::new(false);
    let peak = AtomicU64::new(0);
    let (first, whole) = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                peak.fetch_max(resident_kib(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let engine = engine();
        let opened = began.elapsed();
        let webhooks = engine.webhooks().expect("the store");
        let id = webhooks[0].0.id;
        engine.resume_webhook(id).expect("it is there");
        let delivered = || engine.stats().books.webhooks[&id].delivered;
        while delivered() == 0 {
            std::thread::sleep(Duration::from_micros(200));
        }
        let first = began.elapsed();
        println!("opened after {:.3} s", opened.as_secs_f64());
        while delivered() < events {
            std::thread::sleep(Duration::from_millis(1));
        }
        done.store(true, Ordering::Release);
        let whole = began.elapsed();
        engine.close(Duration::from_secs(10)).expect("close");
        (first, whole)
    });
    println!(
        "first POST accepted {:.3} s after opening began; drained at {:.2} M events/s; peak memory {:.0} MB",
        first.as_secs_f64(),
        events as f64 / (whole - first).as_secs_f64() / 1e6,
        peak.load(Ordering::Relaxed) as f64 / 1024.0
    );
}
