//! What sends: the yardstick, and engines.

use crate::BATCH;
use crate::rows::{Run, timed};
use postrider::engine::{Engine, PushOptions};
use postrider::event::types;
use postrider::webhook::WebhookSpec;
use postrider_bench::event;
use postrider_bench::prepared::{connect, post_file, post_prepared, prepared_body, texts};
use postrider_bench::process::{SinkProcess, Wants};
use postrider_bench::tls;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

/// The limit: prepared bytes over one connection, through rustls where the receiver speaks TLS.
pub(crate) fn limit(events: u64, tls: bool) -> Run {
    let body = prepared_body(BATCH);
    let wants = Wants {
        tls,
        ..Wants::default()
    };
    let sink = SinkProcess::start(wants).expect("a receiver");
    let stream = connect(sink.addr).expect("it listens");
    let posts = events / BATCH;
    match &sink.certificate {
        None => timed(events, || {
            post_prepared(&stream, &body, posts).expect("it answers");
        }),
        Some(certificate) => {
            let mut stream = tls::connect(stream, certificate);
            post_prepared(&mut stream, &body, 1).expect("it answers");
            timed(events, || {
                post_prepared(&mut stream, &body, posts).expect("it answers");
            })
        }
    }
}

/// What a drain by reading could be at best: the texts of so many events, written to a file before, read from it a batch at a
/// time into one buffer, and sent from there over one connection.
pub(crate) fn limit_by_reading(events: u64) -> Run {
    let texts = texts(BATCH);
    let mut file = tempfile::tempfile().expect("a file");
    for _ in 0..events / BATCH {
        file.write_all(&texts).expect("written");
    }
    let sink = SinkProcess::start(Wants::default()).expect("a receiver");
    let stream = connect(sink.addr).expect("it listens");
    timed(events, || {
        post_file(&stream, &file, texts.len()).expect("it answers");
    })
}

/// An engine as the benches want it: in `dir`, or in memory; pushes wait where the queue is full.
pub(crate) fn engine(dir: Option<&Path>, settings: &[(&str, &str)]) -> Engine {
    let builder = match dir {
        None => Engine::builder().memory(),
        Some(dir) => Engine::builder().data_dir(dir),
    };
    let common = [
        ("http.allow_target", "127.0.0.0/8"),
        ("batch.max_events", "1000"),
        ("queue.policy", "wait"),
        ("queue.wait_ms", "60000"),
        ("log.max_bytes", "64GiB"),
    ];
    let all = common.iter().chain(settings);
    let builder = all
        .copied()
        .try_fold(builder, |b, (key, value)| b.set(key, value));
    builder.expect("settings").start().expect("an engine")
}

/// A webhook of these types at `url`.
pub(crate) fn webhook(engine: &Engine, url: &str, ty: &str) -> Uuid {
    let spec = WebhookSpec::new("bench", url, [ty]);
    engine
        .create_webhook(spec)
        .expect("the receiver answers")
        .id
}

/// Pushes typed events.
pub(crate) fn push(engine: &Engine, events: u64) {
    let fields = event::fields();
    for _ in 0..events {
        let pushed = engine.push_fields(types::DELIVERY, &fields, PushOptions::default());
        pushed.expect("push");
    }
}

/// Pushes events that are text.
pub(crate) fn push_json(engine: &Engine, events: u64) {
    let object = event::object();
    for _ in 0..events {
        let pushed = engine.push_json(types::DELIVERY, &object, PushOptions::default());
        pushed.expect("push");
    }
}

/// Returns once the books say that so many were delivered.
pub(crate) fn wait_delivered(engine: &Engine, id: Uuid, events: u64) {
    while engine.stats().books.webhooks[&id].delivered < events {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Returns once the receiver has so many events, which it must count.
pub(crate) fn wait_received(sink: &mut SinkProcess, events: u64) {
    while sink.counts().events < events {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Closes it.
pub(crate) fn close(engine: Engine) {
    engine.close(Duration::from_secs(60)).expect("close");
}
