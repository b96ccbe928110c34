//! Finding the records of a file, whatever else stands in it.

use super::format::{HEAD_BYTES, HEAD_CRC_AT, RECORD_MAGIC, head_crc, u32_at};
use crate::crc;
use crate::event::{Entry, MAX_TEXT, SEPARATOR};
use memchr::memmem;

/// Bytes of the longest record.
pub(super) const MAX_RECORD: usize = HEAD_BYTES + MAX_TEXT + SEPARATOR.len();

/// The entry of the head at the beginning of `b`, if one stands there whole.
fn entry_of_head(file: u64, b: &[u8]) -> Option<Entry> {
    let head = b.get(..HEAD_BYTES)?;
    if head[..4] != RECORD_MAGIC || u32_at(head, HEAD_CRC_AT) != head_crc(file, head) {
        return None;
    }
    let entry = Entry::from_bytes(head[4..HEAD_CRC_AT].try_into().expect("24 bytes"));
    (entry.len as usize <= MAX_TEXT).then_some(entry)
}

/// What stands at a place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A good record: its entry, its text with separator, and the bytes it takes.
    Record(Entry, &'a [u8], usize),
    /// This many bytes are no record; go on behind them.
    Junk(usize),
    /// The end, or a record that is still being written.
    Wait,
}

/// What may follow the bytes at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// More of the file.
    More,
    /// Nothing yet.
    Open,
    /// Nothing, ever.
    Nothing,
}

/// Looks at the bytes `b` of file `file`, which begin where a record should. Where `behind` is
/// [`Behind::More`], `b` has more than [`MAX_RECORD`] bytes.
///
/// What is no record is passed over only once that is certain: the head of another stands behind
/// it, it is longer than any record, or the file is final. Until then its writer may be at it.
pub(super) fn look(file: u64, b: &[u8], behind: Behind) -> Found<'_> {
    if b.is_empty() {
        return Found::Wait;
    }
    if let Some(entry) = entry_of_head(file, b) {
        let size = HEAD_BYTES + entry.len as usize + SEPARATOR.len();
        if let Some(text) = b.get(HEAD_BYTES..size)
            && let Some(bare) = text.strip_suffix(SEPARATOR)
            && crc::of(bare) == entry.crc
        {
            return Found::Record(entry, text, size);
        }
    }
    let next_head = memmem::find_iter(&b[1..], &RECORD_MAGIC)
        .map(|at| at + 1)
        .find(|&at| entry_of_head(file, &b[at..]).is_some());
    match next_head {
        Some(at) => Found::Junk(at),
        None if behind == Behind::Nothing => Found::Junk(b.len()),
        // The last bytes may be the beginning of a head.
        None if behind == Behind::More || b.len() > MAX_RECORD => {
            Found::Junk(b.len() - (HEAD_BYTES - 1))
        }
        None => Found::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::format::head;

    fn record(file: u64, text: &str) -> Vec<u8> {
        let entry = Entry {
            len: text.len() as u32,
            crc: crc::of(text.as_bytes()),
            ..Entry::default()
        };
        [&head(file, &entry)[..], text.as_bytes(), SEPARATOR].concat()
    }

    /// Reads all of a final file: texts, and places of damage.
    fn read_all(file: u64, mut b: &[u8]) -> (Vec<String>, u64) {
        let (mut texts, mut damaged, mut in_junk) = (Vec::new(), 0, false);
        loop {
            match look(file, b, Behind::Nothing) {
                Found::Record(_, text, size) => {
                    texts.push(String::from_utf8(text[..text.len() - 2].to_vec()).unwrap());
                    b = &b[size..];
                    in_junk = false;
                }
                Found::Junk(size) => {
                    damaged += u64::from(!in_junk);
                    in_junk = true;
                    b = &b[size..];
                }
                Found::Wait => return (texts, damaged),
            }
        }
    }

    #[test]
    fn a_stump_of_any_length_costs_itself_alone() {
        let (a, b, c) = (record(1, "first"), record(1, "second"), record(1, "third"));
        for cut in 1..b.len() {
            let bytes = [&a[..], &b[..cut], &c].concat();
            let (texts, damaged) = read_all(1, &bytes);
            assert_eq!(texts, ["first", "third"], "cut at {cut}");
            assert_eq!(damaged, 1, "cut at {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_costs_one_record() {
        let records = [record(1, "first"), record(1, "second"), record(1, "third")];
        let start = records[0].len();
        for bit in start * 8..(start + records[1].len()) * 8 {
            let mut bytes = records.concat();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let (texts, damaged) = read_all(1, &bytes);
            assert_eq!((texts, damaged), (vec!["first".into(), "third".into()], 1));
        }
    }

    #[test]
    fn a_record_of_another_file_is_none() {
        assert_eq!(read_all(2, &record(1, "stray")), (vec![], 1));
    }

    #[test]
    fn an_unfinished_record_is_waited_for_until_something_stands_behind_it() {
        let whole = record(1, "slow");
        for cut in 0..whole.len() {
            assert_eq!(look(1, &whole[..cut], Behind::Open), Found::Wait, "{cut}");
        }
        let behind = [&whole[..20], &record(1, "x")[..HEAD_BYTES]].concat();
        assert_eq!(look(1, &behind, Behind::Open), Found::Junk(20));
    }

    #[test]
    fn endless_garbage_is_not_waited_for() {
        let zeros = vec![0; MAX_RECORD + 1];
        let Found::Junk(n) = look(1, &zeros, Behind::Open) else {
            panic!("waits for nothing")
        };
        assert!(n <= zeros.len() - (HEAD_BYTES - 1));
    }

    #[test]
    fn a_length_beyond_the_limit_is_not_believed() {
        let entry = Entry {
            len: MAX_TEXT as u32 + 1,
            ..Entry::default()
        };
        assert_eq!(entry_of_head(1, &head(1, &entry)), None);
    }
}
