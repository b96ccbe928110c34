//! One segment file: where its frames are, and its descriptor.

use super::error::LogError;
use super::format::{SEGMENT_HEADER, SegmentHeader};
use crate::fs::{File, Fs, Open};
use crate::time::UnixMillis;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// There is a signpost about every so many bytes: an index of 16 KiB for 64 MiB, whatever the size
/// of the frames, at the price of hopping over this much to find an offset.
const SIGNPOST_EVERY: u64 = 64 * 1024;

/// A frame's place: offset of its first event, position in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signpost {
    pub(super) offset: u64,
    pub(super) position: u64,
}

/// How far a segment is filled, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// As in the segment's name.
    pub(super) base_offset: u64,
    /// Behind the last event.
    pub(super) end_offset: u64,
    /// Behind the last frame.
    pub(super) end: u64,
    /// When the first and the last frame were written; zero where there is none.
    pub(super) first_ms: UnixMillis,
    pub(super) last_ms: UnixMillis,
    pub(super) frames: u64,
    pub(super) signposts: Vec<Signpost>,
}

impl Extent {
    pub(super) fn empty(base_offset: u64) -> Extent {
        Extent {
            base_offset,
            end_offset: base_offset,
            end: SEGMENT_HEADER as u64,
            first_ms: 0,
            last_ms: 0,
            frames: 0,
            signposts: Vec::new(),
        }
    }

    /// Takes note of a frame behind all others.
    pub(super) fn add(&mut self, offset: u64, end_offset: u64, at: u64, end: u64, ms: UnixMillis) {
        let due = self
            .signposts
            .last()
            .is_none_or(|s| at - s.position >= SIGNPOST_EVERY);
        if due {
            let position = at;
            self.signposts.push(Signpost { offset, position });
        }
        if self.frames == 0 {
            self.first_ms = ms;
        }
        self.frames += 1;
        self.last_ms = ms;
        self.end_offset = end_offset;
        self.end = end;
    }

    /// Where to begin to look for `offset`.
    fn position_before(&self, offset: u64) -> u64 {
        let behind = self.signposts.partition_point(|s| s.offset <= offset);
        match behind {
            0 => SEGMENT_HEADER as u64,
            n => self.signposts[n - 1].position,
        }
    }
}

/// One segment file.
pub(super) struct Segment {
    pub(super) header: SegmentHeader,
    pub(super) path: PathBuf,
    file: Mutex<Option<Arc<dyn File>>>,
    state: Mutex<SegmentState>,
}

/// A file of zeros, allocated, waiting to become a segment.
pub(super) struct Spare {
    /// In its name.
    pub(super) number: u64,
    pub(super) file: Arc<dyn File>,
}

/// What changes about a segment.
pub(super) struct SegmentState {
    pub(super) extent: Extent,
    /// Nothing is appended any more.
    pub(super) sealed: bool,
    /// All of it is synced; only ever true of a sealed one.
    pub(super) synced: bool,
    /// Its index file is there.
    pub(super) indexed: bool,
    /// Another file has its name: the open one must stay open.
    pub(super) kept_open: bool,
}

impl Segment {
    pub(super) fn new(
        header: SegmentHeader,
        path: PathBuf,
        file: Option<Arc<dyn File>>,
        state: SegmentState,
    ) -> Arc<Segment> {
        Arc::new(Segment {
            header,
            path,
            file: Mutex::new(file),
            state: Mutex::new(state),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, SegmentState> {
        #[cfg(test)]
        super::tests::moment();
        self.state.lock().expect("no panic under this lock")
    }

    pub(super) fn base_offset(&self) -> u64 {
        self.header.base_offset
    }

    pub(super) fn end_offset(&self) -> u64 {
        self.state().extent.end_offset
    }

    /// From where to where in the file the frames from `offset` on lie, and the offset behind the last
    /// of them: read at one moment, since the writer may append at any.
    pub(super) fn span_from(&self, offset: u64) -> (u64, u64, u64) {
        let extent = &self.state().extent;
        (
            extent.position_before(offset),
            extent.end,
            extent.end_offset,
        )
    }

    /// What a frame takes, on the average.
    pub(super) fn mean_frame(&self) -> u64 {
        let extent = &self.state().extent;
        extent.end / extent.frames.max(1)
    }

    /// The open file; opens it where it was closed, and then says so.
    pub(super) fn file(&self, fs: &dyn Fs) -> Result<(Arc<dyn File>, bool), LogError> {
        let mut file = self.file.lock().expect("no panic under this lock");
        if let Some(open) = &*file {
            return Ok((open.clone(), false));
        }
        let open = fs
            .open(&self.path, Open::ReadWrite)
            .map_err(LogError::io("open", &self.path))?;
        *file = Some(open.clone());
        Ok((open, true))
    }

    /// The open file, which stays open from now on.
    pub(super) fn keep_open(&self, fs: &dyn Fs) -> Result<Arc<dyn File>, LogError> {
        self.state().kept_open = true;
        Ok(self.file(fs)?.0)
    }

    /// Closes the file unless its sync is still due: an error of writing back is told to descriptors that were
    /// open then.
    pub(super) fn close(&self) {
        let mut file = self.file.lock().expect("no panic under this lock");
        let state = self.state();
        if state.synced && !state.kept_open {
            *file = None;
        }
    }
}

/// The name of the segment that begins at `base_offset`; sorted by name is sorted by offset.
pub(super) fn segment_path(dir: &Path, base_offset: u64) -> PathBuf {
    dir.join(format!("{base_offset:020}.seg"))
}

/// The base offset that a segment's name tells; `None` for other files.
pub(super) fn segment_offset(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_suffix(".seg")?;
    (digits.len() == 20).then(|| digits.parse().ok())?
}

pub(super) fn spare_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("spare-{number}"))
}

/// The number of a spare; `None` for other files.
pub(super) fn spare_number(path: &Path) -> Option<u64> {
    path.file_name()?
        .to_str()?
        .strip_prefix("spare-")?
        .parse()
        .ok()
}
