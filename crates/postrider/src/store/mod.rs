//! The store: webhooks, API keys and custom event types, in one transactional file.
//!
//! What changes rarely and must never be half changed lives here; what changes with every batch
//! lives in the journal. The file takes no lock of its own: the data directory has one, and a lock
//! on this file would be kept alive by a child that the host forks. Secrets of webhooks are in it as
//! they are, since they go out as they are: what guards them is its mode, 0600. API keys are hashed.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | name | bytes; `layout` is the version of this table, 4 bytes little-endian |
//! | `webhooks` | id, 128 bits | [`Webhook`] as JSON |
//! | `former` | id, 128 bits, and revision, 32 bits | a former revision, as above, while batches that were formed for it are open |
//! | `keys` | the first 64 bits of the key's SHA-256 | [`ApiKey`] and the whole hash as JSON |
//! | `types` | id, 16 bits | `category/type` |
//! | `ingested` | id of a batch, 128 bits | until when it is remembered, Unix milliseconds |

mod backend;
mod db;
mod error;
mod ingested;
mod key;
#[cfg(test)]
mod tests;

pub use error::StoreError;
pub use key::{ApiKey, Grant, Grants, NewKey};

use crate::fs::Fs;
use crate::time::UnixMillis;
use crate::webhook::{Secret, Webhook};
use db::Db;
use key::KeyRecord;
use redb::{ReadableTable, TableDefinition};
use std::path::Path;
use uuid::Uuid;

/// The file's name in the data directory.
pub const FILE_NAME: &str = "store.redb";

/// The first id of a custom type; those below are the catalogue's.
const FIRST_CUSTOM_TYPE: u16 = 256;
/// The last one, so that a set of types fits a fixed bitmap.
const LAST_CUSTOM_TYPE: u16 = 1023;

const WEBHOOKS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("webhooks");
const FORMER: TableDefinition<'_, (u128, u32), &[u8]> = TableDefinition::new("former");
const KEYS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("keys");
const TYPES: TableDefinition<'_, u16, &str> = TableDefinition::new("types");

/// A custom event type; its id is never given to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomType {
    /// 256 or more.
    pub id: u16,
    /// The category, such as `message_event`.
    pub category: String,
    /// The type's name.
    pub name: String,
}

/// The open store. Calls may come from any thread; each change is durable when it returns, and one
/// that fails changed nothing.
pub struct Store {
    db: Db,
}

impl Store {
    /// Opens or creates `store.redb` in `dir`, mode 0600. The caller holds the directory's lock.
    pub fn open(fs: &dyn Fs, dir: &Path) -> Result<Store, StoreError> {
        Ok(Store {
            db: Db::open(fs, &dir.join(FILE_NAME))?,
        })
    }

    /// A store that ends with the process.
    pub fn memory() -> Result<Store, StoreError> {
        Ok(Store { db: Db::memory()? })
    }

    /// Every webhook, oldest first.
    pub fn webhooks(&self) -> Result<Vec<Webhook>, StoreError> {
        let mut all = self.db.read(|tx| {
            let mut all: Vec<Webhook> = Vec::new();
            for row in tx.open_table(WEBHOOKS)?.iter()? {
                all.push(from_json(row?.1.value())?);
            }
            Ok(all)
        })?;
        all.sort_by_key(|w| (w.created_ms, w.id));
        Ok(all)
    }

    /// One webhook.
    pub fn webhook(&self, id: Uuid) -> Result<Option<Webhook>, StoreError> {
        self.db
            .read(|tx| match tx.open_table(WEBHOOKS)?.get(id.as_u128())? {
                Some(json) => Ok(Some(from_json(json.value())?)),
                None => Ok(None),
            })
    }

    /// Creates a webhook, or puts its next revision in the place of the one before, which is kept as
    /// a [former](Self::former) one.
    pub fn put_webhook(&self, webhook: &Webhook) -> Result<(), StoreError> {
        let json = to_json(webhook);
        let id = webhook.id.as_u128();
        self.db.write(|tx| {
            let mut webhooks = tx.open_table(WEBHOOKS)?;
            if let Some(before) = webhooks.insert(id, &json[..])? {
                let before: Webhook = from_json(before.value())?;
                if before.revision < webhook.revision {
                    let json = to_json(&before);
                    tx.open_table(FORMER)?
                        .insert((id, before.revision), &json[..])?;
                }
            }
            Ok(())
        })
    }

    /// Deletes a webhook; `false` when there was none. Its last revision is kept as a
    /// [former](Self::former) one for the batches that it still has, unless they are `purged` too.
    pub fn delete_webhook(&self, id: Uuid, purged: bool) -> Result<bool, StoreError> {
        let id = id.as_u128();
        self.db.write(|tx| {
            let mut webhooks = tx.open_table(WEBHOOKS)?;
            let Some(last) = webhooks.remove(id)? else {
                return Ok(false);
            };
            let mut former = tx.open_table(FORMER)?;
            if purged {
                former.retain(|(of, _), _| of != id)?;
            } else {
                let revision = from_json::<Webhook>(last.value())?.revision;
                former.insert((id, revision), last.value())?;
            }
            Ok(true)
        })
    }

