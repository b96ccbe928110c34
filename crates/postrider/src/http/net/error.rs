//! Why an exchange brought no answer.

use std::net::SocketAddr;
use std::{fmt, io};

use rustix::io::Errno;

use super::{PolicyError, Target};
use crate::http::proto::ProtocolError;

/// How far an exchange had got, in the order of its course.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Waiting for a free connection.
    Queue,
    /// Looking up the host's name.
    Resolve,
    /// Connecting.
    Connect,
    /// Asking the proxy for a tunnel.
    Proxy,
    /// TLS handshake.
    Tls,
    /// Sending the request.
    Send,
    /// Waiting for the first byte of an answer.
    FirstByte,
    /// Reading the answer's head.
    Answer,
}

impl Phase {
    /// A word for messages and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Queue => "queue",
            Phase::Resolve => "resolve",
            Phase::Connect => "connect",
            Phase::Proxy => "proxy",
            Phase::Tls => "tls",
            Phase::Send => "send",
            Phase::FirstByte => "first_byte",
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
    /// The proxy failed or refused: nothing is known of the target.
    Proxy,
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

/// The constructors: one per way to fail, each with the words for it.
impl HttpError {
    pub(super) fn resolve(target: &Target, text: &str) -> Self {
        let host = target.host();
        // std gives only the C library's words: glibc's and musl's for EAI_AGAIN.
        let again = ["Temporary failure", "Try again", "too many names"];
        let (node_code, advice) = if again.iter().any(|a| text.contains(a)) {
            ("EAI_AGAIN", "is the name server reachable?")
        } else {
            ("ENOTFOUND", "is the name right?")
        };
        let message = format!("cannot look up {host}: {text}; {advice}");
        HttpError {
            phase: Phase::Resolve,
            kind: ErrorKind::Resolve,
            node_code,
            message,
        }
    }

    pub(super) fn no_address(target: &Target) -> Self {
        let message = format!("{} has no address", target.host());
        let (phase, kind) = (Phase::Resolve, ErrorKind::Resolve);
        HttpError {
            phase,
            kind,
            node_code: "ENOTFOUND",
            message,
        }
    }

    pub(super) fn policy(target: &Target, error: &PolicyError) -> Self {
        let message = format!("{} is refused: {error}", target.authority());
        let (phase, kind) = (Phase::Connect, ErrorKind::Policy);
        HttpError {
            phase,
            kind,
            node_code: "EACCES",
            message,
        }
    }

    pub(super) fn connect(target: &Target, address: SocketAddr, error: &io::Error) -> Self {
        let node_code = errno_name(error);
        let kind = match node_code {
            "EMFILE" | "ENFILE" | "ENOBUFS" | "ENOMEM" | "EADDRNOTAVAIL" => ErrorKind::Local,
            "ETIMEDOUT" => ErrorKind::Timeout,
            _ => ErrorKind::Connect,
        };
        let message = format!("cannot connect to {} at {address}: {error}", target.host());
        HttpError {
            phase: Phase::Connect,
            kind,
            node_code,
            message,
        }
    }

    pub(super) fn closed(phase: Phase, target: &Target, error: Option<&io::Error>) -> Self {
        let doing = match phase {
            Phase::Tls => "during the TLS handshake",
            Phase::Send => "before it had taken the whole request",
            Phase::Answer => "in the middle of the answer's head",
            _ => "without an answer",
        };
        let who = target.authority();
        let (node_code, message) = match error {
            Some(e) => (
                errno_name(e),
                format!("{who} broke the connection {doing}: {e}"),
            ),
            None => ("ECONNRESET", format!("{who} closed the connection {doing}")),
        };
        HttpError {
            phase,
            kind: ErrorKind::Closed,
            node_code,
            message,
        }
    }

