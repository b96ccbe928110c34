//! What another process takes: CPU time and memory, read from `/proc` while it runs.

use std::process::Child;
use std::time::{Duration, Instant};

/// What a process did.
pub(crate) struct Watched {
    pub(crate) events_per_s: f64,
    pub(crate) cpu_s_per_million: f64,
    pub(crate) peak_kib: u64,
}

/// Reads one process.
pub(crate) struct Watch {
    pid: u32,
    cpu: Duration,
    peak_kib: u64,
}

/// How often it is looked at.
pub(crate) const EVERY: Duration = Duration::from_millis(5);

impl Watch {
    pub(crate) fn of(child: &Child) -> Watch {
        Watch {
            pid: child.id(),
            cpu: Duration::ZERO,
            peak_kib: 0,
        }
    }

    /// Looks. A process that has just ended leaves the figures as they were.
    pub(crate) fn look(&mut self) {
        let read = |name| {
            std::fs::read_to_string(format!("/proc/{}/{name}", self.pid)).unwrap_or_default()
        };
        let status = read("status");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            number.unwrap_or(0)
        };
        let kib = field("RssAnon:") + field("RssShmem:");
        self.peak_kib = self.peak_kib.max(kib);
        // Behind the name, which may hold anything: state is field 3, user and system time are 14 and 15.
        let stat = read("stat");
        let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let times = fields
            .split(' ')
            .skip(11)
            .take(2)
            .filter_map(|n| n.parse::<u64>().ok());
        let ticks: u64 = times.sum();
        // USER_HZ is 100 on every Linux that Postrider runs on.
        self.cpu = self.cpu.max(Duration::from_millis(ticks * 10));
    }

    pub(crate) fn over(&self, events: u64, counted: u64, took: Duration) -> Watched {
        Watched {
            events_per_s: counted as f64 / took.as_secs_f64(),
            cpu_s_per_million: self.cpu.as_secs_f64() / events as f64 * 1e6,
            peak_kib: self.peak_kib,
        }
    }
}

/// Watches a process that ends by itself when it has sent `events`.
pub(crate) fn to_the_end(mut child: Child, events: u64) -> Watched {
    let (mut watch, start) = (Watch::of(&child), Instant::now());
    loop {
        watch.look();
        if let Some(status) = child.try_wait().expect("it is ours") {
            assert!(status.success(), "{status}");
            return watch.over(events, events, start.elapsed());
        }
        std::thread::sleep(EVERY);
    }
}
