//! What can go wrong with an inbox.

use crate::event::MAX_TEXT;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The directory isn't there: the engine was never started, or its inbox is off.
    #[error("no such directory; start the engine with its inbox on, or run `postrider init`")]
    Missing,
    /// A link, a file, or something else stands where the directory should.
    #[error("not a directory (links are not followed)")]
    NotADirectory,
    /// The directory belongs to neither root nor the data directory's owner, the engine's user.
    #[error("owned by user {owner}, expected root or user {expected}, who owns the data directory")]
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
    /// This user may not get in, or may not give its files the directory's group.
    #[error("permission denied: the user must belong to the group of the inbox{}", group.map(|g| format!(", {g}")).unwrap_or_default())]
    Denied {
        /// That group, where it could be seen.
        group: Option<u32>,
    },
    /// A name that should be one of our files isn't.
    #[error("{file:016x}.inbox refused: {why}")]
    Refused {
        /// The file's id.
        file: u64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Written by a later Postrider.
    #[error(
        "{file:016x}.inbox has format version {found}, this build knows up to {}",
        super::VERSION
    )]
    NewerVersion {
        /// The file's id.
        file: u64,
        /// Its version.
        found: u32,
    },
    /// The inbox holds as much as it may: the engine is down or behind.
    #[error("full: {bytes} bytes, limit {limit} (inbox.max_bytes); is the engine running?")]
    Full {
        /// Bytes there.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// This process may not write files as long as needed; a write would raise SIGXFSZ.
    #[error("this process may write files of {limit} bytes only (RLIMIT_FSIZE)")]
    FileSizeLimit {
        /// Its limit.
        limit: u64,
    },
    /// Only a part got in, most likely the disk is full. Readers pass over the part; the event is
    /// not recorded.
    #[error("only {written} of {wanted} bytes could be written; is the disk full?")]
    Short {
        /// Bytes that got in.
        written: usize,
        /// The record's size.
        wanted: usize,
    },
    /// The text is longer than an event may be.
    #[error("event of {bytes} bytes, limit {MAX_TEXT}")]
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// Somebody holds a file's lock and isn't done.
    #[error("{file:016x}.inbox is locked by another process")]
    Busy {
        /// The file's id.
        file: u64,
    },
    /// The group asked for isn't known.
    #[error("unknown group; give a name from /etc/group or a number")]
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

impl Problem {
    pub(super) fn os(doing: &'static str) -> impl FnOnce(Errno) -> Problem {
        move |errno| Problem::Os { doing, errno }
    }
}
