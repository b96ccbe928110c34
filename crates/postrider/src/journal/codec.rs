//! Records as bytes, little-endian: fixed fields in the order in which they are declared, spans as
//! variable-length distances, texts behind one byte of length. Reading believes nothing: what
//! doesn't fit to the last byte is no record.

use super::record::{
    Accounts, Asked, BatchStart, Change, Code, Half, Hold, Outcome, Reason, Record, Span, clip,
};
use std::borrow::Cow;
use uuid::Uuid;

/// A record's kind, as in its head. Kinds of the checkpoint are in `snapshot.rs`.
pub(super) mod kind {
    pub(in super::super) const START: u8 = 1;
    pub(in super::super) const ATTEMPT: u8 = 2;
    pub(in super::super) const OUTCOME: u8 = 3;
    pub(in super::super) const SPLIT: u8 = 4;
    pub(in super::super) const DEAD: u8 = 5;
    pub(in super::super) const REPLAY: u8 = 6;
    pub(in super::super) const FORGET: u8 = 7;
    pub(in super::super) const CLOSE: u8 = 8;
    pub(in super::super) const DROPPED: u8 = 9;
    pub(in super::super) const FLOOR: u8 = 10;
    pub(in super::super) const WEBHOOK: u8 = 11;
    pub(in super::super) const SELECTED: u8 = 12;
    pub(in super::super) const HELD: u8 = 13;
    pub(in super::super) const RENDERED: u8 = 14;
    /// As `SPLIT`, of a rendered batch: without spans.
    pub(in super::super) const SPLIT_RENDERED: u8 = 15;
}

/// Where a record's payload is written.
pub(super) struct Out<'a>(pub(super) &'a mut Vec<u8>);

