//! The ring's memory: bytes of records, and one commit word per granule.
//!
//! Positions only grow; a position's place is its low bits, its lap the others.

#[cfg(not(postrider_loom))]
use std::io;

#[cfg(postrider_loom)]
pub(super) use modelled::Ring;

use super::word::GRANULE;
#[cfg(not(postrider_loom))]
use crate::prefetch;
use crate::sync::AtomicU64;

/// The memory of a ring, mapped and touched ahead.
#[cfg(not(postrider_loom))]
pub(super) struct Ring {
    bytes: *mut u8,
    words: *const AtomicU64,
    shift: u32,
}

#[cfg(not(postrider_loom))]
// SAFETY: the mapping is this ring's alone until dropped. Its words are atomics; its bytes are reached
// only through unsafe methods whose callers keep readers and writers apart.
unsafe impl Send for Ring {}
#[cfg(not(postrider_loom))]
// SAFETY: as above.
unsafe impl Sync for Ring {}

impl Ring {
    /// Bytes of records that the ring holds.
    #[inline]
    pub(super) fn capacity(&self) -> u64 {
        1 << self.shift
    }

    /// How often the ring had been gone round at `position`.
    #[inline]
    pub(super) fn lap(&self, position: u64) -> u64 {
        position >> self.shift
    }

    /// Bytes from `position` to the end of its lap.
    #[inline]
    pub(super) fn to_end(&self, position: u64) -> u64 {
        self.capacity() - self.place(position) as u64
    }

    #[inline]
    fn place(&self, position: u64) -> usize {
        (position & (self.capacity() - 1)) as usize
    }
}

#[cfg(not(postrider_loom))]
impl Ring {
    /// Maps a ring of 2^`shift` bytes.
    pub(super) fn new(shift: u32) -> io::Result<Ring> {
        use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};
        let len = Self::mapped(shift);
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new anonymous mapping touches no memory of anyone's.
        let start =
            unsafe { mmap_anonymous(std::ptr::null_mut(), len, access, MapFlags::PRIVATE) }?;
        // A host that forks neither copies these pages nor pays for copies on write after it: a child
        // finds an empty ring. Refused by old kernels; then forks are dearer.
        // SAFETY: the advice is for the mapping just made, which holds nothing yet.
        let _ = unsafe { madvise(start, len, Advice::LinuxWipeOnFork) };
        for page in (0..len).step_by(4096) {
            // SAFETY: inside the mapping, and nobody else has it yet.
            unsafe { start.cast::<u8>().add(page).write_volatile(0) };
        }
        Ok(Ring {
            bytes: start.cast(),
            // SAFETY: the words lie behind the bytes, in the same mapping.
            words: unsafe { start.cast::<u8>().add(1 << shift) }.cast(),
            shift,
        })
    }

    fn mapped(shift: u32) -> usize {
        (1 << shift) + ((1 << shift) / GRANULE) * size_of::<AtomicU64>()
    }

    /// The commit word of the granule at `position`.
    #[inline]
    pub(super) fn word(&self, position: u64) -> &AtomicU64 {
        // SAFETY: a place is below the capacity, so its granule has a word; zeroes are a valid one.
        unsafe { &*self.words.add(self.place(position) / GRANULE) }
    }

    /// Has the processor fetch what a claim at `position` will be written to.
    #[inline]
    pub(super) fn prefetch_claim(&self, position: u64) {
        let (word, bytes) = self.ahead(position);
        prefetch::line_for_writing(word);
        prefetch::ahead_for_writing(bytes);
    }

    /// Has the processor fetch what will be read at `position`.
    #[inline]
    pub(super) fn prefetch_record(&self, position: u64) {
        let (word, bytes) = self.ahead(position);
        prefetch::line_for_reading(word);
        prefetch::ahead_for_reading(bytes);
    }

    /// Where the commit word and the bytes at `position` are. What is asked for behind the last lap's end is words.
    #[inline]
    fn ahead(&self, position: u64) -> (*const u8, *const u8) {
        let place = self.place(position);
        let word = self.words.wrapping_add(place / GRANULE);
        (word.cast(), self.bytes.wrapping_add(place))
    }

    /// The bytes of a committed record.
    ///
    /// # Safety
    /// `[position, position + len)` lies within one lap; its commit was acquired and its space is not
    /// released while the slice lives.
    #[inline]
    pub(super) unsafe fn read(&self, position: u64, len: usize) -> &[u8] {
        // SAFETY: inside the mapping; nobody writes there between commit and release.
        unsafe { std::slice::from_raw_parts(self.bytes.add(self.place(position)), len) }
    }

    /// The bytes of a claim.
    ///
    /// # Safety
    /// `[position, position + len)` lies within one lap and was claimed by the caller alone, who has
    /// not committed it while the slice lives.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "claims do not overlap")]
    pub(super) unsafe fn write(&self, position: u64, len: usize) -> &mut [u8] {
        // SAFETY: inside the mapping; a claim is its claimant's alone.
        unsafe { std::slice::from_raw_parts_mut(self.bytes.add(self.place(position)), len) }
    }
}

