//! From ranges of the log to a body on the wire.
//!
//! A body is `[`, the events' text as it lies in the log, and `]`. The log keeps a separator behind
//! each event, so neighbours are one slice of their frame and are sent from there; the last
//! separator is left out. A piece that is small, or small beside the frame that it would hold in
//! memory, is copied instead.

use std::collections::VecDeque;
use std::io::Write as _;
use std::ops::Range;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::ahead::ReadAhead;
use super::scheduler::{Lengths, Measure, Unreadable};
use super::sites::Sites;
use crate::event::SEPARATOR;
use crate::http::{Body, Slice, WeakBody};
use crate::journal::{Rendering, Span};
use crate::log::{Few, Frame, Log, LogError};

/// Pieces below this many bytes are copied: cheaper than a slice of their own.
const COPY_BELOW: usize = 4096;

/// A piece below this part of its frame is copied: the frame's memory is worth more.
const COPY_PART: usize = 8;

/// Bodies that may be found again.
const RECENT: usize = 16;

/// Reads events for batches, one thread's. It keeps the frames it used last, so that what was
/// measured is not read again to be sent; [`forget`](Self::forget) lets go of them.
pub(crate) struct LogReader {
    log: Arc<Log>,
    frames: ReadAhead,
    /// Where single events lie.
    pub(crate) sites: Sites,
    /// What was assembled last, as long as it is being sent: webhooks that want the same events and
    /// wait equally long get the same batch, and one body serves them all.
    recent: VecDeque<(Vec<Span>, WeakBody)>,
}

/// What was found of a batch.
pub(crate) struct Assembled {
    pub(crate) body: Body,
    /// Events that the log does not have. The body is without them.
    pub(crate) missing: Vec<Span>,
    /// Events that fail their checksum. The body is without them too.
    pub(crate) damaged: Vec<Span>,
}

impl LogReader {
    pub(crate) fn new(log: Arc<Log>) -> LogReader {
        LogReader {
            frames: ReadAhead::new(log.clone()),
            log,
            sites: Sites::default(),
            recent: VecDeque::with_capacity(RECENT),
        }
    }

    /// Lets go of all frames.
    pub(crate) fn forget(&mut self) {
        self.frames.forget();
    }

    /// Makes a batch's body, or finds the one that is being sent to another webhook.
    pub(crate) fn assemble(&mut self, spans: &[Span]) -> Result<Assembled, LogError> {
        let mut recent = self.recent.iter().filter(|(known, _)| known == spans);
        if let Some(body) = recent.find_map(|(_, body)| body.upgrade()) {
            return Ok(Assembled {
                body,
                missing: Vec::new(),
                damaged: Vec::new(),
            });
        }
        let made = self.make(spans)?;
        if made.missing.is_empty() && made.damaged.is_empty() {
            self.recent.truncate(RECENT - 1);
            let found = (spans.to_vec(), made.body.downgrade());
            self.recent.push_front(found);
        }
        Ok(made)
    }

