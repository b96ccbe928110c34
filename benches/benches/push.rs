//! The price of a push to its caller: typed and JSON, 25 fields, and a type that nobody wants.
//! Each call is timed by itself; the clock's own cost is measured and taken off.
//!
//! `cargo bench -p postrider-bench --bench push`

use postrider::engine::{Engine, PushOptions};
use postrider::event::types;
use postrider::webhook::WebhookSpec;
use postrider_bench::event;
use postrider_bench::figures::{machine, percentile};
use postrider_bench::sink::{How, Sink};
use std::time::{Duration, Instant};

fn main() {
    let test = std::env::args().any(|arg| arg == "--test");
    let pushes = if test { 1000 } else { 500_000 };
    println!("{}", machine());
    let sink = Sink::start(How::default()).expect("a sink");
    let engine = Engine::builder()
        .memory()
        .set("http.allow_target", "127.0.0.0/8")
        .and_then(|b| b.set("batch.max_events", "1000"))
        .and_then(|b| b.set("queue.bytes", "67108864"))
        .expect("settings")
        .start()
        .expect("an engine");
    let target = format!("http://{}/", sink.addr);
    let spec = WebhookSpec::new("bench", &target, ["delivery"]);
    engine.create_webhook(spec).expect("the sink answers");

    let clock = sample(pushes, || true);
    let clock = percentile(&clock, 0.5);
    let fields = event::fields();
    let object = event::object();
    let options = PushOptions::default();
    println!(
        "{:28} {:>8} {:>8} {:>8} {:>9}",
        "", "median", "p99", "p99.9", "refused"
    );
    let row = |what: &str, push: &mut dyn FnMut() -> bool| {
        let mut refused = 0;
        let mut times = sample(pushes, || {
            let taken = push();
            refused += u64::from(!taken);
            taken
        });
        times.iter_mut().for_each(|t| *t = t.saturating_sub(clock));
        println!(
            "{what:28} {:5} ns {:5} ns {:5} ns {refused:9}",
            percentile(&times, 0.5),
            percentile(&times, 0.99),
            percentile(&times, 0.999),
        );
    };
    row("typed, 25 fields", &mut || {
        engine
            .push_fields(types::DELIVERY, &fields, options)
            .is_ok()
    });
    row("JSON, 25 fields", &mut || {
        engine.push_json(types::DELIVERY, &object, options).is_ok()
    });
    row("a type nobody wants", &mut || {
        engine.push_fields(types::BOUNCE, &fields, options).is_ok()
    });
    println!("clock: {clock} ns, taken off");
    let _ = engine.close(Duration::from_secs(10));
}

/// Times of single calls that were taken, sorted; bursts of 1,000, then a pause for the receiver.
fn sample(calls: usize, mut call: impl FnMut() -> bool) -> Vec<u64> {
    let mut times = Vec::with_capacity(calls);
    for n in 0..calls {
        let start = Instant::now();
        let taken = call();
        let time = start.elapsed();
        if taken {
            times.push(time.as_nanos() as u64);
        }
        if n % 1000 == 999 {
            std::thread::sleep(Duration::from_micros(300));
        }
    }
    times.sort_unstable();
    times
}
