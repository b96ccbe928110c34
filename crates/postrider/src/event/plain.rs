//! Which bytes of text JSON wants escaped, sixteen at a time.
//!
//! Inside JSON text, `"`, `\` and bytes below 0x20 are special (RFC 8259 section 7); everything else
//! stands for itself. Event values are short and nearly always plain, so the copy is made while
//! looking: a block is stored before it is judged, and what was stored too much is overwritten by
//! what comes next. The portable loops over arrays compile to SSE2 and NEON.

const BLOCK: usize = 16;

/// Bytes that [`copy_plain`] may write behind what it copies.
pub(super) const SLACK: usize = BLOCK;

/// Copies `src` to the start of `dst` up to the first special byte; returns how many were plain.
///
/// `dst` has room for all of `src` and [`SLACK`]. What lies behind the plain bytes is scratch.
#[inline]
pub(super) fn copy_plain(dst: &mut [u8], src: &[u8]) -> usize {
    let n = src.len();
    let dst = &mut dst[..n + SLACK];
    let mut at = 0;
    while let Some(block) = src[at..].first_chunk::<BLOCK>() {
        dst[at..at + BLOCK].copy_from_slice(block);
        if any_special(block) {
            return at + first_special(block);
        }
        at += BLOCK;
    }
    // What remains is less than a block: take the last block again where there is one, else two
    // halves that overlap.
    if let Some(block) = src.last_chunk::<BLOCK>() {
        dst[n - BLOCK..n].copy_from_slice(block);
        return if any_special(block) {
            n - BLOCK + first_special(block)
        } else {
            n
        };
    }
    let (head, tail) = match n {
        8..16 => (word(src, 0), word(src, n - 8)),
        4..8 => (half(src, 0), half(src, n - 4)),
        _ => {
            for (i, &byte) in src.iter().enumerate() {
                if is_special(byte) {
                    return i;
                }
                dst[i] = byte;
            }
            return n;
        }
    };
    let width = if n >= 8 { 8 } else { 4 };
    dst[..8].copy_from_slice(&head.to_le_bytes());
    dst[n - width..n - width + 8].copy_from_slice(&tail.to_le_bytes());
    match (marks(head), marks(tail)) {
        (0, 0) => n,
        (0, in_tail) => n - width + first_mark(in_tail),
        (in_head, _) => first_mark(in_head),
    }
}

/// Where the first special byte of `bytes` is; their length if there is none.
#[inline]
pub(super) fn find_special(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(block) = bytes[at..].first_chunk::<8>() {
        let found = marks(u64::from_le_bytes(*block));
        if found != 0 {
            return at + first_mark(found);
        }
        at += 8;
    }
    let rest = &bytes[at..];
    at + rest
        .iter()
        .position(|&b| is_special(b))
        .unwrap_or(rest.len())
}

#[inline]
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[inline]
fn any_special(block: &[u8; BLOCK]) -> bool {
    block
        .iter()
        .fold(0, |any, &byte| any | u8::from(is_special(byte)))
        != 0
}

#[inline]
fn first_special(block: &[u8; BLOCK]) -> usize {
    match marks(word(block, 0)) {
        0 => 8 + first_mark(marks(word(block, 8))),
        low => first_mark(low),
    }
}

/// A high bit in each special byte of a word; the lowest is exact, higher ones may be borrowed.
#[inline]
fn marks(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let below = |w: u64, n: u64| w.wrapping_sub(ONES * n) & !w;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | equal(b'"') | equal(b'\\')) & (ONES << 7)
}

#[inline]
fn first_mark(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// Four bytes, padded with spaces: plain ones.
#[inline]
fn half(bytes: &[u8], at: usize) -> u64 {
    let mut word = [b' '; 8];
    word[..4].copy_from_slice(&bytes[at..at + 4]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_hand(bytes: &[u8]) -> usize {
        bytes
            .iter()
            .position(|b| *b < 0x20 || b"\"\\".contains(b))
            .unwrap_or(bytes.len())
    }

    fn check(src: &[u8]) {
        let want = by_hand(src);
        assert_eq!(find_special(src), want, "{src:?}");
        let mut dst = vec![0xee; src.len() + SLACK];
        assert_eq!(copy_plain(&mut dst, src), want, "{src:?}");
        assert_eq!(dst[..want], src[..want], "{src:?}");
    }

    #[test]
    fn every_byte_at_every_place_of_every_length() {
        for len in 0..50 {
            let plain: Vec<u8> = (0..len).map(|i| b'a' + (i % 26) as u8).collect();
            check(&plain);
            for at in 0..len {
                for byte in 0..=255 {
                    let mut text = plain.clone();
                    text[at] = byte;
                    check(&text);
                }
            }
        }
    }

    #[test]
    fn the_first_of_several_counts() {
        let bytes = [
            0x1f, 0x20, b'"', b'!', b'\\', b']', 0x7f, 0x80, 0xff, b'#', 0x00, b'[',
        ];
        let mut state = 1_u64;
        for len in 0..40 {
            for _ in 0..200 {
                let text: Vec<u8> = (0..len)
                    .map(|_| {
                        state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
                        bytes[(state >> 33) as usize % bytes.len()]
                    })
                    .collect();
                check(&text);
            }
        }
    }
}
