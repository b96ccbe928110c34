//! `postrider log`: looks at a data directory without an engine, and beside one.
//!
//! Everything is opened for reading only. What a running engine makes uncertain is said, not counted
//! as damage.

use crate::cli::{LogArgs, LogCommand, LogDir};
use crate::error::CliError;
use postrider::event::Entry;
use postrider::fs::{Fs, RealFs};
use postrider::journal;
use postrider::log::{Frame, IndexReport, SegmentReport, inspect};
use rustix::process::{Flock, FlockType, fcntl_getlk};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::Path;

pub(crate) fn run(args: LogArgs) -> Result<(), CliError> {
    match args.command {
        LogCommand::Verify { dir } => verify(&dir),
        LogCommand::Dump {
            dir,
            from,
            to,
            types,
            subaccount,
        } => dump(
            &dir,
            &Wanted {
                offsets: from..to,
                types,
                subaccount,
            },
        ),
        LogCommand::Stats { dir } => stats(&dir),
    }
}

/// The process that has the directory's lock, if one has.
fn running_engine(data: &Path) -> Option<u32> {
    // Another process's record lock: opening the file does not disturb it.
    let file = std::fs::File::open(data.join("lock")).ok()?;
    let held = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock)).ok()??;
    held.pid
        .map(|pid| pid.as_raw_nonzero().get().unsigned_abs())
}

fn failed(e: impl std::fmt::Display) -> CliError {
    CliError::Environment(e.to_string())
}

fn data_dir(dir: &LogDir) -> Result<&Path, CliError> {
    match dir.data.join("log").is_dir() {
        true => Ok(&dir.data),
        false => Err(CliError::Environment(format!(
            "{}: no data directory of an engine (there is no log in it)",
            dir.data.display()
        ))),
    }
}

/// Reads all segments in a range; a broken pipe ends it as a wish to see no more.
fn look(
    data: &Path,
    offsets: Range<u64>,
    each: impl FnMut(&Frame) -> bool,
) -> Result<Vec<SegmentReport>, CliError> {
    inspect(&RealFs, &data.join("log"), offsets, each).map_err(failed)
}

fn print(text: &str) -> Result<(), CliError> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(CliError::environment(e)),
        _ => Ok(()),
    }
}

fn verify(dir: &LogDir) -> Result<(), CliError> {
    let data = data_dir(dir)?;
    let engine = running_engine(data);
    let segments = look(data, 0..u64::MAX, |_| true)?;
    let journal = journal::read(&data.join("journal"), &RealFs).map_err(failed)?;
    let aside: Vec<_> = RealFs
        .list(&data.join("log"))
        .map_err(CliError::environment)?
        .into_iter()
        .filter(|p| p.extension().is_some_and(|e| e == "damaged"))
        .collect();
    let newest = segments.len().saturating_sub(1);
    let damaged_segments = segments
        .iter()
        .enumerate()
        .filter(|(i, s)| s.is_damaged(*i == newest))
        .count();
    let journal_damaged = journal
        .as_ref()
        .is_some_and(|j| j.holes > 0 || j.checkpoint_damaged);
    let unbalanced = journal.as_ref().and_then(|j| j.state.check().err());
    let bad = damaged_segments > 0 || journal_damaged || unbalanced.is_some() || !aside.is_empty();
    let events: u64 = segments.iter().map(|s| s.events).sum();

    if dir.json {
        let journal = journal.as_ref().map(|j| {
            json!({"records": j.records, "holes": j.holes, "checkpoint_damaged": j.checkpoint_damaged,
                   "cut": j.cut, "balanced": unbalanced.is_none()})
        });
        let segments: Vec<Value> = segments.iter().map(segment_json).collect();
        print(&format!(
            "{}\n",
            json!({"good": !bad, "engine_pid": engine, "events": events, "segments": segments,
                   "set_aside": aside, "journal": journal})
        ))?;
    } else {
        let mut out = String::new();
        for (i, segment) in segments.iter().enumerate() {
            describe(&mut out, segment, i == newest);
        }
        for path in &aside {
            let _ = writeln!(
                out,
                "{}: nothing in it could be read; set aside",
                path.display()
            );
        }
        match &journal {
            None => out.push_str("journal: none\n"),
            Some(j) => {
                let _ = writeln!(
                    out,
                    "journal: {} records, {} damaged places{}{}",
                    j.records,
                    j.holes,
                    if j.checkpoint_damaged {
                        ", its checkpoint is not whole"
                    } else {
                        ""
                    },
                    match &unbalanced {
                        Some(e) => format!(", the books do not balance: {e}"),
                        None => ", the books balance".to_owned(),
                    },
                );
            }
        }
        let _ = writeln!(
            out,
            "{events} events in {} segments: {}",
            segments.len(),
            if bad { "DAMAGED" } else { "good" }
        );
        print(&out)?;
    }
    if let Some(pid) = engine {
        eprintln!(
            "an engine is running (pid {pid}): the newest segment's end may be in the middle of a write, \
             and segments may go while they are read; what looks damaged there is certain only once it stopped"
        );
    }
    match bad {
        true => Err(CliError::Refused("damage was found".to_owned())),
        false => Ok(()),
    }
}

