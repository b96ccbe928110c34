//! A lock that a fork cannot leave held.

use std::cell::UnsafeCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::futex;

use super::generation;

const FREE: u32 = 0;
/// Set in the word while somebody may sleep on it.
const CONTENDED: u32 = 1 << 31;

/// A mutual exclusion that is free in a forked child whoever held it in the parent.
///
/// The word holds the [`generation`] of the process whose thread holds the lock. One of another
/// generation belongs to a thread that does not exist here: the lock is taken over, and since that
/// thread may have been half-way through a change, the value is made anew and the old one is neither
/// read nor dropped. Taking it allocates nothing by itself and makes a system call only under
/// contention.
///
/// It must not lie in memory that parent and child share, and the thread that holds it must not fork.
pub struct ChildLock<T> {
    word: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the word lets one thread of a process at the value at a time, so sharing the lock only moves
// the value between threads.
unsafe impl<T: Send> Sync for ChildLock<T> {}

impl<T> ChildLock<T> {
    /// A free lock.
    pub const fn new(value: T) -> Self {
        ChildLock {
            word: AtomicU32::new(FREE),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits for the lock. `renew` makes the value that replaces one which a fork caught in use.
    pub fn lock(&self, renew: impl FnOnce() -> T) -> ChildGuard<'_, T> {
        let ours = generation();
        let mut renew = Some(renew);
        let mut fresh = None;
        // What to store when taking: who has slept keeps the mark, since others may sleep still.
        let mut taken = ours;
        let mut seen = self.word.load(Ordering::Relaxed);
        loop {
            if seen & !CONTENDED != ours {
                let inherited = seen != FREE;
                if inherited && let Some(renew) = renew.take() {
                    // Before the lock is taken, so that a panic leaves it as it was.
                    fresh = Some(renew());
                }
                match self.exchange(seen, taken) {
                    Ok(_) if inherited => {
                        let fresh = fresh.expect("made above, the first time one was seen");
                        // SAFETY: the lock is ours. What is overwritten may be half-changed: it is
                        // not dropped.
                        unsafe { self.value.get().write(fresh) };
                        return ChildGuard { lock: self };
                    }
                    Ok(_) => return ChildGuard { lock: self },
                    Err(now) => seen = now,
                }
            } else if seen & CONTENDED == 0 {
                match self.exchange(seen, seen | CONTENDED) {
                    Ok(_) => seen |= CONTENDED,
                    Err(now) => seen = now,
                }
            } else {
                taken = ours | CONTENDED;
                let _ = futex::wait(&self.word, futex::Flags::PRIVATE, seen, None);
                seen = self.word.load(Ordering::Relaxed);
            }
        }
    }

    fn exchange(&self, seen: u32, new: u32) -> Result<u32, u32> {
        self.word
            .compare_exchange_weak(seen, new, Ordering::Acquire, Ordering::Relaxed)
    }
}

impl<T> fmt::Debug for ChildLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildLock").finish_non_exhaustive()
    }
}

/// The held lock; free again when dropped.
#[derive(Debug)]
pub struct ChildGuard<'a, T> {
    lock: &'a ChildLock<T>,
}

impl<T> Drop for ChildGuard<'_, T> {
    fn drop(&mut self) {
        if self.lock.word.swap(FREE, Ordering::Release) & CONTENDED != 0 {
            let _ = futex::wake(&self.lock.word, futex::Flags::PRIVATE, 1);
        }
    }
}

impl<T> Deref for ChildGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard is the proof that this thread holds the lock.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for ChildGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and the guard is borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}
