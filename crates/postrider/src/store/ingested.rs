//! The batches that were handed in by others, each remembered for a while so that it is taken once.

use super::{Store, StoreError};
use crate::time::UnixMillis;
use redb::{ReadableTableMetadata, TableDefinition, TableError};
use uuid::Uuid;

const INGESTED: TableDefinition<'_, u128, u64> = TableDefinition::new("ingested");

/// Whenever so many have been added, those that are remembered no longer are looked for.
const SWEEP: u64 = 256;

impl Store {
    /// Whether a batch of that id was taken, and is still remembered.
    pub fn is_ingested(&self, id: Uuid, now_ms: UnixMillis) -> Result<bool, StoreError> {
        self.db.read(|tx| match tx.open_table(INGESTED) {
            Ok(table) => Ok(table.get(id.as_u128())?.is_some_and(|u| u.value() > now_ms)),
            Err(TableError::TableDoesNotExist(_)) => Ok(false),
            Err(e) => Err(e.into()),
        })
    }

    /// Remembers a batch that was taken, until `until_ms`.
    pub fn remember_ingested(
        &self,
        id: Uuid,
        now_ms: UnixMillis,
        until_ms: UnixMillis,
    ) -> Result<(), StoreError> {
        self.db.write(|tx| {
            let mut table = tx.open_table(INGESTED)?;
            table.insert(id.as_u128(), until_ms)?;
            if table.len()? % SWEEP == 0 {
                table.retain(|_, until| until > now_ms)?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_remembered_until_its_time_and_then_forgotten() {
        let store = Store::memory().unwrap();
        let id = Uuid::from_u128;
        assert!(!store.is_ingested(id(1), 0).unwrap());
        store.remember_ingested(id(1), 0, 100).unwrap();
        assert!(store.is_ingested(id(1), 99).unwrap());
        assert!(!store.is_ingested(id(1), 100).unwrap());
        assert!(!store.is_ingested(id(2), 0).unwrap());
    }

    #[test]
    fn what_is_remembered_no_longer_takes_no_room() {
        let store = Store::memory().unwrap();
        for n in 0..600_u64 {
            store
                .remember_ingested(Uuid::from_u128(n.into()), n, n + 10)
                .unwrap();
        }
        let left = store
            .db
            .read(|tx| Ok(tx.open_table(INGESTED)?.len()?))
            .unwrap();
        assert!(left <= SWEEP + 10, "{left}");
    }
}
