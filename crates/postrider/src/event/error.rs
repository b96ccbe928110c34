//! Why an event was refused.

use std::fmt;

use super::{MAX_DEPTH, MAX_FIELDS, MAX_TEXT};

/// At most 48 bytes of what a caller gave, so that an error never carries a message's content far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt(Box<str>);

impl Excerpt {
    const BYTES: usize = 48;

    /// The start of `bytes`, control characters escaped, foreign bytes replaced.
    pub fn of(bytes: impl AsRef<[u8]>) -> Excerpt {
        let bytes = bytes.as_ref();
        let cut = &bytes[..bytes.len().min(Self::BYTES)];
        let mut text: String = String::from_utf8_lossy(cut).escape_debug().to_string();
        if cut.len() < bytes.len() {
            text.push('…');
        }
        Excerpt(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why an event was refused; nothing of it was taken.
///
/// Positions are bytes from the start of what the caller gave, from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// No type has this name, or none in this category.
    #[error("unknown event type `{name}`: declare custom types as category/type first")]
    UnknownType {
        /// The name given.
        name: Excerpt,
    },
    /// No type has this id.
    #[error("unknown event type {id}")]
    UnknownTypeId {
        /// The id given.
        id: u16,
    },
    /// The line names no type.
    #[error("no event type: a flat event needs `type`, as text")]
    NoType,
    /// The object or envelope says another type or category than the call or the type does.
    #[error("`{field}` says `{found}`, expected `{expected}`")]
    OtherType {
        /// `type` or `category`.
        field: &'static str,
        /// What was expected.
        expected: Excerpt,
        /// What was found.
        found: Excerpt,
    },
    /// The name of a custom type or its category can't be taken.
    #[error("`{name}` can't be declared: {reason}")]
    Declaration {
        /// The name given.
        name: Excerpt,
        /// What is wrong and what is allowed.
        reason: &'static str,
    },
    /// No field has this id.
    #[error("unknown field {id}")]
    UnknownFieldId {
        /// The id given.
        id: u16,
    },
    /// No field has this name, and unknown fields are not allowed.
    #[error("unknown field `{field}`: name it `x_…` or set events.unknown_fields = true")]
    UnknownField {
        /// The name given.
        field: Excerpt,
    },
    /// A field name is empty or longer than 128 bytes.
    #[error("field name `{field}` must have 1 to 128 bytes")]
    FieldName {
        /// The name given.
        field: Excerpt,
    },
    /// A field was given twice.
    #[error("field `{field}` is given twice")]
    DuplicateField {
        /// Its name.
        field: Excerpt,
    },
    /// A field has a value of a kind that does not go into what the contract sends.
    #[error("field `{field}` must be {expected}, found {found}")]
    WrongKind {
        /// Its name.
        field: Excerpt,
        /// The kind that the catalogue says.
        expected: &'static str,
        /// The kind given.
        found: &'static str,
    },
    /// A field's value is of the right kind but not what the field can hold.
    #[error("field `{field}` must be {expected}, found `{found}`")]
    BadValue {
        /// Its name.
        field: Excerpt,
        /// What it can hold.
        expected: &'static str,
        /// The value given.
        found: Excerpt,
    },
    /// Text is not UTF-8.
    #[error("{} is not UTF-8 at byte {at}", .field.as_ref().map_or("the JSON text".to_owned(), |f| format!("field `{f}`")))]
    Utf8 {
        /// The field, where one was given by itself.
        field: Option<Excerpt>,
        /// Of the first byte that is wrong.
        at: usize,
    },
    /// The text is not JSON.
    #[error("{}not JSON at byte {at}: expected {expected}, found {found}", .field.as_ref().map_or(String::new(), |f| format!("field `{f}`: ")))]
    Syntax {
        /// The field in which it stopped, where that is known.
        field: Option<Excerpt>,
        /// Where.
        at: usize,
        /// What could have stood there.
        expected: &'static str,
        /// What stood there: an excerpt, or `the end`.
        found: Excerpt,
    },
    /// Values are nested too deep.
    #[error("field `{field}` is nested deeper than {MAX_DEPTH} levels")]
    TooDeep {
        /// The field.
        field: Excerpt,
    },
    /// There are too many fields.
    #[error("more than {MAX_FIELDS} fields, the first too many is `{field}`")]
    TooManyFields {
        /// The first that is too many.
        field: Excerpt,
    },
    /// The encoded event would be too long.
    #[error("the event is longer than {MAX_TEXT} bytes{}", .field.as_ref().map_or(String::new(), |f| format!(", passed in field `{f}`")))]
    TooLarge {
        /// The field that passed the limit.
        field: Option<Excerpt>,
    },
    /// The system gave no random numbers for event ids.
    #[error("no random numbers from the system for event ids")]
    NoRandomness,
}
