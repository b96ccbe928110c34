//! One life of an engine: its threads and what it holds. A forked child that restarts begins
//! another.

use super::builder::Builder;
use super::child::Child;
use super::error::CloseError;
use super::lock::DirLock;
use super::shared::Shared;
use crate::filter::RoleThread;
use crate::fork;
use crate::inbox::Watch;
use crate::time::Instant;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What filters get to end in, at least.
const FILTERS_END: Duration = Duration::from_secs(1);
/// The end of time.
const NEVER: Instant = Instant(u64::MAX);

pub(crate) struct Live {
    /// How it was opened, for a restart.
    pub(super) builder: Builder,
    pub(super) shared: Arc<Shared>,
    /// What a forked child uses instead.
    pub(super) child: Child,
    watch: Option<Arc<Watch>>,
    /// What closing ends; gone once it has begun.
    ends: Mutex<Option<Ends>>,
}

/// What ends with the engine.
#[derive(Default)]
pub(super) struct Ends {
    pub(super) writer: Option<RoleThread>,
    pub(super) sync: Option<JoinHandle<()>>,
    pub(super) watcher: Option<JoinHandle<()>>,
    /// The log's housekeeping; it ends when the writer has.
    pub(super) keeper: Option<JoinHandle<()>>,
    pub(super) lock: Option<DirLock>,
}

impl Live {
    pub(super) fn new(
        builder: Builder,
        shared: Arc<Shared>,
        child: Child,
        watch: Option<Arc<Watch>>,
        ends: Ends,
    ) -> Live {
        Live {
            builder,
            shared,
            child,
            watch,
            ends: Mutex::new(Some(ends)),
        }
    }

    /// What closing ends, to be added to while nobody else has this.
    pub(super) fn ends(&mut self) -> &mut Ends {
        let ends = self.ends.get_mut().unwrap_or_else(PoisonError::into_inner);
        ends.get_or_insert_default()
    }

    /// Ends it: the queue into the log, the log onto the disk, the batches under way to their end,
    /// all within `timeout`; what has not ended by then goes out after the next open.
    /// A second call does nothing; in a forked child it only lets go.
    pub(super) fn close(&self, timeout: Duration) -> Result<(), CloseError> {
        let shared = &self.shared;
        if fork::is_child(shared.born) {
            return Ok(());
        }
        let ends = self
            .ends
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(ends) = ends else { return Ok(()) };
        let now = || shared.clock.now().mono;
        let deadline = now().after(timeout);
        let left = || deadline.since(now());
        let mut result = Ok(());

        if let Some(watch) = &self.watch {
            watch.stop();
        }
        shared.stopping.store(true, Ordering::Release);
        shared.queue.wake();
        if !wait_until(deadline, now, || {
            shared.writer_ended.load(Ordering::Acquire)
        }) {
            result = Err(CloseError::Timeout(
                "the queue could not be written to the log",
            ));
            shared.abandon.store(true, Ordering::Release);
            shared.queue.wake();
        }
        if let Some(deliverer) = shared.deliverer.get() {
            let _ = deliverer.stop(left());
        }
        if let Some(writer) = ends.writer {
            // It may be in a filter; each has its deadline.
            wait_until(NEVER, now, || shared.writer_ended.load(Ordering::Acquire));
            writer.join();
        }
        shared.filters.close(left().max(FILTERS_END));
        shared.syncs.stop();
        join(ends.sync);
        join(ends.watcher);
        join(ends.keeper);
        if let Some(e) = shared.log.failed() {
            result = Err(CloseError::Storage(e.to_string()));
        }
        drop(ends.lock);
        result
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if fork::is_child(self.shared.born) {
            // The threads, and what they own, are the parent's: their handles name nothing here, and
            // to drop what they share could wait for one of them.
            let ends = self.ends.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(ends.take());
            std::mem::forget(self.shared.clone());
        } else {
            let _ = self.close(Duration::ZERO);
        }
    }
}

fn join(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread {
        let _ = thread.join();
    }
}

/// Polls: closing is rare, and a millisecond more costs nobody anything.
fn wait_until(deadline: Instant, now: impl Fn() -> Instant, done: impl Fn() -> bool) -> bool {
    while !done() {
        if now() >= deadline {
            return done();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}
