//! A value that is read on every push and replaced almost never.
//!
//! Readers get a plain reference, for one load. So a replaced value is not freed before the slot
//! itself: only a forked child that restarts replaces it, once in its life.

use std::sync::atomic::{AtomicPtr, Ordering};

pub(crate) struct Slot<T> {
    current: AtomicPtr<T>,
}

// SAFETY: the slot hands out `&T` to any thread and moves `T` out to the thread that drops it.
unsafe impl<T: Send + Sync> Sync for Slot<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Slot<T> {}

impl<T> Slot<T> {
    pub(crate) fn new(value: T) -> Self {
        Slot {
            current: AtomicPtr::new(Box::into_raw(Box::new(value))),
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> &T {
        // SAFETY: the pointer comes from Box::into_raw and is freed only in `drop`, which has the
        // slot to itself; `replace` leaks what it replaces.
        unsafe { &*self.current.load(Ordering::Acquire) }
    }

    /// Puts a new value in force; the former one stays where references to it may still be.
    pub(crate) fn replace(&self, value: T) {
        self.current
            .store(Box::into_raw(Box::new(value)), Ordering::Release);
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        // SAFETY: from Box::into_raw, and nobody else is left to use it.
        drop(unsafe { Box::from_raw(*self.current.get_mut()) });
    }
}
