//! Opening a log that is there, in five passes.
//!
//! 1. **Look**: list the directory; put files by name into segments, spares and the rest.
//! 2. **Headers**: read every segment's header. A newer version ends it here, by name, before anything was
//!    changed. A header that does not check out is made up for by the segment's first good frame;
//!    a file in which there is none is set aside.
//! 3. **Frames**: a sealed segment whose index checks out was synced whole and is taken at the index's
//!    word. Any other is read from end to end: good frames behind a hole count, the hole is
//!    counted, and the end is behind the last good frame.
//! 4. **The cut**: the last segment is written on from its end. What lies behind is zeroed, so that the
//!    next opening finds only what is written from now on. A last frame whose write stopped in the middle
//!    was acknowledged to nobody and is cut as a whole, with its inbox positions: what it took from the
//!    inbox is taken again. What stands behind a frame that looks so proves that it was whole once: it is kept, and its
//!    last separator is put back before the proof is zeroed.
//! 5. **Positions**: inbox positions are those of the last segment, whose first frame repeats
//!    them all; where that frame is lost, older segments are asked as well. A position stands for all that
//!    was taken before it, so behind a hole it is believed only if the hole was synced once, that is,
//!    came by damage. Behind one that a power cut left, what the lost frame took is taken again, and the
//!    writer's first frame *settles* it: it names all positions, and ends what was claimed before.

use super::compact;
use super::config::LogConfig;
use super::error::LogError;
use super::format::{FRAME_HEADER, NotAHeader, SEGMENT_HEADER, SegmentHeader, VERSION};
use super::frame::{Frame, positions};
use super::index;
use super::segment::{
    Extent, Segment, SegmentState, Spare, segment_offset, segment_path, spare_number, spare_path,
};
use super::slab::{Pool, SLAB_BYTES};
use super::walk::Walk;
use crate::event::SEPARATOR;
use crate::fs::{File, Open};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So many damaged events are listed by offset; all are counted.
const LISTED: usize = 1000;

/// What opening a log found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments there were.
    pub segments: u64,
    /// Segments that were read frame by frame because no index vouched for them; the last one always is.
    pub scanned: u64,
    /// Good frames in the scanned segments.
    pub frames: u64,
    /// Good events in the scanned segments.
    pub events: u64,
    /// Stretches in front of or between good frames in which no frame checks out.
    pub holes: u64,
    /// Segment headers that did not check out and were written anew from what their frames say.
    pub damaged_headers: u64,
    /// Frames whose header checks out and whose table does not.
    pub damaged_frames: u64,
    /// How many events failed their checksum.
    pub damaged: u64,
    /// Their offsets, the first 1,000.
    pub damaged_events: Vec<u64>,
    /// Where writing resumes in the last segment because something unusable lay behind the last good
    /// frame: (segment's base offset, position in the file).
    pub cut_at: Option<(u64, u64)>,
    /// Files named as segments in which nothing could be read, under the name that they now have.
    pub set_aside: Vec<PathBuf>,
    /// The highest position taken of each inbox file: (file id, position).
    pub inbox_positions: Vec<(u64, u64)>,
    /// The offset that the next event gets.
    pub next_offset: u64,
}

impl Recovery {
    /// Whether anything was found that a killed process can't explain: worth an operator's look.
    pub fn is_damaged(&self) -> bool {
        self.holes + self.damaged_headers + self.damaged_frames + self.damaged > 0
            || !self.set_aside.is_empty()
    }
}

/// What the passes give.
pub(super) struct Recovered {
    pub(super) segments: VecDeque<Arc<Segment>>,
    pub(super) spares: Vec<Spare>,
    /// Something is lost that was written, and may have taken from the inbox; the writer settles that.
    pub(super) unsettled: bool,
    pub(super) report: Recovery,
}

struct Recovering<'a> {
    config: &'a LogConfig,
    dir: &'a Path,
    pool: Arc<Pool>,
    claims: Vec<Claim>,
    /// Ascending: offsets at which something is lost that was written, of a hole the last.
    lost: Vec<u64>,
    /// What frames say of how far the log was synced.
    synced: u64,
    report: Recovery,
}

/// The inbox positions that a frame names.
struct Claim {
    positions: Vec<(u64, u64)>,
    /// The segment, where the frame names all positions: its first does, and one that settles.
    all_of: Option<u64>,
    /// So many of the losses lie before it.
    lost_before: usize,
}

