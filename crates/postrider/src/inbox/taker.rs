//! Taking.

use super::InboxError;
use crate::event::Entry;
use crate::time::Clock;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How a [`Taker`] treats the files.
#[derive(Clone, Debug)]
pub struct TakerConfig {
    /// A file that has grown to this many bytes is sealed. Default 16 MiB.
    pub file_bytes: u64,
    /// What writers may pile up in all, told to them by the files' headers. Default 1 GiB.
    pub max_bytes: u64,
    /// A file that holds only taken events is sealed, and so deleted, after this. Default 1 h.
    pub idle_age: Duration,
}

/// What one [`Taker::take`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The new positions of the files that were read, as (file id, position): into the frame.
    pub positions: Vec<(u64, u64)>,
    /// Events handed to the sink and accepted by it.
    pub events: u64,
    /// Places with bytes that are no record: stumps and garbage.
    pub damaged: u64,
    /// True when there was more than `max_bytes`, or the sink stopped: call again.
    pub more: bool,
}

/// The inbox's state, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakerStats {
    /// Events taken since opening.
    pub events: u64,
    /// Damaged places passed over since opening.
    pub damaged: u64,
    /// Files there.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Files refused: links, foreign owners, other types.
    pub refused: u64,
}

/// The engine's side of an inbox. One thread owns it.
pub struct Taker {}

impl Taker {
    /// Opens the inbox directory. `recovered` are the positions that the log remembers; files not
    /// named there are taken from their beginning.
    pub fn open(
        dir: &Path,
        recovered: &[(u64, u64)],
        clock: Arc<dyn Clock>,
        config: TakerConfig,
    ) -> Result<Taker, InboxError> {
        let _ = (dir, recovered, clock, config);
        todo!()
    }

    /// Hands up to about `max_bytes` of records to `sink`, each with its text and separator, oldest file
    /// first; one writer's order is kept. The sink says whether it took the event; `false` ends
    /// the call and the event comes again. Also seals and rotates where due. Costs a few system
    /// calls when there is nothing: call it when the [`Watch`](super::Watch) fired.
    pub fn take(
        &mut self,
        max_bytes: usize,
        sink: impl FnMut(&Entry, &[u8]) -> bool,
    ) -> Result<Taken, InboxError> {
        let _ = (max_bytes, sink);
        todo!()
    }

    /// The positions of all files that are still there: for the first frame of a segment.
    pub fn positions(&self) -> Vec<(u64, u64)> {
        todo!()
    }

    /// Tells that frames with these positions are durable; deletes the sealed files that were taken
    /// to their end.
    pub fn committed(&mut self, positions: &[(u64, u64)]) -> Result<(), InboxError> {
        let _ = positions;
        todo!()
    }

    /// Seals the file that is being written, whatever its size; writers go on in a new one.
    pub fn rotate(&mut self) -> Result<(), InboxError> {
        todo!()
    }

    /// Figures since opening.
    pub fn stats(&self) -> TakerStats {
        todo!()
    }
}