    fn make(&mut self, spans: &[Span]) -> Result<Assembled, LogError> {
        let mut pieces = Pieces::default();
        let (mut missing, mut damaged) = (Vec::new(), Vec::new());
        let mut head: Option<Few> = None;
        let log = self.log.clone();
        let mut texts = log.texts();
        let known = self.sites.take(spans);
        if !known.is_empty() {
            let bytes = known.iter().map(|(_, site)| site.text_len()).sum();
            pieces.copy().reserve_exact(bytes);
        }
        let mut known = known.into_iter().peekable();
        for (nth, span) in spans.iter().enumerate() {
            let mut at = span.first;
            while at < span.end() {
                if let Some((_, site)) = known.next_if(|(offset, _)| *offset == at)
                    && texts.read(at, site, pieces.copy())?
                {
                    at += 1;
                    continue;
                }
                // Of a frame with little for this batch only that is read.
                if !holds(head.as_ref(), at) {
                    head = self.few(at, &spans[nth..])?;
                }
                if let Some(few) = head.as_ref().filter(|few| few.base_offset() <= at) {
                    let (base, end) = (few.base_offset(), span.end().min(few.end_offset()));
                    let part = (at - base) as u32..(end - base) as u32;
                    let bad = |i: u32| {
                        let offset = base + u64::from(i);
                        add(&mut damaged, offset, offset + 1);
                    };
                    few.texts(&self.log, part, pieces.copy(), bad)?;
                    at = end;
                    continue;
                }
                let Some(frame) = self
                    .frames
                    .frame(at)?
                    .filter(|frame| frame.base_offset() < span.end())
                else {
                    add(&mut missing, at, span.end());
                    break;
                };
                let base = frame.base_offset();
                if at < base {
                    add(&mut missing, at, base);
                    at = base;
                }
                let end = span.end().min(frame.end_offset());
                let (mut from, to) = ((at - base) as u32, (end - base) as u32);
                if frame.has_damage() {
                    for bad in (from..to).filter(|i| frame.is_damaged(*i)) {
                        pieces.add(&frame, from, bad);
                        add(
                            &mut damaged,
                            base + u64::from(bad),
                            base + u64::from(bad) + 1,
                        );
                        from = bad + 1;
                    }
                }
                pieces.add(&frame, from, to);
                at = end;
            }
        }
        Ok(Assembled {
            body: pieces.into_body(),
            missing,
            damaged,
        })
    }

    /// The frame that holds `offset` without its texts, where it is on disk and the spans want little of it.
    fn few(&mut self, offset: u64, spans: &[Span]) -> Result<Option<Few>, LogError> {
        if self.frames.kept(offset).is_some() {
            return Ok(None);
        }
        let few = self.log.few(offset)?;
        let Some(few) = few.filter(|few| few.is_head() && holds(Some(few), offset)) else {
            return Ok(None);
        };
        let (base, end) = (few.base_offset(), few.end_offset());
        let here = spans.iter().take_while(|span| span.first < end);
        let wanted = here.map(|span| {
            let part = span.first.max(base)..span.end().min(end);
            few.len_of((part.start - base) as u32..(part.end - base) as u32)
        });
        let wanted: usize = wanted.sum();
        Ok((wanted * COPY_PART < few.text_len()).then_some(few))
    }
}

impl Lengths for LogReader {
    fn measure(&mut self, first: u64, count: u32, bytes: u32) -> Result<Measure, Unreadable> {
        let end = first + u64::from(count);
        let (mut found, mut at) = (Measure::default(), first);
        while at < end {
            let frame = self
                .frames
                .frame(at)
                .map_err(|error| Unreadable(error.to_string()))?;
            let Some(frame) = frame.filter(|frame| frame.base_offset() <= at) else {
                if found.good == 0 {
                    let next = self
                        .frames
                        .frame(at)
                        .ok()
                        .flatten()
                        .map_or(end, |f| f.base_offset());
                    found.missing = (next.min(end) - at) as u32;
                }
                return Ok(found);
            };
            let base = frame.base_offset();
            let (from, to) = (
                (at - base) as u32,
                (end.min(frame.end_offset()) - base) as u32,
            );
            let damaged = |i: u32| frame.has_damage() && frame.is_damaged(i);
            if damaged(from) {
                if found.good == 0 {
                    found.damaged = (from..to).take_while(|i| damaged(*i)).count() as u32;
                }
                return Ok(found);
            }
            let to = (from..to).find(|i| damaged(*i)).unwrap_or(to);
            let fits = fitting(&frame, from, to, bytes - found.bytes);
            if fits > from {
                found.good += fits - from;
                found.bytes += frame.range(from..fits).len() as u32;
                found.written_ms = found.written_ms.max(frame.written_ms());
            }
            if fits < to || u64::from(to) + base < end.min(frame.end_offset()) {
                return Ok(found);
            }
            at = base + u64::from(to);
        }
        Ok(found)
    }
}

