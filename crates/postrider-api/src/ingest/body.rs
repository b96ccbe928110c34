//! The lines of a batch, decompressed as they are read: a small body can be a large batch, and no
//! more of it than one line is in memory.

use crate::failure::Failure;
use crate::message::Request;
use flate2::bufread::MultiGzDecoder;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

/// The most bytes of a batch, decompressed.
const MOST: u64 = 64 << 20;

/// A longer line is no event: one has at most 128 KiB.
const LINE: u64 = 1 << 18;

/// The lines of a batch.
pub(super) struct Lines<'a> {
    input: Box<dyn BufRead + 'a>,
    line: Vec<u8>,
    number: u64,
    read: u64,
}

/// A line that is too long to be an event.
#[derive(Debug)]
pub(super) struct TooLong;

/// Why a batch could not be read to its end.
#[derive(Debug)]
pub(super) enum Unreadable {
    NotGzip(io::Error),
    TooMuch,
}

impl<'a> Lines<'a> {
    pub(super) fn of(request: &'a Request) -> Result<Lines<'a>, Failure> {
        media_type(request)?;
        let body = &request.body[..];
        let encoding = request.header("content-encoding").unwrap_or("identity");
        let input: Box<dyn BufRead + 'a> = match encoding.to_ascii_lowercase().as_str() {
            "identity" => Box::new(body),
            "gzip" | "x-gzip" => Box::new(BufReader::new(MultiGzDecoder::new(body))),
            _ => return Err(Failure::Encoding),
        };
        Ok(Lines {
            input,
            line: Vec::new(),
            number: 0,
            read: 0,
        })
    }

    /// The number of the line that [`next`](Self::next) gave last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line that is not empty; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Result<&[u8], TooLong>>, Unreadable> {
        loop {
            self.line.clear();
            let mut limited = self.input.by_ref().take(LINE + 1);
            let mut length = limited
                .read_until(b'\n', &mut self.line)
                .map_err(Unreadable::NotGzip)? as u64;
            if length == 0 {
                return Ok(None);
            }
            self.number += 1;
            let too_long = length > LINE && self.line.last() != Some(&b'\n');
            if too_long {
                let mut rest = self.input.by_ref().take(MOST);
                length += rest.skip_until(b'\n').map_err(Unreadable::NotGzip)? as u64;
            }
            self.read += length;
            if self.read > MOST {
                return Err(Unreadable::TooMuch);
            }
            if too_long {
                return Ok(Some(Err(TooLong)));
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some(Ok(self.line.trim_ascii())));
            }
        }
    }
}

/// What senders of lines call them; many call them JSON.
fn media_type(request: &Request) -> Result<(), Failure> {
    let Some(given) = request.header("content-type") else {
        return Ok(());
    };
    let given = given.split(';').next().unwrap_or_default().trim();
    let known = [
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/json",
        "text/plain",
    ];
    match known.iter().any(|k| given.eq_ignore_ascii_case(k)) {
        true => Ok(()),
        false => Err(Failure::ContentType("application/x-ndjson")),
    }
}

impl Unreadable {
    /// As the contract's `error` event has it.
    pub(super) fn error_type(&self) -> &'static str {
        match self {
            Unreadable::NotGzip(_) => "decompress",
            Unreadable::TooMuch => "validation",
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::NotGzip(e) => write!(f, "Request body is not gzip: {e}"),
            Unreadable::TooMuch => {
                write!(f, "Request body has more than {MOST} bytes, decompressed")
            }
        }
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "is longer than {LINE} bytes; an event has at most 131072"
        )
    }
}
