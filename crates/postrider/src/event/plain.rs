//! Which bytes of text JSON wants escaped, sixteen at a time.
//!
//! Inside JSON text, `"`, `\` and bytes below 0x20 are special (RFC 8259 section 7); everything else
//! stands for itself. Event values are short and nearly always plain, so the copy is made while
//! looking: a block is stored before it is judged, and what was stored too much is overwritten by
//! what comes next.

const BLOCK: usize = 16;
/// Eight plain bytes.
const SPACES: u64 = u64::from_le_bytes([b' '; 8]);

/// Bytes that [`copy_plain`] may write behind what it copies.
pub(super) const SLACK: usize = BLOCK;

/// Copies `src` to the start of `dst` up to the first special byte; returns how many were plain.
///
/// `dst` has room for all of `src` and [`SLACK`]. What lies behind the plain bytes is scratch.
#[inline]
pub(super) fn copy_plain(dst: &mut [u8], src: &[u8]) -> usize {
    let n = src.len();
    let dst = &mut dst[..n + SLACK];
    let (blocks, _) = src.as_chunks::<BLOCK>();
    let (places, _) = dst.as_chunks_mut::<BLOCK>();
    for (i, (block, place)) in blocks.iter().zip(places).enumerate() {
        *place = *block;
        let plain = plain_bytes(words(block));
        if plain < BLOCK {
            return i * BLOCK + plain;
        }
    }
    // What remains is less than a block: take the last block again where there is one, else two
    // halves that overlap.
    let rest = match n {
        BLOCK.. => {
            let [low, high] = [word(src, n - 16), word(src, n - 8)];
            dst[n - 16..n - 8].copy_from_slice(&low.to_le_bytes());
            dst[n - 8..n].copy_from_slice(&high.to_le_bytes());
            [low, high]
        }
        8.. => {
            let [low, high] = [word(src, 0), word(src, n - 8)];
            dst[..8].copy_from_slice(&low.to_le_bytes());
            dst[n - 8..n].copy_from_slice(&high.to_le_bytes());
            [low, high]
        }
        4.. => {
            let [low, high] = [half(src, 0), half(src, n - 4)];
            dst[..4].copy_from_slice(&low.to_le_bytes());
            dst[n - 4..n].copy_from_slice(&high.to_le_bytes());
            [SPACES, u64::from(low) | u64::from(high) << 32]
        }
        1.. => {
            let [first, middle, last] = [src[0], src[n / 2], src[n - 1]];
            (dst[0], dst[n / 2], dst[n - 1]) = (first, middle, last);
            [
                SPACES,
                u64::from_le_bytes([first, middle, last, b' ', b' ', b' ', b' ', b' ']),
            ]
        }
        _ => return 0,
    };
    match plain_bytes(rest) {
        BLOCK => n,
        _ => find_special(src),
    }
}

/// Copies `src` to the start of `dst`, which has room for [`SLACK`] more: without a call, because
/// most of what is copied is shorter than the call would take.
#[inline]
pub(super) fn copy(dst: &mut [u8], src: &[u8]) {
    let n = src.len();
    let dst = &mut dst[..n + SLACK];
    let mut at = 0;
    while let Some(block) = src[at..].first_chunk::<BLOCK>() {
        dst[at..at + BLOCK].copy_from_slice(block);
        at += BLOCK;
    }
    match n {
        BLOCK.. => dst[n - BLOCK..n].copy_from_slice(&src[n - BLOCK..]),
        8.. => {
            dst[..8].copy_from_slice(&src[..8]);
            dst[n - 8..n].copy_from_slice(&src[n - 8..]);
        }
        4.. => {
            dst[..4].copy_from_slice(&src[..4]);
            dst[n - 4..n].copy_from_slice(&src[n - 4..]);
        }
        _ => src.iter().zip(dst).for_each(|(from, to)| *to = *from),
    }
}

/// Where the first special byte of `bytes` is; their length if there is none.
#[inline]
pub(super) fn find_special(bytes: &[u8]) -> usize {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    for (i, block) in blocks.iter().enumerate() {
        let plain = plain_bytes(words(block));
        if plain < BLOCK {
            return i * BLOCK + plain;
        }
    }
    let in_rest = rest.iter().position(|&b| is_special(b));
    blocks.len() * BLOCK + in_rest.unwrap_or(rest.len())
}

#[inline]
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// How many bytes of a block are plain before the first special one.
#[cfg(target_arch = "x86_64")]
#[inline]
fn plain_bytes([low, high]: [u64; 2]) -> usize {
    // SAFETY: every x86-64 has SSE2.
    unsafe { plain_bytes_sse2([low, high]) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn plain_bytes_sse2([low, high]: [u64; 2]) -> usize {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x,
        _mm_set1_epi8,
    };
    let bytes = _mm_set_epi64x(high.cast_signed(), low.cast_signed());
    let quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"'.cast_signed()));
    let backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\'.cast_signed()));
    let control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    let special = _mm_or_si128(_mm_or_si128(quote, backslash), control);
    // A mark behind the last byte ends the count where there is none before.
    (_mm_movemask_epi8(special) | 1 << BLOCK).trailing_zeros() as usize
}

/// How many bytes of a block are plain before the first special one.
#[cfg(any(not(target_arch = "x86_64"), test))]
#[inline]
fn plain_bytes_portable([low, high]: [u64; 2]) -> usize {
    match (marks(low), marks(high)) {
        (0, 0) => BLOCK,
        (0, high) => 8 + high.trailing_zeros() as usize / 8,
        (low, _) => low.trailing_zeros() as usize / 8,
    }
}

#[cfg(not(target_arch = "x86_64"))]
use plain_bytes_portable as plain_bytes;

/// A high bit in each special byte; the lowest is exact, those above may have borrowed.
#[cfg(any(not(target_arch = "x86_64"), test))]
#[inline]
fn marks(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let below = |w: u64, n: u64| w.wrapping_sub(ONES * n) & !w;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | equal(b'"') | equal(b'\\')) & (ONES << 7)
}

#[inline]
fn words(block: &[u8; BLOCK]) -> [u64; 2] {
    [word(block, 0), word(block, 8)]
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

#[inline]
fn half(bytes: &[u8], at: usize) -> u32 {
    let mut half = [0; 4];
    half.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(half)
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
        copy(&mut dst, src);
        assert_eq!(dst[..src.len()], *src);
        if let Some(block) = src.first_chunk() {
            assert_eq!(
                plain_bytes_portable(words(block)),
                want.min(BLOCK),
                "{src:?}"
            );
        }
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
