//! Every case is read whole, cut in two at every place, and byte by byte: the outcome must not
//! depend on how the network cut it.

mod chunks;
mod framing;
mod heads;
mod random;
mod request;
mod unhappy;

use super::{Answer, BodyEnd, Exchange, Limits, Method, NoReuse, ProtocolError, Reuse};

/// What follows the last byte.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// Nothing: the connection stays open.
    Open,
    /// A clean end.
    Fin,
    /// A reset, or the end of a TLS connection without close_notify.
    Reset,
}

/// Why there is no answer.
#[derive(Debug, PartialEq)]
enum Failure {
    Protocol(ProtocolError),
    NoAnswer,
    Unfinished,
}

fn feed<'a>(
    (method, limits): (Method, Limits),
    pieces: impl Iterator<Item = &'a [u8]>,
    then: Then,
) -> Result<Answer, Failure> {
    let mut exchange = Exchange::new(method, limits);
    exchange.sent();
    for piece in pieces {
        if let Some(answer) = exchange.received(piece).map_err(Failure::Protocol)? {
            return Ok(answer);
        }
    }
    match then {
        Then::Open => Err(Failure::Unfinished),
        Then::Fin => exchange.closed(true).ok_or(Failure::NoAnswer),
        Then::Reset => exchange.closed(false).ok_or(Failure::NoAnswer),
    }
}

/// Reads `bytes` in every way and gives the one outcome.
fn read_with(how: (Method, Limits), bytes: &[u8], then: Then) -> Result<Answer, Failure> {
    let whole = feed(how, [bytes].into_iter(), then);
    assert_eq!(feed(how, bytes.chunks(1), then), whole, "byte by byte");
    // Long inputs are cut around their ends and at strides in between.
    let cuts = (0..=bytes.len())
        .filter(|c| bytes.len() < 4096 || *c < 512 || bytes.len() - c < 512 || c % 1021 == 0);
    for cut in cuts {
        let (a, b) = bytes.split_at(cut);
        assert_eq!(feed(how, [a, b].into_iter(), then), whole, "cut at {cut}");
    }
    whole
}

/// The answer to a POST, under default limits, on a connection that stays open.
fn read(bytes: impl AsRef<[u8]>) -> Result<Answer, Failure> {
    read_with(
        (Method::Post, Limits::default()),
        bytes.as_ref(),
        Then::Open,
    )
}

/// As [`read`], with an end of the connection.
fn read_then(bytes: impl AsRef<[u8]>, then: Then) -> Result<Answer, Failure> {
    read_with((Method::Post, Limits::default()), bytes.as_ref(), then)
}

/// Asserts that `bytes` are refused for this reason.
#[track_caller]
fn refused(bytes: impl AsRef<[u8]>, error: ProtocolError) {
    assert_eq!(read(bytes), Err(Failure::Protocol(error)));
}

/// Asserts status, body, end and reuse of an answer.
#[track_caller]
fn is(answer: Result<Answer, Failure>, status: u16, body: &str, end: BodyEnd, reuse: Reuse) {
    let answer = answer.expect("an answer");
    assert_eq!(answer.head.status, status);
    assert_eq!(String::from_utf8_lossy(&answer.body), body);
    assert_eq!((answer.end, answer.reuse), (end, reuse));
}

/// Asserts a complete, reusable answer.
#[track_caller]
fn fine(bytes: impl AsRef<[u8]>, status: u16, body: &str) {
    is(read(bytes), status, body, BodyEnd::Complete, Reuse::Yes);
}

/// A head with these lines (each without its CR LF).
fn head(lines: &[&str]) -> String {
    lines.iter().map(|l| format!("{l}\r\n")).collect::<String>() + "\r\n"
}
