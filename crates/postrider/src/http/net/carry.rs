//! What happens to a connection, step by step: from a name to an answer, or to a failure.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use mio::Token;

use super::client::NEVER;
use super::conn::{Conn, Hint, Job, Turn};
use super::link::Link;
use super::names::Known;
use super::race::{Race, Standing};
use super::socket::{Peek, Socket};
use super::{Client, Done, HttpError, Phase, Response};
use crate::http::proto::{Answer, NoReuse, Reuse};
use crate::time::Instant;

/// What came before a connection was known to be up has been reported with that, and only once.
const FRESH: Hint = Hint {
    input: true,
    end: false,
};

/// Connections, and requests that wait for one, that end in one turn because they are due.
pub(super) const EXPIRED_PER_TURN: usize = 16;

impl Client {
    /// Makes a fresh connection for a request.
    pub(super) fn open(&mut self, mut job: Box<Job>, now: Instant) {
        self.counters.opened += 1;
        let slot = self.slots.reserve();
        let target = Arc::clone(&job.target);
        self.pools.entry(target.place().clone()).or_default().open += 1;
        if let (Some(_), Some(address)) = (&job.proxy, target.address()) {
            // Nobody else will: it is the proxy that connects to it.
            if let Err(e) = self.config.policy.check((address, target.port()).into()) {
                return self.fail(slot, job, HttpError::policy(&target, &e), now);
            }
        }
        let peer = Arc::clone(job.peer());
        if let Some(address) = peer.address() {
            return self.race(slot, job, &[address], now);
        }
        match self.names.ask(peer.host(), now) {
            Known::Addresses(all) => self.race(slot, job, &all, now),
            Known::Failed(why) => {
                let error = job.at_peer(HttpError::resolve(&peer, &why));
                self.fail(slot, job, error, now);
            }
            Known::Pending => {
                job.enter(Phase::Resolve, &self.config.timeouts, now);
                self.keep(slot, Conn::Resolving { job });
                self.look_up(now);
            }
        }
    }

    /// Lets look-ups go on, and comes back when that is due.
    pub(super) fn look_up(&mut self, now: Instant) {
        self.due = self.due.min(self.names.go_on(now).unwrap_or(NEVER));
    }

    /// Goes on with everyone who waits for a name. Whoever asked may have run out of time.
    pub(super) fn resolved(&mut self, name: &str, known: &Known, now: Instant) {
        let waits = |(slot, conn): (usize, &Conn)| match conn {
            Conn::Resolving { job } => (job.peer().host() == name).then_some(slot),
            _ => None,
        };
        let askers: Vec<usize> = self.slots.iter().filter_map(waits).collect();
        for slot in askers {
            let Some(Conn::Resolving { job }) = self.slots.take(slot) else {
                continue;
            };
            match known {
                Known::Addresses(all) => self.race(slot, job, all, now),
                Known::Failed(why) => {
                    let error = job.at_peer(HttpError::resolve(job.peer(), why));
                    self.fail(slot, job, error, now);
                }
                Known::Pending => self.slots.put(slot, Conn::Resolving { job }),
            }
        }
    }

    /// Starts to connect.
    fn race(&mut self, slot: usize, mut job: Box<Job>, addresses: &[IpAddr], now: Instant) {
        job.enter(Phase::Connect, &self.config.timeouts, now);
        let port = job.peer().port();
        let addresses = addresses.iter().map(|a| SocketAddr::new(*a, port));
        let race = Race::new(addresses, job.phase_by.since(now));
        self.connecting(slot, job, race, now);
    }

    /// Looks how the attempts to connect went, and goes on.
    fn connecting(&mut self, slot: usize, job: Box<Job>, mut race: Race, now: Instant) {
        let place = (self.poll.registry(), Token(slot));
        let policy = job.proxy.is_none().then_some(&self.config.policy);
        match race.go_on(place, policy, job.peer(), now) {
            Standing::Running => self.keep(slot, Conn::Connecting { job, race }),
            Standing::Won(socket) => self.connected(slot, job, socket, now),
            Standing::Lost(error) => {
                if job.peer().address().is_none() {
                    self.names.forget(job.peer().host());
                }
                let error = job.at_peer(error);
                self.fail(slot, job, error, now);
            }
        }
    }

