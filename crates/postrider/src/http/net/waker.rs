//! Waking the loop from other threads, with a system call only when it sleeps.

/// Wakes the thread that is in [`Client::poll`](super::Client::poll). Cheap to call often.
#[derive(Debug)]
pub struct Waker {}

impl Waker {
    /// Makes the current or the next poll return at once. What was written before this call is
    /// visible to the polling thread after that poll.
    pub fn wake(&self) {
        todo!()
    }
}
