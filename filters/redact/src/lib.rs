//! Redacts fields: what must not leave the house is dropped, masked or replaced by a keyed hash.
//!
//! ```json
//! {"fields": {"rcpt_to": "hash", "raw_rcpt_to": "drop", "ip_address": "mask", "raw_reason": "addresses"},
//!  "key_file": "/etc/postrider/redact.key"}
//! ```
//!
//! | Action | What stays |
//! |---|---|
//! | `drop` | nothing: the field is removed |
//! | `mask` | the domain of a mail address (`***@example.com`), the network of an IP address (`192.0.2.0`, `2001:db8::`), else `***`; of an object or array an empty one |
//! | `hash` | the first 128 bits of HMAC-SHA-256, in hexadecimal: equal values stay equal, and nobody without the key can try values out |
//! | `addresses` | the text with each mail address in it masked |
//!
//! The key is `key` or the contents of `key_file`, at least 16 bytes. A field that is not there is left alone. Where redaction
//! fails, the event is held: this filter's policy is `closed`.

mod mask;

use hmac::{Hmac, KeyInit, Mac};
use postrider_filter::{Error, Event, Field, Filter, Host, OnFailure, Value, export};
use serde::Deserialize;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::path::PathBuf;

const HEX: &[u8; 16] = b"0123456789abcdef";
/// The shortest key, in bytes.
const MIN_KEY: usize = 16;
/// Fields without which an event is no event.
const NEEDED: [&str; 3] = ["type", "event_id", "timestamp"];

/// What is done to a field.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Removed.
    Drop,
    /// A part of it stays.
    Mask,
    /// Replaced by a keyed hash.
    Hash,
    /// Mail addresses in it are masked.
    Addresses,
}

/// What an operator sets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    fields: BTreeMap<String, Action>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    key_file: Option<PathBuf>,
}

/// The filter.
pub struct Redact {
    fields: Vec<(Field, Action)>,
    mac: Option<Hmac<Sha256>>,
}

impl Filter for Redact {
    const ID: &'static CStr = c"redact";
    const VERSION: &'static CStr = c"1.0";
    const SUMMARY: &'static CStr = c"Drops, masks or hashes fields";
    const ON_FAILURE: OnFailure = OnFailure::Closed;
    type Config = Config;

    fn create(host: &Host, config: Config) -> Result<Self, Error> {
        if config.fields.is_empty() {
            return Err(Error::new(
                "fields: name at least one, as {\"rcpt_to\":\"mask\"}",
            ));
        }
        let hashes = config.fields.values().any(|action| *action == Action::Hash);
        let mac = match key(&config)? {
            Some(key) => Some(Hmac::new_from_slice(&key)?),
            None if hashes => return Err(Error::new("hash needs a key: set key or key_file")),
            None => None,
        };
        let resolve = |(name, action): (&String, &Action)| {
            if NEEDED.contains(&name.as_str()) {
                return Err(Error::new(format!(
                    "fields: {name} is what makes an event and stays"
                )));
            }
            Ok((host.field(name)?, *action))
        };
        let fields = config
            .fields
            .iter()
            .map(resolve)
            .collect::<Result<_, Error>>()?;
        Ok(Redact { fields, mac })
    }

    fn event(&mut self, event: &mut Event<'_>) -> Result<(), Error> {
        for &(field, action) in &self.fields {
            let Some(value) = event.get(field) else {
                continue;
            };
            match (action, value) {
                (Action::Drop, _) => event.remove(field)?,
                (Action::Hash, value) => {
                    let sum = self.hash(value)?;
                    event.set(field, str::from_utf8(&sum)?)?;
                }
                (_, Value::Json(json)) => {
                    event.set(
                        field,
                        Value::Json(if json.starts_with('[') { "[]" } else { "{}" }),
                    )?;
                }
                (Action::Mask, Value::Str(text)) => event.set(field, &*mask::whole(text))?,
                (Action::Addresses, Value::Str(text)) => {
                    let masked = mask::addresses(text);
                    if masked != text {
                        event.set(field, &*masked)?;
                    }
                }
                // A number or a truth value has no part that could stay.
                (Action::Mask | Action::Addresses, _) => event.remove(field)?,
            }
        }
        Ok(())
    }
}

impl Redact {
    /// In hexadecimal.
    fn hash(&self, value: Value<'_>) -> Result<[u8; 32], Error> {
        let mac = self.mac.as_ref().ok_or_else(|| Error::new("no key"))?;
        let mut mac = mac.clone();
        match value {
            Value::Str(text) | Value::Json(text) => mac.update(text.as_bytes()),
            Value::Int(n) => mac.update(n.to_string().as_bytes()),
            Value::Double(n) => mac.update(n.to_string().as_bytes()),
            Value::Bool(truth) => mac.update(truth.to_string().as_bytes()),
        }
        let sum = mac.finalize().into_bytes();
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(sum) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        Ok(text)
    }
}

fn key(config: &Config) -> Result<Option<Vec<u8>>, Error> {
    let key = match (&config.key, &config.key_file) {
        (Some(_), Some(_)) => return Err(Error::new("set key or key_file, not both")),
        (Some(key), None) => key.clone().into_bytes(),
        (None, Some(path)) => {
            let text = std::fs::read(path);
            let text = text.map_err(|e| Error::new(format!("key_file {}: {e}", path.display())))?;
            text.trim_ascii().to_vec()
        }
        (None, None) => return Ok(None),
    };
    match key.len() {
        MIN_KEY.. => Ok(Some(key)),
        short => Err(Error::new(format!(
            "the key has {short} bytes: must have at least {MIN_KEY}"
        ))),
    }
}

export!(Redact);

#[cfg(test)]
mod tests;
