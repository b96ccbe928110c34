//! Hints to the processor: memory that is wanted soon, asked for before.
//!
//! An event goes from core to core through memory that is larger than their caches. A copy waits for lines that are
//! elsewhere, a few at a time; asked for ahead, they come while there is other work.
//!
//! Elsewhere than on x86-64 no hint is given.

/// How much of what comes next is worth asking for: what most events take.
const AHEAD: usize = 1024;

const LINE: usize = 64;

/// Asks for the first [`AHEAD`] bytes at `start`, to be written: no other core has them then. They may be anyone's, or
/// nobody's.
#[inline(always)]
pub(crate) fn ahead_for_writing(start: *const u8) {
    for at in (0..AHEAD).step_by(LINE) {
        line_for_writing(start.wrapping_add(at));
    }
}

/// Asks for the first [`AHEAD`] bytes at `start`, to be read. They may be anyone's, or nobody's.
#[inline(always)]
pub(crate) fn ahead_for_reading(start: *const u8) {
    for at in (0..AHEAD).step_by(LINE) {
        line_for_reading(start.wrapping_add(at));
    }
}

/// Asks for the line that `at` is in, to be written.
#[inline(always)]
pub(crate) fn line_for_writing(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads and writes nothing, whatever the address is. The intrinsic becomes a prefetch for reading
    // where the compiler is not told that the processor has the other; one that does not have it does nothing (Intel SDM,
    // PREFETCHW; every 64-bit processor takes the opcode).
    unsafe {
        std::arch::asm!("prefetchw [{at}]", at = in(reg) at, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Asks for the line that `at` is in, to be read.
#[inline(always)]
pub(crate) fn line_for_reading(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads and writes nothing, whatever the address is.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
