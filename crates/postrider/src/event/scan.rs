//! A JSON reader that checks and copies in one pass.
//!
//! It accepts what RFC 8259 allows, less what a strict reader (serde_json) refuses: lone
//! surrogates and numbers past the range of a double. Text and numbers are spans of the input,
//! never decoded unless someone must compare them. The input is UTF-8; the caller has checked.

use super::MAX_DEPTH;
use super::catalogue::Key;
use super::error::{EventError, Excerpt};
use super::plain;
use super::text::{Full, Text};

/// Why reading stopped; the scanner knows where and what it expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// No JSON.
    Syntax,
    /// Nested past [`MAX_DEPTH`].
    Deep,
    /// The copy would pass its limit.
    Full,
}

impl From<Full> for Stop {
    fn from(_: Full) -> Stop {
        Stop::Full
    }
}

/// Room for decoded text, cleared only if it is needed.
pub(super) type Decoded = Option<[u8; 256]>;

/// Text as it stands in the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoted<'a> {
    /// With both quotes.
    pub(super) raw: &'a [u8],
    /// Whether there is a backslash in it.
    pub(super) escaped: bool,
}

impl<'a> Quoted<'a> {
    /// What stands between the quotes.
    #[inline]
    pub(super) fn inner(&self) -> &'a [u8] {
        &self.raw[1..self.raw.len() - 1]
    }

    /// The text meant; where it has escapes, decoded into `buffer` and cut where that is full.
    #[inline]
    pub(super) fn decoded<'b>(&self, buffer: &'b mut Decoded) -> &'b [u8]
    where
        'a: 'b,
    {
        match self.escaped {
            false => self.inner(),
            true => self.decode(buffer.insert([0; 256])),
        }
    }

    #[cold]
    fn decode<'b>(&self, buffer: &'b mut [u8; 256]) -> &'b [u8] {
        let mut len = 0;
        let mut rest = self.inner();
        while let Some((&byte, after)) = rest.split_first() {
            let (char, used) = match byte {
                b'\\' => decode_escape(after),
                _ => (None, 0),
            };
            rest = &after[used..];
            let mut utf8 = [0; 4];
            let bytes = match char {
                Some(char) => char.encode_utf8(&mut utf8).as_bytes(),
                None => std::slice::from_ref(&byte),
            };
            let Some(place) = buffer.get_mut(len..len + bytes.len()) else {
                break;
            };
            place.copy_from_slice(bytes);
            len += bytes.len();
        }
        &buffer[..len]
    }
}

/// The character that a checked escape means and the bytes behind the backslash that it takes.
fn decode_escape(after: &[u8]) -> (Option<char>, usize) {
    let plain = match after[0] {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let high = hex4(&after[1..]).unwrap_or_default();
            return match char::from_u32(high) {
                Some(char) => (Some(char), 5),
                None => {
                    let low = hex4(&after[7..]).unwrap_or_default();
                    (
                        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)),
                        11,
                    )
                }
            };
        }
        other => char::from(other),
    };
    (Some(plain), 1)
}

/// A number as it stands in the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<'a> {
    pub(super) raw: &'a [u8],
    /// Neither fraction nor exponent.
    pub(super) whole: bool,
}

