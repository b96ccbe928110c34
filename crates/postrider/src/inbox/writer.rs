//! Appending.

use super::InboxError;
use crate::event::Entry;
use std::path::Path;

/// Appends events to an inbox. Opens nothing before it must; allocates only when made. For one
/// thread of one process: a forked child must use a writer that was not used before the fork,
/// since both would share one file description and its lock.
pub struct Writer {}

impl Writer {
    /// A writer for the inbox directory `dir`; nothing is opened or checked yet.
    pub fn prepared(dir: &Path) -> Writer {
        let _ = dir;
        todo!()
    }

    /// Opens the inbox directory `dir` and checks it.
    pub fn open(dir: &Path) -> Result<Writer, InboxError> {
        let _ = dir;
        todo!()
    }

    /// Appends one event; `text` is the JSON with its separator, `entry` describes it. On return the
    /// event survives the end of this process: it is `written`.
    pub fn append(&mut self, entry: &Entry, text: &[u8]) -> Result<(), InboxError> {
        let _ = (entry, text);
        todo!()
    }

    /// Makes what this writer appended survive a power cut.
    pub fn sync(&mut self) -> Result<(), InboxError> {
        todo!()
    }
}
