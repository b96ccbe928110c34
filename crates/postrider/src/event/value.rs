//! What a caller says of an event: fields and their values, borrowed.

use super::catalogue::{FieldId, TypeId};

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text.
    Str(&'a str),
    /// Text whose UTF-8 is checked when the event is encoded.
    Bytes(&'a [u8]),
    /// A number; goes out as text where the contract sends text.
    Int(i64),
    /// A number, finite; goes out as text where the contract sends text.
    Double(f64),
    /// A truth value; goes out as text where the contract sends text.
    Bool(bool),
    /// One JSON value, checked when the event is encoded: for objects and arrays.
    Json(&'a str),
}

/// Which field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldName<'a> {
    /// A field of the catalogue: the fast way.
    Id(FieldId),
    /// By name; a name that the catalogue does not have is subject to [`Schema`](super::Schema).
    Name(&'a str),
}

impl From<FieldId> for FieldName<'_> {
    fn from(id: FieldId) -> Self {
        FieldName::Id(id)
    }
}

impl<'a> From<&'a str> for FieldName<'a> {
    fn from(name: &'a str) -> Self {
        FieldName::Name(name)
    }
}

/// A field with its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'a> {
    /// Which field.
    pub name: FieldName<'a>,
    /// Its value.
    pub value: Value<'a>,
}

/// An event in the making.
///
/// ```
/// use postrider::event::{Event, fields, types};
///
/// let event = Event::new(types::DELIVERY)
///     .str(fields::RCPT_TO, "alice@example.com")
///     .int(fields::MSG_SIZE, 1337)
///     .str("x_tenant", "blue");
/// assert_eq!(event.fields().len(), 3);
/// ```
#[derive(Clone, Debug)]
pub struct Event<'a> {
    ty: TypeId,
    fields: Vec<Field<'a>>,
}

impl<'a> Event<'a> {
    /// An event of this type without fields; `event_id` and `timestamp` are filled in later.
    pub fn new(ty: TypeId) -> Event<'a> {
        Event {
            ty,
            fields: Vec::with_capacity(32),
        }
    }

    /// Its type.
    pub fn ty(&self) -> TypeId {
        self.ty
    }

    /// Its fields so far.
    pub fn fields(&self) -> &[Field<'a>] {
        &self.fields
    }

    /// Adds a field.
    pub fn field(mut self, name: impl Into<FieldName<'a>>, value: Value<'a>) -> Self {
        self.fields.push(Field {
            name: name.into(),
            value,
        });
        self
    }

    /// Adds text.
    pub fn str(self, name: impl Into<FieldName<'a>>, value: &'a str) -> Self {
        self.field(name, Value::Str(value))
    }

    /// Adds text that may not be UTF-8, which encoding then refuses.
    pub fn bytes(self, name: impl Into<FieldName<'a>>, value: &'a [u8]) -> Self {
        self.field(name, Value::Bytes(value))
    }

    /// Adds a whole number.
    pub fn int(self, name: impl Into<FieldName<'a>>, value: i64) -> Self {
        self.field(name, Value::Int(value))
    }

    /// Adds a number.
    pub fn double(self, name: impl Into<FieldName<'a>>, value: f64) -> Self {
        self.field(name, Value::Double(value))
    }

    /// Adds a truth value.
    pub fn bool(self, name: impl Into<FieldName<'a>>, value: bool) -> Self {
        self.field(name, Value::Bool(value))
    }

    /// Adds a JSON value: an object or an array.
    pub fn json(self, name: impl Into<FieldName<'a>>, value: &'a str) -> Self {
        self.field(name, Value::Json(value))
    }
}
