//! Names to addresses, off the loop: `getaddrinfo` blocks for as long as it likes.
//!
//! A few threads, made as they are needed, take names from a bounded queue. They can't be
//! interrupted, so nobody waits for them: an answer that comes too late finds its asker gone.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
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

/// Who asked. Unique over the life of a client.
pub(super) type Ticket = u64;

struct Job {
    ticket: Ticket,
    host: String,
    port: u16,
}

/// The outcome of one look-up.
pub(super) struct Resolved {
    pub(super) ticket: Ticket,
    pub(super) addresses: io::Result<Vec<SocketAddr>>,
}

/// Looks names up in threads of its own.
pub(super) struct Resolver {
    jobs: Sender<Job>,
    queue: Receiver<Job>,
    outcomes: (Sender<Resolved>, Receiver<Resolved>),
    waker: Arc<Waker>,
    threads: usize,
    pending: usize,
    next: Ticket,
}

impl Resolver {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        let (jobs, queue) = bounded(MAX_QUEUED);
        Resolver {
            jobs,
            queue,
            outcomes: unbounded(),
            waker,
            threads: 0,
            pending: 0,
            next: 0,
        }
    }

    /// Asks for the addresses of a name.
    pub(super) fn ask(&mut self, host: &str, port: u16) -> io::Result<Ticket> {
        if self.pending >= self.threads && self.threads < MAX_THREADS {
            match self.spawn() {
                Ok(()) => self.threads += 1,
                Err(e) if self.threads == 0 => return Err(e),
                Err(_) => {}
            }
        }
        self.next += 1;
        let job = Job {
            ticket: self.next,
            host: host.to_owned(),
            port,
        };
        self.jobs.try_send(job).map_err(|e| match e {
            TrySendError::Full(_) => io::Error::other("too many names wait to be looked up"),
            TrySendError::Disconnected(_) => io::Error::other("the look-up threads are gone"),
        })?;
        self.pending += 1;
        Ok(self.next)
    }

    /// An outcome that has come in.
    pub(super) fn next_outcome(&mut self) -> Option<Resolved> {
        if self.pending == 0 {
            return None;
        }
        let outcome = self.outcomes.1.try_recv().ok()?;
        self.pending -= 1;
        Some(outcome)
    }

    fn spawn(&self) -> io::Result<()> {
        let (queue, outcomes) = (self.queue.clone(), self.outcomes.0.clone());
        let waker = Arc::clone(&self.waker);
        let serve = move || {
            for job in queue {
                let addresses = look_up(&job.host, job.port);
                if outcomes
                    .send(Resolved {
                        ticket: job.ticket,
                        addresses,
                    })
                    .is_err()
                {
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

fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    above_stdio(|| {
        Ok((host, port)
            .to_socket_addrs()?
            .take(MAX_ADDRESSES)
            .collect())
    })?
}
