//! Filters in their order, and a batch on its way through them.

use super::batch::Batch;
use super::role::{Call, Hand, Role};
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
    /// Whether it belongs to the filters that end there; one without any filter belongs to all.
    pub(super) fn is_of(&self, ending: &Ending) -> bool {
        self.stages.is_empty() || Arc::ptr_eq(&self.ending, ending)
    }

    /// Whether any filter in force sees the event.
    #[inline]
    pub(super) fn selects(&self, entry: &Entry) -> bool {
        self.stages.iter().any(|stage| stage.selection.takes(entry))
    }

    /// Takes a batch through the filters from `from` on, on this thread. `None` when a call did not return in time: role and
    /// batch are another thread's by then, and this one is to end.
    pub(super) fn run<R: Role>(
        self: Arc<Self>,
        mut role: Box<R>,
        batch: Batch,
        from: usize,
    ) -> Option<(Box<R>, Batch)> {
        // Should this thread be lost, what it holds is not let go of: so that is little.
        let clock = role.seat().filters().clock().clone();
        let picked = Vec::new();
        let (mut chain, mut hand) = (self, Hand { batch, picked });
        for at in from..chain.stages.len() {
            let stage = chain.stages[at].clone();
            let Hand { batch, picked } = &mut hand;
            batch.pick(&stage.selection, picked);
            if picked.is_empty() {
                continue;
            }
            let start = clock.now();
            if !stage.admits(start.mono) {
                stage.pass_by(batch, picked);
                continue;
            }
            if let Some(unread) = batch.pick_out_unread(picked) {
                stage.pass_by(batch, &unread);
                if picked.is_empty() {
                    continue;
                }
            }
            let desk = match role.seat().desk() {
                Ok(desk) => desk,
                // A call that nobody watches is not made: the policy decides.
                Err(e) => {
                    let filters = role.seat().filters();
                    filters.say_unwatched(&stage.spec.name, &e);
                    stage.pass_by(batch, picked);
                    continue;
                }
            };
            let shared = Arc::new(hand);
            desk.lay(Call {
                role,
                chain,
                at,
                hand: shared.clone(),
            });
            // SAFETY: a chain is run from the one seat of its filters, whose role is on the desk; what is in the hand lives as
            // long as the call.
            let status = unsafe { stage.call(&shared, start.unix_ms) };
            let call = desk.take()?;
            let end = clock.now().mono;
            (role, chain) = (call.role, call.chain);
            drop(call.hand);
            hand = Arc::into_inner(shared).expect("shared with the desk alone");
            // SAFETY: after the call, with what it was given.
            unsafe { stage.settle(&mut hand, (status, end.since(start.mono)), end) };
        }
        Some((role, hand.batch))
    }

    /// The filter at `at` is lost in a call; what its policy makes of what it was given.
    pub(super) fn lose(&self, at: usize, hand: &Hand, clock: &dyn Clock) -> Batch {
        let mut batch = hand.batch.clone();
        self.stages[at].lose(&mut batch, &hand.picked, clock.now().mono);
        batch
    }
}
