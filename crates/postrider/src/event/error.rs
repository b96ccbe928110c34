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
    #[error("no event type: `type` is missing or no text")]
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
    #[error("{}not UTF-8 at byte {at}", of_field(.field))]
    Utf8 {
        /// The field, where it is inside one's value.
        field: Option<Excerpt>,
        /// The first byte that is wrong: in the value if it was given by itself, else in the JSON.
        at: usize,
    },
    /// The text is not JSON.
    #[error("{}not JSON at byte {at}: expected {expected}, found `{found}`", of_field(.field))]
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
    #[error("{}nested deeper than {MAX_DEPTH} levels", of_field(.field))]
    TooDeep {
        /// The field.
        field: Option<Excerpt>,
    },
    /// There are too many fields.
    #[error("more than {MAX_FIELDS} fields, the first too many is `{field}`")]
    TooManyFields {
        /// The first that is too many.
        field: Excerpt,
    },
    /// The encoded event would be too long.
    #[error("{}the event would be longer than {MAX_TEXT} bytes", of_field(.field))]
    TooLarge {
        /// The field that passed the limit.
        field: Option<Excerpt>,
    },
    /// The system gave no random numbers for event ids.
    #[error("no random numbers from the system for event ids")]
    NoRandomness,
}

impl EventError {
    /// The field that the error is about, where it is about one.
    pub fn field(&self) -> Option<&str> {
        use EventError::*;
        match self {
            UnknownField { field }
            | FieldName { field }
            | DuplicateField { field }
            | WrongKind { field, .. }
            | BadValue { field, .. }
            | TooManyFields { field } => Some(field.as_str()),
            Utf8 { field, .. } | Syntax { field, .. } | TooDeep { field } | TooLarge { field } => {
                field.as_ref().map(Excerpt::as_str)
            }
            OtherType { field, .. } => Some(field),
            NoType => Some("type"),
            UnknownType { .. }
            | UnknownTypeId { .. }
            | Declaration { .. }
            | UnknownFieldId { .. }
            | NoRandomness => None,
        }
    }
}

fn of_field(field: &Option<Excerpt>) -> String {
    field
        .as_ref()
        .map_or(String::new(), |field| format!("field `{field}`: "))
}