    /// Goes on with a fresh connection: to the proxy that a tunnel is asked of, or all the way.
    fn connected(&mut self, slot: usize, mut job: Box<Job>, socket: Socket, now: Instant) {
        let link = Link::new(socket);
        match job.proxy.as_ref().filter(|_| job.target.is_https()) {
            Some(proxy) => {
                let tunnel = Job::tunnel(&job, proxy, &self.config, now);
                job.enter(Phase::Proxy, &self.config.timeouts, now);
                self.tunnelling(slot, job, tunnel, link, FRESH, now);
            }
            None => self.begin(slot, job, link, now),
        }
    }

    /// Carries the exchange with the proxy as far as it goes.
    fn tunnelling(
        &mut self,
        slot: usize,
        job: Box<Job>,
        mut tunnel: Box<Job>,
        mut link: Link,
        hint: Hint,
        now: Instant,
    ) {
        let error = match tunnel.turn(&mut link, &mut self.buf, hint.input) {
            Turn::Pending => return self.keep(slot, Conn::Tunnel { job, tunnel, link }),
            Turn::Yielded => {
                self.ready.note(slot, hint.again(), true);
                return self.keep(slot, Conn::Tunnel { job, tunnel, link });
            }
            // Behind the answer there is nothing yet: the target speaks TLS, and waits for us.
            Turn::Answered(a) if a.head.status / 100 == 2 && a.reuse == Reuse::Yes => {
                return self.begin(slot, job, link, now);
            }
            Turn::Answered(a) => {
                HttpError::proxy_refused(&tunnel.target, &job.target, a.head.status)
            }
            Turn::Failed(e) => HttpError {
                phase: Phase::Proxy,
                ..e.at_proxy()
            },
        };
        link.close();
        self.fail(slot, job, error, now);
    }

    /// Begins the exchange on a connection that leads to the target.
    fn begin(&mut self, slot: usize, job: Box<Job>, mut link: Link, now: Instant) {
        if job.target.is_https() {
            match self.tls.session(&job.target) {
                Ok(session) => link.start_tls(session),
                Err(e) => return self.fail(slot, job, e, now),
            }
        }
        link.carry();
        self.advance(slot, job, link, FRESH, now);
    }

    /// Handles what the kernel reported about a slot.
    pub(super) fn look(&mut self, slot: usize, hint: Hint, now: Instant) {
        match self.slots.take(slot) {
            Some(Conn::Busy { job, link }) => self.advance(slot, job, link, hint, now),
            Some(Conn::Tunnel { job, tunnel, link }) => {
                self.tunnelling(slot, job, tunnel, link, hint, now);
            }
            Some(Conn::Connecting { job, race }) => self.connecting(slot, job, race, now),
            Some(Conn::Idle {
                mut link,
                target,
                since,
                until,
            }) => {
                let usable = link.probe() == Peek::Quiet;
                let idle = Conn::Idle {
                    link,
                    target,
                    since,
                    until,
                };
                self.slots.put(slot, idle);
                if !usable {
                    self.drop_idle(slot, NoReuse::IdleClosed);
                }
            }
            Some(resolving) => self.slots.put(slot, resolving),
            None => {}
        }
    }

    /// Carries an exchange as far as it goes.
    pub(super) fn advance(
        &mut self,
        slot: usize,
        mut job: Box<Job>,
        mut link: Link,
        hint: Hint,
        now: Instant,
    ) {
        let turn = job.turn(&mut link, &mut self.buf, hint.input);
        self.moved += link.take_moved();
        match turn {
            turn @ (Turn::Pending | Turn::Yielded) => {
                if let Turn::Yielded = turn {
                    job.unproven = true;
                    self.ready.note(slot, hint.again(), true);
                }
                job.enter(job.phase_on(&link), &self.config.timeouts, now);
                self.keep(slot, Conn::Busy { job, link });
            }
            Turn::Answered(mut answer) => {
                if hint.end && answer.reuse == Reuse::Yes {
                    answer.reuse = Reuse::No(NoReuse::ServerClosed);
                }
                self.answered(slot, job, link, answer, now);
            }
            Turn::Failed(error) => {
                link.close();
                if job.rewind(&error) {
                    self.counters.retried += 1;
                    self.learn(job.target.place(), job.waited, now);
                    self.release(slot, job.target.place());
                    self.open(job, now);
                } else {
                    self.fail(slot, job, error, now);
                }
            }
        }
    }

