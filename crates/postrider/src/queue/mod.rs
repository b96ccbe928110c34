//! The queue between the threads that push and the one thread that writes.
//!
//! A bounded ring of bytes. A producer *claims* exactly what its record needs by moving the tail, fills
//! it, and *commits* it with one atomic store; the drain takes what is committed, in order, and releases
//! it by moving the head, once per drain. No locks, no allocation; a system call only to wake someone
//! who sleeps.
//!
//! ```text
//!            drained and free │ committed │ claimed, being filled │ free
//!  bytes    ──────────────────┼───────────┼───────────────────────┼──────────────
//!                             ▲ head                              ▲ tail
//!  words     ·    ·    ·      R    R    P      ·     R    ·       ·    ·    ·
//!            one per granule of 64 bytes: what begins there, on which lap
//! ```
//!
//! - **Commit words lie apart from the bytes**, and each says the lap it was written on. So a word can
//!   never be mistaken for payload, and the drain need not zero what it has read. The price is an eighth
//!   more memory and, per push, one more cache line.
//! - **A record is contiguous.** The end of a lap that is too short for the next record becomes padding,
//!   claimed together with the record. An abandoned claim becomes padding too.
//! - **Order**: positions are handed out by one location, so a thread's records, and those that happened
//!   before each other across threads, are drained in that order.
//! - **Full** is an answer, found before anything is claimed; see [`FullPolicy`].
//! - **Sleeping** is by one small protocol, in `bell.rs`, used for the drain, for producers that wait
//!   for space and for [`Watermark`].
//!
//! A producer that stops for good between claim and commit stops the drain behind it, and once the ring
//! is full, every push. It has nothing to wait for there, so only a killed or suspended thread can do
//! that; `docs/queue.md` says more.

mod bell;
mod drain;
mod policy;
mod push;
mod ring;
mod watermark;
mod word;

#[cfg(all(test, postrider_loom))]
mod loom_models;
#[cfg(all(test, not(postrider_loom)))]
mod stress;
#[cfg(all(test, not(postrider_loom)))]
mod tests;

use std::sync::Arc;

pub use drain::{Drain, Drained};
pub use policy::{FullPolicy, QueueCounters, QueueError, Refused};
pub use push::{Claim, Queue};
pub use watermark::Watermark;

/// The smallest capacity of a queue, in bytes.
pub const MIN_CAPACITY: usize = 4 << 10;
/// The largest capacity of a queue, in bytes.
pub const MAX_CAPACITY: usize = 1 << 30;

/// Makes a queue of `capacity_bytes`, a power of two, and its one drain. The memory is touched
/// ahead, so that no push meets a page fault.
pub fn queue(capacity_bytes: usize) -> Result<(Arc<Queue>, Drain), QueueError> {
    if !capacity_bytes.is_power_of_two() || !(MIN_CAPACITY..=MAX_CAPACITY).contains(&capacity_bytes)
    {
        return Err(QueueError::Capacity(capacity_bytes));
    }
    with_shift(capacity_bytes.ilog2()).map_err(|source| QueueError::Map {
        bytes: capacity_bytes,
        source,
    })
}

fn with_shift(shift: u32) -> std::io::Result<(Arc<Queue>, Drain)> {
    let queue = Arc::new(Queue::over(ring::Ring::new(shift)?));
    let drain = Drain::of(Arc::clone(&queue));
    Ok((queue, drain))
}
