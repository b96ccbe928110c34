//! What answers mean to one webhook, where that differs from the contract.

use super::WebhookError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What an answer does to its batch, and to its webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Meaning {
    /// The batch is delivered.
    Success,
    /// It is tried again later, and never split.
    Retry,
    /// It is a dead letter at once.
    Dead,
    /// The webhook is disabled; the batch waits with the rest.
    Disable,
}

/// A table from status (`404`) or class (`4xx`) to meaning. A status goes before its class; what
/// is in neither means what the contract says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Outcomes(BTreeMap<String, Meaning>);

impl Outcomes {
    /// What the table says of an answer with this status.
    pub fn of(&self, status: u16) -> Option<Meaning> {
        if self.0.is_empty() {
            return None;
        }
        let class = || format!("{}xx", status / 100);
        let found = self.0.get(&status.to_string());
        found.or_else(|| self.0.get(&class())).copied()
    }

    /// Whether nothing differs from the contract.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads an object of the REST API.
    pub(super) fn parse(field: &str, value: &Value) -> Result<Outcomes, WebhookError> {
        let object = value
            .as_object()
            .ok_or_else(|| WebhookError::must_be(field, "an object"))?;
        let mut table = BTreeMap::new();
        for (answer, meaning) in object {
            if !is_answer(answer) {
                let what = "a status from 200 to 599, or a class from 2xx to 5xx";
                return Err(WebhookError::invalid(
                    format!("{field}.{answer}"),
                    format!("does not name {what}"),
                ));
            }
            let meaning = Meaning::deserialize(meaning).map_err(|_| {
                let field = format!("{field}.{answer}");
                WebhookError::must_be(&field, "success, retry, dead or disable")
            })?;
            table.insert(answer.clone(), meaning);
        }
        Ok(Outcomes(table))
    }
}

fn is_answer(text: &str) -> bool {
    match text.as_bytes() {
        [b'2'..=b'5', b'x', b'x'] => true,
        [b'2'..=b'5', tens, ones] => tens.is_ascii_digit() && ones.is_ascii_digit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_goes_before_its_class_and_the_rest_is_the_contracts() {
        let table = json!({"4xx": "dead", "409": "success", "429": "retry", "503": "disable"});
        let table = Outcomes::parse("outcomes", &table).unwrap();
        for (status, meaning) in [
            (404, Some(Meaning::Dead)),
            (409, Some(Meaning::Success)),
            (429, Some(Meaning::Retry)),
            (503, Some(Meaning::Disable)),
            (500, None),
            (200, None),
        ] {
            assert_eq!(table.of(status), meaning, "{status}");
        }
    }

    #[test]
    fn what_is_no_answer_or_no_meaning_is_refused_by_name() {
        for (table, text) in [
            (json!([]), "'outcomes' must be an object"),
            (json!({"6xx": "dead"}), "'outcomes.6xx' does not name"),
            (json!({"40": "dead"}), "'outcomes.40' does not name"),
            (json!({"199": "dead"}), "'outcomes.199' does not name"),
            (
                json!({"4xx": "die"}),
                "'outcomes.4xx' must be success, retry, dead or disable",
            ),
            (json!({"4xx": null}), "'outcomes.4xx' must be"),
        ] {
            let error = Outcomes::parse("outcomes", &table).unwrap_err().to_string();
            assert!(error.starts_with(text), "{error}");
        }
    }
}
