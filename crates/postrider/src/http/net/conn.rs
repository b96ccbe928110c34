//! One connection and the exchange on it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::link::{Link, LinkError, Received, Sent};
use super::outgoing::Outgoing;
use super::race::Race;
use super::{Body, Config, ErrorKind, HttpError, Phase, Proxy, Request, Target, Timeouts};
use crate::http::proto::{Answer, Exchange, Limits, Method, write_head};
use crate::time::Instant;

/// Bytes of an answer that are read in one turn: an endless one must not hold up the others.
const SHARE: usize = 32 * 1024;

/// A request that is waiting or on its way.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: u64,
    pub(super) target: Arc<Target>,
    /// What it goes through.
    pub(super) proxy: Option<Proxy>,
    pub(super) deadline: Instant,
    pub(super) started: Instant,
    /// Others come first: see [`Request::unproven`], or it had more to say than one share.
    pub(super) unproven: bool,
    /// Sent over a connection that had carried another exchange.
    pub(super) reused: bool,
    /// How long that had been idle.
    pub(super) waited: Duration,
    /// What it is doing.
    pub(super) phase: Phase,
    /// By when that must be over; never behind the deadline.
    pub(super) phase_by: Instant,
    method: Method,
    out: Outgoing,
    exchange: Exchange,
    limits: Limits,
    retried: bool,
}

/// Where a connection stands.
#[derive(Debug)]
pub(super) enum Conn {
    /// The name is being looked up.
    Resolving { job: Box<Job> },
    /// Addresses are being tried.
    Connecting { job: Box<Job>, race: Race },
    /// The proxy has been asked for a tunnel; `tunnel` is that exchange.
    Tunnel {
        job: Box<Job>,
        tunnel: Box<Job>,
        link: Link,
    },
    /// TLS handshake, request, answer.
    Busy { job: Box<Job>, link: Link },
    /// Waiting for the next request.
    Idle {
        link: Link,
        target: Arc<Target>,
        since: Instant,
        until: Instant,
    },
}

impl Conn {
    /// The target.
    pub(super) fn target(&self) -> &Arc<Target> {
        match self {
            Conn::Resolving { job }
            | Conn::Connecting { job, .. }
            | Conn::Tunnel { job, .. }
            | Conn::Busy { job, .. } => &job.target,
            Conn::Idle { target, .. } => target,
        }
    }

    /// The job, if there is one.
    pub(super) fn job(&self) -> Option<&Job> {
        match self {
            Conn::Resolving { job }
            | Conn::Connecting { job, .. }
            | Conn::Tunnel { job, .. }
            | Conn::Busy { job, .. } => Some(job),
            Conn::Idle { .. } => None,
        }
    }

    /// Whether others come first.
    pub(super) fn comes_later(&self) -> bool {
        self.is_handshaking() || self.job().is_some_and(|job| job.unproven)
    }

    /// Whether going on takes a step of a TLS handshake: one costs as much as many answers over kept connections.
    fn is_handshaking(&self) -> bool {
        match self {
            Conn::Connecting { job, .. } => job.proxy.is_none() && job.target.is_https(),
            Conn::Busy { link, .. } => link.is_handshaking(),
            Conn::Resolving { .. } | Conn::Tunnel { .. } | Conn::Idle { .. } => false,
        }
    }

    /// When something has to be done even if nothing happens.
    pub(super) fn due(&self) -> Instant {
        match self {
            Conn::Resolving { job } | Conn::Tunnel { job, .. } | Conn::Busy { job, .. } => {
                job.phase_by
            }
            Conn::Connecting { job, race } => {
                race.due().map_or(job.phase_by, |d| d.min(job.phase_by))
            }
            Conn::Idle { until, .. } => *until,
        }
    }
}

/// What the kernel reported about a connection. It reports a change once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hint {
    /// There may be input.
    pub(super) input: bool,
    /// Behind the input there is the end.
    pub(super) end: bool,
}

