//! A webhook: a target URL, the events it wants, and how to authenticate there.
//!
//! [`WebhookSpec`] and [`WebhookPatch`] are what a client of the REST API asks for, parsed and
//! checked once; [`Webhook`] is what the store keeps and the deliverer works by. Every change makes
//! a new revision: the one in force at an event's offset decides whether the webhook wants it.

mod error;
mod identity;
mod oauth;
mod outcomes;
mod parse;
mod secret;
mod signing;
mod spec;
mod status;
#[cfg(test)]
mod tests;

pub use error::WebhookError;
pub use identity::ClientCertificate;
pub use oauth::{OAuth2, TokenEncoding, TokenParameter};
pub use outcomes::{Meaning, Outcomes};
pub use secret::Secret;
pub use signing::{KeyWish, MAX_KEYS, SigningKey};
pub use spec::{AuthType, Credentials, WebhookPatch, WebhookSpec};
pub use status::{
    Activity, BatchStatus, Condition, DeadLetter, Replay, Replayed, TestFailure, TestPost,
};

use crate::filter::FilterSpec;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Most custom headers of a webhook.
pub const MAX_HEADERS: usize = 5;
/// Their names and values have fewer bytes than this in all.
pub const MAX_HEADER_BYTES: usize = 3000;

/// A webhook as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Made by the engine, never reused.
    #[serde(with = "uuid_text")]
    pub id: Uuid,
    /// 1 when created, one more at every change.
    pub revision: u32,
    /// What people call it; not unique.
    pub name: String,
    /// The absolute `http` or `https` URL that batches are POSTed to.
    pub target: String,
    /// Names of the event types it wants, each once.
    pub events: Vec<String>,
    /// `false`: events are dropped for it, and counted.
    pub active: bool,
    /// The `Authorization` header of its POSTs.
    #[serde(default)]
    pub auth: Auth,
    /// Sent as `X-MessageSystems-Webhook-Token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// Further headers of its POSTs: at most 5, under 3,000 bytes in all.
    #[serde(default)]
    pub custom_headers: Vec<CustomHeader>,
    /// Keys that its POSTs are signed with, at most [`MAX_KEYS`]. An extension of the contract.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signing_keys: Vec<SigningKey>,
    /// What it presents to a target that asks for a client certificate, in place of the
    /// configuration's. An extension of the contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
    /// Whether bodies are sent with `Content-Encoding: gzip`. An extension of the contract.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gzip: bool,
    /// Whose events it gets.
    #[serde(default)]
    pub scope: Subaccounts,
    /// Limits of its own where they differ from the configuration's.
    #[serde(default)]
    pub limits: Limits,
    /// One batch at a time, in the order of the log; a batch that fails holds the rest.
    #[serde(default)]
    pub ordered: bool,
    /// What answers mean to it, where that differs from the contract.
    #[serde(default, skip_serializing_if = "Outcomes::is_empty")]
    pub outcomes: Outcomes,
    /// What each of its batches goes through before the first attempt, in this order; the log keeps the events
    /// as they were. An extension of the contract.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterSpec>,
    /// When it was created.
    pub created_ms: UnixMillis,
    /// When this revision was made.
    pub updated_ms: UnixMillis,
}

/// How a webhook's POSTs authenticate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Auth {
    /// No `Authorization` header.
    #[default]
    None,
    /// HTTP Basic, RFC 7617.
    Basic {
        /// Without `:`.
        username: String,
        /// May be empty.
        password: Secret,
    },
    /// A bearer token by OAuth 2 client credentials, RFC 6749 §4.4 and RFC 6750.
    OAuth2(OAuth2),
}

/// A header of the operator's choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomHeader {
    /// A token, RFC 9110 §5.6.2; none that the protocol or Postrider sets.
    pub name: String,
    /// A field value, RFC 9110 §5.5; a secret because receivers use it as one.
    pub value: Secret,
}

/// Whose events a webhook gets. Subaccount 0 is the primary account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subaccounts {
    /// The primary account's and every subaccount's, but these.
    All {
        /// At most 10, none twice.
        except: Vec<u32>,
    },
    /// The primary account's alone.
    Primary,
    /// One subaccount's alone.
    One(u32),
}

impl Default for Subaccounts {
    fn default() -> Self {
        Subaccounts::All { except: Vec::new() }
    }
}

impl Subaccounts {
    /// Whether an event of `subaccount` (0: primary) is in the scope.
    pub fn contains(&self, subaccount: u32) -> bool {
        match self {
            Subaccounts::All { except } => !except.contains(&subaccount),
            Subaccounts::Primary => subaccount == 0,
            Subaccounts::One(n) => subaccount == *n,
        }
    }
}

/// A webhook's own limits; `None` is the configuration's default. An extension of the contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Events of one batch, instead of `batch.max_events`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_events: Option<u32>,
    /// Bytes of one batch's body, instead of `batch.max_bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_bytes: Option<u32>,
    /// Milliseconds that a batch waits to fill up, instead of `batch.linger_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linger_ms: Option<u32>,
    /// Batches under way at once, instead of `batch.in_flight`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    /// POSTs a second, instead of `rate.requests_per_s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_s: Option<u32>,
    /// Events a second, instead of `rate.events_per_s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_per_s: Option<u32>,
    /// Seconds after which a batch is given up, instead of `retry.give_up_after_s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub give_up_after_s: Option<u32>,
    /// Events that may wait where space is short, instead of `backlog.max_events`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog_events: Option<u64>,
    /// Bytes that may wait where space is short, instead of `backlog.max_bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog_bytes: Option<u64>,
}

impl Webhook {
    /// Whether it wants an event of type `name` of `subaccount` (0: primary).
    pub fn wants(&self, name: &str, subaccount: u32) -> bool {
        self.active && self.scope.contains(subaccount) && self.events.iter().any(|e| e == name)
    }
}

/// A UUID as its text: what people read in the store's JSON.
mod uuid_text {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use uuid::Uuid;

    pub(super) fn serialize<S: Serializer>(id: &Uuid, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Uuid, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        Uuid::parse_str(&text).map_err(de::Error::custom)
    }
}
