//! The bounded buffer that an event is written into.

use super::catalogue::Key;
use super::mapped::Mapped;
use super::plain::{self, SLACK};
use super::{MAX_TEXT, SEPARATOR};

/// Room behind the limit for copies that write more than they keep, and for the separator.
const CAPACITY: usize = MAX_TEXT + 32;
const _: () = assert!(32 >= Key::BYTES && 32 > SLACK && 32 >= SEPARATOR.len());

/// The text would pass [`MAX_TEXT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// A buffer of [`MAX_TEXT`] bytes, allocated once.
#[derive(Debug)]
pub(super) struct Text {
    bytes: Mapped<CAPACITY>,
    /// At most `MAX_TEXT`.
    len: usize,
}

impl Text {
    pub(super) fn new() -> Text {
        let bytes = Mapped::new();
        Text { bytes, len: 0 }
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
        *self.bytes[self.len..]
            .first_chunk_mut()
            .expect("slack for it") = *SEPARATOR;
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
        self.member(Key::NONE, bytes)
    }

    /// Writes a key, and a value that is JSON already.
    #[inline]
    pub(super) fn member(&mut self, key: &Key, json: &[u8]) -> Result<(), Full> {
        self.by_pen(|pen| pen.member(key, json))
    }

    /// Writes a key, and text in quotes, escaped.
    #[inline]
    pub(super) fn member_text(&mut self, key: &Key, text: &[u8]) -> Result<(), Full> {
        let mut pen = self.pen();
        if pen.member_text(key, text) {
            pen.lay_down();
            return Ok(());
        }
        self.room_for(key.len + text.len() + 2)?;
        self.len = self.put_key(key);
        self.byte(b'"')?;
        self.escaped(text)?;
        self.byte(b'"')
    }

    /// Writes a key, and text in quotes that has nothing to escape: digits.
    #[inline]
    pub(super) fn member_digits(&mut self, key: &Key, digits: &[u8]) -> Result<(), Full> {
        self.by_pen(|pen| pen.member_digits(key, digits))
    }

    /// Writes a key, and text that stands, JSON already, at the start of `input`: the opening quote
    /// is its first byte. Tells how long it was with both quotes; none, and nothing is written, where
    /// it does not end before an escape, an error or the limit.
    #[inline]
    pub(super) fn member_plain(&mut self, key: &Key, input: &[u8]) -> Option<usize> {
        let room = (MAX_TEXT - self.len).checked_sub(key.len)?;
        let input = &input[..input.len().min(room)];
        let at = self.put_key(key);
        let inner = input.get(1..)?;
        self.bytes[at] = b'"';
        let plain = plain::copy_plain(&mut self.bytes[at + 1..], inner);
        if inner.get(plain) != Some(&b'"') {
            return None;
        }
        self.bytes[at + 1 + plain] = b'"';
        self.len = at + plain + 2;
        Some(plain + 2)
    }

    /// A pen that writes behind the text.
    #[inline]
    pub(super) fn pen(&mut self) -> Pen<'_> {
        Pen {
            at: self.len,
            bytes: &mut self.bytes,
            len: &mut self.len,
        }
    }

    #[inline]
    fn by_pen(&mut self, write: impl FnOnce(&mut Pen<'_>) -> bool) -> Result<(), Full> {
        let mut pen = self.pen();
        let written = write(&mut pen);
        pen.lay_down();
        written.then_some(()).ok_or(Full)
    }

    /// Writes text, without quotes, escaped as RFC 8259 section 7 asks.
    pub(super) fn escaped(&mut self, text: &[u8]) -> Result<(), Full> {
        self.room_for(text.len())?;
        let plain = plain::copy_plain(&mut self.bytes[self.len..], text);
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

    /// Copies a key behind the text, which has [`Key::BYTES`] of slack; tells where its value goes.
    #[inline]
    fn put_key(&mut self, key: &Key) -> usize {
        put_key(&mut self.bytes[self.len..], key);
        self.len + key.len
    }

    #[inline]
    fn room_for(&self, more: usize) -> Result<usize, Full> {
        match more <= MAX_TEXT - self.len {
            true => Ok(self.len + more),
            false => Err(Full),
        }
    }
}

/// Copies a key, at its full width: as an array, because a copy between slices becomes a call.
#[inline(always)]
fn put_key(to: &mut [u8], key: &Key) {
    *to.first_chunk_mut().expect("slack for a key") = key.bytes;
}

/// Writes many short values in a row: where it stands is kept in a register, and each takes one look for room and, where
/// it is text, one for what needs an escape.
///
/// What does not fit is not written, which is false.
#[derive(Debug)]
pub(super) struct Pen<'a> {
    bytes: &'a mut [u8; CAPACITY],
    len: &'a mut usize,
    /// At most `MAX_TEXT`.
    at: usize,
}

impl Pen<'_> {
    /// Writes a key, and text in quotes. False where that wants escapes, too.
    #[inline(always)]
    pub(super) fn member_text(&mut self, key: &Key, text: &[u8]) -> bool {
        if key.len + text.len() + 2 > MAX_TEXT - self.at {
            return false;
        }
        let value = self.at + key.len;
        let end = value + text.len() + 2;
        // SAFETY: `end` is at most `MAX_TEXT`, and behind that the text has room for a key that begins there;
        // what is borrowed as `text` is not what is borrowed mutably.
        unsafe {
            let start = self.bytes.as_mut_ptr();
            start
                .add(self.at)
                .cast::<[u8; Key::BYTES]>()
                .write(key.bytes);
            start.add(value).write(b'"');
            let plain = plain::copy_if_plain(start.add(value + 1), text.as_ptr(), text.len());
            start.add(end - 1).write(b'"');
            if plain {
                self.at = end;
            }
            plain
        }
    }

    /// Writes a key, and a value that is JSON already.
    #[inline(always)]
    pub(super) fn member(&mut self, key: &Key, json: &[u8]) -> bool {
        let value = self.at + key.len;
        if json.len() + key.len > MAX_TEXT - self.at {
            return false;
        }
        put_key(&mut self.bytes[self.at..], key);
        plain::copy(&mut self.bytes[value..], json);
        self.at = value + json.len();
        true
    }

    /// Writes a key, and text in quotes that has nothing to escape: digits.
    #[inline(always)]
    pub(super) fn member_digits(&mut self, key: &Key, digits: &[u8]) -> bool {
        let value = self.at + key.len;
        if digits.len() + key.len + 2 > MAX_TEXT - self.at {
            return false;
        }
        put_key(&mut self.bytes[self.at..], key);
        self.bytes[value] = b'"';
        plain::copy(&mut self.bytes[value + 1..], digits);
        self.at = value + digits.len() + 2;
        self.bytes[self.at - 1] = b'"';
        true
    }

    /// What was written counts.
    #[inline]
    pub(super) fn lay_down(self) {
        *self.len = self.at;
    }
}
