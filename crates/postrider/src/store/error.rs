//! Why the store could not be opened, read or written.

use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why the store could not be opened, read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file could not be opened or created.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file was written by a later version.
    #[error(
        "the store has layout {found}, this version knows up to {known}: use a newer Postrider"
    )]
    Newer {
        /// The layout found.
        found: u32,
        /// The newest one known here.
        known: u32,
    },
    /// The file is not a store, or is damaged.
    #[error("the store is damaged: {0}; restore it from a copy, or move it away to start empty")]
    Damaged(String),
    /// Reading or writing failed.
    #[error("the store could not be {verb}: {reason}")]
    Io {
        /// `read` or `written`.
        verb: &'static str,
        /// What redb or the system said.
        reason: String,
    },
    /// All ids of custom types are taken.
    #[error("no more than {0} custom event types can be declared")]
    TooManyTypes(usize),
    /// The system gave no random bytes for a key.
    #[error("no random bytes for a key: {0}")]
    Random(String),
}
