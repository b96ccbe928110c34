//! From the push to the last byte of the POST that holds the event, linger 0, at 1,000 and 50,000 events a second.
//!
//! Each event carries the time of its push; the receiver, a thread here, reads it back. The producer sleeps
//! until the next event is due and then pushes all that are, so at high rates a few come at once.

use crate::Size;
use crate::senders::{close, engine};
use postrider::engine::PushOptions;
use postrider::event::{Field, FieldName, Value, types};
use postrider::webhook::WebhookSpec;
use postrider_bench::arrivals::{PUSHED, receiver};
use postrider_bench::event;
use postrider_bench::figures::percentile;
use std::time::{Duration, Instant};

pub(crate) fn measure(size: Size) {
    println!("\n### Push → receipt, linger 0, {} s each\n", size.seconds);
    println!("| Rate | mode | p50 | p99 | p99.9 |\n|---|---|---|---|---|");
    for rate in [1000, 50_000] {
        for written in [false, true] {
            let latencies = run(rate, rate * size.seconds, written);
            let ms = |p| percentile(&latencies, p) as f64 / 1e6;
            println!(
                "| {rate} events/s | {} | {:.3} ms | {:.3} ms | {:.3} ms |",
                if written { "written" } else { "in memory" },
                ms(0.5),
                ms(0.99),
                ms(0.999)
            );
        }
    }
}

/// All latencies in nanoseconds, sorted.
fn run(rate: u64, events: u64, written: bool) -> Vec<u64> {
    let began = Instant::now();
    let (port, arrivals) = receiver(began).expect("a free port");
    let dir = tempfile::tempdir().expect("a directory");
    let engine = engine(written.then(|| dir.path()), &[]);
    let url = format!("http://127.0.0.1:{port}/");
    let mut spec = WebhookSpec::new("bench", &url, ["delivery"]);
    spec.limits.linger_ms = Some(0);
    engine.create_webhook(spec).expect("the receiver answers");
    let mut fields = event::fields();
    fields.push(Field {
        name: FieldName::Name(PUSHED),
        value: Value::Int(0),
    });
    let (last, warm) = (fields.len() - 1, rate / 2);
    let start = Instant::now();
    for n in 0..warm + events {
        let due = start + Duration::from_nanos(n * 1_000_000_000 / rate);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        fields[last].value = Value::Int(began.elapsed().as_nanos() as i64);
        let pushed = engine.push_fields(types::DELIVERY, &fields, PushOptions::default());
        pushed.expect("push");
    }
    let mut all: Vec<(u64, u64)> = Vec::new();
    while (all.len() as u64) < warm + events {
        match arrivals.recv_timeout(Duration::from_secs(60)) {
            Ok(some) => all.extend(some),
            Err(_) => panic!(
                "{} of {} events arrived; the engine: {:?}",
                all.len(),
                warm + events,
                engine.stats()
            ),
        }
    }
    close(engine);
    // By time of push: the first half second warms up.
    all.sort_unstable();
    let mut latencies: Vec<u64> = all[warm as usize..].iter().map(|(_, took)| *took).collect();
    latencies.sort_unstable();
    latencies
}
