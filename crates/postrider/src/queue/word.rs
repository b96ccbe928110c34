//! The commit word: one per granule of the ring, says what begins there.
//!
//! ```text
//! 63                    24 23          2 1   0
//! ┌───────────────────────┬─────────────┬─────┐
//! │ lap                   │ bytes       │ kind│
//! └───────────────────────┴─────────────┴─────┘
//! ```
//!
//! A word counts only on its own lap, so whatever an earlier lap left needs no clearing. 40 bits of
//! laps over the smallest ring are 4 PiB of events, over the default one 8 EiB; and for a word to be
//! mistaken then, nothing may have begun at its granule in all the laps between.

/// Bytes that share one commit word; every record begins on such a boundary. A cache line: two
/// producers never write to the same one.
pub(super) const GRANULE: usize = 64;

const KIND_BITS: u32 = 2;
const BYTES_BITS: u32 = 22;
const LAP_SHIFT: u32 = KIND_BITS + BYTES_BITS;

/// The longest record or padding that a word can tell.
pub(super) const MAX_BYTES: usize = (1 << BYTES_BITS) - 1;

/// What begins at a granule, once committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Kind {
    /// A committed record.
    Record = 1,
    /// Space that holds nothing: an aborted claim, or the end of a lap too short for the next record.
    Padding = 2,
}

/// The word for `bytes` of `kind` on `lap`.
pub(super) fn encode(lap: u64, bytes: usize, kind: Kind) -> u64 {
    debug_assert!(bytes <= MAX_BYTES);
    lap << LAP_SHIFT | (bytes as u64) << KIND_BITS | kind as u64
}

/// What `word` says on `lap`; nothing if it is of another.
pub(super) fn decode(word: u64, lap: u64) -> Option<(Kind, usize)> {
    if word >> LAP_SHIFT != lap << LAP_SHIFT >> LAP_SHIFT {
        return None;
    }
    let bytes = word as usize >> KIND_BITS & MAX_BYTES;
    match word & ((1 << KIND_BITS) - 1) {
        1 => Some((Kind::Record, bytes)),
        2 => Some((Kind::Padding, bytes)),
        _ => None,
    }
}

/// `bytes` rounded up to whole granules.
pub(super) fn granules(bytes: usize) -> u64 {
    bytes.next_multiple_of(GRANULE) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_reads_back_on_its_own_lap_only() {
        for lap in [0, 1, 77, (1 << 40) - 1] {
            for bytes in [0, 1, 24, MAX_BYTES] {
                for kind in [Kind::Record, Kind::Padding] {
                    let word = encode(lap, bytes, kind);
                    assert_eq!(decode(word, lap), Some((kind, bytes)));
                    assert_eq!(decode(word, lap + 1), None);
                }
            }
        }
    }

    #[test]
    fn fresh_memory_says_nothing() {
        assert_eq!(decode(0, 0), None);
    }
}
