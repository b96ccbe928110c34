//! The state as records of a checkpoint, and back.

use super::batch::{BatchStatus, DeadLetter, Failure, OpenBatch, Rendered};
use super::codec::{In, Out};
use super::frames::Frames;
use super::record::BatchStart;
use super::state::{Books, State, WebhookState};
use std::collections::BTreeMap;
use uuid::Uuid;

const BASE: u8 = 32;
const WEBHOOK: u8 = 33;
const STATUS: u8 = 34;
const OPEN: u8 = 35;
const DEAD: u8 = 36;
const END: u8 = 37;
const ASKED: u8 = 38;
const HELD: u8 = 39;
const SETTLED: u8 = 40;

/// What a record of a checkpoint means.
pub(super) enum Part {
    /// A piece of the state, taken in.
    Piece,
    /// The checkpoint is over and had so many pieces.
    End(u64),
}

/// Writes all of `state`.
pub(super) fn write(state: &State, frames: &mut Frames) {
    let mut pieces = 1;
    frames.record(|out| {
        out.u64(state.next_offset);
        out.u64(state.strays);
        BASE
    });
    for (&id, webhook) in &state.webhooks {
        frames.record(|out| put_webhook(out, id, webhook));
        for (at_offset, asked) in &webhook.asked {
            frames.record(|out| {
                out.selected(id, *at_offset, asked);
                ASKED
            });
            pieces += 1;
        }
        if webhook.held_ms > 0 {
            frames.record(|out| {
                out.held(id, webhook.held_ms, webhook.held.as_ref());
                HELD
            });
            pieces += 1;
        }
        let history = webhook
            .history
            .retried()
            .chain(webhook.history.first_tries());
        for status in history {
            frames.record(|out| put_status(out, id, status));
            pieces += 1;
        }
        pieces += 1;
    }
    for batch in state.open.iter() {
        frames.record(|out| put_open(out, batch));
        pieces += 1;
        if batch.rendered.is_some() || batch.as_logged {
            frames.record(|out| put_settled(out, &batch.start, batch.rendered));
            pieces += 1;
        }
    }
    for letter in state.dead.iter() {
        frames.record(|out| put_dead(out, letter));
        pieces += 1;
        if letter.rendered.is_some() {
            frames.record(|out| put_settled(out, &letter.start, letter.rendered));
            pieces += 1;
        }
    }
    frames.record(|out| {
        out.u64(pieces);
        END
    });
}

/// Takes a record of a checkpoint into `state`; nothing if it is none.
pub(super) fn read(state: &mut State, kind: u8, payload: &[u8]) -> Option<Part> {
    let mut input = In(payload);
    let part = read_kind(state, kind, &mut input)?;
    input.0.is_empty().then_some(part)
}

fn read_kind(state: &mut State, kind: u8, input: &mut In<'_>) -> Option<Part> {
    match kind {
        BASE => {
            state.next_offset = state.next_offset.max(input.u64()?);
            state.strays += input.u64()?;
        }
        WEBHOOK => {
            let (id, webhook) = webhook(input)?;
            state.webhooks.insert(id, webhook);
        }
        ASKED => {
            let (id, at_offset, asked) = input.selected()?;
            state.selected(id, at_offset, &asked);
        }
        HELD => {
            let (id, at_ms, hold) = input.held()?;
            state.held(id, at_ms, hold.as_ref());
        }
        STATUS => {
            let (id, status) = status(input)?;
            state.webhooks.entry(id).or_default().history.add(status);
        }
        OPEN => state.list_open(open(input)?),
        DEAD => state.list_dead(dead(input)?),
        SETTLED => settled(state, input)?,
        END => return Some(Part::End(input.u64()?)),
        _ => return None,
    }
    Some(Part::Piece)
}

fn put_webhook(out: &mut Out<'_>, id: Uuid, webhook: &WebhookState) -> u8 {
    out.uuid(id);
    out.u32(webhook.revision);
    out.u8(webhook.deleted.into());
    out.u64(webhook.scanned_to);
    out.u64(webhook.last_success_ms.unwrap_or(0));
    out.u64(webhook.last_failure_ms.unwrap_or(0));
    let books = &webhook.books;
    for count in [books.accepted, books.delivered, books.dead, books.open] {
        out.u64(count);
    }
    out.u32(books.dropped.len() as u32);
    for (reason, &events) in &books.dropped {
        out.text(reason.as_str());
        out.u64(events);
    }
    WEBHOOK
}

fn webhook(input: &mut In<'_>) -> Option<(Uuid, WebhookState)> {
    let id = input.uuid()?;
    let revision = input.u32()?;
    let deleted = input.flag()?;
    let scanned_to = input.u64()?;
    let last_success_ms = time(input)?;
    let last_failure_ms = time(input)?;
    let mut books = Books {
        accepted: input.u64()?,
        delivered: input.u64()?,
        dead: input.u64()?,
        open: input.u64()?,
        dropped: BTreeMap::new(),
    };
    for _ in 0..input.u32()? {
        let reason = input.reason()?;
        books.dropped.insert(reason, input.u64()?);
    }
    let webhook = WebhookState {
        revision,
        deleted,
        scanned_to,
        books,
        last_success_ms,
        last_failure_ms,
        ..WebhookState::default()
    };
    Some((id, webhook))
}

