//! The loop: one thread, one epoll, every connection.
//!
//! ```text
//!                    ┌─▶ Resolving ─┐
//! start ─▶ place ────┤              ├─▶ Connecting ─▶ Busy ─▶ Idle ─▶ (next request)
//!            │       └──────────────┘    (a race)   ▲  │
//!            │                           Tunnel ─────┘  │
//!            ├─▶ a reusable idle connection ───────────┘
//!            └─▶ waiting, if all connections are taken
//! ```
//!
//! Sockets are registered once, edge-triggered, for both directions: an exchange on a kept
//! connection costs a probe, the sends, a wait and a receive, and nothing else.
//!
//! Time is data: each connection knows when it is due, the loop keeps a lower bound of all of
//! them and looks through the connections only when that has passed.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Poll, Token};

use super::conn::{Conn, Hint, Job};
use super::names::Names;
use super::place::Pool;
use super::ready::Ready;
use super::resolve::{self, LookUp};
use super::slots::Slots;
use super::socket::above_stdio;
use super::target::Place;
use super::tls::Tls;
use super::{Config, Done, Request, Waker};
use crate::http::proto::{NoReuse, check_header};
use crate::time::{Clock, Instant};

/// The waker's token; connections have the number of their slot.
const WAKE: Token = Token(usize::MAX);
/// Events taken from the kernel in one turn.
const EVENTS: usize = 256;
/// Of connections that come later than others, so many are looked at in one turn: hundreds may be ready in one moment.
pub(super) const LATER_PER_TURN: usize = 16;
/// No more of them in this turn once they have sent and received so many bytes.
const LATER_BYTES: usize = 512 * 1024;
/// Bytes read at once: an answer is seldom more than a few hundred.
const READ_BUFFER: usize = 64 * 1024;

/// Carries exchanges over pooled connections.
///
/// One thread owns it. It makes no thread of its own except for name look-ups; these inherit the
/// signal mask of the thread that drives the client, so block signals there first.
///
/// Dropping it closes every socket without a word: safe also in a forked child, where the
/// connections still belong to the parent.
pub struct Client {
    pub(super) config: Config,
    pub(super) poll: Poll,
    events: Events,
    /// What the kernel reported, and what has more to read than its share of a turn.
    pub(super) ready: Ready,
    /// Bytes sent and received, as exchanges went on; set to zero where that is of interest.
    pub(super) moved: usize,
    waker: Arc<Waker>,
    pub(super) names: Names,
    pub(super) tls: Tls,
    pub(super) slots: Slots<Conn>,
    pub(super) pools: HashMap<Place, Pool>,
    pub(super) waiting: VecDeque<Box<Job>>,
    pub(super) finished: Vec<Done>,
    pub(super) counters: Counters,
    /// No connection and no waiting request is due before this.
    pub(super) due: Instant,
    /// When the settings last changed: what was begun until then keeps no connection.
    pub(super) settled: Option<Instant>,
    /// A connection became free since the waiting requests were looked at.
    pub(super) freed: bool,
    pub(super) buf: Box<[u8]>,
}

/// A configuration whose files have been read: it can be put in force.
pub struct Setup {
    config: Config,
    tls: Tls,
}

impl Setup {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// A file of certificates can't be used, or the user agent is not fit for a header.
    pub fn new(config: Config) -> io::Result<Setup> {
        check_header("User-Agent", &config.user_agent)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        let tls = Tls::new(&config)?;
        Ok(Setup { config, tls })
    }
}

/// What a client has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Exchanges over a connection that had carried another before.
    pub reused: u64,
    /// Connections begun.
    pub opened: u64,
    /// Requests sent again because a kept connection turned out to be closed.
    pub retried: u64,
    /// Connections that were not kept any longer, by [`NoReuse::index`].
    pub not_reused: [u64; NoReuse::ALL.len()],
}

impl Client {
    /// Makes a client. Fails when there are no descriptors, a file of certificates can't be used,
    /// or the user agent is not fit for a header.
    pub fn new(config: Config) -> io::Result<Client> {
        Client::with_look_up(config, Arc::new(resolve::system))
    }

    /// As [`new`](Client::new), with another way to look names up.
    pub(super) fn with_look_up(config: Config, look_up: Arc<LookUp>) -> io::Result<Client> {
        let Setup { config, tls } = Setup::new(config)?;
        let (poll, waker) = above_stdio(|| {
            let poll = Poll::new()?;
            let waker = Waker::new(poll.registry(), WAKE)?;
            io::Result::Ok((poll, Arc::new(waker)))
        })??;
        Ok(Client {
            config,
            poll,
            events: Events::with_capacity(EVENTS),
            ready: Ready::default(),
            moved: 0,
            names: Names::new(Arc::clone(&waker), look_up),
            waker,
            tls,
            slots: Slots::new(),
            pools: HashMap::new(),
            waiting: VecDeque::new(),
            finished: Vec::new(),
            counters: Counters::default(),
            due: NEVER,
            settled: None,
            freed: false,
            buf: vec![0; READ_BUFFER].into_boxed_slice(),
        })
    }

    /// What wakes this client's [`poll`](Client::poll) from other threads.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Exchanges started and not yet given out as [`Done`].
    pub fn in_flight(&self) -> usize {
        let busy = self.slots.used() - self.pools.values().map(|p| p.idle.len()).sum::<usize>();
        busy + self.waiting.len() + self.finished.len()
    }

