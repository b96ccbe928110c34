//! What can go wrong with the inbox.

use rustix::io::Errno;
use std::path::Path;
use std::sync::Arc;

/// Why an inbox could not be opened, written or taken from. Making one allocates nothing, so that it
/// can be made in a forked child.
#[derive(Clone, Debug, thiserror::Error)]
#[error("inbox {}: {problem}", dir.display())]
pub struct InboxError {
    /// The inbox directory.
    pub dir: Arc<Path>,
    /// What is wrong and what to do.
    pub problem: Problem,
}

/// What is wrong with an inbox.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The directory isn't there: the engine was never started, or its inbox is off.
    #[error("no such directory; start the engine with its inbox on, or run `postrider init`")]
    Missing,
    /// A link, a file, or something else stands where the directory should.
    #[error("not a directory (links are not followed)")]
    NotADirectory,
    /// The directory belongs to neither root nor the data directory's owner.
    #[error("owned by user {owner}, expected root or user {expected}, the data directory's owner")]
    DirectoryOwner {
        /// Its owner.
        owner: u32,
        /// The data directory's owner.
        expected: u32,
    },
    /// Everybody may write into the directory.
    #[error("mode {mode:04o} lets everybody write; expected 2770")]
    DirectoryMode {
        /// Its mode.
        mode: u32,
    },
    /// This user may not write here: not in the inbox's group.
    #[error("permission denied; the user must be in group {group}")]
    Denied {
        /// The directory's group.
        group: u32,
    },
    /// The name doesn't belong to a plain file of our own.
    #[error("file {file:016x}.inbox refused: {why}")]
    Refused {
        /// The file's id.
        file: u64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Written by a later Postrider.
    #[error(
        "file {file:016x}.inbox has format version {found}, this build knows up to {}",
        super::VERSION
    )]
    NewerVersion {
        /// The file's id.
        file: u64,
        /// Its version.
        found: u32,
    },
    /// The inbox holds as much as it may: the engine is down or behind.
    #[error("full: {bytes} bytes, limit {limit}; is the engine running?")]
    Full {
        /// Bytes there.
        bytes: u64,
        /// `inbox.max_bytes`.
        limit: u64,
    },
    /// Only a part was written: disk full, or a limit of this process on file sizes. The part is
    /// skipped by readers; the event is not recorded.
    #[error("only {written} of {wanted} bytes written: {errno}")]
    Short {
        /// Bytes that got in.
        written: usize,
        /// The record's size.
        wanted: usize,
        /// What the system said when asked for the rest.
        errno: Errno,
    },
    /// The text is longer than an event may be.
    #[error("event of {bytes} bytes, limit {}", super::MAX_TEXT)]
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// Somebody holds the file's lock and isn't done.
    #[error("file {file:016x}.inbox is locked by another process")]
    Busy {
        /// The file's id.
        file: u64,
    },
    /// The group asked for isn't known.
    #[error("group unknown; give a name from /etc/group or a number")]
    UnknownGroup,
    /// The system refused.
    #[error("{doing}: {errno}")]
    Os {
        /// What was being done.
        doing: &'static str,
        /// The system's answer.
        errno: Errno,
    },
}
