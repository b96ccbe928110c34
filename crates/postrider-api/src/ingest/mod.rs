//! Events from outside: `POST /api/v1/ingest/events`, a line of JSON each.
//!
//! A batch is taken line by line: a line that is refused is named in the answer and the others are
//! taken. The answer comes when all of them are in the log. A batch that carries an id is taken once: its
//! id is remembered when its events are safe, so a crash in between lets the same batch in again
//! rather than lose it.

mod batches;
mod body;
mod line;

use crate::backend::Backend;
use crate::failure::Failure;
use crate::message::{Request, Response};
use crate::operation::{Answer, Body, Call, Doc, Operation, Param};
use crate::view;
use batches::REMEMBERED_MS;
pub(crate) use batches::UnderWay;
use body::{Lines, Unreadable};
use postrider::engine::{FlushError, Level, PushError};
use postrider::store::Grant;
use serde_json::{Value, json};
use uuid::Uuid;

/// The most bytes of a batch as it is sent, compressed or not.
pub(crate) const MAX_BATCH: usize = 5_000_000;

/// The most lines that an answer names.
const NAMED: usize = 100;

/// The header that carries a batch's id: the one that our own deliveries have.
const BATCH_ID: &str = "x-messagesystems-batch-id";

pub(crate) const OPERATIONS: &[Operation] = &[Operation {
    method: "POST",
    path: "/api/v1/ingest/events",
    grant: Some(Grant::IngestEvents),
    handle: ingest,
    doc: Doc {
        id: "ingestEvents",
        summary: "Hand in events, a line of JSON each; gzip is taken",
        extension: false,
        query: &[LEVEL],
        body: Some(Body {
            required: true,
            media_type: "application/x-ndjson",
            schema: "IngestBatch",
            most: MAX_BATCH,
        }),
        answer: (200, Some("Ingested")),
    },
}];

const LEVEL: Param = Param {
    name: "level",
    schema: r#"{"enum": ["written", "synced"], "default": "written"}"#,
    about: "Extension: answer when the events survive a killed process, or a power cut",
};

/// What became of a batch.
#[derive(Debug, Default)]
struct Tally {
    lines: u64,
    succeeded: u64,
    failed: u64,
    named: Vec<Value>,
}

/// Why a batch ended before its last line.
enum End {
    Body(Unreadable),
    Full(PushError),
}

fn ingest(call: &Call<'_>) -> Answer {
    let level = level(call)?;
    let own = call.who.view(call.request)?.subaccount();
    let id = batch_id(call.request)?;
    let lines = Lines::of(call.request)?;
    let Some(taking) = call.under_way.begin(call.backend, id)? else {
        tell(call.backend, id, &Tally::default(), Some("duplicate_batch"));
        return Err(Failure::DuplicateBatch(id));
    };
    let mut tally = Tally::default();
    let end = take(call.backend, lines, own, &mut tally);
    safe(call.backend, level)?;
    let error_type = match &end {
        Err(End::Body(e)) => Some(e.error_type()),
        Err(End::Full(_)) => Some("system"),
        Ok(()) if tally.lines == 0 => Some("empty_batch"),
        Ok(()) if tally.failed > 0 => Some("validation"),
        Ok(()) => None,
    };
    tell(call.backend, id, &tally, error_type);
    match end {
        // Not remembered: the same batch may come again, whole.
        Err(End::Body(e)) => Err(Failure::Batch(e.to_string(), tally.succeeded)),
        Err(End::Full(e)) => Err(Failure::NoRoom(e.to_string(), tally.succeeded)),
        Ok(()) if tally.lines == 0 => Err(Failure::Field {
            field: "request body".into(),
            reason: "has no event".into(),
        }),
        Ok(()) if tally.succeeded == 0 => Err(Failure::AllLines(tally.named)),
        Ok(()) => {
            taking.remember(call.backend)?;
            Ok(Response::results(json!({
                "id": id.to_string(),
                "number_succeeded": tally.succeeded,
                "number_failed": tally.failed,
                "errors": tally.named,
            })))
        }
    }
}

fn take(
    backend: &dyn Backend,
    mut lines: Lines<'_>,
    own: Option<u32>,
    tally: &mut Tally,
) -> Result<(), End> {
    while let Some(line) = lines.next().map_err(End::Body)? {
        tally.lines += 1;
        let refused = match line {
            Err(too_long) => too_long.to_string(),
            Ok(text) => match line::bind(text, own) {
                Err(e) => e,
                Ok(text) => match backend.push_line(&text) {
                    Ok(()) => {
                        tally.succeeded += 1;
                        continue;
                    }
                    Err(e @ (PushError::Full { .. } | PushError::Closed)) => {
                        return Err(End::Full(e));
                    }
                    Err(e) => e.to_string(),
                },
            },
        };
        tally.failed += 1;
        if tally.named.len() < NAMED {
            let line = lines.number();
            tally
                .named
                .push(json!({"line": line, "code": "1300", "message": refused}));
        }
    }
    Ok(())
}

/// Waits until what was pushed is at `level`; an engine in memory has none.
fn safe(backend: &dyn Backend, level: Level) -> Result<(), Failure> {
    match backend.flush(level) {
        Ok(()) | Err(FlushError::Level(_)) => Ok(()),
        Err(e) => Err(Failure::NotSafe(e.to_string())),
    }
}

/// The contract's own event of what became of a batch. Where nobody wants it, it costs nothing, and
/// where it can't be pushed, the answer still tells.
fn tell(backend: &dyn Backend, id: Uuid, tally: &Tally, error_type: Option<&str>) {
    let mut event = json!({
        "type": "success",
        "batch_id": id.to_string(),
        "number_succeeded": tally.succeeded,
        "number_duplicates": 0,
        "expiration_timestamp": view::iso(backend.now_ms() + REMEMBERED_MS),
    });
    if let Some(error_type) = error_type {
        event["type"] = "error".into();
        event["error_type"] = error_type.into();
        event["number_failed"] = tally.failed.into();
        event["retryable"] = matches!(error_type, "system" | "decompress").into();
    }
    let _ = backend.push_line(event.to_string().as_bytes());
}

fn level(call: &Call<'_>) -> Result<Level, Failure> {
    match call.query.get("level") {
        None | Some("written") => Ok(Level::Written),
        Some("synced") => Ok(Level::Synced),
        Some(_) => Err(Failure::Parameter {
            name: "level",
            reason: "must be written or synced".into(),
        }),
    }
}

/// The batch's id; a batch without one gets one, and may come again under another.
fn batch_id(request: &Request) -> Result<Uuid, Failure> {
    match request.header(BATCH_ID) {
        None => Ok(Uuid::new_v4()),
        Some(text) => Uuid::try_parse(text).map_err(|_| Failure::Parameter {
            name: "X-MessageSystems-Batch-ID",
            reason: "must be a UUID".into(),
        }),
    }
}
