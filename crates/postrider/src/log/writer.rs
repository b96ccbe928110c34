//! The one who appends.

use super::builder::{FrameBuilder, Stamp};
use super::error::LogError;
use super::format::{MAX_POSITIONS, SEGMENT_HEADER, SegmentHeader};
use super::frame::Frame;
use super::handle::{Log, State};
use super::segment::{Extent, Segment, SegmentState, Spare, segment_path, spare_path};
use crate::fs::File;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

/// Appends to the log; owned by the writer thread. Dropping it ends [`Log::keep_house`].
pub struct LogWriter {
    log: Arc<Log>,
    active: Option<Active>,
    /// The position taken of every inbox file there is.
    positions: BTreeMap<u64, u64>,
    /// In memory there are no segments: one generation does.
    generation: u64,
    next_offset: u64,
}

/// The segment being written.
struct Active {
    segment: Arc<Segment>,
    file: Arc<dyn File>,
    at: u64,
    /// Its first frame, which repeats all inbox positions, is there.
    begun: bool,
}

/// What an append gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The offset of the frame's first event.
    pub base_offset: u64,
    /// How many events.
    pub count: u32,
    /// The offset behind the last event: what the watermarks count.
    pub written_end: u64,
}

impl LogWriter {
    pub(super) fn new(
        log: Arc<Log>,
        active: Option<(Arc<Segment>, Arc<dyn File>)>,
        positions: &[(u64, u64)],
    ) -> Result<LogWriter, LogError> {
        let active = active.map(|(segment, file)| {
            let at = segment.state().extent.end;
            Active {
                at,
                begun: at > SEGMENT_HEADER as u64,
                segment,
                file,
            }
        });
        Ok(LogWriter {
            active,
            positions: positions.iter().copied().collect(),
            generation: draw_generation()?,
            next_offset: log.written.load(),
            log,
        })
    }

    /// An empty frame to fill and append; one is enough for the writer's life.
    pub fn frame(&mut self) -> FrameBuilder {
        FrameBuilder::new(self.log.pool.clone())
    }

    /// Writes the frame with one call and publishes it to readers, leaving `frame` empty and ready to
    /// be filled again. An empty frame with inbox positions is written too; without, nothing is.
    ///
    /// Where the log is full it waits up to `full_wait` for room.
    ///
    /// # Errors
    /// On any error `frame` is as it was and nothing of it can be read, so the same events can be tried again:
    /// at once when [`LogError::is_no_space`] or an `Io` error may pass, never after [`LogError::SyncFailed`].
    /// What was tried and failed may still be found when the log is opened after a crash.
    pub fn append(&mut self, frame: &mut FrameBuilder) -> Result<Appended, LogError> {
        self.log.check()?;
        let base_offset = self.next_offset;
        let count = frame.len();
        let written_end = base_offset + u64::from(count);
        let appended = Appended {
            base_offset,
            count,
            written_end,
        };
        if frame.is_empty() && frame.positions().is_empty() {
            return Ok(appended);
        }
        let (bytes, published) = match self.log.dir.is_none() {
            true => self.append_in_memory(frame)?,
            false => {
                if self.log.unsettled.load(Relaxed) {
                    self.settle()?;
                }
                self.append_on_disk(frame, false)?
            }
        };
        self.next_offset = written_end;
        let c = &self.log.counters;
        c.frames.fetch_add(1, Relaxed);
        c.events.fetch_add(u64::from(count), Relaxed);
        c.bytes.fetch_add(bytes, Relaxed);
        let evicted = self.publish(published);
        #[cfg(test)]
        super::tests::moment();
        self.log.written.advance(written_end);
        drop(evicted);
        Ok(appended)
    }

    /// Stops repeating the position of an inbox file, which was deleted.
    pub fn forget_inbox(&mut self, file_id: u64) {
        self.positions.remove(&file_id);
    }

    fn append_in_memory(&mut self, frame: &mut FrameBuilder) -> Result<(u64, Frame), LogError> {
        let bytes = frame.frame_len(frame.positions().len()) as u64;
        self.room_in_memory(bytes)?;
        let now = self.log.config.clock.now().unix_ms;
        let positions = frame.positions().to_vec();
        let stamp = Stamp {
            generation: self.generation,
            base_offset: self.next_offset,
            written_ms: now,
            ..Stamp::default()
        };
        let header = frame.lay_out(stamp, &positions).header;
        Ok((bytes, frame.finish(header)))
    }

    /// After a loss: says, durably and before anything else, which inbox positions hold, so that what was taken
    /// behind the loss is not believed when later syncs make it look settled.
    fn settle(&mut self) -> Result<(), LogError> {
        let mut frame = self.frame();
        self.append_on_disk(&mut frame, true)?;
        self.log.state().dir_dirty = true;
        self.log.sync()?;
        self.log.unsettled.store(false, Relaxed);
        self.log.state().work = true;
        self.log.work.notify_all();
        Ok(())
    }

