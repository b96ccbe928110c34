//! One event being written: which fields it has, and each value in the form that the contract sends.

use super::MAX_FIELDS;
use super::catalogue::{Catalogue, FieldId, FieldInfo, JsonType, Key, TypeId, fields};
use super::error::{EventError, Excerpt};
use super::id::{EventId, IdSource};
use super::scan::{Number, Quoted, Scanner, Stop};
use super::schema::{Schema, TypeRef};
use super::seen::Seen;
use super::stamp::{self, Seconds};
use super::text::{Full, Text};
use super::value::{Field, FieldName, Value};
use crate::time::UnixMillis;

/// The longest name of a field that the catalogue does not have, in bytes.
const MAX_NAME: usize = 128;

/// An event being written.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    text: &'a mut Text,
    seen: &'a mut Seen,
    schema: &'a Schema,
    ty: TypeRef<'a>,
    /// Its id, once the caller gave one or it was finished.
    event_id: &'a mut EventId,
    has_id: bool,
    time_ms: Option<UnixMillis>,
    subaccount: u32,
}

/// What the engine knows of a finished event besides its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamps {
    pub(super) type_id: TypeId,
    pub(super) time_ms: UnixMillis,
    pub(super) subaccount: u32,
}

/// The field whose value comes next; none for one that the catalogue does not have, whose name is
/// then the last other that was seen.
type Slot = Option<&'static FieldInfo>;

/// In a box, because the way without errors passes results by the million.
type Result<T = ()> = std::result::Result<T, Box<EventError>>;

impl<'a> Draft<'a> {
    /// Begins an event: the envelope up to its type.
    pub(super) fn new(
        (text, seen, event_id): (&'a mut Text, &'a mut Seen, &'a mut EventId),
        schema: &'a Schema,
        ty: TypeRef<'a>,
    ) -> Result<Draft<'a>> {
        text.clear();
        seen.clear();
        let draft = Draft {
            text,
            seen,
            schema,
            ty,
            event_id,
            has_id: false,
            time_ms: None,
            subaccount: 0,
        };
        draft.text.put(ty.prefix.as_bytes()).map_err(too_large)?;
        Ok(draft)
    }

