//! One life of an engine: its threads and what it holds. A forked child that restarts begins
//! another.

use super::builder::Builder;
use super::child::Child;
use super::error::CloseError;
use super::lock::DirLock;
use super::shared::Shared;
use crate::fork;
use crate::inbox::Watch;
use crate::time::Instant;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) struct Live {
    /// How it was opened, for a restart.
    pub(super) builder: Builder,
    pub(super) shared: Arc<Shared>,
    /// What a forked child uses instead.
    pub(super) child: Child,
    pub(super) writer: Option<JoinHandle<()>>,
    pub(super) sync: Option<JoinHandle<()>>,
    pub(super) watcher: Option<JoinHandle<()>>,
    watch: Option<Arc<Watch>>,
    closed: bool,
    lock: Option<DirLock>,
}

impl Live {
    pub(super) fn new(
        builder: Builder,
        shared: Arc<Shared>,
        lock: Option<DirLock>,
        child: Child,
        watch: Option<Arc<Watch>>,
    ) -> Live {
        Live {
            builder,
            shared,
            child,
            writer: None,
            sync: None,
            watcher: None,
            watch,
            closed: false,
            lock,
        }
    }

    /// Ends it: the queue into the log, the log onto the disk, the batches under way to their end,
    /// all within `timeout`; what has not ended by then goes out after the next open.
    pub(super) fn close(&mut self, timeout: Duration) -> Result<(), CloseError> {
        if std::mem::replace(&mut self.closed, true) {
            return Ok(());
        }
        let shared = &self.shared;
        if fork::is_child(shared.born) {
            self.forget();
            return Ok(());
        }
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
        join(self.writer.take());
        shared.syncs.stop();
        join(self.sync.take());
        join(self.watcher.take());
        if let Some(e) = shared.log.failed() {
            result = Err(CloseError::Storage(e.to_string()));
        }
        self.lock = None;
        result
    }

    /// In a forked child: the threads, and what they own, are the parent's. Their handles name
    /// nothing here, and to drop what they share could wait for one of them.
    fn forget(&mut self) {
        for thread in [self.writer.take(), self.sync.take(), self.watcher.take()] {
            std::mem::forget(thread);
        }
        std::mem::forget(self.shared.clone());
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.close(Duration::ZERO);
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
