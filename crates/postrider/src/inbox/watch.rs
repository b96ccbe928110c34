//! Waiting for writers: inotify on the directory.

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify;
use rustix::io::Errno;
use std::io;
use std::path::Path;

/// How often to look where the system has no inotify left.
const WITHOUT_INOTIFY: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Waits for changes of an inbox directory, or to be stopped.
#[derive(Debug)]
pub struct Watch {
    changes: Option<OwnedFd>,
    stop: OwnedFd,
}

/// Why [`Watch::wait`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Something was written, or may have been.
    Written,
    /// [`Watch::stop`] was called.
    Stopped,
}

impl Watch {
    /// Watches `dir`. Where the system has no inotify left, [`wait`](Self::wait) returns
    /// every 100 ms instead.
    pub fn open(dir: &Path) -> io::Result<Watch> {
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Watch {
            changes: Self::inotify(dir),
            stop: crate::fs::above_stdio(stop)?,
        })
    }

    fn inotify(dir: &Path) -> Option<OwnedFd> {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let fd = crate::fs::above_stdio(inotify::init(flags).ok()?).ok()?;
        let wanted = inotify::WatchFlags::MODIFY
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::ONLYDIR;
        inotify::add_watch(&fd, dir, wanted).ok()?;
        Some(fd)
    }

    /// Blocks until something was written since the last return, or the watch is stopped.
    pub fn wait(&self) -> io::Result<Woken> {
        loop {
            let mut fds = vec![PollFd::new(&self.stop, PollFlags::IN)];
            fds.extend(self.changes.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
            let timeout = self.changes.is_none().then_some(&WITHOUT_INOTIFY);
            match poll(&mut fds, timeout) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
            if !fds[0].revents().is_empty() {
                return Ok(Woken::Stopped);
            }
            drop(fds);
            self.swallow()?;
            return Ok(Woken::Written);
        }
    }

    /// Reads what has piled up, so that only what comes later wakes again.
    fn swallow(&self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        while let Some(changes) = &self.changes {
            match rustix::io::read(changes, &mut buffer[..]) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Ends every wait, now and later. Callable from any thread.
    pub fn stop(&self) {
        // It can fail only if it was called often already.
        let _ = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
    }
}
