//! Which stretches of a segment can hold an event with a given value.
//!
//! Each stretch has a split-block Bloom filter (as in Parquet, "Bloom Filter" of its format's
//! specification: a value chooses one block of 256 bits and one bit in each of its eight words). All stretches'
//! filters have as many blocks, and block *n* of all of them lies in one row, with a checksum behind it: so one
//! read of a row tells for a value which stretches to look at.
//!
//! A value is known by a hash of its field's name and its lower-cased text, so that filters with and
//! without regard to case can ask. Fields that searches match by words are known by each word; addresses,
//! beside whole, by the words of their domain.

use super::Front;
use crate::crc;
use crate::fs::File;
use memchr::{memchr, memchr2};

/// Fields known by their whole value.
const WHOLE: [&str; 12] = [
    "event_id",
    "message_id",
    "transmission_id",
    "rcpt_to",
    "raw_rcpt_to",
    "friendly_from",
    "msg_from",
    "sending_ip",
    "bounce_class",
    "ab_test_version",
    "batch_id",
    "error_type",
];

/// Fields known by their words.
const WORDS: [&str; 10] = [
    "campaign_id",
    "template_id",
    "ab_test_id",
    "ip_pool",
    "subject",
    "recipient_domain",
    "sending_domain",
    "reason",
    "mailbox_provider",
    "mailbox_provider_region",
];

/// Fields known by the words of what follows their last `@`.
const DOMAINS: [&str; 2] = ["rcpt_to", "friendly_from"];

/// Bits per value: 1 in 100 is taken for being there that is not.
const BITS: usize = 10;
const BLOCK: usize = 32;
const SALT: [u32; 8] = [
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
];

/// Stands for a value that was written with escapes, or that is not text: looking does not tell what a search
/// takes it for.
const ESCAPED: &[u8] = b"\\";

/// What a search looks for: a field's value, or one of its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    value: u64,
    /// Any value of the field that can't be told by looking.
    escaped: u64,
}

impl Key {
    /// A whole value of one of the fields that `docs/log-format.md` lists; `None` for others, which no summary
    /// knows.
    pub fn whole(field: &str, value: &str) -> Option<Key> {
        WHOLE.contains(&field).then(|| Key::of(field, value))
    }

    /// A word of one of the fields that are known by their words, or by those of their domain; `None` for
    /// others. Words are what spaces, `-`, `_` and `.` divide.
    pub fn word(field: &str, word: &str) -> Option<Key> {
        let known = WORDS.contains(&field) || DOMAINS.contains(&field);
        known.then(|| Key::of(field, word))
    }

    fn of(field: &str, value: &str) -> Key {
        Key {
            value: hash(field.as_bytes(), value.as_bytes()),
            escaped: hash(field.as_bytes(), ESCAPED),
        }
    }
}

/// 64 bits out of the checksum of field and lower-cased value, spread by SplitMix64.
fn hash(field: &[u8], value: &[u8]) -> u64 {
    let mut crc = crc::append(crc::of(field), &[0]);
    let mut lower = [0; 64];
    for part in value.chunks(lower.len()) {
        let lower = &mut lower[..part.len()];
        lower.copy_from_slice(part);
        lower.make_ascii_lowercase();
        crc = crc::append(crc, lower);
    }
    let mut z = (u64::from(crc) << 32 | value.len() as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn row_of(hash: u64, rows: u32) -> usize {
    (((hash >> 32) * u64::from(rows)) >> 32) as usize
}

/// The bit in each of a block's words.
fn bits(hash: u64) -> [u32; 8] {
    SALT.map(|salt| 1 << ((hash as u32).wrapping_mul(salt) >> 27))
}

/// Summaries in the making: the hashes of each stretch.
#[derive(Default)]
pub(super) struct Summary {
    done: Vec<Vec<u64>>,
    hashes: Vec<u64>,
    begun: bool,
}

impl Summary {
    /// A stretch begins. The one before ends, also without a value that is known.
    pub(super) fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            self.end();
        }
    }

    fn end(&mut self) {
        let mut hashes = std::mem::take(&mut self.hashes);
        hashes.sort_unstable();
        hashes.dedup();
        self.done.push(hashes);
    }

    pub(super) fn add(&mut self, text: &[u8]) {
        strings(text, |field, value| {
            let is = |names: &[&str]| names.iter().any(|n| n.as_bytes() == field);
            let (whole, words, domain) = (is(&WHOLE), is(&WORDS), is(&DOMAINS));
            if !whole && !words {
                return;
            }
            if value.contains(&b'\\') {
                return self.hashes.push(hash(field, ESCAPED));
            }
            if whole {
                self.hashes.push(hash(field, value));
            }
            let worded = match words {
                true => value,
                false if domain => value.rsplit(|b| *b == b'@').next().unwrap_or_default(),
                false => return,
            };
            let parts = worded.split(|b| matches!(b, b' ' | b'-' | b'_' | b'.'));
            let parts = parts.filter(|word| !word.is_empty());
            self.hashes.extend(parts.map(|word| hash(field, word)));
        });
    }

    /// The number of rows, and the rows.
    pub(super) fn into_rows(mut self) -> (u32, Vec<u8>) {
        self.end();
        let most = self.done.iter().map(Vec::len).max().unwrap_or(0);
        let rows = (most * BITS).div_ceil(BLOCK * 8).max(1) as u32;
        let row_len = self.done.len() * BLOCK + 4;
        let mut bytes = vec![0; rows as usize * row_len];
        for (stretch, hashes) in self.done.iter().enumerate() {
            for &hash in hashes {
                let at = row_of(hash, rows) * row_len + stretch * BLOCK;
                let words = bytes[at..at + BLOCK].chunks_exact_mut(4);
                for (word, bit) in words.zip(bits(hash)) {
                    word[(bit.trailing_zeros() / 8) as usize] |= 1 << (bit.trailing_zeros() % 8);
                }
            }
        }
        for row in bytes.chunks_exact_mut(row_len) {
            let (blocks, sum) = row.split_at_mut(row_len - 4);
            sum.copy_from_slice(&crc::of(blocks).to_le_bytes());
        }
        (rows, bytes)
    }
}

