//! The only way for `queue` to atomics and to sleeping, so that loom can stand in for both.
//!
//! Under `--cfg postrider_loom` the same names are loom's, and a sleep is a condition variable. A
//! deadline may pass at once there; one at the end of time never does, and a lost wake-up then shows
//! as a deadlock.

#[cfg(not(postrider_loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[cfg(postrider_loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::time::Instant;

/// Between two looks at what another thread is about to do.
#[inline]
pub(crate) fn spin() {
    #[cfg(not(postrider_loom))]
    std::hint::spin_loop();
    #[cfg(postrider_loom)]
    loom::thread::yield_now();
}

/// A figure for people: no order is built on it, so loom need not see it.
#[derive(Debug, Default)]
pub(crate) struct Counter(std::sync::atomic::AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
    }

    pub(crate) fn load(&self) -> u64 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// A 32-bit word that threads can sleep on.
#[derive(Debug, Default)]
pub(crate) struct Futex {
    word: AtomicU32,
    #[cfg(postrider_loom)]
    sleepers: (loom::sync::Mutex<()>, loom::sync::Condvar),
}

impl Futex {
    /// The word itself.
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.word
    }
}

#[cfg(not(postrider_loom))]
impl Futex {
    /// Sleeps while the word is `expected`, until woken or until `deadline`; may return early.
    /// False if the deadline passed.
    pub(crate) fn sleep(&self, expected: u32, deadline: Option<Instant>) -> bool {
        use rustix::thread::futex::{Flags, Timespec, wait_bitset};
        let until = deadline.map(|Instant(ns)| Timespec {
            tv_sec: (ns / 1_000_000_000) as i64,
            tv_nsec: (ns % 1_000_000_000) as _,
        });
        // Unlike the plain wait, this one takes a point on CLOCK_MONOTONIC.
        let any = std::num::NonZeroU32::MAX;
        let slept = wait_bitset(&self.word, Flags::PRIVATE, expected, until.as_ref(), any);
        slept != Err(rustix::io::Errno::TIMEDOUT)
    }

    /// Wakes everyone asleep here.
    #[cold]
    pub(crate) fn wake(&self) {
        use rustix::thread::futex::{Flags, wake};
        // It fails only for a bad address.
        let _ = wake(&self.word, Flags::PRIVATE, i32::MAX as u32);
    }
}

#[cfg(postrider_loom)]
impl Futex {
    pub(crate) fn sleep(&self, expected: u32, deadline: Option<Instant>) -> bool {
        if deadline.is_some_and(|at| at != Instant(u64::MAX)) {
            loom::thread::yield_now();
            return false;
        }
        let held = self.sleepers.0.lock().unwrap();
        // As the kernel does: the word is compared under the lock that a waker takes.
        if self.word.load(Ordering::Relaxed) == expected {
            drop(self.sleepers.1.wait(held).unwrap());
        }
        true
    }

    pub(crate) fn wake(&self) {
        let _held = self.sleepers.0.lock().unwrap();
        self.sleepers.1.notify_all();
    }
}
