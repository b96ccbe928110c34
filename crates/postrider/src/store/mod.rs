//! The store: webhooks, API keys and custom event types, in one transactional file.
//!
//! What changes rarely and must never be half changed lives here; what changes with every batch
//! lives in the journal. The file takes no lock of its own: the data directory has one, and a lock
//! on this file would be kept alive by a child that the host forks.

mod backend;
mod error;
mod key;

pub use error::StoreError;
pub use key::{ApiKey, Grant, Grants, NewKey};

use crate::fs::Fs;
use crate::time::UnixMillis;
use crate::webhook::{Secret, Webhook};
use std::path::Path;
use uuid::Uuid;

/// The file's name in the data directory.
pub const FILE_NAME: &str = "store.redb";

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

/// The open store. Calls may come from any thread; each change is durable when it returns.
pub struct Store {}

impl Store {
    /// Opens or creates `store.redb` in `dir`, mode 0600.
    pub fn open(fs: &dyn Fs, dir: &Path) -> Result<Store, StoreError> {
        let _ = (fs, dir);
        todo!()
    }

    /// A store that ends with the process.
    pub fn memory() -> Result<Store, StoreError> {
        todo!()
    }

    /// Every webhook, oldest first.
    pub fn webhooks(&self) -> Result<Vec<Webhook>, StoreError> {
        todo!()
    }

    /// One webhook.
    pub fn webhook(&self, id: Uuid) -> Result<Option<Webhook>, StoreError> {
        let _ = id;
        todo!()
    }

    /// Creates or replaces a webhook.
    pub fn put_webhook(&self, webhook: &Webhook) -> Result<(), StoreError> {
        let _ = webhook;
        todo!()
    }

    /// Deletes a webhook; `false` when there was none.
    pub fn delete_webhook(&self, id: Uuid) -> Result<bool, StoreError> {
        let _ = id;
        todo!()
    }

    /// Makes an API key. Its text is given back once and kept nowhere: the store has its hash.
    pub fn create_key(
        &self,
        new: NewKey,
        now_ms: UnixMillis,
    ) -> Result<(ApiKey, Secret), StoreError> {
        let _ = (new, now_ms);
        todo!()
    }

    /// The key whose text is `presented`.
    pub fn authenticate(&self, presented: &str) -> Result<Option<ApiKey>, StoreError> {
        let _ = presented;
        todo!()
    }

    /// Every key, oldest first.
    pub fn keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        todo!()
    }

    /// Deletes a key by its id; `false` when there was none.
    pub fn revoke_key(&self, id: &str) -> Result<bool, StoreError> {
        let _ = id;
        todo!()
    }

    /// The custom type's id: the one it always had, or the next free one.
    pub fn declare_type(&self, category: &str, name: &str) -> Result<u16, StoreError> {
        let _ = (category, name);
        todo!()
    }

    /// Every custom type, by id.
    pub fn custom_types(&self) -> Result<Vec<CustomType>, StoreError> {
        todo!()
    }

    /// A small value of the engine's own, by name.
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let _ = name;
        todo!()
    }

    /// Sets a small value of the engine's own.
    pub fn set_meta(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        let _ = (name, value);
        todo!()
    }
}