fn time(input: &mut In<'_>) -> Option<Option<u64>> {
    Some(Some(input.u64()?).filter(|&ms| ms != 0))
}

fn put_status(out: &mut Out<'_>, webhook: Uuid, status: &BatchStatus) -> u8 {
    out.uuid(webhook);
    out.uuid(status.batch);
    out.u64(status.at_ms);
    out.u32(status.failed);
    out.u32(status.events);
    out.u32(status.latency_ms);
    out.u8(status.delivered.into());
    out.u16(status.status.unwrap_or(0));
    out.text(&status.code);
    STATUS
}

fn status(input: &mut In<'_>) -> Option<(Uuid, BatchStatus)> {
    let webhook = input.uuid()?;
    let status = BatchStatus {
        batch: input.uuid()?,
        at_ms: input.u64()?,
        failed: input.u32()?,
        events: input.u32()?,
        latency_ms: input.u32()?,
        delivered: input.flag()?,
        status: input.status()?,
        code: input.code()?,
    };
    Some((webhook, status))
}

/// What goes out of the batch before, where that does not follow from the record of it.
fn put_settled(out: &mut Out<'_>, start: &BatchStart, rendered: Option<Rendered>) -> u8 {
    out.uuid(start.batch);
    out.u8(rendered.is_some().into());
    if let Some(Rendered { file, first }) = rendered {
        out.uuid(file);
        out.u32(first);
        out.u32(start.events);
        out.u32(start.bytes);
    }
    SETTLED
}

fn settled(state: &mut State, input: &mut In<'_>) -> Option<()> {
    let (batch, is_rendered) = (input.uuid()?, input.flag()?);
    if !is_rendered {
        state.open.get_mut(batch)?.as_logged = true;
        return Some(());
    }
    let rendered = Some(Rendered {
        file: input.uuid()?,
        first: input.u32()?,
    });
    let (events, bytes) = (input.u32()?, input.u32()?);
    let start = if let Some(open) = state.open.get_mut(batch) {
        open.rendered = rendered;
        &mut open.start
    } else {
        let letter = state.dead.get_mut(batch)?;
        letter.rendered = rendered;
        &mut letter.start
    };
    (start.events, start.bytes) = (events, bytes);
    Some(())
}

/// As the log has it: there the events are those of the spans.
fn put_start(out: &mut Out<'_>, start: &BatchStart) {
    out.start(&BatchStart {
        events: start.spans.iter().map(|span| span.count).sum(),
        ..start.clone()
    });
}

fn put_open(out: &mut Out<'_>, batch: &OpenBatch) -> u8 {
    put_start(out, &batch.start);
    out.u32(batch.attempts);
    out.u32(batch.failed);
    out.u32(batch.refused);
    out.u8(batch.in_flight.into());
    out.u8(batch.only_refused.into());
    out.u64(batch.next_at_ms);
    out.u64(batch.age_from_ms);
    put_failure(out, batch.failure.as_ref());
    OPEN
}

fn open(input: &mut In<'_>) -> Option<OpenBatch> {
    Some(OpenBatch {
        start: input.start()?,
        rendered: None,
        as_logged: false,
        attempts: input.u32()?,
        failed: input.u32()?,
        refused: input.u32()?,
        in_flight: input.flag()?,
        only_refused: input.flag()?,
        next_at_ms: input.u64()?,
        age_from_ms: input.u64()?,
        failure: failure(input)?,
    })
}

fn put_dead(out: &mut Out<'_>, letter: &DeadLetter) -> u8 {
    put_start(out, &letter.start);
    out.text(letter.reason.as_str());
    out.u64(letter.dead_ms);
    out.u32(letter.attempts);
    put_failure(out, letter.failure.as_ref());
    DEAD
}

fn dead(input: &mut In<'_>) -> Option<DeadLetter> {
    Some(DeadLetter {
        start: input.start()?,
        rendered: None,
        reason: input.reason()?,
        dead_ms: input.u64()?,
        attempts: input.u32()?,
        failure: failure(input)?,
    })
}

fn put_failure(out: &mut Out<'_>, failure: Option<&Failure>) {
    out.u8(failure.is_some().into());
    if let Some(failure) = failure {
        out.u64(failure.at_ms);
        out.u32(failure.latency_ms);
        out.u16(failure.status.unwrap_or(0));
        out.text(&failure.code);
    }
}

fn failure(input: &mut In<'_>) -> Option<Option<Failure>> {
    Some(match input.flag()? {
        false => None,
        true => Some(Failure {
            at_ms: input.u64()?,
            latency_ms: input.u32()?,
            status: input.status()?,
            code: input.code()?,
        }),
    })
}
