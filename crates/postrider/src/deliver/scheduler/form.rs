//! Cutting batches from a backlog.

use uuid::Uuid;

use super::*;
use crate::journal::{BatchStart, Half};

/// Aged batches that one turn gives up at most per webhook.
const AGED_PER_TURN: u32 = 256;

/// How often the backlog of a target that is down is looked through for events that are too old.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// How long a webhook waits when the log could not be read for it.
const HOLD: Duration = Duration::from_secs(1);

/// Where the lengths of events are found: the log, or a table in tests.
pub(crate) trait Lengths {
    /// Measures neighbouring events from `first` on: at most `count`, and at most `bytes` with
    /// their separators. Stops in front of an event that can't be read, unless that is the first.
    fn measure(&mut self, first: u64, count: u32, bytes: u32) -> Result<Measure, Unreadable>;
}

/// What was measured. Zero of both means that the first event has more bytes than allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    /// Events that are there.
    pub(crate) good: u32,
    /// Their bytes.
    pub(crate) bytes: u32,
    /// When the last of them was written.
    pub(crate) written_ms: UnixMillis,
    /// Events in front of any good one that fail their checksum.
    pub(crate) damaged: u32,
    /// Events in front of any good one that the log does not have.
    pub(crate) missing: u32,
}

impl Measure {
    fn lost(&self) -> u32 {
        self.damaged + self.missing
    }
}

/// The log could not be read, for now: nothing is known of what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) String);

/// What a batch would be made of.
#[derive(Default)]
struct Cut {
    spans: Vec<Span>,
    events: u32,
    bytes: u32,
    written_ms: UnixMillis,
    /// Per run, from the front: events and bytes to take off.
    taken: Vec<(u32, u32)>,
    damaged: u64,
    missing: u64,
}

impl Cut {
    fn add(&mut self, first: u64, count: u32, bytes: u32, written_ms: UnixMillis) {
        match self.spans.last_mut() {
            Some(last) if last.end() == first => last.count += count,
            _ => self.spans.push(Span { first, count }),
        }
        self.events += count;
        self.bytes += bytes;
        self.written_ms = self.written_ms.max(written_ms);
    }
}

/// Cuts the next batch: as many events as fit. A single event may be larger than the limit.
fn cut(hook: &Hook, lengths: &mut impl Lengths) -> Result<Cut, Unreadable> {
    let (max_events, max_bytes) = (hook.pace.max_events, hook.max_bytes());
    let mut cut = Cut::default();
    'runs: for run in hook.backlog.runs().iter() {
        let room = (max_events - cut.events, max_bytes.saturating_sub(cut.bytes));
        if room.0 == 0 || room.1 == 0 {
            break;
        }
        if run.count <= room.0 && run.bytes <= room.1 {
            cut.add(run.first, run.count, run.bytes, run.written_ms);
            cut.taken.push((run.count, run.bytes));
            continue;
        }
        let (mut taken, mut taken_bytes) = (0, 0);
        while taken < run.count && cut.events < max_events {
            let room = max_bytes.saturating_sub(cut.bytes);
            let first = run.first + u64::from(taken);
            let most = (run.count - taken).min(max_events - cut.events);
            let mut found = lengths.measure(first, most, room)?;
            if found.good == 0 && found.lost() == 0 && cut.events == 0 {
                found = lengths.measure(first, 1, u32::MAX)?;
            }
            if found.good > 0 {
                cut.add(first, found.good, found.bytes, found.written_ms);
            } else if found.lost() > 0 {
                cut.damaged += u64::from(found.damaged);
                cut.missing += u64::from(found.missing);
            } else {
                cut.taken.push((taken, taken_bytes));
                break 'runs;
            }
            taken += found.good + found.lost();
            taken_bytes += found.bytes;
        }
        cut.taken.push((taken, taken_bytes));
    }
    Ok(cut)
}

impl Scheduler {
    /// Forms the next batch of a webhook, if there is one.
    pub(super) fn form(&mut self, slot: u32, lengths: &mut impl Lengths, now: Now) -> Option<Uuid> {
        self.form_if(slot, lengths, now, |_| true)
    }

    fn form_if(
        &mut self,
        slot: u32,
        lengths: &mut impl Lengths,
        now: Now,
        wanted: impl Fn(UnixMillis) -> bool,
    ) -> Option<Uuid> {
        let hook = self.hooks[slot as usize].as_mut()?;
        let cut = match cut(hook, lengths) {
            Ok(cut) => cut,
            Err(Unreadable(what)) => {
                hook.held_until = now.mono.after(HOLD);
                self.orders.notices.push(Notice::Held { what });
                return None;
            }
        };
        if cut.events > 0 && !wanted(cut.written_ms) {
            return None;
        }
        for (count, bytes) in cut.taken {
            hook.backlog.take_front(count, bytes, &mut self.budget);
        }
        let (webhook, revision) = (hook.id, hook.revision);
        let scanned_to = hook.backlog.position(self.routed);
        for (events, reason) in [
            (cut.damaged, Reason::DAMAGED),
            (cut.missing, Reason::MISSING),
        ] {
            if events > 0 {
                self.dropped(webhook, reason, events, scanned_to);
            }
        }
        if cut.events == 0 {
            return None;
        }
        let batch = Uuid::new_v4();
        self.spans_left = self.spans_left.saturating_sub(cut.spans.len());
        let start = BatchStart {
            batch,
            webhook,
            revision,
            spans: cut.spans,
            scanned_to,
            events: cut.events,
            bytes: cut.bytes,
            last_written_ms: cut.written_ms,
            formed_ms: now.unix_ms,
        };
        self.record(Record::Start(start));
        let open = self.state.batch(batch)?.clone();
        self.take_up(slot, &open, now);
        Some(batch)
    }

