//! What can go wrong, by call, told so that the caller knows what to do.

use crate::event::EventError;
use std::io;
use std::path::PathBuf;

/// Why [`crate::engine::Builder::start`] refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A setting is wrong: correct it.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// Neither a data directory nor memory mode was chosen.
    #[error("no data directory given: call data_dir(path), or memory() to keep nothing on disk")]
    NoDataDir,
    /// Another engine, in this process or another, owns the directory.
    #[error(
        "data directory {path} is held by another engine ({owner}); stop it first, or connect as a client"
    )]
    Held {
        /// The directory.
        path: PathBuf,
        /// Who holds it, as far as the lock file tells.
        owner: String,
    },
    /// The directory can't be made, read or written.
    #[error("data directory {path}: cannot {what}: {source}")]
    Directory {
        /// The path that failed.
        path: PathBuf,
        /// The operation.
        what: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The event log can't be opened.
    #[error("event log: {0}")]
    Log(#[from] crate::log::LogError),
    /// The delivery journal can't be opened.
    #[error("delivery journal: {0}")]
    Journal(#[from] crate::journal::JournalError),
    /// The store of webhooks and keys can't be opened.
    #[error("store: {0}")]
    Store(#[from] crate::store::StoreError),
    /// The inbox can't be made or read.
    #[error("inbox: {0}")]
    Inbox(#[from] crate::inbox::InboxError),
    /// A filter of the chain can't be loaded: put it right, or take it out of the chain.
    #[error(transparent)]
    Filter(crate::filter::FilterError),
    /// The HTTP client can't start (certificates, descriptors).
    #[error("HTTP client: {0}")]
    Http(String),
    /// A thread or another system resource could not be had.
    #[error("cannot {what}: {source}")]
    System {
        /// The operation.
        what: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// A custom event type of the configuration is not acceptable.
    #[error("setting events.custom: {0}")]
    CustomType(EventError),
}

/// Why an event was not taken. Nothing of it is in the queue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The event is not acceptable: correct it.
    #[error(transparent)]
    Invalid(#[from] EventError),
    /// The queue is full: push again later, or choose another policy.
    #[error(
        "the queue is full ({capacity} bytes, policy {policy}): push again later, or raise queue.bytes"
    )]
    Full {
        /// The queue's size in bytes.
        capacity: u64,
        /// The policy that refused.
        policy: &'static str,
    },
    /// The event would never fit into the queue: raise `queue.bytes`.
    #[error(
        "an event of {bytes} bytes is too long for this queue, which takes {max}: raise queue.bytes"
    )]
    TooLong {
        /// The event's bytes.
        bytes: usize,
        /// The most that fits.
        max: usize,
    },
    /// The mode can't give the level asked for.
    #[error("level {0:?} needs a data directory; this engine is in memory mode")]
    Level(super::Level),
    /// The event is queued, but the level was not reached in time; it may still be.
    #[error("the event is queued, but was not {0:?} before the deadline")]
    Timeout(super::Level),
    /// Disk trouble: the event is queued, its durability unknown.
    #[error("the event is queued, but the log cannot be made durable: {0}")]
    Storage(String),
    /// A forked child found no way into the inbox.
    #[error("in a forked child: {0}")]
    Child(#[from] super::child::ChildError),
    /// The engine is closed or closing.
    #[error("the engine is closed")]
    Closed,
    /// A push from within a push (a logger that pushes).
    #[error("push called from within a push on the same thread")]
    Reentered,
}

/// Why [`crate::engine::Engine::flush`] could not promise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The deadline passed first; nothing is lost by it.
    #[error("not everything was {0:?} before the deadline")]
    Timeout(super::Level),
    /// The mode can't give the level.
    #[error("level {0:?} needs a data directory; this engine is in memory mode")]
    Level(super::Level),
    /// The disk refused; no further acknowledgement until the engine is reopened.
    #[error("the log cannot be made durable: {0}")]
    Storage(String),
    /// In a forked child: the inbox refused.
    #[error("in a forked child: {0}")]
    Child(#[from] super::child::ChildError),
    /// The engine is closed.
    #[error("the engine is closed")]
    Closed,
}

/// What [`crate::engine::Engine::close`] left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseError {
    /// Threads did not end in time; what they hold is in the log and goes out after the next open.
    #[error("close did not finish within its timeout: {0}")]
    Timeout(&'static str),
    /// The last writes failed.
    #[error("the last writes failed: {0}")]
    Storage(String),
}

/// Why [`crate::engine::Engine::restart_after_fork`] failed; the handle stays a client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestartError {
    /// Called in the process that opened the engine.
    #[error("restart_after_fork is for a forked child; this process opened the engine")]
    NotAChild,
    /// The engine could not be opened again.
    #[error(transparent)]
    Open(#[from] OpenError),
}
