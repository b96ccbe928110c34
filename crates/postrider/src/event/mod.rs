//! Events: what they may contain, and how they become the text that travels.
//!
//! An event is encoded once, by the thread that pushes it, as the JSON that receivers get:
//!
//! ```json
//! {"msys":{"message_event":{"type":"delivery","rcpt_to":"alice@example.com","event_id":"…","timestamp":"…"}}}
//! ```
//!
//! In the queue and in the log each text is followed by [`SEPARATOR`], so the texts of neighbouring
//! events are one slice of a POST body. `{"msys":{"<category>":{"type":"<type>"` always comes
//! first: a reader can tell the type without parsing.

mod catalogue;
mod draft;
mod encode;
pub mod entry;
mod error;
mod id;
mod mapped;
mod names;
mod plain;
mod resolve;
mod scan;
mod schema;
mod seen;
mod stamp;
mod text;
mod value;
mod wanted;

pub use catalogue::{
    Catalogue, Category, FieldId, FieldInfo, JsonType, MAX_TYPES, Property, TypeId, TypeInfo,
    fields, types,
};
pub use encode::{Encoded, Encoder};
pub use entry::{ENTRY_BYTES, Entry};
pub use error::{EventError, Excerpt};
pub use id::EventId;
pub use resolve::type_of_text;
pub use schema::{CustomType, Schema};
pub use value::{Event, Field, FieldName, Value};
pub use wanted::WantedSet;

mod docs;
#[cfg(test)]
mod tests;

pub use docs::{documentation, markdown, samples};

/// What follows each event's text in the queue and in the log; `Entry::len` does not count it.
pub const SEPARATOR: &[u8; 2] = b",\n";

/// The longest text of an event, envelope included, in bytes.
pub const MAX_TEXT: usize = 128 * 1024;

/// The deepest nesting of a field's value: the object of fields is level 1.
pub const MAX_DEPTH: usize = 16;

/// The most fields that an event may be given.
pub const MAX_FIELDS: usize = 256;
