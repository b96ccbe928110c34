//! The event catalogue: 7 categories, 27 types and their fields, as static tables.
//!
//! `catalogue.json` beside this crate's manifest is the one source; `build.rs` turns it into the
//! tables here. Documentation, samples, validation and the C header are all read from them.

use std::fmt;

use super::names;

include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// Event types have ids below this: 1..=255 of the catalogue, 256.. declared by the user.
pub const MAX_TYPES: usize = 1024;

/// The id of an event type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u16);

impl TypeId {
    /// The first id of a custom type.
    pub const FIRST_CUSTOM: TypeId = TypeId(256);
    /// Stands in an inbox record for a custom type: the reader takes it from the text, because
    /// ids of custom types belong to the engine.
    pub const IN_TEXT: TypeId = TypeId(0xffff);

    /// Whether the id is one of a custom type.
    #[inline]
    pub const fn is_custom(self) -> bool {
        self.0 >= Self::FIRST_CUSTOM.0 && (self.0 as usize) < MAX_TYPES
    }
}

/// The id of a field of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldId(pub u16);

/// The JSON type in which the contract sends a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JsonType {
    /// Text; numbers too are mostly sent as text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A number without fraction.
    Integer,
    /// Any number.
    Number,
    /// `{…}`
    Object,
    /// `[…]`
    Array,
}

impl JsonType {
    /// The name as JSON Schema has it.
    pub const fn name(self) -> &'static str {
        match self {
            JsonType::String => "string",
            JsonType::Boolean => "boolean",
            JsonType::Integer => "integer",
            JsonType::Number => "number",
            JsonType::Object => "object",
            JsonType::Array => "array",
        }
    }
}

impl fmt::Display for JsonType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A category: the key inside `msys`.
#[derive(Debug)]
pub struct Category {
    /// As on the wire: `message_event`.
    pub name: &'static str,
    /// As people read it.
    pub display: &'static str,
    /// One sentence without its full stop.
    pub description: &'static str,
    /// Its types, in the order of the documentation.
    pub types: &'static [TypeId],
}

/// An event type of the catalogue.
#[derive(Debug)]
pub struct TypeInfo {
    /// Never changes once published.
    pub id: TypeId,
    /// As on the wire: `delivery`. Unique across categories.
    pub name: &'static str,
    /// As people read it.
    pub display: &'static str,
    /// One sentence without its full stop.
    pub description: &'static str,
    /// The fields that its documentation lists.
    pub fields: &'static [FieldId],
    category: usize,
    samples: &'static [(FieldId, &'static str)],
    /// `{"msys":{"<category>":{"type":"<type>"`
    pub(super) prefix: &'static str,
}

impl TypeInfo {
    /// The category that the type belongs to.
    pub fn category(&self) -> &'static Category {
        &CATEGORIES[self.category]
    }

    /// The sample of one of its fields, as JSON text; `type` has none, it is the name.
    pub fn sample(&self, field: &FieldInfo) -> &'static str {
        let own = self.samples.iter().find(|(id, _)| *id == field.id);
        own.map_or(field.sample, |(_, sample)| sample)
    }
}

/// A field of the catalogue.
#[derive(Debug)]
pub struct FieldInfo {
    /// Never changes once published.
    pub id: FieldId,
    /// As on the wire: `rcpt_to`.
    pub name: &'static str,
    /// What the contract sends.
    pub kind: JsonType,
    /// One sentence without its full stop.
    pub description: &'static str,
    /// A sample value as JSON text; a type may have one of its own, see [`TypeInfo::sample`].
    pub sample: &'static str,
    /// What an object consists of, where that is fixed.
    pub properties: &'static [Property],
    pub(super) key: Key,
}

/// `,"name":`, padded so that it is copied in one step, whatever its length.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) bytes: [u8; Key::BYTES],
    pub(super) len: usize,
}

impl Key {
    pub(super) const BYTES: usize = 32;
    /// Nothing.
    pub(super) const NONE: &Key = &Key {
        bytes: [b' '; Key::BYTES],
        len: 0,
    };
}

/// A member of a field that is an object.
#[derive(Debug)]
pub struct Property {
    /// As on the wire.
    pub name: &'static str,
    /// Its JSON type.
    pub kind: JsonType,
    /// One sentence without its full stop.
    pub description: &'static str,
}

/// The catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Catalogue;

impl Catalogue {
    /// All categories, in the order of the documentation.
    pub fn categories() -> &'static [Category] {
        &CATEGORIES
    }

    /// All types, by id.
    pub fn types() -> &'static [TypeInfo] {
        &TYPES
    }

    /// All fields, by id.
    pub fn fields() -> &'static [FieldInfo] {
        &FIELDS
    }

    /// The type with this id; none for a custom type.
    #[inline]
    pub fn type_info(id: TypeId) -> Option<&'static TypeInfo> {
        TYPES.get(usize::from(id.0).wrapping_sub(1))
    }

    /// The field with this id.
    #[inline]
    pub fn field(id: FieldId) -> Option<&'static FieldInfo> {
        FIELDS.get(usize::from(id.0).wrapping_sub(1))
    }

    /// The type with this name, case-sensitive.
    pub fn type_by_name(name: &str) -> Option<&'static TypeInfo> {
        Self::type_named(name.as_bytes())
    }

    /// The field with this name, case-sensitive.
    pub fn field_by_name(name: &str) -> Option<&'static FieldInfo> {
        Self::field_named(name.as_bytes())
    }

    #[inline]
    pub(super) fn type_named(name: &[u8]) -> Option<&'static TypeInfo> {
        let info = &TYPES[usize::from(TYPE_NAMES.candidate(name)?) - 1];
        names::same(info.name.as_bytes(), name).then_some(info)
    }

    #[inline]
    pub(super) fn field_named(name: &[u8]) -> Option<&'static FieldInfo> {
        let info = &FIELDS[usize::from(FIELD_NAMES.candidate(name)?) - 1];
        names::same(info.name.as_bytes(), name).then_some(info)
    }
}