    /// Connections that are open or being made, idle ones included.
    pub fn connections(&self) -> usize {
        self.slots.used()
    }

    /// What it has done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Starts an exchange; its [`Done`] comes out of a later [`poll`](Client::poll). As much of the
    /// request as the socket takes is sent at once. Ids are the caller's and should be unique
    /// among those in flight.
    pub fn start(&mut self, id: u64, request: Request, now: Instant) {
        let job = Job::new(id, request, &self.config, now);
        self.place(job, now);
    }

    /// What an exchange is doing; none if it is not there or over.
    #[cfg(test)]
    pub(super) fn phase_of(&self, id: u64) -> Option<super::Phase> {
        let conns = self.slots.iter().filter_map(|(_, conn)| conn.job());
        let mut all = conns.chain(self.waiting.iter().map(|job| &**job));
        all.find(|job| job.id == id).map(|job| job.phase)
    }

    /// Exchanges whose connections have input that nobody has read yet.
    #[cfg(test)]
    pub(super) fn with_input(&self) -> usize {
        let has_input = |conn: &Conn| matches!(conn, Conn::Busy { link, .. } if link.has_input());
        self.slots
            .iter()
            .filter(|(_, conn)| has_input(conn))
            .count()
    }

    /// Forgets an exchange and closes its connection; no [`Done`] comes. False if it is not there.
    pub fn cancel(&mut self, id: u64) -> bool {
        if let Some(i) = self.waiting.iter().position(|job| job.id == id) {
            self.waiting.remove(i);
            return true;
        }
        if let Some(i) = self.finished.iter().position(|done| done.id == id) {
            self.finished.remove(i);
            return true;
        }
        let is_it = |conn: &Conn| conn.job().is_some_and(|job| job.id == id);
        let Some(slot) = self
            .slots
            .iter()
            .find_map(|(slot, conn)| is_it(conn).then_some(slot))
        else {
            return false;
        };
        self.drop_connection(slot);
        true
    }

    /// One turn: waits until something happens, at most `timeout` (for ever, if none), carries
    /// every exchange as far as it goes and adds the finished ones to `done`.
    ///
    /// Returns at once when an exchange has finished already or the waker was used since the last
    /// turn. May return with nothing done.
    pub fn poll(
        &mut self,
        timeout: Option<Duration>,
        clock: &dyn Clock,
        done: &mut Vec<Done>,
    ) -> io::Result<()> {
        self.wait(timeout, clock)?;
        let now = clock.now().mono;
        // Who comes later for having had a share just now waits for the next turn.
        let (first, later) = (self.ready.first(), self.ready.later());
        for _ in 0..first {
            if let Some((slot, hint)) = self.ready.next_first() {
                self.look(slot, hint, now);
            }
        }
        self.moved = 0;
        for _ in 0..later.min(LATER_PER_TURN) {
            if let Some((slot, hint)) = self.ready.next_later() {
                self.look(slot, hint, now);
            }
            if self.moved >= LATER_BYTES {
                break;
            }
        }
        while let Some((name, known)) = self.names.next_outcome(now) {
            self.resolved(&name, &known, now);
        }
        if now >= self.due {
            self.expire(now);
        }
        self.look_up(now);
        self.place_waiting(now);
        done.append(&mut self.finished);
        Ok(())
    }

    /// Goes on with another configuration. Exchanges under way end as they began; no connection that
    /// was made before is used again.
    pub fn reconfigure(&mut self, setup: Setup, now: Instant) {
        (self.config, self.tls) = (setup.config, setup.tls);
        self.settled = Some(now);
        for slot in self.idle() {
            self.drop_idle(slot, NoReuse::Settings);
        }
        self.freed = true;
    }

    /// Ends idle connections properly: TLS ones with close_notify.
    pub fn close_idle(&mut self) {
        for slot in self.idle() {
            self.drop_connection(slot);
        }
    }

    fn idle(&self) -> Vec<usize> {
        let pools = self.pools.values();
        pools.flat_map(|p| p.idle.iter().copied()).collect()
    }

    /// Asks the kernel what is ready, and sleeps if it may.
    fn wait(&mut self, timeout: Option<Duration>, clock: &dyn Clock) -> io::Result<()> {
        let until_due = (self.due != NEVER).then(|| self.due.since(clock.now().mono));
        let timeout = match (timeout, until_due) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let busy = !self.finished.is_empty()
            || self.ready.first() + self.ready.later() > 0
            || (self.freed && !self.waiting.is_empty());
        let timeout = match timeout {
            _ if busy => Some(Duration::ZERO),
            Some(Duration::ZERO) => timeout,
            _ if !self.waker.fall_asleep() => Some(Duration::ZERO),
            _ => timeout,
        };
        let polled = self.poll.poll(&mut self.events, timeout);
        self.waker.awake();
        match polled {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            other => other?,
        }
        // Errors and hang-ups show when reading.
        let hint = |e: &mio::event::Event| Hint {
            input: e.is_readable() || e.is_error() || e.is_read_closed(),
            end: e.is_read_closed(),
        };
        for event in self.events.iter().filter(|e| e.token() != WAKE) {
            let Token(slot) = event.token();
            let later = self.slots.get(slot).is_some_and(Conn::comes_later);
            self.ready.note(slot, hint(event), later);
        }
        Ok(())
    }
}

/// The end of time: nothing is due.
pub(super) const NEVER: Instant = Instant(u64::MAX);

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("in_flight", &self.in_flight())
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}
