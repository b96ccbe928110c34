//! Many webhooks that lag, each of which wants one event in so many: how long they take to catch up, what memory
//! that needs, and what a webhook that does not lag notices of it.
//!
//! `cargo bench -p postrider-bench --bench lagging`; `WEBHOOKS` (10,000), `EVENTS` (1,000,000), `RATE` (500 events a
//! second to the healthy webhook) and `SECONDS` (10, of the healthy webhook alone) change it. The backlog needs 0.9 KB of
//! disk an event, in the directory that `TMPDIR` names.
//!
//! Each webhook is bound to a subaccount; the backlog's events are of random ones. One life of the engine writes the
//! backlog while the webhooks are paused; the next opens it, pushes to the healthy webhook alone, then resumes all and goes on
//! pushing until they have everything. Their receiver is a process of its own; memory is that of the engine, the
//! producer and the healthy webhook's receiver.

use postrider::engine::{Engine, Level, PushOptions};
use postrider::event::{Field, FieldName, Value, fields, types};
use postrider::webhook::{Subaccounts, WebhookSpec};
use postrider_bench::arrivals::{Arrivals, PUSHED, receiver};
use postrider_bench::event;
use postrider_bench::figures::{cpu_time, machine, percentile, resident_kib};
use postrider_bench::process::{Counts, SinkProcess, Wants};
use postrider_bench::sink::Count;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// In the environment of the process that writes the backlog: its directory and its target.
const ROLE: &str = "POSTRIDER_BENCH_LAGGING";

fn main() {
    postrider_bench::process::serve_if_asked();
    let test = std::env::args().any(|arg| arg == "--test");
    let number = |name, or, quick| {
        let set = std::env::var(name).ok().and_then(|v| v.parse().ok());
        if test { quick } else { set.unwrap_or(or) }
    };
    let (webhooks, events) = (
        number("WEBHOOKS", 10_000, 20),
        number("EVENTS", 1_000_000, 2_000),
    );
    if let Ok(target) = std::env::var(ROLE) {
        return write(&target, webhooks, events);
    }
    let (rate, seconds) = (number("RATE", 500, 100), number("SECONDS", 10, 1));
    println!("{}", machine());
    println!("{webhooks} webhooks that lag, {events} events; {rate} events/s to a healthy one");
    let dir = tempfile::tempdir().expect("a directory");
    let wants = Wants {
        count: Count::Lines,
        ..Wants::default()
    };
    let mut sink = SinkProcess::start(wants).expect("a receiver");
    let status = Command::new(std::env::current_exe().expect("this program"))
        .args(std::env::args().skip(1).filter(|arg| arg == "--test"))
        .env(ROLE, sink.url())
        .env("DIR", dir.path())
        .status();
    assert!(status.expect("this program").success());
    let before = sink.counts();

    let opening = Instant::now();
    let engine = open(dir.path());
    println!("opened in {:.2} s", opening.elapsed().as_secs_f64());
    let mut healthy = Healthy::new(&engine, rate);
    let until = Instant::now() + Duration::from_secs(seconds);
    healthy.push_while(|| Instant::now() < until);
    let alone = healthy.latencies();
    let (start, cpu) = (Instant::now(), cpu_time());
    resume(&engine, &mut healthy);
    println!("resumed in {:.2} s", start.elapsed().as_secs_f64());
    let mut now = before;
    healthy.push_while(|| {
        now = sink.counts();
        now.events - before.events < events
    });
    let took = start.elapsed().as_secs_f64();
    let cpu = (cpu_time() - cpu).as_secs_f64();
    let beside = healthy.latencies();
    let Counts { posts, events, .. } = now;
    let (posts, events) = (posts - before.posts, events - before.events);
    println!(
        "drained in {took:.1} s: {:.0} events/s, {:.1} CPU s; {posts} batches of {:.0}; peak memory {:.0} MB",
        events as f64 / took,
        cpu,
        events as f64 / posts as f64,
        healthy.peak_kib as f64 / 1024.0
    );
    let ms = |all: &[u64], p| percentile(all, p) as f64 / 1e6;
    for (what, all) in [("alone", &alone), ("meanwhile", &beside)] {
        println!(
            "healthy webhook, {what}: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            ms(all, 0.5),
            ms(all, 0.99),
            ms(all, 1.0)
        );
    }
    let stats = engine.stats();
    assert!(stats.balanced(), "the books");
    engine.close(Duration::from_secs(60)).expect("close");
}

