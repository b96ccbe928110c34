//! A frame: the events of one append, immutable and shared.

use super::format::{FRAME_HEADER, FrameHeader, POSITION_BYTES, mark, u64_at};
use super::slab::Piece;
use crate::crc;
use crate::event::{ENTRY_BYTES, Entry, SEPARATOR};
use crate::time::UnixMillis;
use std::ops::Range;
use std::sync::Arc;

/// The events of one append, in memory, immutable. Shared by `Arc` and sent from directly; its
/// memory goes back to the log's pool when the last `Arc` is dropped.
///
/// `bytes()` is the text of all events, each followed by the separator, so that the events `[i, j)`
/// are the one slice `bytes()[range(i..j)]`.
///
/// Frames share slabs of 2 MiB: whoever keeps a frame for long, keeps its slab.
pub struct Frame {
    header: FrameHeader,
    mark: u32,
    piece: Piece,
    /// Where header, inbox block and table lie in `piece`, and where the text does: next to each other on disk,
    /// the other way round where the text was collected first.
    head_at: usize,
    text_at: usize,
    /// Where each event's text starts, and where the last one ends.
    starts: Box<[u32]>,
    /// One bit per event; `None` where all are good.
    damaged: Option<Box<[u64]>>,
}

impl Frame {
    /// A frame out of memory that is known to be good: head and text in `piece`.
    pub(super) fn trusted(
        header: FrameHeader,
        piece: Piece,
        head_at: usize,
        text_at: usize,
        starts: Box<[u32]>,
    ) -> Frame {
        Frame {
            header,
            mark: mark(header.generation),
            piece,
            head_at,
            text_at,
            starts,
            damaged: None,
        }
    }

    /// Checks the bytes of a whole frame as they lie on disk. `None` when the table does not check
    /// out or contradicts the header; events whose text does not check out are marked as damaged.
    pub(super) fn check(header: FrameHeader, piece: Piece) -> Option<Arc<Frame>> {
        let starts = check_table(&header, piece.get(..header.head_len())?)?;
        let mut frame = Frame::trusted(header, piece, 0, header.head_len(), starts);
        frame.piece.get(..header.frame_len())?;
        let damaged: Vec<u32> = (0..header.count).filter(|&i| !frame.is_intact(i)).collect();
        if !damaged.is_empty() {
            let mut bits = vec![0u64; (header.count as usize).div_ceil(64)].into_boxed_slice();
            for i in damaged {
                bits[i as usize / 64] |= 1 << (i % 64);
            }
            frame.damaged = Some(bits);
        }
        Some(Arc::new(frame))
    }

    /// Whether text and separator of event `i` are what was written.
    fn is_intact(&self, i: u32) -> bool {
        is_intact(&self.bytes()[self.range(i..i + 1)], self.entry(i).crc)
    }

    /// Whether the frame's write stopped inside of its text: from some event on none is good, and
    /// where the last one should end are the zeros that were there before.
    pub(super) fn is_torn(&self) -> bool {
        let count = self.count();
        let first = (0..count).find(|&i| self.is_damaged(i));
        let untouched = self.bytes().ends_with(&[0; SEPARATOR.len()]);
        untouched && first.is_some_and(|first| (first..count).all(|i| self.is_damaged(i)))
    }

    /// Where in the frame its last event's separator belongs.
    pub(super) fn separator_at(&self) -> u64 {
        (self.header.head_len() + self.bytes().len() - SEPARATOR.len()) as u64
    }

    /// All offsets below this were synced when the frame was written.
    pub(super) fn synced(&self) -> u64 {
        self.header.synced
    }

    /// Whether the frame settles what was lost before it.
    pub(super) fn settles(&self) -> bool {
        self.header.settles
    }

    /// The same frame in memory of its own.
    pub(super) fn copied(&self) -> Frame {
        Frame {
            header: self.header,
            mark: self.mark,
            piece: self.piece.copied(),
            head_at: self.head_at,
            text_at: self.text_at,
            starts: self.starts.clone(),
            damaged: self.damaged.clone(),
        }
    }

    /// Whether the frame holds memory of others that are long gone.
    pub(super) fn is_left_behind(&self) -> bool {
        self.piece.is_left_behind()
    }

    /// What the frame takes, on disk and nearly so in memory.
    pub(super) fn frame_len(&self) -> usize {
        self.header.frame_len()
    }

    /// The first event's offset.
    pub fn base_offset(&self) -> u64 {
        self.header.base_offset
    }

    /// The offset behind the last event's.
    pub fn end_offset(&self) -> u64 {
        self.header.end_offset()
    }

    /// How many events; at least one.
    pub fn count(&self) -> u32 {
        self.header.count
    }

    /// When the frame was appended.
    pub fn written_ms(&self) -> UnixMillis {
        self.header.written_ms
    }

    /// Event `i` of the frame (its offset is `base_offset() + i`), with its CRC as the producer made it.
    ///
    /// # Panics
    /// When `i` is not below [`count`](Self::count).
    #[inline]
    pub fn entry(&self, i: u32) -> Entry {
        let table = self.head_at + FRAME_HEADER + self.header.inbox_len as usize;
        entry_at(
            &self.piece[table..][..self.header.table_len()],
            i,
            self.mark,
        )
    }

