//! Threads that look names up: `getaddrinfo` blocks for as long as it likes.
//!
//! A few threads, made as they are needed, take names from a bounded queue. They can't be
//! interrupted, so nobody waits for them.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};

use super::Waker;
use super::socket::above_stdio;

/// Threads at most: one slow name server must not stop all other names.
const MAX_THREADS: usize = 4;
/// Names that wait at most; beyond, look-ups fail at once.
const MAX_QUEUED: usize = 1024;
/// Addresses of one name that are kept.
const MAX_ADDRESSES: usize = 16;

/// How a name is looked up; replaced in tests.
pub(super) type LookUp = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// The outcome of one look-up.
pub(super) struct Outcome {
    pub(super) name: Arc<str>,
    pub(super) addresses: io::Result<Vec<IpAddr>>,
}

/// Looks names up in threads of its own.
pub(super) struct Resolver {
    look_up: Arc<LookUp>,
    jobs: Sender<Arc<str>>,
    queue: Receiver<Arc<str>>,
    outcomes: (Sender<Outcome>, Receiver<Outcome>),
    waker: Arc<Waker>,
    threads: usize,
    /// Look-ups under way.
    pub(super) pending: usize,
}

impl Resolver {
    pub(super) fn new(waker: Arc<Waker>, look_up: Arc<LookUp>) -> Self {
        let (jobs, queue) = bounded(MAX_QUEUED);
        Resolver {
            look_up,
            jobs,
            queue,
            outcomes: unbounded(),
            waker,
            threads: 0,
            pending: 0,
        }
    }

    /// Asks for the addresses of a name.
    pub(super) fn ask(&mut self, name: Arc<str>) -> io::Result<()> {
        if self.pending >= self.threads && self.threads < MAX_THREADS {
            match self.spawn() {
                Ok(()) => self.threads += 1,
                Err(e) if self.threads == 0 => return Err(e),
                Err(_) => {}
            }
        }
        self.jobs.try_send(name).map_err(|e| match e {
            TrySendError::Full(_) => io::Error::other("too many names wait to be looked up"),
            TrySendError::Disconnected(_) => io::Error::other("the look-up threads are gone"),
        })?;
        self.pending += 1;
        Ok(())
    }

    /// An outcome that has come in.
    pub(super) fn next_outcome(&mut self) -> Option<Outcome> {
        if self.pending == 0 {
            return None;
        }
        let outcome = self.outcomes.1.try_recv().ok()?;
        self.pending -= 1;
        Some(outcome)
    }

    fn spawn(&self) -> io::Result<()> {
        let (queue, outcomes) = (self.queue.clone(), self.outcomes.0.clone());
        let (waker, look_up) = (Arc::clone(&self.waker), Arc::clone(&self.look_up));
        let serve = move || {
            for name in queue {
                let addresses = look_up(&name);
                if outcomes.send(Outcome { name, addresses }).is_err() {
                    return;
                }
                waker.wake();
            }
        };
        std::thread::Builder::new()
            .name("postrider-dns".to_owned())
            .spawn(serve)
            .map(drop)
    }
}

/// As the system looks names up.
pub(super) fn system(name: &str) -> io::Result<Vec<IpAddr>> {
    above_stdio(|| {
        let all = (name, 0).to_socket_addrs()?;
        Ok(all.take(MAX_ADDRESSES).map(|a| a.ip()).collect())
    })?
}