fn open(dir: &Path) -> Engine {
    let settings = [
        ("http.allow_target", "127.0.0.0/8"),
        ("events.unknown_fields", "true"),
        ("queue.policy", "wait"),
        ("queue.wait_ms", "60000"),
        ("log.max_bytes", "64GiB"),
    ];
    let builder = Engine::builder().data_dir(dir.join("data"));
    let builder = settings
        .into_iter()
        .try_fold(builder, |b, (key, value)| b.set(key, value));
    builder.expect("settings").start().expect("an engine")
}

/// Lives the life that writes the backlog.
fn write(target: &str, webhooks: u64, events: u64) {
    let dir = std::env::var("DIR").expect("a directory");
    let engine = open(Path::new(&dir));
    for n in 1..=webhooks {
        let spec = WebhookSpec::new(&format!("lagging {n}"), target, ["delivery"]);
        let spec = spec
            .within(Subaccounts::One(n as u32))
            .expect("no scope yet");
        let id = engine
            .create_webhook(spec)
            .expect("the receiver answers")
            .id;
        engine.pause_webhook(id).expect("it is there");
    }
    let mut fields = event::fields();
    fields.push(Field {
        name: FieldName::Id(fields::SUBACCOUNT_ID),
        value: Value::Int(0),
    });
    let (last, mut random) = (fields.len() - 1, 88172645463325252u64);
    for _ in 0..events {
        // Marsaglia's xorshift.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        fields[last].value = Value::Int((random % webhooks) as i64 + 1);
        let pushed = engine.push_fields(types::DELIVERY, &fields, PushOptions::default());
        pushed.expect("push");
    }
    let flushed = engine.flush(Level::Written, Duration::from_secs(600));
    flushed.expect("written");
    engine.close(Duration::from_secs(60)).expect("close");
}

/// Resumes all webhooks that lag, with the healthy one's events between.
fn resume(engine: &Engine, healthy: &mut Healthy<'_>) {
    let all = engine.webhooks().expect("the store");
    let own = healthy.id;
    let mut ids = all
        .iter()
        .map(|(webhook, _)| webhook.id)
        .filter(|id| *id != own);
    healthy.push_while(|| {
        let some = ids.by_ref().take(1000).collect::<Vec<Uuid>>();
        for id in &some {
            engine.resume_webhook(*id).expect("it is there");
        }
        !some.is_empty()
    });
}

/// A webhook that has what it wants, with its producer and its receiver.
struct Healthy<'a> {
    engine: &'a Engine,
    id: Uuid,
    rate: u64,
    began: Instant,
    fields: Vec<Field<'static>>,
    arrivals: Arrivals,
    /// Events that have not arrived yet.
    owed: usize,
    peak_kib: u64,
}

impl Healthy<'_> {
    fn new(engine: &Engine, rate: u64) -> Healthy<'_> {
        let began = Instant::now();
        let (port, arrivals) = receiver(began).expect("a free port");
        let target = format!("http://127.0.0.1:{port}/");
        let mut spec = WebhookSpec::new("healthy", &target, ["bounce"]);
        spec.limits.linger_ms = Some(0);
        let mut fields = event::fields();
        fields.push(Field {
            name: FieldName::Name(PUSHED),
            value: Value::Int(0),
        });
        Healthy {
            engine,
            id: engine.create_webhook(spec).expect("it answers").id,
            rate,
            began,
            fields,
            arrivals,
            owed: 0,
            peak_kib: 0,
        }
    }

    /// Pushes at its rate; asks every 50 ms whether to go on.
    fn push_while(&mut self, mut more: impl FnMut() -> bool) {
        let (start, last) = (Instant::now(), self.fields.len() - 1);
        let each = (self.rate / 20).max(1);
        for n in 0.. {
            let due = start + Duration::from_nanos(n * 1_000_000_000 / self.rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if n % each == 0 {
                self.peak_kib = self.peak_kib.max(resident_kib());
                if !more() {
                    return;
                }
            }
            self.fields[last].value = Value::Int(self.began.elapsed().as_nanos() as i64);
            let options = PushOptions::default();
            let pushed = self
                .engine
                .push_fields(types::BOUNCE, &self.fields, options);
            pushed.expect("push");
            self.owed += 1;
        }
    }

    /// What was pushed took so long, in nanoseconds, sorted; waits for the last of it.
    fn latencies(&mut self) -> Vec<u64> {
        let mut all = Vec::with_capacity(self.owed);
        while all.len() < self.owed {
            let some = self.arrivals.recv_timeout(Duration::from_secs(60));
            all.extend(
                some.expect("every event arrives")
                    .into_iter()
                    .map(|(_, took)| took),
            );
        }
        self.owed = 0;
        all.sort_unstable();
        all
    }
}