    fn append_on_disk(
        &mut self,
        frame: &mut FrameBuilder,
        settles: bool,
    ) -> Result<(u64, Frame), LogError> {
        let mut named = match settles {
            true => self.all_positions(frame)?,
            false => frame.positions().to_vec(),
        };
        let goes_on = |a: &Active, positions: usize| {
            a.begun && a.at + frame.frame_len(positions) as u64 <= a.segment.header.segment_bytes
        };
        if !self
            .active
            .as_ref()
            .is_some_and(|a| goes_on(a, named.len()))
        {
            named = self.all_positions(frame)?;
            let usable = |a: &Active| a.at == SEGMENT_HEADER as u64;
            if !self.active.as_ref().is_some_and(usable) {
                self.roll()?;
            }
        }
        let active = self.active.as_mut().expect("roll leaves one");
        let now = self.log.config.clock.now().unix_ms;
        let generation = active.segment.header.generation;
        let stamp = Stamp {
            generation,
            base_offset: self.next_offset,
            written_ms: now,
            synced: self.log.synced.load(),
            settles,
        };
        let laid_out = frame.lay_out(stamp, &named);
        let header = laid_out.header;
        let written = active
            .file
            .write_at(&[laid_out.head, laid_out.text], active.at);
        if let Err(e) = written {
            let error = LogError::io("write", &active.segment.path)(e);
            self.log.state().disk_full |= error.is_no_space();
            return Err(error);
        }
        let at = active.at;
        active.at += header.frame_len() as u64;
        active.begun = true;
        self.positions.extend(frame.positions().iter().copied());
        active.segment.state().extent.add(
            header.base_offset,
            header.end_offset(),
            at,
            active.at,
            now,
        );
        Ok((header.frame_len() as u64, frame.finish(header)))
    }

    /// What the first frame of a segment names: all inbox positions, as they are with `frame`.
    fn all_positions(&self, frame: &FrameBuilder) -> Result<Vec<(u64, u64)>, LogError> {
        let mut all = self.positions.clone();
        all.extend(frame.positions().iter().copied());
        if all.len() > MAX_POSITIONS {
            return Err(LogError::InboxFiles {
                count: all.len(),
                limit: MAX_POSITIONS,
            });
        }
        Ok(all.into_iter().collect())
    }

    /// Hands the frame to readers. Answers what has left the tail, to be dropped outside of the lock.
    fn publish(&mut self, frame: Frame) -> Vec<Arc<Frame>> {
        let mut evicted = Vec::new();
        if frame.count() == 0 {
            return evicted;
        }
        let mut state = self.log.state();
        state.tail_bytes += frame.frame_len();
        state.tail.push_back(Arc::new(frame));
        if self.log.dir.is_some() {
            while state.tail_bytes > self.log.config.tail_bytes && state.tail.len() > 1 {
                let oldest = state.tail.pop_front().expect("more than one");
                state.tail_bytes -= oldest.frame_len();
                evicted.push(oldest);
            }
        }
        evicted
    }

    /// Waits until `bytes` more fit into memory.
    fn room_in_memory(&self, bytes: u64) -> Result<(), LogError> {
        let limit = self.log.config.memory_bytes as u64;
        let fits = |state: &State| state.tail_bytes as u64 + bytes <= limit;
        self.wait_for_room(|state| {
            if !fits(state) {
                let now = self.log.config.clock.now().unix_ms;
                self.log.free(state, now, bytes);
            }
            fits(state).then_some(())
        })
    }

    /// Asks `get` until it gives something, at most for `full_wait`.
    fn wait_for_room<T>(
        &self,
        mut get: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T, LogError> {
        let deadline = Instant::now() + self.log.config.full_wait;
        let mut state = self.log.state();
        loop {
            if let Some(got) = get(&mut state) {
                return Ok(got);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.log.full(&state));
            }
            let waited = self.log.room.wait_timeout(state, left);
            state = waited.expect("no panic under this lock").0;
            self.log.check()?;
        }
    }

    /// Seals the active segment and makes a spare the next one.
    fn roll(&mut self) -> Result<(), LogError> {
        let dir = self.log.dir.clone().expect("only on disk");
        let spare = self.spare()?;
        let made = self.begin(&dir, &spare);
        if made.is_err() {
            // Its header may be written: as a spare that is opened again it is zeroed, here it is overwritten.
            self.log.state().spares.push(spare);
        }
        made
    }

    fn spare(&self) -> Result<Spare, LogError> {
        if let Some(spare) = self.take_spare(&mut self.log.state()) {
            return Ok(spare);
        }
        self.log.counters.unprepared.fetch_add(1, Relaxed);
        if !self.log.kept.load(Relaxed) {
            self.log.maintain()?;
        }
        self.wait_for_room(|state| self.take_spare(state))
    }

    fn take_spare(&self, state: &mut State) -> Option<Spare> {
        let spare = state.spares.pop();
        state.work = true;
        self.log.work.notify_all();
        spare
    }

    fn begin(&mut self, dir: &Path, spare: &Spare) -> Result<(), LogError> {
        let Spare { number, file } = spare;
        let header = SegmentHeader {
            generation: draw_generation()?,
            base_offset: self.next_offset,
            created_ms: self.log.config.clock.now().unix_ms,
            segment_bytes: self.log.config.segment_bytes,
        };
        let (spare, path) = (
            spare_path(dir, *number),
            segment_path(dir, header.base_offset),
        );
        file.write_at(&[&header.encode()], 0)
            .map_err(LogError::io("write", &spare))?;
        let renamed = self.log.config.fs.rename(&spare, &path);
        renamed.map_err(LogError::io("rename", &spare))?;
        let state = SegmentState {
            extent: Extent::empty(header.base_offset),
            sealed: false,
            synced: false,
            indexed: false,
            kept_open: false,
        };
        let segment = Segment::new(header, path, Some(file.clone()), state);
        if let Some(before) = self.active.replace(Active {
            segment: segment.clone(),
            file: file.clone(),
            at: SEGMENT_HEADER as u64,
            begun: false,
        }) {
            before.segment.state().sealed = true;
        }
        let mut state = self.log.state();
        state.segments.push_back(segment);
        state.dir_dirty = true;
        Ok(())
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.log.state().closed = true;
        self.log.work.notify_all();
    }
}

/// 64 random bits. A life of a segment has them to itself.
pub(super) fn draw_generation() -> Result<u64, LogError> {
    let drawn = getrandom::u64().map_err(std::io::Error::other);
    drawn.map_err(LogError::io("draw random bits for", Path::new("a segment")))
}
