//! Why a filter was refused: one variant for each thing that is checked.

use std::io;
use std::path::PathBuf;

/// Why a filter was not taken into the chain; the chain in force is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// What was said of it is not allowed.
    #[error("filter {name}: {field} {reason}")]
    Invalid {
        /// The filter's name.
        name: String,
        /// What is wrong.
        field: &'static str,
        /// Why, and what is allowed.
        reason: String,
    },
    /// No filter of the chain has this name.
    #[error("no filter is named {0}")]
    NotFound(String),
    /// Its shared object was refused.
    #[error("filter {name}: {source}")]
    Load {
        /// The filter's name.
        name: String,
        /// Why.
        source: LoadError,
    },
    /// The chain could not be kept or read.
    #[error("filters: {0}")]
    Store(String),
    /// The engine is closing, or this is a forked child.
    #[error(
        "filters can only be changed in the process that opened the engine, and before it closes"
    )]
    Stopped,
}

/// Why a shared object was refused.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct LoadError {
    /// The file.
    pub path: PathBuf,
    /// What was wrong, and what would be right.
    pub problem: Problem,
}

/// What was wrong with a shared object.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The path does not start at the root.
    #[error("must be an absolute path")]
    NotAbsolute,
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// Not a regular file.
    #[error("is {found}: must be a regular file")]
    NotAFile {
        /// What it is: `a FIFO`.
        found: &'static str,
    },
    /// Longer than any filter is.
    #[error("has more than {most} bytes, the most that a filter may have")]
    TooLarge {
        /// The limit.
        most: u64,
    },
    /// Somebody else could change it.
    #[error(
        "{what} belongs to user {found}: must belong to root or to user {expected}, who runs the engine"
    )]
    Owner {
        /// `the file` or `its directory`.
        what: &'static str,
        /// The owner.
        found: u32,
        /// The engine's user.
        expected: u32,
    },
    /// Others may change it.
    #[error("{what} has mode {found:03o}: must not be writable for group or others")]
    Mode {
        /// `the file` or `its directory`.
        what: &'static str,
        /// The mode.
        found: u32,
    },
    /// It is not the file that was meant.
    #[error("has SHA-256 {found}: expected {expected}")]
    Hash {
        /// The file's.
        found: String,
        /// As configured.
        expected: String,
    },
    /// The copy to load from could not be made.
    #[error("cannot be copied to {}: {source}", dir.display())]
    Copy {
        /// Where to.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The loader refused it.
    #[error("is not a shared object that can be loaded: {0}")]
    Loader(String),
    /// It does not export the entry function.
    #[error("exports no postrider_filter(): is it a Postrider filter?")]
    NoEntry,
    /// The entry function returned NULL.
    #[error("postrider_filter() returned NULL")]
    NullEntry,
    /// The entry is of something else.
    #[error("has magic {found:#010x}: expected {expected:#010x}")]
    Magic {
        /// The entry's.
        found: u32,
        /// A filter's.
        expected: u32,
    },
    /// Built for another major version.
    #[error(
        "was built for version {found} of the filter ABI: this engine takes version {expected}"
    )]
    Major {
        /// The filter's.
        found: u16,
        /// The engine's.
        expected: u16,
    },
    /// Built for a later minor version.
    #[error(
        "was built for version {major}.{found} of the filter ABI: this engine takes up to {major}.{newest}"
    )]
    Minor {
        /// The common major version.
        major: u16,
        /// The filter's.
        found: u16,
        /// The newest that the engine takes.
        newest: u16,
    },
    /// A struct has a size that it never had.
    #[error("{what} has {found} bytes: expected {expected}")]
    Size {
        /// Which struct.
        what: &'static str,
        /// What it says.
        found: u32,
        /// What the version that it says has.
        expected: u32,
    },
    /// The entry names no descriptor.
    #[error("has no descriptor")]
    NoDescriptor,
    /// A member of the descriptor is missing or not allowed.
    #[error("descriptor: {member} {reason}")]
    Descriptor {
        /// Which.
        member: &'static str,
        /// What is wrong, and what is allowed.
        reason: String,
    },
    /// A function of the descriptor is NULL.
    #[error("descriptor: {0}() is missing")]
    Hook(&'static str),
    /// The filter did not take its configuration.
    #[error("create() refused its configuration: {0}")]
    Refused(String),
    /// The filter answered what it may not.
    #[error("create() answered {status}{}", if *.null { " and gave no instance" } else { "" })]
    Create {
        /// What it answered.
        status: i32,
        /// Whether the instance was NULL.
        null: bool,
    },
    /// It failed over the samples of the catalogue.
    #[error("failed its dry run: {0}")]
    DryRun(String),
    /// Loading it did not end.
    #[error("did not load within {0} s; its thread is given up")]
    Timeout(u64),
    /// The system gave no thread.
    #[error("no thread to load it on: {0}")]
    Thread(io::Error),
}
