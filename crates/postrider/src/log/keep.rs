//! What is kept, what is freed, and what becomes of freed segments.
//!
//! A segment is freed once no webhook needs it (it ends at or below the floor and no pin reaches into it)
//! and retention does not want it. A freed one is recycled: renamed to a spare, zeroed,
//! and given a new name, base and generation when its turn comes. All of that but the last rename happens
//! here, off the writer's path, and never while someone still reads the segment. One that is kept for little
//! is compacted (`compact.rs`).
//!
//! How a spare is zeroed was measured on ext4 (2 cores, 64 MiB, 800 KiB frames; CPU ms per segment):
//!
//! | | zeroing | writing frames after it | to disk besides |
//! |---|---|---|---|
//! | `FALLOC_FL_ZERO_RANGE` | 2.3–3.6 | 15–23 | – |
//! | writing zeros | 8.3–10 | 11–19 | 64 MiB |
//!
//! Zeros that were written leave their pages in memory, which makes the writer's next pass faster; but
//! in sum they cost more CPU, and they send every byte to the disk twice. So it is
//! [`File::zero`](crate::fs::File::zero), which falls back to writing zeros where a file system has no other way.

use super::error::LogError;
use super::handle::{Log, State};
use super::index::{self, index_path};
use super::segment::{Segment, Spare, spare_path};
use crate::fs::{File, Open};
use crate::time::UnixMillis;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// So many spares are kept: one for the writer, one for while the next is being made.
pub(super) const SPARES: usize = 2;

/// How often retention by age looks at the clock.
const AGE_CHECK: Duration = Duration::from_secs(30);

impl Log {
    /// Webhooks need no offset below `floor` except the `pins`. What neither they nor retention
    /// (`keep`, within `max_bytes`) hold is freed; on disk the freeing itself is done by
    /// [`maintain`](Self::maintain).
    ///
    /// What is freed does not come back after a power cut: a floor must follow only from what the
    /// journal has synced.
    pub fn release(&self, floor: u64, pins: &[Range<u64>]) {
        let now = self.config.clock.now().unix_ms;
        let mut state = self.state();
        state.floor = state.floor.max(floor);
        state.pins.clear();
        state
            .pins
            .extend(pins.iter().filter(|p| !p.is_empty()).cloned());
        merge(&mut state.pins);
        let freed = self.free(&mut state, now, 0);
        if freed.any {
            self.room.notify_all();
            self.work.notify_all();
        }
        drop(state);
        // The last user of a frame pays for its end: not under the lock.
        drop(freed);
    }

    /// Events that wait to be released lie in `events`: as long as they do, retention keeps that part for `keep` at least, though
    /// within `max_bytes`.
    pub fn hold(&self, events: Range<u64>, keep: Duration) {
        let mut state = self.state();
        state.held = (events, keep.as_millis() as u64);
        state.work = true;
        drop(state);
        self.work.notify_all();
    }

    /// Whether [`release`](Self::release) with these would let a segment go that is held now.
    pub fn would_free(&self, floor: u64, pins: &[Range<u64>]) -> bool {
        let state = self.state();
        let freed = |segment: &Arc<Segment>| {
            let (base, end) = (segment.base_offset(), segment.end_offset());
            let pinned = || pins.iter().any(|pin| pin.start < end && pin.end > base);
            state.needs(base, end) && end <= floor && !pinned()
        };
        state
            .sealed()
            .take_while(|s| s.base_offset() < floor)
            .any(freed)
    }

    /// Where space runs short although all was freed that could be: the offset below which floor
    /// and pins should be given up.
    pub fn pressure(&self) -> Option<u64> {
        let state = self.state();
        let (used, relief) = match &self.dir {
            None => {
                let limit = self.config.memory_bytes as u64;
                (state.tail_bytes as u64, (limit / 8 * 7, limit / 4 * 3))
            }
            Some(_) => {
                let most = self.limits.max_bytes() - 2 * self.config.segment_bytes;
                let most = if state.disk_full { 0 } else { most };
                (state.segment_bytes(), (most, most))
            }
        };
        let mut excess = (used > relief.0).then(|| used - relief.1)?;
        let pieces: Box<dyn Iterator<Item = (u64, u64)>> = match &self.dir {
            None => Box::new(
                state
                    .tail
                    .iter()
                    .map(|f| (f.end_offset(), f.frame_len() as u64)),
            ),
            // The last one is being written; under a full disk, one segment is what to ask for.
            Some(_) => Box::new(
                state
                    .sealed()
                    .map(|s| (s.end_offset(), s.header.segment_bytes))
                    .take(if state.disk_full { 1 } else { usize::MAX }),
            ),
        };
        let mut up_to = None;
        for (end, bytes) in pieces {
            up_to = Some(end);
            excess = excess.saturating_sub(bytes);
            if excess == 0 {
                break;
            }
        }
        up_to
    }

