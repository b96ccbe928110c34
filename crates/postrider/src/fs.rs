//! The file system as a trait: log, journal and inbox reach the disk only through it, so that a
//! test can lose unsynced writes, tear one, or answer ENOSPC where it likes.

mod real;
#[cfg(test)]
pub(crate) mod sim;

pub use real::RealFs;
pub(crate) use real::above_stdio;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How [`Fs::open`] opens a file. All are opened `O_CLOEXEC | O_NOFOLLOW`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// Read only; it must exist.
    Read,
    /// Read and write; it must exist.
    ReadWrite,
    /// Read and write; it must not exist.
    CreateNew,
}

/// A file of the data directory. Positions are explicit: no shared cursor.
// Its length is asked for, never whether it is empty.
#[allow(clippy::len_without_is_empty)]
pub trait File: Send + Sync {
    /// Reads up to `buf.len()` bytes at `at`; fewer only at the end of the file.
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize>;
    /// Writes all of `bufs` at `at`, one after the other.
    fn write_at(&self, bufs: &[&[u8]], at: u64) -> io::Result<()>;
    /// The file's length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Cuts or extends with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Reserves space for `len` bytes from 0, so that writing them can't meet a full disk.
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// The same without changing the length, so that the file may grow to `len` on a full disk. A file system
    /// that knows no such reservation makes none, and says nothing.
    fn reserve(&self, len: u64) -> io::Result<()>;
    /// Makes `[from, to)` read as zeros, freeing no reserved space where the file system allows it.
    fn zero(&self, from: u64, to: u64) -> io::Result<()>;
    /// Makes data (and the length) durable: `fdatasync`.
    fn sync(&self) -> io::Result<()>;
}

/// Directory operations. None of them is durable before [`Fs::sync_dir`].
pub trait Fs: Send + Sync + 'static {
    /// Opens a file; a created one has mode 0600.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>>;
    /// Creates a directory with mode 0700; one that exists is fine.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;
    /// Renames, replacing the target.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Deletes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and deletions in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}