/// Runs the passes over `dir`.
pub(super) fn recover(config: &LogConfig, dir: &Path, above: u64) -> Result<Recovered, LogError> {
    let fs = &*config.fs;
    fs.create_dir(dir).map_err(LogError::io("create", dir))?;
    let names = fs.list(dir).map_err(LogError::io("list", dir))?;
    let mut r = Recovering {
        config,
        dir,
        pool: Pool::new(1),
        claims: Vec::new(),
        lost: Vec::new(),
        synced: 0,
        report: Recovery::default(),
    };
    let bases: Vec<u64> = names.iter().filter_map(|p| segment_offset(p)).collect();
    let mut found = Vec::new();
    for &base in &bases {
        found.push((base, r.header(base)?));
    }
    r.report.segments = found.len() as u64;

    let mut segments: VecDeque<Arc<Segment>> = VecDeque::new();
    for (i, (base, header)) in found.into_iter().enumerate() {
        // A name alone has named an offset, and whatever the segment before holds is below it.
        r.report.next_offset = r.report.next_offset.max(base);
        if let Some(before) = segments.back() {
            let before = before.state();
            if !before.synced && before.extent.end_offset < base {
                r.lost.push(base - 1);
            }
        }
        let next = bases.get(i + 1).copied();
        segments.extend(r.segment(base, header, next)?);
    }
    let positions = r.positions(&segments)?;
    let spares = r.spares(&names)?;
    r.report.next_offset = r.report.next_offset.max(above);
    let unsettled = r.lost.iter().any(|offset| *offset >= r.synced);
    r.report.inbox_positions = positions.into_iter().collect();
    Ok(Recovered {
        segments,
        spares,
        unsettled,
        report: r.report,
    })
}

/// What a scan found in a segment.
struct Scan {
    extent: Extent,
    generation: Option<u64>,
    /// Something unusable lies behind the end.
    litter: bool,
    /// The last frame looks torn and is not: where its last separator belongs.
    mend: Option<u64>,
}

