//! Typed and JSON pushes → 200, in memory and written.

use crate::rows::{Run, header, row, timed};
use crate::senders::{close, engine, limit, push, push_json, wait_delivered, webhook};
use crate::{BATCH, Size};
use postrider::engine::Engine;
use postrider_bench::process::{SinkProcess, Wants};

pub(crate) fn measure(size: Size) {
    let (mut base, mut memory, mut written, mut json) = (vec![], vec![], vec![], vec![]);
    for _ in 0..size.rounds {
        base.push(limit(size.events, false));
        memory.push(run(size, false, push));
        written.push(run(size, true, push));
        json.push(run(size, false, push_json));
    }
    header("Push → 200", "of the limit");
    let base = row("limit: prepared buffer, one connection", &base, None);
    row("typed push → 200, in memory", &memory, Some(base));
    row("typed push → 200, written", &written, Some(base));
    row("JSON push → 200, in memory", &json, Some(base));
}

fn run(size: Size, written: bool, push: fn(&Engine, u64)) -> Run {
    let mut sink = SinkProcess::start(Wants::default()).expect("a receiver");
    let dir = tempfile::tempdir().expect("a directory");
    let engine = engine(written.then(|| dir.path()), &[]);
    let id = webhook(&engine, &sink.url(), "delivery");
    // The first use of each page is not what is measured.
    let warm = 20 * BATCH;
    push(&engine, warm);
    wait_delivered(&engine, id, warm);
    let run = timed(size.events, || {
        push(&engine, size.events);
        wait_delivered(&engine, id, warm + size.events);
    });
    close(engine);
    assert!(sink.counts().bytes > size.events * 700, "not all arrived");
    run
}
