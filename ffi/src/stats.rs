//! Figures: a struct for programs, Prometheus text for scrapers.

use crate::buffer::Buffer;
use crate::error::{POSTRIDER_OK, Status};
use crate::handle::Handle;
use crate::inner::Inner;
use crate::sized::{self, Sized_};

/// Figures of one handle. All in it are of one moment; the `webhook_…` are of one log offset, and
/// balance: accepted = delivered + dead + dropped + pending.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Stats {
    /// `sizeof(postrider_statistics)`, set by the caller.
    pub size: usize,
    /// Events taken by pushes with this handle in this process.
    pub push_taken: u64,
    /// Pushes that nobody wanted.
    pub push_unwanted: u64,
    /// Pushes refused because the event was wrong.
    pub push_invalid: u64,
    /// Pushes refused for want of room.
    pub push_full: u64,
    /// Events dropped by pushes under the policy `drop`.
    pub push_dropped: u64,
    /// Pushes that waited for room.
    pub push_waited: u64,
    /// Events that went to the inbox: all of a client handle's, and those of a forked child.
    pub push_inbox: u64,
    /// Events that the engine took from the inbox. From here on 0 on a client handle.
    pub inbox_taken: u64,
    /// Bytes in the queue.
    pub queue_bytes: u64,
    /// Bytes that the queue holds at most.
    pub queue_capacity: u64,
    /// Events in the log so far: the next offset.
    pub log_written: u64,
    /// Of those, on stable storage.
    pub log_synced: u64,
    /// The offset up to which the figures below count.
    pub webhook_offset: u64,
    /// Webhooks there are.
    pub webhooks: u64,
    /// Events that webhooks wanted, each counted once per webhook.
    pub webhook_accepted: u64,
    /// Of those, accepted by the receiver.
    pub webhook_delivered: u64,
    /// Of those, given up and listed as dead letters.
    pub webhook_dead: u64,
    /// Of those, dropped for a reason that the metrics name.
    pub webhook_dropped: u64,
    /// Of those, still to be delivered.
    pub webhook_pending: u64,
}

// SAFETY: repr(C), starts with its size, integers only, no padding.
unsafe impl Sized_ for Stats {
    const NAME: &str = "postrider_statistics";
}

/// Fills `stats`, as far as its `size` says. Any thread.
///
/// # Safety
///
/// `handle` NULL or from this library, `stats` NULL or a writable struct of the size it starts
/// with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_stats(handle: *mut Handle, stats: *mut Stats) -> Status {
    Handle::with(handle, |inner| {
        let now = inner.stats()?;
        // SAFETY: as the caller vouches.
        unsafe { sized::write(stats, &now)? };
        Ok(POSTRIDER_OK)
    })
}

/// Gives all figures, by webhook and reason, in Prometheus' text format; free it with
/// `postrider_free()`. Any thread.
///
/// # Safety
///
/// `handle` NULL or from this library, `text` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_metrics(handle: *mut Handle, text: *mut Buffer) -> Status {
    Handle::with(handle, |inner: &Inner| {
        let metrics = inner.metrics()?;
        // SAFETY: as the caller vouches.
        unsafe { Buffer::give(text, "text", metrics.into_bytes())? };
        Ok(POSTRIDER_OK)
    })
}
