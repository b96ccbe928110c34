//! Which bytes of text JSON wants escaped, sixteen at a time.
//!
//! Inside JSON text, `"`, `\` and bytes below 0x20 are special (RFC 8259 section 7); everything else
//! stands for itself. Event values are short and nearly always plain, so the copy is made while
//! looking: a block is stored before it is judged, and what was stored too much is overwritten by
//! what comes next. Text that is no whole number of blocks ends with one that overlaps the block
//! before, so that there is no rest to go through byte by byte.
//!
//! Blocks go through raw pointers: the compiler's bounds checks would be half of the instructions.

#[cfg(not(target_arch = "x86_64"))]
use portable as block;
#[cfg(target_arch = "x86_64")]
use sse2 as block;

const BLOCK: usize = 16;

/// Bytes that [`copy`] may write behind what it copies.
pub(super) const SLACK: usize = BLOCK;

/// Copies `src` to the start of `dst` up to the first special byte; returns how many were plain.
///
/// What lies in `dst` behind the plain bytes is scratch.
///
/// # Panics
/// When `dst` is shorter than `src`.
#[inline(always)]
pub(super) fn copy_plain(dst: &mut [u8], src: &[u8]) -> usize {
    let n = src.len();
    assert!(dst.len() >= n);
    // SAFETY: `n` bytes may be read from `src` and written to `dst`, which don't overlap: one is borrowed
    // mutably.
    unsafe { scan::<true>(dst.as_mut_ptr(), src.as_ptr(), n) }
}

/// Where the first special byte of `bytes` is; their length if there is none.
#[inline]
pub(super) fn find_special(bytes: &[u8]) -> usize {
    // SAFETY: `bytes.len()` bytes may be read, and nothing is written.
    unsafe { scan::<false>(std::ptr::null_mut(), bytes.as_ptr(), bytes.len()) }
}

/// Counts the plain bytes at the start of `n` bytes at `src`, and copies them to `dst` if `COPY`.
///
/// # Safety
/// `n` bytes at `src` may be read and, if `COPY`, as many at `dst` written, which do not overlap them.
#[inline(always)]
unsafe fn scan<const COPY: bool>(dst: *mut u8, src: *const u8, n: usize) -> usize {
    // SAFETY: each access is of `size` bytes at `at` with `at + size <= n`, which the caller allows:
    // blocks begin at `n - BLOCK` at the latest, and the pairs of shorter text at 0 and `n - size`.
    unsafe {
        match n {
            BLOCK.. => {
                let last = n - BLOCK;
                let mut at = 0;
                loop {
                    let bytes = block::load(src.add(at));
                    if COPY {
                        block::store(dst.add(at), bytes);
                    }
                    let special = block::special(bytes);
                    if special != 0 {
                        return at + special.trailing_zeros() as usize;
                    }
                    if at == last {
                        return n;
                    }
                    at = last.min(at + BLOCK);
                }
            }
            8.. => {
                let low = src.cast::<u64>().read_unaligned();
                let high = src.add(n - 8).cast::<u64>().read_unaligned();
                if COPY {
                    dst.cast::<u64>().write_unaligned(low);
                    dst.add(n - 8).cast::<u64>().write_unaligned(high);
                }
                of_pair(block::special(block::pair(low, high)), 8, n)
            }
            4.. => {
                let low = src.cast::<u32>().read_unaligned();
                let high = src.add(n - 4).cast::<u32>().read_unaligned();
                if COPY {
                    dst.cast::<u32>().write_unaligned(low);
                    dst.add(n - 4).cast::<u32>().write_unaligned(high);
                }
                let both = u64::from(low.to_le()) | u64::from(high.to_le()) << 32;
                of_pair(block::special(block::pair(both.to_le(), SPACES)), 4, n)
            }
            _ => {
                for at in 0..n {
                    let byte = src.add(at).read();
                    if COPY {
                        dst.add(at).write(byte);
                    }
                    if byte < 0x20 || byte == b'"' || byte == b'\\' {
                        return at;
                    }
                }
                n
            }
        }
    }
}

