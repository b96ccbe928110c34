//! The log as everyone but the writer sees it.

use super::config::LogConfig;
use super::error::LogError;
use super::frame::Frame;
use super::index::{self, Contents};
use super::read::Reads;
use super::segment::{Segment, Spare};
use super::slab::{Pool, SLAB_BYTES};
use crate::fs::File;
use crate::queue::Watermark;
use crate::time::UnixMillis;
use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, Weak};
use std::time::Duration;

/// So many sealed segments are open at once: a host's descriptors are few.
const OPEN_SEGMENTS: usize = 8;

/// The log, shared. All methods may be called from any thread.
pub struct Log {
    pub(super) config: LogConfig,
    pub(super) limits: Limits,
    pub(super) dir: Option<PathBuf>,
    pub(super) pool: Arc<Pool>,
    pub(super) written: Watermark,
    pub(super) synced: Watermark,
    pub(super) state: Mutex<State>,
    /// Told when there may be room again.
    pub(super) room: Condvar,
    /// Told when there may be something to maintain.
    pub(super) work: Condvar,
    /// Whether a thread keeps house.
    pub(super) kept: AtomicBool,
    pub(super) syncing: Mutex<()>,
    pub(super) maintaining: Mutex<()>,
    pub(super) failure: OnceLock<LogError>,
    /// Opening found a loss that no frame accounts for yet. Until one does, no segment is indexed: an index
    /// says that its segment is whole, and the next opening would not see the loss any more.
    pub(super) unsettled: AtomicBool,
    /// Where reads from disk put their frames.
    pub(super) reads: Mutex<Reads>,
    /// Sealed segments that are open, oldest first.
    pub(super) open: Mutex<VecDeque<Weak<Segment>>>,
    pub(super) counters: Counters,
}

/// What of the configuration may change while the log is open.
pub(super) struct Limits {
    max_bytes: AtomicU64,
    keep_ms: AtomicU64,
}

impl Limits {
    fn of(config: &LogConfig) -> Limits {
        Limits {
            max_bytes: AtomicU64::new(config.max_bytes),
            keep_ms: AtomicU64::new(config.keep.as_millis() as u64),
        }
    }

    /// What all segments together may take.
    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes.load(Relaxed)
    }

    /// How long events stay readable that no webhook needs; 0: not at all.
    pub(super) fn keep_ms(&self) -> u64 {
        self.keep_ms.load(Relaxed)
    }
}

/// What the lock protects. It is held for a few hundred nanoseconds, never over a system call.
pub(super) struct State {
    /// In memory: all frames. On disk: the newest, up to `tail_bytes` of them.
    pub(super) tail: VecDeque<Arc<Frame>>,
    pub(super) tail_bytes: usize,
    /// By offset; the last one is being written.
    pub(super) segments: VecDeque<Arc<Segment>>,
    /// Events that wait to be released lie in this part; retention keeps it for so many milliseconds at least.
    pub(super) held: (Range<u64>, u64),
    /// Freed and not yet recycled.
    pub(super) retired: Vec<Arc<Segment>>,
    /// Zeroed and allocated.
    pub(super) spares: Vec<Spare>,
    pub(super) next_spare: u64,
    pub(super) floor: u64,
    /// Sorted and disjoint.
    pub(super) pins: Vec<Range<u64>>,
    /// Names were changed since the directory was synced.
    pub(super) dir_dirty: bool,
    pub(super) disk_full: bool,
    pub(super) work: bool,
    pub(super) closed: bool,
}

impl State {
    pub(super) fn sealed(&self) -> impl Iterator<Item = &Arc<Segment>> {
        let sealed = self.segments.len().saturating_sub(1);
        self.segments.iter().take(sealed)
    }

    /// Bytes of all segments and spares, a spare having `spare` of them.
    pub(super) fn file_bytes(&self, spare: u64) -> u64 {
        let retired: u64 = self.retired.iter().map(|s| s.header.segment_bytes).sum();
        self.segment_bytes() + retired + self.spares.len() as u64 * spare
    }

    /// Bytes of the segments that are not retired.
    pub(super) fn segment_bytes(&self) -> u64 {
        self.segments.iter().map(|s| s.header.segment_bytes).sum()
    }

    /// The parts of `[base, end)` that are pinned.
    pub(super) fn pins_in(&self, base: u64, end: u64) -> impl Iterator<Item = Range<u64>> + '_ {
        let next = self.pins.partition_point(|p| p.end <= base);
        let pins = self.pins[next..].iter().take_while(move |p| p.start < end);
        pins.map(move |p| p.start.max(base)..p.end.min(end))
    }

    /// Whether webhooks need any of `[base, end)`.
    pub(super) fn needs(&self, base: u64, end: u64) -> bool {
        let next = self.pins.partition_point(|p| p.end <= base);
        end > self.floor || self.pins.get(next).is_some_and(|p| p.start < end)
    }
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) frames: AtomicU64,
    pub(super) events: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) recycled: AtomicU64,
    pub(super) compacted: AtomicU64,
    pub(super) unprepared: AtomicU64,
    pub(super) damaged_frames: AtomicU64,
    pub(super) damaged_events: AtomicU64,
    pub(super) tail_reads: AtomicU64,
    pub(super) disk_reads: AtomicU64,
    pub(super) postings_read: AtomicU64,
}

