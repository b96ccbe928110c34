//! `postrider filter check`: what an engine would ask of a filter, and more, without one.
//!
//! Each step prints its name before it begins, so that a filter that hangs or takes the process down is caught in the act.

use super::events;
use crate::error::CliError;
use postrider::filter::{FilterSpec, Report, Trial};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What one step may take before the filter counts as stuck.
const STUCK: Duration = Duration::from_secs(60);
/// Memory that may stay after all of them: what allocators keep, not what a filter loses each time.
const LEAK: u64 = 4 << 20;
/// Events of a batch when the cost is measured.
const BATCH: usize = 256;

type Step = Result<String, String>;

/// `lives`: instances made and ended while looking for what stays.
pub(crate) fn run(file: &Path, config: Option<&str>, lives: usize) -> Result<(), CliError> {
    let file = std::path::absolute(file).map_err(CliError::environment)?;
    let mut spec = FilterSpec::new("check", &file);
    if let Some(config) = config {
        let config = serde_json::from_str(config);
        spec.config =
            config.map_err(|e| CliError::Usage(format!("--config: not a JSON object: {e}")))?;
    }
    let copies = Copies::new()?;
    let kit = Kit {
        spec,
        copies: copies.0.clone(),
        lives,
    };
    type Check = fn(&Kit) -> Step;
    let steps: [(&str, Check); 8] = [
        ("loads", Kit::loads),
        ("an empty batch", |kit| kit.survives(&[])),
        ("every event type", |kit| {
            kit.survives(&events::of_every_type())
        }),
        ("extreme events", |kit| kit.survives(&events::extreme())),
        ("random events", |kit| {
            kit.survives(&events::random(1, 10 * kit.lives))
        }),
        ("events one by one", Kit::one_by_one),
        ("cost", Kit::cost),
        ("what stays of many instances", Kit::remains),
    ];
    let mut failed = 0;
    for (name, check) in steps {
        print!("{name:30} ");
        let _ = std::io::stdout().flush();
        let (ok, text) = match kit.step(check) {
            Ok(text) => ("ok  ", text),
            Err(text) => ("FAIL", text),
        };
        println!("{ok}  {text}");
        if ok == "FAIL" {
            failed += 1;
            if name == "loads" {
                break;
            }
        }
    }
    match failed {
        0 => Ok(()),
        n => Err(CliError::Refused(format!(
            "{}: {n} checks failed",
            file.display()
        ))),
    }
}

/// A directory for the copies that filters are loaded from.
struct Copies(PathBuf);

impl Copies {
    fn new() -> Result<Copies, CliError> {
        let path = std::env::temp_dir().join(format!("postrider-check-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(CliError::environment)?;
        Ok(Copies(path))
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Clone)]
struct Kit {
    spec: FilterSpec,
    copies: PathBuf,
    lives: usize,
}

impl Kit {
    /// Runs a step on a thread of its own, so that one that never returns can be told.
    fn step(&self, check: fn(&Kit) -> Step) -> Step {
        let kit = self.clone();
        let (give, take) = mpsc::sync_channel(1);
        std::thread::spawn(move || give.send(check(&kit)));
        take.recv_timeout(STUCK)
            .unwrap_or_else(|_| Err(format!("did not end within {} s", STUCK.as_secs())))
    }

    fn open(&self) -> Result<Trial, String> {
        Trial::open(&self.spec, &self.copies).map_err(|e| e.problem.to_string())
    }

    fn loads(&self) -> Step {
        let trial = self.open()?;
        let about = trial.about();
        Ok(format!("{} {}: {}", about.id, about.version, about.summary))
    }

    fn survives(&self, lines: &[String]) -> Step {
        let mut trial = self.open()?;
        let report = trial.run(lines);
        judge(&report)?;
        let (changed, dropped, added) = (report.changed, report.dropped(), report.emitted.len());
        Ok(format!(
            "{changed} changed, {dropped} dropped, {added} added"
        ))
    }

    fn one_by_one(&self) -> Step {
        let mut trial = self.open()?;
        let all = [
            events::of_every_type(),
            events::extreme(),
            events::random(2, 500),
        ]
        .concat();
        for line in &all {
            let report = trial.run(&[line]);
            judge(&report).map_err(|why| format!("{why}, with {}", excerpt(line)))?;
        }
        Ok(format!("{} batches of one", all.len()))
    }

    /// The fastest tenth of many batches: what the filter takes, without what the machine does meanwhile.
    fn cost(&self) -> Step {
        let mut trial = self.open()?;
        let samples = events::of_every_type();
        let lines: Vec<&String> = samples.iter().cycle().take(BATCH).collect();
        let batches = 2 * self.lives;
        let mut times: Vec<Duration> = Vec::with_capacity(batches);
        for _ in 0..batches {
            let report = trial.run(&lines);
            judge(&report)?;
            times.push(report.took);
        }
        times.sort_unstable();
        let each = |at: usize| times[at].as_nanos() / BATCH as u128;
        Ok(format!(
            "{} ns an event (p10), {} ns (median), in batches of {BATCH}",
            each(batches / 10),
            each(batches / 2)
        ))
    }

    /// Threads and memory before and after many lives.
    fn remains(&self) -> Step {
        let lines = events::of_every_type();
        let trial = self.open()?;
        let live = |lives: usize| -> Result<(), String> {
            for _ in 0..lives {
                let mut next = trial.again().map_err(|e| e.to_string())?;
                judge(&next.run(&lines))?;
            }
            Ok(())
        };
        // What is made once, and what the allocator keeps, is not what is looked for.
        live(self.lives / 4)?;
        let before = (threads(), resident());
        live(self.lives)?;
        let settled = Instant::now() + Duration::from_secs(2);
        while threads() > before.0 && Instant::now() < settled {
            std::thread::sleep(Duration::from_millis(10));
        }
        let (threads, grown) = (
            threads().saturating_sub(before.0),
            resident().saturating_sub(before.1),
        );
        if threads > 0 {
            return Err(format!("{threads} threads outlive destroy()"));
        }
        if grown > LEAK {
            return Err(format!(
                "{} KiB stay of each instance",
                grown / 1024 / self.lives as u64
            ));
        }
        Ok(format!("no thread, {} KiB in all", grown / 1024))
    }
}

/// A filter without fault fails nothing that is an event.
fn judge(report: &Report) -> Result<(), String> {
    if let Some(why) = &report.failed {
        return Err(why.clone());
    }
    if report.out_of_turn > 0 {
        return Err(format!("{} calls out of turn", report.out_of_turn));
    }
    match report.failures().next() {
        Some(why) => Err(format!("an event failed: {why}")),
        None => Ok(()),
    }
}

fn excerpt(line: &str) -> String {
    line.chars().take(120).collect()
}

/// Threads of this process.
fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// Resident memory in bytes.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    pages * rustix::param::page_size() as u64
}
