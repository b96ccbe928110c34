//! The thread that filters run on, and how it is given up.
//!
//! The writer hands a batch over and waits. What the two share says at every moment who has the batch: it waits to be
//! taken, it is between two filters, it is with one (then the writer could take a share of it), or it is done. When a call
//! is not back in time the writer takes that share and marks the worker as given up; should the call ever return, its
//! thread finds the mark and ends.
//!
//! Time counts as far as the writer has watched it go by, in short waits. A process that stood still meanwhile (SIGSTOP, a frozen
//! container, a debugger) wakes to a clock that has run on, and must not lose a filter to that.

use super::batch::Batch;
use super::chain::Chain;
use crate::thread;
use crate::time::Clock;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a thread may take to come for a batch, beside the calls that it is in.
const PICK_UP: Duration = Duration::from_secs(10);

enum Desk {
    Idle,
    /// A batch waits to be taken, since then.
    Waits(Arc<Chain>, Batch, usize, Instant),
    /// The batch is between two filters.
    Between,
    /// The batch is with the filter at this place, since then.
    With {
        at: usize,
        since: Instant,
        batch: Arc<Batch>,
        picked: Vec<u32>,
    },
    Done(Batch),
    /// The thread is to end, or was given up.
    Over,
}

/// What the writer and the worker share.
pub(super) struct Turnstile {
    desk: Mutex<Desk>,
    for_worker: Condvar,
    for_writer: Condvar,
}

