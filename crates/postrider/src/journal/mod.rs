//! The delivery journal: what became of each batch.
//!
//! A batch is journaled *before* the first byte of its first attempt leaves, so that after a crash
//! it goes out again under its old id with the same bytes, or not at all when its outcome was
//! recorded. Everything that the deliverer must remember is a [`Record`]; [`State`] is what the
//! records add up to, computed by one function, [`State::apply`], in the running deliverer and in
//! recovery alike. The books of every webhook are part of it and always balance.
//!
//! ```text
//! Start ─▶ Attempt ─▶ Outcome(Delivered)                    delivered
//!            ▲  └───▶ Outcome(Failed, next_at) ─┐
//!            └──────────────────────────────────┤
//!                     Dead ◀─(Replay)─▶ open    ├─▶ Dead    a dead letter, until Forget
//!                     Split ─▶ two open halves  ├─▶ Close   dropped{reason}
//!                                               ┘
//! Dropped: events that never made it into a batch.  Floor: looked at, nothing wanted.
//! ```
//!
//! Files are `%016d.jnl`: a checkpoint (the state as records, closed by their count), then the
//! records since. One [`Journal::commit`] is one write. A checkpoint goes into a new file: written,
//! synced, renamed, directory synced; the former file becomes the next one's space, so a full disk
//! stops no acknowledgement. Bytes: `docs/journal-format.md`.

/// The format written by this build.
pub const VERSION: u32 = 1;

mod error;
mod record;
mod state;

pub use error::JournalError;
pub use record::{BatchStart, Change, Code, Half, Outcome, Reason, Record, Span};
pub use state::{
    BatchStatus, Books, DeadLetter, Failure, Imbalance, OpenBatch, State, WebhookState,
};

use crate::fs::Fs;
use crate::time::Clock;
use std::path::Path;
use std::sync::Arc;

/// An open journal. One thread owns it.
pub struct Journal {}

/// What [`open`] found.
#[derive(Debug, Default)]
pub struct Recovered {
    /// What the records add up to.
    pub state: State,
    /// Records read, those of the checkpoint included.
    pub records: u64,
    /// Places where bytes stood that are no record, with good records behind them.
    pub holes: u64,
    /// True where the checkpoint holds fewer records than it says.
    pub checkpoint_damaged: bool,
}

/// Opens the journal in `dir` (made if missing), recovers its state and goes on behind the last
/// good record.
///
/// # Errors
/// [`JournalError::NewerVersion`] for a file of a later format; [`JournalError::Io`] with the path.
pub fn open(
    dir: &Path,
    fs: Arc<dyn Fs>,
    clock: Arc<dyn Clock>,
) -> Result<(Journal, Recovered), JournalError> {
    let _ = (dir, fs, clock);
    todo!()
}

impl Journal {
    /// Adds a record to what the next [`commit`](Self::commit) writes.
    pub fn append(&mut self, record: &Record) {
        let _ = record;
        todo!()
    }

    /// Writes everything appended since the last commit with one write; nothing to write costs nothing.
    ///
    /// # Errors
    /// [`JournalError::Io`]: nothing of it counts as journaled and no attempt may leave; the records
    /// stay and a later commit tries again at the same place. After a failed sync: always
    /// [`JournalError::Poisoned`].
    pub fn commit(&mut self) -> Result<(), JournalError> {
        todo!()
    }

    /// Makes what is committed survive a power cut. A failure is final: the journal must be reopened.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        todo!()
    }

    /// True when the records since the last checkpoint outgrew it.
    pub fn wants_checkpoint(&self) -> bool {
        todo!()
    }

    /// Writes `state` as a new file and drops the records that led to it. What is appended and not
    /// yet committed must be part of `state`; it counts as committed afterwards.
    ///
    /// # Errors
    /// The old file stays in use, nothing is lost, and it may be tried again later.
    pub fn checkpoint(&mut self, state: &State) -> Result<(), JournalError> {
        let _ = state;
        todo!()
    }
}
