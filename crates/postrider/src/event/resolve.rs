//! The type of an event from its text alone.

use super::{Schema, TypeId};

/// Reads category and type from the start of an encoded event and looks them up.
///
/// For inbox records with [`TypeId::IN_TEXT`]. None where the text does not begin as the encoder
/// writes it, or `schema` does not know the pair.
pub fn type_of_text(schema: &Schema, text: &[u8]) -> Option<TypeId> {
    let rest = text.strip_prefix(b"{\"msys\":{\"")?;
    let (category, rest) = until_quote(rest)?;
    let (name, _) = until_quote(rest.strip_prefix(b":{\"type\":\"")?)?;
    let id = schema.lookup(name)?;
    (schema.category_name(id)? == category).then_some(id)
}

/// The text up to the next quote, and what follows the quote. Names hold no escapes.
fn until_quote(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = memchr::memchr(b'"', bytes)?;
    Some((str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}
