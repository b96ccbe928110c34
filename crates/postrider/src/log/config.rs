//! What a log is opened with.

use super::error::LogError;
use crate::fs::{Fs, RealFs};
use crate::time::{Clock, SystemClock};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The least `segment_bytes`.
pub(super) const LEAST_SEGMENT: u64 = 2 << 20;

/// What a log is opened with.
#[derive(Clone)]
pub struct LogConfig {
    /// The log's own directory, made if its parent exists; `None` keeps the log in memory.
    pub dir: Option<PathBuf>,
    /// The size of a segment file: 2 MiB to 1 GiB.
    pub segment_bytes: u64,
    /// What all segments together may take; at least four segments. The disk is written no
    /// fuller than this, whatever webhooks still need.
    pub max_bytes: u64,
    /// What the frames of a log in memory may take; at least 8 MiB.
    pub memory_bytes: usize,
    /// How long events stay readable that no webhook needs any more; zero: not at all.
    pub keep: Duration,
    /// How many bytes of the newest frames are kept in memory beside the disk.
    pub tail_bytes: usize,
    /// How long [`LogWriter::append`](super::LogWriter::append) waits for room before it answers
    /// [`LogError::Full`](super::LogError::Full).
    pub full_wait: Duration,
    /// The file system.
    pub fs: Arc<dyn Fs>,
    /// The clock that frames are stamped with.
    pub clock: Arc<dyn Clock>,
}

impl LogConfig {
    /// A log on the real file system, in `dir`, with the documented defaults.
    pub fn on_disk(dir: impl Into<PathBuf>) -> LogConfig {
        LogConfig {
            dir: Some(dir.into()),
            ..LogConfig::in_memory()
        }
    }

    /// A log in memory with the documented defaults.
    pub fn in_memory() -> LogConfig {
        LogConfig {
            dir: None,
            segment_bytes: 64 << 20,
            max_bytes: 10 << 30,
            memory_bytes: 64 << 20,
            keep: Duration::ZERO,
            tail_bytes: 16 << 20,
            full_wait: Duration::from_millis(100),
            fs: Arc::new(RealFs),
            clock: Arc::new(SystemClock),
        }
    }
}

impl LogConfig {
    /// Refuses settings that can't work, by name.
    pub(super) fn check(&self) -> Result<(), LogError> {
        let refuse = |key, value, allowed| {
            Err(LogError::Config {
                key,
                value,
                allowed,
            })
        };
        if self.dir.is_none() {
            return match self.memory_bytes < 8 << 20 {
                true => refuse(
                    "log.memory_bytes",
                    self.memory_bytes as u64,
                    "8 MiB or more",
                ),
                false => Ok(()),
            };
        }
        if !(LEAST_SEGMENT..=1 << 30).contains(&self.segment_bytes)
            || !self.segment_bytes.is_multiple_of(4096)
        {
            let allowed = "2 MiB to 1 GiB, in steps of 4 KiB";
            return refuse("log.segment_bytes", self.segment_bytes, allowed);
        }
        if self.max_bytes < 4 * self.segment_bytes {
            return refuse("log.max_bytes", self.max_bytes, "four segments or more");
        }
        Ok(())
    }
}
