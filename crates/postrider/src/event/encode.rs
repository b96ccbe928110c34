//! From fields to text, in one pass and without allocation.

use super::draft::{Draft, Stamps};
use super::error::{EventError, Excerpt};
use super::id::IdSource;
use super::scan::Scanner;
use super::schema::{Schema, TypeRef};
use super::seen::Seen;
use super::stamp::Seconds;
use super::text::Text;
use super::{Entry, EventId, Field, SEPARATOR, TypeId};
use crate::crc;
use crate::time::UnixMillis;

/// Encodes events, one at a time; one per thread.
///
/// It owns the text that it returns, and allocates only when it is made: 128 KiB, of which the
/// pages that no event reached cost nothing.
#[derive(Debug)]
pub struct Encoder {
    text: Text,
    seen: Seen,
    ids: IdSource,
    /// Of the event that was encoded last.
    event_id: EventId,
    clock: Seconds,
}

/// An encoded event, borrowed from its [`Encoder`] until the next.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a> {
    /// Length, checksum, time, type and subaccount.
    pub entry: Entry,
    /// The event's JSON.
    pub text: &'a [u8],
    /// Its id, as given or made.
    pub event_id: &'a EventId,
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
            seen: Seen::new(),
            ids: IdSource::new(),
            event_id: EventId::NONE,
            clock: Seconds::default(),
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
        let stamps = self.write(schema, ty, now_ms, |draft| draft.fields(fields));
        stamps
            .map(|stamps| self.encoded(stamps))
            .map_err(|error| *error)
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
        let ty = schema
            .get(ty)
            .ok_or(EventError::UnknownTypeId { id: ty.0 })?;
        let stamps = self.write(schema, ty, now_ms, |draft| {
            let mut scanner = Scanner::new(object);
            expect(&mut scanner, b'{', "an object")?;
            draft.members(&mut scanner)?;
            scanner.end().map_err(|stop| scanner.explain(stop, None))
        });
        stamps
            .map(|stamps| self.encoded(stamps))
            .map_err(|error| *error)
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
        let stamps = self.read_line(schema, line, now_ms);
        stamps
            .map(|stamps| self.encoded(stamps))
            .map_err(|error| *error)
    }

    fn read_line(
        &mut self,
        schema: &Schema,
        line: &[u8],
        now_ms: UnixMillis,
    ) -> Result<Stamps, Box<EventError>> {
        let mut scanner = Scanner::new(line);
        expect(&mut scanner, b'{', "an object")?;
        let category = open_envelope(&mut scanner)?;
        let ty = self.find_type(schema, scanner.clone())?;
        if let Some(category) = category.filter(|c| *c != ty.category.as_bytes()) {
            let (expected, found) = (Excerpt::of(ty.category), Excerpt::of(category));
            return Err(EventError::OtherType {
                field: "category",
                expected,
                found,
            }
            .into());
        }
        self.write(schema, ty, now_ms, |draft| {
            draft.members(&mut scanner)?;
            if category.is_some() {
                expect(&mut scanner, b'}', "`}`: one category")?;
                expect(&mut scanner, b'}', "`}`: `msys` alone")?;
            }
            scanner.end().map_err(|stop| scanner.explain(stop, None))
        })
    }

    #[inline]
    fn write(
        &mut self,
        schema: &Schema,
        ty: TypeRef<'_>,
        now_ms: UnixMillis,
        fields: impl FnOnce(&mut Draft<'_>) -> Result<(), Box<EventError>>,
    ) -> Result<Stamps, Box<EventError>> {
        let parts = (&mut self.text, &mut self.seen, &mut self.event_id);
        let mut draft = Draft::new(parts, schema, ty)?;
        fields(&mut draft)?;
        draft.finish(&mut self.ids, &mut self.clock, now_ms)
    }

    /// Looks ahead for `type` among the members that `scanner` is about to read. It is mostly the
    /// first; what precedes it is copied into the buffer, for want of a way to skip, and forgotten.
    fn find_type<'s>(
        &mut self,
        schema: &'s Schema,
        mut scanner: Scanner<'_>,
    ) -> Result<TypeRef<'s>, Box<EventError>> {
        self.text.clear();
        if scanner.take(b'}') {
            return Err(EventError::NoType.into());
        }
        loop {
            let name = scanner.name().map_err(|stop| scanner.explain(stop, None))?;
            let mut buffer = None;
            let name = name.decoded(&mut buffer);
            let inside = || Some(Excerpt::of(name));
            if name == b"type" {
                if scanner.peek() != Some(b'"') {
                    return Err(EventError::NoType.into());
                }
                let quoted = scanner
                    .quoted()
                    .map_err(|stop| scanner.explain(stop, inside()))?;
                let mut buffer = None;
                let name = quoted.decoded(&mut buffer);
                let unknown = || EventError::UnknownType {
                    name: Excerpt::of(name),
                };
                return schema.find(name).ok_or_else(|| unknown().into());
            }
            let skipped = scanner.copy_value(&mut self.text, 2);
            skipped.map_err(|stop| scanner.explain(stop, inside()))?;
            if scanner.take(b'}') {
                return Err(EventError::NoType.into());
            }
            expect(&mut scanner, b',', "`,` or `}`")?;
        }
    }

    #[inline]
    fn encoded(&mut self, stamps: Stamps) -> Encoded<'_> {
        let with_separator = self.text.with_separator();
        let text = &with_separator[..with_separator.len() - SEPARATOR.len()];
        let entry = Entry {
            len: text.len() as u32,
            crc: crc::of(text),
            time_ms: stamps.time_ms,
            subaccount: stamps.subaccount,
            type_id: stamps.type_id.0,
            flags: 0,
        };
        Encoded {
            entry,
            text,
            event_id: &self.event_id,
            with_separator,
        }
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Encoder::new()
    }
}

fn expect(
    scanner: &mut Scanner<'_>,
    byte: u8,
    expected: &'static str,
) -> Result<(), Box<EventError>> {
    scanner
        .expect(byte, expected)
        .map_err(|stop| scanner.explain(stop, None))
}

/// Takes `"msys":{"<category>":{` if that is what comes, and gives the category.
fn open_envelope<'a>(scanner: &mut Scanner<'a>) -> Result<Option<&'a [u8]>, Box<EventError>> {
    let mut ahead = scanner.clone();
    if !ahead.name().is_ok_and(|name| name.inner() == b"msys") {
        return Ok(None);
    }
    *scanner = ahead;
    expect(scanner, b'{', "an object")?;
    let category = scanner.name().map_err(|stop| scanner.explain(stop, None))?;
    expect(scanner, b'{', "an object")?;
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
