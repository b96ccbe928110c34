//! Search in ten million events, beside ripgrep over the same text.
//!
//! `cargo bench -p postrider-bench --bench search`; `EVENTS` (10,000,000, about 9 GB) changes the size, `ROUNDS` (5)
//! how often each search is made; the median counts. `TMPDIR` names where the log goes.
//!
//! A recipient has five events, spread over all; a campaign has a thousandth of them, one after the other; a message
//! id has one. *First page* is what the API does for a call: up to 1,000 events, and all matches counted.
//! *All* follows the pages of 10,000 to the end. *Cold* is with the kernel's caches dropped before each round: by
//! `/proc/sys/vm/drop_caches` where that may be written, else file by file. ripgrep counts the lines with the same
//! field and value in the segments, which hold events as lines of text; it knows nothing of their case.

use postrider::event::{Encoder, Field, FieldName, Schema, TypeId, Value, fields, types};
use postrider::log::{Log, LogConfig, open};
use postrider::search::{Filter, Match, Query, search};
use postrider_bench::event;
use postrider_bench::figures::{machine, median};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const FIRST_PAGE: usize = 1000;
const PAGE: usize = 10_000;
/// Events of one recipient, and campaigns in all.
const EACH: u64 = 5;
const CAMPAIGNS: u64 = 1000;

fn main() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let test = std::env::args().any(|arg| arg == "--test");
    let events = number("EVENTS").unwrap_or(if test { 20_000 } else { 10_000_000 });
    let rounds = number("ROUNDS").unwrap_or(if test { 1 } else { 5 });
    let dir = tempfile::tempdir().expect("a directory");
    let (log, bytes) = written(dir.path(), events);
    println!("{}", machine());
    println!(
        "{events} events, {:.1} GB in {} segments",
        bytes as f64 / 1e9,
        log.segments().len()
    );
    let ripgrep = Command::new("rg").arg("--version").output().is_ok();
    if !ripgrep {
        println!("no ripgrep here: install it (apt-get install ripgrep) to compare");
    }
    println!(
        "\n| Search | Matches | First page, warm | cold | All, warm | cold | ripgrep, warm | cold |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let some = events / 3;
    for (name, what, expected) in [
        (
            "recipient",
            Sought::recipient(some % recipients(events)),
            EACH,
        ),
        ("message id", Sought::message(some), 1),
        (
            "campaign",
            Sought::campaign(CAMPAIGNS / 3),
            events / CAMPAIGNS,
        ),
        ("nobody", Sought::recipient(events), 0),
    ] {
        let mut cells = Vec::new();
        for whole in [false, true] {
            for cold in [false, true] {
                let time = timed(rounds, cold.then_some(dir.path()), || {
                    let found = match whole {
                        true => all(&log, &what),
                        false => first_page(&log, &what),
                    };
                    assert_eq!(found, expected, "{name}");
                });
                cells.push(time);
            }
        }
        for cold in [false, true] {
            cells.push(match ripgrep {
                true => timed(rounds, cold.then_some(dir.path()), || {
                    assert_eq!(what.lines(dir.path()), expected, "ripgrep: {name}");
                }),
                false => f64::NAN,
            });
        }
        let cells: Vec<String> = cells.iter().map(|s| format!("{s:.3} s")).collect();
        println!("| {name} | {expected} | {} |", cells.join(" | "));
    }
}

fn recipients(events: u64) -> u64 {
    (events / EACH).max(1)
}

/// Median seconds.
fn timed(rounds: u64, cold: Option<&Path>, mut f: impl FnMut()) -> f64 {
    if cold.is_none() {
        f();
    }
    let mut seconds: Vec<f64> = (0..rounds)
        .map(|_| {
            if let Some(dir) = cold {
                drop_caches(dir);
            }
            let began = Instant::now();
            f();
            began.elapsed().as_secs_f64()
        })
        .collect();
    median(&mut seconds)
}

/// What is looked for: a field and its value.
struct Sought {
    field: &'static str,
    how: Match,
    value: String,
}

impl Sought {
    fn recipient(n: u64) -> Sought {
        Sought {
            field: "rcpt_to",
            how: Match::Whole,
            value: recipient(n),
        }
    }

    fn message(n: u64) -> Sought {
        Sought {
            field: "message_id",
            how: Match::Whole,
            value: message(n),
        }
    }

    fn campaign(n: u64) -> Sought {
        Sought {
            field: "campaign_id",
            how: Match::Words,
            value: campaign(n),
        }
    }