    /// Gives an answer out and decides what becomes of its connection.
    fn answered(
        &mut self,
        slot: usize,
        job: Box<Job>,
        link: Link,
        mut answer: Answer,
        now: Instant,
    ) {
        if answer.reuse == Reuse::Yes && link.carried() >= self.config.max_requests {
            answer.reuse = Reuse::No(NoReuse::RequestLimit);
        }
        if answer.reuse == Reuse::Yes && self.settled.is_some_and(|at| job.started <= at) {
            answer.reuse = Reuse::No(NoReuse::Settings);
        }
        if answer.head.status == 407 && job.proxy.is_some() {
            // Of a target that is reached by absolute form: it is the proxy that asks.
            let error = HttpError::proxy_refused(job.peer(), &job.target, 407);
            link.close();
            return self.fail(slot, job, error, now);
        }
        match answer.reuse {
            Reuse::Yes => {
                let said = answer.head.keep_alive_timeout();
                self.keep_idle(slot, link, Arc::clone(&job.target), said, now);
            }
            Reuse::No(why) => {
                self.counters.not_reused[why.index()] += 1;
                link.close();
                self.release(slot, job.target.place());
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

    /// Does what is due: deadlines, the next address, idle connections that are too old. A few in one turn: what began
    /// together is due together, and others must come between.
    pub(super) fn expire(&mut self, now: Instant) {
        self.due = NEVER;
        let is_due = |(slot, conn): (usize, &Conn)| (conn.due() <= now).then_some(slot);
        let due = self.slots.iter().filter_map(is_due);
        let due: Vec<usize> = due.take(EXPIRED_PER_TURN).collect();
        for slot in due {
            match self.slots.take(slot) {
                Some(Conn::Busy { mut job, link }) => match job.timed_out() {
                    Ok(answer) => self.answered(slot, job, link, answer, now),
                    Err(error) => {
                        link.close();
                        self.fail(slot, job, error, now);
                    }
                },
                Some(Conn::Connecting { job, race }) if now < job.phase_by => {
                    self.connecting(slot, job, race, now);
                }
                Some(Conn::Resolving { job } | Conn::Connecting { job, .. }) => {
                    let error = job.at_peer(HttpError::timeout(job.phase, job.peer()));
                    self.fail(slot, job, error, now);
                }
                Some(Conn::Tunnel {
                    job, mut tunnel, ..
                }) => {
                    let error = match tunnel.timed_out() {
                        Ok(a) => {
                            HttpError::proxy_refused(&tunnel.target, &job.target, a.head.status)
                        }
                        Err(_) => HttpError::timeout(job.phase, job.peer()).at_proxy(),
                    };
                    self.fail(slot, job, error, now);
                }
                Some(idle) => {
                    self.slots.put(slot, idle);
                    self.drop_idle(slot, NoReuse::IdleAge);
                }
                None => {}
            }
        }
        let mut left = EXPIRED_PER_TURN;
        let (late, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|job| {
                let late = job.phase_by <= now && left > 0;
                left -= usize::from(late);
                late
            });
        self.waiting = waiting;
        for job in Vec::from(late) {
            let error = HttpError::timeout(Phase::Queue, &job.target);
            self.finish(*job, Err(error), now);
        }
        let conns = self.slots.iter().map(|(_, conn)| conn.due());
        let waiting = self.waiting.iter().map(|job| job.phase_by);
        self.due = conns.chain(waiting).min().unwrap_or(NEVER);
    }

    /// Ends an exchange whose connection has ended.
    pub(super) fn fail(&mut self, slot: usize, job: Box<Job>, error: HttpError, now: Instant) {
        self.release(slot, job.target.place());
        self.finish(*job, Err(error), now);
    }

    pub(super) fn finish(&mut self, job: Job, result: Result<Response, HttpError>, now: Instant) {
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
