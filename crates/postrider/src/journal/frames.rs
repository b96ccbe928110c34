//! How records stand in a file: a header of 64 bytes, then each record behind a head of 16 bytes, on
//! 8-byte boundaries. Every checksum covers the file's generation, 64 random bits drawn for each
//! use of its space, so a record of a former use is none.

use super::VERSION;
use super::codec::Out;
use crate::crc;
use crate::time::UnixMillis;
use memchr::memmem;

pub(super) const HEADER_BYTES: usize = 64;
const FILE_MAGIC: &[u8; 8] = b"PRJOURN1";

const HEAD_BYTES: usize = 16;
const RECORD_MAGIC: [u8; 4] = [0xFF, b'J', b'R', 0xFE];
/// No payload is longer; what says so is no record.
const MAX_PAYLOAD: usize = 16 * 1024 * 1024;

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) generation: u64,
    /// The same as in the file's name.
    pub(super) number: u64,
    pub(super) created_ms: UnixMillis,
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
        b[8..12].copy_from_slice(&self.version.to_le_bytes());
        b[16..24].copy_from_slice(&self.generation.to_le_bytes());
        b[24..32].copy_from_slice(&self.number.to_le_bytes());
        b[32..40].copy_from_slice(&self.created_ms.to_le_bytes());
        let crc = header_crc(&b);
        b[12..16].copy_from_slice(&crc.to_le_bytes());
        b
    }

    pub(super) fn from_bytes(b: &[u8]) -> Result<Header, BadHeader> {
        let b: &[u8; HEADER_BYTES] = b.first_chunk().ok_or(BadHeader::Damaged)?;
        if b[0..8] != *FILE_MAGIC {
            return Err(BadHeader::Damaged);
        }
        // Before the checksum: a later version may compute it otherwise.
        let version = u32_at(b, 8);
        match version {
            1..=VERSION => {}
            0 => return Err(BadHeader::Damaged),
            newer => return Err(BadHeader::Newer(newer)),
        }
        if u32_at(b, 12) != header_crc(b) {
            return Err(BadHeader::Damaged);
        }
        let u64_at = |at: usize| u64::from_le_bytes(b[at..at + 8].try_into().expect("8 bytes"));
        Ok(Header {
            version,
            generation: u64_at(16),
            number: u64_at(24),
            created_ms: u64_at(32),
        })
    }
}

fn header_crc(b: &[u8; HEADER_BYTES]) -> u32 {
    crc::append(crc::of(&b[0..12]), &b[16..])
}

fn u32_at(b: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(b[at..at + 4].try_into().expect("4 bytes"))
}

/// Records on their way into a file.
#[derive(Debug)]
pub(super) struct Frames {
    generation: u64,
    bytes: Vec<u8>,
}

impl Frames {
    pub(super) fn new(generation: u64) -> Frames {
        Frames {
            generation,
            bytes: Vec::new(),
        }
    }

    /// Adds a record; `payload` writes it and answers its kind.
    pub(super) fn record(&mut self, payload: impl FnOnce(&mut Out<'_>) -> u8) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; HEAD_BYTES]);
        let kind = payload(&mut Out(&mut self.bytes));
        let (head, payload) = self.bytes[at..].split_at_mut(HEAD_BYTES);
        assert!(
            payload.len() <= MAX_PAYLOAD,
            "a batch of a few bytes per event"
        );
        head[0..4].copy_from_slice(&RECORD_MAGIC);
        head[4..8].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        head[12] = kind;
        let crc = record_crc(self.generation, head, payload);
        head[8..12].copy_from_slice(&crc.to_le_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }
}

fn record_crc(generation: u64, head: &[u8], payload: &[u8]) -> u32 {
    let crc = crc::of(&generation.to_le_bytes());
    let crc = crc::append(crc, &head[0..8]);
    let crc = crc::append(crc, &head[12..HEAD_BYTES]);
    crc::append(crc, payload)
}

/// A good record of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) kind: u8,
    pub(super) payload: &'a [u8],
    /// Where the next one may stand.
    pub(super) end: usize,
    /// Bytes that are no record stand between the one before and this.
    pub(super) behind_hole: bool,
}

/// The good records of a file with this generation, wherever they stand.
pub(super) fn scan(generation: u64, file: &[u8]) -> impl Iterator<Item = Found<'_>> {
    let mut at = HEADER_BYTES;
    std::iter::from_fn(move || {
        if let Some(found) = record_at(generation, file, at) {
            at = found.end;
            return Some(found);
        }
        let from = at + 1;
        let found = memmem::find_iter(file.get(from..)?, &RECORD_MAGIC)
            .map(|magic| from + magic)
            .filter(|magic| magic.is_multiple_of(8))
            .find_map(|magic| record_at(generation, file, magic))?;
        at = found.end;
        Some(Found {
            behind_hole: true,
            ..found
        })
    })
}

fn record_at(generation: u64, file: &[u8], at: usize) -> Option<Found<'_>> {
    let head = file.get(at..at + HEAD_BYTES)?;
    let len = u32_at(head, 4) as usize;
    if head[..4] != RECORD_MAGIC || len > MAX_PAYLOAD {
        return None;
    }
    let payload = file.get(at + HEAD_BYTES..at + HEAD_BYTES + len)?;
    if u32_at(head, 8) != record_crc(generation, head, payload) {
        return None;
    }
    Some(Found {
        kind: head[12],
        payload,
        end: (at + HEAD_BYTES + len).next_multiple_of(8),
        behind_hole: false,
    })
}
