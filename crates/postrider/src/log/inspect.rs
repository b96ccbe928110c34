//! Looking at a log without opening it: nothing is written, so it works beside a running engine too.
//!
//! Every frame of every segment is read and checked, indexes against their segments as well. While an
//! engine runs, two things are not certain: the end of the newest segment, which may be in the middle
//! of a write ([`SegmentReport::unfinished`]), and a segment that is recycled while it is read, which
//! is left out.

use super::error::LogError;
use super::format::{NotAHeader, SEGMENT_HEADER, SegmentHeader, VERSION};
use super::frame::{Frame, FrameTable};
use super::index::{self, Contents};
use super::segment::{Extent, segment_offset};
use super::slab::{Pool, SLAB_BYTES};
use super::walk::Walk;
use crate::fs::{Fs, Open};
use crate::time::UnixMillis;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What is in one segment file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentReport {
    /// The file.
    pub path: PathBuf,
    /// The offset in its name.
    pub base_offset: u64,
    /// The offset behind its last good event.
    pub end_offset: u64,
    /// The file's length, bytes.
    pub file_bytes: u64,
    /// Bytes up to the end of the last good frame.
    pub used_bytes: u64,
    /// Good frames.
    pub frames: u64,
    /// Good events.
    pub events: u64,
    /// When the first and the last frame were written; zero where there is none.
    pub written_ms: (UnixMillis, UnixMillis),
    /// Times, types and subaccounts of its events, from its tables.
    pub contents: Contents,
    /// What its index file is worth.
    pub index: IndexReport,
    /// The segment's own header does not check out.
    pub damaged_header: bool,
    /// Positions between which no frame checks out, with good ones behind them.
    pub holes: Vec<Range<u64>>,
    /// Positions of frames whose header checks out and whose table does not.
    pub damaged_frames: Vec<u64>,
    /// Offsets of events that fail their checksum.
    pub damaged_events: Vec<u64>,
    /// Something that is no good frame stands behind the last one. In the newest segment a process that
    /// was killed, or is writing, explains it.
    pub unfinished: bool,
}

/// What an index file is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IndexReport {
    /// There is none: the segment is being written, or was not indexed yet.
    #[default]
    None,
    /// It says what the segment says.
    Good,
    /// There is a file, and it does not check out: it will be made anew.
    Unusable,
    /// It checks out, and the segment says otherwise.
    Contradicts,
}

impl SegmentReport {
    /// Whether anything is wrong that a killed process can't explain; `newest` says that it is the
    /// segment being written.
    pub fn is_damaged(&self, newest: bool) -> bool {
        self.damaged_header
            || !self.holes.is_empty()
            || !self.damaged_frames.is_empty()
            || !self.damaged_events.is_empty()
            || self.index == IndexReport::Contradicts
            || (self.unfinished && !newest)
    }
}

/// Reads the segments in `dir` that can hold offsets in `offsets`, in order, and calls `each` with every good
/// frame until it answers `false`; then the reports end with that segment, as far as it was read.
///
/// # Errors
/// Of the disk; [`LogError::NewerVersion`] by name. The caller may look at what `each` got before.
pub fn inspect(
    fs: &dyn Fs,
    dir: &Path,
    offsets: Range<u64>,
    mut each: impl FnMut(&Frame) -> bool,
) -> Result<Vec<SegmentReport>, LogError> {
    let names = fs.list(dir).map_err(LogError::io("list", dir))?;
    let bases: Vec<(u64, PathBuf)> = names
        .into_iter()
        .filter_map(|path| Some((segment_offset(&path)?, path)))
        .collect();
    let pool = Pool::new(1);
    let mut reports = Vec::new();
    for (i, (base, path)) in bases.iter().enumerate() {
        let next = bases.get(i + 1).map_or(u64::MAX, |(base, _)| *base);
        if *base >= offsets.end || next <= offsets.start {
            continue;
        }
        let mut goes_on = true;
        match segment(fs, &pool, *base, path, &mut each, &mut goes_on) {
            Ok(report) => reports.push(report),
            Err(LogError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        if !goes_on {
            break;
        }
    }
    Ok(reports)
}

fn segment(
    fs: &dyn Fs,
    pool: &std::sync::Arc<Pool>,
    base: u64,
    path: &Path,
    each: &mut impl FnMut(&Frame) -> bool,
    goes_on: &mut bool,
) -> Result<SegmentReport, LogError> {
    let file = fs
        .open(path, Open::Read)
        .map_err(LogError::io("open", path))?;
    let read = |e| LogError::io("read", path)(e);
    let len = file.len().map_err(read)?;
    let mut bytes = [0; SEGMENT_HEADER];
    file.read_at(&mut bytes, 0).map_err(read)?;
    let header = match SegmentHeader::decode(&bytes) {
        Ok(header) => Some(header).filter(|h| h.base_offset == base),
        Err(NotAHeader::Damaged) => None,
        Err(NotAHeader::Newer(found)) => {
            return Err(LogError::NewerVersion {
                path: path.to_owned(),
                found,
                known: VERSION,
            });
        }
    };
    let mut report = SegmentReport {
        path: path.to_owned(),
        base_offset: base,
        file_bytes: len,
        // A file that is being made has none yet.
        damaged_header: header.is_none() && bytes != [0; SEGMENT_HEADER],
        ..SegmentReport::default()
    };
    let mut extent = Extent::empty(base);
    let span = (SEGMENT_HEADER as u64, len);
    let generation = header.map(|h| h.generation);
    let mut walk = Walk::new(&*file, path, generation, base, span, SLAB_BYTES);
    let mut expected = span.0;
    let mut behind = false;
    while let Some((at, header, frame)) = walk.next_frame(pool)? {
        if at != expected {
            report.holes.push(expected..at);
        }
        expected = at + header.frame_len() as u64;
        behind = frame.is_none();
        let Some(frame) = frame else {
            report.damaged_frames.push(at);
            continue;
        };
        let (base, end) = (frame.base_offset(), frame.end_offset());
        extent.add(base, end, at, expected, frame.written_ms());
        for entry in FrameTable::of(&frame).entries() {
            report.contents.count(&entry);
        }
        let damaged = (0..frame.count()).filter(|&i| frame.is_damaged(i));
        report
            .damaged_events
            .extend(damaged.map(|i| base + u64::from(i)));
        report.events += u64::from(frame.count());
        if frame.count() > 0 && !each(&frame) {
            *goes_on = false;
            break;
        }
    }
    report.unfinished = *goes_on && (walk.litter || behind);
    report.events -= report.damaged_events.len() as u64;
    report.end_offset = extent.end_offset;
    report.used_bytes = extent.end;
    report.frames = extent.frames;
    report.written_ms = (extent.first_ms, extent.last_ms);
    if let Some(header) = header.filter(|_| *goes_on) {
        report.index = match index::read(fs, path, &header) {
            Some((front, _)) if front.extent == extent && front.contents() == report.contents => {
                IndexReport::Good
            }
            Some(_) => IndexReport::Contradicts,
            None if fs.open(&index::index_path(path), Open::Read).is_ok() => IndexReport::Unusable,
            None => IndexReport::None,
        };
    }
    Ok(report)
}
