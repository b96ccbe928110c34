//! Pushes that wait for their acknowledgement, from 1, 8 and 64 threads, beside SQLite inserting the same
//! text, a row a transaction, in WAL mode; alternating in one run.
//!
//! `cargo bench -p postrider-bench --bench acknowledged`; `SECONDS` (3) and `ROUNDS` (3) change its length.
//! `written` survives a killed process, as SQLite's `synchronous=NORMAL` does; `synced` a power cut, as
//! `synchronous=FULL` does. SQLite's side is `compare/sqlite.c`, built with `cc` and the system's library;
//! without them its column is left out, and the reason said.

use postrider::engine::{Engine, Level, PushOptions};
use postrider::event::types;
use postrider::webhook::WebhookSpec;
use postrider_bench::compare::build;
use postrider_bench::event;
use postrider_bench::figures::{machine, median};
use postrider_bench::prepared::prepared_body;
use postrider_bench::sink::{How, Sink};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);

fn main() {
    let test = std::env::args().any(|arg| arg == "--test");
    let number = |name, or| {
        let set = std::env::var(name).ok().and_then(|v| v.parse::<f64>().ok());
        set.unwrap_or(or)
    };
    let seconds = if test { 0.1 } else { number("SECONDS", 3.0) };
    let rounds = if test {
        1
    } else {
        number("ROUNDS", 3.0) as usize
    };
    let dir = tempfile::tempdir().expect("a directory");
    println!("{}", machine());
    println!("acknowledged events a second, {rounds} rounds of {seconds} s, medians");
    let sqlite = build("sqlite", dir.path(), &["-lsqlite3"], "libsqlite3-dev");
    for (level, synchronous) in [(Level::Written, "NORMAL"), (Level::Synced, "FULL")] {
        for threads in [1, 8, 64] {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                ours.push(measure(dir.path(), level, threads, seconds));
                if let Some(program) = &sqlite {
                    theirs.push(run_sqlite(
                        program,
                        dir.path(),
                        threads,
                        seconds,
                        synchronous,
                    ));
                }
            }
            let ours = median(&mut ours);
            print!("{level:?}, {threads:2} threads: {ours:9.0}");
            if !theirs.is_empty() {
                let theirs = median(&mut theirs);
                print!(
                    "   SQLite, synchronous={synchronous}: {theirs:9.0}   {:6.2} times",
                    ours / theirs
                );
            }
            println!();
        }
    }
}

fn measure(dir: &Path, level: Level, threads: usize, seconds: f64) -> f64 {
    let dir = tempfile::tempdir_in(dir).expect("a directory");
    let sink = Sink::start(How::default()).expect("a sink");
    let engine = [
        ("http.allow_target", "127.0.0.0/8"),
        ("batch.max_events", "1000"),
    ]
    .iter()
    .try_fold(
        Engine::builder().data_dir(dir.path()),
        |builder, (key, value)| builder.set(key, value),
    )
    .expect("settings")
    .start()
    .expect("an engine");
    let spec = WebhookSpec::new("bench", &format!("http://{}/", sink.addr), ["delivery"]);
    engine.create_webhook(spec).expect("the sink answers");
    let (stop, pushed) = (AtomicBool::new(false), AtomicU64::new(0));
    let options = PushOptions {
        level,
        deadline: Some(LONG),
    };
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let fields = event::fields();
                while !stop.load(Ordering::Relaxed) {
                    let taken = engine.push_fields(types::DELIVERY, &fields, options);
                    taken.expect("acknowledged");
                    pushed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(Duration::from_secs_f64(seconds));
        stop.store(true, Ordering::Relaxed);
    });
    let rate = pushed.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    engine.close(LONG).expect("close");
    rate
}

fn run_sqlite(program: &Path, dir: &Path, threads: usize, seconds: f64, synchronous: &str) -> f64 {
    let dir = tempfile::tempdir_in(dir).expect("a directory");
    let mut child = Command::new(program)
        .arg(dir.path().join("events.db"))
        .args([&threads.to_string(), &seconds.to_string(), synchronous])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it was built");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(&prepared_body(1)).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "SQLite failed");
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .expect("a number")
}
