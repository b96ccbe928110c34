//! Reading: from memory where the frame is still there, from its segment where not.

use super::error::LogError;
use super::format::{FRAME_HEADER, FrameHeader, NotAHeader, VERSION};
use super::frame::{Frame, FrameTable};
use super::handle::Log;
use super::segment::Segment;
use super::slab::{Filler, SLAB_BYTES};
use super::walk::{Walk, believe};
use crate::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The least that is read from disk at once.
const LEAST_READ: u64 = 64 * 1024;

/// Where reads put their frames, and what the last one saw of the frame behind its own.
pub(super) struct Reads {
    filler: Filler,
    next: Option<Next>,
}

/// A frame of which only the header was read.
#[derive(Clone, Copy)]
struct Next {
    /// Its segment, which a recycled one of the same base is not.
    segment: (u64, u64),
    at: u64,
    len: u64,
}

fn life(segment: &Segment) -> (u64, u64) {
    (segment.header.base_offset, segment.header.generation)
}

impl Reads {
    pub(super) fn into(filler: Filler) -> Reads {
        Reads { filler, next: None }
    }
}

/// Where the next frames of a reader are.
pub(super) enum Place {
    /// In memory: these.
    Tail(Vec<Arc<Frame>>),
    /// In this segment.
    Disk(Arc<Segment>),
    /// Not written yet.
    End,
}

impl Log {
    /// The frames that hold offsets `>= from`, in order, as many as fit `budget_bytes` of text and
    /// at least one if there is any. The first may begin below `from`. Frames that fail their checks are
    /// skipped and counted, so offsets may jump from one frame to the next.
    ///
    /// # Errors
    /// Of the disk. What was read before is given, and the error by the next call.
    pub fn read(&self, from: u64, budget_bytes: usize) -> Result<Vec<Arc<Frame>>, LogError> {
        let mut frames = Vec::new();
        let (mut next, mut left) = (from, budget_bytes as u64);
        let mut disk = false;
        loop {
            match self.place(next, left, frames.is_empty()) {
                Place::End => break,
                Place::Tail(found) => {
                    frames.extend(found);
                    break;
                }
                Place::Disk(segment) => {
                    disk = true;
                    let had = frames.len();
                    match self.read_segment(&segment, next, left, &mut frames) {
                        Ok(Some(end)) => next = end,
                        Ok(None) => break,
                        Err(_) if !frames.is_empty() => break,
                        Err(e) => return Err(e),
                    }
                    let got: u64 = frames[had..].iter().map(|f| f.bytes().len() as u64).sum();
                    left = left.saturating_sub(got);
                }
            }
        }
        // As in `place`, of segments.
        let written = self.written.load();
        frames.truncate(frames.partition_point(|f| f.base_offset() < written));
        let counter = match disk {
            true => &self.counters.disk_reads,
            false => &self.counters.tail_reads,
        };
        counter.fetch_add(1, Relaxed);
        Ok(frames)
    }

    pub(super) fn place(&self, from: u64, budget: u64, at_least_one: bool) -> Place {
        // The writer shows a frame a moment before it says that it is written. Who took it now might be told, when he
        // comes for it again, that there is none.
        let written = self.written.load();
        if from >= written {
            return Place::End;
        }
        let state = self.state();
        let cached =
            self.dir.is_none() || state.tail.front().is_some_and(|f| f.base_offset() <= from);
        if cached {
            let first = state.tail.partition_point(|f| f.end_offset() <= from);
            let mut left = budget;
            let mut found = Vec::new();
            for frame in state.tail.range(first..) {
                let len = frame.bytes().len() as u64;
                let too_early = frame.base_offset() >= written;
                if too_early || len > left && !(found.is_empty() && at_least_one) {
                    break;
                }
                left = left.saturating_sub(len);
                found.push(frame.clone());
            }
            return Place::Tail(found);
        }
        drop(state);
        self.segment_of(from).map_or(Place::End, Place::Disk)
    }

    /// The segment that holds `offset`, or would.
    pub(super) fn segment_of(&self, offset: u64) -> Option<Arc<Segment>> {
        let state = self.state();
        let i = state.segments.partition_point(|s| s.end_offset() <= offset);
        state.segments.get(i).cloned()
    }

