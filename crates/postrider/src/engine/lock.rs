//! One engine per data directory.
//!
//! The lock is a POSIX record lock: it belongs to the process, so a forked child neither holds it
//! nor keeps it alive (`flock` does both). Its price: it does not stop a second engine in the same
//! process, and closing *any* descriptor of the file drops it. Hence the table of held directories
//! below, and nothing else here ever opens the file.

use super::error::OpenError;
use crate::fork;
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Directories held by this process: (device, inode, fork generation). A child inherits its
/// parent's entries; the generation tells that they are not its own.
static HELD: Mutex<Option<HashSet<(u64, u64, u32)>>> = Mutex::new(None);

/// A held data directory; released on drop.
pub(crate) struct DirLock {
    file: File,
    key: (u64, u64, u32),
}

impl DirLock {
    /// Takes `<dir>/lock`, or says who has it.
    pub(crate) fn take(dir: &Path) -> Result<DirLock, OpenError> {
        let path = dir.join("lock");
        let failed = |what| {
            let path = path.clone();
            move |source: io::Error| OpenError::Directory { path, what, source }
        };
        let fd = rustix::fs::open(
            &path,
            OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW,
            Mode::RUSR | Mode::WUSR,
        )
        .map_err(io::Error::from)
        .and_then(crate::fs::above_stdio)
        .map_err(failed("open"))?;
        let mut file = File::from(fd);
        let stat = rustix::fs::fstat(&file).map_err(|e| failed("inspect")(e.into()))?;
        let key = (stat.st_dev, stat.st_ino, fork::generation());

        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        let held = held.get_or_insert_with(HashSet::new);
        if held.contains(&key) {
            // Closing `file` drops the record lock that the other engine here relies on: a leaked
            // descriptor is the lesser evil, and a second open of one directory is a programming error.
            std::mem::forget(file);
            return Err(OpenError::Held {
                path: dir.to_owned(),
                owner: "this process".to_owned(),
            });
        }
        match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => {
                let mut owner = String::new();
                let _ = (&file).take(200).read_to_string(&mut owner);
                let owner = owner.trim();
                return Err(OpenError::Held {
                    path: dir.to_owned(),
                    owner: if owner.is_empty() {
                        "owner unknown"
                    } else {
                        owner
                    }
                    .to_owned(),
                });
            }
            Err(e) => return Err(failed("lock")(e.into())),
        }
        write_owner(&mut file).map_err(failed("write"))?;
        held.insert(key);
        Ok(DirLock { file, key })
    }
}

/// For people and error texts; the lock itself does not depend on it.
fn write_owner(file: &mut File) -> io::Result<()> {
    let name = std::fs::read_to_string("/proc/self/comm").unwrap_or_default();
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "pid {} {}", std::process::id(), name.trim())
}

impl Drop for DirLock {
    fn drop(&mut self) {
        if self.key.2 != fork::generation() {
            return; // a forked child never held it
        }
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = held.as_mut() {
            held.remove(&self.key);
        }
        let _ = rustix::fs::fcntl_lock(&self.file, FlockOperation::Unlock);
    }
}

/// Makes the data directory where it does not exist: 0711, so that writers of other users can reach
/// `inbox/` but not look around; everything else in it is for the engine's user alone.
pub(crate) fn make_dir(dir: &Path) -> Result<PathBuf, OpenError> {
    use std::os::unix::fs::DirBuilderExt;
    let failed = |what| {
        move |source| OpenError::Directory {
            path: dir.to_owned(),
            what,
            source,
        }
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(dir)
        .map_err(failed("create"))?;
    dir.canonicalize().map_err(failed("resolve"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_engine_in_this_process_is_refused_and_names_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DirLock::take(dir.path()).unwrap();
        let text = DirLock::take(dir.path()).err().unwrap().to_string();
        assert!(text.contains("this process"), "{text}");
        assert!(text.contains(&dir.path().display().to_string()), "{text}");
        drop(lock);
        DirLock::take(dir.path()).unwrap();
    }
}
