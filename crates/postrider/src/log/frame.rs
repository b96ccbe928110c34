//! A frame: the events of one append, immutable and shared.

use crate::event::Entry;
use crate::time::UnixMillis;
use std::ops::Range;

/// The events of one append, in memory, immutable. Shared by `Arc` and sent from directly; its
/// memory goes back to the log's pool when the last `Arc` is dropped.
///
/// `bytes()` is the text of all events, each followed by the separator, so that the events `[i, j)`
/// are the one slice `bytes()[range(i..j)]`.
pub struct Frame {
    _private: (),
}

impl Frame {
    /// The first event's offset.
    pub fn base_offset(&self) -> u64 {
        todo!()
    }
    /// The offset behind the last event's.
    pub fn end_offset(&self) -> u64 {
        todo!()
    }
    /// How many events; at least one.
    pub fn count(&self) -> u32 {
        todo!()
    }
    /// When the frame was appended.
    pub fn written_ms(&self) -> UnixMillis {
        todo!()
    }
    /// Event `i` of the frame (its offset is `base_offset() + i`), with its CRC as the producer made it.
    ///
    /// # Panics
    /// When `i` is not below [`count`](Self::count).
    pub fn entry(&self, i: u32) -> Entry {
        let _ = i;
        todo!()
    }
    /// Where the events `events` lie in [`bytes`](Self::bytes), separators included.
    pub fn range(&self, events: Range<u32>) -> Range<usize> {
        let _ = events;
        todo!()
    }
    /// The text of event `i`, without separator.
    pub fn text(&self, i: u32) -> &[u8] {
        let _ = i;
        todo!()
    }
    /// Whether event `i`'s text failed its checksum: it must not be sent. Only a frame read
    /// from disk has such events, and [`has_damage`](Self::has_damage) says so in one look.
    pub fn is_damaged(&self, i: u32) -> bool {
        let _ = i;
        todo!()
    }
    /// Whether any event's text failed its checksum.
    pub fn has_damage(&self) -> bool {
        todo!()
    }
    /// The inbox positions that this frame's events were taken up to: (file id, position).
    pub fn inbox_positions(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        std::iter::empty()
    }
    /// The text of all events, separators included.
    pub fn bytes(&self) -> &[u8] {
        todo!()
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

/// A frame without its text: what a counting pass needs. The text was not read, so not checked.
pub struct FrameTable<'a> {
    _private: &'a (),
}

impl FrameTable<'_> {
    /// The first event's offset.
    pub fn base_offset(&self) -> u64 {
        todo!()
    }
    /// How many events.
    pub fn count(&self) -> u32 {
        todo!()
    }
    /// When the frame was appended.
    pub fn written_ms(&self) -> UnixMillis {
        todo!()
    }
    /// Event `i` of the frame.
    pub fn entry(&self, i: u32) -> Entry {
        let _ = i;
        todo!()
    }
    /// All entries in order.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        (0..self.count()).map(|i| self.entry(i))
    }
}