    /// Reads frames of one segment, at least one if there is any. Answers the offset to go on
    /// from, or none when the budget is used up.
    fn read_segment(
        &self,
        segment: &Arc<Segment>,
        from: u64,
        budget: u64,
        frames: &mut Vec<Arc<Frame>>,
    ) -> Result<Option<u64>, LogError> {
        let file = self.open_segment(segment)?;
        let (mut at, end, end_offset) = segment.span_from(from);
        let (mut next, mut left) = (from, budget);
        // Behind a hole, frames go on from here: the one that holds `from` may begin below it.
        let mut least = segment.base_offset();
        let mut needs = None;
        while at < end {
            let most = if frames.is_empty() { left.max(1) } else { left };
            let want = needs.unwrap_or_else(|| self.worth_reading(segment, at, left));
            let len = want.min(end - at).min(SLAB_BYTES as u64);
            let chunk = self.read_chunk(segment, &*file, at, len, (next, most))?;
            if chunk.consumed == 0 {
                match chunk.stop {
                    // A frame that is longer than what was asked for.
                    Stop::Needs(len) if len <= (end - at) && len > want => {
                        needs = Some(len + FRAME_HEADER as u64);
                    }
                    _ => {
                        self.counters.damaged_frames.fetch_add(1, Relaxed);
                        at = self.resume(segment, &*file, at, end, least)?;
                    }
                }
                continue;
            }
            at += chunk.consumed;
            least = chunk.end_offset;
            needs = None;
            for frame in chunk.frames {
                let len = frame.bytes().len() as u64;
                if len > left && !frames.is_empty() {
                    return Ok(None);
                }
                left = left.saturating_sub(len);
                next = frame.end_offset();
                frames.push(frame);
            }
            // A frame that is known not to fit is not read only to be thrown away.
            let fits = !matches!(chunk.stop, Stop::Needs(len) if len > left);
            if (left == 0 || !fits) && !frames.is_empty() {
                return Ok(None);
            }
        }
        Ok(Some(end_offset.max(next)))
    }

    /// How much to read at `at` for `left` bytes of text. Who goes on behind the last read is given the next frame to the
    /// byte, with the header behind it; of others it is known only that frames are about as long as their neighbours.
    fn worth_reading(&self, segment: &Segment, at: u64, left: u64) -> u64 {
        let reads = self.reads.lock().expect("no panic under this lock");
        let next = reads
            .next
            .filter(|next| next.segment == life(segment) && next.at == at);
        let frame = match next {
            Some(next) if next.len * 2 > left => return next.len + FRAME_HEADER as u64,
            Some(next) => next.len + FRAME_HEADER as u64,
            None => (segment.mean_frame() / 8 * 9).clamp(LEAST_READ, SLAB_BYTES as u64),
        };
        frame.max(left.saturating_add(LEAST_READ).min(SLAB_BYTES as u64 / 2))
    }

    /// Reads `len` bytes at `at` in one call and makes frames of what is whole in them, of those from `from` on no
    /// more than one beyond `most` bytes of text: what is not asked for is not checked.
    fn read_chunk(
        &self,
        segment: &Segment,
        file: &dyn File,
        at: u64,
        len: u64,
        (from, most): (u64, u64),
    ) -> Result<Chunk, LogError> {
        let len = len as usize;
        let mut reads = self.reads.lock().expect("no panic under this lock");
        if reads.filler.room_len() < len {
            reads.filler = self.pool.slab();
        }
        let bytes = &mut reads.filler.room()[..len];
        #[cfg(test)]
        super::tests::moment();
        let got = file.read_at(bytes, at);
        let bytes = &bytes[..got.map_err(LogError::io("read", &segment.path))?];
        let mut found: Vec<(usize, FrameHeader)> = Vec::new();
        let (mut consumed, mut end_offset, mut text) = (0, segment.base_offset(), 0);
        let stop = loop {
            let Some(header) = bytes.get(consumed..consumed + FRAME_HEADER) else {
                break Stop::Needs(FRAME_HEADER as u64);
            };
            let header = header.try_into().expect("sliced to size");
            let generation = Some(segment.header.generation);
            let header = match believe(header, generation, segment.base_offset(), u64::MAX) {
                Ok(header) => header,
                Err(NotAHeader::Damaged) => break Stop::Damaged,
                Err(NotAHeader::Newer(found)) => {
                    return Err(LogError::NewerVersion {
                        path: segment.path.clone(),
                        found,
                        known: VERSION,
                    });
                }
            };
            if header.frame_len() > bytes.len() - consumed {
                break Stop::Needs(header.frame_len() as u64);
            }
            if header.count > 0 && header.end_offset() > from {
                if text >= most {
                    break Stop::Enough(header.frame_len() as u64);
                }
                text += u64::from(header.payload_len);
                found.push((consumed, header));
            }
            consumed += header.frame_len();
            end_offset = header.end_offset();
        };
        reads.next = match stop {
            Stop::Needs(len) | Stop::Enough(len) if len > FRAME_HEADER as u64 => Some(Next {
                segment: life(segment),
                at: at + consumed as u64,
                len,
            }),
            _ => None,
        };
        let mut frames = Vec::with_capacity(found.len());
        if let Some((first, _)) = found.first().copied() {
            // What lies before the first is of no use and stays in the room.
            reads.filler.room().copy_within(first..consumed, 0);
            let piece = reads.filler.freeze(consumed - first);
            drop(reads);
            for (at, header) in found {
                let bytes = piece.part(at - first, header.frame_len());
                match Frame::check(header, bytes) {
                    Some(frame) => {
                        let damaged = (0..frame.count()).filter(|&i| frame.is_damaged(i)).count();
                        let counter = &self.counters.damaged_events;
                        counter.fetch_add(damaged as u64, Relaxed);
                        frames.push(frame);
                    }
                    None => {
                        self.counters.damaged_frames.fetch_add(1, Relaxed);
                    }
                }
            }
        }
        Ok(Chunk {
            frames,
            consumed: consumed as u64,
            end_offset,
            stop,
        })
    }