    /// Writes fields.
    #[inline]
    pub(super) fn fields(&mut self, fields: &[Field<'_>]) -> Result {
        if let Some(extra) = fields.get(MAX_FIELDS) {
            return Err(match extra.name {
                FieldName::Name(name) => too_many(name.as_bytes()),
                FieldName::Id(id) => {
                    too_many(Catalogue::field(id).map_or("", |info| info.name).as_bytes())
                }
            });
        }
        let mut rest = fields.iter();
        while let Some(field) = self.plain_fields(&mut rest)? {
            self.any_field(field)?;
        }
        Ok(())
    }

    /// Writes what nearly all fields are: text, whole numbers and truth values under known ids that the engine does not
    /// read. Gives the first that is something else, or came before, or is wrong.
    #[inline]
    fn plain_fields<'f, 'v>(
        &mut self,
        fields: &mut std::slice::Iter<'f, Field<'v>>,
    ) -> Result<Option<&'f Field<'v>>> {
        let mut pen = self.text.pen();
        let other = loop {
            let Some(field) = fields.next() else {
                break None;
            };
            let FieldName::Id(id) = field.name else {
                break Some(field);
            };
            let Some(info) = Catalogue::field(id).filter(|info| !is_stamp(Some(info))) else {
                break Some(field);
            };
            let value = match field.value {
                Value::Bytes(bytes) => match str::from_utf8(bytes) {
                    Ok(text) => Value::Str(text),
                    Err(_) => break Some(field),
                },
                value => value,
            };
            let mut buffer = itoa::Buffer::new();
            let (json, quoted) = match (value, info.kind) {
                (Value::Str(text), JsonType::String) => {
                    if !self.seen.first(id) {
                        break Some(field);
                    }
                    if !pen.member_text(&info.key, text.as_bytes()) {
                        pen.lay_down();
                        let written = self.text.member_text(&info.key, text.as_bytes());
                        written.map_err(|Full| self.full(Some(info)))?;
                        pen = self.text.pen();
                    }
                    continue;
                }
                (Value::Int(n), JsonType::String) => (buffer.format(n), true),
                (Value::Int(n), JsonType::Integer | JsonType::Number) => (buffer.format(n), false),
                (Value::Bool(value), JsonType::String) => (word(value), true),
                (Value::Bool(value), JsonType::Boolean) => (word(value), false),
                _ => break Some(field),
            };
            if !self.seen.first(id) {
                break Some(field);
            }
            let written = match quoted {
                true => pen.member_digits(&info.key, json.as_bytes()),
                false => pen.member(&info.key, json.as_bytes()),
            };
            if !written {
                pen.lay_down();
                return Err(self.full(Some(info)));
            }
        };
        pen.lay_down();
        Ok(other)
    }

    fn any_field(&mut self, field: &Field<'_>) -> Result {
        let slot = match field.name {
            FieldName::Id(id) => match Catalogue::field(id) {
                Some(info) => self.begin_known(info)?,
                None => return Err(EventError::UnknownFieldId { id: id.0 }.into()),
            },
            FieldName::Name(name) => self.begin(name.as_bytes())?,
        };
        match field.value {
            Value::Str(text) => self.str(slot, text.as_bytes()),
            Value::Bytes(bytes) => match str::from_utf8(bytes) {
                Ok(text) => self.str(slot, text.as_bytes()),
                Err(e) => Err(self.not_utf8(slot, e.valid_up_to())),
            },
            Value::Int(n) => {
                let mut buffer = itoa::Buffer::new();
                let raw = buffer.format(n).as_bytes();
                self.number(slot, Number { raw, whole: true })
            }
            Value::Double(n) if n.is_finite() => {
                let mut buffer = ryu::Buffer::new();
                let raw = buffer.format_finite(n).as_bytes();
                self.number(slot, Number { raw, whole: false })
            }
            Value::Double(n) => Err(self.bad(slot, "a finite number", n.to_string().as_bytes())),
            Value::Bool(value) => self.bool(slot, value),
            Value::Json(json) => {
                let mut scanner = Scanner::new(json.as_bytes());
                self.json(slot, &mut scanner)?;
                scanner
                    .end()
                    .map_err(|stop| scanner.explain(stop, Some(self.name(slot))))
            }
        }
    }

    /// Writes the members of an object whose opening brace was taken, up to its closing one.
    pub(super) fn members(&mut self, scanner: &mut Scanner<'_>) -> Result {
        if scanner.take(b'}') {
            return Ok(());
        }
        for _ in 0..MAX_FIELDS {
            let name = scanner.name().map_err(|stop| scanner.explain(stop, None))?;
            let mut buffer = None;
            let slot = self.begin(name.decoded(&mut buffer))?;
            self.json(slot, scanner)?;
            let more = scanner.more(b'}', "`,` or `}`");
            if !more.map_err(|stop| scanner.explain(stop, None))? {
                return Ok(());
            }
        }
        let extra = scanner.name().map_err(|stop| scanner.explain(stop, None))?;
        Err(too_many(extra.decoded(&mut None)))
    }

    /// Adds what is missing and closes the envelope.
    #[inline]
    pub(super) fn finish(
        self,
        ids: &mut IdSource,
        clock: &mut Seconds,
        now_ms: UnixMillis,
    ) -> Result<Stamps> {
        if !self.has_id {
            let key = known_key(fields::EVENT_ID);
            let (text, event_id) = (&mut *self.text, &mut *self.event_id);
            let written = ids.next(|id| {
                *event_id = *id;
                text.member_digits(key, id.as_bytes())
            })?;
            written.map_err(too_large)?;
        }
        if self.time_ms.is_none() {
            let key = known_key(fields::TIMESTAMP);
            let seconds = clock.digits(now_ms / 1000);
            self.text.member_digits(key, seconds).map_err(too_large)?;
        }
        self.text.put(b"}}}").map_err(too_large)?;
        Ok(Stamps {
            type_id: self.ty.id,
            time_ms: self.time_ms.unwrap_or(now_ms),
            subaccount: self.subaccount,
        })
    }

    /// Makes sure that a field may stand here. Its key is written with its value.
    #[inline]
    fn begin(&mut self, name: &[u8]) -> Result<Slot> {
        match Catalogue::field_named(name) {
            Some(info) => self.begin_known(info),
            None => self.begin_other(name),
        }
    }

    #[inline]
    fn begin_known(&mut self, info: &'static FieldInfo) -> Result<Slot> {
        match self.seen.first(info.id) {
            true => Ok(Some(info)),
            false => Err(twice(info.name.as_bytes())),
        }
    }

    /// The same for one that the catalogue does not have. Its key is written here.
    #[cold]
    fn begin_other(&mut self, name: &[u8]) -> Result<Slot> {
        let field = || Excerpt::of(name);
        if !(1..=MAX_NAME).contains(&name.len()) {
            return Err(EventError::FieldName { field: field() }.into());
        }
        if !self.schema.takes_unknown(self.ty.id, name) {
            return Err(EventError::UnknownField { field: field() }.into());
        }
        let full = |Full| {
            Box::new(EventError::TooLarge {
                field: Some(field()),
            })
        };
        self.text.put(b",\"").map_err(full)?;
        let start = self.text.len();
        self.text.escaped(name).map_err(full)?;
        if !self
            .seen
            .first_other(self.text.written(), start..self.text.len())
        {
            return Err(twice(name));
        }
        self.text.put(b"\":").map_err(full)?;
        Ok(None)
    }

    /// Writes a value given as JSON.
    #[inline]
    fn json(&mut self, slot: Slot, scanner: &mut Scanner<'_>) -> Result {
        match scanner.peek() {
            Some(b'"') => {
                // Nearly always the text can be copied while looking for its end.
                let plain = is_text(slot) && !is_stamp(slot);
                if plain && scanner.copy_plain(|input| self.text.member_plain(key(slot), input)) {
                    return Ok(());
                }
                match scanner.quoted() {
                    Ok(quoted) => self.quoted(slot, quoted),
                    Err(stop) => Err(scanner.explain(stop, Some(self.name(slot)))),
                }
            }
            Some(b'-' | b'0'..=b'9') => match scanner.number() {
                Ok(number) => self.number(slot, number),
                Err(stop) => Err(scanner.explain(stop, Some(self.name(slot)))),
            },
            _ => self.json_other(slot, scanner),
        }
    }

    fn json_other(&mut self, slot: Slot, scanner: &mut Scanner<'_>) -> Result {
        let read = match (scanner.peek(), slot) {
            (Some(b't'), _) => match scanner.word("true") {
                Ok(()) => return self.bool(slot, true),
                stopped => stopped,
            },
            (Some(b'f'), _) => match scanner.word("false") {
                Ok(()) => return self.bool(slot, false),
                stopped => stopped,
            },
            (Some(b'n'), Some(_)) => match scanner.word("null") {
                Ok(()) => return Err(self.wrong(slot, "null")),
                stopped => stopped,
            },
            (Some(open @ (b'{' | b'[')), Some(info)) => {
                let found = if open == b'{' {
                    JsonType::Object
                } else {
                    JsonType::Array
                };
                if info.kind != found {
                    return Err(self.wrong(slot, found.name()));
                }
                let key = self.text.member(&info.key, b"").map_err(Stop::from);
                key.and_then(|()| scanner.copy_value(self.text, 2))
            }
            _ => scanner.copy_value(self.text, 2),
        };
        read.map_err(|stop| scanner.explain(stop, Some(self.name(slot))))
    }

    /// Writes text.
    #[inline]
    fn str(&mut self, slot: Slot, text: &[u8]) -> Result {
        if !is_text(slot) {
            return Err(self.wrong(slot, "string"));
        }
        if is_stamp(slot) && !self.stamp(slot, text)? {
            return Ok(());
        }
        self.text
            .member_text(key(slot), text)
            .map_err(|Full| self.full(slot))
    }

    /// Writes text that is JSON already, as it stands.
    #[inline]
    fn quoted(&mut self, slot: Slot, quoted: Quoted<'_>) -> Result {
        if !is_text(slot) {
            return Err(self.wrong(slot, "string"));
        }
        let mut buffer = None;
        if is_stamp(slot) && !self.stamp(slot, quoted.decoded(&mut buffer))? {
            return Ok(());
        }
        self.text
            .member(key(slot), quoted.raw)
            .map_err(|Full| self.full(slot))
    }

    fn number(&mut self, slot: Slot, number: Number<'_>) -> Result {
        let written = match slot.map(|info| info.kind) {
            Some(JsonType::String) => {
                if is_stamp(slot) && !self.stamp(slot, number.raw)? {
                    return Ok(());
                }
                self.text.member_digits(key(slot), number.raw)
            }
            Some(JsonType::Integer) if number.whole => self.text.member(key(slot), number.raw),
            Some(JsonType::Number) | None => self.text.member(key(slot), number.raw),
            _ => return Err(self.wrong(slot, if number.whole { "integer" } else { "number" })),
        };
        written.map_err(|Full| self.full(slot))
    }

    fn bool(&mut self, slot: Slot, value: bool) -> Result {
        let raw = word(value).as_bytes();
        let written = match slot.map(|info| info.kind) {
            Some(JsonType::String) => {
                if is_stamp(slot) && !self.stamp(slot, raw)? {
                    return Ok(());
                }
                self.text.member_text(key(slot), raw)
            }
            Some(JsonType::Boolean) | None => self.text.member(key(slot), raw),
            _ => return Err(self.wrong(slot, "boolean")),
        };
        written.map_err(|Full| self.full(slot))
    }

    /// Takes note of a value that the engine itself reads. False where it is not to be written:
    /// `type`, which is in the envelope.
    fn stamp(&mut self, slot: Slot, text: &[u8]) -> Result<bool> {
        match slot.map(|info| info.id) {
            Some(fields::TYPE) if text == self.ty.name.as_bytes() => return Ok(false),
            Some(fields::TYPE) => {
                let (expected, found) = (Excerpt::of(self.ty.name), Excerpt::of(text));
                return Err(EventError::OtherType {
                    field: "type",
                    expected,
                    found,
                }
                .into());
            }
            Some(fields::EVENT_ID) => {
                let id = EventId::given(text);
                *self.event_id = id.ok_or_else(|| self.bad(slot, stamp::EVENT_ID, text))?;
                self.has_id = true;
            }
            Some(fields::TIMESTAMP) => {
                let ms = stamp::millis(text);
                self.time_ms = Some(ms.ok_or_else(|| self.bad(slot, stamp::TIMESTAMP, text))?);
            }
            Some(fields::SUBACCOUNT_ID) => {
                let number = stamp::subaccount(text);
                self.subaccount = number.ok_or_else(|| self.bad(slot, stamp::SUBACCOUNT, text))?;
            }
            _ => {}
        }
        Ok(true)
    }

    #[cold]
    fn name(&self, slot: Slot) -> Excerpt {
        match (slot, self.seen.last_other()) {
            (Some(info), _) => Excerpt::of(info.name),
            (None, Some(name)) => Excerpt::of(&self.text.written()[name]),
            (None, None) => Excerpt::of(""),
        }
    }

    #[cold]
    fn wrong(&self, slot: Slot, found: &'static str) -> Box<EventError> {
        let expected = slot.map_or("any JSON value", |info| info.kind.name());
        EventError::WrongKind {
            field: self.name(slot),
            expected,
            found,
        }
        .into()
    }

    #[cold]
    fn bad(&self, slot: Slot, expected: &'static str, found: &[u8]) -> Box<EventError> {
        let found = Excerpt::of(found);
        EventError::BadValue {
            field: self.name(slot),
            expected,
            found,
        }
        .into()
    }

    #[cold]
    fn full(&self, slot: Slot) -> Box<EventError> {
        EventError::TooLarge {
            field: Some(self.name(slot)),
        }
        .into()
    }

    #[cold]
    fn not_utf8(&self, slot: Slot, at: usize) -> Box<EventError> {
        EventError::Utf8 {
            field: Some(self.name(slot)),
            at,
        }
        .into()
    }
}

#[cold]
fn twice(name: &[u8]) -> Box<EventError> {
    EventError::DuplicateField {
        field: Excerpt::of(name),
    }
    .into()
}

#[cold]
fn too_many(name: &[u8]) -> Box<EventError> {
    EventError::TooManyFields {
        field: Excerpt::of(name),
    }
    .into()
}

/// A truth value as JSON has it.
#[inline]
fn word(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// The key of a field that the engine writes itself.
#[inline]
fn known_key(id: FieldId) -> &'static Key {
    Catalogue::field(id).map_or(Key::NONE, |info| &info.key)
}

/// What is still to be written of a field's key.
#[inline]
fn key(slot: Slot) -> &'static Key {
    slot.map_or(Key::NONE, |info| &info.key)
}

#[inline]
fn is_text(slot: Slot) -> bool {
    slot.is_none_or(|info| info.kind == JsonType::String)
}

/// Whether the engine reads the field's value.
#[inline]
fn is_stamp(slot: Slot) -> bool {
    use fields::{EVENT_ID, SUBACCOUNT_ID, TIMESTAMP, TYPE};
    slot.is_some_and(|info| matches!(info.id, TYPE | EVENT_ID | TIMESTAMP | SUBACCOUNT_ID))
}

fn too_large(_: Full) -> Box<EventError> {
    EventError::TooLarge { field: None }.into()
}