    /// Frees what may go, so that `need` more bytes fit if possible.
    pub(super) fn free(&self, state: &mut State, now: UnixMillis, need: u64) -> Freed {
        let mut freed = Freed::default();
        if self.dir.is_none() {
            self.free_frames(state, now, need, &mut freed);
            return freed;
        }
        let mut i = 0;
        while i + 1 < state.segments.len() {
            let segment = &state.segments[i];
            let (base, end) = (segment.base_offset(), segment.end_offset());
            if base > state.floor {
                break;
            }
            let over = self.is_over(state, need);
            let last_ms = segment.state().extent.last_ms;
            if !state.needs(base, end) && (over || self.is_expired(state, base..end, last_ms, now))
            {
                let segment = state.segments.remove(i).expect("i is in range");
                state.retired.push(segment);
                freed.any = true;
            } else {
                i += 1;
            }
        }
        freed
    }

    /// Whether retention wants nothing any more of these events, which were written until `last_ms`.
    pub(super) fn is_expired(
        &self,
        state: &State,
        events: Range<u64>,
        last_ms: UnixMillis,
        now: UnixMillis,
    ) -> bool {
        let (held, held_ms) = &state.held;
        let held = held.start < events.end && events.start < held.end;
        let keep = self.limits.keep_ms().max(if held { *held_ms } else { 0 });
        keep == 0 || now.saturating_sub(last_ms) >= keep
    }

    /// Whether segments must go so that `need` more bytes fit. On disk.
    pub(super) fn is_over(&self, state: &State, need: u64) -> bool {
        let most = self.limits.max_bytes() - 2 * self.config.segment_bytes;
        state.disk_full || state.segment_bytes() + need > most
    }

    /// In memory: frames that are below the floor and unpinned go at once; a pinned one that stays moves to memory
    /// of its own in time, so that it does not hold its neighbours' slab.
    fn free_frames(&self, state: &mut State, now: UnixMillis, need: u64, freed: &mut Freed) {
        let limit = self.config.memory_bytes as u64;
        let below = state
            .tail
            .partition_point(|f| f.end_offset() <= state.floor);
        if below == 0 {
            return;
        }
        let later = state.tail.split_off(below);
        let mut kept = std::mem::replace(&mut state.tail, later);
        let candidates: Vec<_> = kept.drain(..).collect();
        for frame in candidates {
            let over = state.tail_bytes as u64 + need > limit;
            let (base, end) = (frame.base_offset(), frame.end_offset());
            if state.needs(base, end) {
                kept.push_back(match frame.is_left_behind() {
                    true => Arc::new(frame.copied()),
                    false => frame,
                });
            } else if over || self.is_expired(state, base..end, frame.written_ms(), now) {
                state.tail_bytes -= frame.frame_len();
                freed.any = true;
                freed.frames.push(frame);
            } else {
                kept.push_back(frame);
            }
        }
        kept.append(&mut state.tail);
        state.tail = kept;
    }

    /// Prepares the next segment, recycles and indexes, as far as there is need. Called by
    /// [`keep_house`](Self::keep_house), or by anyone where no thread does that. Returns whether anything
    /// was done.
    ///
    /// # Errors
    /// Of the disk; the rest was done, and the next call tries again.
    pub fn maintain(&self) -> Result<bool, LogError> {
        let _one = self.maintaining.lock().expect("no panic under this lock");
        let now = self.config.clock.now().unix_ms;
        let mut state = self.state();
        let freed = self.free(&mut state, now, 0);
        state.work = false;
        drop(state);
        let mut done = freed.any;
        drop(freed);
        let Some(dir) = &self.dir else {
            return Ok(done);
        };
        let mut result = Ok(());
        for step in [Log::recycle, Log::prepare, Log::compact_all, Log::index] {
            match step(self, dir) {
                Ok(did) => done |= did,
                Err(e) => result = result.and(Err(e)),
            }
        }
        result.map(|()| done)
    }

    /// Runs [`maintain`](Self::maintain) whenever there is need, until the [`LogWriter`](super::LogWriter) is dropped:
    /// the body of a thread (`postrider-log`). Where no thread runs it, the writer does that work itself.
    /// `failed` is told of each error.
    pub fn keep_house(&self, failed: impl Fn(&LogError)) {
        self.kept.store(true, Relaxed);
        loop {
            let mut state = self.state();
            while !state.work && !state.closed {
                let (waited, timeout) = self
                    .work
                    .wait_timeout(state, AGE_CHECK)
                    .expect("no panic under this lock");
                state = waited;
                if timeout.timed_out() {
                    break;
                }
            }
            if state.closed {
                break;
            }
            drop(state);
            if let Err(e) = self.maintain() {
                failed(&e);
            }
        }
        self.kept.store(false, Relaxed);
    }

