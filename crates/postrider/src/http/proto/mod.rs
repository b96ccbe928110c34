//! The protocol core: bytes in, answer out. No socket, no clock, no thread, no `unsafe`.
//!
//! ```text
//! head ─▶ framing ─▶ { none | length | chunked | until close } ─▶ decoder ─▶ exchange
//! ```
//!
//! [`Decoder`] reads one final answer from input that may be cut anywhere; [`Exchange`] adds what
//! belongs to one request: the bounded copy of the body, early answers, and whether the connection
//! may carry another request.

mod chunked;
mod decode;
mod error;
mod exchange;
mod framing;
mod head;
mod request;
mod reuse;
#[cfg(test)]
mod tests;

pub use decode::{Decoder, Eof, Event};
pub use error::ProtocolError;
pub use exchange::{Answer, Exchange};
pub use framing::{Framing, framing};
pub use head::{Head, Headers, Version};
pub use request::{HeaderError, HeaderLines, Method, check_header, write_head};
pub use reuse::{BodyEnd, NoReuse, Reuse};

/// What an answer may cost. Every limit is over one answer, interim answers included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all heads together.
    pub head_bytes: usize,
    /// Headers in one head.
    pub headers: usize,
    /// Interim (1xx) answers before the final one.
    pub interim: u32,
    /// Bytes of chunk extensions over the whole body.
    pub extension_bytes: u64,
    /// Bytes of trailers.
    pub trailer_bytes: u64,
    /// Bytes of the body that are kept for the caller; the rest is read and forgotten.
    pub body_kept: usize,
    /// Bytes of the body that are read before the answer is taken and the connection closed.
    pub body_read: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head_bytes: 64 * 1024,
            headers: 100,
            interim: 16,
            extension_bytes: 16 * 1024,
            trailer_bytes: 16 * 1024,
            body_kept: 64 * 1024,
            body_read: 256 * 1024,
        }
    }
}
