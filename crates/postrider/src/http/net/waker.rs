//! Waking the loop from other threads, with a system call only when it sleeps.
//!
//! One word says what the loop does. Both sides change it by read-modify-write, so one of two
//! things happens: the waker sees `ASLEEP` and makes the call, or the loop, about to sleep, sees
//! `WOKEN` and does not.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

use mio::{Registry, Token};

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const WOKEN: u8 = 2;

/// Wakes the thread that is in [`Client::poll`](super::Client::poll). Cheap to call often.
#[derive(Debug)]
pub struct Waker {
    state: AtomicU8,
    waker: mio::Waker,
}

impl Waker {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        Ok(Waker {
            state: AtomicU8::new(AWAKE),
            waker: mio::Waker::new(registry, token)?,
        })
    }

    /// Makes the current or the next poll return at once. What was written before this call is
    /// visible to the polling thread after that poll.
    pub fn wake(&self) {
        if self.state.swap(WOKEN, Ordering::AcqRel) == ASLEEP {
            // Fails only where the counter is full, and then the loop is awake anyway.
            let _ = self.waker.wake();
        }
    }

    /// For the loop: whether it may sleep. If not, someone has woken it meanwhile.
    pub(super) fn fall_asleep(&self) -> bool {
        self.state
            .compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// For the loop: it is awake and will look at everything there is.
    pub(super) fn awake(&self) {
        self.state.swap(AWAKE, Ordering::AcqRel);
    }
}
