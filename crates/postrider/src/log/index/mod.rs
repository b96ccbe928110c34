//! What a sealed segment holds, in a small file beside it (`.idx`).
//!
//! It saves work and carries nothing: without it, or where a part of it does not check out, the segment is
//! read. It is written once the segment is synced, so that its being there also vouches for the segment:
//! opening does not read segments that have one.
//!
//! ```text
//! front: header │ signposts │ counts │ stretches      read whole, one checksum
//! postings: a list per type and subaccount            a webhook that lags reads the lists it wants
//! summaries: one row per block of a Bloom filter      a search reads one row per value that it looks for
//! ```
//!
//! Signposts find an offset's frame. Counts say which types and subaccounts there are, so that a backlog is counted
//! without reading it, and where their [`postings`] are. A stretch is about a megabyte of frames, with its times; the [`summary`] says which
//! stretches can hold an event with a given recipient, message id and so on.

pub(super) mod postings;
pub(super) mod summary;

use self::postings::Lists;
use self::summary::Summary;
use super::error::LogError;
use super::format::{SEGMENT_HEADER, SegmentHeader, u32_at, u64_at};
use super::frame::{Frame, FrameTable};
use super::segment::{Extent, Segment, Signpost};
use super::slab::Pool;
use super::walk::Walk;
use crate::crc;
use crate::event::{Entry, SEPARATOR};
use crate::fs::{File, Fs, Open};
use crate::time::UnixMillis;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"PRINDEX1";
const VERSION: u32 = 4;
const HEADER: usize = 128;
const SIGNPOST: usize = 16;
const COUNT: usize = 28;
const STRETCH: usize = 32;

/// A stretch ends with the frame that takes it over this many bytes.
const STRETCH_BYTES: u64 = 1024 * 1024;

/// So many pairs of type and subaccount are counted apart; the rest of a type is counted
/// under [`OTHER_SUBACCOUNTS`], so that an index stays small.
const PAIRS: usize = 16 * 1024;

/// Stands for all subaccounts that are not listed.
pub const OTHER_SUBACCOUNTS: u32 = u32::MAX;

/// What a sealed segment holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The least and the greatest `timestamp` of its events.
    pub times_ms: Option<(UnixMillis, UnixMillis)>,
    /// What there is of each type and subaccount: (type id, subaccount).
    pub counts: BTreeMap<(u16, u32), Count>,
}

/// Events of one type and subaccount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub events: u32,
    /// Their bytes in bodies, a separator each.
    pub bytes: u64,
}

impl Contents {
    /// Whether any event is of this type.
    pub fn has_type(&self, type_id: u16) -> bool {
        let all = (type_id, 0)..=(type_id, u32::MAX);
        self.counts.range(all).next().is_some()
    }

    /// Counts an event; answers under which type and subaccount.
    pub(super) fn count(&mut self, entry: &Entry) -> (u16, u32) {
        let mut pair = (entry.type_id, entry.subaccount);
        if self.counts.len() >= PAIRS && !self.counts.contains_key(&pair) {
            pair.1 = OTHER_SUBACCOUNTS;
        }
        let count = self.counts.entry(pair).or_default();
        count.events += 1;
        count.bytes += u64::from(entry.len) + SEPARATOR.len() as u64;
        widen(&mut self.times_ms, entry.time_ms);
        pair
    }
}

fn widen(times: &mut Option<(UnixMillis, UnixMillis)>, time_ms: UnixMillis) {
    let (least, greatest) = times.unwrap_or((time_ms, time_ms));
    *times = Some((least.min(time_ms), greatest.max(time_ms)));
}

/// About a megabyte of neighbouring frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// The first event's offset, and the first frame's position.
    pub(super) offset: u64,
    pub(super) position: u64,
    /// The least and the greatest `timestamp`.
    pub(super) times_ms: (UnixMillis, UnixMillis),
}

/// What the front of an index says, and where the rest is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Front {
    pub(super) extent: Extent,
    /// As in [`Contents`], sorted.
    pub(super) counts: Vec<((u16, u32), Count)>,
    pub(super) times_ms: Option<(UnixMillis, UnixMillis)>,
    pub(super) stretches: Vec<Stretch>,
    /// In the order of `counts`.
    pub(super) lists: Vec<List>,
    /// Rows of the summary; 0: there is none.
    pub(super) rows: u32,
    /// Where the rows begin.
    pub(super) rows_at: u64,
}

impl Front {
    /// What the segment holds.
    pub(super) fn contents(&self) -> Contents {
        Contents {
            times_ms: self.times_ms,
            counts: self.counts.iter().copied().collect(),
        }
    }
}