/// Reads JSON from the start of a text.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'a> {
    input: &'a [u8],
    at: usize,
    /// What could have stood where it stopped.
    expected: &'static str,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(input: &'a [u8]) -> Scanner<'a> {
        Scanner {
            input,
            at: 0,
            expected: "",
        }
    }

    /// The next byte, past white space.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.input.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Takes the next byte, past white space, if it is `byte`.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }

    /// Takes `byte`, which must come next.
    #[inline]
    pub(super) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), Stop> {
        match self.take(byte) {
            true => Ok(()),
            false => Err(self.stop(expected)),
        }
    }

    /// Takes what stands behind a value: a comma, which is true, or `close`.
    #[inline]
    pub(super) fn more(&mut self, close: u8, expected: &'static str) -> Result<bool, Stop> {
        let more = match self.peek() {
            Some(b',') => true,
            Some(byte) if byte == close => false,
            _ => return Err(self.stop(expected)),
        };
        self.at += 1;
        Ok(more)
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Result<(), Stop> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.stop("the end")),
        }
    }

    /// A stop at the present place.
    #[cold]
    fn stop(&mut self, expected: &'static str) -> Stop {
        self.expected = expected;
        Stop::Syntax
    }

    /// The error that a stop means.
    #[cold]
    pub(super) fn explain(&self, stop: Stop, field: Option<Excerpt>) -> Box<EventError> {
        let found = match &self.input[self.at.min(self.input.len())..] {
            [] => Excerpt::of("the end"),
            rest => Excerpt::of(&rest[..rest.len().min(12)]),
        };
        let (at, expected) = (self.at, self.expected);
        Box::new(match stop {
            Stop::Syntax => EventError::Syntax {
                field,
                at,
                expected,
                found,
            },
            Stop::Deep => EventError::TooDeep { field },
            Stop::Full => EventError::TooLarge { field },
        })
    }

    /// Reads text, as a member's name with its colon.
    #[inline]
    pub(super) fn name(&mut self) -> Result<Quoted<'a>, Stop> {
        if self.peek() != Some(b'"') {
            return Err(self.stop("a name in quotes"));
        }
        // The common case apart from `quoted`, so that it stays in registers.
        let start = self.at;
        let end = start + 1 + plain::find_special(&self.input[start + 1..]);
        let name = match self.input.get(end) {
            Some(b'"') => {
                self.at = end + 1;
                Quoted {
                    raw: &self.input[start..=end],
                    escaped: false,
                }
            }
            _ => self.quoted()?,
        };
        self.expect(b':', "`:`")?;
        Ok(name)
    }

    /// Reads text; the opening quote is next.
    pub(super) fn quoted(&mut self) -> Result<Quoted<'a>, Stop> {
        let start = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            self.at += plain::find_special(&self.input[self.at..]);
            match self.input.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Quoted {
                        raw: &self.input[start..self.at],
                        escaped,
                    });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.stop("text without control characters")),
                None => return Err(self.stop("a closing quote")),
            }
        }
    }

    /// Hands the rest of the input to `copy`, which tells how much of it it took, if it did.
    #[inline]
    pub(super) fn copy_plain(&mut self, copy: impl FnOnce(&[u8]) -> Option<usize>) -> bool {
        match copy(&self.input[self.at..]) {
            Some(taken) => {
                self.at += taken;
                true
            }
            None => false,
        }
    }

    fn escape(&mut self) -> Result<(), Stop> {
        let used = match self.input.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => match hex4(&self.input[self.at + 2..]) {
                Some(0xd800..0xdc00) => {
                    let low = self.input[self.at + 6..]
                        .strip_prefix(b"\\u")
                        .and_then(hex4);
                    match low {
                        Some(0xdc00..0xe000) => 12,
                        _ => return Err(self.stop("a surrogate pair")),
                    }
                }
                Some(0xdc00..0xe000) => return Err(self.stop("a surrogate pair")),
                Some(_) => 6,
                None => return Err(self.stop("four hexadecimal digits behind `\\u`")),
            },
            _ => return Err(self.stop("an escape")),
        };
        self.at += used;
        Ok(())
    }

    /// Reads a number; `-` or a digit is next.
    pub(super) fn number(&mut self) -> Result<Number<'a>, Stop> {
        let start = self.at;
        self.at += usize::from(self.input[self.at] == b'-');
        match self.input.get(self.at) {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        let mut whole = true;
        if self.input.get(self.at) == Some(&b'.') {
            whole = false;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.input.get(self.at) {
            whole = false;
            self.at += 1;
            self.at += usize::from(matches!(self.input.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        let raw = &self.input[start..self.at];
        // A digit more than this, or an exponent, and it may not fit a double.
        const SURELY_FITS: usize = 300;
        if !whole || raw.len() > SURELY_FITS {
            let value: Option<f64> = str::from_utf8(raw).ok().and_then(|text| text.parse().ok());
            if !value.is_some_and(f64::is_finite) {
                self.at = start;
                return Err(self.stop("a number in the range of a double"));
            }
        }
        Ok(Number { raw, whole })
    }

    fn digits(&mut self) -> Result<(), Stop> {
        let rest = &self.input[self.at..];
        match rest
            .iter()
            .position(|b| !b.is_ascii_digit())
            .unwrap_or(rest.len())
        {
            0 => Err(self.stop("a digit")),
            count => {
                self.at += count;
                Ok(())
            }
        }
    }

    /// Reads `true`, `false` or `null`, which is next.
    pub(super) fn word(&mut self, word: &'static str) -> Result<(), Stop> {
        match self.input[self.at..].starts_with(word.as_bytes()) {
            true => {
                self.at += word.len();
                Ok(())
            }
            false => Err(self.stop(word)),
        }
    }

    /// Copies one value, white space between its parts left out, so that it stays on one line.
    ///
    /// `level` is the nesting that a container found here would have.
    pub(super) fn copy_value(&mut self, out: &mut Text, level: usize) -> Result<(), Stop> {
        match self.peek() {
            Some(b'"') => {
                if !self.copy_plain(|input| out.member_plain(Key::NONE, input)) {
                    out.put(self.quoted()?.raw)?;
                }
            }
            Some(b'-' | b'0'..=b'9') => out.put(self.number()?.raw)?,
            Some(b't') => self.word("true").and_then(|()| Ok(out.put(b"true")?))?,
            Some(b'f') => self.word("false").and_then(|()| Ok(out.put(b"false")?))?,
            Some(b'n') => self.word("null").and_then(|()| Ok(out.put(b"null")?))?,
            Some(b'{') => self.copy_items(out, level, b'}')?,
            Some(b'[') => self.copy_items(out, level, b']')?,
            _ => return Err(self.stop("a value")),
        }
        Ok(())
    }

    /// Copies an object or an array; its opening bracket is next, `close` ends it.
    fn copy_items(&mut self, out: &mut Text, level: usize, close: u8) -> Result<(), Stop> {
        if level > MAX_DEPTH {
            return Err(Stop::Deep);
        }
        out.byte(self.input[self.at])?;
        self.at += 1;
        if self.take(close) {
            return Ok(out.byte(close)?);
        }
        let expected = match close {
            b'}' => "`,` or `}`",
            _ => "`,` or `]`",
        };
        loop {
            if close == b'}' {
                out.put(self.name()?.raw)?;
                out.byte(b':')?;
            }
            self.copy_value(out, level + 1)?;
            if !self.more(close, expected)? {
                return Ok(out.byte(close)?);
            }
            out.byte(b',')?;
        }
    }
}

fn hex4(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.first_chunk::<4>()?;
    digits.iter().try_fold(0, |value, &d| {
        Some(value << 4 | char::from(d).to_digit(16)?)
    })
}
