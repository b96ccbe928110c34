//! One request's answer: what is kept of it, when it is over, and what it says about the
//! connection.
//!
//! The rule that decides everything: *a final head is an answer.* Before it, the end of the
//! connection or malformed bytes are failures; behind it, they only say how the body ended.

use super::decode::{Decoder, Eof, Event};
use super::{BodyEnd, Head, Limits, Method, NoReuse, ProtocolError, Reuse};

/// An answer that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its head.
    pub head: Head,
    /// The first bytes of its body, at most [`Limits::body_kept`].
    pub body: Vec<u8>,
    /// How the body ended.
    pub end: BodyEnd,
    /// Whether the connection may carry another request.
    pub reuse: Reuse,
}

/// Collects the answer to one request.
///
/// Input: [`sent`](Exchange::sent), [`received`](Exchange::received), [`closed`](Exchange::closed),
/// [`timed_out`](Exchange::timed_out). Questions: [`wants_to_send`](Exchange::wants_to_send),
/// [`untouched`](Exchange::untouched). Once an answer or an error came out, it is used up.
#[derive(Debug)]
pub struct Exchange {
    decoder: Decoder,
    limits: Limits,
    sent: bool,
    head: Option<Head>,
    body: Vec<u8>,
    read: u64,
}

impl Exchange {
    /// Waits for the answer to a request of this method.
    pub fn new(method: Method, limits: Limits) -> Self {
        Exchange {
            decoder: Decoder::new(method, limits),
            limits,
            sent: false,
            head: None,
            body: Vec::new(),
            read: 0,
        }
    }

    /// Notes that the request has gone out whole.
    pub fn sent(&mut self) {
        self.sent = true;
    }

    /// Whether there is a point in sending the rest of the request: not once the receiver has
    /// turned it down. A 2xx that comes early may belong to a receiver that reads on.
    pub fn wants_to_send(&self) -> bool {
        !self.sent && self.head.as_ref().is_none_or(|head| head.status < 300)
    }

    /// Whether no byte of an answer has come: on a reused connection, the sign that the receiver
    /// had closed it and never saw the request.
    pub fn untouched(&self) -> bool {
        !self.decoder.started()
    }

    /// Whether the final head has come.
    pub fn answered(&self) -> bool {
        self.head.is_some()
    }

    /// Takes bytes from the connection; gives the answer when it is over.
    pub fn received(&mut self, mut input: &[u8]) -> Result<Option<Answer>, ProtocolError> {
        loop {
            match self.decoder.decode(&mut input) {
                Ok(Event::More) => return Ok(None),
                Ok(Event::Head(head)) => self.head = Some(head),
                Ok(Event::Body(data)) => {
                    let keep = (self.limits.body_kept - self.body.len()).min(data.len());
                    self.body.extend_from_slice(&data[..keep]);
                    self.read = self.read.saturating_add(data.len() as u64);
                    if self.read > self.limits.body_read {
                        return Ok(self.cut(BodyEnd::TooLong));
                    }
                }
                Ok(Event::End(reuse)) => {
                    let reuse = match reuse {
                        Reuse::Yes if !self.sent => Reuse::No(NoReuse::EarlyAnswer),
                        Reuse::Yes if !input.is_empty() => Reuse::No(NoReuse::Unsolicited),
                        reuse => reuse,
                    };
                    return Ok(self.over(BodyEnd::Complete, reuse));
                }
                Err(error) => return self.cut(BodyEnd::Malformed).ok_or(error).map(Some),
            }
        }
    }

    /// Takes the end of the connection, `clean` if it was announced and not a reset. None: there
    /// is no answer.
    pub fn closed(&mut self, clean: bool) -> Option<Answer> {
        match self.decoder.eof(clean) {
            Eof::NoAnswer => None,
            Eof::Complete => self.over(BodyEnd::Complete, Reuse::No(NoReuse::UntilClose)),
            Eof::Truncated => self.cut(BodyEnd::Truncated),
        }
    }

    /// Takes the passing of the deadline. None: there is no answer.
    pub fn timed_out(&mut self) -> Option<Answer> {
        self.cut(BodyEnd::TimedOut)
    }

    fn cut(&mut self, end: BodyEnd) -> Option<Answer> {
        self.over(end, Reuse::No(NoReuse::BodyCut))
    }

    fn over(&mut self, end: BodyEnd, reuse: Reuse) -> Option<Answer> {
        let head = self.head.take()?;
        Some(Answer {
            head,
            body: std::mem::take(&mut self.body),
            end,
            reuse,
        })
    }
}