    /// Turns retired segments that nobody reads any more into spares, or deletes them.
    fn recycle(&self, dir: &Path) -> Result<bool, LogError> {
        let mut done = false;
        loop {
            // One that is being read is met again by the next call.
            let mut state = self.state();
            let unread = |s: &Arc<Segment>| Arc::strong_count(s) == 1;
            let Some(i) = state.retired.iter().position(unread) else {
                return Ok(done);
            };
            let segment = state.retired.swap_remove(i);
            let wanted = state.spares.len() < SPARES
                && segment.header.segment_bytes == self.config.segment_bytes;
            let number = state.next_spare;
            state.next_spare += 1;
            drop(state);
            let spare = wanted.then(|| spare_path(dir, number));
            match self.unmake(dir, &segment, spare.as_deref()) {
                Ok(file) => {
                    let mut state = self.state();
                    if let Some(file) = file {
                        self.counters.recycled.fetch_add(1, Relaxed);
                        state.spares.push(Spare { number, file });
                    }
                    state.disk_full = false;
                    self.room.notify_all();
                    done = true;
                }
                // What is left of it is met again when the log is next opened.
                Err(e) => return Err(e),
            }
        }
    }

    /// Takes a segment's name and index away for good, then its text.
    fn unmake(
        &self,
        dir: &Path,
        segment: &Segment,
        spare: Option<&Path>,
    ) -> Result<Option<Arc<dyn File>>, LogError> {
        let fs = &*self.config.fs;
        match fs.remove(&index_path(&segment.path)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(LogError::io("remove", &index_path(&segment.path))(e));
            }
            _ => {}
        }
        let Some(spare) = spare else {
            let removed = fs.remove(&segment.path);
            removed.map_err(LogError::io("remove", &segment.path))?;
            fs.sync_dir(dir).map_err(LogError::io("sync", dir))?;
            return Ok(None);
        };
        let (file, _) = segment.file(fs)?;
        let renamed = fs.rename(&segment.path, spare);
        renamed.map_err(LogError::io("rename", &segment.path))?;
        fs.sync_dir(dir).map_err(LogError::io("sync", dir))?;
        file.zero(0, segment.header.segment_bytes)
            .map_err(LogError::io("zero", spare))?;
        Ok(Some(file))
    }

    /// Makes a spare where none is left and `max_bytes` allows one.
    fn prepare(&self, dir: &Path) -> Result<bool, LogError> {
        let mut state = self.state();
        let bytes = self.config.segment_bytes;
        let allowed = state.file_bytes(bytes) + bytes <= self.limits.max_bytes();
        if !state.spares.is_empty() || !allowed {
            return Ok(false);
        }
        let number = state.next_spare;
        state.next_spare += 1;
        drop(state);
        let path = spare_path(dir, number);
        let made = self.make(&path);
        let mut state = self.state();
        match made {
            Ok(file) => {
                state.spares.push(Spare { number, file });
                state.disk_full = false;
                self.room.notify_all();
                Ok(true)
            }
            Err(e) => {
                state.disk_full |= e.is_no_space();
                let now = self.config.clock.now().unix_ms;
                let freed = self.free(&mut state, now, 0);
                state.work |= freed.any;
                Err(e)
            }
        }
    }

    fn make(&self, path: &Path) -> Result<Arc<dyn File>, LogError> {
        let fs = &*self.config.fs;
        let file = fs.open(path, Open::CreateNew);
        let file = file.map_err(LogError::io("create", path))?;
        if let Err(e) = file.allocate(self.config.segment_bytes) {
            // What was reserved so far may be the disk's last space.
            drop(file);
            let _ = fs.remove(path);
            return Err(LogError::io("allocate", path)(e));
        }
        Ok(file)
    }

    fn compact_all(&self, dir: &Path) -> Result<bool, LogError> {
        let mut done = false;
        while self.compact(dir)? {
            done = true;
        }
        Ok(done)
    }

    /// Syncs and indexes sealed segments.
    fn index(&self, dir: &Path) -> Result<bool, LogError> {
        if self.unsettled.load(Relaxed) {
            return Ok(false);
        }
        let due: Vec<Arc<Segment>> = {
            let state = self.state();
            let due = state.sealed().filter(|s| !s.state().indexed);
            due.cloned().collect()
        };
        for segment in &due {
            let file = self.open_segment(segment)?;
            if !segment.state().synced {
                self.sync_file(&*file, &segment.path)?;
                segment.state().synced = true;
            }
            let searched = self.limits.keep_ms() > 0;
            index::build(&*self.config.fs, &*file, segment, searched)?;
            segment.state().indexed = true;
        }
        if !due.is_empty() {
            let synced = self.config.fs.sync_dir(dir);
            synced.map_err(LogError::io("sync", dir))?;
        }
        Ok(!due.is_empty())
    }
}

/// What was freed; in memory, to be dropped once the lock is.
#[derive(Default)]
pub(super) struct Freed {
    pub(super) any: bool,
    frames: Vec<Arc<super::Frame>>,
}

/// Sorts ranges and joins those that touch.
fn merge(ranges: &mut Vec<Range<u64>>) {
    ranges.sort_unstable_by_key(|r| r.start);
    ranges.dedup_by(|next, last| {
        let touch = next.start <= last.end;
        if touch {
            last.end = last.end.max(next.end);
        }
        touch
    });
}

#[cfg(test)]
mod tests {
    use super::merge;

    #[test]
    fn pins_are_sorted_and_joined() {
        let mut pins = vec![9..12, 1..3, 3..5, 10..11, 7..8];
        merge(&mut pins);
        assert_eq!(pins, [1..5, 7..8, 9..12]);
    }
}
