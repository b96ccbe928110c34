//! Why an exchange brought no answer.

use std::fmt;

/// How far an exchange had got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Waiting for a free connection.
    Queue,
    /// Looking up the host's name.
    Resolve,
    /// Connecting.
    Connect,
    /// TLS handshake.
    Tls,
    /// Sending the request.
    Send,
    /// Waiting for the answer's head.
    Answer,
}

impl Phase {
    /// A word for messages and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Queue => "queue",
            Phase::Resolve => "resolve",
            Phase::Connect => "connect",
            Phase::Tls => "tls",
            Phase::Send => "send",
            Phase::Answer => "answer",
        }
    }
}

/// What went wrong, by what the caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The name does not resolve.
    Resolve,
    /// The target policy refuses the address: allow it or change the target.
    Policy,
    /// No connection: refused, unreachable.
    Connect,
    /// A deadline passed.
    Timeout,
    /// The connection was reset or closed before an answer.
    Closed,
    /// TLS failed: certificate or handshake.
    Tls,
    /// The answer is not HTTP/1.1.
    Protocol,
    /// We lack something: descriptors, memory, CA file.
    Local,
}

/// Why an exchange brought no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpError {
    /// How far it had got.
    pub phase: Phase,
    /// What went wrong.
    pub kind: ErrorKind,
    /// The name Node.js or OpenSSL has for it, such as `ECONNREFUSED`: what the contract reports.
    pub node_code: &'static str,
    /// What happened, to whom, and what to do about it. Holds no secret.
    pub message: String,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}, {})",
            self.message,
            self.phase.name(),
            self.node_code
        )
    }
}

impl std::error::Error for HttpError {}
