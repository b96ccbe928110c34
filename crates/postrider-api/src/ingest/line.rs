//! An event from a caller that acts for one subaccount.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What a line says of whose event it is; everything else is left to the encoder.
#[derive(Deserialize)]
struct Fields {
    subaccount_id: Option<Value>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    msys: Option<BTreeMap<Cow<'a, str>, &'a RawValue>>,
}

/// The line as `own`'s event (0: the primary account's): with its `subaccount_id`, or refused where it
/// names another. `None`: whoever's it says. What is no event passes, to be refused by the encoder.
pub(super) fn bind(line: &[u8], own: Option<u32>) -> Result<Cow<'_, [u8]>, String> {
    let (Some(own), Ok(text)) = (own, std::str::from_utf8(line)) else {
        return Ok(Cow::Borrowed(line));
    };
    let enveloped = serde_json::from_str::<Envelope<'_>>(text).ok();
    let msys = enveloped.and_then(|envelope| envelope.msys);
    let fields = match msys.as_ref().map(|msys| msys.values().collect::<Vec<_>>()) {
        Some(one) if one.len() == 1 => one[0].get(),
        _ => text,
    };
    let Ok(known) = serde_json::from_str::<Fields>(fields) else {
        return Ok(Cow::Borrowed(line));
    };
    match known.subaccount_id {
        Some(named) if !names(&named, own) => Err(format!(
            "'subaccount_id' is {named}, and this key acts for subaccount {own} only"
        )),
        None if own != 0 => {
            // The object's text is part of the line's: the field goes in behind its brace.
            let brace = fields.as_ptr() as usize - text.as_ptr() as usize
                + fields.find('{').unwrap_or_default()
                + 1;
            let (head, tail) = text.split_at(brace);
            let comma = if tail.trim_start().starts_with('}') {
                ""
            } else {
                ","
            };
            Ok(Cow::Owned(
                format!("{head}\"subaccount_id\":\"{own}\"{comma}{tail}").into_bytes(),
            ))
        }
        _ => Ok(Cow::Borrowed(line)),
    }
}

fn names(value: &Value, own: u32) -> bool {
    match value {
        Value::String(text) => *text == own.to_string(),
        other => other.as_u64() == Some(own.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(line: &str, own: Option<u32>) -> Result<String, String> {
        bind(line.as_bytes(), own).map(|text| String::from_utf8(text.into_owned()).unwrap())
    }

    #[test]
    fn a_line_gets_its_callers_subaccount_in_both_forms() {
        assert_eq!(
            bound(r#"{"type":"delivery"}"#, Some(7)).unwrap(),
            r#"{"subaccount_id":"7","type":"delivery"}"#
        );
        assert_eq!(
            bound(
                r#" {"msys" : {"message_event": { "type":"delivery"}}}"#,
                Some(7)
            )
            .unwrap(),
            r#" {"msys" : {"message_event": {"subaccount_id":"7", "type":"delivery"}}}"#
        );
        assert_eq!(bound("{}", Some(7)).unwrap(), r#"{"subaccount_id":"7"}"#);
    }

    #[test]
    fn a_line_may_name_its_callers_subaccount_and_no_other() {
        for same in [r#"{"subaccount_id":"7"}"#, r#"{"subaccount_id":7}"#] {
            assert_eq!(bound(same, Some(7)).unwrap(), same);
            assert!(
                bound(same, Some(8))
                    .unwrap_err()
                    .contains("subaccount 8 only")
            );
            assert!(bound(same, Some(0)).is_err());
            assert_eq!(bound(same, None).unwrap(), same);
        }
        let deep = r#"{"msys":{"message_event":{"subaccount_id":"8"}}}"#;
        assert!(bound(deep, Some(7)).is_err());
        // Text that hides the name is still that name.
        assert!(bound(r#"{"subaccount\u005fid":"8"}"#, Some(7)).is_err());
    }

    #[test]
    fn what_is_no_event_is_left_to_the_encoder() {
        for odd in ["", "[]", "{", r#"{"msys":{}}"#, "7"] {
            let passed = bound(odd, Some(7)).unwrap();
            assert!(
                serde_json::from_str::<Value>(&passed).is_ok() || passed == odd,
                "{odd}"
            );
        }
        // Named twice: serde refuses, and so does the encoder.
        let twice = r#"{"subaccount_id":"7","subaccount_id":"8"}"#;
        assert_eq!(bound(twice, Some(7)).unwrap(), twice);
    }
}
