//! An event as a search shows it: flat, its time as text.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use postrider::search::Hit;
use serde_json::{Map, Value};

/// The record of a match. In the older dialect, with a zone, its time has that zone's offset, and
/// `tdate` is the same in UTC.
pub(super) fn of(hit: &Hit, zone: Option<&TimeZone>) -> Value {
    let event: Value = serde_json::from_slice(&hit.text).unwrap_or_default();
    let fields = event["msys"]
        .as_object()
        .and_then(|msys| msys.values().next());
    let fields = fields.and_then(Value::as_object).cloned();
    flat(fields.unwrap_or_default(), hit.entry.time_ms, zone)
}

pub(super) fn flat(mut fields: Map<String, Value>, time_ms: u64, zone: Option<&TimeZone>) -> Value {
    let ms = i64::try_from(time_ms).unwrap_or(i64::MAX);
    let time = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    let utc = time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
    match zone {
        None => fields.insert("timestamp".into(), utc.into()),
        Some(zone) => {
            let local = time.to_zoned(zone.clone());
            let local = local.strftime("%Y-%m-%dT%H:%M:%S.%3f%:z").to_string();
            fields.insert("tdate".into(), utc.into());
            fields.insert("timestamp".into(), local.into())
        }
    };
    if !fields.contains_key("sending_domain")
        && let Some(from) = fields.get("friendly_from").and_then(Value::as_str)
        && let Some((_, domain)) = from.trim_end_matches('>').rsplit_once('@')
    {
        let domain = domain.to_owned();
        fields.insert("sending_domain".into(), domain.into());
    }
    fields.into()
}