impl Turnstile {
    fn new() -> Turnstile {
        Turnstile {
            desk: Mutex::new(Desk::Idle),
            for_worker: Condvar::new(),
            for_writer: Condvar::new(),
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call begins, of the filter at `at`.
    pub(super) fn enter(&self, at: usize, batch: &Arc<Batch>, picked: &[u32]) {
        let mut desk = self.desk();
        if !matches!(*desk, Desk::Over) {
            *desk = Desk::With {
                at,
                since: Instant::now(),
                batch: batch.clone(),
                picked: picked.to_vec(),
            };
        }
    }

    /// The call is back: false when that was too late.
    pub(super) fn leave(&self) -> bool {
        let mut desk = self.desk();
        match *desk {
            Desk::Over => false,
            _ => {
                *desk = Desk::Between;
                true
            }
        }
    }
}

/// How long the writer has watched one thing go on.
struct Watched {
    /// What one wait may add, however long it was.
    longest: Duration,
    /// When what it watches began, and when it last looked.
    times: Option<(Instant, Instant)>,
    seen: Duration,
}

impl Watched {
    /// To give something up after `patience`, looking a few times.
    fn within(patience: Duration) -> Watched {
        Watched {
            longest: (patience / 8).max(Duration::from_millis(1)),
            times: None,
            seen: Duration::ZERO,
        }
    }

    /// Looks at `now` at what began at `since`: for how long it was watched.
    fn look(&mut self, since: Instant, now: Instant) -> Duration {
        let last = match self.times {
            Some((same, last)) if same == since => last,
            _ => {
                self.seen = Duration::ZERO;
                since
            }
        };
        // A wait lasts a little longer than it was to.
        self.seen += now.saturating_duration_since(last).min(self.longest * 2);
        self.times = Some((since, now));
        self.seen
    }
}

/// The thread that filters run on.
pub(super) struct Runner {
    turnstile: Arc<Turnstile>,
    thread: Option<JoinHandle<()>>,
    clock: Arc<dyn Clock>,
}

impl Runner {
    pub(super) fn start(clock: Arc<dyn Clock>) -> io::Result<Runner> {
        let turnstile = Arc::new(Turnstile::new());
        let thread = {
            let (turnstile, clock) = (turnstile.clone(), clock.clone());
            thread::spawn("postrider-filter", move || work(&turnstile, &*clock))?
        };
        Ok(Runner {
            turnstile,
            thread: Some(thread),
            clock,
        })
    }

    /// Takes a batch through a chain, whatever its filters do.
    ///
    /// # Errors
    /// A worker was given up and there is no new one: what is left of the batch, and which filter is next.
    pub(super) fn run(
        &mut self,
        chain: &Arc<Chain>,
        batch: Batch,
    ) -> Result<Batch, (Batch, usize, io::Error)> {
        let (mut batch, mut from) = (batch, 0);
        loop {
            match self.attempt(chain, batch, from) {
                Ok(done) => return Ok(done),
                Err((lost, at)) => {
                    // A new thread goes on behind the filter that was lost.
                    match Runner::start(self.clock.clone()) {
                        Ok(runner) => *self = runner,
                        Err(e) => return Err((lost, at, e)),
                    }
                    (batch, from) = (lost, at);
                }
            }
        }
    }

    /// Hands the batch over and waits for it; else what is left of it, and where to go on.
    fn attempt(
        &self,
        chain: &Arc<Chain>,
        batch: Batch,
        from: usize,
    ) -> Result<Batch, (Batch, usize)> {
        let patience = chain.stages.iter().map(|s| s.spec.timeout()).min();
        let mut watched = Watched::within(patience.unwrap_or(PICK_UP));
        *self.turnstile.desk() = Desk::Waits(chain.clone(), batch, from, Instant::now());
        self.turnstile.for_worker.notify_one();
        let mut desk = self.turnstile.desk();
        loop {
            let late = match &*desk {
                Desk::Done(_) => true,
                Desk::Waits(_, _, _, since) => watched.look(*since, Instant::now()) >= PICK_UP,
                Desk::With { at, since, .. } => {
                    watched.look(*since, Instant::now()) >= chain.stages[*at].spec.timeout()
                }
                Desk::Idle | Desk::Between | Desk::Over => false,
            };
            if !late {
                let wait = self
                    .turnstile
                    .for_writer
                    .wait_timeout(desk, watched.longest);
                desk = wait.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            return match std::mem::replace(&mut *desk, Desk::Idle) {
                Desk::Done(batch) => Ok(batch),
                Desk::Waits(_, batch, from, _) => {
                    *desk = Desk::Over;
                    Err((batch, from))
                }
                Desk::With {
                    at, batch, picked, ..
                } => {
                    *desk = Desk::Over;
                    drop(desk);
                    Err((chain.lose(at, &batch, &picked, &*self.clock), at + 1))
                }
                Desk::Idle | Desk::Between | Desk::Over => continue,
            };
        }
    }

    /// Ends the thread, within `timeout`; one that has not ended by then is given up.
    pub(super) fn stop(&mut self, timeout: Duration) {
        *self.turnstile.desk() = Desk::Over;
        self.turnstile.for_worker.notify_one();
        if let Some(thread) = self.thread.take() {
            join_within(thread, timeout);
        }
    }
}

impl Drop for Runner {
    /// Nobody waits for a thread that was given up.
    fn drop(&mut self) {
        *self.turnstile.desk() = Desk::Over;
        self.turnstile.for_worker.notify_one();
    }
}

/// Joins a thread if it ends in time; std has no deadline for that, so this looks every millisecond.
pub(super) fn join_within(thread: JoinHandle<()>, timeout: Duration) -> bool {
    let deadline = Instant::now() + timeout;
    while !thread.is_finished() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    thread.join().is_ok()
}

fn work(turnstile: &Turnstile, clock: &dyn Clock) {
    loop {
        let mut desk = turnstile.desk();
        let (chain, batch, from) = loop {
            match std::mem::replace(&mut *desk, Desk::Between) {
                Desk::Waits(chain, batch, from, _) => break (chain, batch, from),
                Desk::Over => {
                    *desk = Desk::Over;
                    return;
                }
                other => *desk = other,
            }
            desk = turnstile
                .for_worker
                .wait(desk)
                .unwrap_or_else(PoisonError::into_inner);
        };
        drop(desk);
        let Some(batch) = chain.run(batch, from, turnstile, clock) else {
            return;
        };
        let mut desk = turnstile.desk();
        if matches!(*desk, Desk::Over) {
            return;
        }
        *desk = Desk::Done(batch);
        drop(desk);
        turnstile.for_writer.notify_one();
        // Perhaps the last share of it: then this ends its filters.
        drop(chain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_nobody_watched_does_not_count() {
        let second = Duration::from_secs(1);
        let mut watched = Watched::within(8 * second);
        let start = Instant::now();
        assert_eq!(watched.look(start, start), Duration::ZERO);
        assert_eq!(watched.look(start, start + second), second);
        // The process was stopped for an hour.
        let mut now = start + 3600 * second;
        assert_eq!(watched.look(start, now), 3 * second);
        for n in 4..9 {
            now += second;
            assert_eq!(watched.look(start, now), n * second);
        }
        // The next call is another matter.
        assert_eq!(watched.look(now, now + second), second);
    }
}
