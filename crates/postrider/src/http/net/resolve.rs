//! Threads that look names up: `getaddrinfo` blocks for as long as it likes.
//!
//! A few threads, made as they are needed, take names from a bounded queue. They can't be
//! interrupted, so nobody waits for them. Names that were not found the last time have a queue and threads of
//! their own: hundreds whose servers never answer hold up each other, and no name besides.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};

use super::Waker;
use super::socket::above_stdio;

/// Threads at most, by [`Lane`]: one slow name server must not stop all other names.
const MAX_THREADS: [usize; 2] = [4, 2];
/// Names that wait at most in each lane; beyond, look-ups fail at once.
const MAX_QUEUED: usize = 1024;
/// Addresses of one name that are kept.
const MAX_ADDRESSES: usize = 16;

/// How a name is looked up; replaced in tests.
pub(super) type LookUp = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// Which threads look a name up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// A new name, or one that was found the last time.
    Main,
    /// One that was not.
    Failed,
}

/// The outcome of one look-up.
pub(super) struct Outcome {
    lane: Lane,
    pub(super) name: Arc<str>,
    pub(super) addresses: io::Result<Vec<IpAddr>>,
}

/// Looks names up in threads of its own.
pub(super) struct Resolver {
    look_up: Arc<LookUp>,
    queues: [Queue; 2],
    outcomes: (Sender<Outcome>, Receiver<Outcome>),
    waker: Arc<Waker>,
}

/// The names and threads of a lane.
struct Queue {
    names: (Sender<Arc<str>>, Receiver<Arc<str>>),
    threads: usize,
    /// Look-ups under way.
    pending: usize,
}

impl Queue {
    fn new() -> Queue {
        Queue {
            names: bounded(MAX_QUEUED),
            threads: 0,
            pending: 0,
        }
    }
}

impl Resolver {
    pub(super) fn new(waker: Arc<Waker>, look_up: Arc<LookUp>) -> Self {
        Resolver {
            look_up,
            queues: [Queue::new(), Queue::new()],
            outcomes: unbounded(),
            waker,
        }
    }

    /// Asks for the addresses of a name.
    pub(super) fn ask(&mut self, name: Arc<str>, lane: Lane) -> io::Result<()> {
        let queue = &self.queues[lane as usize];
        if queue.pending >= queue.threads && queue.threads < MAX_THREADS[lane as usize] {
            match self.spawn(lane) {
                Ok(()) => self.queues[lane as usize].threads += 1,
                Err(e) if queue.threads == 0 => return Err(e),
                Err(_) => {}
            }
        }
        let queue = &mut self.queues[lane as usize];
        queue.names.0.try_send(name).map_err(|e| match e {
            TrySendError::Full(_) => io::Error::other("too many names wait to be looked up"),
            TrySendError::Disconnected(_) => io::Error::other("the look-up threads are gone"),
        })?;
        queue.pending += 1;
        Ok(())
    }

    /// Look-ups under way.
    pub(super) fn pending(&self) -> usize {
        self.queues.iter().map(|queue| queue.pending).sum()
    }

    /// An outcome that has come in.
    pub(super) fn next_outcome(&mut self) -> Option<Outcome> {
        if self.pending() == 0 {
            return None;
        }
        let outcome = self.outcomes.1.try_recv().ok()?;
        self.queues[outcome.lane as usize].pending -= 1;
        Some(outcome)
    }

    fn spawn(&self, lane: Lane) -> io::Result<()> {
        let names = self.queues[lane as usize].names.1.clone();
        let outcomes = self.outcomes.0.clone();
        let (waker, look_up) = (Arc::clone(&self.waker), Arc::clone(&self.look_up));
        let serve = move || {
            for name in names {
                let addresses = look_up(&name);
                let outcome = Outcome {
                    lane,
                    name,
                    addresses,
                };
                if outcomes.send(outcome).is_err() {
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
