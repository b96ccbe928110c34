//! The head of an answer: where it ends, and what it says.
//!
//! The end is found by a scan that sees every byte once, however the input is cut, and that
//! refuses what parsers disagree about (a bare LF, a lone CR, NUL: RFC 9112 §2.2). Only then is
//! the whole head given to httparse.

use super::{Limits, ProtocolError};

/// HTTP version of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: no chunks, closed unless it says keep-alive.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// An answer's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// HTTP version.
    pub version: Version,
    /// Status, 100 ..= 999.
    pub status: u16,
    /// Headers in the order they came.
    pub headers: Headers,
}

impl Head {
    /// More headers than this are never taken, whatever [`Limits::headers`] says.
    const MAX_HEADERS: usize = 128;

    /// Parses a head that ends where `text` ends.
    pub(super) fn parse(text: &[u8], limits: &Limits) -> Result<Head, ProtocolError> {
        let mut slots = [httparse::EMPTY_HEADER; Self::MAX_HEADERS];
        let slots = &mut slots[..limits.headers.min(Self::MAX_HEADERS)];
        let mut parsed = httparse::Response::new(slots);
        match parsed.parse(text) {
            Ok(httparse::Status::Complete(n)) if n == text.len() => {}
            Ok(_) => return Err(ProtocolError::StatusLine),
            Err(httparse::Error::TooManyHeaders) => return Err(ProtocolError::TooManyHeaders),
            Err(httparse::Error::HeaderName | httparse::Error::HeaderValue) => {
                return Err(ProtocolError::Header);
            }
            Err(_) => return Err(ProtocolError::StatusLine),
        }
        let (Some(status @ 100..), Some(minor)) = (parsed.code, parsed.version) else {
            return Err(ProtocolError::StatusLine);
        };
        let version = if minor == 0 {
            Version::Http10
        } else {
            Version::Http11
        };
        let mut headers = Headers::with_capacity(text.len(), parsed.headers.len());
        for header in parsed.headers.iter() {
            headers.push(header.name, header.value);
        }
        Ok(Head {
            version,
            status,
            headers,
        })
    }
}

impl Head {
    /// Seconds for which the receiver keeps an idle connection, where it says so:
    /// `Keep-Alive: timeout=5, max=100` (RFC 2068 §19.7.1.1; Node.js and Apache send it).
    pub fn keep_alive_timeout(&self) -> Option<u32> {
        let params = self.headers.all("keep-alive").flat_map(|v| v.split(','));
        let named = params.filter_map(|p| p.split_once('='));
        let timeout = named
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"))
            .filter_map(|(_, seconds)| seconds.trim().parse().ok());
        timeout.min()
    }
}

/// Headers of an answer: names in lower case, values with bytes that are not UTF-8 replaced.
///
/// One buffer and one index, however many headers.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    text: String,
    /// End of name and end of value of each header; it starts where the one before ends.
    ends: Vec<(u32, u32)>,
}

impl Headers {
    fn with_capacity(bytes: usize, headers: usize) -> Self {
        Headers {
            text: String::with_capacity(bytes),
            ends: Vec::with_capacity(headers),
        }
    }

    /// The first value of a header; `name` in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    /// Every value of a header, in the order they came; `name` in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(n, _)| *n == name).map(|(_, v)| v)
    }

    /// All headers, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |&(name_end, value_end)| {
            let name = &self.text[start..name_end as usize];
            let value = &self.text[name_end as usize..value_end as usize];
            start = value_end as usize;
            (name, value)
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds a header, its name made lower case.
    pub fn push(&mut self, name: &str, value: &[u8]) {
        self.text
            .extend(name.chars().map(|c| c.to_ascii_lowercase()));
        let name_end = self.text.len() as u32;
        self.text.push_str(&String::from_utf8_lossy(value));
        self.ends.push((name_end, self.text.len() as u32));
    }
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// What every answer starts with; anything else is refused at its first wrong byte.
pub(super) const START: &[u8] = b"HTTP/1.";

/// Finds the end of a head in input that may be cut anywhere.
#[derive(Debug)]
pub(super) struct Scanner {
    /// The last byte was CR.
    cr: bool,
    /// Nothing but line ends since the last line end.
    empty: bool,
}

impl Scanner {
    pub(super) fn new() -> Self {
        Scanner {
            cr: false,
            empty: true,
        }
    }

    /// How many bytes of `input` belong to the head, if it ends in there.
    pub(super) fn scan(&mut self, input: &[u8]) -> Result<Option<usize>, ProtocolError> {
        for (i, &byte) in input.iter().enumerate() {
            match (self.cr, byte) {
                (true, b'\n') if self.empty => return Ok(Some(i + 1)),
                (true, b'\n') => (self.cr, self.empty) = (false, true),
                (true, _) | (false, b'\n') => return Err(ProtocolError::LineEnd),
                (false, b'\r') => self.cr = true,
                (false, 0) => return Err(ProtocolError::Header),
                (false, _) => self.empty = false,
            }
        }
        Ok(None)
    }
}
