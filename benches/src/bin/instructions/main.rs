//! Instructions per event and per batch, counted by valgrind's callgrind, beside the recorded ones: fails
//! where a path has become more than 5 % dearer.
//!
//! `cargo run --profile counted -p postrider-bench --bin instructions`; `BLESS=1` records anew. A count is the
//! difference between a run of N and one of 2N, so what starting costs cancels out. Only the threads that walk
//! the path count. No clock is read that could change the path: time stands still where it matters, addresses
//! are not randomised, and the receiver runs outside of valgrind. Counts of one compiler repeat to less than 1 %.

mod callgrind;
mod paths;

use paths::{PATHS, Path};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// The recorded counts, beside this package's manifest.
const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");
/// How much dearer a path may become: 5 %.
const ALLOWED: f64 = 0.05;
/// What one compiler's counts say nothing about another's of.
const ARCHITECTURE: &str = "x86_64";

fn main() -> ExitCode {
    postrider_bench::process::serve_if_asked();
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [name, times] = &args[..] {
        let path = PATHS.iter().find(|path| path.name == name);
        path.expect("a path's name")
            .walk(times.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    match missing() {
        Some(why) if std::env::var("CI").as_deref() == Ok("true") => {
            eprintln!("{why}, and CI=true allows no skips");
            return ExitCode::FAILURE;
        }
        Some(why) => {
            println!("SKIPPED: {why}");
            return ExitCode::SUCCESS;
        }
        None => {}
    }
    let counts: Vec<(&Path, u64)> = PATHS.iter().map(|path| (path, count(path))).collect();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(RECORD, record(&counts)).expect("the record is written");
        println!("recorded in benches/instructions.txt");
    }
    compare(&counts, &recorded())
}

fn missing() -> Option<String> {
    if std::env::consts::ARCH != ARCHITECTURE {
        return Some(format!("the counts are those of {ARCHITECTURE}"));
    }
    let absent = ["valgrind", "setarch"]
        .into_iter()
        .find(|program| !callgrind::is_installed(program))?;
    Some(format!("{absent} is not installed"))
}

/// Instructions per event or batch.
fn count(path: &Path) -> u64 {
    let few = callgrind::instructions(path, path.times);
    let many = callgrind::instructions(path, 2 * path.times);
    (many - few) / path.times
}

fn compare(counts: &[(&Path, u64)], recorded: &BTreeMap<String, u64>) -> ExitCode {
    let mut refused = false;
    for (path, count) in counts {
        let before = recorded.get(path.name).copied();
        let verdict = verdict(*count, before);
        refused |= verdict.is_refused();
        let than = before.map_or(String::new(), |before| {
            let change = 100.0 * (*count as f64 / before as f64 - 1.0);
            format!(", recorded {before:8}, {change:+6.2} %")
        });
        println!(
            "{:14} {count:8} instructions {}{than} {}",
            path.name,
            path.each,
            verdict.text()
        );
    }
    if !refused {
        return ExitCode::SUCCESS;
    }
    println!(
        "A path of benches/src/bin/instructions/paths.rs takes more instructions than benches/instructions.txt says.\n\
         Make it cheaper, or record the new count and say in the commit why it is worth its price:\n\
         BLESS=1 cargo run --profile counted -p postrider-bench --bin instructions\n\
         The compiler here is {}; the record names the one that it was made with.",
        compiler()
    );
    ExitCode::FAILURE
}

/// What a count is beside the recorded one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Unrecorded,
    Dearer,
    Same,
    Cheaper,
}

impl Verdict {
    fn is_refused(self) -> bool {
        matches!(self, Verdict::Unrecorded | Verdict::Dearer)
    }

    fn text(self) -> &'static str {
        match self {
            Verdict::Unrecorded => "NOT RECORDED",
            Verdict::Dearer => "DEARER: more than 5 % is refused",
            Verdict::Same => "",
            Verdict::Cheaper => "cheaper: record it, so that it stays",
        }
    }
}

fn verdict(count: u64, before: Option<u64>) -> Verdict {
    let Some(before) = before else {
        return Verdict::Unrecorded;
    };
    let (now, then) = (count as f64, before as f64);
    match () {
        () if now > then * (1.0 + ALLOWED) => Verdict::Dearer,
        () if now < then * (1.0 - ALLOWED) => Verdict::Cheaper,
        () => Verdict::Same,
    }
}

/// Lines of `name count`; others are comments.
fn recorded() -> BTreeMap<String, u64> {
    let text = std::fs::read_to_string(RECORD).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pair = |line: &str| {
        let (name, count) = line.split_once(' ')?;
        Some((name.to_owned(), count.trim().parse().ok()?))
    };
    lines.filter_map(pair).collect()
}

fn record(counts: &[(&Path, u64)]) -> String {
    let mut text = format!(
        "# Instructions, counted on {ARCHITECTURE} with {}.\n\
         # BLESS=1 cargo run --profile counted -p postrider-bench --bin instructions\n",
        compiler()
    );
    for (path, count) in counts {
        text.push_str(&format!("{:14} {count:8}\n", path.name));
    }
    text
}

fn compiler() -> String {
    let version = std::process::Command::new("rustc")
        .arg("--version")
        .output();
    let text = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|_| "an unknown rustc".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_become_five_percent_dearer_and_no_more() {
        assert_eq!(verdict(1050, Some(1000)), Verdict::Same);
        assert_eq!(verdict(1051, Some(1000)), Verdict::Dearer);
        assert_eq!(verdict(949, Some(1000)), Verdict::Cheaper);
        assert!(verdict(1051, Some(1000)).is_refused());
        assert!(!verdict(949, Some(1000)).is_refused());
    }

    #[test]
    fn every_path_is_recorded_and_one_that_is_not_is_refused() {
        let recorded = recorded();
        let unrecorded: Vec<_> = PATHS
            .iter()
            .filter(|path| !recorded.contains_key(path.name))
            .collect();
        assert!(
            unrecorded.is_empty(),
            "{:?}",
            unrecorded.iter().map(|p| p.name).collect::<Vec<_>>()
        );
        assert_eq!(
            recorded.len(),
            PATHS.len(),
            "the record has a path that is not there"
        );
        assert!(verdict(1, None).is_refused());
    }
}
