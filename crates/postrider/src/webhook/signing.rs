//! A webhook's signing keys: given or made here, several at once, retired after a time.
//!
//! A client names all keys that a webhook shall have. One that is there already is named by its id,
//! so that its secret need not be known; what is not named is gone. To change over, a client names
//! the old key with `retires_in_s` beside a new one, and both sign until then.

use super::{Secret, WebhookError};
use crate::auth::{Key, KeyError, KeyKind};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Most signing keys of a webhook.
pub const MAX_KEYS: usize = 8;

const FIELD: &str = "signing_keys";

/// A key that a webhook's POSTs are signed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKey {
    /// Names it; the same for the same key.
    pub id: String,
    /// Its `whsec_` or `whsk_` text.
    pub secret: Secret,
    /// When the webhook got it.
    pub created_ms: UnixMillis,
    /// It signs until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires_ms: Option<UnixMillis>,
    /// Made in the call that answers with this webhook: its secret is shown, once.
    #[serde(skip)]
    pub made: bool,
}

impl SigningKey {
    /// A key of this `whsec_` or `whsk_` text, in force from the creation of its webhook on.
    pub fn given(text: &str) -> Result<SigningKey, KeyError> {
        Key::parse(text)?;
        Ok(SigningKey::of(Secret::new(text), 0, false))
    }

    fn of(secret: Secret, created_ms: UnixMillis, made: bool) -> SigningKey {
        SigningKey {
            id: Key::id(secret.expose()),
            secret,
            created_ms,
            retires_ms: None,
            made,
        }
    }

    /// The key itself.
    pub fn key(&self) -> Result<Key, KeyError> {
        Key::parse(self.secret.expose())
    }
}

/// What a client asks of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyWish {
    which: Which,
    /// Seconds from now; `Some(None)` takes a retirement back.
    retires_in_s: Option<Option<u32>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Which {
    Given(Secret),
    Kept(String),
    New(KeyKind),
}

pub(super) fn wishes(value: &Value) -> Result<Vec<KeyWish>, WebhookError> {
    let list = value.as_array().filter(|list| list.len() <= MAX_KEYS);
    let what = format!("an array of at most {MAX_KEYS} keys");
    let list = list.ok_or_else(|| WebhookError::must_be(FIELD, &what))?;
    list.iter().map(wish).collect()
}

fn wish(value: &Value) -> Result<KeyWish, WebhookError> {
    match value {
        Value::String(text) => Ok(KeyWish {
            which: Which::Given(readable(text)?),
            retires_in_s: None,
        }),
        Value::Object(fields) => wish_of(fields),
        _ => Err(WebhookError::must_be(
            FIELD,
            "an array of keys, each its text or an object",
        )),
    }
}

fn wish_of(fields: &Map<String, Value>) -> Result<KeyWish, WebhookError> {
    let (mut id, mut secret, mut kind, mut retires_in_s) = (None, None, None, None);
    for (name, value) in fields {
        let field = format!("{FIELD}.{name}");
        let text = || {
            let text = value.as_str();
            text.ok_or_else(|| WebhookError::must_be(&field, "a string"))
        };
        match name.as_str() {
            "id" => id = Some(text()?.to_owned()),
            "secret" => secret = Some(text()?).filter(|text| *text != Secret::MASK),
            "type" => {
                let known = KeyKind::by_name(text()?);
                let what = "hmac-sha256 or ed25519";
                kind = Some(known.ok_or_else(|| WebhookError::must_be(&field, what))?);
            }
            "retires_in_s" if value.is_null() => retires_in_s = Some(None),
            "retires_in_s" => {
                let seconds = value.as_u64().and_then(|n| u32::try_from(n).ok());
                let what = "a whole number of seconds, or null";
                let seconds = seconds.ok_or_else(|| WebhookError::must_be(&field, what))?;
                retires_in_s = Some(Some(seconds));
            }
            // Part of what an answer shows.
            "public_key" | "created" | "retires" => {}
            _ => {
                return Err(WebhookError::invalid(
                    field,
                    "is not a field of a signing key",
                ));
            }
        }
    }
    let which = match (secret, id) {
        (Some(text), _) => Which::Given(readable(text)?),
        (None, Some(id)) => Which::Kept(id),
        (None, None) => Which::New(kind.unwrap_or(KeyKind::HmacSha256)),
    };
    Ok(KeyWish {
        which,
        retires_in_s,
    })
}

fn readable(text: &str) -> Result<Secret, WebhookError> {
    match Key::parse(text) {
        Ok(_) => Ok(Secret::new(text)),
        Err(error) => Err(WebhookError::invalid(
            FIELD,
            format!("holds a key that {error}"),
        )),
    }
}

/// The keys that a webhook has from now on. Old ones that have retired are forgotten.
pub(super) fn next_keys(
    wishes: Option<Vec<KeyWish>>,
    old: &[SigningKey],
    now_ms: UnixMillis,
) -> Result<Vec<SigningKey>, WebhookError> {
    let in_force = old
        .iter()
        .filter(|key| key.retires_ms.is_none_or(|at| at > now_ms));
    let Some(wishes) = wishes else {
        return Ok(in_force.cloned().collect());
    };
    let mut keys: Vec<SigningKey> = Vec::new();
    for KeyWish {
        which,
        retires_in_s,
    } in wishes
    {
        let known = |id: &str| in_force.clone().find(|key| key.id == id).cloned();
        let mut key = match which {
            Which::Given(secret) => {
                let key = SigningKey::of(secret, now_ms, false);
                known(&key.id).unwrap_or(key)
            }
            Which::Kept(id) => known(&id).ok_or_else(|| {
                WebhookError::invalid(
                    FIELD,
                    format!("names {id:?}, which is no key of this webhook"),
                )
            })?,
            Which::New(kind) => {
                let text = Key::generate(kind);
                let text = text.map_err(|e| WebhookError::invalid(FIELD, e.to_string()))?;
                SigningKey::of(Secret::new(text), now_ms, true)
            }
        };
        if keys.iter().any(|other| other.id == key.id) {
            let reason = format!("names key {} twice", key.id);
            return Err(WebhookError::invalid(FIELD, reason));
        }
        match retires_in_s {
            None => {}
            Some(None) => key.retires_ms = None,
            Some(Some(seconds)) => {
                key.retires_ms = Some(now_ms.saturating_add(u64::from(seconds) * 1000));
            }
        }
        keys.push(key);
    }
    Ok(keys)
}
