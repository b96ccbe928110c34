//! From fields to text, in one pass and without allocation.

use std::ops::Range;

use super::draft::{Draft, Stamps, explain};
use super::error::{EventError, Excerpt};
use super::id::IdSource;
use super::scan::{Scanner, Stop};
use super::schema::{Schema, TypeRef};
use super::text::Text;
use super::{Entry, EventId, Field, MAX_FIELDS, SEPARATOR, TypeId};
use crate::time::UnixMillis;

/// Encodes events, one at a time; one per thread.
///
/// It owns the text that it returns, and allocates only when it is made: 128 KiB, of which the
/// pages that no event reached cost nothing.
#[derive(Debug)]
pub struct Encoder {
    text: Text,
    others: Vec<Range<usize>>,
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
    with_separator: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// The JSON with [`SEPARATOR`] behind it, as queue and log take it.
    #[inline]
    pub fn text_and_separator(&self) -> &'a [u8] {
        self.with_separator
    }
}

impl Encoder {
    /// An encoder; the random start of its event ids is drawn when the first is needed.
    pub fn new() -> Encoder {
        Encoder {
            text: Text::new(),
            others: Vec::with_capacity(MAX_FIELDS),
            ids: IdSource::default(),
        }
    }

    /// Encodes fields. `now_ms` is the event's time where the fields give none.
    pub fn typed(
        &mut self,
        schema: &Schema,
        ty: TypeId,
        fields: &[Field<'_>],
        now_ms: UnixMillis,
    ) -> Result<Encoded<'_>, EventError> {
        let ty = schema
            .get(ty)
            .ok_or(EventError::UnknownTypeId { id: ty.0 })?;
        let mut draft = Draft::new(&mut self.text, &mut self.others, schema, ty)?;
        for field in fields {
            draft.field(field)?;
        }
        let stamps = draft.finish(&mut self.ids, now_ms)?;
        Ok(self.encoded(stamps))
    }

    /// Encodes an object of fields given as JSON; a `type` in it must be that of `ty`.
    pub fn json(
        &mut self,
        schema: &Schema,
        ty: TypeId,
        object: &[u8],
        now_ms: UnixMillis,
    ) -> Result<Encoded<'_>, EventError> {
        if let Err(error) = str::from_utf8(object) {
            let valid = error.valid_up_to();
            return Err(not_utf8(
                valid,
                self.json(schema, ty, &object[..valid], now_ms),
            ));
        }
        let known = schema
            .get(ty)
            .ok_or(EventError::UnknownTypeId { id: ty.0 })?;
        let mut scanner = Scanner::new(object);
        let stopped = |stop| explain(stop, object, None);
        scanner.expect(b'{', "an object").map_err(stopped)?;
        let mut draft = Draft::new(&mut self.text, &mut self.others, schema, known)?;
        draft.members(&mut scanner)?;
        scanner.end().map_err(stopped)?;
        let stamps = draft.finish(&mut self.ids, now_ms)?;
        Ok(self.encoded(stamps))
    }

    /// Encodes one event given as JSON: `{"msys":{"<category>":{"type":…}}}`, or the inner object
    /// alone.
    pub fn line(
        &mut self,
        schema: &Schema,
        line: &[u8],
        now_ms: UnixMillis,
    ) -> Result<Encoded<'_>, EventError> {
        if let Err(error) = str::from_utf8(line) {
            let valid = error.valid_up_to();
            return Err(not_utf8(valid, self.line(schema, &line[..valid], now_ms)));
        }
        let stopped = |stop| explain(stop, line, None);
        let mut scanner = Scanner::new(line);
        scanner.expect(b'{', "an object").map_err(stopped)?;
        let category = open_envelope(&mut scanner).map_err(stopped)?;
        let ty = self.find_type(schema, scanner.clone())?;
        if let Some(category) = category.filter(|c| *c != ty.category.as_bytes()) {
            return Err(EventError::OtherType {
                field: "category",
                expected: Excerpt::of(ty.category),
                found: Excerpt::of(category),
            });
        }
        let mut draft = Draft::new(&mut self.text, &mut self.others, schema, ty)?;
        draft.members(&mut scanner)?;
        if category.is_some() {
            scanner.expect(b'}', "`}`: one category").map_err(stopped)?;
            scanner.expect(b'}', "`}`: `msys` alone").map_err(stopped)?;
        }
        scanner.end().map_err(stopped)?;
        let stamps = draft.finish(&mut self.ids, now_ms)?;
        Ok(self.encoded(stamps))
    }

    /// Looks ahead for `type` among the members that `scanner` is about to read. It is mostly the
    /// first; what precedes it is copied into the buffer, for want of a way to skip, and forgotten.
    fn find_type<'s>(
        &mut self,
        schema: &'s Schema,
        mut scanner: Scanner<'_>,
    ) -> Result<TypeRef<'s>, EventError> {
        let input = scanner.input();
        self.text.clear();
        if scanner.take(b'}') {
            return Err(EventError::NoType);
        }
        loop {
            let name = scanner.name().map_err(|stop| explain(stop, input, None))?;
            let mut buffer = [0; 256];
            let name = name.decoded(&mut buffer);
            let stopped = |stop| explain(stop, input, Some(Excerpt::of(name)));
            if name == b"type" {
                if scanner.peek() != Some(b'"') {
                    return Err(EventError::NoType);
                }
                let mut buffer = [0; 256];
                let quoted = scanner.quoted().map_err(stopped)?;
                let name = quoted.decoded(&mut buffer);
                let unknown = || EventError::UnknownType {
                    name: Excerpt::of(name),
                };
                return schema.find(name).ok_or_else(unknown);
            }
            scanner.copy_value(&mut self.text, 2).map_err(stopped)?;
            if scanner.take(b'}') {
                return Err(EventError::NoType);
            }
            scanner
                .expect(b',', "`,` or `}`")
                .map_err(|stop| explain(stop, input, None))?;
        }
    }

    #[inline]
    fn encoded(&mut self, stamps: Stamps) -> Encoded<'_> {
        let with_separator = self.text.with_separator();
        let text = &with_separator[..with_separator.len() - SEPARATOR.len()];
        let entry = Entry {
            len: text.len() as u32,
            crc: crc32c::crc32c(text),
            time_ms: stamps.time_ms,
            subaccount: stamps.subaccount,
            type_id: stamps.type_id.0,
            flags: 0,
        };
        Encoded {
            entry,
            text,
            event_id: stamps.event_id,
            with_separator,
        }
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Encoder::new()
    }
}

/// Takes `"msys":{"<category>":{` if that is what comes, and gives the category.
fn open_envelope<'a>(scanner: &mut Scanner<'a>) -> Result<Option<&'a [u8]>, Stop> {
    let flat = scanner.clone();
    if scanner.peek() == Some(b'}') || scanner.name()?.inner() != b"msys" {
        *scanner = flat;
        return Ok(None);
    }
    scanner.expect(b'{', "an object")?;
    let category = scanner.name()?;
    scanner.expect(b'{', "an object")?;
    Ok(Some(category.inner()))
}

/// Names the field in which the first bad byte is: where reading what precedes it stops. An error
/// that it meets before is the first, so it counts.
#[cold]
fn not_utf8(at: usize, cut_there: Result<Encoded<'_>, EventError>) -> EventError {
    match cut_there {
        Err(EventError::Syntax { field, .. }) => EventError::Utf8 { field, at },
        Err(earlier) => earlier,
        Ok(_) => EventError::Utf8 { field: None, at },
    }
}