/// Copies `n` bytes; whether all of them are plain. Quicker than [`scan`], which has to tell where the first special one is.
///
/// # Safety
/// `n` bytes at `src` may be read and as many at `dst` written, which do not overlap them.
#[inline(always)]
pub(super) unsafe fn copy_if_plain(dst: *mut u8, src: *const u8, n: usize) -> bool {
    // SAFETY: as in `scan`; of one to three bytes, the first, the middle and the last are all.
    unsafe {
        let special = match n {
            BLOCK.. => {
                let last = n - BLOCK;
                let mut special = 0;
                let mut at = 0;
                while at < last {
                    let bytes = block::load(src.add(at));
                    block::store(dst.add(at), bytes);
                    special |= block::special(bytes);
                    at += BLOCK;
                }
                let bytes = block::load(src.add(last));
                block::store(dst.add(last), bytes);
                special | block::special(bytes)
            }
            8.. => {
                let low = src.cast::<u64>().read_unaligned();
                let high = src.add(n - 8).cast::<u64>().read_unaligned();
                dst.cast::<u64>().write_unaligned(low);
                dst.add(n - 8).cast::<u64>().write_unaligned(high);
                block::special(block::pair(low, high))
            }
            4.. => {
                let low = src.cast::<u32>().read_unaligned();
                let high = src.add(n - 4).cast::<u32>().read_unaligned();
                dst.cast::<u32>().write_unaligned(low);
                dst.add(n - 4).cast::<u32>().write_unaligned(high);
                let both = u64::from(low) | u64::from(high) << 32;
                block::special(block::pair(both, SPACES))
            }
            1.. => {
                let (first, middle, last) =
                    (src.read(), src.add(n / 2).read(), src.add(n - 1).read());
                dst.write(first);
                dst.add(n / 2).write(middle);
                dst.add(n - 1).write(last);
                let three = u64::from_ne_bytes([first, middle, last, b' ', b' ', b' ', b' ', b' ']);
                block::special(block::pair(three, SPACES))
            }
            0 => 0,
        };
        special == 0
    }
}

/// Eight plain bytes.
const SPACES: u64 = u64::from_ne_bytes([b' '; 8]);

/// How many of `n` bytes are plain, if `special` marks those of the first `half` and of the last, which
/// may overlap.
#[inline(always)]
fn of_pair(special: u32, half: usize, n: usize) -> usize {
    match special.trailing_zeros() as usize {
        _ if special == 0 => n,
        at if at < half => at,
        at => at + n - 2 * half,
    }
}

/// Copies `src` to the start of `dst`: without a call, because most of what is copied is shorter than
/// the call would take.
///
/// # Panics
/// When `dst` does not have room for `src` and [`SLACK`].
#[inline(always)]
pub(super) fn copy(dst: &mut [u8], src: &[u8]) {
    let n = src.len();
    assert!(dst.len() >= n + SLACK);
    let (dst, src) = (dst.as_mut_ptr(), src.as_ptr());
    // SAFETY: as in `scan`; `dst` is borrowed mutably, so the two don't overlap.
    unsafe {
        match n {
            BLOCK.. => {
                let last = n - BLOCK;
                let mut at = 0;
                loop {
                    block::store(dst.add(at), block::load(src.add(at)));
                    if at == last {
                        return;
                    }
                    at = last.min(at + BLOCK);
                }
            }
            8.. => {
                let low = src.cast::<u64>().read_unaligned();
                let high = src.add(n - 8).cast::<u64>().read_unaligned();
                dst.cast::<u64>().write_unaligned(low);
                dst.add(n - 8).cast::<u64>().write_unaligned(high);
            }
            4.. => {
                let low = src.cast::<u32>().read_unaligned();
                let high = src.add(n - 4).cast::<u32>().read_unaligned();
                dst.cast::<u32>().write_unaligned(low);
                dst.add(n - 4).cast::<u32>().write_unaligned(high);
            }
            _ => (0..n).for_each(|at| dst.add(at).write(src.add(at).read())),
        }
    }
}

