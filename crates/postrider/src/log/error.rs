//! What can go wrong with the log, and what its caller can do.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What can go wrong with the log.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A system call failed. An append that met it may be tried again: the frame is as it was.
    #[error("log: cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was attempted, as a verb.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: Arc<io::Error>,
    },
    /// A later Postrider wrote this; only that one or a later one may open it.
    #[error(
        "log: {} is format version {found}, this Postrider reads up to {known}: use the Postrider \
         that wrote it or a later one", path.display()
    )]
    NewerVersion {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version read here.
        known: u32,
    },
    /// There is no room: webhooks still need what fills the log. Try again once
    /// [`Log::release`](super::Log::release) was called with a higher floor or fewer pins.
    #[error("log: full: {used} of {limit} bytes hold events that webhooks still need")]
    Full {
        /// Bytes in use.
        used: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A sync failed, so what the disk holds is unknown: nothing more is acknowledged until the log
    /// is opened anew, which reads what is there.
    #[error("log: cannot sync {}: {source}; nothing more is acknowledged until the log is reopened", path.display())]
    SyncFailed {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: Arc<io::Error>,
    },
    /// More inbox files are being read than a frame can name.
    #[error("log: {count} inbox files at once, a frame can name {limit}")]
    InboxFiles {
        /// How many.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A setting is outside of what it may be.
    #[error("log: {key} is {value}, allowed is {allowed}")]
    Config {
        /// The setting's name in the configuration.
        key: &'static str,
        /// Its value.
        value: u64,
        /// What it may be.
        allowed: &'static str,
    },
}

impl LogError {
    /// For `map_err`: what was attempted, on what.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
        let path = path.to_owned();
        move |source| LogError::Io {
            doing,
            path,
            source: Arc::new(source),
        }
    }

    /// Whether the disk (or a quota) is full: it may work again once space was made.
    pub fn is_no_space(&self) -> bool {
        match self {
            LogError::Full { .. } => true,
            LogError::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::FileTooLarge
            ),
            _ => false,
        }
    }
}
