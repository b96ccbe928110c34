//! From fields to text.

use super::id::IdSource;
use super::{Entry, EventError, EventId, Field, MAX_TEXT, SEPARATOR, Schema, TypeId};

/// Encodes events, one at a time; one per thread.
///
/// Owns the text that it returns. It allocates once, when it is made, 128 KiB of which only touched
/// pages are used.
#[derive(Debug)]
pub struct Encoder {
    text: Box<[u8]>,
    ids: IdSource,
}

/// An encoded event, borrowed from its [`Encoder`] until the next.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a> {
    /// Length, checksum, time, type and subaccount.
    pub entry: Entry,
    /// The event's JSON.
    pub text: &'a [u8],
    /// Its id, as given or made.
    pub event_id: EventId,
    text_and_separator: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// The JSON with [`SEPARATOR`] behind it, as queue and log take it.
    #[inline]
    pub fn text_and_separator(&self) -> &'a [u8] {
        self.text_and_separator
    }
}

impl Encoder {
    /// An encoder; its random start for event ids is drawn on the first use.
    pub fn new() -> Encoder {
        Encoder {
            text: vec![0; MAX_TEXT + SEPARATOR.len()].into(),
            ids: IdSource::default(),
        }
    }

    /// Encodes fields. `now_ms` is the time where the fields give none.
    pub fn typed(
        &mut self,
        schema: &Schema,
        ty: TypeId,
        fields: &[Field<'_>],
        now_ms: u64,
    ) -> Result<Encoded<'_>, EventError> {
        let _ = (schema, ty, fields, now_ms, &self.text, self.ids.next()?);
        todo!()
    }

    /// Encodes an object of fields given as JSON; a `type` in it must be that of `ty`.
    pub fn json(
        &mut self,
        schema: &Schema,
        ty: TypeId,
        object: &[u8],
        now_ms: u64,
    ) -> Result<Encoded<'_>, EventError> {
        let _ = (schema, ty, object, now_ms);
        todo!()
    }

    /// Encodes one line of JSON: `{"msys":{"<category>":{"type":…}}}`, or the inner object alone.
    pub fn line(
        &mut self,
        schema: &Schema,
        line: &[u8],
        now_ms: u64,
    ) -> Result<Encoded<'_>, EventError> {
        let _ = (schema, line, now_ms);
        todo!()
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Encoder::new()
    }
}
