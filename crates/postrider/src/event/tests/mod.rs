//! Tests of the encoder as its callers see it.

mod catalogue;
mod fork;
mod json;
mod property;
mod typed;

use serde_json::Value;

use super::{Encoded, Encoder, Entry, EventError, Field, Schema, TypeId, types};

/// 2023-11-14T22:13:20.123Z
const NOW: u64 = 1_700_000_000_123;

/// The fields of an encoded event; checks everything about it that holds for all.
fn fields_of(encoded: &Encoded<'_>) -> serde_json::Map<String, Value> {
    let Encoded { entry, text, .. } = *encoded;
    assert_eq!(encoded.text_and_separator(), [text, b",\n"].concat());
    assert_eq!(entry.len as usize, text.len());
    assert_eq!(entry.crc, crc32c::crc32c(text));
    assert!(!text.contains(&b'\n'), "an event stays on one line");
    let value: Value = serde_json::from_slice(text).unwrap();
    let msys = value["msys"].as_object().unwrap();
    let (category, event) = msys.iter().next().unwrap();
    assert_eq!((value.as_object().unwrap().len(), msys.len()), (1, 1));
    let event = event.as_object().unwrap().clone();
    let ty = event["type"].as_str().unwrap();
    let start = format!("{{\"msys\":{{\"{category}\":{{\"type\":\"{ty}\"");
    assert!(text.starts_with(start.as_bytes()));
    assert_eq!(event["event_id"], encoded.event_id.as_str());
    assert!(event["timestamp"].is_string());
    event
}

fn json(object: &str) -> Result<(Entry, serde_json::Map<String, Value>), EventError> {
    json_bytes(types::DELIVERY, object.as_bytes())
}

fn json_bytes(
    ty: TypeId,
    object: &[u8],
) -> Result<(Entry, serde_json::Map<String, Value>), EventError> {
    let mut encoder = Encoder::new();
    let encoded = encoder.json(&Schema::new(false), ty, object, NOW)?;
    Ok((encoded.entry, fields_of(&encoded)))
}

fn typed(fields: &[Field<'_>]) -> Result<(Entry, serde_json::Map<String, Value>), EventError> {
    let mut encoder = Encoder::new();
    let encoded = encoder.typed(&Schema::new(false), types::DELIVERY, fields, NOW)?;
    Ok((encoded.entry, fields_of(&encoded)))
}
