//! Real child processes for tests.
#![allow(dead_code)]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A forked child that runs a closure and ends.
pub(crate) struct Child {
    pid: libc::pid_t,
    /// What the child writes arrives here.
    pub(crate) out: File,
}

/// Forks. The closure gets the writing end of a pipe; panicking is a failure that [`Child::wait`]
/// tells.
pub(crate) fn fork(run: impl FnOnce(&mut File)) -> Child {
    let mut ends = [0; 2];
    // SAFETY: the array has room for two descriptors.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(made, 0);
    // SAFETY: the child uses no lock of this process but the allocator's, which the C library makes
    // fork-safe, and ends by `_exit`.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            // SAFETY: this end is the child's alone.
            let mut out = unsafe { File::from_raw_fd(ends[1]) };
            let result = catch_unwind(AssertUnwindSafe(|| run(&mut out)));
            if let Err(panic) = &result {
                let text = panic.downcast_ref::<String>().map_or("(no text)", |s| s);
                let _ = writeln!(std::io::stderr(), "child: {text}");
            }
            // SAFETY: ends the process without running what belongs to the parent.
            unsafe { libc::_exit(i32::from(result.is_err())) }
        }
        pid => {
            // SAFETY: closed once here, and owned by the file below.
            unsafe { libc::close(ends[1]) };
            Child {
                pid,
                // SAFETY: this end is the parent's alone.
                out: unsafe { File::from_raw_fd(ends[0]) },
            }
        }
    }
}

impl Child {
    /// Waits for its end, which must be a good one.
    pub(crate) fn wait(self) {
        assert_eq!(self.wait_status(), 0, "the child failed");
    }

    pub(crate) fn wait_status(&self) -> i32 {
        let mut status = 0;
        // SAFETY: the pid is that of our child, waited for once.
        assert_eq!(unsafe { libc::waitpid(self.pid, &mut status, 0) }, self.pid);
        status
    }

    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: the pid is that of our child, not yet waited for.
        assert_eq!(unsafe { libc::kill(self.pid, signal) }, 0);
    }

    /// Blocks until the child has written another byte.
    pub(crate) fn expect_byte(&mut self) -> u8 {
        let mut byte = [0];
        self.out.read_exact(&mut byte).expect("the child is alive");
        byte[0]
    }
}

/// Becomes another user of these groups, for good.
pub(crate) fn become_user(uid: u32, gid: u32, groups: &[u32]) {
    // SAFETY: plain system calls; the array outlives the first.
    let done = unsafe {
        libc::setgroups(groups.len(), groups.as_ptr()) == 0
            && libc::setgid(gid) == 0
            && libc::setuid(uid) == 0
    };
    assert!(done, "{}", std::io::Error::last_os_error());
}

pub(crate) fn is_root() -> bool {
    // SAFETY: takes nothing and can't fail.
    unsafe { libc::geteuid() == 0 }
}
