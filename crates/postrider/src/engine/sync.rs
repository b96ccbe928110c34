//! The sync thread: makes the log durable beside the writer, and acknowledges by watermark.
//!
//! One `fdatasync` serves all who asked before it began; who asks during it is served by the next.
//! What nobody asks for is synced too, `log.sync_ms` after it was written. With nothing written the
//! thread sleeps.

use super::shared::{Severity, Shared};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// What the sync thread waits for.
#[derive(Debug, Default)]
pub(crate) struct SyncCalls {
    calls: Mutex<Calls>,
    called: Condvar,
    /// A copy of `Calls::dirty`, so that the writer takes no lock per frame.
    dirty: AtomicBool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Calls {
    /// Somebody waits for it.
    asked: bool,
    /// Something was written since the last sync began.
    dirty: bool,
    stop: bool,
}

impl SyncCalls {
    /// The writer: something was written.
    pub(crate) fn written(&self) {
        if !self.dirty.load(Ordering::Acquire) {
            self.change(|calls| {
                calls.dirty = true;
                self.dirty.store(true, Ordering::Release);
            });
        }
    }

    /// A thread that is about to wait for the synced watermark.
    pub(crate) fn ask(&self) {
        self.change(|calls| calls.asked = true);
    }

    /// The engine closes: one more sync, then the thread ends.
    pub(crate) fn stop(&self) {
        self.change(|calls| calls.stop = true);
    }

    fn change(&self, change: impl FnOnce(&mut Calls)) {
        change(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner));
        self.called.notify_one();
    }

    /// Waits until a sync is due; true when it is the last.
    fn due(&self, background: Duration) -> bool {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = self
            .called
            .wait_while(calls, |c| !c.asked && !c.stop && !c.dirty)
            .unwrap_or_else(PoisonError::into_inner);
        let (mut calls, _) = self
            .called
            .wait_timeout_while(calls, background, |c| !c.asked && !c.stop)
            .unwrap_or_else(PoisonError::into_inner);
        calls.asked = false;
        calls.dirty = false;
        self.dirty.store(false, Ordering::Release);
        calls.stop
    }
}

/// Runs until the engine stops; the last sync covers everything written.
pub(crate) fn run(shared: &Arc<Shared>) {
    let mut failed = false;
    loop {
        let last = shared.syncs.due(shared.config().log_sync());
        match shared.log.sync() {
            // The inbox's sealed files wait for this.
            Ok(_) => shared.queue.wake(),
            Err(e) if !failed => {
                failed = true;
                shared.say(Severity::Error, &e.to_string());
                shared.log.synced().nudge();
            }
            Err(_) => shared.log.synced().nudge(),
        }
        if last {
            return;
        }
    }
}
