//! One event being written: which fields it has, and each value in the form that the contract sends.

use std::ops::Range;

use super::catalogue::{Catalogue, FieldInfo, JsonType, TypeId, fields};
use super::error::{EventError, Excerpt};
use super::id::{EventId, IdSource};
use super::scan::{Number, Quoted, Scanner, Stop};
use super::schema::{Schema, TypeRef};
use super::text::{Full, Text};
use super::value::{Field, FieldName, Value};
use super::{MAX_FIELDS, stamp};
use crate::time::UnixMillis;

/// The longest name of a field that the catalogue does not have, in bytes.
const MAX_NAME: usize = 128;

/// An event being written.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    text: &'a mut Text,
    /// Where in the text the names of fields that the catalogue does not have are, escaped.
    others: &'a mut Vec<Range<usize>>,
    schema: &'a Schema,
    ty: TypeRef<'a>,
    seen: [u64; 4],
    count: usize,
    event_id: Option<EventId>,
    time_ms: Option<UnixMillis>,
    subaccount: u32,
}

/// What the engine knows of a finished event besides its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamps {
    pub(super) type_id: TypeId,
    pub(super) event_id: EventId,
    pub(super) time_ms: UnixMillis,
    pub(super) subaccount: u32,
}

/// The field whose value comes next.
#[derive(Clone, Copy, Debug)]
enum Slot<'n> {
    Known(&'static FieldInfo),
    Other(&'n [u8]),
}

impl Slot<'_> {
    fn name(&self) -> Excerpt {
        match self {
            Slot::Known(info) => Excerpt::of(info.name),
            Slot::Other(name) => Excerpt::of(name),
        }
    }

    /// What the field must be; none where it may be anything.
    #[inline]
    fn kind(&self) -> Option<JsonType> {
        match self {
            Slot::Known(info) => Some(info.kind),
            Slot::Other(_) => None,
        }
    }

    #[cold]
    fn wrong(&self, found: &'static str) -> EventError {
        let expected = self.kind().map_or("any JSON value", JsonType::name);
        EventError::WrongKind {
            field: self.name(),
            expected,
            found,
        }
    }

    #[cold]
    fn bad(&self, expected: &'static str, found: &[u8]) -> EventError {
        EventError::BadValue {
            field: self.name(),
            expected,
            found: Excerpt::of(found),
        }
    }

    #[cold]
    fn full(&self) -> EventError {
        EventError::TooLarge {
            field: Some(self.name()),
        }
    }

    /// Whether the engine reads the field's value: the first ids are those.
    #[inline]
    fn is_stamp(&self) -> bool {
        matches!(self, Slot::Known(info) if info.id <= fields::SUBACCOUNT_ID)
    }
}

/// An error from where a scanner stopped.
#[cold]
pub(super) fn explain(stop: Stop, input: &[u8], field: Option<Excerpt>) -> EventError {
    match stop {
        Stop::Syntax { at, expected } => {
            let found = match &input[at.min(input.len())..] {
                [] => Excerpt::of("the end"),
                rest => Excerpt::of(&rest[..rest.len().min(12)]),
            };
            EventError::Syntax {
                field,
                at,
                expected,
                found,
            }
        }
        Stop::Deep => EventError::TooDeep { field },
        Stop::Full => EventError::TooLarge { field },
    }
}