    fn query(&self) -> Query {
        let fields: &'static [&'static str] = match self.field {
            "rcpt_to" => &["rcpt_to", "raw_rcpt_to"],
            "message_id" => &["message_id"],
            _ => &["campaign_id"],
        };
        Query {
            times_ms: 0..u64::MAX,
            types: every_type().collect(),
            subaccounts: None,
            filters: vec![Filter::new(fields, self.how, [self.value.clone()])],
            below: u64::MAX,
            skip: 0,
            limit: FIRST_PAGE,
            count: true,
        }
    }

    /// What ripgrep counts.
    fn lines(&self, dir: &Path) -> u64 {
        let counted = Command::new("rg")
            .args(["--text", "--fixed-strings", "--count", "--no-filename"])
            .arg(format!("\"{}\":\"{}\"", self.field, self.value))
            .args(segments(dir))
            .output()
            .expect("ripgrep runs");
        let text = String::from_utf8(counted.stdout).expect("numbers");
        text.lines()
            .map(|n| n.parse::<u64>().expect("a number"))
            .sum()
    }
}

fn every_type() -> impl Iterator<Item = TypeId> {
    postrider::event::Catalogue::types().iter().map(|ty| ty.id)
}

fn first_page(log: &Log, what: &Sought) -> u64 {
    search(log, &what.query()).expect("read").found
}

fn all(log: &Log, what: &Sought) -> u64 {
    let mut query = Query {
        limit: PAGE,
        count: false,
        ..what.query()
    };
    let mut found = 0;
    loop {
        let page = search(log, &query).expect("read");
        found += page.hits.len() as u64;
        if !page.more {
            return found;
        }
        query.below = page.next_below;
    }
}

fn recipient(n: u64) -> String {
    format!("user{n}@mail{}.example.net", n % 997)
}

fn message(n: u64) -> String {
    format!("{:020x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn campaign(n: u64) -> String {
    format!("Deals {n} of the second wave")
}

/// A log of so many events, kept for search, and its bytes.
fn written(dir: &Path, events: u64) -> (Arc<Log>, u64) {
    let config = LogConfig {
        max_bytes: events * 2048 + (1 << 30),
        keep: Duration::from_secs(3650 * 86_400),
        segment_bytes: if events < 1_000_000 {
            4 << 20
        } else {
            64 << 20
        },
        // The disk is what it is: nothing else here is in a hurry.
        full_wait: Duration::from_secs(60),
        ..LogConfig::on_disk(dir.join("log"))
    };
    let (mut writer, log, _) = open(config, 0).expect("a log");
    let keeper = {
        let log = log.clone();
        std::thread::spawn(move || log.keep_house(|e| panic!("{e}")))
    };
    let (mut encoder, schema) = (Encoder::new(), Schema::new(false));
    let now = std::time::UNIX_EPOCH.elapsed().expect("a time").as_millis() as u64;
    let mut frame = writer.frame();
    for n in 0..events {
        let (to, id) = (recipient(n % recipients(events)), message(n));
        let deals = campaign(n * CAMPAIGNS / events);
        let mut all = event::fields();
        for (field, value) in [
            (fields::RCPT_TO, &to),
            (fields::RAW_RCPT_TO, &to),
            (fields::MESSAGE_ID, &id),
            (fields::CAMPAIGN_ID, &deals),
        ] {
            let name = FieldName::Id(field);
            all.retain(|field| field.name != name);
            all.push(Field {
                name,
                value: Value::Str(value),
            });
        }
        let encoded = encoder.typed(&schema, types::DELIVERY, &all, now - (events - n));
        let encoded = encoded.expect("an event");
        if !frame.push(&encoded.entry, encoded.text_and_separator()) {
            writer.append(&mut frame).expect("appended");
            assert!(frame.push(&encoded.entry, encoded.text_and_separator()));
        }
    }
    writer.append(&mut frame).expect("appended");
    log.sync().expect("synced");
    while log.maintain().expect("kept") {}
    drop(writer);
    keeper.join().expect("it ends");
    let files = segments(dir);
    let bytes = files.iter().map(|path| {
        let file = std::fs::metadata(path).expect("there");
        file.len()
    });
    (log, bytes.sum())
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(dir.join("log")).expect("a directory");
    let all = all.map(|file| file.expect("a file").path());
    all.filter(|path| path.extension().is_some_and(|e| e == "seg"))
        .collect()
}

/// What the kernel has of the log in memory goes.
fn drop_caches(dir: &Path) {
    if std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok() {
        return;
    }
    for file in std::fs::read_dir(dir.join("log")).expect("a directory") {
        let file = std::fs::File::open(file.expect("a file").path()).expect("ours");
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    }
}
