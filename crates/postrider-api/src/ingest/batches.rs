//! Which batches were taken, and which are being taken now.

use crate::backend::Backend;
use crate::failure::Failure;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// How long the id of a batch is remembered.
pub(super) const REMEMBERED_MS: u64 = 24 * 3600 * 1000;

/// The batches that are being taken: of two by the same id at the same time, one is refused.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(Mutex<HashSet<Uuid>>);

/// A batch that is being taken, until dropped.
pub(super) struct Taking<'a> {
    all: &'a UnderWay,
    id: Uuid,
}

impl UnderWay {
    /// Begins to take a batch; `None` where that was, or is being done.
    pub(super) fn begin(&self, b: &dyn Backend, id: Uuid) -> Result<Option<Taking<'_>>, Failure> {
        if !self.set().insert(id) {
            return Ok(None);
        }
        let taking = Taking { all: self, id };
        // Looked for once it is under way: whoever took it before has remembered it by then.
        Ok((!b.store().is_ingested(id, b.now_ms())?).then_some(taking))
    }

    fn set(&self) -> std::sync::MutexGuard<'_, HashSet<Uuid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taking<'_> {
    /// Its events are safe: the same batch is refused from now on.
    pub(super) fn remember(self, b: &dyn Backend) -> Result<(), Failure> {
        let now = b.now_ms();
        Ok(b.store()
            .remember_ingested(self.id, now, now + REMEMBERED_MS)?)
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        self.all.set().remove(&self.id);
    }
}