    /// Former revisions, and the last ones of deleted webhooks: batches go where they were formed for.
    pub fn former(&self) -> Result<Vec<Webhook>, StoreError> {
        self.db.read(|tx| {
            let mut all = Vec::new();
            for row in tx.open_table(FORMER)?.iter()? {
                all.push(from_json(row?.1.value())?);
            }
            Ok(all)
        })
    }

    /// Forgets former revisions, secrets and all, but those of which `needed` holds.
    pub fn retain_former(&self, needed: impl Fn(Uuid, u32) -> bool) -> Result<(), StoreError> {
        self.db.write(|tx| {
            let mut former = tx.open_table(FORMER)?;
            former.retain(|(id, revision), _| needed(Uuid::from_u128(id), revision))?;
            Ok(())
        })
    }

    /// Makes an API key. Its text is given back once and kept nowhere: the store has its hash.
    pub fn create_key(
        &self,
        new: NewKey,
        now_ms: UnixMillis,
    ) -> Result<(ApiKey, Secret), StoreError> {
        let (record, text) = KeyRecord::make(new, now_ms)?;
        let json = to_json(&record);
        self.db.write(|tx| {
            tx.open_table(KEYS)?.insert(record.place(), &json[..])?;
            Ok(())
        })?;
        Ok((record.into_key(), text))
    }

    /// The key whose text is `presented`.
    pub fn authenticate(&self, presented: &str) -> Result<Option<ApiKey>, StoreError> {
        let hash = key::hash(presented);
        self.db
            .read(|tx| match tx.open_table(KEYS)?.get(key::place(&hash))? {
                Some(json) => {
                    let record: KeyRecord = from_json(json.value())?;
                    Ok(record.has_hash(&hash).then(|| record.into_key()))
                }
                None => Ok(None),
            })
    }

    /// Every key, oldest first.
    pub fn keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let mut all = self.db.read(|tx| {
            let mut all = Vec::new();
            for row in tx.open_table(KEYS)?.iter()? {
                all.push(from_json::<KeyRecord>(row?.1.value())?.into_key());
            }
            Ok(all)
        })?;
        all.sort_by(|a, b| (a.created_ms, &a.id).cmp(&(b.created_ms, &b.id)));
        Ok(all)
    }

    /// Deletes a key by its id; `false` when there was none.
    pub fn revoke_key(&self, id: &str) -> Result<bool, StoreError> {
        let Some(place) = key::place_of_id(id) else {
            return Ok(false);
        };
        self.db
            .write(|tx| Ok(tx.open_table(KEYS)?.remove(place)?.is_some()))
    }

    /// The custom type's id: the one it always had, or the next free one.
    pub fn declare_type(&self, category: &str, name: &str) -> Result<u16, StoreError> {
        let full = format!("{category}/{name}");
        self.db.write(|tx| {
            let mut types = tx.open_table(TYPES)?;
            let mut next = FIRST_CUSTOM_TYPE;
            for row in types.iter()? {
                let (id, known) = row?;
                if known.value() == full {
                    return Ok(id.value());
                }
                next = id.value() + 1;
            }
            if next > LAST_CUSTOM_TYPE {
                let most = usize::from(LAST_CUSTOM_TYPE - FIRST_CUSTOM_TYPE) + 1;
                return Err(StoreError::TooManyTypes(most));
            }
            types.insert(next, full.as_str())?;
            Ok(next)
        })
    }

    /// Every custom type, by id.
    pub fn custom_types(&self) -> Result<Vec<CustomType>, StoreError> {
        self.db.read(|tx| {
            let mut all = Vec::new();
            for row in tx.open_table(TYPES)?.iter()? {
                let (id, full) = row?;
                let Some((category, name)) = full.value().split_once('/') else {
                    return Err(StoreError::Damaged(format!("type {:?}", full.value())));
                };
                let (category, name) = (category.to_owned(), name.to_owned());
                all.push(CustomType {
                    id: id.value(),
                    category,
                    name,
                });
            }
            Ok(all)
        })
    }

    /// A small value of the engine's own, by name.
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.read(|tx| {
            Ok(tx
                .open_table(db::META)?
                .get(name)?
                .map(|v| v.value().to_vec()))
        })
    }

    /// Sets a small value of the engine's own; not `layout`, which is the store's.
    pub fn set_meta(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        debug_assert_ne!(name, db::LAYOUT_NAME);
        self.db.write(|tx| {
            tx.open_table(db::META)?.insert(name, value)?;
            Ok(())
        })
    }
}

fn to_json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("a record of ours has text for its keys")
}

fn from_json<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(json).map_err(|e| StoreError::Damaged(e.to_string()))
}
