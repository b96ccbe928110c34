//! The host with every violation once more, under what watches memory: valgrind, and AddressSanitizer with the modules built for
//! it. This program runs itself; what it finds there is a bug of the host's, or of a module that should have had another one.

use postrider_tests::cc::{have_sanitizers, need_program, output, skip, text};
use postrider_tests::filters::{Host, Modules, SANITIZED, event};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

/// The tests in which modules do what they must not, in a call and in being loaded.
const VIOLATIONS: [&str; 3] = [
    "contain::",
    "load::each_violation_of_the_entry",
    "load::a_configuration_is_refused",
];

/// What valgrind runs takes 30 times as long: one at a time.
pub(crate) static VALGRIND: Mutex<()> = Mutex::new(());

/// Runs tests of this program again.
fn again(mut watcher: Command, tests: &[&str]) -> Output {
    watcher.args(tests).arg("--test-threads=2");
    // Many calls, to no other end than to count what is said of them.
    watcher.args(["--skip", "what_is_said_of_failures"]);
    output(&mut watcher)
}

/// What watches must see nothing in the violations, and not be blind.
fn watch(watcher: impl Fn() -> Command, seen: &str) {
    let violations = again(watcher(), &VIOLATIONS);
    let told = text(&violations);
    assert!(violations.status.success(), "{told}");
    assert!(!told.contains(seen), "{told}");
    assert!(told.contains("ok. 9 passed"), "{told}");
    let blind = again(watcher(), &["one_that_overruns_its_memory", "--ignored"]);
    let told = text(&blind);
    assert!(!blind.status.success() && told.contains(seen), "{told}");
}

fn this() -> PathBuf {
    std::env::current_exe().unwrap()
}

#[test]
fn valgrind_finds_no_error_in_the_host_of_any_violation() {
    if !need_program("cc") || !need_program("valgrind") {
        return;
    }
    let _one = VALGRIND.lock().unwrap_or_else(PoisonError::into_inner);
    let valgrind = || {
        let mut valgrind = Command::new("valgrind");
        // It runs one thread at a time: in turn, or a filter that spins keeps the one that is to give it up from running.
        valgrind
            .args(["--quiet", "--error-exitcode=99", "--fair-sched=yes"])
            .arg(this());
        valgrind
    };
    watch(valgrind, "Invalid write of size 1");
}

#[test]
fn address_sanitizer_finds_no_error_in_any_violation_and_its_host() {
    if !need_program("cc") || !have_sanitizers() {
        return;
    }
    let found = output(Command::new("cc").arg("-print-file-name=libasan.so"));
    let runtime = String::from_utf8(found.stdout).unwrap().trim().to_owned();
    if !runtime.starts_with('/') {
        skip("AddressSanitizer's runtime is not a shared object here");
        return;
    }
    let sanitized = || {
        let mut this = Command::new(this());
        this.env("LD_PRELOAD", &runtime).env(SANITIZED, "1");
        // A call that never returns keeps what it has.
        this.env("ASAN_OPTIONS", "detect_leaks=0");
        this
    };
    watch(sanitized, "AddressSanitizer: heap-buffer-overflow");
}

#[test]
#[ignore = "breaks memory, to be seen by what watches it"]
fn one_that_overruns_its_memory() {
    let modules = Modules::new().expect("a C compiler");
    let host = Host::with(vec![modules.spec("overruns")]);
    host.one(&event("x_provoke", "1"));
}
