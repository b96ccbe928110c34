//! Sleeping until something changes, at no cost in system calls while nobody sleeps.
//!
//! Who waits: [`arm`](Bell::arm), look at the condition *again*, then [`sleep`](Bell::sleep).
//! Who changes the condition: change it, then [`ring`](Bell::ring).
//!
//! Both `arm` and `ring` are read-modify-writes of one word, so one comes first. Is it `ring`, then
//! `arm` acquires what was changed before it, and the second look sees it. Is it `arm`, then `ring`
//! finds the bit, moves the count and wakes; whoever has armed but does not sleep yet finds the count
//! moved. The count is why a second waiter that arms at once cannot send the first to sleep.
//!
//! No fence and no sequentially consistent order is needed: one location's history is enough.

use crate::sync::{Futex, Ordering};
use crate::time::Instant;

/// Set while somebody may sleep; the count of rings is above it.
const ARMED: u32 = 1;

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Bell(Futex);

/// What [`Bell::arm`] saw; good for one [`Bell::sleep`].
pub(super) struct Armed(u32);

impl Bell {
    /// Announces that the caller is about to sleep.
    pub(super) fn arm(&self) -> Armed {
        Armed(self.0.word().fetch_or(ARMED, Ordering::AcqRel) | ARMED)
    }

    /// Sleeps unless the bell rang since `armed`; may return early. False if `deadline` passed.
    pub(super) fn sleep(&self, armed: Armed, deadline: Option<Instant>) -> bool {
        self.0.sleep(armed.0, deadline)
    }

    /// Takes the announcement back. Only for a bell with one waiter: another's would go with it.
    pub(super) fn disarm(&self) {
        self.0.word().fetch_and(!ARMED, Ordering::Relaxed);
    }

    /// Whether somebody may sleep. It orders nothing: only for those who know by other means that they
    /// see an `arm` that matters.
    #[inline]
    pub(super) fn is_armed(&self) -> bool {
        self.0.word().load(Ordering::Relaxed) & ARMED != 0
    }

    /// Wakes everyone who armed; tells whether somebody had.
    #[inline]
    pub(super) fn ring(&self) -> bool {
        let armed = self.0.word().fetch_and(!ARMED, Ordering::AcqRel) & ARMED != 0;
        if armed {
            self.0.word().fetch_add(ARMED << 1, Ordering::Release);
            self.0.wake();
        }
        armed
    }
}