impl<'a> Draft<'a> {
    /// Begins an event: the envelope up to its type.
    pub(super) fn new(
        text: &'a mut Text,
        others: &'a mut Vec<Range<usize>>,
        schema: &'a Schema,
        ty: TypeRef<'a>,
    ) -> Result<Draft<'a>, EventError> {
        text.clear();
        others.clear();
        let draft = Draft {
            text,
            others,
            schema,
            ty,
            seen: [0; 4],
            count: 0,
            event_id: None,
            time_ms: None,
            subaccount: 0,
        };
        draft.text.put(ty.prefix.as_bytes()).map_err(too_large)?;
        Ok(draft)
    }

    /// Writes one field.
    #[inline]
    pub(super) fn field(&mut self, field: &Field<'_>) -> Result<(), EventError> {
        let slot = match field.name {
            FieldName::Id(id) => match Catalogue::field(id) {
                Some(info) => Slot::Known(info),
                None => return Err(EventError::UnknownFieldId { id: id.0 }),
            },
            FieldName::Name(name) => resolve(name.as_bytes()),
        };
        self.begin(slot)?;
        match field.value {
            Value::Str(text) => self.str(slot, text.as_bytes()),
            Value::Bytes(bytes) => match str::from_utf8(bytes) {
                Ok(text) => self.str(slot, text.as_bytes()),
                Err(e) => Err(EventError::Utf8 {
                    field: Some(slot.name()),
                    at: e.valid_up_to(),
                }),
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
            Value::Double(n) => Err(slot.bad("a finite number", n.to_string().as_bytes())),
            Value::Bool(value) => self.bool(slot, value),
            Value::Json(json) => {
                let mut scanner = Scanner::new(json.as_bytes());
                self.json(slot, &mut scanner)?;
                scanner
                    .end()
                    .map_err(|stop| explain(stop, json.as_bytes(), Some(slot.name())))
            }
        }
    }

    /// Writes the members of an object whose opening brace was taken, up to its closing one.
    pub(super) fn members(&mut self, scanner: &mut Scanner<'_>) -> Result<(), EventError> {
        let input = scanner.input();
        let between = |stop| explain(stop, input, None);
        if scanner.take(b'}') {
            return Ok(());
        }
        loop {
            let name = scanner.name().map_err(between)?;
            let mut buffer = [0; 256];
            let slot = resolve(name.decoded(&mut buffer));
            self.begin(slot)?;
            self.json(slot, scanner)?;
            if scanner.take(b'}') {
                return Ok(());
            }
            scanner.expect(b',', "`,` or `}`").map_err(between)?;
        }
    }

    /// Adds what is missing and closes the envelope.
    pub(super) fn finish(
        self,
        ids: &mut IdSource,
        now_ms: UnixMillis,
    ) -> Result<Stamps, EventError> {
        let mut buffer = itoa::Buffer::new();
        let event_id = match self.event_id {
            Some(id) => id,
            None => {
                let id = EventId::of(buffer.format(ids.next()?).as_bytes());
                self.text.put(b",\"event_id\":\"").map_err(too_large)?;
                self.text.put(id.as_str().as_bytes()).map_err(too_large)?;
                self.text.byte(b'"').map_err(too_large)?;
                id
            }
        };
        if self.time_ms.is_none() {
            self.text.put(b",\"timestamp\":\"").map_err(too_large)?;
            self.text
                .put(buffer.format(now_ms / 1000).as_bytes())
                .map_err(too_large)?;
            self.text.byte(b'"').map_err(too_large)?;
        }
        self.text.put(b"}}}").map_err(too_large)?;
        Ok(Stamps {
            type_id: self.ty.id,
            event_id,
            time_ms: self.time_ms.unwrap_or(now_ms),
            subaccount: self.subaccount,
        })
    }

    /// Writes the key of a field, once it is clear that it may stand here.
    #[inline]
    fn begin(&mut self, slot: Slot<'_>) -> Result<(), EventError> {
        self.count += 1;
        if self.count > MAX_FIELDS {
            return Err(EventError::TooManyFields { field: slot.name() });
        }
        match slot {
            Slot::Known(info) => {
                let (word, bit) = (usize::from(info.id.0) / 64, 1 << (info.id.0 % 64));
                if self.seen[word] & bit != 0 {
                    return Err(EventError::DuplicateField { field: slot.name() });
                }
                self.seen[word] |= bit;
                if info.id == fields::TYPE {
                    return Ok(()); // is in the envelope
                }
                self.text
                    .key(&info.key, info.key_len)
                    .map_err(|Full| slot.full())
            }
            Slot::Other(name) => self.begin_other(slot, name),
        }
    }

    #[cold]
    fn begin_other(&mut self, slot: Slot<'_>, name: &[u8]) -> Result<(), EventError> {
        if !(1..=MAX_NAME).contains(&name.len()) {
            return Err(EventError::FieldName { field: slot.name() });
        }
        if !self.schema.takes_unknown(self.ty.id, name) {
            return Err(EventError::UnknownField { field: slot.name() });
        }
        let full = |Full| slot.full();
        self.text.put(b",\"").map_err(full)?;
        let start = self.text.len();
        self.text.escaped(name).map_err(full)?;
        let range = start..self.text.len();
        let written = self.text.written();
        if self
            .others
            .iter()
            .any(|other| written[other.clone()] == written[range.clone()])
        {
            return Err(EventError::DuplicateField { field: slot.name() });
        }
        self.others.push(range);
        self.text.put(b"\":").map_err(full)
    }

    /// Writes a value given as JSON.
    #[inline]
    fn json(&mut self, slot: Slot<'_>, scanner: &mut Scanner<'_>) -> Result<(), EventError> {
        let input = scanner.input();
        let stopped = |stop| explain(stop, input, Some(slot.name()));
        match scanner.peek() {
            Some(b'"') => {
                let quoted = scanner.quoted().map_err(stopped)?;
                self.quoted(slot, quoted)
            }
            Some(b'-' | b'0'..=b'9') => {
                let number = scanner.number().map_err(stopped)?;
                self.number(slot, number)
            }
            Some(b't') => {
                scanner.word("true").map_err(stopped)?;
                self.bool(slot, true)
            }
            Some(b'f') => {
                scanner.word("false").map_err(stopped)?;
                self.bool(slot, false)
            }
            Some(b'n') => {
                scanner.word("null").map_err(stopped)?;
                match slot.kind() {
                    None => self.text.put(b"null").map_err(|Full| slot.full()),
                    Some(_) => Err(slot.wrong("null")),
                }
            }
            Some(open @ (b'{' | b'[')) => {
                let found = if open == b'{' {
                    JsonType::Object
                } else {
                    JsonType::Array
                };
                if slot.kind().is_some_and(|kind| kind != found) {
                    return Err(slot.wrong(found.name()));
                }
                scanner.copy_value(self.text, 2).map_err(stopped)
            }
            _ => Err(stopped(scanner.stop("a value"))),
        }
    }

    /// Writes text.
    #[inline]
    fn str(&mut self, slot: Slot<'_>, text: &[u8]) -> Result<(), EventError> {
        if !matches!(slot.kind(), None | Some(JsonType::String)) {
            return Err(slot.wrong("string"));
        }
        match self.stamp(slot, text)? {
            true => self.text.quoted(text).map_err(|Full| slot.full()),
            false => Ok(()),
        }
    }

    /// Writes text that is JSON already, as it stands.
    #[inline]
    fn quoted(&mut self, slot: Slot<'_>, quoted: Quoted<'_>) -> Result<(), EventError> {
        if !matches!(slot.kind(), None | Some(JsonType::String)) {
            return Err(slot.wrong("string"));
        }
        let mut buffer = [0; 256];
        if slot.is_stamp() && !self.stamp(slot, quoted.decoded(&mut buffer))? {
            return Ok(());
        }
        self.text.put(quoted.raw).map_err(|Full| slot.full())
    }

    fn number(&mut self, slot: Slot<'_>, number: Number<'_>) -> Result<(), EventError> {
        let written = match slot.kind() {
            Some(JsonType::String) => match self.stamp(slot, number.raw)? {
                true => self.text.quoted(number.raw),
                false => Ok(()),
            },
            Some(JsonType::Integer) if number.whole => self.text.put(number.raw),
            Some(JsonType::Number) | None => self.text.put(number.raw),
            _ => return Err(slot.wrong(if number.whole { "integer" } else { "number" })),
        };
        written.map_err(|Full| slot.full())
    }

    fn bool(&mut self, slot: Slot<'_>, value: bool) -> Result<(), EventError> {
        let raw: &[u8] = if value { b"true" } else { b"false" };
        let written = match slot.kind() {
            Some(JsonType::String) => match self.stamp(slot, raw)? {
                true => self.text.quoted(raw),
                false => Ok(()),
            },
            Some(JsonType::Boolean) | None => self.text.put(raw),
            _ => return Err(slot.wrong("boolean")),
        };
        written.map_err(|Full| slot.full())
    }

    /// Takes note of a value that the engine itself reads. False where it is not to be written:
    /// `type`, which is in the envelope.
    #[inline]
    fn stamp(&mut self, slot: Slot<'_>, text: &[u8]) -> Result<bool, EventError> {
        match slot {
            Slot::Known(info) if slot.is_stamp() => self.stamp_known(slot, info, text),
            _ => Ok(true),
        }
    }

    fn stamp_known(
        &mut self,
        slot: Slot<'_>,
        info: &FieldInfo,
        text: &[u8],
    ) -> Result<bool, EventError> {
        match info.id {
            fields::TYPE if text == self.ty.name.as_bytes() => return Ok(false),
            fields::TYPE => {
                return Err(EventError::OtherType {
                    field: "type",
                    expected: Excerpt::of(self.ty.name),
                    found: Excerpt::of(text),
                });
            }
            fields::EVENT_ID => {
                let id = EventId::given(text).ok_or_else(|| slot.bad(stamp::EVENT_ID, text))?;
                self.event_id = Some(id);
            }
            fields::TIMESTAMP => {
                let ms = stamp::millis(text).ok_or_else(|| slot.bad(stamp::TIMESTAMP, text))?;
                self.time_ms = Some(ms);
            }
            fields::SUBACCOUNT_ID => {
                let number = stamp::subaccount(text);
                self.subaccount = number.ok_or_else(|| slot.bad(stamp::SUBACCOUNT, text))?;
            }
            _ => {}
        }
        Ok(true)
    }
}

#[inline]
fn resolve(name: &[u8]) -> Slot<'_> {
    match Catalogue::field_named(name) {
        Some(info) => Slot::Known(info),
        None => Slot::Other(name),
    }
}

fn too_large(_: Full) -> EventError {
    EventError::TooLarge { field: None }
}