    pub(super) fn timeout(phase: Phase, target: &Target) -> Self {
        let who = target.authority();
        let message = match phase {
            Phase::Queue => format!("no connection to {who} was free in time"),
            Phase::Resolve => format!("looking up {} took too long", target.host()),
            Phase::Connect => format!("connecting to {who} took too long"),
            Phase::Proxy => format!("{who} did not open the way in time"),
            Phase::Tls => format!("the TLS handshake with {who} took too long"),
            Phase::Send => format!("{who} did not take the whole request in time"),
            Phase::FirstByte => format!("{who} took the request but did not answer in time"),
            Phase::Answer => format!("{who} began to answer but did not get far enough in time"),
        };
        let node_code = match phase {
            Phase::Send | Phase::FirstByte | Phase::Answer => "ESOCKETTIMEDOUT",
            _ => "ETIMEDOUT",
        };
        HttpError {
            phase,
            kind: ErrorKind::Timeout,
            node_code,
            message,
        }
    }

    pub(super) fn protocol(target: &Target, error: ProtocolError) -> Self {
        use ProtocolError as P;
        let node_code = match error {
            P::Header => "HPE_INVALID_HEADER_TOKEN",
            P::LineEnd => "HPE_LF_EXPECTED",
            P::HeadTooLarge | P::TooManyHeaders | P::TooManyInterim => "HPE_HEADER_OVERFLOW",
            P::ContentLength => "HPE_INVALID_CONTENT_LENGTH",
            P::TransferEncoding => "HPE_INVALID_TRANSFER_ENCODING",
            _ => "HPE_INVALID_CONSTANT",
        };
        let message = format!("{} does not speak HTTP/1.1: {error}", target.authority());
        HttpError {
            phase: Phase::Answer,
            kind: ErrorKind::Protocol,
            node_code,
            message,
        }
    }

    pub(super) fn tls(target: &Target, error: &rustls::Error) -> Self {
        let (node_code, message) = super::tls::explain(error, target);
        HttpError {
            phase: Phase::Tls,
            kind: ErrorKind::Tls,
            node_code,
            message,
        }
    }

    /// The proxy answered, and not with what was asked for.
    pub(super) fn proxy_refused(proxy: &Target, target: &Target, status: u16) -> Self {
        let (who, what) = (proxy.authority(), target.authority());
        let message = match status {
            // 401 is wrong here, and what Tinyproxy says.
            401 | 407 => {
                format!("the proxy {who} asks for other credentials than http.proxy has ({status})")
            }
            502..=504 => format!("the proxy {who} could not reach {what} ({status})"),
            _ => format!("the proxy {who} refused to connect to {what} ({status})"),
        };
        HttpError {
            phase: Phase::Proxy,
            kind: ErrorKind::Proxy,
            node_code: "ERR_PROXY_TUNNEL",
            message,
        }
    }

    /// The same, where what failed is the proxy.
    pub(super) fn at_proxy(mut self) -> Self {
        if self.kind != ErrorKind::Local {
            self.kind = ErrorKind::Proxy;
        }
        self.message.insert_str(0, "proxy: ");
        self
    }

    /// TLS can't even be tried.
    pub(super) fn no_tls(message: String) -> Self {
        let (phase, kind) = (Phase::Tls, ErrorKind::Local);
        HttpError {
            phase,
            kind,
            node_code: "ERR_TLS_INVALID_CONTEXT",
            message,
        }
    }
}

/// The C name of a system error.
fn errno_name(error: &io::Error) -> &'static str {
    let Some(errno) = Errno::from_io_error(error) else {
        return "EIO";
    };
    match errno {
        Errno::CONNREFUSED => "ECONNREFUSED",
        Errno::CONNRESET => "ECONNRESET",
        Errno::CONNABORTED => "ECONNABORTED",
        Errno::PIPE => "EPIPE",
        Errno::TIMEDOUT => "ETIMEDOUT",
        Errno::HOSTUNREACH => "EHOSTUNREACH",
        Errno::NETUNREACH => "ENETUNREACH",
        Errno::ADDRNOTAVAIL => "EADDRNOTAVAIL",
        Errno::AFNOSUPPORT => "EAFNOSUPPORT",
        Errno::ACCESS => "EACCES",
        Errno::PERM => "EPERM",
        Errno::MFILE => "EMFILE",
        Errno::NFILE => "ENFILE",
        Errno::NOBUFS => "ENOBUFS",
        Errno::NOMEM => "ENOMEM",
        _ => "EIO",
    }
}
