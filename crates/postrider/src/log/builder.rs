//! A frame being filled.
//!
//! The text is collected right where the frame will stay in memory. The table, whose size isn't known
//! before the last event, is laid out behind it, and a two-part write puts both into the file in
//! the order of the format: one system call, and no event's text is moved a second time.

use super::format::{FRAME_HEADER, FrameHeader, MAX_POSITIONS, POSITION_BYTES, align, mark};
use super::frame::Frame;
use super::slab::{Filler, Lent, Pool};
use super::{FRAME_BYTES, MAX_EVENT_BYTES, MAX_FRAME_EVENTS};
use crate::crc;
use crate::event::{ENTRY_BYTES, Entry, SEPARATOR};
use crate::prefetch;
use std::sync::Arc;

/// What a frame needs at most besides text and table.
const HEAD: usize = FRAME_HEADER + MAX_POSITIONS * POSITION_BYTES;

/// A slab with less room than this is left for a new one: frames in its end would be too short.
const LEAST_ROOM: usize = 512 * 1024;

/// A frame being filled, in memory that comes from the log's pool.
pub struct FrameBuilder {
    pool: Arc<Pool>,
    filler: Filler,
    text: usize,
    table: Vec<Entry>,
    positions: Vec<(u64, u64)>,
}

impl FrameBuilder {
    pub(super) fn new(pool: Arc<Pool>) -> FrameBuilder {
        FrameBuilder {
            filler: pool.slab(),
            pool,
            text: 0,
            table: Vec::with_capacity(1024),
            positions: Vec::new(),
        }
    }

    /// Takes an event: its text and the separator behind it. `false`, with nothing taken, when the
    /// frame is full: append it and push again. An empty frame takes any event up to
    /// [`MAX_EVENT_BYTES`], and none above.
    #[inline]
    pub fn push(&mut self, entry: &Entry, text_and_separator: &[u8]) -> bool {
        debug_assert!(text_and_separator.ends_with(SEPARATOR));
        debug_assert_eq!(
            entry.len as usize + SEPARATOR.len(),
            text_and_separator.len()
        );
        let (at, len) = (self.text, text_and_separator.len());
        let need = align(at + len) + HEAD + (self.table.len() + 1) * ENTRY_BYTES;
        if self.table.len() >= MAX_FRAME_EVENTS as usize
            || at >= FRAME_BYTES
            || need > self.filler.room_len()
            || !(SEPARATOR.len()..=MAX_EVENT_BYTES).contains(&len)
        {
            return false;
        }
        let (text, behind) = self.filler.room()[at..].split_at_mut(len);
        prefetch::ahead_for_writing(behind.as_ptr());
        text.copy_from_slice(text_and_separator);
        self.text += len;
        self.table.push(Entry {
            len: (len - SEPARATOR.len()) as u32,
            ..*entry
        });
        true
    }

    /// The events taken.
    pub fn entries(&self) -> &[Entry] {
        &self.table
    }

    /// Lends the text of all events, each with its separator, to readers. Until it is [taken back](Self::take_back), the frame can only
    /// tell its entries.
    pub fn lend(&mut self) -> Arc<Lent> {
        Arc::new(self.filler.lend(self.text))
    }

    /// Has its text back: the same memory where nobody else reads it any more, else a copy.
    pub fn take_back(&mut self, lent: Arc<Lent>) {
        match Arc::try_unwrap(lent) {
            Ok(lent) => self.filler.take_back(lent),
            Err(read) => {
                self.filler = self.pool.slab();
                self.filler.room()[..self.text].copy_from_slice((*read).as_ref());
            }
        }
    }

    /// Empties the frame; gives the inbox positions that it named.
    pub fn restart(&mut self) -> Vec<(u64, u64)> {
        let positions = std::mem::take(&mut self.positions);
        self.clear();
        positions
    }

