//! redb with a layout version, and without its habit of staying failed.
//!
//! After an I/O error (a full disk) redb refuses every further call on that database. A host that
//! runs for months must not need a restart for that, so the next call opens the file again.
//!
//! A webhook can be changed and deleted on a full disk: space is held beyond the end of the file, for
//! the next time that it has to grow.

use super::backend::Backend;
use super::{FORMER, KEYS, StoreError, TYPES, WEBHOOKS};
use crate::fs::{File, Fs, Open};
use redb::{Database, ReadTransaction, ReadableDatabase, TableDefinition, WriteTransaction};
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
pub(super) const LAYOUT_NAME: &str = "layout";
/// The layout of the tables; raised when an older version could no longer read them.
pub(super) const LAYOUT: u32 = 1;

/// A few hundred records: the default of 1 GiB would only hide a leak.
const CACHE_BYTES: usize = 1 << 20;

pub(super) struct Db {
    /// `None` after reopening failed; the next call tries again.
    open: RwLock<Option<Database>>,
    /// What to open again; `None` in memory, where no I/O can fail.
    file: Option<Arc<dyn File>>,
}

impl Db {
    pub(super) fn open(fs: &dyn Fs, path: &Path) -> Result<Db, StoreError> {
        let failed = |source| StoreError::Open {
            path: path.to_owned(),
            source,
        };
        let (file, database) = match fs.open(path, Open::ReadWrite) {
            Ok(file) => (file.clone(), database(Backend::new(file))?),
            Err(e) if e.kind() == io::ErrorKind::NotFound => create(fs, path, &failed)?,
            Err(e) => return Err(failed(e)),
        };
        check_layout(&database)?;
        // A file of a build that knew fewer tables gets those that it lacks.
        let lacks = database.begin_read()?.open_table(FORMER);
        if let Err(redb::TableError::TableDoesNotExist(_)) = lacks {
            lay_out(&database)?;
        }
        let db = Db {
            open: RwLock::new(Some(database)),
            file: Some(file),
        };
        db.reserve();
        Ok(db)
    }

    pub(super) fn memory() -> Result<Db, StoreError> {
        let database = database(redb::backends::InMemoryBackend::new())?;
        lay_out(&database)?;
        Ok(Db {
            open: RwLock::new(Some(database)),
            file: None,
        })
    }

    pub(super) fn read<T>(
        &self,
        mut work: impl FnMut(&ReadTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with(|db| work(&db.begin_read()?))
    }

    /// One durable transaction; not committed when `work` fails.
    pub(super) fn write<T>(
        &self,
        mut work: impl FnMut(&WriteTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let done = self.with(|db| {
            let tx = db.begin_write()?;
            let done = work(&tx)?;
            tx.commit()?;
            Ok(done)
        })?;
        self.reserve();
        Ok(done)
    }

    /// Holds the space for the next time that the file has to grow: redb doubles it. Where there is none now, the
    /// next change tries again.
    fn reserve(&self) {
        if let Some(file) = &self.file {
            let _: io::Result<()> = file.len().and_then(|len| file.reserve(2 * len));
        }
    }

    fn with<T>(
        &self,
        mut work: impl FnMut(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        match open.as_ref().map(&mut work) {
            None | Some(Err(StoreError::MustReopen)) => {}
            Some(done) => return done,
        }
        drop(open);
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &self.file {
            // The old one first: two databases on one file would not know of each other.
            *open = None;
            *open = Some(database(Backend::new(file.clone()))?);
        }
        open.as_ref().map_or(Err(StoreError::MustReopen), work)
    }
}

/// Made under another name, so that a file with the right one is always whole.
fn create(
    fs: &dyn Fs,
    path: &Path,
    failed: &dyn Fn(io::Error) -> StoreError,
) -> Result<(Arc<dyn File>, Database), StoreError> {
    let new = path.with_extension("new");
    match fs.remove(&new) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
        _ => {}
    }
    let file = fs.open(&new, Open::CreateNew).map_err(failed)?;
    let database = database(Backend::new(file.clone()))?;
    lay_out(&database)?;
    fs.rename(&new, path).map_err(failed)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    fs.sync_dir(dir).map_err(failed)?;
    Ok((file, database))
}

fn database(backend: impl redb::StorageBackend) -> Result<Database, StoreError> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    Ok(builder.create_with_backend(backend)?)
}

/// Makes every table, so that a reader never meets a missing one.
fn lay_out(database: &Database) -> Result<(), StoreError> {
    let tx = database.begin_write()?;
    tx.open_table(META)?
        .insert(LAYOUT_NAME, &LAYOUT.to_le_bytes()[..])?;
    tx.open_table(WEBHOOKS)?;
    tx.open_table(FORMER)?;
    tx.open_table(KEYS)?;
    tx.open_table(TYPES)?;
    Ok(tx.commit()?)
}

fn check_layout(database: &Database) -> Result<(), StoreError> {
    let tx = database.begin_read()?;
    let found = tx
        .open_table(META)?
        .get(LAYOUT_NAME)?
        .map(|v| v.value().to_vec());
    let found = found
        .as_deref()
        .and_then(|v| v.try_into().ok())
        .map(u32::from_le_bytes);
    match found {
        Some(LAYOUT) => Ok(()),
        Some(found) => Err(StoreError::Newer {
            found,
            known: LAYOUT,
        }),
        None => Err(StoreError::Damaged("it has no layout version".into())),
    }
}
