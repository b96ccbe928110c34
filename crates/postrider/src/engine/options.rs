//! What a push may ask for and what it tells.

use crate::event::EventId;
use std::time::Duration;

/// How safe an event is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// In the queue: lost if the process is killed.
    #[default]
    Queued,
    /// In the log: survives a killed process.
    Written,
    /// On stable storage: survives a power cut.
    Synced,
}

/// Options of one push; the default is what [`crate::engine::Engine::push`] does.
#[derive(Clone, Copy, Debug, Default)]
pub struct PushOptions {
    /// Return only when the event is this safe.
    pub level: Level,
    /// How long to wait for room and for the level; `None`: the configured `queue.policy` and `queue.wait_ms`.
    pub deadline: Option<Duration>,
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No webhook, filter or search wants this type; it was counted and costs nothing more.
    Unwanted,
    /// The queue was full and the policy is `drop`; it was counted.
    Dropped,
    /// Taken, and this safe.
    Taken(Level),
}

/// The answer to a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// What became of it.
    pub outcome: Outcome,
    /// The event's id; `None` where it was unwanted (it was not encoded).
    pub event_id: Option<EventId>,
}
