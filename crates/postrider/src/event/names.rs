//! From a name to its id in one multiplication and one comparison.
//!
//! The names are known when the crate is built, so `build.rs`, which shares this file, looks for a
//! factor under which no two of them share a slot. A lookup hashes, reads one slot and compares.

#![allow(dead_code)] // the build script builds, the crate looks up

const SLOT_BITS: u32 = 9;
const SLOTS: usize = 1 << SLOT_BITS;

/// A finished table; slot values are ids, 0 where free.
pub(super) struct Names {
    pub(super) factor: u64,
    pub(super) slots: [u8; SLOTS],
}

impl Names {
    /// The id in this name's slot: the only one that can be its, so the caller compares.
    #[inline]
    pub(super) fn candidate(&self, name: &[u8]) -> Option<u8> {
        match self.slots[slot(digest(name), self.factor)] {
            0 => None,
            id => Some(id),
        }
    }
}

/// A factor and its slots for `names`, whose ids are 1, 2, …; none for more names than fit.
pub(super) fn build(names: &[&str]) -> Option<(u64, [u8; SLOTS])> {
    let mut factor = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..1_000_000 {
        if let Some(slots) = fill(names, factor) {
            return Some((factor, slots));
        }
        factor = factor.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(2);
    }
    None
}

fn fill(names: &[&str], factor: u64) -> Option<[u8; SLOTS]> {
    let mut slots = [0; SLOTS];
    for (i, name) in names.iter().enumerate() {
        let at = slot(digest(name.as_bytes()), factor);
        if slots[at] != 0 {
            return None;
        }
        slots[at] = u8::try_from(i + 1).ok()?;
    }
    Some(slots)
}

#[inline]
fn slot(digest: u64, factor: u64) -> usize {
    (digest.wrapping_mul(factor) >> (64 - SLOT_BITS)) as usize
}

/// Whether two names are the same: three loads each where a call of memcmp would cost more.
#[inline]
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    let n = a.len();
    match n == b.len() {
        true if (8..=24).contains(&n) => {
            let middle = (n - 8) / 2;
            word(a, 0) == word(b, 0)
                && word(a, middle) == word(b, middle)
                && word(a, n - 8) == word(b, n - 8)
        }
        equal => equal && a == b,
    }
}

/// `N` bytes at `at`: as an array, because a copy between slices may become a call.
#[inline(always)]
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..]
        .first_chunk()
        .expect("the caller knows the length")
}

#[inline(always)]
fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

/// Length, first and last bytes: enough to tell field names apart, and two loads.
#[inline]
fn digest(name: &[u8]) -> u64 {
    let n = name.len();
    let half = |at| u64::from(u32::from_le_bytes(array(name, at)));
    let (first, last) = match n {
        0 => (0, 0),
        1..4 => (
            u64::from(name[0]),
            u64::from(name[n / 2]) << 8 | u64::from(name[n - 1]),
        ),
        4..8 => (half(0), half(n - 4)),
        _ => (word(name, 0), word(name, n - 8)),
    };
    first ^ last.rotate_left(23) ^ (n as u64) << 58
}
