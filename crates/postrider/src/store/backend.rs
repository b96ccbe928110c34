//! The store's file behind redb, without a lock.
//!
//! redb's own file backend locks the file, and a child that the host forks would keep that lock
//! alive after the engine has gone. The engine holds the data directory's lock instead.
//!
//! It grows by allocated space only: a full disk shows when the file has to grow beyond what is reserved, where a
//! transaction can still be refused, and never in the middle of one.
//!
//! A forked child also inherits the open database: whatever it writes, or redb writes for it when
//! the host's exit handlers drop it, must not reach the file under the parent's feet. So a child may read only.

use crate::fork;
use crate::fs::File;
use redb::StorageBackend;
use std::fmt;
use std::io;
use std::sync::Arc;

/// One file of the data directory as redb sees it.
pub(super) struct Backend {
    file: Arc<dyn File>,
    generation: u32,
}

impl Backend {
    pub(super) fn new(file: Arc<dyn File>) -> Backend {
        Backend {
            file,
            generation: fork::generation(),
        }
    }

    fn refuse_in_child(&self) -> io::Result<()> {
        if fork::is_child(self.generation) {
            return Err(io::Error::other(
                "the store belongs to the process that opened it",
            ));
        }
        Ok(())
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.file.read_at(out, offset)? {
            n if n == out.len() => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.refuse_in_child()?;
        if len > self.file.len()? {
            return self.file.allocate(len);
        }
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.refuse_in_child()?;
        self.file.write_at(&[data], offset)
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("store file")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{Fs, Open, RealFs};

    #[test]
    fn a_forked_child_reads_but_never_writes() {
        let dir = tempfile::TempDir::new().unwrap();
        let file = RealFs
            .open(&dir.path().join("file"), Open::CreateNew)
            .unwrap();
        let backend = Backend::new(file);
        backend.set_len(4096).unwrap();
        backend.write(0, b"parent").unwrap();
        // SAFETY: the child makes system calls only, and ends by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let refused = backend.write(0, b"child!").is_err() && backend.set_len(0).is_err();
            let read = backend.read(0, &mut [0; 6]).is_ok();
            // SAFETY: ends this process and nothing else.
            unsafe { libc::_exit(if refused && read { 0 } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 0);
        let mut text = [0; 6];
        backend.read(0, &mut text).unwrap();
        assert_eq!(&text, b"parent");
    }
}
