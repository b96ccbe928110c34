//! Filters in their order, and a batch on its way through them.

use super::batch::Batch;
use super::runner::Turnstile;
use super::spec::FilterSpec;
use super::stage::Stage;
use crate::event::Entry;
use crate::thread;
use crate::time::Clock;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Threads that end filters which are no longer in the chain.
pub(super) type Ending = Arc<Mutex<Vec<JoinHandle<()>>>>;

/// Filters in their order. Immutable: a change makes another.
///
/// Whoever lets go of a filter last, which may be the writer in the middle of its work, leaves its end to a thread of its own: what
/// `destroy` does may take its time, or never return.
#[derive(Default)]
pub(super) struct Chain {
    /// As the operator gave it, filters that are off included.
    pub(super) specs: Vec<FilterSpec>,
    /// Those in force.
    pub(super) stages: Vec<Arc<Stage>>,
    pub(super) ending: Ending,
}

impl Drop for Chain {
    fn drop(&mut self) {
        let stages = std::mem::take(&mut self.stages);
        let last: Vec<Stage> = stages.into_iter().filter_map(Arc::into_inner).collect();
        if last.is_empty() {
            return;
        }
        let mut ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        ending.retain(|thread| !thread.is_finished());
        ending.extend(thread::spawn("postrider-filter", move || drop(last)));
    }
}

impl Chain {
    /// Whether any filter in force sees the event.
    #[inline]
    pub(super) fn selects(&self, entry: &Entry) -> bool {
        self.stages.iter().any(|stage| stage.selection.takes(entry))
    }

    /// Takes a batch through the filters from `from` on. `None` when a call did not return in time: the
    /// batch is with the writer then, and this thread, should it ever come here, is to end.
    pub(super) fn run(
        &self,
        mut batch: Batch,
        from: usize,
        turnstile: &Turnstile,
        clock: &dyn Clock,
    ) -> Option<Batch> {
        let mut picked = Vec::new();
        for (at, stage) in self.stages.iter().enumerate().skip(from) {
            batch.pick(&stage.selection, &mut picked);
            if picked.is_empty() {
                continue;
            }
            if !stage.admits(clock.now().mono) {
                stage.pass_by(&mut batch, &picked);
                continue;
            }
            let unread = picked.iter().any(|&i| batch.is_unread(i as usize));
            if unread {
                let (bad, good): (Vec<u32>, Vec<u32>) =
                    picked.iter().partition(|&&i| batch.is_unread(i as usize));
                stage.pass_by(&mut batch, &bad);
                picked = good;
                if picked.is_empty() {
                    continue;
                }
            }
            let shared = Arc::new(batch);
            turnstile.enter(at, &shared, &picked);
            // SAFETY: this thread is the chain's only one while it is not given up, which `leave` tells; the
            // batch is shared with it.
            let called = unsafe { stage.call(&shared, &picked, clock) };
            if !turnstile.leave() {
                return None;
            }
            batch = Arc::into_inner(shared)?;
            // SAFETY: after the call, with what it was given.
            unsafe { stage.settle(&mut batch, &picked, called, clock.now().mono) };
        }
        Some(batch)
    }

    /// The filter at `at` is lost in a call with a batch; what its policy makes of that.
    pub(super) fn lose(
        &self,
        at: usize,
        batch: &Batch,
        picked: &[u32],
        clock: &dyn Clock,
    ) -> Batch {
        let mut batch = batch.clone();
        self.stages[at].lose(&mut batch, picked, clock.now().mono);
        batch
    }
}