/// Marks the stretches that can hold an event with one of `keys`; all where the summary can't tell.
pub(in crate::log) fn stretches_with(front: &Front, file: &dyn File, keys: &[Key]) -> Vec<bool> {
    let mut found = vec![front.rows == 0; front.stretches.len()];
    if front.rows == 0 {
        return found;
    }
    let row_len = found.len() * BLOCK + 4;
    let mut row = vec![0; row_len];
    for hash in keys.iter().flat_map(|key| [key.value, key.escaped]) {
        let at = front.rows_at + (row_of(hash, front.rows) * row_len) as u64;
        let got = file.read_at(&mut row, at);
        let (blocks, sum) = row.split_at(row_len - 4);
        if !got.is_ok_and(|n| n == row_len) || crc::of(blocks).to_le_bytes() != sum {
            found.fill(true);
            return found;
        }
        for (found, block) in found.iter_mut().zip(blocks.chunks_exact(BLOCK)) {
            let mut words = block.chunks_exact(4).zip(bits(hash));
            *found |= words.all(|(word, bit)| {
                u32::from_le_bytes([word[0], word[1], word[2], word[3]]) & bit != 0
            });
        }
    }
    found
}

/// Calls `f` with the name and the raw value of every field in an event's JSON, the members of the object inside of
/// its envelope; with [`ESCAPED`] where the value is not text.
fn strings<'a>(text: &'a [u8], mut f: impl FnMut(&'a [u8], &'a [u8])) {
    const MEMBERS: u32 = 3;
    let (mut at, mut depth) = (0, 0u32);
    let mut name: Option<&[u8]> = None;
    while let Some(quote) = memchr(b'"', &text[at..]) {
        let start = at + quote + 1;
        for byte in &text[at..start - 1] {
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b',' => name = None,
                _ => {}
            }
        }
        let mut end = start;
        loop {
            match memchr2(b'"', b'\\', &text[end..]) {
                Some(i) if text[end + i] == b'"' => {
                    end += i;
                    break;
                }
                Some(i) if end + i + 2 <= text.len() => end += i + 2,
                _ => return,
            }
        }
        let string = &text[start..end];
        at = end + 1;
        let mut behind = text[at..].iter().filter(|b| !b.is_ascii_whitespace());
        let is_name = behind.next() == Some(&b':');
        if depth != MEMBERS {
            name = None;
        } else if is_name && behind.next() == Some(&b'"') {
            name = Some(string);
        } else if is_name {
            f(string, ESCAPED);
        } else if let Some(name) = name.take() {
            f(name, string);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_events_own_fields_are_seen() {
        let text = br#"{"msys":{"message_event":{"type":"bounce","n":1,"rcpt_to":"A\"b@c", "tags":["x","rcpt_to"],"meta":{"rcpt_to":"no"},"last" : "z"}}}"#;
        let mut seen = Vec::new();
        strings(text, |name, value| seen.push((name, value)));
        let seen: Vec<_> = seen
            .into_iter()
            .map(|(n, v)| {
                (
                    std::str::from_utf8(n).unwrap(),
                    std::str::from_utf8(v).unwrap(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("type", "bounce"),
                ("n", "\\"),
                ("rcpt_to", r#"A\"b@c"#),
                ("tags", "\\"),
                ("meta", "\\"),
                ("last", "z")
            ]
        );
    }

    #[test]
    fn broken_json_ends_it_quietly() {
        for text in [&b"{\"a\\"[..], b"\"", b"", b"}}}\"x\":\"", b"\"a\\\"b"] {
            strings(text, |_, _| {});
        }
    }

    #[test]
    fn fields_that_no_summary_knows_have_no_key() {
        assert!(Key::whole("rcpt_to", "x").is_some() && Key::whole("reason", "x").is_none());
        assert!(Key::word("subject", "x").is_some() && Key::word("msg_from", "x").is_none());
        assert_eq!(Key::whole("rcpt_to", "Bob"), Key::whole("rcpt_to", "bOB"));
    }
}
