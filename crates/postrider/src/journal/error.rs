//! What can go wrong with the journal.

use std::io;
use std::path::PathBuf;

/// Why the journal could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The system refused; what is journaled already stays as it is.
    #[error("journal {}: {doing}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Written by a later Postrider; use that one, or move the file away and lose what it remembers.
    #[error("journal {}: format version {found}, this build reads up to {}", path.display(), super::VERSION)]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// The version it names.
        found: u32,
    },
    /// The newest file's header is damaged, and there is no older one. What the journal knew is lost:
    /// moving the file away starts anew, and batches may arrive again under new ids.
    #[error("journal {}: damaged header; restore the file, or move it away to start anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A sync failed before: what the disk holds is unknown until the journal is reopened.
    #[error("journal: an earlier sync failed, nothing more is recorded until it is reopened")]
    Poisoned,
}
