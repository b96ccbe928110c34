//! The loop: one thread, one epoll, every connection.
//!
//! ```text
//!                    ┌─▶ Resolving ─┐
//! start ─▶ place ────┤              ├─▶ Connecting ─▶ Busy ─▶ Idle ─▶ (next request)
//!            │       └──────────────┘                  │
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
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::conn::{Attempt, Conn, Job, Route, Turn};
use super::link::Link;
use super::resolve::{Resolved, Resolver};
use super::slots::Slots;
use super::socket::{Peek, Socket, above_stdio};
use super::target::Place;
use super::tls::Tls;
use super::{Config, Done, HttpError, Phase, Request, Response, Waker};
use crate::http::proto::{Answer, NoReuse, Reuse, check_header};
use crate::time::{Clock, Instant};

/// The waker's token; connections have the number of their slot.
const WAKE: Token = Token(usize::MAX);
/// Events taken from the kernel in one turn.
const EVENTS: usize = 256;
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
    config: Config,
    poll: Poll,
    events: Events,
    /// What the kernel reported: slot, and whether there may be input.
    ready: Vec<(usize, bool)>,
    waker: Arc<Waker>,
    resolver: Resolver,
    tls: Tls,
    slots: Slots<Conn>,
    pools: HashMap<Place, Pool>,
    waiting: VecDeque<Box<Job>>,
    finished: Vec<Done>,
    counters: Counters,
    /// No connection and no waiting request is due before this.
    due: Instant,
    /// A connection became free since the waiting requests were looked at.
    freed: bool,
    buf: Box<[u8]>,
}

/// The connections to one place.
#[derive(Debug, Default)]
struct Pool {
    /// All of them.
    open: usize,
    /// The slots of idle ones, the last used last.
    idle: Vec<usize>,
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
    /// Answers after which the connection could not be kept, by [`NoReuse::index`].
    pub not_reused: [u64; NoReuse::ALL.len()],
}

