//! Runs this program under callgrind and reads what it counted.

use super::paths::{Path, Threads};
use std::process::Command;

/// What glibc would choose by the processor that it finds: its plainest code, so that machines agree.
const TUNABLES: &str = "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM";

/// Whether a program is in `PATH`.
pub(crate) fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

/// The instructions of `path` walked so many times, by the threads that count. A thread that waits for others
/// may be woken in vain now and then, which only adds: of such the least of five runs counts.
pub(crate) fn instructions(path: &Path, times: u64) -> u64 {
    let runs = match path.threads {
        Threads::Main => 1,
        Threads::Others => 5,
    };
    let counts = (0..runs).map(|_| run(path, times));
    counts.min().expect("at least one run")
}

fn run(path: &Path, times: u64) -> u64 {
    let dir = tempfile::tempdir().expect("a directory");
    let output = Command::new("setarch")
        .args([
            "-R",
            "valgrind",
            "--tool=callgrind",
            "--separate-threads=yes",
        ])
        .arg(format!(
            "--callgrind-out-file={}",
            dir.path().join("out").display()
        ))
        .arg(std::env::current_exe().expect("this program"))
        .args([path.name, &times.to_string()])
        .env("GLIBC_TUNABLES", TUNABLES)
        .output()
        .expect("valgrind runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{} failed under valgrind:\n{said}",
        path.name
    );
    let files = std::fs::read_dir(dir.path()).expect("its directory");
    let files = files.map(|file| file.expect("its file").path());
    let counted = |file: &std::path::PathBuf| {
        // One file a thread, `out-01` the main thread's; `out` is empty.
        let is_main = file.ends_with("out-01");
        match path.threads {
            Threads::Main => is_main,
            Threads::Others => !is_main,
        }
    };
    let counts = files
        .filter(counted)
        .map(|file| totals(&std::fs::read_to_string(file).expect("text")));
    let sum = counts.sum();
    assert!(
        sum > 0,
        "callgrind counted nothing for {}:\n{said}",
        path.name
    );
    sum
}

fn totals(report: &str) -> u64 {
    let totals = report
        .lines()
        .filter_map(|line| line.strip_prefix("totals: "));
    totals
        .map(|n| n.trim().parse::<u64>().expect("a number"))
        .sum()
}
