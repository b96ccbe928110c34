//! The bytes of version 1, little-endian: a file header of 64 bytes, then records.
//!
//! A record is a head of 32 bytes and the event's text with its separator. The head's magic holds
//! bytes that UTF-8 never has, so it can't stand in a text, and its checksum covers the file's id, so
//! a record of another file is none here.

use crate::crc;
use crate::event::{ENTRY_BYTES, Entry};
use crate::time::UnixMillis;

/// The format written by this build.
pub const VERSION: u32 = 1;

/// Bytes before the first record.
pub(super) const HEADER_BYTES: usize = 64;
/// Where the sealed flag stands; it alone changes after the header was written.
pub(super) const SEALED_AT: u64 = 56;
/// Bytes of a record before its text.
pub(super) const HEAD_BYTES: usize = 32;

const FILE_MAGIC: &[u8; 8] = b"PRINBOX1";
pub(super) const RECORD_MAGIC: [u8; 4] = [0xFF, b'P', b'R', 0xFE];
pub(super) const HEAD_CRC_AT: usize = RECORD_MAGIC.len() + ENTRY_BYTES;

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The same as in the file's name.
    pub(super) id: u64,
    pub(super) created_ms: UnixMillis,
    /// What all files together may hold.
    pub(super) max_bytes: u64,
    /// The boot it was made in; zero where the system doesn't tell.
    pub(super) boot: [u8; 16],
    pub(super) sealed: bool,
}

/// Why bytes are no file header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    Newer(u32),
    Damaged,
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut b = [0; HEADER_BYTES];
        b[0..8].copy_from_slice(FILE_MAGIC);
        b[8..12].copy_from_slice(&VERSION.to_le_bytes());
        b[16..24].copy_from_slice(&self.id.to_le_bytes());
        b[24..32].copy_from_slice(&self.created_ms.to_le_bytes());
        b[32..40].copy_from_slice(&self.max_bytes.to_le_bytes());
        b[40..56].copy_from_slice(&self.boot);
        let crc = header_crc(&b);
        b[12..16].copy_from_slice(&crc.to_le_bytes());
        b[SEALED_AT as usize] = self.sealed.into();
        b
    }

    pub(super) fn from_bytes(b: &[u8; HEADER_BYTES]) -> Result<Header, BadHeader> {
        if b[0..8] != *FILE_MAGIC {
            return Err(BadHeader::Damaged);
        }
        // Before the checksum: a later version may compute it otherwise.
        match u32_at(b, 8) {
            VERSION => {}
            newer if newer > VERSION => return Err(BadHeader::Newer(newer)),
            _ => return Err(BadHeader::Damaged),
        }
        if u32_at(b, 12) != header_crc(b) {
            return Err(BadHeader::Damaged);
        }
        Ok(Header {
            id: u64_at(b, 16),
            created_ms: u64_at(b, 24),
            max_bytes: u64_at(b, 32),
            boot: b[40..56].try_into().expect("16 bytes"),
            sealed: b[SEALED_AT as usize] != 0,
        })
    }
}

fn header_crc(b: &[u8; HEADER_BYTES]) -> u32 {
    crc::append(crc::of(&b[0..12]), &b[16..56])
}

pub(super) fn u32_at(b: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(b[at..at + 4].try_into().expect("4 bytes"))
}

fn u64_at(b: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(b[at..at + 8].try_into().expect("8 bytes"))
}

/// The head of the record of `entry` in file `file`.
pub(super) fn head(file: u64, entry: &Entry) -> [u8; HEAD_BYTES] {
    let mut b = [0; HEAD_BYTES];
    b[..4].copy_from_slice(&RECORD_MAGIC);
    b[4..HEAD_CRC_AT].copy_from_slice(&entry.to_bytes());
    let crc = head_crc(file, &b);
    b[HEAD_CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    b
}

pub(super) fn head_crc(file: u64, head: &[u8]) -> u32 {
    crc::append(crc::of(&file.to_le_bytes()), &head[..HEAD_CRC_AT])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SEPARATOR;

    #[test]
    fn a_header_comes_back_whatever_its_flag() {
        for sealed in [false, true] {
            let header = Header {
                id: 7,
                created_ms: 8,
                max_bytes: 9,
                boot: [3; 16],
                sealed,
            };
            assert_eq!(Header::from_bytes(&header.to_bytes()), Ok(header));
        }
    }

    #[test]
    fn a_header_with_any_other_bit_flipped_is_refused() {
        let good = Header {
            id: 7,
            created_ms: 8,
            max_bytes: 9,
            boot: [3; 16],
            sealed: false,
        }
        .to_bytes();
        for bit in 0..SEALED_AT as usize * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::from_bytes(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_later_version_is_named() {
        let mut b = [0; HEADER_BYTES];
        b[..8].copy_from_slice(FILE_MAGIC);
        b[8] = 9;
        assert_eq!(Header::from_bytes(&b), Err(BadHeader::Newer(9)));
    }

    const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/inbox-v1/");

    fn record(file: u64, entry: Entry, text: &str) -> Vec<u8> {
        let entry = Entry {
            len: text.len() as u32,
            crc: crc::of(text.as_bytes()),
            ..entry
        };
        [&head(file, &entry)[..], text.as_bytes(), SEPARATOR].concat()
    }

    /// Two files: a sealed one with a stump in it, and the one after.
    fn fixtures() -> [(u64, Vec<u8>); 2] {
        let header = |id, sealed| Header {
            id,
            created_ms: 1_700_000_000_000,
            max_bytes: 1 << 30,
            boot: *b"a boot long ago.",
            sealed,
        };
        let entry = |type_id, subaccount| Entry {
            time_ms: 1_700_000_000_123,
            type_id,
            subaccount,
            ..Entry::default()
        };
        let text = |kind: &str| {
            format!(
                r#"{{"msys":{{"message_event":{{"type":"{kind}","rcpt_to":"alice@example.com","event_id":"92356927693813856","timestamp":"1700000000"}}}}}}"#
            )
        };
        let [first, second] = [1_700_000_000_000_000, 1_700_000_000_000_001];
        let stump = &record(first, entry(3, 0), &text("delay"))[..77];
        let sealed = [
            &header(first, true).to_bytes()[..],
            &record(first, entry(1, 0), &text("injection")),
            stump,
            &record(first, entry(2, 7), &text("delivery")),
        ];
        let last = [
            &header(second, false).to_bytes()[..],
            &record(second, entry(u16::MAX, 0), &text("bounce")),
        ];
        [(first, sealed.concat()), (second, last.concat())]
    }

    /// The bytes of version 1 never change.
    #[test]
    fn version_1_is_written_as_ever() {
        for (id, bytes) in fixtures() {
            let name = format!("{FIXTURES}{id:016x}.inbox");
            assert_eq!(std::fs::read(&name).unwrap(), bytes, "{name}");
        }
    }
}