#[cfg(not(postrider_loom))]
impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`; nothing that borrows from it outlives the ring.
        let _ = unsafe { rustix::mm::munmap(self.bytes.cast(), Self::mapped(self.shift)) };
    }
}

/// The same on the heap, where loom sees every access.
#[cfg(postrider_loom)]
mod modelled {
    use std::cell::UnsafeCell;
    use std::io;

    use super::{AtomicU64, GRANULE};

    pub(in crate::queue) struct Ring {
        bytes: Box<[UnsafeCell<u8>]>,
        /// One per granule: loom reports two accesses to it that nothing orders.
        touched: Box<[loom::cell::UnsafeCell<()>]>,
        words: Box<[AtomicU64]>,
        pub(super) shift: u32,
    }

    // SAFETY: as for the mapped ring.
    unsafe impl Send for Ring {}
    // SAFETY: as for the mapped ring.
    unsafe impl Sync for Ring {}

    impl Ring {
        pub(in crate::queue) fn new(shift: u32) -> io::Result<Ring> {
            let granules = (1 << shift) / GRANULE;
            Ok(Ring {
                bytes: (0..1 << shift).map(|_| UnsafeCell::new(0)).collect(),
                touched: (0..granules).map(|_| Default::default()).collect(),
                words: (0..granules).map(|_| AtomicU64::new(0)).collect(),
                shift,
            })
        }

        pub(in crate::queue) fn prefetch_claim(&self, _: u64) {}

        pub(in crate::queue) fn prefetch_record(&self, _: u64) {}

        pub(in crate::queue) fn word(&self, position: u64) -> &AtomicU64 {
            &self.words[self.place(position) / GRANULE]
        }

        pub(in crate::queue) unsafe fn read(&self, position: u64, len: usize) -> &[u8] {
            let place = self.place(position);
            for granule in &self.touched[place / GRANULE..(place + len).div_ceil(GRANULE)] {
                granule.with(|_| ());
            }
            let bytes = &self.bytes[place..place + len];
            // SAFETY: as for the mapped ring; loom has checked it.
            unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), len) }
        }

        #[expect(clippy::mut_from_ref, reason = "claims do not overlap")]
        pub(in crate::queue) unsafe fn write(&self, position: u64, len: usize) -> &mut [u8] {
            let place = self.place(position);
            for granule in &self.touched[place / GRANULE..(place + len).div_ceil(GRANULE)] {
                granule.with_mut(|_| ());
            }
            let bytes = &self.bytes[place..place + len];
            // SAFETY: as for the mapped ring; loom has checked it.
            unsafe { std::slice::from_raw_parts_mut(bytes.as_ptr().cast_mut().cast(), len) }
        }
    }
}
