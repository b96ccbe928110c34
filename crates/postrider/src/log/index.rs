//! What a sealed segment holds, in a small file beside it (`.idx`).
//!
//! It saves work and carries nothing: without it, or where it does not check out, the segment is read.
//! It is written once the segment is synced, so that its being there also vouches for the segment:
//! opening does not read segments that have one.

use super::error::LogError;
use super::format::{SEGMENT_HEADER, SegmentHeader, VERSION, u32_at, u64_at};
use super::frame::FrameTable;
use super::segment::{Extent, Segment, Signpost};
use super::walk::Walk;
use crate::event::Entry;
use crate::fs::{File, Fs, Open};
use crate::time::UnixMillis;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"PRINDEX1";
const HEADER: usize = 96;
const SIGNPOST: usize = 16;
const COUNT: usize = 12;

/// So many pairs of type and subaccount are counted apart; the rest of a type is counted
/// under [`OTHER_SUBACCOUNTS`], so that an index stays small.
const PAIRS: usize = 4096;

/// Stands for all subaccounts that are not listed.
pub const OTHER_SUBACCOUNTS: u32 = u32::MAX;

/// What a sealed segment holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The least and the greatest `timestamp` of its events.
    pub times_ms: Option<(UnixMillis, UnixMillis)>,
    /// How many events there are of each type and subaccount: (type id, subaccount).
    pub counts: BTreeMap<(u16, u32), u32>,
}

impl Contents {
    /// Whether any event is of this type.
    pub fn has_type(&self, type_id: u16) -> bool {
        let all = (type_id, 0)..=(type_id, u32::MAX);
        self.counts.range(all).next().is_some()
    }

    pub(super) fn count(&mut self, entry: &Entry) {
        let (type_id, subaccount, time_ms) = (entry.type_id, entry.subaccount, entry.time_ms);
        let known = self.counts.len() < PAIRS || self.counts.contains_key(&(type_id, subaccount));
        let subaccount = if known { subaccount } else { OTHER_SUBACCOUNTS };
        *self.counts.entry((type_id, subaccount)).or_default() += 1;
        let (least, greatest) = self.times_ms.unwrap_or((time_ms, time_ms));
        self.times_ms = Some((least.min(time_ms), greatest.max(time_ms)));
    }
}

pub(super) fn index_path(segment: &Path) -> PathBuf {
    segment.with_extension("idx")
}

/// Reads the tables of a sealed segment and writes its index.
pub(super) fn build(fs: &dyn Fs, file: &dyn File, segment: &Segment) -> Result<(), LogError> {
    let extent = segment.state().extent.clone();
    let header = segment.header;
    let mut contents = Contents::default();
    let span = (SEGMENT_HEADER as u64, extent.end);
    let generation = Some(header.generation);
    let mut walk = Walk::new(
        file,
        &segment.path,
        generation,
        header.base_offset,
        span,
        32 * 1024,
    );
    while let Some((at, frame)) = walk.next()? {
        let head = walk.bytes(at, frame.head_len())?;
        let Some(table) = head.and_then(|head| FrameTable::check(frame, head)) else {
            continue;
        };
        for entry in table.entries() {
            contents.count(&entry);
        }
    }
    let bytes = encode(&header, &extent, &contents);
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
    read(fs, segment, header).map(|(extent, _)| extent)
}

/// As [`load`], with the contents.
pub(super) fn read(
    fs: &dyn Fs,
    segment: &Path,
    header: &SegmentHeader,
) -> Option<(Extent, Contents)> {
    let file = fs.open(&index_path(segment), Open::Read).ok()?;
    let len = usize::try_from(file.len().ok()?).ok()?;
    let most = header.segment_bytes as usize / 256 + HEADER + (PAIRS + 1024) * COUNT;
    if !(HEADER..=most.max(1 << 20)).contains(&len) {
        return None;
    }
    let mut bytes = vec![0; len];
    (file.read_at(&mut bytes, 0).ok()? == len).then_some(())?;
    decode(&bytes, header)
}

fn encode(header: &SegmentHeader, extent: &Extent, contents: &Contents) -> Vec<u8> {
    let (least, greatest) = contents.times_ms.unwrap_or((0, 0));
    let mut b = Vec::with_capacity(
        HEADER + extent.signposts.len() * SIGNPOST + contents.counts.len() * COUNT,
    );
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
    b.extend_from_slice(&(extent.signposts.len() as u32).to_le_bytes());
    b.extend_from_slice(&(contents.counts.len() as u32).to_le_bytes());
    for s in &extent.signposts {
        b.extend_from_slice(&s.offset.to_le_bytes());
        b.extend_from_slice(&s.position.to_le_bytes());
    }
    for (&(type_id, subaccount), &count) in &contents.counts {
        b.extend_from_slice(&u32::from(type_id).to_le_bytes());
        b.extend_from_slice(&subaccount.to_le_bytes());
        b.extend_from_slice(&count.to_le_bytes());
    }
    let crc = crc32c::crc32c(&b);
    b[12..16].copy_from_slice(&crc.to_le_bytes());
    b
}

fn decode(bytes: &[u8], header: &SegmentHeader) -> Option<(Extent, Contents)> {
    let mut unsummed = bytes.to_vec();
    unsummed[12..16].fill(0);
    let number = |i: usize| u64_at(bytes, 16 + i * 8);
    let (signposts, counts) = (u32_at(bytes, 88) as usize, u32_at(bytes, 92) as usize);
    let ours = bytes[..8] == MAGIC
        && u32_at(bytes, 8) == VERSION
        && u32_at(bytes, 12) == crc32c::crc32c(&unsummed)
        && number(0) == header.generation
        && number(1) == header.base_offset
        && bytes.len() == HEADER + signposts * SIGNPOST + counts * COUNT;
    if !ours {
        return None;
    }
    let (posts, pairs) = bytes[HEADER..].split_at(signposts * SIGNPOST);
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
    let counts: BTreeMap<_, _> = pairs
        .chunks_exact(COUNT)
        .map(|b| ((u32_at(b, 0) as u16, u32_at(b, 4)), u32_at(b, 8)))
        .collect();
    let times_ms = (!counts.is_empty()).then(|| (number(6), number(7)));
    Some((extent, Contents { times_ms, counts }))
}
