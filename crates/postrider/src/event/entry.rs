//! What the engine knows of an event besides its text.
//!
//! One layout from queue to log: the producer fills it while the text is in its cache, the writer
//! copies it into the frame's table, the router reads it there. 24 bytes, little-endian:
//!
//! | at | size | field |
//! |---|---|---|
//! | 0 | 4 | `len`: bytes of JSON text, without the separator that follows it in the log |
//! | 4 | 4 | `crc`: CRC32C of the text; in a log frame, exclusive-or with the generation's mark |
//! | 8 | 8 | `time_ms`: the event's `timestamp`, Unix milliseconds |
//! | 16 | 4 | `subaccount`: 0 is the primary account |
//! | 20 | 2 | `type_id` |
//! | 22 | 2 | `flags` |

use crate::time::UnixMillis;

/// The size of an encoded [`Entry`].
pub const ENTRY_BYTES: usize = 24;

/// What the engine knows of an event besides its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Bytes of JSON text, separator not included.
    pub len: u32,
    /// CRC32C of the text.
    pub crc: u32,
    /// The event's `timestamp`.
    pub time_ms: UnixMillis,
    /// The event's `subaccount_id`; 0 where it has none.
    pub subaccount: u32,
    /// The event type's id in the catalogue, or that of a custom type.
    pub type_id: u16,
    /// [`Entry::HELD`]; other bits are zero in version 1.
    pub flags: u16,
}

impl Entry {
    /// Flag of an event that a filter failed and that waits to be released: kept as it came, under
    /// [`TypeId::IN_TEXT`](super::TypeId::IN_TEXT), which no webhook can select.
    pub const HELD: u16 = 1;

    /// The 24 bytes of the layout above.
    #[inline]
    pub fn to_bytes(&self) -> [u8; ENTRY_BYTES] {
        let words: [u64; 3] = [
            u64::from(self.len) | u64::from(self.crc) << 32,
            self.time_ms,
            u64::from(self.subaccount)
                | u64::from(self.type_id) << 32
                | u64::from(self.flags) << 48,
        ];
        let mut bytes = [0; ENTRY_BYTES];
        for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
            *to = word.to_le_bytes();
        }
        bytes
    }

    /// Reads the layout above; the caller bounds `len` before it is believed.
    #[inline]
    pub fn from_bytes(b: &[u8; ENTRY_BYTES]) -> Entry {
        let u32_at = |i: usize| u32::from_le_bytes([b[i], b[i + 1], b[i + 2], b[i + 3]]);
        let u16_at = |i: usize| u16::from_le_bytes([b[i], b[i + 1]]);
        Entry {
            len: u32_at(0),
            crc: u32_at(4),
            time_ms: u64::from(u32_at(8)) | u64::from(u32_at(12)) << 32,
            subaccount: u32_at(16),
            type_id: u16_at(20),
            flags: u16_at(22),
        }
    }
}
