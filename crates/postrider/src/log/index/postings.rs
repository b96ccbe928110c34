//! Posting lists: for each type and subaccount of a segment, where its events are and how long.
//!
//! A webhook that wants one event in ten thousand reads a few bytes per event that it wants and then its text, and nothing
//! of the others. An event is four varints: how many offsets lie between it and the one before in the list, how
//! many bytes between their texts, the length of its text, and how much later than that one it was written
//! (zigzag, since clocks step back); then its checksum. About twelve bytes an event.

use super::{Front, List};
use crate::crc;
use crate::event::Entry;
use crate::fs::File;
use crate::time::UnixMillis;
use std::collections::BTreeMap;

/// An event as a posting list knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::log) struct Posting {
    pub(in crate::log) offset: u64,
    /// When its frame was written.
    pub(in crate::log) written_ms: UnixMillis,
    /// Where its text is in the segment.
    pub(in crate::log) position: u64,
    pub(in crate::log) len: u32,
    pub(in crate::log) crc: u32,
    pub(in crate::log) type_id: u16,
    pub(in crate::log) subaccount: u32,
}

/// The lists of a segment in the making.
pub(super) struct Lists {
    /// Where every list begins.
    start: Last,
    lists: BTreeMap<(u16, u32), (Last, Vec<u8>)>,
}

/// The event before, in a list.
#[derive(Clone, Copy)]
struct Last {
    next_offset: u64,
    text_end: u64,
    written_ms: UnixMillis,
}

impl Lists {
    pub(super) fn new(base_offset: u64, first_ms: UnixMillis) -> Lists {
        Lists {
            start: Last {
                next_offset: base_offset,
                text_end: 0,
                written_ms: first_ms,
            },
            lists: BTreeMap::new(),
        }
    }

    /// Adds an event whose text is at `position` of the segment, behind all others of its list.
    pub(super) fn add(
        &mut self,
        pair: (u16, u32),
        (offset, position): (u64, u64),
        entry: &Entry,
        ms: UnixMillis,
    ) {
        let (last, list) = self.lists.entry(pair).or_insert((self.start, Vec::new()));
        put(list, offset - last.next_offset);
        put(list, position - last.text_end);
        put(list, entry.len.into());
        let later = ms.wrapping_sub(last.written_ms) as i64;
        put(list, ((later << 1) ^ (later >> 63)) as u64);
        list.extend_from_slice(&entry.crc.to_le_bytes());
        *last = Last {
            next_offset: offset + 1,
            text_end: position + u64::from(entry.len),
            written_ms: ms,
        };
    }

    /// In the order of types and subaccounts.
    pub(super) fn into_lists(self) -> Vec<Vec<u8>> {
        self.lists.into_values().map(|(_, list)| list).collect()
    }
}

fn put(list: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        list.push(n as u8 | 0x80);
        n >>= 7;
    }
    list.push(n as u8);
}

fn get(list: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = list.split_first()?;
        *list = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(n);
        }
    }
    None
}

/// The events of these lists from offset `from` on, in order. `None` where a list does not check out.
pub(in crate::log) fn wanted(
    front: &Front,
    file: &dyn File,
    from: u64,
    lists: &[usize],
) -> Option<Vec<Posting>> {
    let mut all = Vec::new();
    for &at in lists {
        let (pair, count) = front.counts[at];
        let before = all.len();
        read(front, file, pair, &front.lists[at], &mut all)?;
        (all.len() - before == count.events as usize).then_some(())?;
    }
    all.retain(|p| p.offset >= from);
    all.sort_unstable_by_key(|p| p.offset);
    Some(all)
}

fn read(
    front: &Front,
    file: &dyn File,
    (type_id, subaccount): (u16, u32),
    list: &List,
    all: &mut Vec<Posting>,
) -> Option<()> {
    let len = (list.bytes.end - list.bytes.start) as usize;
    let mut bytes = vec![0; len];
    let got = file.read_at(&mut bytes, list.bytes.start).ok()?;
    (got == len && crc::of(&bytes) == list.crc).then_some(())?;
    let mut last = Last {
        next_offset: front.extent.base_offset,
        text_end: 0,
        written_ms: front.extent.first_ms,
    };
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let offset = last.next_offset.checked_add(get(&mut rest)?)?;
        let position = last.text_end.checked_add(get(&mut rest)?)?;
        let len = u32::try_from(get(&mut rest)?).ok()?;
        let later = get(&mut rest)?;
        let later = (later >> 1) as i64 ^ -((later & 1) as i64);
        let written_ms = last.written_ms.wrapping_add_signed(later);
        let (crc, behind) = rest.split_first_chunk()?;
        rest = behind;
        all.push(Posting {
            offset,
            written_ms,
            position,
            len,
            crc: u32::from_le_bytes(*crc),
            type_id,
            subaccount,
        });
        last = Last {
            next_offset: offset + 1,
            text_end: position.checked_add(len.into())?,
            written_ms,
        };
    }
    Some(())
}
