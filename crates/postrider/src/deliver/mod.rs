//! From the log to the receivers: batches, attempts, retries, and the books.
//!
//! One thread, `postrider-deliver`, owns every webhook, cursor, batch and the journal, so nothing
//! here is locked. What it decides is decided by a state machine without socket, disk or clock.

/// What fuzz targets call.
#[cfg(fuzzing)]
#[allow(missing_docs)]
pub mod fuzzing {
    pub fn retry_after(value: &str, now_ms: u64) -> Option<std::time::Duration> {
        super::retry::retry_after(value, now_ms)
    }
}

mod ahead;
mod backlog;
mod body;
mod bucket;
mod endpoint;
mod errand;
mod handle;
mod health;
mod hook;
mod render;
mod replay;
mod retry;
mod scheduler;
mod settings;
mod sites;
mod standing;
mod thread;
mod token;
mod window;

pub use crate::webhook::Condition;
pub use handle::{
    Deliverer, MakeFilters, Notice, Parts, PutError, ReplayError, Snapshot, StillNeeded,
    StopReport, Stopped, WebhookBooks,
};
pub use settings::{Pace, Retry, Settings};

#[cfg(test)]
mod tests;
