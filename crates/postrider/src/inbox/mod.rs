//! The inbox: where processes that are not the engine's append events.
//!
//! A directory of append-only files, newest written, oldest taken. Any process of the inbox's group
//! may write, with no engine up; one engine takes.
//!
//! * **Append**: a record is one `write` on an `O_APPEND` descriptor, so records of several
//!   processes never interleave. A writer that is killed, or a full disk, leaves a *stump*: a
//!   beginning of a record with good ones behind it. Texts are UTF-8 and the magic that begins a
//!   record is not, so a reader finds the next record by its magic, and no event can pose as one.
//! * **Current**: each append holds a shared `flock` while it checks the file's sealed flag and
//!   writes. To seal, the engine sets the flag first and then tries, without waiting, for the
//!   exclusive lock: once it had it, nobody can append any more. Writers never wait for the engine:
//!   a set flag sends them to the next file, which they make if it isn't there.
//! * **Taken once**: the position behind the last taken record travels in the log frame that holds
//!   the events. A file is deleted when it is sealed, taken, and that frame is durable.
//! * **Who**: the directory is `2770`, owned by root or the engine's user, never made by a writer. Links, odd
//!   types, hard links and files of another group are refused.
//!
//! Bytes: `docs/inbox-format.md`.

mod dir;
mod error;
mod format;
#[cfg(feature = "engine")]
mod scan;
#[cfg(feature = "engine")]
mod taker;
#[cfg(feature = "engine")]
mod watch;
mod writer;

#[cfg(all(test, feature = "engine"))]
mod tests;

pub use dir::{DIR_NAME, init};
pub use error::{InboxError, Problem};
pub use format::VERSION;
#[cfg(feature = "engine")]
pub use taker::{Taken, Taker, TakerConfig, TakerStats};
#[cfg(feature = "engine")]
pub use watch::{Watch, Woken};
pub use writer::Writer;

/// What all files together may hold where no engine has said otherwise, bytes.
pub const DEFAULT_MAX_BYTES: u64 = 1024 * 1024 * 1024;
