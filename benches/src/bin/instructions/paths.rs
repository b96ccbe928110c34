//! The paths whose instructions are counted: push, write, send.

use postrider::deliver::{Deliverer, Pace, Parts, Settings};
use postrider::engine::{Engine, PushOptions};
use postrider::event::{ENTRY_BYTES, Encoder, Schema, types};
use postrider::fs::RealFs;
use postrider::log::{self, FrameBuilder, LogConfig, LogWriter};
use postrider::queue::queue;
use postrider::time::ManualClock;
use postrider::webhook::WebhookSpec;
use postrider::{http, journal};
use postrider_bench::event;
use postrider_bench::process::{SinkProcess, Wants};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Events of one batch: a body that a socket's buffer takes at once, so that one call sends it.
const BATCH: u64 = 100;
/// Events of one frame, as a busy queue gives.
const FRAME: u64 = 1000;

/// A path and how it is counted.
pub(crate) struct Path {
    /// What the record calls it.
    pub(crate) name: &'static str,
    /// What is walked `times` times.
    pub(crate) each: &'static str,
    /// How often, in the shorter of two runs.
    pub(crate) times: u64,
    /// Whose instructions count.
    pub(crate) threads: Threads,
    work: fn(u64),
}

/// Threads of a walk.
#[derive(Clone, Copy)]
pub(crate) enum Threads {
    /// The one that pushes, or does everything.
    Main,
    /// All that it started.
    Others,
}

impl Path {
    /// Walks it so many times.
    pub(crate) fn walk(&self, times: u64) {
        (self.work)(times);
    }
}

/// All paths.
pub(crate) const PATHS: &[Path] = &[
    Path {
        name: "push-typed",
        each: "an event",
        times: 2000,
        threads: Threads::Main,
        work: push_typed,
    },
    Path {
        name: "push-json",
        each: "an event",
        times: 2000,
        threads: Threads::Main,
        work: push_json,
    },
    Path {
        name: "push-unwanted",
        each: "an event",
        times: 100_000,
        threads: Threads::Main,
        work: push_unwanted,
    },
    Path {
        name: "write",
        each: "an event",
        times: 10 * FRAME,
        threads: Threads::Main,
        work: write,
    },
    Path {
        name: "send",
        each: "a batch",
        times: 200,
        threads: Threads::Others,
        work: send,
    },
];

/// An engine whose queue never fills up in these runs. What callgrind adds up for its other threads is left out.
fn engine(keep: &str) -> Engine {
    let settings = [
        ("queue.bytes", "67108864"),
        ("log.keep", keep),
        ("log.memory_bytes", "268435456"),
    ];
    let builder = settings
        .iter()
        .try_fold(Engine::builder().memory(), |b, (key, value)| {
            b.set(key, value)
        });
    builder.expect("settings").start().expect("an engine")
}

fn push_typed(events: u64) {
    let engine = engine("all");
    let fields = event::fields();
    for _ in 0..events {
        let pushed = engine.push_fields(types::DELIVERY, &fields, PushOptions::default());
        pushed.expect("push");
    }
}

fn push_json(events: u64) {
    let engine = engine("all");
    let object = event::object();
    for _ in 0..events {
        let pushed = engine.push_json(types::DELIVERY, &object, PushOptions::default());
        pushed.expect("push");
    }
}

fn push_unwanted(events: u64) {
    let engine = engine("wanted");
    let fields = event::fields();
    for _ in 0..events {
        let pushed = engine.push_fields(types::DELIVERY, &fields, PushOptions::default());
        pushed.expect("push");
    }
}

/// A log in memory, with room for all that these runs append.
fn memory_log() -> (LogWriter, Arc<log::Log>) {
    let config = LogConfig {
        memory_bytes: 256 << 20,
        clock: Arc::new(ManualClock::new(NOW)),
        ..LogConfig::in_memory()
    };
    let (writer, log, _) = log::open(config, 0).expect("a log");
    (writer, log)
}

const NOW: u64 = 1_776_522_307_000;

/// From a finished text to a frame of the log: claim, copy, commit; drain, copy; append.
fn write(events: u64) {
    let (schema, mut encoder) = (Schema::new(false), Encoder::new());
    let fields = event::fields();
    let encoded = encoder
        .typed(&schema, types::DELIVERY, &fields, NOW)
        .expect("valid");
    let (queue, mut drain) = queue(8 << 20).expect("memory");
    let (mut writer, _log) = memory_log();
    let mut frame = writer.frame();
    assert!((encoded.text.len() + ENTRY_BYTES) as u64 * FRAME < (8 << 20));
    for _ in 0..events / FRAME {
        for _ in 0..FRAME {
            queue
                .push(&encoded.entry, encoded.text_and_separator())
                .expect("room");
        }
        drain.drain(8 << 20, |entry, text| frame.push(entry, text));
        assert_eq!(u64::from(frame.len()), FRAME);
        writer.append(&mut frame).expect("room");
    }
}

/// From the log to the socket and back: route, form a batch, journal it, write head and body, parse the answer,
/// journal the outcome. One batch at a time, so that nothing depends on what the receiver does meanwhile.
fn send(batches: u64) {
    let mut receiver = SinkProcess::start(Wants::default()).expect("a receiver");
    let dir = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::new(NOW));
    let journal = journal::open(&dir.path().join("journal"), Arc::new(RealFs), clock.clone());
    let (journal, recovered) = journal.expect("a journal");
    let (mut writer, log) = memory_log();
    let webhook = WebhookSpec::new("counted", &receiver.url(), ["delivery"]);
    let pace = Pace {
        max_events: BATCH as u32,
        linger: Duration::ZERO,
        in_flight: 1,
        ..Pace::default()
    };
    let allow = vec!["127.0.0.0/8".parse().expect("a range")];
    let deliverer = Deliverer::spawn(Parts {
        log,
        journal: Some(journal),
        state: recovered.state,
        renderings: journal::Renderings::in_memory(),
        filters: Box::new(|| unreachable!("the webhook has no filters")),
        webhooks: vec![webhook.into_webhook(Uuid::from_bytes([1; 16]), NOW)],
        former: Vec::new(),
        still_needed: Box::new(|_| {}),
        schema: Arc::new(Schema::new(false)),
        settings: Settings {
            pace,
            ..Settings::default()
        },
        http: http::Config {
            policy: http::Policy { allow },
            max_requests: u32::MAX,
            ..http::Config::default()
        },
        wanted: Box::new(|_| {}),
        notice: Box::new(|notice| panic!("{notice}")),
        clock,
    });
    let deliverer = deliverer.expect("a thread");
    // It has taken up its work once it answers, and is told of frames when all are there.
    deliverer.books().expect("it runs");
    let mut frame = writer.frame();
    append(&mut writer, &mut frame, batches * BATCH);
    deliverer.wake();
    while receiver.counts().posts < batches {
        std::thread::sleep(Duration::from_millis(20));
    }
    deliverer.stop(Duration::from_secs(60));
}

fn append(writer: &mut LogWriter, frame: &mut FrameBuilder, events: u64) {
    let (schema, mut encoder) = (Schema::new(false), Encoder::new());
    let fields = event::fields();
    let encoded = encoder
        .typed(&schema, types::DELIVERY, &fields, NOW)
        .expect("valid");
    for n in 1..=events {
        assert!(frame.push(&encoded.entry, encoded.text_and_separator()));
        if n % FRAME == 0 || n == events {
            writer.append(frame).expect("room");
        }
    }
}
