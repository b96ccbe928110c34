//! What a receiver can get wrong.

use thiserror::Error;

/// Why bytes are not an HTTP/1.1 answer, in words an operator can pass on to the receiver's owner.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The first line is not `HTTP/1.x NNN …`.
    #[error("the answer does not start with an HTTP/1.0 or HTTP/1.1 status line")]
    StatusLine,
    /// A line of the head is not `name: value`, is folded, or holds a forbidden byte.
    #[error("a header of the answer is malformed")]
    Header,
    /// A line of the head ends in LF alone, or a CR stands alone.
    #[error("a line of the answer's head does not end in CR LF")]
    LineEnd,
    /// More header bytes than [`Limits::head_bytes`](super::Limits::head_bytes).
    #[error("the answer's head is too large")]
    HeadTooLarge,
    /// More headers than [`Limits::headers`](super::Limits::headers).
    #[error("the answer has too many headers")]
    TooManyHeaders,
    /// More interim answers than [`Limits::interim`](super::Limits::interim).
    #[error("too many interim (1xx) answers")]
    TooManyInterim,
    /// 101, though no upgrade was asked for.
    #[error("the receiver switched protocols (101) without being asked")]
    SwitchedProtocols,
    /// Content-Length is not one number, or two that differ.
    #[error("the answer's Content-Length is malformed or given twice with different values")]
    ContentLength,
    /// Transfer-Encoding on HTTP/1.0, an unknown coding, chunked twice, or an empty element behind the last.
    #[error("the answer's Transfer-Encoding is not one that HTTP/1.1 allows here")]
    TransferEncoding,
    /// A chunk size without digits, with more than 16, or with anything but hex digits.
    #[error("a chunk size of the answer is malformed")]
    ChunkSize,
    /// A chunk's line or data does not end in CR LF.
    #[error("a chunk of the answer does not end in CR LF")]
    ChunkEnd,
    /// More extension bytes than [`Limits::extension_bytes`](super::Limits::extension_bytes).
    #[error("the answer's chunk extensions are too large")]
    ExtensionsTooLarge,
    /// More trailer bytes than [`Limits::trailer_bytes`](super::Limits::trailer_bytes).
    #[error("the answer's trailers are too large")]
    TrailersTooLarge,
}
