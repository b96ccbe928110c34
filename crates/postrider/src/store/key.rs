//! API keys: what they may do, and how they are kept.

use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

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
#[derive(Clone, Debug, PartialEq, Eq)]
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
