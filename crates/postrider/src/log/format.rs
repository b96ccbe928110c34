//! The bytes on disk, version 1. `docs/log-format.md` has the same as tables.
//!
//! Everything is little-endian and every frame starts at a multiple of 8. In both headers the
//! magic, the version and the place of the checksum are fixed for all versions, so that
//! a newer file is recognised as newer and not as damaged.

use super::config::LEAST_SEGMENT;
use super::slab::SLAB_BYTES;
use super::{FRAME_BYTES, MAX_EVENT_BYTES, MAX_FRAME_EVENTS};
use crate::crc;
use crate::event::ENTRY_BYTES;
use crate::time::UnixMillis;

/// The newest version read and the one written.
pub(super) const VERSION: u32 = 1;
pub(super) const SEGMENT_HEADER: usize = 64;
pub(super) const FRAME_HEADER: usize = 64;
pub(super) const SEGMENT_MAGIC: [u8; 8] = *b"PRSEGMT1";
pub(super) const FRAME_MAGIC: [u8; 4] = *b"PRFM";
/// An inbox position in a frame: file id and position.
pub(super) const POSITION_BYTES: usize = 16;
/// The most inbox positions of one frame.
pub(super) const MAX_POSITIONS: usize = 4096;
pub(super) const MAX_PAYLOAD: usize = FRAME_BYTES + MAX_EVENT_BYTES;
/// The longest frame there can be.
pub(super) const MAX_FRAME: usize = align(
    FRAME_HEADER
        + MAX_POSITIONS * POSITION_BYTES
        + MAX_FRAME_EVENTS as usize * ENTRY_BYTES
        + MAX_PAYLOAD,
);

const _: () = assert!(
    MAX_FRAME <= SLAB_BYTES && MAX_FRAME + SEGMENT_HEADER <= LEAST_SEGMENT as usize,
    "every frame fits a slab and a segment"
);

/// Up to the next multiple of 8.
pub(super) const fn align(n: usize) -> usize {
    n.next_multiple_of(8)
}

/// What a generation adds to a checksum. A CRC of the text alone is made by the producer, who can't
/// know the segment; exclusive-or with the mark ties it to the segment's life at no cost.
pub(super) fn mark(generation: u64) -> u32 {
    crc::of(&generation.to_le_bytes())
}

