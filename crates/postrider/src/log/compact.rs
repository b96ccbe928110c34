//! Compaction: a sealed segment of which little is needed gives way to a file that holds only that.
//!
//! One dead letter, kept for a week, would otherwise keep 64 MiB. The pinned events are written with their offsets
//! into a file of just their size and of a generation of its own, synced, and renamed over the
//! segment: a crash leaves the one or the other. Readers that hold the old segment keep its open file and
//! read on; everybody else gets the new one. The old text is gone with its file's last descriptor.

use super::builder::{FrameBuilder, Stamp};
use super::error::LogError;
use super::format::{MAX_POSITIONS, SEGMENT_HEADER, SegmentHeader};
use super::frame::Frame;
use super::handle::{Log, State};
use super::index::index_path;
use super::segment::{Extent, Segment, SegmentState};
use super::slab::Pool;
use super::walk::Walk;
use super::writer::draw_generation;
use crate::event::SEPARATOR;
use crate::fs::{File, Open};
use crate::time::UnixMillis;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A segment is compacted when not more than one event in so many is needed.
const LITTLE: u64 = 4;

/// The name under which a compacted segment is written; a leftover means nothing.
pub(super) const EXTENSION: &str = "compact";

impl Log {
    /// Compacts one segment that little pins. Returns whether there was one.
    pub(super) fn compact(&self, dir: &Path) -> Result<bool, LogError> {
        let now = self.config.clock.now().unix_ms;
        let Some((old, pins)) = self.wasteful(now) else {
            return Ok(false);
        };
        let fs = &*self.config.fs;
        // From here on the old segment is read through this descriptor: its name will be another's.
        let file = old.keep_open(fs)?;
        let path = old.path.with_extension(EXTENSION);
        let new = match self.write_compact(&old, &*file, &path, &pins) {
            Ok(new) => new,
            Err(e) => {
                let _ = fs.remove(&path);
                return Err(e);
            }
        };
        match fs.remove(&index_path(&old.path)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(LogError::io("remove", &index_path(&old.path))(e));
            }
            _ => {}
        }
        let renamed = fs.rename(&path, &old.path);
        renamed.map_err(LogError::io("rename", &path))?;
        let mut state = self.state();
        let State {
            segments, retired, ..
        } = &mut *state;
        // It may have been released meanwhile.
        let places = segments.iter_mut().chain(retired);
        for place in places.filter(|s| Arc::ptr_eq(s, &old)) {
            *place = new.clone();
        }
        state.disk_full = false;
        self.room.notify_all();
        drop(state);
        self.counters.compacted.fetch_add(1, Relaxed);
        fs.sync_dir(dir).map_err(LogError::io("sync", dir))?;
        Ok(true)
    }

    /// A segment that is kept for little, and what it is kept for.
    fn wasteful(&self, now: UnixMillis) -> Option<(Arc<Segment>, Vec<Range<u64>>)> {
        let state = self.state();
        let over = self.is_over(&state, 0);
        let wasteful = |segment: &&Arc<Segment>| {
            let (base, end) = (segment.base_offset(), segment.end_offset());
            let last_ms = segment.state().extent.last_ms;
            let pinned: u64 = state.pins_in(base, end).map(|p| p.end - p.start).sum();
            segment.header.segment_bytes == self.config.segment_bytes
                && end <= state.floor
                && pinned > 0
                && pinned * LITTLE <= end - base
                && (over || self.is_expired(&state, base..end, last_ms, now))
        };
        let segment = state.sealed().find(wasteful)?.clone();
        let pins = state.pins_in(segment.base_offset(), segment.end_offset());
        let pins = pins.collect();
        Some((segment, pins))
    }

    /// Writes what is pinned of a segment to `path`, synced.
    fn write_compact(
        &self,
        old: &Segment,
        file: &dyn File,
        path: &Path,
        pins: &[Range<u64>],
    ) -> Result<Arc<Segment>, LogError> {
        let h = old.header;
        let span = (SEGMENT_HEADER as u64, old.state().extent.end);
        let generation = Some(h.generation);
        let mut walk = Walk::new(file, &old.path, generation, h.base_offset, span, 1 << 20);
        let pool = Pool::new(2);
        let (mut kept, mut positions) = (Vec::new(), BTreeMap::<u64, u64>::new());
        while let Some((_, header, frame)) = walk.next_frame(&pool)? {
            let Some(frame) = frame else { continue };
            for (file, position) in frame.inbox_positions() {
                let known = positions.entry(file).or_default();
                *known = position.max(*known);
            }
            for pin in pins {
                let from = pin.start.max(header.base_offset);
                let to = pin.end.min(header.end_offset());
                let events = (from..to).map(|offset| (offset - header.base_offset) as u32);
                kept.extend(
                    good_runs(&frame, events)
                        .into_iter()
                        .map(|run| (frame.clone(), run)),
                );
            }
        }
        let mut positions: Vec<_> = positions.into_iter().take(MAX_POSITIONS).collect();
        let mut builder = FrameBuilder::new(pool);
        let generation = draw_generation()?;
        let mut bytes = vec![0; SEGMENT_HEADER];
        let mut extent = Extent::empty(h.base_offset);
        for (frame, run) in kept {
            for i in run.clone() {
                let text = &frame.bytes()[frame.range(i..i + 1)];
                debug_assert!(text.ends_with(SEPARATOR));
                let taken = builder.push(&frame.entry(i), text);
                debug_assert!(taken, "a part of a frame fits a frame");
            }
            let base = frame.base_offset() + u64::from(run.start);
            let at = bytes.len() as u64;
            // The first one names all positions that the segment knew.
            let named = std::mem::take(&mut positions);
            let stamp = Stamp {
                generation,
                base_offset: base,
                written_ms: frame.written_ms(),
                synced: frame.synced(),
                settles: false,
            };
            let laid_out = builder.lay_out(stamp, &named);
            bytes.extend_from_slice(laid_out.head);
            bytes.extend_from_slice(laid_out.text);
            let end_offset = laid_out.header.end_offset();
            builder.clear();
            let end = bytes.len() as u64;
            extent.add(base, end_offset, at, end, frame.written_ms());
        }
        let header = SegmentHeader {
            generation,
            base_offset: h.base_offset,
            created_ms: h.created_ms,
            segment_bytes: bytes.len() as u64,
        };
        bytes[..SEGMENT_HEADER].copy_from_slice(&header.encode());
        let fs = &*self.config.fs;
        match fs.remove(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(LogError::io("remove", path)(e));
            }
            _ => {}
        }
        let file = fs.open(path, Open::CreateNew);
        let file = file.map_err(LogError::io("create", path))?;
        file.write_at(&[&bytes], 0)
            .map_err(LogError::io("write", path))?;
        // Nothing depends on this file yet: a failure is not one of the log.
        file.sync().map_err(LogError::io("sync", path))?;
        let state = SegmentState {
            extent,
            sealed: true,
            synced: true,
            indexed: false,
            kept_open: false,
        };
        Ok(Segment::new(header, old.path.clone(), Some(file), state))
    }
}

/// The runs of neighbouring good events among `events`.
fn good_runs(frame: &Frame, events: impl Iterator<Item = u32>) -> Vec<Range<u32>> {
    let mut runs: Vec<Range<u32>> = Vec::new();
    for i in events.filter(|&i| !frame.is_damaged(i)) {
        match runs.last_mut() {
            Some(run) if run.end == i => run.end += 1,
            _ => runs.push(i..i + 1),
        }
    }
    runs
}
