//! The log as everyone but the writer sees it.

use super::error::LogError;
use super::frame::{Frame, FrameTable};
use std::ops::Range;
use std::sync::Arc;

/// The log, shared. All methods may be called from any thread.
pub struct Log {
    _private: (),
}

/// Figures of the log, since it was opened unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStats {
    /// Offset of the oldest event kept.
    pub first_offset: u64,
    /// Offset that the next event gets.
    pub next_offset: u64,
    /// All offsets below are synced.
    pub synced_offset: u64,
    /// Frames appended.
    pub frames: u64,
    /// Events appended.
    pub events: u64,
    /// Bytes of frames appended.
    pub bytes: u64,
    /// Syncs done.
    pub syncs: u64,
    /// Segments there are now, spares not counted.
    pub segments: u64,
    /// Bytes that segments (spares included) or frames in memory take now.
    pub used_bytes: u64,
    /// Segments whose file was used again.
    pub recycled: u64,
    /// Times that the writer found no segment prepared.
    pub unprepared: u64,
    /// Frames that were skipped by readers because their header or table failed.
    pub damaged_frames: u64,
    /// Events handed to readers as damaged.
    pub damaged_events: u64,
    /// Bytes of frames held in the tail cache now.
    pub tail_bytes: u64,
    /// Reads served from memory alone.
    pub tail_reads: u64,
    /// Reads that went to disk.
    pub disk_reads: u64,
}

impl Log {
    /// The offset that the next event gets.
    pub fn next_offset(&self) -> u64 {
        todo!()
    }

    /// The least offset that may still be there.
    pub fn first_offset(&self) -> u64 {
        todo!()
    }

    /// The frames that hold offsets `>= from`, in order, as many as fit `budget_bytes` and at least
    /// one if there is any. Frames that fail their checks are skipped and counted.
    pub fn read(&self, from: u64, budget_bytes: usize) -> Result<Vec<Arc<Frame>>, LogError> {
        let _ = (from, budget_bytes);
        todo!()
    }

    /// Calls `f` with the table of every frame that holds offsets `>= from`, in order, without
    /// reading text; until `f` answers `false`.
    pub fn tables(
        &self,
        from: u64,
        f: impl FnMut(&FrameTable<'_>) -> bool,
    ) -> Result<(), LogError> {
        let _ = (from, f);
        todo!()
    }

    /// Syncs what was written before the call, advances the synced watermark and returns it.
    /// For one thread of its own: it takes as long as the disk does.
    ///
    /// # Errors
    /// [`LogError::SyncFailed`], and from then on always: also every append fails.
    /// In memory there is nothing to sync: the watermark stays at 0.
    pub fn sync(&self) -> Result<u64, LogError> {
        todo!()
    }

    /// The failure that stopped the log for good, if one did.
    pub fn failed(&self) -> Option<LogError> {
        todo!()
    }

    /// Webhooks need no offset below `floor` except the `pins`. What neither they nor retention
    /// (`keep`, within `max_bytes`) hold is freed.
    pub fn release(&self, floor: u64, pins: &[Range<u64>]) {
        let _ = (floor, pins);
        todo!()
    }

    /// Where space runs out: the offset below which pins and floor should be given up to free it.
    pub fn pressure(&self) -> Option<u64> {
        todo!()
    }

    /// Prepares the next segment, recycles and indexes, as far as there is need. Called by the log's
    /// own thread, or by the caller where there is none. Returns whether anything was done.
    pub fn maintain(&self) -> Result<bool, LogError> {
        todo!()
    }

    /// Figures of the log.
    pub fn stats(&self) -> LogStats {
        todo!()
    }
}
