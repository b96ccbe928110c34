//! The price of a push to its caller: typed and JSON, 25 fields; a type that nobody wants; two producers at 100,000
//! events a second each; and librdkafka's produce call, given a ready text, with its own mock broker
//! (`compare/rdkafka.c`). Each call is timed by itself; the clock's own cost is measured and taken off.
//!
//! `cargo bench -p postrider-bench --bench push`

use postrider::engine::{Engine, PushOptions};
use postrider::event::types;
use postrider::webhook::WebhookSpec;
use postrider_bench::compare::build;
use postrider_bench::event;
use postrider_bench::figures::{machine, percentile};
use postrider_bench::prepared::texts;
use postrider_bench::process::{SinkProcess, Wants};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Producers that keep a pace, and theirs: calls in each millisecond.
const PRODUCERS: usize = 2;
const CALLS_PER_MS: usize = 100;

fn main() {
    postrider_bench::process::serve_if_asked();
    let test = std::env::args().any(|arg| arg == "--test");
    let pushes = if test { 1000 } else { 500_000 };
    println!("{}", machine());
    let sink = SinkProcess::start(Wants::default()).expect("a receiver");
    let engine = Engine::builder()
        .memory()
        .set("http.allow_target", "127.0.0.0/8")
        .and_then(|b| b.set("batch.max_events", "1000"))
        .and_then(|b| b.set("queue.bytes", "67108864"))
        .expect("settings")
        .start()
        .expect("an engine");
    let spec = WebhookSpec::new("bench", &sink.url(), ["delivery"]);
    engine.create_webhook(spec).expect("the receiver answers");

    let clock = percentile(&bursts(pushes, || true).times, 0.5);
    let (fields, object) = (event::fields(), event::object());
    let options = PushOptions::default();
    let typed = || {
        engine
            .push_fields(types::DELIVERY, &fields, options)
            .is_ok()
    };
    println!("| What | median | p99 | p99.9 | refused |\n|---|---|---|---|---|");
    row("typed, 25 fields", clock, bursts(pushes, typed));
    row(
        "JSON, 25 fields",
        clock,
        bursts(pushes, || {
            engine.push_json(types::DELIVERY, &object, options).is_ok()
        }),
    );
    row(
        "a type nobody wants",
        clock,
        bursts(pushes, || {
            engine.push_fields(types::BOUNCE, &fields, options).is_ok()
        }),
    );
    let both = std::thread::scope(|scope| {
        let producers = [(); PRODUCERS].map(|()| scope.spawn(|| paced(pushes, typed)));
        producers.map(|producer| producer.join().expect("it ends"))
    });
    let both = both.into_iter().reduce(Sample::and).expect("some");
    row("typed, two producers at 100,000/s each", clock, both);
    produce(pushes);
    println!("\nclock: {clock} ns, taken off");
    let _ = engine.close(Duration::from_secs(10));
}

/// Times in nanoseconds of calls that were taken, sorted; and how many were not.
struct Sample {
    times: Vec<u64>,
    refused: u64,
}

impl Sample {
    fn of(calls: usize) -> Sample {
        Sample {
            times: Vec::with_capacity(calls),
            refused: 0,
        }
    }

    fn call(&mut self, call: &mut impl FnMut() -> bool) {
        let start = Instant::now();
        let taken = call();
        let time = start.elapsed();
        match taken {
            true => self.times.push(time.as_nanos() as u64),
            false => self.refused += 1,
        }
    }

    fn and(mut self, other: Sample) -> Sample {
        self.times.extend(other.times);
        self.times.sort_unstable();
        self.refused += other.refused;
        self
    }
}

/// Bursts of 1,000, then a pause for the receiver.
fn bursts(calls: usize, mut call: impl FnMut() -> bool) -> Sample {
    let mut sample = Sample::of(calls);
    for n in 1..=calls {
        sample.call(&mut call);
        if n % 1000 == 0 {
            std::thread::sleep(Duration::from_micros(300));
        }
    }
    sample.and(Sample::of(0))
}

/// So many calls in each millisecond, and sleep for the rest of it.
fn paced(calls: usize, mut call: impl FnMut() -> bool) -> Sample {
    let mut sample = Sample::of(calls);
    let start = Instant::now();
    for n in 0..calls {
        if n % CALLS_PER_MS == 0 {
            let due = start + Duration::from_millis((n / CALLS_PER_MS) as u64);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        sample.call(&mut call);
    }
    sample
}

fn row(what: &str, clock: u64, sample: Sample) {
    let ns = |p| percentile(&sample.times, p).saturating_sub(clock);
    println!(
        "| {what} | {} ns | {} ns | {} ns | {} |",
        ns(0.5),
        ns(0.99),
        ns(0.999),
        sample.refused
    );
}

/// librdkafka's row.
fn produce(calls: usize) {
    let dir = tempfile::tempdir().expect("a directory");
    let Some(program) = build("rdkafka", dir.path(), &["-lrdkafka"], "librdkafka-dev") else {
        return;
    };
    let mut child = Command::new(program)
        .arg(calls.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it was built");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(&texts(1)).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "librdkafka failed");
    let said = String::from_utf8_lossy(&output.stdout);
    let [median, p99, p999, refused] = said.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("four numbers: {said}");
    };
    println!(
        "| librdkafka's produce, a ready text | {median} ns | {p99} ns | {p999} ns | {refused} |"
    );
}
