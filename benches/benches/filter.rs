//! What filters cost for each event: through the engine's own host, on the thread that has the batch and with one that watches it, in
//! batches of 256 events of about 900 bytes.
//!
//! `cargo bench -p postrider-bench --bench filter`

use postrider::event::{Encoder, Entry, Field, FieldName, SEPARATOR, Schema, Value, fields, types};
use postrider::filter::{Batch, Buffer, FilterSpec, Filters, Parts, Role, Seat};
use postrider::time::SystemClock;
use postrider_bench::event;
use postrider_bench::figures::{machine, percentile};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Events of a batch.
const EVENTS: usize = 256;
const REPLY: &str = "550-5.1.1 <alice.recipient@example.net>: Recipient address rejected: User unknown in virtual mailbox table";

fn main() {
    let test = std::env::args().any(|arg| arg == "--test");
    let rounds = if test { 3 } else { 5_000 };
    println!("{}", machine());
    let dir = tempfile::tempdir().expect("a directory");
    let objects = std::env::current_exe().expect("a path");
    let shipped = |name: &str| objects.with_file_name(format!("libpostrider_filter_{name}.so"));
    let fields = |reads| compile(dir.path(), reads);
    println!(
        "{:44} {:>8} {:>8}  ns for each of {EVENTS} events",
        "", "median", "p10"
    );
    let took = sample(rounds, &|| Instant::now().elapsed(), None);
    row("putting them into the batch", &took.1);
    let hash = json!({ "fields": { "rcpt_to": "hash" }, "key": "0123456789abcdef" });
    let rows: [(&str, PathBuf, Json); 9] = [
        ("nothing", fields(0), json!({})),
        ("one field read", fields(1), json!({})),
        ("one read, one looked for in vain", fields(2), json!({})),
        (
            "select: campaign_id != 'test'",
            shipped("select"),
            json!({ "pass": "campaign_id != 'test'" }),
        ),
        (
            "select: two fields, in, endsWith",
            shipped("select"),
            json!({ "pass": "!(campaign_id in ['test', 'demo']) && rcpt_to.endsWith('@example.net')" }),
        ),
        (
            "redact: drop one field",
            shipped("redact"),
            json!({ "fields": { "raw_rcpt_to": "drop" } }),
        ),
        (
            "redact: mask one field",
            shipped("redact"),
            json!({ "fields": { "rcpt_to": "mask" } }),
        ),
        ("redact: hash one field", shipped("redact"), hash),
        (
            "bounce-classify: class, code, reason",
            shipped("bounce_classify"),
            json!({}),
        ),
    ];
    for (what, path, config) in rows {
        let filters = host(dir.path(), &path, &config);
        let batch = std::cell::Cell::new(None);
        let role = std::cell::Cell::new(Some(Box::new(Bench(filters.seat("bench").expect("one")))));
        let run = || {
            let before: Batch = batch.take().expect("filled");
            let taken = role.take().expect("given back");
            let start = Instant::now();
            let (taken, after) = filters.now().run(taken, before).expect("in time");
            let took = start.elapsed();
            role.set(Some(taken));
            assert_eq!(after.pushed(), EVENTS);
            took
        };
        let (took, _) = sample(rounds, &run, Some(&batch));
        row(what, &took);
        let stats = filters.status().remove(0).stats;
        assert_eq!((stats.failed_calls, stats.passed), (0, 0), "{stats:?}");
        filters.close(Duration::from_secs(1));
    }
}

/// Whoever takes batches through filters; none of these is ever lost.
struct Bench(Seat<Bench>);

impl Role for Bench {
    fn seat(&mut self) -> &mut Seat<Bench> {
        &mut self.0
    }

    fn go_on(self: Box<Self>, _: Batch) {}
}

/// Fills a batch and runs something on it, `rounds` times: what each took.
fn sample(
    rounds: usize,
    run: &dyn Fn() -> Duration,
    to: Option<&std::cell::Cell<Option<Batch>>>,
) -> (Vec<u64>, Vec<u64>) {
    let (entry, text) = bounce();
    let whole = [&text[..], SEPARATOR].concat();
    let mut runs = Vec::with_capacity(rounds);
    let mut fills = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        // As the writer has them, fresh from the queue.
        let texts: Buffer = Arc::new(whole.repeat(EVENTS));
        let start = Instant::now();
        let mut batch = Batch::with_capacity(EVENTS);
        let texts = batch.read(texts);
        for i in 0..EVENTS {
            batch.push(&entry, texts, i * whole.len(), true);
        }
        fills.push(start.elapsed().as_nanos() as u64);
        if let Some(to) = to {
            to.set(Some(batch));
        }
        runs.push(run().as_nanos() as u64);
    }
    runs.sort_unstable();
    fills.sort_unstable();
    (runs, fills)
}

fn row(what: &str, sorted: &[u64]) {
    let each = |p| percentile(sorted, p) as f64 / EVENTS as f64;
    println!("{what:44} {:8.1} {:8.1}", each(0.5), each(0.1));
}

/// A bounce as a mail server makes it.
fn bounce() -> (Entry, Vec<u8>) {
    let mut given = event::fields();
    given.push(Field {
        name: FieldName::Id(fields::RAW_REASON),
        value: Value::Str(REPLY),
    });
    let mut encoder = Encoder::new();
    let encoded = encoder.typed(&Schema::new(false), types::BOUNCE, &given, 1);
    let encoded = encoded.expect("an event");
    (encoded.entry, encoded.text.to_vec())
}

fn host(dir: &Path, path: &Path, config: &Json) -> Arc<Filters> {
    let filters = Arc::new(Filters::new(Parts {
        schema: Arc::new(Schema::new(false)),
        clock: Arc::new(SystemClock),
        say: Arc::new(|_, line| eprintln!("{line}")),
        dir: dir.join("copies"),
    }));
    let spec = FilterSpec {
        config: config.as_object().expect("an object").clone(),
        // A machine that does something else meanwhile is not the filter's fault.
        budget_us: 1_000_000,
        timeout_ms: 30_000,
        ..FilterSpec::new("bench", path)
    };
    filters.set(vec![spec], None).expect("loads");
    filters
}

/// `filters/fields.c`, which reads so many fields.
fn compile(dir: &Path, reads: u8) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let object = dir.join(format!("fields{reads}.so"));
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-shared", "-fPIC", &format!("-DREADS={reads}")])
        .arg(format!("-I{}", here.join("../include").display()))
        .arg("-o")
        .arg(&object)
        .arg(here.join("filters/fields.c"));
    assert!(cc.status().expect("a C compiler").success());
    object
}
