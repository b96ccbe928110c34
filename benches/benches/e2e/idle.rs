//! What an engine does when nothing happens: wake-ups of its threads, and CPU time, with 1,000 webhooks.

use crate::Size;
use crate::senders::{close, engine, push, wait_received, webhook};
use postrider_bench::figures::{cpu_time, resident_kib};
use postrider_bench::process::{SinkProcess, Wants};
use postrider_bench::sink::Count;
use std::time::Duration;

pub(crate) fn measure(size: Size) {
    let webhooks = size.webhooks.min(1000);
    let wants = Wants {
        count: Count::Lines,
        ..Wants::default()
    };
    let mut sink = SinkProcess::start(wants).expect("a receiver");
    let dir = tempfile::tempdir().expect("a directory");
    let engine = engine(Some(dir.path()), &[]);
    for _ in 0..webhooks {
        webhook(&engine, &sink.url(), "delivery");
    }
    push(&engine, 100);
    wait_received(&mut sink, 100 * webhooks);
    // Connections grow old (4 s), the journal is synced.
    std::thread::sleep(Duration::from_secs(size.seconds));
    let seconds = 2 * size.seconds;
    let (before, cpu) = (switches(), cpu_time());
    std::thread::sleep(Duration::from_secs(seconds));
    let (after, cpu) = (switches(), cpu_time() - cpu);
    println!("\n### Idle, {webhooks} webhooks\n");
    println!("| Wake-ups of all its threads | CPU | memory |\n|---|---|---|");
    println!(
        "| {:.1} a second | {:.2} ms a second | {:.0} MB |",
        (after - before) as f64 / seconds as f64,
        cpu.as_secs_f64() * 1e3 / seconds as f64,
        resident_kib() as f64 / 1024.0
    );
    close(engine);
}

/// Context switches of the engine's threads so far: each time one slept and was woken, or gave way.
fn switches() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("procfs");
    let threads = tasks.filter_map(|task| {
        let dir = task.ok()?.path();
        let name = std::fs::read_to_string(dir.join("comm")).ok()?;
        let status = std::fs::read_to_string(dir.join("status")).ok()?;
        name.starts_with("postrider-").then_some(status)
    });
    let count = |status: String| {
        let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
        let numbers = lines.filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok());
        numbers.sum::<u64>()
    };
    threads.map(count).sum()
}