    /// Where the events `events` lie in [`bytes`](Self::bytes), separators included.
    ///
    /// # Panics
    /// When `events` reaches beyond [`count`](Self::count).
    #[inline]
    pub fn range(&self, events: Range<u32>) -> Range<usize> {
        self.starts[events.start as usize] as usize..self.starts[events.end as usize] as usize
    }

    /// The text of event `i`, without separator.
    ///
    /// # Panics
    /// When `i` is not below [`count`](Self::count).
    #[inline]
    pub fn text(&self, i: u32) -> &[u8] {
        let range = self.range(i..i + 1);
        &self.bytes()[range.start..range.end - SEPARATOR.len()]
    }

    /// Whether event `i`'s text failed its checksum: it must not be sent. Only a frame that was read
    /// from disk has such events, and [`has_damage`](Self::has_damage) tells so in one look.
    #[inline]
    pub fn is_damaged(&self, i: u32) -> bool {
        self.damaged
            .as_ref()
            .is_some_and(|bits| bits[i as usize / 64] >> (i % 64) & 1 == 1)
    }

    /// Whether any event's text failed its checksum.
    #[inline]
    pub fn has_damage(&self) -> bool {
        self.damaged.is_some()
    }

    /// The inbox positions that the log had taken with this frame: (file id, position).
    pub fn inbox_positions(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        positions(&self.piece[self.head_at + FRAME_HEADER..][..self.header.inbox_len as usize])
    }

    /// The text of all events, separators included.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.piece[self.text_at..][..self.header.payload_len as usize]
    }
}

/// Whether a text with its separator is what was written.
pub(super) fn is_intact(text_and_separator: &[u8], crc: u32) -> bool {
    text_and_separator
        .strip_suffix(SEPARATOR)
        .is_some_and(|text| crc::of(text) == crc)
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame")
            .field("base_offset", &self.base_offset())
            .field("count", &self.count())
            .field("bytes", &self.bytes().len())
            .finish_non_exhaustive()
    }
}

/// A frame without its text: what a counting pass needs. The text was not read, so not checked.
pub struct FrameTable<'a> {
    header: FrameHeader,
    table: &'a [u8],
    mark: u32,
}

impl<'a> FrameTable<'a> {
    /// `head`: header, inbox block and table; `None` where they don't check out.
    pub(super) fn check(header: FrameHeader, head: &'a [u8]) -> Option<FrameTable<'a>> {
        check_table(&header, head)?;
        Some(FrameTable::trusted(header, head))
    }

    pub(super) fn trusted(header: FrameHeader, head: &'a [u8]) -> FrameTable<'a> {
        FrameTable {
            header,
            table: &head[FRAME_HEADER + header.inbox_len as usize..][..header.table_len()],
            mark: mark(header.generation),
        }
    }

    pub(super) fn of(frame: &'a Frame) -> FrameTable<'a> {
        FrameTable::trusted(frame.header, &frame.piece[frame.head_at..])
    }

    /// The first event's offset.
    pub fn base_offset(&self) -> u64 {
        self.header.base_offset
    }

    /// The offset behind the last event's.
    pub fn end_offset(&self) -> u64 {
        self.header.end_offset()
    }

    /// How many events.
    pub fn count(&self) -> u32 {
        self.header.count
    }

    /// When the frame was appended.
    pub fn written_ms(&self) -> UnixMillis {
        self.header.written_ms
    }

    /// Event `i` of the frame.
    ///
    /// # Panics
    /// When `i` is not below [`count`](Self::count).
    #[inline]
    pub fn entry(&self, i: u32) -> Entry {
        entry_at(self.table, i, self.mark)
    }

    /// All entries in order.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        (0..self.count()).map(|i| self.entry(i))
    }
}

#[inline]
fn entry_at(table: &[u8], i: u32, mark: u32) -> Entry {
    let at = i as usize * ENTRY_BYTES;
    let bytes = table[at..at + ENTRY_BYTES].try_into();
    let mut entry = Entry::from_bytes(bytes.expect("sliced to size"));
    entry.crc ^= mark;
    entry
}

/// The pairs of an inbox block.
pub(super) fn positions(block: &[u8]) -> impl Iterator<Item = (u64, u64)> + '_ {
    block
        .chunks_exact(POSITION_BYTES)
        .map(|p| (u64_at(p, 0), u64_at(p, 8)))
}

/// Checks inbox block and table against the header: the sum, and that the lengths add up to the
/// text. Gives where each text starts, and where the last ends.
fn check_table(header: &FrameHeader, head: &[u8]) -> Option<Box<[u32]>> {
    let summed = &head[FRAME_HEADER..header.head_len()];
    let mark = mark(header.generation);
    if crc::of(summed) ^ mark != header.table_crc {
        return None;
    }
    let table = &summed[header.inbox_len as usize..];
    let mut starts = Vec::with_capacity(header.count as usize + 1);
    let mut at = 0u64;
    for i in 0..header.count {
        starts.push(at as u32);
        at += u64::from(entry_at(table, i, mark).len) + SEPARATOR.len() as u64;
        if at > u64::from(header.payload_len) {
            return None;
        }
    }
    starts.push(at as u32);
    (at == u64::from(header.payload_len)).then(|| starts.into_boxed_slice())
}
