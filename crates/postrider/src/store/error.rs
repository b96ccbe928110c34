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
    /// Reading or writing failed, for instance on a full disk; the next call may succeed.
    #[error("the store could not be read or written: {0}")]
    Failed(String),
    /// An earlier call failed, and the file could not be opened again since.
    #[error("the store could not be opened again after an input/output error")]
    MustReopen,
    /// All ids of custom types are taken.
    #[error("no more than {0} custom event types can be declared")]
    TooManyTypes(usize),
    /// The system gave no random bytes for a key.
    #[error("no random bytes for a key: {0}")]
    Random(String),
}

impl From<redb::Error> for StoreError {
    fn from(e: redb::Error) -> Self {
        match e {
            redb::Error::PreviousIo => StoreError::MustReopen,
            redb::Error::Corrupted(what) => StoreError::Damaged(what),
            // redb says so of a file that is no database at all.
            redb::Error::Io(e) if e.kind() == io::ErrorKind::InvalidData => {
                StoreError::Damaged(e.to_string())
            }
            other => StoreError::Failed(other.to_string()),
        }
    }
}

/// redb has an error for each kind of operation and one for all of them.
macro_rules! from_redb {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for StoreError {
            fn from(e: redb::$error) -> Self {
                StoreError::from(redb::Error::from(e))
            }
        }
    )*};
}

from_redb!(
    DatabaseError,
    TransactionError,
    TableError,
    StorageError,
    CommitError
);