fn describe(out: &mut String, s: &SegmentReport, newest: bool) {
    let _ = writeln!(
        out,
        "{}: offsets {}..{}, {} events in {} frames, {} of {} bytes, index {}",
        name(&s.path),
        s.base_offset,
        s.end_offset,
        s.events,
        s.frames,
        s.used_bytes,
        s.file_bytes,
        index_name(s.index),
    );
    if s.damaged_header {
        out.push_str("  its header is damaged; its frames make up for that\n");
    }
    for hole in &s.holes {
        let _ = writeln!(
            out,
            "  bytes {}..{}: no frame checks out",
            hole.start, hole.end
        );
    }
    for at in &s.damaged_frames {
        let _ = writeln!(out, "  frame at byte {at}: its table is damaged");
    }
    for offset in &s.damaged_events {
        let _ = writeln!(out, "  event at offset {offset}: damaged");
    }
    if s.unfinished {
        let why = if newest {
            "a write that did not end"
        } else {
            "bytes that are no frame"
        };
        let _ = writeln!(out, "  behind byte {}: {why}", s.used_bytes);
    }
}

fn name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

fn index_name(index: IndexReport) -> &'static str {
    match index {
        IndexReport::None => "none",
        IndexReport::Good => "good",
        IndexReport::Unusable => "unusable",
        IndexReport::Contradicts => "contradicts the segment",
    }
}

fn segment_json(s: &SegmentReport) -> Value {
    let holes: Vec<[u64; 2]> = s.holes.iter().map(|h| [h.start, h.end]).collect();
    json!({
        "file": name(&s.path), "base_offset": s.base_offset, "end_offset": s.end_offset,
        "events": s.events, "frames": s.frames, "used_bytes": s.used_bytes, "file_bytes": s.file_bytes,
        "first_written_ms": s.written_ms.0, "last_written_ms": s.written_ms.1,
        "index": index_name(s.index), "damaged_header": s.damaged_header, "holes": holes,
        "damaged_frames": s.damaged_frames, "damaged_events": s.damaged_events,
        "unfinished": s.unfinished,
    })
}

/// Which events `dump` prints.
struct Wanted {
    offsets: Range<u64>,
    types: Vec<String>,
    subaccount: Option<u32>,
}

impl Wanted {
    fn has(&self, offset: u64, entry: &Entry, kind: &str) -> bool {
        self.offsets.contains(&offset)
            && self.subaccount.is_none_or(|s| s == entry.subaccount)
            && (self.types.is_empty() || self.types.iter().any(|t| t == kind))
    }
}

/// The type where the text names it: `{"msys":{"<category>":{"type":"<type>"`.
fn type_of(text: &str) -> &str {
    text.split('"').nth(7).unwrap_or("?")
}

