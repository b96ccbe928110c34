//! What a log is opened with.

use crate::fs::{Fs, RealFs};
use crate::time::{Clock, SystemClock};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a log is opened with.
#[derive(Clone)]
pub struct LogConfig {
    /// The log's own directory, made if its parent exists; `None` keeps the log in memory.
    pub dir: Option<PathBuf>,
    /// The size of a segment file: 4 MiB to 1 GiB.
    pub segment_bytes: u64,
    /// What all segments together may take; at least four segments.
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
    /// Whether a thread of the log's own (`postrider-log`) prepares, recycles and indexes segments.
    /// Without it the caller does, by [`Log::maintain`](super::Log::maintain).
    pub housekeeper: bool,
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
            housekeeper: true,
            fs: Arc::new(RealFs),
            clock: Arc::new(SystemClock),
        }
    }
}