impl Hint {
    /// Both.
    pub(super) fn and(self, other: Hint) -> Hint {
        Hint {
            input: self.input || other.input,
            end: self.end || other.end,
        }
    }

    /// The same, for who left input behind.
    pub(super) fn again(self) -> Hint {
        Hint {
            input: true,
            ..self
        }
    }
}

/// What became of an exchange in one turn.
#[derive(Debug)]
pub(super) enum Turn {
    /// It goes on.
    Pending,
    /// It goes on at once, but others come first: it has had its share of this turn.
    Yielded,
    /// There is an answer.
    Answered(Answer),
    /// There won't be one.
    Failed(HttpError),
}

impl Job {
    /// Writes the head and gets ready to send.
    pub(super) fn new(id: u64, request: Request, config: &Config, now: Instant) -> Box<Job> {
        let Request {
            target,
            method,
            mut headers,
            body,
            deadline,
            answer_kept,
            unproven,
        } = request;
        let proxy = config.proxy_for(&target).cloned();
        let mut whole_url = None;
        if let Some(proxy) = proxy.as_ref().filter(|_| !target.is_https()) {
            headers.extend(proxy.authorization());
            whole_url = Some(format!("http://{}{}", target.authority(), target.path()));
        }
        let mut head = Vec::with_capacity(512);
        write_head(
            &mut head,
            method,
            target.authority(),
            whole_url.as_deref().unwrap_or(target.path()),
            &config.user_agent,
            &headers,
            body.len(),
        );
        let limits = Limits {
            body_kept: answer_kept.min(config.limits.body_kept),
            ..config.limits
        };
        let out = Outgoing::new(head, body);
        let mut job = Job::sending(id, target, (method, out), deadline, limits, now);
        (job.proxy, job.unproven) = (proxy, unproven);
        job
    }

    /// Gets ready to ask the proxy for a tunnel to another job's target.
    pub(super) fn tunnel(job: &Job, proxy: &Proxy, config: &Config, now: Instant) -> Box<Job> {
        let to = job.target.host_and_port();
        let (method, lines) = (Method::Connect, proxy.authorization());
        let mut head = Vec::new();
        write_head(&mut head, method, &to, &to, &config.user_agent, lines, 0);
        let out = (method, Outgoing::new(head, Body::new()));
        let target = Arc::clone(proxy.target());
        let limits = Limits {
            body_kept: 0,
            ..config.limits
        };
        let mut tunnel = Job::sending(job.id, target, out, job.deadline, limits, now);
        tunnel.unproven = job.unproven;
        tunnel
    }

    /// What has to be connected to: the proxy or the target.
    pub(super) fn peer(&self) -> &Arc<Target> {
        self.proxy.as_ref().map_or(&self.target, Proxy::target)
    }

    /// An error of reaching the peer, laid at the right door.
    pub(super) fn at_peer(&self, error: HttpError) -> HttpError {
        match self.proxy {
            Some(_) => error.at_proxy(),
            None => error,
        }
    }

    fn sending(
        id: u64,
        target: Arc<Target>,
        (method, out): (Method, Outgoing),
        deadline: Instant,
        limits: Limits,
        now: Instant,
    ) -> Box<Job> {
        Box::new(Job {
            id,
            target,
            proxy: None,
            deadline,
            started: now,
            unproven: false,
            reused: false,
            waited: Duration::ZERO,
            phase: Phase::Queue,
            phase_by: deadline,
            method,
            out,
            exchange: Exchange::new(method, limits),
            limits,
            retried: false,
        })
    }

    /// Gets ready to be sent again over a fresh connection, if that is safe: the connection had
    /// been used before, and no byte of an answer came, so that the receiver most likely closed
    /// it before it saw the request. Once.
    pub(super) fn rewind(&mut self, error: &HttpError) -> bool {
        let closed = error.kind == ErrorKind::Closed;
        let safe = closed && self.reused && !self.retried && self.exchange.untouched();
        if safe {
            self.out.rewind();
            self.exchange = Exchange::new(self.method, self.limits);
            (self.reused, self.retried) = (false, true);
            self.phase = Phase::Queue;
        }
        safe
    }

