//! What happens to a connection, step by step: from a name to an answer, or to a failure.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use mio::unix::SourceFd;
use mio::{Interest, Token};

use super::client::NEVER;
use super::conn::{Attempt, Conn, Hint, Job, Route, Turn};
use super::link::Link;
use super::resolve::Resolved;
use super::socket::{Peek, Socket};
use super::{Client, Done, HttpError, Phase, Response};
use crate::http::proto::{Answer, NoReuse, Reuse};
use crate::time::Instant;

impl Client {
    /// Makes a fresh connection for a request.
    pub(super) fn open(&mut self, job: Box<Job>, now: Instant) {
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
    pub(super) fn resolved(
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
    pub(super) fn connect(
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
    pub(super) fn connecting(
        &mut self,
        slot: usize,
        job: Box<Job>,
        attempt: Attempt,
        now: Instant,
    ) {
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
                        // What came before the connection was known to be up has been reported
                        // with it, and only once.
                        let hint = Hint {
                            input: true,
                            end: false,
                        };
                        self.advance(slot, job, link, route.connect_by, hint, now);
                    }
                    Err(e) => self.fail(slot, job, e, now),
                }
            }
        }
    }

    /// Handles what the kernel reported about a slot.
    pub(super) fn ready(&mut self, slot: usize, hint: Hint, now: Instant) {
        match self.slots.take(slot) {
            Some(Conn::Busy {
                job,
                link,
                connect_by,
            }) => {
                self.advance(slot, job, link, connect_by, hint, now);
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
    pub(super) fn advance(
        &mut self,
        slot: usize,
        mut job: Box<Job>,
        mut link: Link,
        connect_by: Instant,
        hint: Hint,
        now: Instant,
    ) {
        match job.turn(&mut link, &mut self.buf, hint.input) {
            Turn::Pending => self.keep(
                slot,
                Conn::Busy {
                    job,
                    link,
                    connect_by,
                },
            ),
            Turn::Answered(mut answer) => {
                if hint.end && answer.reuse == Reuse::Yes {
                    answer.reuse = Reuse::No(NoReuse::ServerClosed);
                }
                self.answered(slot, job, link, answer, now);
            }
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
    pub(super) fn answered(
        &mut self,
        slot: usize,
        job: Box<Job>,
        link: Link,
        answer: Answer,
        now: Instant,
    ) {
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
    pub(super) fn expire(&mut self, now: Instant) {
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