/// Where a posting list is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List {
    pub(super) bytes: Range<u64>,
    pub(super) crc: u32,
}

pub(super) fn index_path(segment: &Path) -> PathBuf {
    segment.with_extension("idx")
}

/// Reads a sealed segment (its tables; with `summaries` its texts too) and writes its index.
pub(super) fn build(
    fs: &dyn Fs,
    file: &dyn File,
    segment: &Segment,
    summaries: bool,
) -> Result<(), LogError> {
    let extent = segment.state().extent.clone();
    let header = segment.header;
    let mut contents = Contents::default();
    let mut lists = Lists::new(header.base_offset, extent.first_ms);
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut times = None;
    let mut summary = summaries.then(Summary::default);
    let span = (SEGMENT_HEADER as u64, extent.end);
    let (generation, path) = (Some(header.generation), &segment.path);
    let ahead = if summaries { 1 << 20 } else { 32 * 1024 };
    let mut walk = Walk::new(file, path, generation, header.base_offset, span, ahead);
    let pool = Pool::new(1);
    loop {
        let whole: Option<Arc<Frame>>;
        let (at, header, table) = match summary.is_some() {
            true => {
                let Some((at, header, frame)) = walk.next_frame(&pool)? else {
                    break;
                };
                whole = frame;
                (at, header, whole.as_deref().map(FrameTable::of))
            }
            false => {
                let Some((at, header)) = walk.next()? else {
                    break;
                };
                whole = None;
                let head = walk.bytes(at, header.head_len())?;
                let table = head.and_then(|head| FrameTable::check(header, head));
                (at, header, table)
            }
        };
        let Some(table) = table.filter(|t| t.count() > 0) else {
            continue;
        };
        if stretches
            .last()
            .is_none_or(|s| at - s.position >= STRETCH_BYTES)
        {
            stretches.push(Stretch {
                offset: table.base_offset(),
                position: at,
                times_ms: (0, 0),
            });
            times = None;
            summary.as_mut().map(Summary::begin);
        }
        let mut text = at + header.head_len() as u64;
        for (offset, entry) in (table.base_offset()..).zip(table.entries()) {
            let pair = contents.count(&entry);
            lists.add(pair, (offset, text), &entry, table.written_ms());
            text += u64::from(entry.len) + SEPARATOR.len() as u64;
            widen(&mut times, entry.time_ms);
        }
        if let (Some(summary), Some(frame)) = (&mut summary, &whole) {
            (0..frame.count()).for_each(|i| summary.add(frame.text(i)));
        }
        let stretch = stretches.last_mut().expect("pushed above");
        stretch.times_ms = times.unwrap_or((0, 0));
    }
    let (rows, summary) = summary.map_or((0, Vec::new()), Summary::into_rows);
    let lists = lists.into_lists();
    let mut bytes = encode(&header, &extent, &contents, &stretches, &lists, rows);
    lists.iter().for_each(|list| bytes.extend_from_slice(list));
    bytes.extend_from_slice(&summary);
    let path = index_path(&segment.path);
    let temporary = segment.path.with_extension("idx.tmp");
    let write = |path: &Path| {
        match fs.remove(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let file = fs.open(path, Open::CreateNew)?;
        file.write_at(&[&bytes], 0)?;
        file.sync()
    };
    write(&temporary).map_err(LogError::io("write", &temporary))?;
    let renamed = fs.rename(&temporary, &path);
    renamed.map_err(LogError::io("rename", &temporary))
}

/// What an index says of its segment's extent; `None` unless it is there, checks out and is of this
/// life of the segment.
pub(super) fn load(fs: &dyn Fs, segment: &Path, header: &SegmentHeader) -> Option<Extent> {
    let (front, _) = read(fs, segment, header)?;
    Some(front.extent)
}

/// An index's front, and the open file for the rest.
pub(super) fn read(
    fs: &dyn Fs,
    segment: &Path,
    header: &SegmentHeader,
) -> Option<(Front, Arc<dyn File>)> {
    let file = fs.open(&index_path(segment), Open::Read).ok()?;
    let mut head = [0; HEADER];
    (file.read_at(&mut head, 0).ok()? == HEADER).then_some(())?;
    let len = front_len(&head)?;
    // Signposts are the most, one per 64 KiB or frame.
    let most = header.segment_bytes as usize / 1024 + HEADER + (PAIRS + 2048) * COUNT;
    (len <= most.max(1 << 20)).then_some(())?;
    let mut bytes = vec![0; len];
    (file.read_at(&mut bytes, 0).ok()? == len).then_some(())?;
    let front = decode(&bytes, header)?;
    Some((front, file))
}

/// How long the front is that begins with this header, which nobody has checked yet.
fn front_len(head: &[u8; HEADER]) -> Option<usize> {
    let count = |at| u32_at(head, at) as usize;
    let ours = head[..8] == MAGIC && u32_at(head, 8) == VERSION;
    let parts = [(88, SIGNPOST), (92, COUNT), (96, STRETCH)];
    let sum =
        |len: usize, (at, size): (usize, usize)| len.checked_add(count(at).checked_mul(size)?);
    parts.into_iter().try_fold(HEADER, sum).filter(|_| ours)
}

fn encode(
    header: &SegmentHeader,
    extent: &Extent,
    contents: &Contents,
    stretches: &[Stretch],
    lists: &[Vec<u8>],
    rows: u32,
) -> Vec<u8> {
    let (least, greatest) = contents.times_ms.unwrap_or((0, 0));
    let mut b = Vec::new();
    b.extend_from_slice(&MAGIC);
    b.extend_from_slice(&VERSION.to_le_bytes());
    b.extend_from_slice(&[0; 4]);
    for n in [
        header.generation,
        header.base_offset,
        extent.end_offset,
        extent.end,
        extent.first_ms,
        extent.last_ms,
        least,
        greatest,
        extent.frames,
    ] {
        b.extend_from_slice(&n.to_le_bytes());
    }
    let counts = [
        extent.signposts.len(),
        contents.counts.len(),
        stretches.len(),
    ];
    for n in counts.map(|n| n as u32).into_iter().chain([rows]) {
        b.extend_from_slice(&n.to_le_bytes());
    }
    b.resize(HEADER, 0);
    for s in &extent.signposts {
        b.extend_from_slice(&s.offset.to_le_bytes());
        b.extend_from_slice(&s.position.to_le_bytes());
    }
    for ((&(type_id, subaccount), &count), list) in contents.counts.iter().zip(lists) {
        let crc = crc::of(list);
        for n in [
            type_id.into(),
            subaccount,
            count.events,
            list.len() as u32,
            crc,
        ] {
            b.extend_from_slice(&n.to_le_bytes());
        }
        b.extend_from_slice(&count.bytes.to_le_bytes());
    }
    for s in stretches {
        for n in [s.offset, s.position, s.times_ms.0, s.times_ms.1] {
            b.extend_from_slice(&n.to_le_bytes());
        }
    }
    let crc = crc::of(&b);
    b[12..16].copy_from_slice(&crc.to_le_bytes());
    b
}

fn decode(bytes: &[u8], header: &SegmentHeader) -> Option<Front> {
    let crc = crc::append(crc::of(&bytes[..12]), &[0; 4]);
    let crc = crc::append(crc, &bytes[16..]);
    let number = |i: usize| u64_at(bytes, 16 + i * 8);
    let ours = u32_at(bytes, 12) == crc
        && number(0) == header.generation
        && number(1) == header.base_offset;
    if !ours {
        return None;
    }
    let (signposts, counts) = (u32_at(bytes, 88) as usize, u32_at(bytes, 92) as usize);
    let (posts, rest) = bytes[HEADER..].split_at(signposts * SIGNPOST);
    let (pairs, rest) = rest.split_at(counts * COUNT);
    let extent = Extent {
        base_offset: header.base_offset,
        end_offset: number(2),
        end: number(3),
        first_ms: number(4),
        last_ms: number(5),
        frames: number(8),
        signposts: posts
            .chunks_exact(SIGNPOST)
            .map(|b| Signpost {
                offset: u64_at(b, 0),
                position: u64_at(b, 8),
            })
            .collect(),
    };
    let mut at = bytes.len() as u64;
    let mut lists = Vec::with_capacity(counts);
    for b in pairs.chunks_exact(COUNT) {
        let end = at + u64::from(u32_at(b, 12));
        lists.push(List {
            bytes: at..end,
            crc: u32_at(b, 16),
        });
        at = end;
    }
    let counts = pairs.chunks_exact(COUNT).map(|b| {
        let (events, bytes) = (u32_at(b, 8), u64_at(b, 20));
        ((u32_at(b, 0) as u16, u32_at(b, 4)), Count { events, bytes })
    });
    let counts: Vec<_> = counts.collect();
    Some(Front {
        extent,
        times_ms: (!counts.is_empty()).then(|| (number(6), number(7))),
        counts,
        stretches: rest
            .chunks_exact(STRETCH)
            .map(|b| Stretch {
                offset: u64_at(b, 0),
                position: u64_at(b, 8),
                times_ms: (u64_at(b, 16), u64_at(b, 24)),
            })
            .collect(),
        lists,
        rows: u32_at(bytes, 100),
        rows_at: at,
    })
}