impl Client {
    /// Makes a client. Fails when there are no descriptors, the CA file can't be read, or the user
    /// agent is not fit for a header.
    pub fn new(config: Config) -> io::Result<Client> {
        check_header("User-Agent", &config.user_agent)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        let tls = Tls::new(config.ca_file.as_deref())?;
        let (poll, waker) = above_stdio(|| {
            let poll = Poll::new()?;
            let waker = Waker::new(poll.registry(), WAKE)?;
            io::Result::Ok((poll, Arc::new(waker)))
        })??;
        Ok(Client {
            config,
            poll,
            events: Events::with_capacity(EVENTS),
            ready: Vec::new(),
            resolver: Resolver::new(Arc::clone(&waker)),
            waker,
            tls,
            slots: Slots::new(),
            pools: HashMap::new(),
            waiting: VecDeque::new(),
            finished: Vec::new(),
            counters: Counters::default(),
            due: NEVER,
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
        let Config {
            user_agent, limits, ..
        } = &self.config;
        let job = Job::new(id, request, user_agent, *limits, now);
        self.place(job, now);
    }

    /// As [`start`](Client::start), as if the target's name had resolved to these addresses.
    #[cfg(test)]
    pub(super) fn start_at(
        &mut self,
        id: u64,
        request: Request,
        addresses: Vec<SocketAddr>,
        now: Instant,
    ) {
        let Config {
            user_agent,
            limits,
            connect_timeout,
            ..
        } = &self.config;
        let connect_by = now.after(*connect_timeout);
        let job = Job::new(id, request, user_agent, *limits, now);
        let slot = self.slots.reserve();
        self.pools
            .entry(job.target.place().clone())
            .or_default()
            .open += 1;
        self.connect(
            slot,
            job,
            Route {
                rest: addresses.into_iter(),
                connect_by,
            },
            None,
            now,
        );
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
        let mut ready = std::mem::take(&mut self.ready);
        for (slot, readable) in ready.drain(..) {
            self.ready(slot, readable, now);
        }
        self.ready = ready;
        while let Some(resolved) = self.resolver.next_outcome() {
            self.resolved(resolved, now);
        }
        if now >= self.due {
            self.expire(now);
        }
        self.place_waiting(now);
        done.append(&mut self.finished);
        Ok(())
    }

    /// Ends idle connections properly: TLS ones with close_notify.
    pub fn close_idle(&mut self) {
        let idle: Vec<usize> = self
            .pools
            .values()
            .flat_map(|p| p.idle.iter().copied())
            .collect();
        for slot in idle {
            self.drop_connection(slot);
        }
    }

    /// Asks the kernel what is ready, and sleeps if it may.
    fn wait(&mut self, timeout: Option<Duration>, clock: &dyn Clock) -> io::Result<()> {
        let until_due = (self.due != NEVER).then(|| self.due.since(clock.now().mono));
        let timeout = match (timeout, until_due) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let busy = !self.finished.is_empty() || (self.freed && !self.waiting.is_empty());
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
        let readable =
            |e: &mio::event::Event| e.is_readable() || e.is_error() || e.is_read_closed();
        let connections = self.events.iter().filter(|e| e.token() != WAKE);
        self.ready
            .extend(connections.map(|e| (e.token().0, readable(e))));
        Ok(())
    }

    /// Finds a connection for a request, or lets it wait.
    fn place(&mut self, mut job: Box<Job>, now: Instant) {
        if let Some((slot, link)) = self.reusable(job.target.place()) {
            job.reused = true;
            self.counters.reused += 1;
            let deadline = job.deadline;
            self.advance(slot, job, link, deadline, false, now);
        } else if self.has_room(job.target.place()) {
            self.open(job, now);
        } else {
            self.due = self.due.min(job.deadline);
            self.waiting.push_back(job);
        }
    }

    /// Gives waiting requests another chance, in their order.
    fn place_waiting(&mut self, now: Instant) {
        if std::mem::take(&mut self.freed) {
            for job in std::mem::take(&mut self.waiting) {
                self.place(job, now);
            }
        }
    }

    /// The idle connection to a place that was used last and is still usable.
    fn reusable(&mut self, place: &Place) -> Option<(usize, Link)> {
        while let Some(slot) = self.pools.get_mut(place)?.idle.pop() {
            let Some(Conn::Idle { mut link, .. }) = self.slots.take(slot) else {
                continue;
            };
            if link.probe() == Peek::Quiet {
                return Some((slot, link));
            }
            link.close();
            self.release(slot, place);
        }
        None
    }

    /// Whether one more connection may be made, if need be in place of the longest idle one.
    fn has_room(&mut self, place: &Place) -> bool {
        if self.pools.get(place).map_or(0, |p| p.open) >= self.config.max_per_target {
            return false;
        }
        if self.slots.used() < self.config.max_connections {
            return true;
        }
        let oldest = self.slots.iter().filter_map(|(slot, conn)| match conn {
            Conn::Idle { since, .. } => Some((*since, slot)),
            _ => None,
        });
        let Some((_, slot)) = oldest.min() else {
            return false;
        };
        self.drop_connection(slot);
        true
    }

    /// Makes a fresh connection for a request.
    fn open(&mut self, job: Box<Job>, now: Instant) {
        self.counters.opened += 1;
        let slot = self.slots.reserve();
        let target = Arc::clone(&job.target);
        self.pools.entry(target.place().clone()).or_default().open += 1;
        let connect_by = now.after(self.config.connect_timeout).min(job.deadline);
        if let Some(address) = target.address() {
            let rest = vec![SocketAddr::new(address, target.port())].into_iter();
            return self.connect(slot, job, Route { rest, connect_by }, None, now);
        }
        match self.resolver.ask(target.host(), target.port()) {
            Ok(ticket) => self.keep(
                slot,
                Conn::Resolving {
                    job,
                    ticket,
                    connect_by,
                },
            ),
            Err(e) => self.fail(slot, job, HttpError::resolve(&target, &e), now),
        }
    }

    /// Takes the outcome of a look-up.
    fn resolved(
        &mut self,
        Resolved {
            ticket: answered,
            addresses,
        }: Resolved,
        now: Instant,
    ) {
        let asker = self.slots.iter().find_map(|(slot, conn)| match conn {
            Conn::Resolving { ticket, .. } if *ticket == answered => Some(slot),
            _ => None,
        });
        // Whoever asked may have run out of time.
        let Some(slot) = asker else { return };
        let Some(Conn::Resolving {
            job, connect_by, ..
        }) = self.slots.take(slot)
        else {
            return;
        };
        match addresses {
            Ok(all) => {
                let route = Route {
                    rest: all.into_iter(),
                    connect_by,
                };
                self.connect(slot, job, route, None, now);
            }
            Err(e) => {
                let error = HttpError::resolve(&job.target, &e);
                self.fail(slot, job, error, now);
            }
        }
    }

    /// Tries the next address that the policy allows; `failed` says why the one before was none.
    fn connect(
        &mut self,
        slot: usize,
        job: Box<Job>,
        mut route: Route,
        mut failed: Option<HttpError>,
        now: Instant,
    ) {
        while let Some(address) = route.rest.next() {
            if let Err(e) = self.config.policy.check(address) {
                // What a connection failed with says more than a refusal.
                failed = failed.or(Some(HttpError::policy(&job.target, &e)));
                continue;
            }
            let socket = Socket::connect(address).and_then(|socket| {
                let both = Interest::READABLE | Interest::WRITABLE;
                let fd = socket.as_raw_fd();
                self.poll
                    .registry()
                    .register(&mut SourceFd(&fd), Token(slot), both)?;
                Ok(socket)
            });
            match socket {
                Ok(socket) => {
                    let until = route.share(now);
                    let attempt = Attempt {
                        socket,
                        address,
                        until,
                        route,
                    };
                    return self.keep(slot, Conn::Connecting { job, attempt });
                }
                Err(e) => failed = Some(HttpError::connect(&job.target, address, &e)),
            }
        }
        let error = failed.unwrap_or_else(|| HttpError::no_address(&job.target));
        self.fail(slot, job, error, now);
    }

    /// Looks how an attempt to connect went, and goes on.
    fn connecting(&mut self, slot: usize, job: Box<Job>, attempt: Attempt, now: Instant) {
        let Attempt {
            socket,
            address,
            until,
            route,
        } = attempt;
        match socket.connected() {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && now < until => {
                let attempt = Attempt {
                    socket,
                    address,
                    until,
                    route,
                };
                self.keep(slot, Conn::Connecting { job, attempt });
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                let error = HttpError::timeout(Phase::Connect, &job.target);
                self.connect(slot, job, route, Some(error), now);
            }
            Err(e) => {
                let error = HttpError::connect(&job.target, address, &e);
                self.connect(slot, job, route, Some(error), now);
            }
            Ok(()) => {
                let session = job.target.is_https().then(|| self.tls.session(&job.target));
                match session.transpose() {
                    Ok(tls) => {
                        let link = Link::new(socket, tls);
                        self.advance(slot, job, link, route.connect_by, false, now);
                    }
                    Err(e) => self.fail(slot, job, e, now),
                }
            }
        }
    }

    /// Handles what the kernel reported about a slot.
    fn ready(&mut self, slot: usize, readable: bool, now: Instant) {
        match self.slots.take(slot) {
            Some(Conn::Busy {
                job,
                link,
                connect_by,
            }) => {
                self.advance(slot, job, link, connect_by, readable, now);
            }
            Some(Conn::Connecting { job, attempt }) => self.connecting(slot, job, attempt, now),
            Some(Conn::Idle {
                mut link,
                target,
                since,
            }) => {
                let usable = link.probe() == Peek::Quiet;
                self.slots.put(
                    slot,
                    Conn::Idle {
                        link,
                        target,
                        since,
                    },
                );
                if !usable {
                    self.drop_connection(slot);
                }
            }
            Some(resolving) => self.slots.put(slot, resolving),
            None => {}
        }
    }

    /// Carries an exchange as far as it goes.
    fn advance(
        &mut self,
        slot: usize,
        mut job: Box<Job>,
        mut link: Link,
        connect_by: Instant,
        readable: bool,
        now: Instant,
    ) {
        match job.turn(&mut link, &mut self.buf, readable) {
            Turn::Pending => self.keep(
                slot,
                Conn::Busy {
                    job,
                    link,
                    connect_by,
                },
            ),
            Turn::Answered(answer) => self.answered(slot, job, link, answer, now),
            Turn::Failed(error) => {
                link.close();
                if job.rewind(&error, self.config.limits) {
                    self.counters.retried += 1;
                    self.release(slot, job.target.place());
                    self.open(job, now);
                } else {
                    self.fail(slot, job, error, now);
                }
            }
        }
    }

    /// Gives an answer out and decides what becomes of its connection.
    fn answered(&mut self, slot: usize, job: Box<Job>, link: Link, answer: Answer, now: Instant) {
        let place = job.target.place();
        match answer.reuse {
            Reuse::Yes => {
                if let Some(pool) = self.pools.get_mut(place) {
                    pool.idle.push(slot);
                }
                self.freed = true;
                let target = Arc::clone(&job.target);
                self.keep(
                    slot,
                    Conn::Idle {
                        link,
                        target,
                        since: now,
                    },
                );
            }
            Reuse::No(why) => {
                self.counters.not_reused[why.index()] += 1;
                link.close();
                self.release(slot, place);
            }
        }
        let Answer {
            head,
            body,
            end,
            reuse,
        } = answer;
        let response = Response {
            status: head.status,
            headers: head.headers,
            body,
            end,
            reuse,
        };
        self.finish(*job, Ok(response), now);
    }

    /// Does what is due: deadlines, the next address, idle connections that are too old.
    fn expire(&mut self, now: Instant) {
        self.due = NEVER;
        let idle_age = self.config.idle_age;
        let due: Vec<usize> = self
            .slots
            .iter()
            .filter_map(|(slot, conn)| (conn.due(idle_age) <= now).then_some(slot))
            .collect();
        for slot in due {
            match self.slots.take(slot) {
                Some(Conn::Busy { mut job, link, .. }) => match job.timed_out(&link) {
                    Turn::Answered(answer) => self.answered(slot, job, link, answer, now),
                    Turn::Failed(error) => {
                        link.close();
                        self.fail(slot, job, error, now);
                    }
                    Turn::Pending => unreachable!("a deadline ends an exchange"),
                },
                Some(Conn::Resolving { job, .. }) => {
                    let error = HttpError::timeout(Phase::Resolve, &job.target);
                    self.fail(slot, job, error, now);
                }
                Some(Conn::Connecting { job, attempt }) => {
                    self.connecting(slot, job, attempt, now);
                }
                Some(idle) => {
                    self.slots.put(slot, idle);
                    self.drop_connection(slot);
                }
                None => {}
            }
        }
        let (late, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|job| job.deadline <= now);
        self.waiting = waiting;
        for job in Vec::from(late) {
            let error = HttpError::timeout(Phase::Queue, &job.target);
            self.finish(*job, Err(error), now);
        }
        let conns = self.slots.iter().map(|(_, conn)| conn.due(idle_age));
        let waiting = self.waiting.iter().map(|job| job.deadline);
        self.due = conns.chain(waiting).min().unwrap_or(NEVER);
    }

    /// Puts a connection into its slot and notes when it is due.
    fn keep(&mut self, slot: usize, conn: Conn) {
        self.due = self.due.min(conn.due(self.config.idle_age));
        self.slots.put(slot, conn);
    }

    /// Ends what is in a slot, whatever it is doing.
    fn drop_connection(&mut self, slot: usize) {
        let Some(conn) = self.slots.take(slot) else {
            return;
        };
        let target = Arc::clone(conn.target());
        if let Some(pool) = self.pools.get_mut(target.place()) {
            pool.idle.retain(|&s| s != slot);
        }
        if let Conn::Idle { link, .. } | Conn::Busy { link, .. } = conn {
            link.close();
        }
        self.release(slot, target.place());
    }

    /// Gives a slot back after its connection has ended.
    fn release(&mut self, slot: usize, place: &Place) {
        self.slots.release(slot);
        self.freed = true;
        if let Some(pool) = self.pools.get_mut(place) {
            pool.open -= 1;
            if pool.open == 0 {
                self.pools.remove(place);
            }
        }
    }

    /// Ends an exchange whose connection has ended.
    fn fail(&mut self, slot: usize, job: Box<Job>, error: HttpError, now: Instant) {
        self.release(slot, job.target.place());
        self.finish(*job, Err(error), now);
    }

    fn finish(&mut self, job: Job, result: Result<Response, HttpError>, now: Instant) {
        let Job {
            id,
            started,
            reused,
            ..
        } = job;
        self.finished.push(Done {
            id,
            result,
            latency: now.since(started),
            reused,
        });
    }
}

/// The end of time: nothing is due.
const NEVER: Instant = Instant(u64::MAX);

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("in_flight", &self.in_flight())
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}
