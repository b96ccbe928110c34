//! The host of filters: shared objects that see each batch between queue and log.
//!
//! ```text
//!  writer: queue ──batch──▶ filter ─▶ filter ─▶ filter ──batch──▶ log
//!                              └─ a watcher looks how long each call takes
//! ```
//!
//! The idea in three rules:
//!
//! - **Foreign code sees borrowed memory and changes nothing.** A filter's calls are noted in its
//!   `turn`, and what they add up to is applied to the batch after it has returned, event by event. So of
//!   an event that failed nothing stays, and of a call that never returns neither.
//! - **A call that never returns is abandoned with its thread.** What the thread does otherwise, its `role`, is another's from
//!   then on, who goes on behind the lost filter; the batch stays shared with the call.
//! - **Failure has one way out: the filter's policy.** A refused change, a strange verdict, a tripped breaker, a
//!   lost filter: the events concerned go on as they were, or are held.
//!
//! A set of filters is immutable; a change makes a new one beside it, which the writer finds at its next batch.
//! Nothing is ever unloaded. The contract is `include/postrider_filter.h`, in Rust `postrider_filter::abi`.

mod batch;
mod breaker;
mod chain;
mod error;
mod filters;
mod host;
mod instance;
mod load;
mod members;
mod role;
mod selection;
mod sheet;
mod spec;
mod stage;
mod stats;
mod trial;
mod turn;

#[cfg(test)]
mod tests;

pub use batch::{Batch, Buffer, Fate};
pub use error::{FilterError, LoadError, Problem};
pub use filters::{Filters, InForce, Parts, Say};
pub(crate) use load::sweep;
pub use role::{Role, RoleThread, Seat};
pub use spec::{FilterSpec, OnFailure};
pub use stats::{FilterStats, FilterStatus, State};
pub use trial::{About, Report, Trial, Verdict};
