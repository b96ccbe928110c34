//! The bounded buffer that an event is written into.

use super::plain::{self, SLACK};
use super::{MAX_TEXT, SEPARATOR};

/// Bytes of a field's key as the catalogue has it ready: copied whole, whatever its length.
const KEY: usize = 32;
/// Room behind the limit for copies that write more than they keep, and for the separator.
const CAPACITY: usize = MAX_TEXT + if KEY > SLACK { KEY } else { SLACK };
const _: () = assert!(CAPACITY >= MAX_TEXT + SEPARATOR.len());

/// The text would pass [`MAX_TEXT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// A buffer of [`MAX_TEXT`] bytes, allocated once.
#[derive(Debug)]
pub(super) struct Text {
    bytes: Box<[u8; CAPACITY]>,
    /// At most `MAX_TEXT`.
    len: usize,
}

impl Text {
    pub(super) fn new() -> Text {
        let bytes = vec![0; CAPACITY].into_boxed_slice();
        Text {
            bytes: bytes.try_into().expect("the length is right"),
            len: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn written(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The text with the separator written behind it, which does not count.
    pub(super) fn with_separator(&mut self) -> &[u8] {
        let end = self.len + SEPARATOR.len();
        self.bytes[self.len..end].copy_from_slice(SEPARATOR);
        &self.bytes[..end]
    }

    #[inline]
    pub(super) fn byte(&mut self, byte: u8) -> Result<(), Full> {
        if self.len >= MAX_TEXT {
            return Err(Full);
        }
        self.bytes[self.len] = byte;
        self.len += 1;
        Ok(())
    }

    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.room_for(bytes.len())?;
        self.bytes[self.len..end].copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    /// Writes the first `len` bytes of a padded key.
    #[inline]
    pub(super) fn key(&mut self, key: &[u8; KEY], len: usize) -> Result<(), Full> {
        let end = self.room_for(len)?;
        self.bytes[self.len..self.len + KEY].copy_from_slice(key);
        self.len = end;
        Ok(())
    }

    /// Writes text in quotes.
    #[inline]
    pub(super) fn quoted(&mut self, text: &[u8]) -> Result<(), Full> {
        self.byte(b'"')?;
        self.escaped(text)?;
        self.byte(b'"')
    }

    /// Writes text, without quotes, escaped as RFC 8259 section 7 asks.
    #[inline]
    pub(super) fn escaped(&mut self, text: &[u8]) -> Result<(), Full> {
        let end = self.room_for(text.len())?;
        let plain = plain::copy_plain(&mut self.bytes[self.len..], text);
        if plain == text.len() {
            self.len = end;
            return Ok(());
        }
        self.len += plain;
        self.escaped_rest(&text[plain..])
    }

    #[cold]
    fn escaped_rest(&mut self, mut text: &[u8]) -> Result<(), Full> {
        while let [special, rest @ ..] = text {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            match special {
                b'"' => self.put(b"\\\"")?,
                b'\\' => self.put(b"\\\\")?,
                b'\n' => self.put(b"\\n")?,
                b'\r' => self.put(b"\\r")?,
                b'\t' => self.put(b"\\t")?,
                0x08 => self.put(b"\\b")?,
                0x0c => self.put(b"\\f")?,
                control => {
                    let (high, low) = (
                        HEX[usize::from(control >> 4)],
                        HEX[usize::from(control & 15)],
                    );
                    self.put(&[b'\\', b'u', b'0', b'0', high, low])?;
                }
            }
            self.room_for(rest.len())?;
            let plain = plain::copy_plain(&mut self.bytes[self.len..], rest);
            self.len += plain;
            text = &rest[plain..];
        }
        Ok(())
    }

    #[inline]
    fn room_for(&self, more: usize) -> Result<usize, Full> {
        match more <= MAX_TEXT - self.len {
            true => Ok(self.len + more),
            false => Err(Full),
        }
    }
}
