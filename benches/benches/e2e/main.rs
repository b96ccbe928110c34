//! From push to 200, measured in one run beside the limit: the same bytes from a prepared buffer over one
//! connection, to the same receiver. What is compared alternates, so that a noisy neighbour meets all.
//!
//! `cargo bench -p postrider-bench --bench e2e`, all in about three minutes; `-- --only latency,tls` picks parts,
//! `ROUNDS` (3) and `EVENTS` (1,000,000) set their length. It prints the rows of `docs/performance.md`.
//! The receiver is a process of its own: CPU time and memory are the sender's alone, the producer's included.
//! Peak memory is that of one process over all parts, so `--only` gives it undisturbed; a drain has its own.

mod drain;
mod fanout;
mod idle;
mod latency;
mod rows;
mod senders;
mod throughput;

use postrider_bench::figures::machine;

/// Events of one POST.
const BATCH: u64 = 1000;

/// How much is measured.
#[derive(Clone, Copy)]
struct Size {
    rounds: u64,
    events: u64,
    /// Seconds of what is measured by the clock.
    seconds: u64,
    /// Webhooks, where many are wanted.
    webhooks: u64,
}

/// Name, what it measures, and the function that does.
type Part = (&'static str, fn(Size));

const PARTS: &[Part] = &[
    ("throughput", throughput::measure),
    ("drain", drain::measure),
    ("tls", drain::measure_tls),
    ("all-want", fanout::all_want),
    ("one-wants", fanout::one_wants),
    ("latency", latency::measure),
    ("idle", idle::measure),
];

fn main() {
    postrider_bench::process::serve_if_asked();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let test = args.iter().any(|arg| arg == "--test");
    let number = |name, or| {
        let set = std::env::var(name).ok().and_then(|v| v.parse().ok());
        set.unwrap_or(or)
    };
    let size = match test {
        true => Size {
            rounds: 1,
            events: 10 * BATCH,
            seconds: 1,
            webhooks: 20,
        },
        false => Size {
            rounds: number("ROUNDS", 3),
            events: number("EVENTS", 1_000_000).max(10 * BATCH),
            seconds: number("SECONDS", 5),
            webhooks: 10_000,
        },
    };
    if drain::live_if_asked(size) {
        return;
    }
    let only = args.iter().position(|arg| arg == "--only");
    let only = only.and_then(|at| args.get(at + 1));
    let names: Vec<&str> = only.map_or(Vec::new(), |names| names.split(',').collect());
    for name in &names {
        let known = PARTS.iter().map(|part| part.0);
        assert!(
            known.clone().any(|part| part == *name),
            "--only {name}: parts are {}",
            known.collect::<Vec<_>>().join(",")
        );
    }
    rows::raise_descriptor_limit();
    println!("{}, {}", rows::today(), machine());
    println!(
        "{} rounds of {} events, batches of {BATCH}; median (lowest–highest)",
        size.rounds, size.events
    );
    for (name, measure) in PARTS {
        if names.is_empty() || names.contains(name) {
            measure(size);
        }
    }
}
