//! The catalogue as the API's documentation and samples endpoints show it.

use serde_json::Value;

use super::TypeInfo;

/// The body under `results` of `events/documentation`: category → events → type → fields.
///
/// `types` chooses; a category without chosen types is left out.
pub fn documentation(types: impl Fn(&TypeInfo) -> bool) -> Value {
    let _ = types;
    todo!()
}

/// The elements under `results` of `events/samples`, one `{"msys":{…}}` per chosen type.
pub fn samples(types: impl Fn(&TypeInfo) -> bool) -> Vec<Value> {
    let _ = types;
    todo!()
}
