//! What users would otherwise pick, beside Postrider, in one run: the same events from the same file, POSTed as JSON
//! arrays to the same receiver, which counts each event once. And libcurl with a POST an event.
//!
//! `cargo bench -p postrider-bench --bench rivals`; `EVENTS` (300,000) and `-- --only syslog-ng` (part of a name) change
//! it. A rival that is not installed is left out, and the reason said. Rate: from the first event at the receiver to
//! the last. CPU time and peak memory (anonymous and shared) are of the rival's process. Lost on `kill -9`: killed
//! when the receiver has half of the events, started again, and what has not come when nothing more comes for 10 s.
//! Configurations: `compare/`.

mod feed;
mod shippers;
mod watch;

use postrider_bench::compare::{build, is_installed};
use postrider_bench::figures::machine;
use postrider_bench::prepared::{texts, write_lines};
use postrider_bench::process::{SinkProcess, Wants};
use shippers::SHIPPERS;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use watch::Watched;

fn main() {
    postrider_bench::process::serve_if_asked();
    if feed::live_if_asked() {
        return;
    }
    let args: Vec<String> = std::env::args().collect();
    let test = args.iter().any(|arg| arg == "--test");
    let set = std::env::var("EVENTS").ok().and_then(|v| v.parse().ok());
    let events: u64 = if test { 5000 } else { set.unwrap_or(300_000) };
    let only = args.iter().position(|arg| arg == "--only");
    let only = only.and_then(|at| args.get(at + 1));
    let chosen = |name: &str| only.is_none_or(|only| name.contains(only.as_str()));
    println!("{}; {events} events", machine());
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("events.ndjson");
    write_lines(&file, events).expect("written");
    println!(
        "\n| What | events/s | CPU s per million | peak memory | lost on `kill -9` |\n|---|---|---|---|---|"
    );
    for shipper in SHIPPERS.iter().filter(|shipper| chosen(shipper.name)) {
        let there = match shipper.program {
            None => true,
            // The rivals are other people's to test.
            Some((program, package)) => !test && is_installed(program, package),
        };
        if there {
            let watched = shippers::carry(shipper, &file, events);
            let lost = shippers::kill(shipper, &file, events);
            assert!(
                !shipper.acknowledges || lost == 0,
                "{}: {lost} lost",
                shipper.name
            );
            row(shipper.name, &watched, &format!("{lost} of {events}"));
        }
    }
    if chosen("libcurl") {
        one_post_an_event(dir.path(), if test { 100 } else { events / 5 });
    }
}

fn row(name: &str, watched: &Watched, lost: &str) {
    println!(
        "| {name} | {:.0} | {:.2} | {:.0} MB | {lost} |",
        watched.events_per_s,
        watched.cpu_s_per_million,
        watched.peak_kib as f64 / 1024.0
    );
}

/// libcurl: as many POSTs as events.
fn one_post_an_event(dir: &Path, events: u64) {
    let Some(program) = build("curl", dir, &["-lcurl"], "libcurl4-openssl-dev") else {
        return;
    };
    let sink = SinkProcess::start(Wants::default()).expect("a receiver");
    let mut child = Command::new(program)
        .args([sink.url(), events.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it was built");
    let mut input = child.stdin.take().expect("piped");
    let mut text = texts(1);
    text.truncate(text.len() - 2);
    input.write_all(&text).expect("it reads");
    drop(input);
    let watched = watch::to_the_end(child, events);
    row(
        "libcurl, one POST an event",
        &watched,
        "what the caller has not sent",
    );
}