/// How far the events from `from` to `to` fit in `bytes`: behind the last that does.
fn fitting(frame: &Frame, from: u32, to: u32, bytes: u32) -> u32 {
    let (mut fits, mut too_far) = (from, to + 1);
    while fits + 1 < too_far {
        let middle = fits + (too_far - fits) / 2;
        if frame.range(from..middle).len() <= bytes as usize {
            fits = middle;
        } else {
            too_far = middle;
        }
    }
    fits
}

fn holds(few: Option<&Few>, offset: u64) -> bool {
    few.is_some_and(|few| few.base_offset() <= offset && offset < few.end_offset())
}

pub(super) fn add(spans: &mut Vec<Span>, first: u64, end: u64) {
    let count = (end - first) as u32;
    match spans.last_mut() {
        Some(last) if last.end() == first => last.count += count,
        _ => spans.push(Span { first, count }),
    }
}

enum Piece {
    Frame(Arc<Frame>, Range<usize>),
    Copy(Vec<u8>),
}

#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn add(&mut self, frame: &Arc<Frame>, from: u32, to: u32) {
        if from >= to {
            return;
        }
        let range = frame.range(from..to);
        if range.len() >= COPY_BELOW && range.len() * COPY_PART >= frame.bytes().len() {
            self.0.push(Piece::Frame(frame.clone(), range));
            return;
        }
        let bytes = &frame.bytes()[range];
        match self.0.last_mut() {
            Some(Piece::Copy(copy)) => copy.extend_from_slice(bytes),
            _ => self.0.push(Piece::Copy(bytes.to_vec())),
        }
    }

    /// Where more text can be copied to.
    fn copy(&mut self) -> &mut Vec<u8> {
        if !matches!(self.0.last(), Some(Piece::Copy(_))) {
            self.0.push(Piece::Copy(Vec::new()));
        }
        match self.0.last_mut() {
            Some(Piece::Copy(copy)) => copy,
            _ => unreachable!("pushed above"),
        }
    }

    fn into_body(mut self) -> Body {
        match self.0.last_mut() {
            Some(Piece::Frame(_, range)) => range.end -= SEPARATOR.len(),
            Some(Piece::Copy(copy)) => copy.truncate(copy.len().saturating_sub(SEPARATOR.len())),
            None => {}
        }
        let mut body = Body::new();
        body.push("[");
        for piece in self.0 {
            body.push(match piece {
                Piece::Frame(frame, range) => Slice::shared(frame, range),
                Piece::Copy(copy) => Slice::owned(copy),
            });
        }
        body.push("]");
        body
    }
}

/// A body of some events of a rendered batch; `None` if it does not have them.
pub(crate) fn of_rendering(rendering: &Arc<Rendering>, events: Range<u32>) -> Option<Body> {
    let mut range = rendering.range(events)?;
    range.end = range.end.saturating_sub(SEPARATOR.len()).max(range.start);
    let mut body = Body::new();
    body.push("[");
    body.push(Slice::shared(rendering.clone(), range));
    body.push("]");
    Some(body)
}

/// The same bytes as one gzip member (RFC 1952). Equal bodies give equal bytes.
pub(crate) fn gzip(body: &Body) -> Body {
    let compressed = Vec::with_capacity(body.len() as usize / 8);
    // The fastest level: events shrink to a tenth with it, and this is the deliver thread.
    let mut encoder = GzEncoder::new(compressed, Compression::fast());
    let written = body
        .slices()
        .iter()
        .try_for_each(|slice| encoder.write_all(slice.as_bytes()));
    match written.and_then(|()| encoder.finish()) {
        Ok(compressed) => compressed.into(),
        Err(error) => unreachable!("writing into memory failed: {error}"),
    }
}

#[cfg(test)]
mod tests;
