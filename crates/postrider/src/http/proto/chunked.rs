//! Chunks (RFC 9112 §7.1), one state per kind of byte.
//!
//! ```text
//! Size ─▶ [Space] ─▶ [Extension] ─▶ SizeLf ─┬▶ Data ─▶ DataCr ─▶ DataLf ─▶ Size
//!                                           └▶ (size 0) TrailerLine ⇄ TrailerLf ─▶ Done
//! ```
//!
//! Sizes are read digit by digit: integer parsers take signs and spaces, and two readers that
//! disagree about a size are how requests are smuggled. Extensions and trailers are read past,
//! under limits over the whole body: each chunk may bring its own.

use super::{Limits, ProtocolError};

/// Longest chunk size, in hex digits: what 64 bits hold.
const MAX_DIGITS: u8 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the size; so many digits so far.
    Size { digits: u8 },
    /// Blanks behind the size.
    Space,
    /// Behind a semicolon.
    Extension,
    /// LF of the size line.
    SizeLf,
    /// In the data; `left` more bytes.
    Data,
    /// CR behind the data.
    DataCr,
    /// LF behind the data.
    DataLf,
    /// In a trailer line; `empty` as long as it has no byte.
    TrailerLine { empty: bool },
    /// LF of a trailer line.
    TrailerLf { empty: bool },
    /// Behind the last byte.
    Done,
}

/// Reads a chunked body.
#[derive(Debug)]
pub(super) struct Chunks {
    state: State,
    /// Size being read, then bytes of the chunk still to come.
    left: u64,
    extension_left: u64,
    trailer_left: u64,
}

/// What a step found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunk<'a> {
    /// All input is used; more is needed.
    More,
    /// Bytes of the body, never empty.
    Data(&'a [u8]),
    /// The body is over.
    End,
}

impl Chunks {
    pub(super) fn new(limits: &Limits) -> Self {
        Chunks {
            state: State::Size { digits: 0 },
            left: 0,
            extension_left: limits.extension_bytes,
            trailer_left: limits.trailer_bytes,
        }
    }

    /// Reads on and shortens `input` by what it used.
    pub(super) fn step<'a>(&mut self, input: &mut &'a [u8]) -> Result<Chunk<'a>, ProtocolError> {
        loop {
            if self.state == State::Done {
                return Ok(Chunk::End);
            }
            if input.is_empty() {
                return Ok(Chunk::More);
            }
            if self.state == State::Data {
                let n =
                    usize::try_from(self.left).map_or(input.len(), |left| left.min(input.len()));
                let (data, rest) = input.split_at(n);
                *input = rest;
                self.left -= n as u64;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
                return Ok(Chunk::Data(data));
            }
            let byte = input[0];
            *input = &input[1..];
            self.state = self.next(byte)?;
        }
    }

    /// The state behind one byte of the envelope.
    fn next(&mut self, byte: u8) -> Result<State, ProtocolError> {
        use ProtocolError::{ChunkEnd, ChunkSize, ExtensionsTooLarge, TrailersTooLarge};
        Ok(match self.state {
            State::Size { digits } => match (hex(byte), byte) {
                (Some(digit), _) if digits < MAX_DIGITS => {
                    self.left = self.left << 4 | u64::from(digit);
                    State::Size { digits: digits + 1 }
                }
                (Some(_), _) => return Err(ChunkSize),
                (None, _) if digits == 0 => return Err(ChunkSize),
                (None, _) => self.behind_size(byte)?,
            },
            State::Space => self.behind_size(byte)?,
            State::Extension => match byte {
                b'\r' => State::SizeLf,
                b'\n' => return Err(ChunkEnd),
                _ => {
                    spend(&mut self.extension_left, ExtensionsTooLarge)?;
                    State::Extension
                }
            },
            State::SizeLf if byte != b'\n' => return Err(ChunkEnd),
            State::SizeLf if self.left == 0 => State::TrailerLine { empty: true },
            State::SizeLf => State::Data,
            State::DataCr if byte == b'\r' => State::DataLf,
            State::DataLf if byte == b'\n' => State::Size { digits: 0 },
            State::DataCr | State::DataLf => return Err(ChunkEnd),
            State::TrailerLine { empty } => match byte {
                b'\r' => State::TrailerLf { empty },
                b'\n' => return Err(ChunkEnd),
                _ => {
                    spend(&mut self.trailer_left, TrailersTooLarge)?;
                    State::TrailerLine { empty: false }
                }
            },
            State::TrailerLf { .. } if byte != b'\n' => return Err(ChunkEnd),
            State::TrailerLf { empty: true } => State::Done,
            State::TrailerLf { empty: false } => {
                spend(&mut self.trailer_left, TrailersTooLarge)?;
                State::TrailerLine { empty: true }
            }
            State::Data | State::Done => unreachable!("step handles these"),
        })
    }

    /// The state behind a byte that follows the size's digits or the blanks after them.
    fn behind_size(&mut self, byte: u8) -> Result<State, ProtocolError> {
        match byte {
            b'\r' => Ok(State::SizeLf),
            b';' | b' ' | b'\t' => {
                spend(&mut self.extension_left, ProtocolError::ExtensionsTooLarge)?;
                Ok(if byte == b';' {
                    State::Extension
                } else {
                    State::Space
                })
            }
            b'\n' => Err(ProtocolError::ChunkEnd),
            _ => Err(ProtocolError::ChunkSize),
        }
    }
}

fn spend(left: &mut u64, error: ProtocolError) -> Result<(), ProtocolError> {
    *left = left.checked_sub(1).ok_or(error)?;
    Ok(())
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
