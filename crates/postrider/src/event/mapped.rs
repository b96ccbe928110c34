//! Bytes on pages of their own.
//!
//! An allocator may clear what it hands out by writing to all of it. Pages from the kernel are zero, and cost
//! nothing until they are touched: a process of a few milliseconds touches one of 33.

use std::alloc::{Layout, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// `N` bytes, zero at first.
pub(super) struct Mapped<const N: usize>(NonNull<[u8; N]>);

// SAFETY: the mapping is its owner's alone, as a box's memory is.
unsafe impl<const N: usize> Send for Mapped<N> {}
// SAFETY: as above; a shared borrow only reads.
unsafe impl<const N: usize> Sync for Mapped<N> {}

impl<const N: usize> Mapped<N> {
    /// Maps the bytes. Where there is no memory, that is handled as for any allocation.
    pub(super) fn new() -> Mapped<N> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new anonymous mapping touches no memory of anyone's.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), N, access, MapFlags::PRIVATE) };
        match NonNull::new(start.unwrap_or(ptr::null_mut())) {
            Some(start) => Mapped(start.cast()),
            None => handle_alloc_error(Layout::new::<[u8; N]>()),
        }
    }
}

impl<const N: usize> Drop for Mapped<N> {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`; nothing that borrows from it outlives this.
        let _ = unsafe { munmap(self.0.as_ptr().cast(), N) };
    }
}

impl<const N: usize> Deref for Mapped<N> {
    type Target = [u8; N];

    #[inline(always)]
    fn deref(&self) -> &[u8; N] {
        // SAFETY: mapped, readable and initialised for `N` bytes; borrowed as `self` is.
        unsafe { self.0.as_ref() }
    }
}

impl<const N: usize> DerefMut for Mapped<N> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [u8; N] {
        // SAFETY: as in `deref`, and writable; borrowed mutably as `self` is.
        unsafe { self.0.as_mut() }
    }
}

impl<const N: usize> std::fmt::Debug for Mapped<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mapped({N} bytes)")
    }
}
