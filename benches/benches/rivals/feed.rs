//! Postrider as a shipper: a program that reads the file, pushes each line as it is (checked, as JSON from outside has
//! to be), and remembers how far it is acknowledged, as a mail server with a spool would.

use crate::shippers::Run;
use postrider::engine::{Engine, Level, PushOptions};
use postrider::webhook::WebhookSpec;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// In the environment of the program: `memory` or `written`.
const ROLE: &str = "POSTRIDER_BENCH_FEED";
/// Lines between acknowledgements.
const LINES: usize = 10_000;

pub(crate) fn command(run: &Run, memory: bool) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .env(ROLE, if memory { "memory" } else { "written" })
        .env("DIR", run.dir)
        .env("FILE", run.file)
        .env("TARGET", run.sink.url());
    command
}

/// If this process was started to feed an engine: does, until it is killed.
pub(crate) fn live_if_asked() -> bool {
    let Ok(role) = std::env::var(ROLE) else {
        return false;
    };
    let set = |name| std::env::var(name).expect("set by who started it");
    let dir = set("DIR");
    let memory = role == "memory";
    let builder = match memory {
        true => Engine::builder().memory(),
        false => Engine::builder().data_dir(Path::new(&dir).join("data")),
    };
    let settings = [
        ("http.allow_target", "127.0.0.0/8"),
        ("batch.max_events", "1000"),
        ("queue.policy", "wait"),
        ("queue.wait_ms", "60000"),
    ];
    let builder = settings
        .iter()
        .try_fold(builder, |b, (key, value)| b.set(key, value));
    let engine = builder.expect("settings").start().expect("an engine");
    if engine.webhooks().expect("the store").is_empty() {
        let spec = WebhookSpec::new("rivals", &set("TARGET"), ["delivery"]);
        engine.create_webhook(spec).expect("the receiver answers");
    }
    feed(
        &engine,
        Path::new(&set("FILE")),
        &Path::new(&dir).join("position"),
        memory,
    );
    loop {
        std::thread::park();
    }
}

fn feed(engine: &Engine, file: &Path, position: &Path, memory: bool) {
    let mut at: u64 =
        std::fs::read_to_string(position).map_or(0, |text| text.parse().expect("a number"));
    let mut lines =
        BufReader::with_capacity(1 << 20, std::fs::File::open(file).expect("the events"));
    lines
        .seek(SeekFrom::Start(at))
        .expect("the position is in it");
    let mut line = Vec::new();
    let mut ended = false;
    while !ended {
        for _ in 0..LINES {
            line.clear();
            let read = lines.read_until(b'\n', &mut line).expect("the events");
            ended = read == 0;
            if ended {
                break;
            }
            engine
                .push_line(line.trim_ascii_end(), PushOptions::default())
                .expect("push");
            at += read as u64;
        }
        let level = if memory {
            Level::Queued
        } else {
            Level::Written
        };
        engine
            .flush(level, Duration::from_secs(60))
            .expect("acknowledged");
        // Whole or not at all.
        let next = position.with_extension("next");
        std::fs::write(&next, at.to_string()).expect("written");
        std::fs::rename(&next, position).expect("renamed");
    }
}