/// Why bytes are not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAHeader {
    /// They don't check out.
    Damaged,
    /// They do, as those of a later version.
    Newer(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) generation: u64,
    pub(super) base_offset: u64,
    pub(super) created_ms: UnixMillis,
    pub(super) segment_bytes: u64,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut b = [0; SEGMENT_HEADER];
        b[0..8].copy_from_slice(&SEGMENT_MAGIC);
        b[8..12].copy_from_slice(&VERSION.to_le_bytes());
        b[16..24].copy_from_slice(&self.generation.to_le_bytes());
        b[24..32].copy_from_slice(&self.base_offset.to_le_bytes());
        b[32..40].copy_from_slice(&self.created_ms.to_le_bytes());
        b[40..48].copy_from_slice(&self.segment_bytes.to_le_bytes());
        let crc = crc::of(&b);
        b[12..16].copy_from_slice(&crc.to_le_bytes());
        b
    }

    pub(super) fn decode(b: &[u8; SEGMENT_HEADER]) -> Result<SegmentHeader, NotAHeader> {
        let mut unsummed = *b;
        unsummed[12..16].fill(0);
        if b[0..8] != SEGMENT_MAGIC || u32_at(b, 12) != crc::of(&unsummed) {
            return Err(NotAHeader::Damaged);
        }
        if u32_at(b, 8) > VERSION {
            return Err(NotAHeader::Newer(u32_at(b, 8)));
        }
        Ok(SegmentHeader {
            generation: u64_at(b, 16),
            base_offset: u64_at(b, 24),
            created_ms: u64_at(b, 32),
            segment_bytes: u64_at(b, 40),
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) generation: u64,
    pub(super) base_offset: u64,
    pub(super) count: u32,
    pub(super) inbox_len: u32,
    pub(super) payload_len: u32,
    pub(super) written_ms: UnixMillis,
    /// CRC32C of inbox block and table, with the generation's mark.
    pub(super) table_crc: u32,
    /// All offsets below this were synced when the frame was written.
    pub(super) synced: u64,
    /// The frame settles what was lost before it: its inbox positions are all there are, and right.
    pub(super) settles: bool,
}

impl FrameHeader {
    pub(super) fn encode(&self) -> [u8; FRAME_HEADER] {
        let mut b = [0; FRAME_HEADER];
        b[0..4].copy_from_slice(&FRAME_MAGIC);
        b[4..6].copy_from_slice(&(VERSION as u16).to_le_bytes());
        b[6] = u8::from(self.settles);
        b[8..16].copy_from_slice(&self.generation.to_le_bytes());
        b[16..24].copy_from_slice(&self.base_offset.to_le_bytes());
        b[24..28].copy_from_slice(&self.count.to_le_bytes());
        b[28..32].copy_from_slice(&self.inbox_len.to_le_bytes());
        b[32..36].copy_from_slice(&(self.table_len() as u32).to_le_bytes());
        b[36..40].copy_from_slice(&self.payload_len.to_le_bytes());
        b[40..48].copy_from_slice(&self.written_ms.to_le_bytes());
        b[48..52].copy_from_slice(&self.table_crc.to_le_bytes());
        b[52..60].copy_from_slice(&self.synced.to_le_bytes());
        let crc = crc::of(&b[..60]);
        b[60..64].copy_from_slice(&crc.to_le_bytes());
        b
    }

    /// Reads a header and believes its lengths only once they are within the format's bounds.
    pub(super) fn decode(b: &[u8; FRAME_HEADER]) -> Result<FrameHeader, NotAHeader> {
        if b[0..4] != FRAME_MAGIC || u32_at(b, 60) != crc::of(&b[..60]) {
            return Err(NotAHeader::Damaged);
        }
        let version = u32::from(u16::from_le_bytes([b[4], b[5]]));
        if version > VERSION {
            return Err(NotAHeader::Newer(version));
        }
        let h = FrameHeader {
            generation: u64_at(b, 8),
            base_offset: u64_at(b, 16),
            count: u32_at(b, 24),
            inbox_len: u32_at(b, 28),
            payload_len: u32_at(b, 36),
            written_ms: u64_at(b, 40),
            table_crc: u32_at(b, 48),
            synced: u64_at(b, 52),
            settles: b[6] & 1 != 0,
        };
        let sane = h.count <= MAX_FRAME_EVENTS
            && h.inbox_len as usize <= MAX_POSITIONS * POSITION_BYTES
            && (h.inbox_len as usize).is_multiple_of(POSITION_BYTES)
            && u32_at(b, 32) as usize == h.table_len()
            && h.payload_len as usize <= MAX_PAYLOAD
            && h.base_offset.checked_add(u64::from(h.count)).is_some();
        sane.then_some(h).ok_or(NotAHeader::Damaged)
    }

    pub(super) fn end_offset(&self) -> u64 {
        self.base_offset + u64::from(self.count)
    }

    pub(super) fn table_len(&self) -> usize {
        self.count as usize * ENTRY_BYTES
    }

    /// Header, inbox block and table.
    pub(super) fn head_len(&self) -> usize {
        FRAME_HEADER + self.inbox_len as usize + self.table_len()
    }

    /// All of the frame, with its padding.
    pub(super) fn frame_len(&self) -> usize {
        align(self.head_len() + self.payload_len as usize)
    }
}

pub(super) fn u32_at(b: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
}

pub(super) fn u64_at(b: &[u8], at: usize) -> u64 {
    u64::from(u32_at(b, at)) | u64::from(u32_at(b, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: FrameHeader = FrameHeader {
        generation: 0x0123_4567_89ab_cdef,
        base_offset: 1 << 40,
        count: 3,
        inbox_len: 32,
        payload_len: 777,
        written_ms: 1_700_000_000_123,
        table_crc: 0xdead_beef,
        synced: 1 << 39,
        settles: true,
    };

    #[test]
    fn headers_come_back_as_they_were() {
        let segment = SegmentHeader {
            generation: 7,
            base_offset: 9,
            created_ms: 11,
            segment_bytes: 64 << 20,
        };
        assert_eq!(SegmentHeader::decode(&segment.encode()), Ok(segment));
        assert_eq!(FrameHeader::decode(&FRAME.encode()), Ok(FRAME));
        assert_eq!(FRAME.frame_len(), 952, "64 + 32 + 72 + 777, to 8");
    }

    #[test]
    fn any_flipped_bit_of_a_header_is_noticed() {
        let good = FRAME.encode();
        for bit in 0..good.len() * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                FrameHeader::decode(&bad),
                Err(NotAHeader::Damaged),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn lengths_out_of_bounds_are_not_believed_even_with_a_good_checksum() {
        for bad in [
            FrameHeader {
                count: MAX_FRAME_EVENTS + 1,
                ..FRAME
            },
            FrameHeader {
                inbox_len: 15,
                ..FRAME
            },
            FrameHeader {
                payload_len: MAX_PAYLOAD as u32 + 1,
                ..FRAME
            },
            FrameHeader {
                base_offset: u64::MAX,
                ..FRAME
            },
        ] {
            assert_eq!(FrameHeader::decode(&bad.encode()), Err(NotAHeader::Damaged));
        }
    }

    #[test]
    fn a_newer_version_is_newer_and_not_damaged() {
        let mut b = FRAME.encode();
        b[4] = 9;
        let crc = crc::of(&b[..60]);
        b[60..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(FrameHeader::decode(&b), Err(NotAHeader::Newer(9)));
    }
}
