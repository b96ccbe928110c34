//! A disk in memory that can be cut off anywhere.

use crate::fs::{File, Fs, Open};
use crate::journal::{Journal, JournalError, Recovered, open};
use crate::time::ManualClock;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// One change of the disk.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Create(PathBuf, usize),
    Resize(usize, u64),
    Write(usize, u64, Vec<u8>),
    Rename(PathBuf, PathBuf),
}

/// A disk in memory that remembers every change, so that a crash can be put at any byte of any of them.
#[derive(Clone, Default)]
pub(super) struct Disk(pub(super) Arc<Mutex<Inner>>);

#[derive(Default)]
pub(super) struct Inner {
    names: BTreeMap<PathBuf, usize>,
    files: Vec<Vec<u8>>,
    pub(super) ops: Vec<Op>,
    /// Writes fail, having written this many bytes.
    pub(super) full: Option<usize>,
    pub(super) sync_fails: bool,
}

impl Inner {
    fn apply(&mut self, op: Op) {
        match op.clone() {
            Op::Create(path, file) => {
                self.files.resize(file + 1, Vec::new());
                self.names.insert(path, file);
            }
            Op::Resize(file, len) => self.files[file].resize(len as usize, 0),
            Op::Write(file, at, bytes) => {
                let (file, end) = (&mut self.files[file], at as usize + bytes.len());
                file.resize(file.len().max(end), 0);
                file[at as usize..end].copy_from_slice(&bytes);
            }
            Op::Rename(from, to) => {
                let file = self.names.remove(&from).expect("it was there");
                self.names.insert(to, file);
            }
        }
        self.ops.push(op);
    }
}

impl Disk {
    /// The disk as it was after `ops` changes and `bytes` bytes of the next.
    pub(super) fn crashed(&self, ops: usize, bytes: usize) -> Disk {
        let before = self.0.lock().unwrap();
        let mut inner = Inner::default();
        for op in &before.ops[..ops] {
            inner.apply(op.clone());
        }
        if let Some(Op::Write(file, at, text)) = before.ops.get(ops) {
            inner.apply(Op::Write(
                *file,
                *at,
                text[..bytes.min(text.len())].to_vec(),
            ));
        }
        Disk(Arc::new(Mutex::new(inner)))
    }

    pub(super) fn ops(&self) -> usize {
        self.0.lock().unwrap().ops.len()
    }

    pub(super) fn open(&self) -> (Journal, Recovered) {
        self.try_open().expect("it opens")
    }

    pub(super) fn try_open(&self) -> Result<(Journal, Recovered), JournalError> {
        let clock = Arc::new(ManualClock::new(1_700_000_000_000));
        open(Path::new("/j"), Arc::new(self.clone()), clock)
    }

    pub(super) fn with_journal(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.0.lock().unwrap();
        let newest = inner
            .names
            .iter()
            .rfind(|(path, _)| path.extension().is_some());
        let file = *newest.expect("there is a journal").1;
        change(&mut inner.files[file]);
    }
}

pub(super) struct DiskFile(Disk, usize);

impl File for DiskFile {
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let inner = self.0.0.lock().unwrap();
        let rest = inner.files[self.1].get(at as usize..).unwrap_or(&[]);
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn write_at(&self, bufs: &[&[u8]], at: u64) -> io::Result<()> {
        let mut inner = self.0.0.lock().unwrap();
        let mut bytes = bufs.concat();
        let full = inner.full;
        bytes.truncate(full.unwrap_or(bytes.len()));
        inner.apply(Op::Write(self.1, at, bytes));
        full.map_or(Ok(()), |_| Err(io::ErrorKind::StorageFull.into()))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.0.lock().unwrap().files[self.1].len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.0.lock().unwrap().apply(Op::Resize(self.1, len));
        Ok(())
    }

    fn allocate(&self, _: u64) -> io::Result<()> {
        // Nothing that a recovery could see, and megabytes per test case.
        match self.0.0.lock().unwrap().full {
            Some(_) => Err(io::ErrorKind::StorageFull.into()),
            None => Ok(()),
        }
    }

    fn reserve(&self, _: u64) -> io::Result<()> {
        unreachable!("the journal reserves by growing")
    }

    fn zero(&self, _: u64, _: u64) -> io::Result<()> {
        unreachable!("the journal zeroes nothing")
    }

    fn sync(&self) -> io::Result<()> {
        match self.0.0.lock().unwrap().sync_fails {
            true => Err(io::Error::other("broken disk")),
            false => Ok(()),
        }
    }
}

impl Fs for Disk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut inner = self.0.lock().unwrap();
        let file = match (inner.names.get(path), how) {
            (None, Open::CreateNew) => {
                let file = inner.files.len();
                inner.apply(Op::Create(path.into(), file));
                file
            }
            (None, _) => return Err(io::ErrorKind::NotFound.into()),
            (Some(_), Open::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(&file), _) => file,
        };
        drop(inner);
        Ok(Arc::new(DiskFile(self.clone(), file)))
    }

    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.0.lock().unwrap().names.keys().cloned().collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        inner.apply(Op::Rename(from.into(), to.into()));
        Ok(())
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        unreachable!("the journal removes nothing")
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        match self.0.lock().unwrap().sync_fails {
            true => Err(io::Error::other("broken disk")),
            false => Ok(()),
        }
    }
}