    /// Says that the log has, with this frame, what an inbox file had up to `position`. `false`, with nothing
    /// taken, when the frame already names as many files as it can: 4,096.
    pub fn inbox_position(&mut self, file_id: u64, position: u64) -> bool {
        if let Some(known) = self.positions.iter_mut().find(|p| p.0 == file_id) {
            known.1 = position;
            return true;
        }
        if self.positions.len() == MAX_POSITIONS {
            return false;
        }
        self.positions.push((file_id, position));
        true
    }

    /// How many events were taken.
    pub fn len(&self) -> u32 {
        self.table.len() as u32
    }

    /// Whether none were.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many bytes of text, separators included, were taken.
    pub fn bytes(&self) -> usize {
        self.text
    }

    pub(super) fn positions(&self) -> &[(u64, u64)] {
        &self.positions
    }

    /// What the frame takes if it names `positions` inbox files.
    pub(super) fn frame_len(&self, positions: usize) -> usize {
        align(self.text)
            + FRAME_HEADER
            + positions * POSITION_BYTES
            + self.table.len() * ENTRY_BYTES
    }

    /// Lays out the frame for a place in the log. May be done again, for another place.
    pub(super) fn lay_out(&mut self, stamp: Stamp, positions: &[(u64, u64)]) -> LaidOut<'_> {
        let mark = mark(stamp.generation);
        let text_end = self.text;
        let head_at = align(text_end);
        let inbox_len = positions.len() * POSITION_BYTES;
        let room = self.filler.room();
        room[text_end..head_at].fill(0);
        let (text, head) = room.split_at_mut(head_at);
        let (header_bytes, rest) = head.split_at_mut(FRAME_HEADER);
        let summed = &mut rest[..inbox_len + self.table.len() * ENTRY_BYTES];
        let (inbox, table) = summed.split_at_mut(inbox_len);
        for ((id, position), b) in positions.iter().zip(inbox.chunks_exact_mut(POSITION_BYTES)) {
            b[..8].copy_from_slice(&id.to_le_bytes());
            b[8..].copy_from_slice(&position.to_le_bytes());
        }
        for (entry, b) in self.table.iter().zip(table.chunks_exact_mut(ENTRY_BYTES)) {
            let marked = Entry {
                crc: entry.crc ^ mark,
                ..*entry
            };
            b.copy_from_slice(&marked.to_bytes());
        }
        let header = FrameHeader {
            generation: stamp.generation,
            base_offset: stamp.base_offset,
            count: self.table.len() as u32,
            inbox_len: inbox_len as u32,
            payload_len: text_end as u32,
            written_ms: stamp.written_ms,
            table_crc: crc::of(summed) ^ mark,
            synced: stamp.synced,
            settles: stamp.settles,
        };
        header_bytes.copy_from_slice(&header.encode());
        LaidOut {
            head: &head[..header.head_len()],
            text,
            header,
        }
    }

    /// Turns what was laid out into a frame and starts an empty one.
    pub(super) fn finish(&mut self, header: FrameHeader) -> Frame {
        let head_at = align(self.text);
        let piece = self.filler.freeze(head_at + header.head_len());
        let mut at = 0;
        let starts = std::iter::once(0)
            .chain(self.table.iter().map(|e| {
                at += e.len + SEPARATOR.len() as u32;
                at
            }))
            .collect();
        self.clear();
        if self.filler.room_len() < LEAST_ROOM {
            self.filler = self.pool.slab();
        }
        Frame::trusted(header, piece, head_at, 0, starts)
    }

    pub(super) fn clear(&mut self) {
        self.text = 0;
        self.table.clear();
        self.positions.clear();
    }
}

/// What a frame's place in the log gives it; see [`FrameHeader`].
#[derive(Clone, Copy, Default)]
pub(super) struct Stamp {
    pub(super) generation: u64,
    pub(super) base_offset: u64,
    pub(super) written_ms: u64,
    pub(super) synced: u64,
    pub(super) settles: bool,
}

/// A frame's bytes, to be written head first.
pub(super) struct LaidOut<'a> {
    pub(super) head: &'a [u8],
    /// With the padding behind it.
    pub(super) text: &'a [u8],
    pub(super) header: FrameHeader,
}
