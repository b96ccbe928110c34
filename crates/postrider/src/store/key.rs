//! API keys: what they may do, and how they are kept.
//!
//! A key is 160 random bits in hexadecimal. That is more than anyone can try, so one round of
//! SHA-256 keeps it safe at rest: slow hashes are for passwords that people choose.

use super::StoreError;
use crate::time::UnixMillis;
use crate::webhook::Secret;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// One thing that a key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Grant {
    /// Read webhooks and their batch history.
    WebhooksView,
    /// Create, change, delete and validate webhooks.
    WebhooksModify,
    /// Search events.
    MessageEventsView,
    /// Hand events in.
    IngestEvents,
    /// Create, list and revoke keys.
    Keys,
}

impl Grant {
    /// Every grant.
    pub const ALL: [Grant; 5] = [
        Grant::WebhooksView,
        Grant::WebhooksModify,
        Grant::MessageEventsView,
        Grant::IngestEvents,
        Grant::Keys,
    ];

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Grant::WebhooksView => "webhooks/view",
            Grant::WebhooksModify => "webhooks/modify",
            Grant::MessageEventsView => "message_events/view",
            Grant::IngestEvents => "ingest/events",
            Grant::Keys => "keys",
        }
    }

    /// The grant of that name.
    pub fn by_name(name: &str) -> Option<Grant> {
        Grant::ALL.into_iter().find(|g| g.name() == name)
    }
}

/// A set of grants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grants(u8);

impl Grants {
    /// Every grant.
    pub fn all() -> Grants {
        Grant::ALL.into_iter().collect()
    }

    /// Whether `grant` is in the set.
    pub fn contains(self, grant: Grant) -> bool {
        self.0 & 1 << grant as u8 != 0
    }

    /// The grants of the set, in the order of [`Grant::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Grant> {
        Grant::ALL.into_iter().filter(move |g| self.contains(*g))
    }
}

impl FromIterator<Grant> for Grants {
    fn from_iter<I: IntoIterator<Item = Grant>>(grants: I) -> Self {
        Grants(grants.into_iter().fold(0, |set, g| set | 1 << g as u8))
    }
}

/// A key to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewKey {
    /// What people call it.
    pub label: String,
    /// What it may do.
    pub grants: Grants,
    /// The one subaccount that it acts for; `None`: the primary account and all subaccounts.
    pub subaccount: Option<u32>,
}

/// An API key as the store knows it: everything but its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Names the key in lists and when it is revoked; says nothing of its text.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// Its first four characters, to tell keys apart.
    pub short_key: String,
    /// What it may do.
    pub grants: Grants,
    /// The one subaccount that it acts for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subaccount: Option<u32>,
    /// When it was made.
    pub created_ms: UnixMillis,
}

impl Serialize for Grants {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.iter().map(Grant::name))
    }
}

impl<'de> Deserialize<'de> for Grants {
    /// A name that this version does not know grants nothing.
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(d)?;
        Ok(names.iter().filter_map(|n| Grant::by_name(n)).collect())
    }
}

/// Bytes of randomness in a key.
const KEY_BYTES: usize = 20;

type Hash = [u8; 32];

/// A key as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct KeyRecord {
    hash: Hash,
    #[serde(flatten)]
    key: ApiKey,
}

impl KeyRecord {
    /// A new key and its text.
    pub(super) fn make(new: NewKey, now_ms: UnixMillis) -> Result<(KeyRecord, Secret), StoreError> {
        let mut random = [0; KEY_BYTES];
        getrandom::fill(&mut random).map_err(|e| StoreError::Random(e.to_string()))?;
        let text = hex(&random);
        let hash = hash(&text);
        let key = ApiKey {
            id: format!("{:016x}", place(&hash)),
            label: new.label,
            short_key: text[..4].to_owned(),
            grants: new.grants,
            subaccount: new.subaccount,
            created_ms: now_ms,
        };
        Ok((KeyRecord { hash, key }, Secret::new(text)))
    }

    /// Where it is in its table.
    pub(super) fn place(&self) -> u64 {
        place(&self.hash)
    }

    /// Compared in constant time: an answer's duration tells nothing of the stored hash.
    pub(super) fn has_hash(&self, hash: &Hash) -> bool {
        self.hash.ct_eq(hash).into()
    }

    pub(super) fn into_key(self) -> ApiKey {
        self.key
    }
}

pub(super) fn hash(text: &str) -> Hash {
    Sha256::digest(text).into()
}

/// A key's place in its table, and its id: the first 64 bits of the hash, from which its text can't
/// be found.
pub(super) fn place(hash: &Hash) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The place of the key with that id, if it is the text of one.
pub(super) fn place_of_id(id: &str) -> Option<u64> {
    let fine = id.len() == 16 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    fine.then(|| u64::from_str_radix(id, 16).ok())?
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