    /// Carries the exchange as far as it goes. `input`: there may be some.
    pub(super) fn turn(&mut self, link: &mut Link, buf: &mut [u8], input: bool) -> Turn {
        // Input first: an answer that is there makes sending the rest pointless, and a write
        // error must not hide it.
        if input {
            match self.read(link, buf) {
                Turn::Pending => {}
                over => return over,
            }
        }
        if !self.exchange.wants_to_send() {
            return Turn::Pending;
        }
        match link.send(&mut self.out) {
            Ok(Sent::Blocked) => Turn::Pending,
            Ok(Sent::All) => {
                self.exchange.sent();
                // Receivers that take a request and never answer would hold its memory until the deadline.
                if !self.reused {
                    self.out.let_go();
                }
                Turn::Pending
            }
            // The read comes again if it yields, and finds the end behind what is there.
            Err(error) => match self.read(link, buf) {
                Turn::Pending => self.ended(link, false, Some(&error)),
                Turn::Failed(e) if e.kind == ErrorKind::Closed => self.failed(link, Some(&error)),
                over => over,
            },
        }
    }

    /// Enters a phase, with its own time to go.
    pub(super) fn enter(&mut self, phase: Phase, timeouts: &Timeouts, now: Instant) {
        if phase != self.phase {
            self.phase = phase;
            let own = timeouts.of(phase).map(|time| now.after(time));
            self.phase_by = own.map_or(self.deadline, |by| by.min(self.deadline));
        }
    }

    /// What the passing of a deadline means.
    pub(super) fn timed_out(&mut self) -> Result<Answer, HttpError> {
        let answer = self.exchange.timed_out();
        answer.ok_or_else(|| HttpError::timeout(self.phase, &self.target))
    }

    /// Reads until there is no more input, no more is needed, or its share is used up.
    fn read(&mut self, link: &mut Link, buf: &mut [u8]) -> Turn {
        let mut share = SHARE;
        loop {
            match link.receive(buf) {
                Ok(Received::Blocked) => return Turn::Pending,
                Ok(Received::IdleTalk) => return Turn::Yielded,
                Ok(Received::Bytes(n)) => match self.exchange.received(&buf[..n]) {
                    Ok(None) if n >= share => return Turn::Yielded,
                    Ok(None) => share -= n,
                    Ok(Some(answer)) => return Turn::Answered(answer),
                    Err(e) => return Turn::Failed(HttpError::protocol(&self.target, e)),
                },
                Ok(Received::End { clean }) => return self.ended(link, clean, None),
                Err(LinkError::Io(e)) => return self.ended(link, false, Some(&e)),
                Err(LinkError::Tls(e)) => {
                    return match self.exchange.closed(false) {
                        Some(answer) => Turn::Answered(answer),
                        None => Turn::Failed(HttpError::tls(&self.target, &e)),
                    };
                }
            }
        }
    }

    fn ended(&mut self, link: &Link, clean: bool, error: Option<&io::Error>) -> Turn {
        match self.exchange.closed(clean) {
            Some(answer) => Turn::Answered(answer),
            None => self.failed(link, error),
        }
    }

    fn failed(&self, link: &Link, error: Option<&io::Error>) -> Turn {
        Turn::Failed(HttpError::closed(self.phase_on(link), &self.target, error))
    }

    /// What is being done on a connection.
    pub(super) fn phase_on(&self, link: &Link) -> Phase {
        if link.is_handshaking() {
            Phase::Tls
        } else if !self.exchange.untouched() {
            Phase::Answer
        } else if self.out.is_done() {
            Phase::FirstByte
        } else {
            Phase::Send
        }
    }
}