impl Out<'_> {
    pub(super) fn u8(&mut self, v: u8) {
        self.0.push(v);
    }

    pub(super) fn u16(&mut self, v: u16) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }

    pub(super) fn u32(&mut self, v: u32) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }

    pub(super) fn u64(&mut self, v: u64) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }

    pub(super) fn uuid(&mut self, v: Uuid) {
        self.0.extend_from_slice(v.as_bytes());
    }

    pub(super) fn text(&mut self, v: &str) {
        let v = clip(v);
        self.u8(v.len() as u8);
        self.0.extend_from_slice(v.as_bytes());
    }

    /// Seven bits a byte, lowest first; the top bit says that more follow.
    fn varint(&mut self, mut v: u64) {
        while v >= 0x80 {
            self.u8(v as u8 | 0x80);
            v >>= 7;
        }
        self.u8(v as u8);
    }

    /// How many, then for each the distance from the end of the one before, and its count.
    pub(super) fn spans(&mut self, spans: &[Span]) {
        self.varint(spans.len() as u64);
        let mut end = 0;
        for span in spans {
            self.varint(span.first.wrapping_sub(end));
            self.varint(span.count.into());
            end = span.end();
        }
    }

    pub(super) fn start(&mut self, start: &BatchStart) {
        self.uuid(start.batch);
        self.uuid(start.webhook);
        self.u32(start.revision);
        self.u64(start.scanned_to);
        self.u32(start.events);
        self.u32(start.bytes);
        self.u64(start.last_written_ms);
        self.u64(start.formed_ms);
        self.spans(&start.spans);
    }

    fn half(&mut self, half: &Half) {
        self.rendered_half(half);
        self.spans(&half.spans);
    }

    fn rendered_half(&mut self, half: &Half) {
        self.uuid(half.batch);
        self.u32(half.events);
        self.u32(half.bytes);
    }

    /// Writes a record's payload; answers its kind.
    pub(super) fn record(&mut self, record: &Record) -> u8 {
        match record {
            Record::Start(start) => {
                self.start(start);
                kind::START
            }
            Record::Attempt {
                batch,
                number,
                at_ms,
            } => {
                self.uuid(*batch);
                self.u32(*number);
                self.u64(*at_ms);
                kind::ATTEMPT
            }
            Record::Outcome {
                batch,
                at_ms,
                latency_ms,
                result,
                next_at_ms,
            } => {
                self.uuid(*batch);
                self.u64(*at_ms);
                self.u32(*latency_ms);
                self.u64(*next_at_ms);
                match result {
                    Outcome::Delivered { status } => {
                        self.u8(1);
                        self.u16(*status);
                        self.text("");
                    }
                    Outcome::Failed { status, code } => {
                        self.u8(2);
                        self.u16(status.unwrap_or(0));
                        self.text(code);
                    }
                }
                kind::OUTCOME
            }
            Record::Split {
                parent,
                at_ms,
                halves,
            } => {
                self.uuid(*parent);
                self.u64(*at_ms);
                if halves.iter().all(|half| half.spans.is_empty()) {
                    halves.iter().for_each(|half| self.rendered_half(half));
                    return kind::SPLIT_RENDERED;
                }
                halves.iter().for_each(|half| self.half(half));
                kind::SPLIT
            }
            Record::Rendered {
                batch,
                at_ms,
                file,
                events,
                bytes,
                added,
                dropped,
                held,
            } => {
                self.uuid(*batch);
                self.u64(*at_ms);
                self.uuid(*file);
                [events, bytes, added]
                    .into_iter()
                    .for_each(|n| self.u32(*n));
                self.u32(dropped.len() as u32);
                for (reason, events) in dropped {
                    self.text(reason.as_str());
                    self.u32(*events);
                }
                self.u8(held.is_some().into());
                held.iter().for_each(|half| self.half(half));
                kind::RENDERED
            }
            Record::Dead {
                batch,
                reason,
                at_ms,
            } => {
                self.ended(*batch, *at_ms, reason);
                kind::DEAD
            }
            Record::Replay { batch, at_ms } => {
                self.uuid(*batch);
                self.u64(*at_ms);
                kind::REPLAY
            }
            Record::Forget { batch } => {
                self.uuid(*batch);
                kind::FORGET
            }
            Record::Close {
                batch,
                reason,
                at_ms,
            } => {
                self.ended(*batch, *at_ms, reason);
                kind::CLOSE
            }
            Record::Dropped {
                webhook,
                reason,
                events,
                scanned_to,
            } => {
                self.uuid(*webhook);
                self.u64(*events);
                self.u64(*scanned_to);
                self.text(reason.as_str());
                kind::DROPPED
            }
            Record::Floor {
                webhook,
                scanned_to,
            } => {
                self.uuid(*webhook);
                self.u64(*scanned_to);
                kind::FLOOR
            }
            Record::Selected {
                webhook,
                at_offset,
                asked,
            } => {
                self.selected(*webhook, *at_offset, asked);
                kind::SELECTED
            }
            Record::Held {
                webhook,
                at_ms,
                hold,
            } => {
                self.held(*webhook, *at_ms, hold.as_ref());
                kind::HELD
            }
            Record::Webhook {
                webhook,
                change,
                at_offset,
            } => {
                self.uuid(*webhook);
                self.u64(*at_offset);
                let (what, revision) = match change {
                    Change::Created => (1, 0),
                    Change::Revised(revision) => (2, *revision),
                    Change::Deleted => (3, 0),
                    Change::Gone => (4, 0),
                };
                self.u8(what);
                self.u32(revision);
                kind::WEBHOOK
            }
        }
    }

    pub(super) fn selected(&mut self, webhook: Uuid, at_offset: u64, asked: &Asked) {
        self.uuid(webhook);
        self.u64(at_offset);
        let (accounts, subaccounts) = match &asked.accounts {
            Accounts::AllBut(except) => (1, except.as_slice()),
            Accounts::Primary => (2, &[][..]),
            Accounts::One(one) => (3, std::slice::from_ref(one)),
        };
        self.u8(accounts);
        self.u32(subaccounts.len() as u32);
        subaccounts.iter().for_each(|id| self.u32(*id));
        self.u32(asked.types.len() as u32);
        asked.types.iter().for_each(|id| self.u16(*id));
    }

    pub(super) fn held(&mut self, webhook: Uuid, at_ms: u64, hold: Option<&Hold>) {
        self.uuid(webhook);
        self.u64(at_ms);
        let (what, why) = match hold {
            None => (0, ""),
            Some(Hold::Paused) => (1, ""),
            Some(Hold::Disabled { why }) => (2, &**why),
        };
        self.u8(what);
        self.text(why);
    }

    fn ended(&mut self, batch: Uuid, at_ms: u64, reason: &Reason) {
        self.uuid(batch);
        self.u64(at_ms);
        self.text(reason.as_str());
    }
}

