//! Waiting for writers.

use std::io;
use std::path::Path;

/// Waits for changes of an inbox directory (inotify), or to be stopped.
pub struct Watch {}

/// Why [`Watch::wait`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Something was written, or may have been.
    Written,
    /// [`Watch::stop`] was called.
    Stopped,
}

impl Watch {
    /// Watches `dir`. Where the system has no inotify left, [`wait`](Self::wait) returns every 100 ms instead.
    pub fn open(dir: &Path) -> io::Result<Watch> {
        let _ = dir;
        todo!()
    }

    /// Blocks until something was written since the last return, or the watch is stopped.
    pub fn wait(&self) -> io::Result<Woken> {
        todo!()
    }

    /// Ends every wait, now and later. Callable from any thread.
    pub fn stop(&self) {
        todo!()
    }
}