/// Figures of the log; what is counted is counted since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStats {
    /// The least offset that may still be there.
    pub first_offset: u64,
    /// The offset that the next event gets.
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
    /// Bytes that segments (spares included), or frames in memory, take now.
    pub used_bytes: u64,
    /// Bytes of frames held in memory now.
    pub tail_bytes: u64,
    /// Segments whose file is used again.
    pub recycled: u64,
    /// Segments that shrank to what webhooks still need of them.
    pub compacted: u64,
    /// Times that the writer found no segment prepared.
    pub unprepared: u64,
    /// Times that a reader met a frame whose header or table did not check out.
    pub damaged_frames: u64,
    /// Events handed to readers as damaged.
    pub damaged_events: u64,
    /// Reads served from memory alone.
    pub tail_reads: u64,
    /// Reads that went to the disk.
    pub disk_reads: u64,
    /// Segments of which posting lists were read in place of tables.
    pub postings_read: u64,
}

/// One segment, for listings and for readers who want to pass over what can't concern them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The first event's offset.
    pub base_offset: u64,
    /// The offset behind the last event's.
    pub end_offset: u64,
    /// Bytes in use, of the file's `segment_bytes`.
    pub bytes: u64,
    /// Frames.
    pub frames: u64,
    /// When the first and the last frame were written; zero where there is none.
    pub written_ms: (UnixMillis, UnixMillis),
    /// What it holds, once it is sealed and indexed.
    pub contents: Option<Contents>,
}

impl Log {
    pub(super) fn new(
        config: LogConfig,
        segments: VecDeque<Arc<Segment>>,
        spares: Vec<Spare>,
        next_offset: u64,
        unsettled: bool,
    ) -> Log {
        let pool = Pool::new(config.tail_bytes / SLAB_BYTES + 2);
        Log {
            dir: config.dir.clone(),
            reads: Mutex::new(Reads::into(pool.slab())),
            pool,
            written: Watermark::new(next_offset),
            synced: Watermark::new(0),
            state: Mutex::new(State {
                tail: VecDeque::new(),
                tail_bytes: 0,
                segments,
                retired: Vec::new(),
                next_spare: spares.iter().map(|s| s.number + 1).max().unwrap_or(0),
                spares,
                floor: 0,
                pins: Vec::new(),
                held: (0..0, 0),
                dir_dirty: true,
                disk_full: false,
                work: true,
                closed: false,
            }),
            room: Condvar::new(),
            work: Condvar::new(),
            kept: AtomicBool::new(false),
            syncing: Mutex::new(()),
            maintaining: Mutex::new(()),
            failure: OnceLock::new(),
            unsettled: AtomicBool::new(unsettled),
            open: Mutex::new(VecDeque::new()),
            counters: Counters::default(),
            limits: Limits::of(&config),
            config,
        }
    }

    /// Whether [`set_limits`](Self::set_limits) would take this.
    ///
    /// # Errors
    /// [`LogError::Config`].
    pub fn check_limits(&self, max_bytes: u64) -> Result<(), LogError> {
        let config = LogConfig {
            max_bytes,
            ..self.config.clone()
        };
        config.check()
    }

    /// Keeps to another size, and for another time. What that leaves too many is freed as if it had
    /// become old just now.
    ///
    /// # Errors
    /// [`LogError::Config`]; nothing is changed then.
    pub fn set_limits(&self, max_bytes: u64, keep: Duration) -> Result<(), LogError> {
        self.check_limits(max_bytes)?;
        self.limits.max_bytes.store(max_bytes, Relaxed);
        self.limits.keep_ms.store(keep.as_millis() as u64, Relaxed);
        self.state().work = true;
        self.work.notify_all();
        self.room.notify_all();
        Ok(())
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under this lock")
    }

    /// The offset that the next event gets.
    pub fn next_offset(&self) -> u64 {
        self.written.load()
    }

    /// The least offset that may still be there.
    pub fn first_offset(&self) -> u64 {
        let state = self.state();
        let first = match &self.dir {
            None => state.tail.front().map(|f| f.base_offset()),
            Some(_) => state.segments.front().map(|s| s.base_offset()),
        };
        first.unwrap_or_else(|| self.written.load())
    }

    /// Behind all offsets that are written, which survive a killed process (in memory: that can be read).
    pub fn written(&self) -> &Watermark {
        &self.written
    }

    /// Behind all offsets that are synced, which survive a power cut. Stays at 0 in memory.
    pub fn synced(&self) -> &Watermark {
        &self.synced
    }

    /// The failure that stopped the log for good, if one did.
    pub fn failed(&self) -> Option<LogError> {
        self.failure.get().cloned()
    }

