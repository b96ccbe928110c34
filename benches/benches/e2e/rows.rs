//! Runs, and the rows of Markdown that they become.

use postrider_bench::figures::{cpu_time, median, resident_kib};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// One measurement.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) events_per_s: f64,
    /// Of this process.
    pub(crate) cpu_s_per_million: f64,
    /// Peak of anonymous and shared pages of this process.
    pub(crate) peak_kib: u64,
}

/// Times `work`, which moves `events` events, and watches memory meanwhile.
pub(crate) fn timed(events: u64, work: impl FnOnce()) -> Run {
    let (done, peak) = (AtomicBool::new(false), AtomicU64::new(resident_kib()));
    let (wall, cpu) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                peak.fetch_max(resident_kib(), Ordering::Relaxed);
                std::thread::park_timeout(Duration::from_millis(20));
            }
        });
        let (cpu, start) = (cpu_time(), Instant::now());
        work();
        let took = (start.elapsed(), cpu_time() - cpu);
        done.store(true, Ordering::Release);
        watcher.thread().unpark();
        took
    });
    Run {
        events_per_s: events as f64 / wall.as_secs_f64(),
        cpu_s_per_million: cpu.as_secs_f64() / events as f64 * 1e6,
        peak_kib: peak.load(Ordering::Relaxed),
    }
}

/// Begins a table of runs; `per` is what a rate is a share of.
pub(crate) fn header(title: &str, per: &str) {
    println!("\n### {title}\n");
    println!("| What | M events/s | CPU s per million | {per} | peak memory |");
    println!("|---|---|---|---|---|");
}

/// Prints a row; its rate beside `base` in percent. The median rate.
pub(crate) fn row(what: &str, runs: &[Run], base: Option<f64>) -> f64 {
    let mut rates: Vec<f64> = runs.iter().map(|r| r.events_per_s / 1e6).collect();
    let mut cpu: Vec<f64> = runs.iter().map(|r| r.cpu_s_per_million).collect();
    let rate = median(&mut rates);
    let share = base.map_or("–".to_owned(), |base| {
        format!("{:.1} %", 100.0 * rate / base)
    });
    let peak = runs.iter().map(|r| r.peak_kib).max().unwrap_or(0);
    println!(
        "| {what} | {rate:.2} ({:.2}–{:.2}) | {:.2} | {share} | {:.0} MB |",
        rates[0],
        rates[rates.len() - 1],
        median(&mut cpu),
        peak as f64 / 1024.0
    );
    rate
}

/// The date, UTC.
pub(crate) fn today() -> String {
    let output = std::process::Command::new("date")
        .args(["-u", "+%F"])
        .output();
    output.map_or("undated".to_owned(), |o| {
        String::from_utf8_lossy(&o.stdout).trim().to_owned()
    })
}

/// As many descriptors as the system gives: a connection a webhook.
pub(crate) fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let _ = setrlimit(Resource::Nofile, raised);
}
