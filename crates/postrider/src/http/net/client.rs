//! The client.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Body, HttpError, Policy, Target, Waker};
use crate::http::proto::{BodyEnd, HeaderLines, Headers, Limits, Method, Reuse};
use crate::time::{Clock, Instant};

/// How a [`Client`] behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Budget for name, connection and TLS handshake together, over all addresses.
    pub connect_timeout: Duration,
    /// How long a connection may wait for its next request. Below 5 s, where Node's servers close.
    pub idle_age: Duration,
    /// Connections to one target; further requests to it wait.
    pub max_per_target: usize,
    /// Connections in all; further requests wait.
    pub max_connections: usize,
    /// `User-Agent` where the request sets none.
    pub user_agent: String,
    /// Which addresses may be connected to.
    pub policy: Policy,
    /// PEM file of CA certificates to trust, in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// What an answer may cost.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            connect_timeout: Duration::from_secs(3),
            idle_age: Duration::from_secs(4),
            max_per_target: 16,
            max_connections: 1000,
            user_agent: concat!("Postrider/", env!("CARGO_PKG_VERSION")).to_owned(),
            policy: Policy::default(),
            ca_file: None,
            limits: Limits::default(),
        }
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where it goes.
    pub target: Arc<Target>,
    /// Method; POST unless set.
    pub method: Method,
    /// Header lines beside Host, User-Agent and Content-Length.
    pub headers: HeaderLines,
    /// Body.
    pub body: Body,
    /// When the exchange as a whole must be over.
    pub deadline: Instant,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status, 200 ..= 999. The answer stands whatever `end` says.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Headers,
    /// The body's first bytes, at most [`Limits::body_kept`].
    pub body: Vec<u8>,
    /// How the body ended; only [`BodyEnd::Complete`] is a complete answer.
    pub end: BodyEnd,
    /// Whether the connection could be kept.
    pub reuse: Reuse,
}

/// A finished exchange.
#[derive(Clone, Debug)]
pub struct Done {
    /// The id it was started with.
    pub id: u64,
    /// The answer, or why there is none.
    pub result: Result<Response, HttpError>,
    /// From the start to the end of the exchange.
    pub latency: Duration,
    /// Whether it went over a connection that had carried another exchange before.
    pub reused: bool,
}

/// Carries exchanges over pooled connections.
///
/// One thread owns it. It makes no thread of its own except for name look-ups; these inherit the
/// signal mask of the thread that drives the client, so block signals there first.
///
/// Dropping it closes every socket without a word: safe also in a forked child, where the
/// connections still belong to the parent.
#[derive(Debug)]
pub struct Client {}

impl Client {
    /// Makes a client. Fails when there are no descriptors, or the CA file can't be read.
    pub fn new(_config: Config) -> io::Result<Client> {
        todo!()
    }

    /// What wakes this client's [`poll`](Client::poll) from other threads.
    pub fn waker(&self) -> Arc<Waker> {
        todo!()
    }

    /// Starts an exchange; its [`Done`] comes out of a later [`poll`](Client::poll). As much of the
    /// request as the socket takes is sent at once. Ids are the caller's and should be unique
    /// among those in flight.
    pub fn start(&mut self, _id: u64, _request: Request, _now: Instant) {
        todo!()
    }

    /// Forgets an exchange and closes its connection; no [`Done`] comes. False if it is not there.
    pub fn cancel(&mut self, _id: u64) -> bool {
        todo!()
    }

    /// One turn: waits until something happens, at most `timeout` (for ever, if none), carries
    /// every exchange as far as it goes and adds the finished ones to `done`.
    ///
    /// Returns at once when an exchange has finished already or the waker was used since the last
    /// turn. May return with nothing done.
    pub fn poll(
        &mut self,
        _timeout: Option<Duration>,
        _clock: &dyn Clock,
        _done: &mut Vec<Done>,
    ) -> io::Result<()> {
        todo!()
    }

    /// Exchanges started and not yet given out as [`Done`].
    pub fn in_flight(&self) -> usize {
        todo!()
    }

    /// Ends idle connections properly: TLS ones with close_notify.
    pub fn close_idle(&mut self) {
        todo!()
    }
}
