//! Reads one final answer from input that may be cut anywhere.

use super::chunked::{Chunk, Chunks};
use super::framing::{Framing, framing};
use super::head::{Head, START, Scanner};
use super::{Limits, Method, ProtocolError, Reuse};

/// Reads one answer: interim answers are skipped, the final head, its body and its end come out.
///
/// After an error or [`Event::End`] it is used up: the next answer takes a new one.
#[derive(Debug)]
pub struct Decoder {
    method: Method,
    limits: Limits,
    state: State,
    scanner: Scanner,
    /// The part of a head that came in earlier input.
    partial: Vec<u8>,
    head_left: usize,
    interim_left: u32,
    started: bool,
    reuse: Reuse,
}

#[derive(Debug)]
enum State {
    Head,
    Length(u64),
    Chunked(Chunks),
    UntilClose,
    Done,
}

/// What [`Decoder::decode`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// All input is used; more is needed.
    More,
    /// The final answer's head.
    Head(Head),
    /// Bytes of the body, never empty.
    Body(&'a [u8]),
    /// The answer is over. Input that is left does not belong to it.
    End(Reuse),
}

/// What the end of the connection means to the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eof {
    /// No final head has come.
    NoAnswer,
    /// The body was to end like this.
    Complete,
    /// The body is cut.
    Truncated,
}

impl Decoder {
    /// Reads the answer to a request of this method.
    pub fn new(method: Method, limits: Limits) -> Self {
        Decoder {
            method,
            limits,
            state: State::Head,
            scanner: Scanner::new(),
            partial: Vec::new(),
            head_left: limits.head_bytes,
            interim_left: limits.interim,
            started: false,
            reuse: Reuse::Yes,
        }
    }

    /// Whether a byte of an answer has come.
    pub fn started(&self) -> bool {
        self.started
    }

    /// Reads on and shortens `input` by what it used. Call until [`Event::More`] or
    /// [`Event::End`].
    pub fn decode<'a>(&mut self, input: &mut &'a [u8]) -> Result<Event<'a>, ProtocolError> {
        self.started |= !input.is_empty();
        match &mut self.state {
            State::Head => self.head(input),
            State::Length(0) | State::Done => {
                self.state = State::Done;
                Ok(Event::End(self.reuse))
            }
            _ if input.is_empty() => Ok(Event::More),
            State::Length(left) => {
                let n = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                let (data, rest) = input.split_at(n);
                *input = rest;
                *left -= n as u64;
                Ok(Event::Body(data))
            }
            State::UntilClose => Ok(Event::Body(std::mem::take(input))),
            State::Chunked(chunks) => Ok(match chunks.step(input)? {
                Chunk::More => Event::More,
                Chunk::Data(data) => Event::Body(data),
                Chunk::End => {
                    self.state = State::Done;
                    Event::End(self.reuse)
                }
            }),
        }
    }

    /// Says what it means that the connection ends here; `clean` if its end was announced (FIN,
    /// and close_notify under TLS), not a reset.
    pub fn eof(&self, clean: bool) -> Eof {
        match self.state {
            State::Head => Eof::NoAnswer,
            State::Done | State::Length(0) => Eof::Complete,
            State::UntilClose if clean => Eof::Complete,
            _ => Eof::Truncated,
        }
    }

    /// Skips interim heads and takes the final one.
    fn head<'a>(&mut self, input: &mut &'a [u8]) -> Result<Event<'a>, ProtocolError> {
        while !input.is_empty() {
            let Some(head) = self.one_head(input)? else {
                continue;
            };
            match head.status {
                // An upgrade is never asked for, so this is no answer to anything.
                101 => return Err(ProtocolError::SwitchedProtocols),
                100..=199 => {
                    self.interim_left = self
                        .interim_left
                        .checked_sub(1)
                        .ok_or(ProtocolError::TooManyInterim)?;
                }
                _ => {
                    let (framing, reuse) = framing(self.method, &head)?;
                    self.reuse = reuse;
                    self.state = match framing {
                        Framing::None => State::Done,
                        Framing::Length(n) => State::Length(n),
                        Framing::Chunked => State::Chunked(Chunks::new(&self.limits)),
                        Framing::UntilClose => State::UntilClose,
                    };
                    return Ok(Event::Head(head));
                }
            }
        }
        Ok(Event::More)
    }

    /// Takes one head, or all input as a part of one.
    fn one_head(&mut self, input: &mut &[u8]) -> Result<Option<Head>, ProtocolError> {
        // Never looking further than the limit keeps the outcome the same for every cut.
        let window = &input[..input.len().min(self.head_left + 1)];
        if !starts_right(&self.partial, window) {
            return Err(ProtocolError::StatusLine);
        }
        let end = self.scanner.scan(window)?;
        let (taken, rest) = input.split_at(end.unwrap_or(window.len()));
        self.head_left = self
            .head_left
            .checked_sub(taken.len())
            .ok_or(ProtocolError::HeadTooLarge)?;
        *input = rest;
        if end.is_none() {
            self.partial.extend_from_slice(taken);
            return Ok(None);
        }
        self.scanner = Scanner::new();
        if self.partial.is_empty() {
            return Head::parse(taken, &self.limits).map(Some);
        }
        let mut whole = std::mem::take(&mut self.partial);
        whole.extend_from_slice(taken);
        Head::parse(&whole, &self.limits).map(Some)
    }
}

/// Whether `partial` followed by `more` can still become an answer.
fn starts_right(partial: &[u8], more: &[u8]) -> bool {
    let expected = START.iter().skip(partial.len());
    expected.zip(more).all(|(e, m)| e == m)
}
