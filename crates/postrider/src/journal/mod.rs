//! The delivery journal: what became of each batch.
//!
//! A batch is journaled *before* the first byte of its first attempt leaves, so that after a crash
//! it goes out again under its old id with the same bytes, or not at all when its outcome was
//! recorded. Everything that the deliverer must remember is a [`Record`]; [`State`] is what the
//! records add up to, computed by one function, [`State::apply`], in the running deliverer and in
//! recovery alike. The books of every webhook are part of it and always balance.
//!
//! ```text
//! Start ─▶ (Rendered) ─▶ Attempt ─▶ Outcome(Delivered)      delivered
//!                         ▲  └───▶ Outcome(Failed, next_at) ─┐
//!                         └──────────────────────────────────┤
//!                     Dead ◀─(Replay)─▶ open                 ├─▶ Dead    a dead letter, until Forget
//!                     Split ─▶ two open halves               ├─▶ Close   dropped{reason}
//!                                                            ┘
//! Dropped: events that never made it into a batch.  Floor: looked at, nothing wanted.
//! ```
//!
//! Files are `%016d.jnl`: a checkpoint (the state as records, closed by their count), then the
//! records since. One [`Journal::commit`] is one write. A checkpoint goes into a new file: written,
//! synced, renamed, directory synced; the former file becomes the next one's space, so a full disk
//! stops no acknowledgement. What filters of a webhook made of a batch is a file of its own, durable before the record
//! that names it. Bytes: `docs/journal-format.md`.

mod batch;
mod codec;
mod error;
mod file;
mod frames;
mod history;
mod listed;
mod record;
mod renderings;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;

pub use batch::{BatchStatus, DeadLetter, Failure, OpenBatch, Rendered};
pub use error::JournalError;
pub use file::{Journal, Recovered, open, read};
pub use record::{
    Accounts, Asked, BatchStart, Change, Code, Half, Hold, Outcome, Reason, Record, Span,
    TOKEN_CODE,
};
pub use renderings::{Rendering, RenderingWriter, Renderings, Written};
pub use state::{Books, Imbalance, State, WebhookState};

/// The format written by this build. It reads version 1 too, which knew no rendered batches.
pub const VERSION: u32 = 2;