impl Recovering<'_> {
    /// Pass 2: the segment's file and header; no header where it does not check out.
    fn header(&self, base: u64) -> Result<(Arc<dyn File>, Option<SegmentHeader>), LogError> {
        let path = segment_path(self.dir, base);
        let file = self.config.fs.open(&path, Open::ReadWrite);
        let file = file.map_err(LogError::io("open", &path))?;
        let mut bytes = [0; SEGMENT_HEADER];
        let got = file.read_at(&mut bytes, 0);
        got.map_err(LogError::io("read", &path))?;
        match SegmentHeader::decode(&bytes) {
            Ok(header) if header.base_offset == base => Ok((file, Some(header))),
            Ok(_) | Err(NotAHeader::Damaged) => Ok((file, None)),
            Err(NotAHeader::Newer(found)) => Err(LogError::NewerVersion {
                path,
                found,
                known: VERSION,
            }),
        }
    }

    /// Passes 3 and 4 for one segment; `None` where there is nothing in it.
    fn segment(
        &mut self,
        base: u64,
        (file, header): (Arc<dyn File>, Option<SegmentHeader>),
        next: Option<u64>,
    ) -> Result<Option<Arc<Segment>>, LogError> {
        let last = next.is_none();
        let path = segment_path(self.dir, base);
        if let Some(header) = header
            && let Some(extent) = index::load(&*self.config.fs, &path, &header)
        {
            self.name_offset(extent.end_offset);
            let state = SegmentState {
                extent,
                sealed: true,
                synced: true,
                indexed: true,
                kept_open: false,
            };
            return Ok(Some(Segment::new(header, path, None, state)));
        }

        let len = file.len().map_err(LogError::io("read", &path))?;
        let generation = header.map(|h| h.generation);
        let scan = self.scan(
            &*file,
            &path,
            base..next.unwrap_or(u64::MAX),
            generation,
            len,
        )?;
        let header = match (header, scan.generation) {
            (Some(header), _) => header,
            (None, Some(generation)) => {
                self.report.damaged_headers += 1;
                let header = SegmentHeader {
                    generation,
                    base_offset: base,
                    created_ms: scan.extent.first_ms,
                    segment_bytes: len,
                };
                file.write_at(&[&header.encode()], 0)
                    .map_err(LogError::io("write", &path))?;
                header
            }
            (None, None) => {
                self.set_aside(&*file, &path, scan.litter)?;
                return Ok(None);
            }
        };
        if last && scan.litter {
            self.report.cut_at = Some((base, scan.extent.end));
            if let Some(at) = scan.mend {
                file.write_at(&[SEPARATOR], at)
                    .map_err(LogError::io("write", &path))?;
            }
            file.zero(scan.extent.end, len)
                .map_err(LogError::io("zero", &path))?;
        } else if scan.litter {
            self.report.holes += 1;
        }
        if last && len < header.segment_bytes {
            // A copy, or a file that was cut: its space is not reserved.
            file.allocate(header.segment_bytes)
                .map_err(LogError::io("allocate", &path))?;
        }
        let state = SegmentState {
            extent: scan.extent,
            sealed: !last,
            synced: false,
            indexed: false,
            kept_open: false,
        };
        Ok(Some(Segment::new(header, path, Some(file), state)))
    }

    /// Reads a segment from end to end, where `offsets` can be in it: the last one has no end.
    fn scan(
        &mut self,
        file: &dyn File,
        path: &Path,
        offsets: Range<u64>,
        generation: Option<u64>,
        len: u64,
    ) -> Result<Scan, LogError> {
        self.report.scanned += 1;
        let (base, last) = (offsets.start, offsets.end == u64::MAX);
        let mut extent = Extent::empty(base);
        let span = (SEGMENT_HEADER as u64, len);
        let mut walk = Walk::new(file, path, generation, base, span, SLAB_BYTES);
        let (mut generation, mut expected) = (generation, span.0);
        // Of the last frame, where its table does not check out: whether its write stopped before its end.
        let mut headless: Option<bool> = None;
        // A frame is counted once a header stands behind it, or nothing: only the last can be torn.
        let mut previous: Option<(u64, Arc<Frame>)> = None;
        let mut mend = None;
        while let Some((at, header, frame)) = walk.next_frame(&self.pool)? {
            if header.base_offset >= offsets.end {
                // What an append left that failed, before the next one began a segment at its offset.
                break;
            }
            generation = Some(header.generation);
            if let Some((at, frame)) = previous.take() {
                self.count(&mut extent, at, &frame);
                mend = frame.is_torn().then(|| at + frame.separator_at());
            }
            self.report.damaged_frames += u64::from(headless.take().is_some());
            self.name_offset(header.end_offset());
            if at != expected {
                self.report.holes += 1;
                // Offsets at its beginning may be a gap, which tells nothing.
                let last = header.base_offset.saturating_sub(1);
                self.lost.push(last.max(extent.end_offset));
            }
            expected = at + header.frame_len() as u64;
            match frame {
                Some(frame) => previous = Some((at, frame)),
                None => {
                    headless = Some(walk.unwritten);
                    self.lost.push(header.base_offset);
                }
            }
        }
        let mut litter = walk.litter || headless.is_some();
        let torn = last && headless == Some(true);
        self.report.damaged_frames += u64::from(headless.is_some() && !torn);
        if let Some((at, frame)) = previous {
            let torn = last && frame.is_torn();
            litter |= torn;
            if !torn {
                self.count(&mut extent, at, &frame);
                mend = None;
            }
        }
        Ok(Scan {
            extent,
            generation,
            litter,
            mend,
        })
    }

    fn count(&mut self, extent: &mut Extent, at: u64, frame: &Frame) {
        let end = at + frame.frame_len() as u64;
        extent.add(
            frame.base_offset(),
            frame.end_offset(),
            at,
            end,
            frame.written_ms(),
        );
        self.report.frames += 1;
        self.synced = self.synced.max(frame.synced());
        if frame.settles() {
            self.claims.clear();
            self.lost.clear();
        }
        if frame.has_damage() {
            self.lost.push(frame.base_offset());
        }
        let positions: Vec<_> = frame.inbox_positions().collect();
        let all = at == SEGMENT_HEADER as u64 || frame.settles();
        if all || !positions.is_empty() {
            self.claims.push(Claim {
                positions,
                all_of: all.then_some(extent.base_offset),
                lost_before: self.lost.len(),
            });
        }
        for i in 0..frame.count() {
            if frame.is_damaged(i) {
                self.report.damaged += 1;
                if self.report.damaged_events.len() < LISTED {
                    let offset = frame.base_offset() + u64::from(i);
                    self.report.damaged_events.push(offset);
                }
            } else {
                self.report.events += 1;
            }
        }
    }

    fn name_offset(&mut self, end: u64) {
        self.report.next_offset = self.report.next_offset.max(end);
    }

    /// A file without header and frames: one that was being made or unmade when the power went is all zeros and
    /// goes; one that holds anything else is left for its owner under another name.
    fn set_aside(&mut self, file: &dyn File, path: &Path, litter: bool) -> Result<(), LogError> {
        let mut header = [0; SEGMENT_HEADER];
        let got = file.read_at(&mut header, 0);
        got.map_err(LogError::io("read", path))?;
        if !litter && header == [0; SEGMENT_HEADER] {
            let removed = self.config.fs.remove(path);
            return removed.map_err(LogError::io("remove", path));
        }
        let aside = path.with_extension("damaged");
        let renamed = self.config.fs.rename(path, &aside);
        renamed.map_err(LogError::io("rename", path))?;
        self.report.set_aside.push(aside);
        Ok(())
    }

    /// Pass 5: the highest believed position of each inbox file. Goes from the newest segment back to one that
    /// begins with a good frame.
    fn positions(&self, segments: &VecDeque<Arc<Segment>>) -> Result<BTreeMap<u64, u64>, LogError> {
        let believed = self.lost.partition_point(|offset| *offset < self.synced);
        let claims = || self.claims.iter().filter(|c| c.lost_before <= believed);
        let mut highest = BTreeMap::new();
        let mut take = |(file, position): (u64, u64)| {
            let known: &mut u64 = highest.entry(file).or_default();
            *known = position.max(*known);
        };
        claims().for_each(|c| c.positions.iter().copied().for_each(&mut take));
        for segment in segments.iter().rev() {
            let base = segment.base_offset();
            let scanned = !segment.state().indexed;
            let complete = match scanned {
                true => claims().any(|c| c.all_of == Some(base)),
                false => self.positions_of(segment, &mut take)?,
            };
            if complete {
                break;
            }
        }
        Ok(highest)
    }

    /// The positions in a segment that was not scanned; true if its first frame, which names all, is good.
    fn positions_of(
        &self,
        segment: &Segment,
        take: &mut impl FnMut((u64, u64)),
    ) -> Result<bool, LogError> {
        let (file, _) = segment.file(&*self.config.fs)?;
        let span = (SEGMENT_HEADER as u64, segment.state().extent.end);
        let h = segment.header;
        let generation = Some(h.generation);
        let (path, ahead) = (&segment.path, 32 * 1024);
        let mut walk = Walk::new(&*file, path, generation, h.base_offset, span, ahead);
        let (mut complete, mut found) = (false, Vec::new());
        while let Some((at, header)) = walk.next()? {
            let head = walk.bytes(at, header.head_len())?;
            let good = |head: &&[u8]| super::FrameTable::check(header, head).is_some();
            let Some(head) = head.filter(good) else {
                continue;
            };
            if header.settles {
                found.clear();
            }
            complete |= at == span.0 || header.settles;
            let block = &head[FRAME_HEADER..][..header.inbox_len as usize];
            found.extend(positions(block));
        }
        found.into_iter().for_each(take);
        segment.close();
        Ok(complete)
    }

    /// Spares may hold a former life's text if the process ended while they were zeroed: they are zeroed
    /// again. Of another size, or too many, they go.
    fn spares(&mut self, names: &[PathBuf]) -> Result<Vec<Spare>, LogError> {
        let fs = &*self.config.fs;
        let leftover = |p: &&PathBuf| p.extension().is_some_and(|e| e == compact::EXTENSION);
        for path in names.iter().filter(leftover) {
            fs.remove(path).map_err(LogError::io("remove", path))?;
        }
        let mut spares = Vec::new();
        for number in names.iter().filter_map(|p| spare_number(p)) {
            let path = spare_path(self.dir, number);
            let file = fs.open(&path, Open::ReadWrite);
            let file = file.map_err(LogError::io("open", &path))?;
            let len = file.len().map_err(LogError::io("read", &path))?;
            if len == self.config.segment_bytes && spares.len() < super::keep::SPARES {
                file.zero(0, len).map_err(LogError::io("zero", &path))?;
                spares.push(Spare { number, file });
            } else {
                fs.remove(&path).map_err(LogError::io("remove", &path))?;
            }
        }
        Ok(spares)
    }
}
