//! Threads that look names up: `getaddrinfo` blocks for as long as it likes.
//!
//! A few threads, made as they are needed, take names in their order; so many may wait. They can't be
//! interrupted, so nobody waits for them: a look-up that takes long leaves its thread to it, and another one takes the next
//! name. Names that were not found the last time have a queue and threads of their own. So names whose servers never
//! answer hold up each other the second time, and all others only the first time, and not for long.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::Waker;
use super::socket::above_stdio;
use crate::time::Instant;

/// Look-ups at once, by [`Lane`], without slow ones.
const MAX_THREADS: [usize; 2] = [4, 2];
/// A look-up that takes longer is slow.
pub(super) const SLOW: Duration = Duration::from_millis(250);
/// Slow look-ups that leave room for others, by [`Lane`]: those whose servers don't answer last ten seconds and more.
const MAX_SLOW: [usize; 2] = [60, 0];
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
    /// To the threads: never more than there are.
    names: (Sender<Arc<str>>, Receiver<Arc<str>>),
    threads: usize,
    waiting: VecDeque<Arc<str>>,
    /// With the threads, and since when, the oldest first.
    running: VecDeque<(Arc<str>, Instant)>,
}

impl Queue {
    fn new() -> Queue {
        Queue {
            names: unbounded(),
            threads: 0,
            waiting: VecDeque::new(),
            running: VecDeque::new(),
        }
    }

    /// Look-ups that are slow.
    fn slow(&self, now: Instant) -> usize {
        let slow = |(_, since): &(Arc<str>, Instant)| now >= since.after(SLOW);
        self.running.partition_point(slow)
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
    pub(super) fn ask(&mut self, name: Arc<str>, lane: Lane, now: Instant) -> io::Result<()> {
        let queue = &mut self.queues[lane as usize];
        if queue.waiting.len() >= MAX_QUEUED {
            return Err(io::Error::other("too many names wait to be looked up"));
        }
        queue.waiting.push_back(name);
        let handed_out = self.hand_out(lane, now);
        if handed_out.is_err() {
            self.queues[lane as usize].waiting.pop_back();
        }
        handed_out
    }

    /// Gives names that wait to threads that are free, or new. Fails where there is none and none can be made.
    fn hand_out(&mut self, lane: Lane, now: Instant) -> io::Result<()> {
        loop {
            let queue = &self.queues[lane as usize];
            if queue.waiting.is_empty() {
                return Ok(());
            }
            if queue.running.len() >= queue.threads {
                let slow = queue.slow(now).min(MAX_SLOW[lane as usize]);
                if queue.threads >= MAX_THREADS[lane as usize] + slow {
                    return Ok(());
                }
                match self.spawn(lane) {
                    Ok(()) => self.queues[lane as usize].threads += 1,
                    Err(e) if queue.threads == 0 => return Err(e),
                    Err(_) => return Ok(()),
                }
            }
            let queue = &mut self.queues[lane as usize];
            if let Some(name) = queue.waiting.pop_front() {
                queue.running.push_back((Arc::clone(&name), now));
                // Its other end is in the same struct.
                let _ = queue.names.0.send(name);
            }
        }
    }

    /// Lets others begin where look-ups have become slow; when that may be so next.
    pub(super) fn go_on(&mut self, now: Instant) -> Option<Instant> {
        let lane = Lane::Main;
        // Where there are no threads at all, who asks is told.
        let _ = self.hand_out(lane, now);
        let queue = &self.queues[lane as usize];
        let (slow, most) = (queue.slow(now), MAX_SLOW[lane as usize]);
        let waits = !queue.waiting.is_empty() && slow < most;
        let next = queue.running.get(slow).filter(|_| waits);
        next.map(|(_, since)| since.after(SLOW))
    }

    /// Look-ups under way, and names that wait.
    pub(super) fn pending(&self) -> usize {
        let queues = self.queues.iter();
        queues.map(|q| q.waiting.len() + q.running.len()).sum()
    }

    /// Threads for names that are new or were found.
    #[cfg(test)]
    pub(super) fn threads(&self) -> usize {
        self.queues[Lane::Main as usize].threads
    }

    /// An outcome that has come in.
    pub(super) fn next_outcome(&mut self, now: Instant) -> Option<Outcome> {
        if self.pending() == 0 {
            return None;
        }
        let outcome = self.outcomes.1.try_recv().ok()?;
        let running = &mut self.queues[outcome.lane as usize].running;
        if let Some(at) = running.iter().position(|(name, _)| *name == outcome.name) {
            running.remove(at);
        }
        // There is a thread.
        let _ = self.hand_out(outcome.lane, now);
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