    /// Syncs what was written before the call, advances the [`synced`](Self::synced) watermark and
    /// returns where it stands. For one thread of its own: it takes as long as the disk does.
    ///
    /// # Errors
    /// [`LogError::SyncFailed`], and from then on always, also from every append: after a failed sync
    /// the system may drop what it could not write and call the next sync a success.
    pub fn sync(&self) -> Result<u64, LogError> {
        let Some(dir) = &self.dir else {
            return Ok(0);
        };
        let _one = self.syncing.lock().expect("no panic under this lock");
        self.check()?;
        let target = self.written.load();
        let (due, dir_dirty) = {
            let mut state = self.state();
            let due: Vec<(Arc<Segment>, bool)> = state
                .segments
                .iter()
                .rev()
                .map(|s| (s, s.state()))
                .take_while(|(_, s)| !s.synced)
                .map(|(segment, s)| (segment.clone(), s.sealed))
                .collect();
            (due, std::mem::take(&mut state.dir_dirty))
        };
        if target == self.synced.load() && !dir_dirty {
            return Ok(target);
        }
        for (segment, sealed) in due.iter().rev() {
            let (file, _) = segment.file(&*self.config.fs)?;
            self.sync_file(&*file, &segment.path)?;
            segment.state().synced = *sealed;
        }
        if dir_dirty {
            let synced = self.config.fs.sync_dir(dir);
            synced.map_err(|source| self.fail(dir, source))?;
        }
        self.counters.syncs.fetch_add(1, Relaxed);
        self.synced.advance(target);
        Ok(target)
    }

    pub(super) fn sync_file(&self, file: &dyn File, path: &Path) -> Result<(), LogError> {
        self.check()?;
        file.sync().map_err(|source| self.fail(path, source))
    }

    /// The failure that nothing gets past any more.
    pub(super) fn check(&self) -> Result<(), LogError> {
        self.failure.get().map_or(Ok(()), |e| Err(e.clone()))
    }

    fn fail(&self, path: &Path, source: std::io::Error) -> LogError {
        let error = LogError::SyncFailed {
            path: path.to_owned(),
            source: Arc::new(source),
        };
        let error = self.failure.get_or_init(|| error).clone();
        self.written.nudge();
        self.synced.nudge();
        self.room.notify_all();
        error
    }

    /// Why there is no room.
    pub(super) fn full(&self, state: &State) -> LogError {
        match &self.dir {
            None => LogError::Full {
                used: state.tail_bytes as u64,
                limit: self.config.memory_bytes as u64,
            },
            Some(dir) if state.disk_full => {
                LogError::io("allocate a segment in", dir)(std::io::ErrorKind::StorageFull.into())
            }
            Some(_) => LogError::Full {
                used: state.file_bytes(self.config.segment_bytes),
                limit: self.limits.max_bytes(),
            },
        }
    }

    /// A segment's file, with no more than a few sealed ones open.
    pub(super) fn open_segment(&self, segment: &Arc<Segment>) -> Result<Arc<dyn File>, LogError> {
        let (file, opened) = segment.file(&*self.config.fs)?;
        if opened {
            let mut open = self.open.lock().expect("no panic under this lock");
            open.push_back(Arc::downgrade(segment));
            if open.len() > OPEN_SEGMENTS
                && let Some(oldest) = open.pop_front().and_then(|s| s.upgrade())
            {
                oldest.close();
            }
        }
        Ok(file)
    }

    /// The segments there are, oldest first, with what their indexes say of them.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let segments: Vec<Arc<Segment>> = self.state().segments.iter().cloned().collect();
        let info = |s: &Arc<Segment>| {
            let (extent, indexed) = {
                let state = s.state();
                (state.extent.clone(), state.indexed)
            };
            let read = || index::read(&*self.config.fs, &s.path, &s.header);
            SegmentInfo {
                base_offset: s.base_offset(),
                end_offset: extent.end_offset,
                bytes: extent.end,
                frames: extent.frames,
                written_ms: (extent.first_ms, extent.last_ms),
                contents: indexed
                    .then(read)
                    .flatten()
                    .map(|(front, _)| front.contents()),
            }
        };
        segments.iter().map(info).collect()
    }

    /// Figures of the log.
    pub fn stats(&self) -> LogStats {
        let first_offset = self.first_offset();
        let state = self.state();
        let tail_bytes = state.tail_bytes as u64;
        let c = &self.counters;
        LogStats {
            first_offset,
            next_offset: self.written.load(),
            synced_offset: self.synced.load(),
            frames: c.frames.load(Relaxed),
            events: c.events.load(Relaxed),
            bytes: c.bytes.load(Relaxed),
            syncs: c.syncs.load(Relaxed),
            segments: state.segments.len() as u64,
            used_bytes: match &self.dir {
                None => tail_bytes,
                Some(_) => state.file_bytes(self.config.segment_bytes),
            },
            tail_bytes,
            recycled: c.recycled.load(Relaxed),
            compacted: c.compacted.load(Relaxed),
            unprepared: c.unprepared.load(Relaxed),
            damaged_frames: c.damaged_frames.load(Relaxed),
            damaged_events: c.damaged_events.load(Relaxed),
            tail_reads: c.tail_reads.load(Relaxed),
            disk_reads: c.disk_reads.load(Relaxed),
            postings_read: c.postings_read.load(Relaxed),
        }
    }
}