fn dump(dir: &LogDir, wanted: &Wanted) -> Result<(), CliError> {
    let data = data_dir(dir)?;
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut result = Ok(());
    let mut damaged = 0u64;
    look(data, wanted.offsets.clone(), |frame| {
        for i in 0..frame.count() {
            let offset = frame.base_offset() + u64::from(i);
            if frame.is_damaged(i) {
                damaged += u64::from(wanted.offsets.contains(&offset));
                continue;
            }
            let entry = frame.entry(i);
            let text = String::from_utf8_lossy(frame.text(i));
            let kind = type_of(&text);
            if !wanted.has(offset, &entry, kind) {
                continue;
            }
            let printed = match dir.json {
                // The event is JSON already, and stays as it is.
                true => writeln!(
                    out,
                    r#"{{"offset":{offset},"written_ms":{},"timestamp_ms":{},"subaccount":{},"type":{},"event":{text}}}"#,
                    frame.written_ms(),
                    entry.time_ms,
                    entry.subaccount,
                    Value::from(kind),
                ),
                false => writeln!(
                    out,
                    "{offset} {} {kind} {} {text}",
                    entry.time_ms, entry.subaccount
                ),
            };
            if printed.is_err() {
                result = printed;
                return false;
            }
        }
        frame.end_offset() < wanted.offsets.end
    })?;
    match result.and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => return Err(CliError::environment(e)),
        _ => {}
    }
    match damaged {
        0 => Ok(()),
        n => Err(CliError::Refused(format!(
            "{n} damaged events were left out"
        ))),
    }
}

fn stats(dir: &LogDir) -> Result<(), CliError> {
    let data = data_dir(dir)?;
    let mut names: BTreeMap<u16, String> = BTreeMap::new();
    let segments = look(data, 0..u64::MAX, |frame| {
        for i in (0..frame.count()).filter(|&i| !frame.is_damaged(i)) {
            let learn = || type_of(&String::from_utf8_lossy(frame.text(i))).to_owned();
            names.entry(frame.entry(i).type_id).or_insert_with(learn);
        }
        true
    })?;
    let mut types: BTreeMap<&str, u64> = BTreeMap::new();
    let mut subaccounts: BTreeMap<u32, u64> = BTreeMap::new();
    for (&(type_id, subaccount), &count) in segments.iter().flat_map(|s| &s.contents.counts) {
        let name = names.get(&type_id).map_or("?", String::as_str);
        *types.entry(name).or_default() += u64::from(count.events);
        *subaccounts.entry(subaccount).or_default() += u64::from(count.events);
    }
    let sum = |f: fn(&SegmentReport) -> u64| segments.iter().map(f).sum::<u64>();
    let journal = journal::read(&data.join("journal"), &RealFs).map_err(failed)?;
    let webhooks: Vec<Value> = journal
        .iter()
        .flat_map(|j| j.state.webhooks())
        .map(|(id, webhook)| {
            let books = &webhook.books;
            let dropped: BTreeMap<&str, u64> =
                books.dropped.iter().map(|(r, n)| (r.as_str(), *n)).collect();
            json!({"webhook": id.to_string(), "scanned_to": webhook.scanned_to, "accepted": books.accepted,
                   "delivered": books.delivered, "dead": books.dead, "open": books.open, "dropped": dropped})
        })
        .collect();
    let figures = json!({
        "segments": segments.len(),
        "frames": sum(|s| s.frames),
        "events": sum(|s| s.events),
        "used_bytes": sum(|s| s.used_bytes),
        "file_bytes": sum(|s| s.file_bytes),
        "first_offset": segments.first().map(|s| s.base_offset),
        "next_offset": segments.last().map(|s| s.end_offset),
        "first_written_ms": segments.iter().map(|s| s.written_ms.0).find(|ms| *ms > 0),
        "last_written_ms": segments.iter().map(|s| s.written_ms.1).max(),
        "types": types,
        "subaccounts": subaccounts,
        "open_batches": journal.as_ref().map(|j| j.state.batches().count()),
        "dead_letters": journal.as_ref().map(|j| j.state.dead_letters().count()),
        "webhooks": webhooks,
    });
    if dir.json {
        return print(&format!("{figures}\n"));
    }
    let mut out = String::new();
    for (name, value) in figures.as_object().into_iter().flatten() {
        match value {
            Value::Object(entries) => {
                for (key, n) in entries {
                    let _ = writeln!(out, "{name} {key}: {n}");
                }
            }
            Value::Array(entries) => {
                for entry in entries {
                    let _ = writeln!(out, "{name}: {entry}");
                }
            }
            Value::Null => {}
            other => {
                let _ = writeln!(out, "{name}: {other}");
            }
        }
    }
    print(&out)
}