/// What is left of a record's payload.
pub(super) struct In<'a>(pub(super) &'a [u8]);

impl In<'_> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.bytes().map(|[v]| v)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.bytes().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_le_bytes)
    }

    pub(super) fn uuid(&mut self) -> Option<Uuid> {
        self.bytes().map(Uuid::from_bytes)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        let len = self.u8()?.into();
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        str::from_utf8(text).ok().map(str::to_owned)
    }

    pub(super) fn reason(&mut self) -> Option<Reason> {
        Some(Reason::named(&self.text()?))
    }

    pub(super) fn code(&mut self) -> Option<Code> {
        Some(match self.text()? {
            none if none.is_empty() => Cow::Borrowed(""),
            code => Cow::Owned(code),
        })
    }

    pub(super) fn status(&mut self) -> Option<Option<u16>> {
        Some(Some(self.u16()?).filter(|&status| status != 0))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut v = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            v |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(v);
            }
        }
        None
    }

    /// Spans whose counts add up to `events`, ascending and disjoint.
    pub(super) fn selected(&mut self) -> Option<(Uuid, u64, Asked)> {
        let (webhook, at_offset, accounts) = (self.uuid()?, self.u64()?, self.u8()?);
        let subaccounts = self.list(In::u32)?;
        let accounts = match (accounts, subaccounts.as_slice()) {
            (1, _) => Accounts::AllBut(subaccounts),
            (2, []) => Accounts::Primary,
            (3, [one]) => Accounts::One(*one),
            _ => return None,
        };
        let types = self.list(In::u16)?;
        Some((webhook, at_offset, Asked { types, accounts }))
    }

    pub(super) fn held(&mut self) -> Option<(Uuid, u64, Option<Hold>)> {
        let (webhook, at_ms, what) = (self.uuid()?, self.u64()?, self.u8()?);
        let why = self.code()?;
        let hold = match what {
            0 => None,
            1 => Some(Hold::Paused),
            2 => Some(Hold::Disabled { why }),
            _ => return None,
        };
        Some((webhook, at_ms, hold))
    }

    /// A `u32` count and so many items, none of which is believed before it is there.
    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.u32()?).map(|_| item(self)).collect()
    }

    pub(super) fn spans(&mut self, events: u32) -> Option<Vec<Span>> {
        let n = self.varint()? as usize;
        // Each takes two bytes at least.
        if n > self.0.len() / 2 {
            return None;
        }
        let mut spans = Vec::with_capacity(n);
        let (mut end, mut left) = (0u64, events);
        for _ in 0..n {
            let first = end.checked_add(self.varint()?)?;
            let count = u32::try_from(self.varint()?).ok()?;
            left = left.checked_sub(count)?;
            end = first.checked_add(count.into())?;
            spans.push(Span { first, count });
        }
        (left == 0).then_some(spans)
    }

    pub(super) fn start(&mut self) -> Option<BatchStart> {
        let batch = self.uuid()?;
        let webhook = self.uuid()?;
        let revision = self.u32()?;
        let scanned_to = self.u64()?;
        let events = self.u32()?;
        Some(BatchStart {
            batch,
            webhook,
            revision,
            scanned_to,
            events,
            bytes: self.u32()?,
            last_written_ms: self.u64()?,
            formed_ms: self.u64()?,
            spans: self.spans(events)?,
        })
    }

    fn half(&mut self) -> Option<Half> {
        let mut half = self.rendered_half()?;
        half.spans = self.spans(half.events)?;
        Some(half)
    }

    fn rendered_half(&mut self) -> Option<Half> {
        Some(Half {
            batch: self.uuid()?,
            events: self.u32()?,
            bytes: self.u32()?,
            spans: Vec::new(),
        })
    }

    /// Reads a whole payload.
    pub(super) fn record(mut self, kind: u8) -> Option<Record> {
        let record = self.record_of(kind)?;
        self.0.is_empty().then_some(record)
    }

    fn record_of(&mut self, kind: u8) -> Option<Record> {
        Some(match kind {
            kind::START => Record::Start(self.start()?),
            kind::ATTEMPT => Record::Attempt {
                batch: self.uuid()?,
                number: self.u32()?,
                at_ms: self.u64()?,
            },
            kind::OUTCOME => {
                let batch = self.uuid()?;
                let at_ms = self.u64()?;
                let latency_ms = self.u32()?;
                let next_at_ms = self.u64()?;
                let what = self.u8()?;
                let status = self.status()?;
                let code = self.code()?;
                let result = match what {
                    1 => Outcome::Delivered { status: status? },
                    2 => Outcome::Failed { status, code },
                    _ => return None,
                };
                Record::Outcome {
                    batch,
                    at_ms,
                    latency_ms,
                    result,
                    next_at_ms,
                }
            }
            kind::RENDERED => Record::Rendered {
                batch: self.uuid()?,
                at_ms: self.u64()?,
                file: self.uuid()?,
                events: self.u32()?,
                bytes: self.u32()?,
                added: self.u32()?,
                dropped: self.list(|input| Some((input.reason()?, input.u32()?)))?,
                held: match self.flag()? {
                    true => Some(self.half()?),
                    false => None,
                },
            },
            kind::SPLIT => Record::Split {
                parent: self.uuid()?,
                at_ms: self.u64()?,
                halves: [self.half()?, self.half()?],
            },
            kind::SPLIT_RENDERED => Record::Split {
                parent: self.uuid()?,
                at_ms: self.u64()?,
                halves: [self.rendered_half()?, self.rendered_half()?],
            },
            kind::DEAD => Record::Dead {
                batch: self.uuid()?,
                at_ms: self.u64()?,
                reason: self.reason()?,
            },
            kind::REPLAY => Record::Replay {
                batch: self.uuid()?,
                at_ms: self.u64()?,
            },
            kind::FORGET => Record::Forget {
                batch: self.uuid()?,
            },
            kind::CLOSE => Record::Close {
                batch: self.uuid()?,
                at_ms: self.u64()?,
                reason: self.reason()?,
            },
            kind::DROPPED => Record::Dropped {
                webhook: self.uuid()?,
                events: self.u64()?,
                scanned_to: self.u64()?,
                reason: self.reason()?,
            },
            kind::FLOOR => Record::Floor {
                webhook: self.uuid()?,
                scanned_to: self.u64()?,
            },
            kind::SELECTED => {
                let (webhook, at_offset, asked) = self.selected()?;
                Record::Selected {
                    webhook,
                    at_offset,
                    asked,
                }
            }
            kind::HELD => {
                let (webhook, at_ms, hold) = self.held()?;
                Record::Held {
                    webhook,
                    at_ms,
                    hold,
                }
            }
            kind::WEBHOOK => Record::Webhook {
                webhook: self.uuid()?,
                at_offset: self.u64()?,
                change: match (self.u8()?, self.u32()?) {
                    (1, _) => Change::Created,
                    (2, revision) => Change::Revised(revision),
                    (3, _) => Change::Deleted,
                    (4, _) => Change::Gone,
                    _ => return None,
                },
            },
            _ => return None,
        })
    }
}
