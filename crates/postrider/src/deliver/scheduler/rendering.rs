//! Batches of webhooks with filters of their own: rendered once, before the first attempt.
//!
//! ```text
//! formed ──Render──▶ the webhook's filters ──Made──▶ journaled ─▶ attempts, all with these bytes
//!    ▲                    │ lost, failed                 └▶ held: a dead letter, rendered when it is replayed
//!    └────────────────────┘
//! ```
//!
//! While its batch is with the filters a webhook waits for it as for an answer; others go on. A crash
//! before the record is journaled renders anew, which nobody can tell: nothing has gone out. What has gone out is never
//! rendered, nor rendered anew, whatever becomes of the filters.

use uuid::Uuid;

use super::*;
use crate::journal::Half;

/// How long a batch waits that could not be rendered.
const HOLD: Duration = Duration::from_secs(1);

/// A batch that is to be rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Render {
    pub(crate) webhook: Uuid,
    pub(crate) batch: Uuid,
    pub(crate) spans: Vec<Span>,
}

/// What filters made of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Made {
    /// Where it is, and how much; nil and nothing if nothing is left.
    pub(crate) file: Uuid,
    pub(crate) events: u32,
    pub(crate) bytes: u32,
    /// Events that filters added, whatever became of them.
    pub(crate) added: u32,
    /// Events that they dropped.
    pub(crate) dropped: Vec<(Reason, u32)>,
    /// Events that they held, and their bytes.
    pub(crate) held: Vec<Span>,
    pub(crate) held_bytes: u32,
}

impl Scheduler {
    /// Sends a batch, or has it rendered first.
    pub(super) fn send(&mut self, batch: Uuid, now: Now) {
        if self.is_to_render(batch) {
            self.render(batch);
        } else {
            self.attempt(batch, now);
        }
    }

    fn is_to_render(&self, batch: Uuid) -> bool {
        let (Some(live), Some(open)) = (self.live.get(&batch), self.state.batch(batch)) else {
            return false;
        };
        let hook = self.hooks[live.slot as usize].as_ref();
        let settled = live.stage == Stage::Rendered || open.is_settled();
        !settled && hook.is_some_and(|hook| hook.filtered)
    }

    /// Whether what goes out next would have to be rendered.
    pub(super) fn would_render(&self, slot: u32, next: Next) -> bool {
        let batch = match next {
            Next::Again(batch) => Some(batch),
            Next::Probe => self.probe(slot),
            Next::Fresh | Next::Nothing => None,
        };
        match batch {
            Some(batch) => self.is_to_render(batch),
            None => self.hooks[slot as usize]
                .as_ref()
                .is_some_and(|hook| hook.filtered),
        }
    }

    fn render(&mut self, batch: Uuid) {
        let (Some(open), Some(live)) = (self.state.batch(batch), self.live.get_mut(&batch)) else {
            return;
        };
        let Some(hook) = self.hooks[live.slot as usize].as_mut() else {
            return;
        };
        hook.unlist(live.stage, live.place, batch);
        hook.in_flight += 1;
        live.stage = Stage::Rendering;
        self.orders.renders.push(Render {
            webhook: open.start.webhook,
            batch,
            spans: open.start.spans.clone(),
        });
    }

    /// Whether the batch is still waited for.
    fn is_rendering(&self, batch: Uuid) -> bool {
        let live = self.live.get(&batch);
        live.is_some_and(|live| live.stage == Stage::Rendering)
    }

    /// Filters are done with a batch; `None`: they left it as it is. One that has ended meanwhile is not known any more.
    pub(crate) fn rendered(&mut self, batch: Uuid, made: Option<Made>, now: Now) {
        if !self.is_rendering(batch) {
            return;
        }
        let Some(slot) = self.land(batch) else { return };
        self.touch(slot);
        let Some(made) = made else {
            return self.list_rendered(slot, batch);
        };
        let held = (!made.held.is_empty()).then(|| Half {
            batch: Uuid::new_v5(&batch, b"held"),
            ..form::part(made.held, made.held_bytes)
        });
        let held_id = held.as_ref().map(|held| held.batch);
        let (events, bytes) = (made.events, made.bytes);
        self.record(Record::Rendered {
            batch,
            at_ms: now.unix_ms,
            file: made.file,
            events,
            bytes,
            added: made.added,
            dropped: made.dropped,
            held,
        });
        if let Some(held) = held_id {
            self.give_up(held, Reason::HELD, now);
        }
        if events == 0 {
            self.forget_live(batch);
            return;
        }
        if let Some(live) = self.live.get_mut(&batch) {
            live.bytes = bytes;
        }
        self.list_rendered(slot, batch);
    }

    fn list_rendered(&mut self, slot: u32, batch: Uuid) {
        if let Some(live) = self.live.get_mut(&batch)
            && let Some(hook) = self.hooks[slot as usize].as_mut()
        {
            live.stage = Stage::Rendered;
            hook.rendered.insert((live.place, batch));
        }
    }

    /// Events of a batch that was to be rendered are not in the log.
    pub(crate) fn unrenderable(
        &mut self,
        batch: Uuid,
        lost: &[Span],
        reason: Reason,
        lengths: &mut impl Lengths,
        now: Now,
    ) {
        if self.is_rendering(batch) {
            self.lose(batch, lost, reason, lengths, now);
        }
    }

    /// A batch could not be rendered, for now.
    pub(crate) fn not_rendered(&mut self, batch: Uuid, what: String, now: Now) {
        if !self.is_rendering(batch) {
            return;
        }
        let Some(slot) = self.land(batch) else { return };
        self.touch(slot);
        self.orders.notices.push(Notice::Held { what });
        let due = now.mono.after(HOLD);
        let Some(live) = self.live.get_mut(&batch) else {
            return;
        };
        live.stage = Stage::Waiting(due);
        if let Some(hook) = self.hooks[slot as usize].as_mut() {
            hook.waiting.insert((due, live.place, batch));
        }
    }

    /// The rendering of an attempt that was ordered is not there any more.
    pub(crate) fn rendering_lost(&mut self, batch: Uuid, now: Now) {
        let Some(start) = self.state.batch(batch).map(|open| &open.start) else {
            return;
        };
        let (webhook, events) = (start.webhook, u64::from(start.events));
        let reason = Reason::DAMAGED;
        self.close(batch, reason.clone(), now);
        self.orders.notices.push(Notice::Dropped {
            webhook,
            events,
            reason,
        });
    }

    /// Says whether there is space for more renderings; webhooks that waited for it go on.
    pub(crate) fn may_render(&mut self, may: bool) {
        if std::mem::replace(&mut self.may_render, may) || !may {
            return;
        }
        for slot in 0..self.hooks.len() as u32 {
            let hook = self.hooks[slot as usize].as_ref();
            if hook.is_some_and(|hook| hook.filtered) {
                self.touch(slot);
            }
        }
    }

    /// Splits a rendered batch between two of its events. The bytes of the halves are a guess: they say how
    /// much is under way, not what is sent.
    pub(super) fn split_rendered(&mut self, batch: Uuid, now: Now) {
        let Some(start) = self.state.batch(batch).map(|open| &open.start) else {
            return;
        };
        let (events, bytes) = (start.events, start.bytes);
        let left = events.div_ceil(2);
        let half = |count: u32| Half {
            batch: Uuid::nil(),
            spans: Vec::new(),
            events: count,
            bytes: (u64::from(bytes) * u64::from(count) / u64::from(events.max(1))) as u32,
        };
        self.split(batch, [half(left), half(events - left)], now);
    }
}
