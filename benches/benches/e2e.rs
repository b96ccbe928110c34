//! Typed push → 200 at the receiver, beside the limit: the same bytes from a prepared buffer over
//! one connection. In one run, alternating, so that a noisy neighbour meets both.
//!
//! `cargo bench -p postrider-bench --bench e2e`; `ROUNDS` and `EVENTS` change the length.

use postrider::engine::{Engine, PushOptions};
use postrider::event::types;
use postrider::webhook::WebhookSpec;
use postrider_bench::event;
use postrider_bench::figures::{cpu_time, machine, median};
use postrider_bench::sink::{Sink, post_prepared, prepared_body};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Events of one POST.
const BATCH: u64 = 1000;

/// One measurement.
struct Run {
    events_per_s: f64,
    cpu_s_per_million: f64,
}

fn main() {
    let test = std::env::args().any(|arg| arg == "--test");
    let number = |name, or| {
        std::env::var(name)
            .ok()
            .and_then(|v| v.parse().ok())
            .unwrap_or(or)
    };
    let rounds = if test { 1 } else { number("ROUNDS", 5) };
    let events = if test {
        10 * BATCH
    } else {
        number("EVENTS", 2_000_000)
    };
    let body = prepared_body(BATCH);
    println!("{}", machine());
    println!(
        "{events} events of {} bytes, batches of {BATCH}, {rounds} rounds; median of rounds",
        body.len() as u64 / BATCH
    );

    let mut limit = Vec::new();
    let mut memory = Vec::new();
    let mut written = Vec::new();
    for _ in 0..rounds {
        limit.push(measure_limit(&body, events));
        memory.push(measure_engine(events, Mode::Memory));
        written.push(measure_engine(events, Mode::Written));
    }
    let base = report("limit: prepared buffer, one connection", &limit, None);
    report("typed push -> 200, in memory", &memory, Some(base));
    report("typed push -> 200, written", &written, Some(base));
}

fn report(what: &str, runs: &[Run], limit: Option<f64>) -> f64 {
    let mut rates: Vec<f64> = runs.iter().map(|r| r.events_per_s).collect();
    let mut cpu: Vec<f64> = runs.iter().map(|r| r.cpu_s_per_million).collect();
    let rate = median(&mut rates);
    let ratio = limit.map_or(String::new(), |l| {
        format!("{:5.1} % of the limit", 100.0 * rate / l)
    });
    println!(
        "{what:40} {:6.2} M events/s ({:.2}..{:.2})  {:5.2} CPU s/M  {ratio}",
        rate / 1e6,
        rates[0] / 1e6,
        rates[rates.len() - 1] / 1e6,
        median(&mut cpu),
    );
    rate
}

/// Times `work`, which moves `events` events.
fn timed(events: u64, work: impl FnOnce()) -> Run {
    let (cpu, start) = (cpu_time(), Instant::now());
    work();
    let (wall, cpu) = (start.elapsed(), cpu_time() - cpu);
    Run {
        events_per_s: events as f64 / wall.as_secs_f64(),
        cpu_s_per_million: cpu.as_secs_f64() / events as f64 * 1e6,
    }
}

fn measure_limit(body: &[u8], events: u64) -> Run {
    let sink = Sink::start(false).expect("a sink");
    timed(events, || {
        post_prepared(sink.addr, body, events / BATCH).expect("the sink answers");
    })
}

#[derive(Clone, Copy)]
enum Mode {
    Memory,
    Written,
}

fn measure_engine(events: u64, mode: Mode) -> Run {
    let sink = Sink::start(false).expect("a sink");
    let dir = tempfile::tempdir().expect("a directory");
    let builder = match mode {
        Mode::Memory => Engine::builder().memory(),
        Mode::Written => Engine::builder().data_dir(dir.path()),
    };
    let settings = [
        ("http.allow_target", "127.0.0.0/8"),
        ("batch.max_events", "1000"),
        ("queue.policy", "wait"),
        ("queue.wait_ms", "60000"),
    ];
    let engine = settings
        .iter()
        .try_fold(builder, |builder, (key, value)| builder.set(key, value))
        .expect("settings")
        .start()
        .expect("an engine");
    let target = format!("http://{}/", sink.addr);
    let spec = WebhookSpec::new("bench", &target, ["delivery"]);
    let id = engine.create_webhook(spec).expect("the sink answers").id;
    // The first use of each page is not what is measured.
    push(&engine, 20 * BATCH);
    wait_delivered(&engine, id, 20 * BATCH);
    let run = timed(events, || {
        push(&engine, events);
        wait_delivered(&engine, id, 20 * BATCH + events);
    });
    assert!(sink.received.bytes.load(Ordering::Relaxed) > events * 700);
    engine.close(Duration::from_secs(10)).expect("close");
    run
}

fn push(engine: &Engine, events: u64) {
    let fields = event::fields();
    for _ in 0..events {
        engine
            .push_fields(types::DELIVERY, &fields, PushOptions::default())
            .expect("push");
    }
}

fn wait_delivered(engine: &Engine, id: uuid::Uuid, events: u64) {
    loop {
        let stats = engine.stats();
        if stats.books.webhooks[&id].delivered >= events {
            return;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}
