//! What goes into the client and what comes out.

use std::sync::Arc;
use std::time::Duration;

use super::{Body, HttpError, Target};
use crate::http::proto::{BodyEnd, HeaderLines, Headers, Method, Reuse};
use crate::time::Instant;

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
    /// Bytes of the answer's body that are wanted: memory that a hostile receiver fills. At most
    /// [`Limits::body_kept`](crate::http::proto::Limits::body_kept).
    pub answer_kept: usize,
    /// Nothing good is known of its receiver: in each turn others come first, and of such as this a few.
    pub unproven: bool,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status, 200 ..= 999. The answer stands whatever `end` says.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Headers,
    /// The body's first bytes, as many as were [wanted](Request::answer_kept).
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
