//! Threads of a guest: named, and deaf to signals, which belong to the host.

use std::io;
use std::thread::JoinHandle;

/// Starts a thread that blocks all signals. The mask is inherited, so it is set around the spawn:
/// no moment exists in which the new thread could take one.
pub fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let _mask = SignalsBlocked::new();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
}

/// Gives this thread another name. What keeps it from having one is not worth an error.
pub(crate) fn rename(name: &str) {
    if let Ok(name) = std::ffi::CString::new(name) {
        let _ = rustix::thread::set_name(&name);
    }
}

/// All signals blocked on this thread until dropped.
struct SignalsBlocked(libc::sigset_t);

impl SignalsBlocked {
    fn new() -> Self {
        // SAFETY: sigset_t is plain data, filled before it is read; both calls take valid pointers
        // and only touch the calling thread's mask.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
            SignalsBlocked(before)
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: the set was filled by pthread_sigmask in `new`.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_blocks_every_signal_and_the_caller_keeps_its_mask() {
        let masked = |signal| {
            // SAFETY: the set is written by pthread_sigmask before it is read.
            unsafe {
                let mut set: libc::sigset_t = std::mem::zeroed();
                libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut set);
                libc::sigismember(&set, signal) == 1
            }
        };
        let before = masked(libc::SIGUSR1);
        let inside = spawn("postrider-test", move || {
            masked(libc::SIGUSR1) && masked(libc::SIGTERM) && masked(libc::SIGPIPE)
        })
        .unwrap();
        assert!(inside.join().unwrap());
        assert_eq!(masked(libc::SIGUSR1), before);
    }
}