/// Sixteen bytes in one register.
#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set_epi64x, _mm_set1_epi8, _mm_storeu_si128, _mm_xor_si128,
    };

    /// # Safety
    /// 16 bytes may be read at `from`.
    #[inline(always)]
    pub(super) unsafe fn load(from: *const u8) -> __m128i {
        // SAFETY: the caller's; every x86-64 has SSE2.
        unsafe { _mm_loadu_si128(from.cast()) }
    }

    /// # Safety
    /// 16 bytes may be written at `to`.
    #[inline(always)]
    pub(super) unsafe fn store(to: *mut u8, bytes: __m128i) {
        // SAFETY: the caller's; every x86-64 has SSE2.
        unsafe { _mm_storeu_si128(to.cast(), bytes) }
    }

    #[inline(always)]
    pub(super) fn pair(low: u64, high: u64) -> __m128i {
        // SAFETY: every x86-64 has SSE2.
        unsafe { _mm_set_epi64x(high.cast_signed(), low.cast_signed()) }
    }

    /// A bit for each special byte, the first the lowest.
    #[inline(always)]
    pub(super) fn special(bytes: __m128i) -> u32 {
        // SAFETY: every x86-64 has SSE2.
        unsafe {
            // Flipping one bit makes `"` a space and a space `"`, and leaves the control characters
            // among themselves: what is a space at most then is special.
            let flipped = _mm_xor_si128(bytes, _mm_set1_epi8(2));
            let low = _mm_cmpeq_epi8(_mm_min_epu8(flipped, _mm_set1_epi8(0x20)), flipped);
            let backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\'.cast_signed()));
            _mm_movemask_epi8(_mm_or_si128(low, backslash)) as u32
        }
    }
}

/// Sixteen bytes in two words.
#[cfg(any(not(target_arch = "x86_64"), test))]
mod portable {
    const ONES: u64 = u64::MAX / 255;

    /// # Safety
    /// 16 bytes may be read at `from`.
    #[inline(always)]
    pub(super) unsafe fn load(from: *const u8) -> [u64; 2] {
        // SAFETY: the caller's.
        unsafe { from.cast::<[u64; 2]>().read_unaligned() }
    }

    /// # Safety
    /// 16 bytes may be written at `to`.
    #[inline(always)]
    #[cfg_attr(target_arch = "x86_64", expect(dead_code, reason = "tests only look"))]
    pub(super) unsafe fn store(to: *mut u8, bytes: [u64; 2]) {
        // SAFETY: the caller's.
        unsafe { to.cast::<[u64; 2]>().write_unaligned(bytes) }
    }

    #[inline(always)]
    #[cfg_attr(target_arch = "x86_64", expect(dead_code, reason = "tests only look"))]
    pub(super) fn pair(low: u64, high: u64) -> [u64; 2] {
        [low, high]
    }

    /// A bit for each special byte, the first the lowest. Only the lowest is exact.
    #[inline(always)]
    pub(super) fn special([low, high]: [u64; 2]) -> u32 {
        bits(marks(low.to_le())) | bits(marks(high.to_le())) << 8
    }

    /// A high bit in each special byte; the lowest is exact, those above may have borrowed.
    #[inline(always)]
    fn marks(word: u64) -> u64 {
        let below = |w: u64, n: u64| w.wrapping_sub(ONES * n) & !w;
        let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        (below(word, 0x20) | equal(b'"') | equal(b'\\')) & (ONES << 7)
    }

    /// Eight high bits next to each other.
    #[inline(always)]
    fn bits(marks: u64) -> u32 {
        ((marks >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
    }
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
        dst.fill(0xee);
        // SAFETY: `dst` is longer than `src`, and another.
        let all = unsafe { copy_if_plain(dst.as_mut_ptr(), src.as_ptr(), src.len()) };
        assert_eq!(all, want == src.len(), "{src:?}");
        assert!(!all || dst[..want] == *src, "{src:?}");
        assert_eq!(dst[src.len()..], [0xee; SLACK], "{src:?}");
        copy(&mut dst, src);
        assert_eq!(dst[..src.len()], *src);
        if let Some(block) = src.first_chunk::<BLOCK>() {
            // SAFETY: a block is as long as what is read.
            let special = portable::special(unsafe { portable::load(block.as_ptr()) });
            let plain = special.trailing_zeros() as usize;
            assert_eq!(plain.min(BLOCK), want.min(BLOCK), "{src:?}");
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

    /// The page behind the text may not be touched.
    #[test]
    fn nothing_behind_the_text_is_read() {
        use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
        const PAGE: usize = 4096;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: two pages of this test's own, of which it only reads and writes the first.
        let page = unsafe {
            let start =
                mmap_anonymous(std::ptr::null_mut(), 2 * PAGE, access, MapFlags::PRIVATE).unwrap();
            mprotect(start.byte_add(PAGE), PAGE, MprotectFlags::empty()).unwrap();
            std::slice::from_raw_parts_mut(start.cast::<u8>(), PAGE)
        };
        page.fill(b'a');
        for len in 0..200 {
            check(&page[PAGE - len..]);
        }
        // SAFETY: the pages mapped above, not used any more.
        unsafe { munmap(page.as_mut_ptr().cast(), 2 * PAGE) }.unwrap();
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