    /// The place of the next frame that checks out behind a header that does not, or the end.
    fn resume(
        &self,
        segment: &Segment,
        file: &dyn File,
        at: u64,
        end: u64,
        least: u64,
    ) -> Result<u64, LogError> {
        let span = ((at + 8).min(end), end);
        let generation = Some(segment.header.generation);
        let mut walk = Walk::new(file, &segment.path, generation, least, span, 256 * 1024);
        Ok(walk.next()?.map_or(end, |(at, _)| at))
    }

    /// Calls `f` with the table of every frame that holds offsets `>= from`, in order and without
    /// reading text, until it answers `false`.
    ///
    /// # Errors
    /// Of the disk.
    pub fn tables(
        &self,
        from: u64,
        mut f: impl FnMut(&FrameTable<'_>) -> bool,
    ) -> Result<(), LogError> {
        let mut next = from;
        loop {
            match self.place(next, u64::MAX, true) {
                Place::End => return Ok(()),
                Place::Tail(frames) => {
                    frames.iter().all(|frame| f(&FrameTable::of(frame)));
                    return Ok(());
                }
                Place::Disk(segment) => match self.segment_tables(&segment, next, &mut f)? {
                    Some(end_offset) => next = end_offset,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Answers the offset to go on from, or none when `f` has seen enough.
    pub(super) fn segment_tables(
        &self,
        segment: &Arc<Segment>,
        from: u64,
        f: &mut impl FnMut(&FrameTable<'_>) -> bool,
    ) -> Result<Option<u64>, LogError> {
        let file = self.open_segment(segment)?;
        let (at, end, end_offset) = segment.span_from(from);
        let span = (at, end);
        let h = segment.header;
        let generation = Some(h.generation);
        let mut walk = Walk::new(
            &*file,
            &segment.path,
            generation,
            h.base_offset,
            span,
            32 * 1024,
        );
        while let Some((at, header)) = walk.next()? {
            if header.count == 0 || header.end_offset() <= from {
                continue;
            }
            // As in `place`.
            if header.base_offset >= self.written.load() {
                return Ok(Some(header.base_offset));
            }
            let head = walk.bytes(at, header.head_len())?;
            match head.and_then(|head| FrameTable::check(header, head)) {
                Some(table) if !f(&table) => return Ok(None),
                Some(_) => {}
                None => {
                    self.counters.damaged_frames.fetch_add(1, Relaxed);
                }
            }
        }
        Ok(Some(end_offset))
    }
}

struct Chunk {
    frames: Vec<Arc<Frame>>,
    /// Bytes of whole frames, damaged ones included.
    consumed: u64,
    /// Behind the last of them.
    end_offset: u64,
    /// Why it ended there.
    stop: Stop,
}

enum Stop {
    /// The next frame needs this many bytes.
    Needs(u64),
    /// There is as much text as was wanted; the next frame has so many bytes.
    Enough(u64),
    Damaged,
}