    /// While a target is down nothing but the probe is tried, and without a token nothing at all:
    /// age decides alone, and what has become too old is given up, waiting batches and the backlog's
    /// front.
    pub(super) fn sweep(&mut self, slot: u32, lengths: &mut impl Lengths, now: Now) {
        let give_up = self.give_up_after(slot).as_millis() as u64;
        let wall_ms = self.wall_ms(now);
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
        match hook.next_sweep(now.mono) {
            Some(next_sweep) if now.mono >= *next_sweep => {
                *next_sweep = now.mono.after(SWEEP_EVERY);
            }
            _ => return,
        }
        let from_ms = hook.age_from_ms;
        let waiting = hook.waiting.iter().map(|(.., batch)| *batch);
        let rendered = hook.rendered.iter().map(|(_, batch)| *batch);
        let waiting: Vec<Uuid> = waiting.chain(rendered).collect();
        for batch in waiting {
            if self
                .live
                .get(&batch)
                .is_some_and(|live| live.expires <= now.mono)
            {
                self.give_up(batch, Reason::EXPIRED, now);
            }
        }
        let aged =
            |written_ms: UnixMillis| wall_ms.saturating_sub(written_ms.max(from_ms)) >= give_up;
        for _ in 0..AGED_PER_TURN {
            match self.form_if(slot, lengths, now, aged) {
                Some(batch) => self.give_up(batch, Reason::EXPIRED, now),
                None => return,
            }
        }
        if let Some(next_sweep) = self.hooks[slot as usize]
            .as_mut()
            .and_then(|hook| hook.next_sweep(now.mono))
        {
            *next_sweep = now.mono;
        }
        self.touch(slot);
    }

    /// Splits the batches of a webhook that were marked for it.
    pub(super) fn split_marked(&mut self, slot: u32, lengths: &mut impl Lengths, now: Now) {
        let Some(hook) = self.hooks[slot as usize].as_ref() else {
            return;
        };
        let splitting = |batch: &Uuid| {
            self.live
                .get(batch)
                .is_some_and(|live| live.stage == Stage::Splitting)
        };
        let marked = hook.open.iter().map(|(_, batch)| *batch).filter(splitting);
        for batch in marked.collect::<Vec<_>>() {
            let Some(open) = self.state.batch(batch) else {
                continue;
            };
            if open.rendered.is_some() {
                self.split_rendered(batch, now);
                continue;
            }
            let (left, right) = halve(&open.start.spans);
            match (bytes_of(&left, lengths), bytes_of(&right, lengths)) {
                (Ok(left_bytes), Ok(right_bytes)) => {
                    self.split(
                        batch,
                        [part(left, left_bytes), part(right, right_bytes)],
                        now,
                    );
                }
                (Err(Unreadable(what)), _) | (_, Err(Unreadable(what))) => {
                    self.orders.notices.push(Notice::Held { what });
                    let hold = now.mono.after(HOLD);
                    if let Some(hook) = self.hooks[slot as usize].as_mut() {
                        hook.held_until = hold;
                        hook.timer = Some(hold);
                        self.timers.push(Reverse((hold, slot)));
                    }
                }
            }
        }
    }

    /// Puts two batches in the place of one. Their ids follow from its id, so that a receiver that
    /// saw a half before a crash sees the same id after it.
    pub(super) fn split(&mut self, parent: Uuid, parts: [Half; 2], now: Now) -> [Uuid; 2] {
        let mut name = 0u8;
        let halves = parts.map(|part| {
            let batch = Uuid::new_v5(&parent, &[b'0' + name]);
            name += 1;
            Half { batch, ..part }
        });
        let ids = [halves[0].batch, halves[1].batch];
        let slot = self.forget_live(parent);
        self.record(Record::Split {
            parent,
            at_ms: now.unix_ms,
            halves,
        });
        for id in ids {
            if let (Some(slot), Some(open)) = (slot, self.state.batch(id).cloned()) {
                self.take_up(slot, &open, now);
            }
        }
        ids
    }

    pub(super) fn dropped(&mut self, webhook: Uuid, reason: Reason, events: u64, scanned_to: u64) {
        let notice = Notice::Dropped {
            webhook,
            events,
            reason: reason.clone(),
        };
        self.orders.notices.push(notice);
        self.record(Record::Dropped {
            webhook,
            reason,
            events,
            scanned_to,
        });
    }
}

/// A part of a batch, still without its id.
pub(super) fn part(spans: Vec<Span>, bytes: u32) -> Half {
    Half {
        batch: Uuid::nil(),
        events: spans.iter().map(|span| span.count).sum(),
        spans,
        bytes,
    }
}

/// The two halves of a batch's events, the first not smaller.
fn halve(spans: &[Span]) -> (Vec<Span>, Vec<Span>) {
    let events: u32 = spans.iter().map(|span| span.count).sum();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut room = events.div_ceil(2);
    for span in spans {
        let here = span.count.min(room);
        room -= here;
        if here > 0 {
            left.push(Span {
                first: span.first,
                count: here,
            });
        }
        if span.count > here {
            right.push(Span {
                first: span.first + u64::from(here),
                count: span.count - here,
            });
        }
    }
    (left, right)
}

/// Bytes of a body of these events.
pub(super) fn bytes_of(spans: &[Span], lengths: &mut impl Lengths) -> Result<u32, Unreadable> {
    let mut bytes = 0u32;
    for span in spans {
        let mut at = 0;
        while at < span.count {
            let found = lengths.measure(span.first + u64::from(at), span.count - at, u32::MAX)?;
            bytes = bytes.saturating_add(found.bytes);
            at += (found.good + found.lost()).max(1);
        }
    }
    Ok(bytes)
}
