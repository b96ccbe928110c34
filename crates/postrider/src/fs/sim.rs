//! A file system in memory that crashes and fails where a test wants it.
//!
//! It keeps apart what a file holds and what of it is durable. [`SimFs::power_cut`] keeps what was synced and,
//! of everything since, any part: sectors of writes, in any order, and of creations, renames and
//! deletions any beginning. [`SimFs::kill`] keeps all, as the page cache does. After either, files that were open are
//! dead: every use of them fails, so that nothing of the old life reaches the new one.

use super::{File, Fs, Open};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// The unit in which an unsynced write survives a power cut or not.
const SECTOR: usize = 512;

/// What can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Opening or creating a file.
    Open,
    /// Reading.
    Read,
    /// Writing; a random part of the bytes gets there all the same.
    Write,
    /// Reserving space.
    Allocate,
    /// Zeroing.
    Zero,
    /// Syncing a file.
    Sync,
    /// Syncing a directory.
    SyncDir,
    /// Renaming.
    Rename,
    /// Deleting.
    Remove,
}

/// The simulated file system; clones are the same one.
#[derive(Clone)]
pub(crate) struct SimFs(Arc<Mutex<State>>);

struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names since the last sync of their directory.
    changes: Vec<NameChange>,
    dirs: BTreeSet<PathBuf>,
    faults: Vec<Fault>,
    witness: Option<Arc<Witness>>,
    /// Bytes that all files together may have.
    capacity: usize,
    bytes_read: u64,
    /// Crashes so far.
    life: u64,
    random: u64,
}

/// Told which name goes, and what a power cut would leave at that moment.
type Witness = dyn Fn(&Path, &SimFs) + Send + Sync;

#[derive(Clone, Default)]
struct Inode {
    now: Vec<u8>,
    /// Space held, if that is more.
    reserved: usize,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Len(usize),
}

#[derive(Clone)]
enum NameChange {
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

struct Fault {
    op: Op,
    after: usize,
    error: io::ErrorKind,
}

struct SimFile {
    fs: SimFs,
    inode: usize,
    life: u64,
}

impl SimFs {
    /// An empty file system whose chances follow from `seed`.
    pub(crate) fn new(seed: u64) -> SimFs {
        SimFs(Arc::new(Mutex::new(State {
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            dirs: BTreeSet::new(),
            faults: Vec::new(),
            witness: None,
            capacity: usize::MAX,
            bytes_read: 0,
            life: 0,
            random: seed,
        })))
    }

    /// Fails an `op` with `error`, once, after so many that work.
    pub(crate) fn fail(&self, op: Op, after: usize, error: io::ErrorKind) {
        self.state().faults.push(Fault { op, after, error });
    }

    /// Forgets the failures that were not met.
    pub(crate) fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Gives all files together so many bytes; more is ENOSPC.
    pub(crate) fn set_capacity(&self, bytes: usize) {
        self.state().capacity = bytes;
    }

    /// Bytes read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.state().bytes_read
    }

    /// Leaves no space: what isn't reserved meets ENOSPC.
    pub(crate) fn fill(&self) {
        let used = self.state().used();
        self.set_capacity(used);
    }

    /// Flips a bit on the medium, and in what is cached of it.
    pub(crate) fn flip(&self, path: &Path, at: usize, bit: u32) {
        let mut state = self.state();
        let Some(&inode) = state.names.get(path) else {
            return;
        };
        let inode = &mut state.inodes[inode];
        for data in [&mut inode.now, &mut inode.durable] {
            if let Some(byte) = data.get_mut(at) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// Calls `witness` whenever a name is about to go, with what a power cut would leave then: what was synced,
    /// and nothing else.
    pub(crate) fn watch(&self, witness: impl Fn(&Path, &SimFs) + Send + Sync + 'static) {
        self.state().witness = Some(Arc::new(witness));
    }

    fn goes(&self, path: &Path) {
        let state = self.state();
        let Some(witness) = state.witness.clone() else {
            return;
        };
        let left = SimFs::new(0);
        let durable = |inode: &Inode| Inode {
            now: inode.durable.clone(),
            durable: inode.durable.clone(),
            ..Inode::default()
        };
        {
            let mut left = left.state();
            left.inodes = state.inodes.iter().map(durable).collect();
            left.names = state.durable_names.clone();
            left.durable_names = state.durable_names.clone();
            left.dirs = state.dirs.clone();
        }
        drop(state);
        witness(path, &left);
    }

    /// The process is gone, the machine goes on.
    pub(crate) fn kill(&self) {
        let mut state = self.state();
        state.life += 1;
        state.faults.clear();
    }

    /// The machine is gone.
    pub(crate) fn power_cut(&self) {
        let mut state = self.state();
        state.life += 1;
        state.faults.clear();
        let changed = state.changes.len();
        let kept = state.below(changed + 1);
        let changes: Vec<NameChange> = state.changes.drain(..).take(kept).collect();
        let mut names = std::mem::take(&mut state.durable_names);
        for change in changes {
            apply(&mut names, change);
        }
        state.durable_names = names.clone();
        state.names = names;
        for i in 0..state.inodes.len() {
            let mut pending = std::mem::take(&mut state.inodes[i].pending);
            let mut data = std::mem::take(&mut state.inodes[i].durable);
            while !pending.is_empty() {
                let change = pending.swap_remove(state.below(pending.len()));
                // All of it, none of it, or some sectors.
                let fate = state.below(3);
                match change {
                    Change::Len(len) if fate != 0 => data.resize(len, 0),
                    Change::Len(_) => {}
                    Change::Write(at, bytes) => {
                        for (n, sector) in bytes.chunks(SECTOR).enumerate() {
                            if fate == 0 || fate == 1 && state.below(2) == 0 {
                                continue;
                            }
                            put(&mut data, at + n * SECTOR, sector);
                        }
                    }
                }
            }
            let inode = &mut state.inodes[i];
            inode.durable = data.clone();
            inode.now = data;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic under this lock")
    }

    fn changed(&self, change: NameChange) {
        let mut state = self.state();
        state.changes.push(change.clone());
        apply(&mut state.names, change);
    }
}

impl Inode {
    fn space(&self) -> usize {
        self.now.len().max(self.reserved)
    }
}

impl State {
    /// A random number below `n`, by SplitMix64.
    fn below(&mut self, n: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn check(&mut self, op: Op) -> io::Result<()> {
        let Some(i) = self.faults.iter().position(|f| f.op == op) else {
            return Ok(());
        };
        if self.faults[i].after > 0 {
            self.faults[i].after -= 1;
            return Ok(());
        }
        Err(self.faults.swap_remove(i).error.into())
    }

    fn used(&self) -> usize {
        let held: BTreeSet<usize> = self.names.values().copied().collect();
        held.iter().map(|&i| self.inodes[i].space()).sum()
    }

    fn grow(&mut self, inode: usize, len: usize) -> io::Result<()> {
        let more = len.saturating_sub(self.inodes[inode].space());
        if more > 0 && self.used() + more > self.capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

fn put(data: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if data.len() < at + bytes.len() {
        data.resize(at + bytes.len(), 0);
    }
    data[at..at + bytes.len()].copy_from_slice(bytes);
}

fn apply(names: &mut BTreeMap<PathBuf, usize>, change: NameChange) {
    match change {
        NameChange::Create(path, inode) => {
            names.insert(path, inode);
        }
        NameChange::Rename(from, to) => {
            if let Some(inode) = names.remove(&from) {
                names.insert(to, inode);
            }
        }
        NameChange::Remove(path) => {
            names.remove(&path);
        }
    }
}

impl Fs for SimFs {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        state.check(Op::Open)?;
        let inode = match (state.names.get(path).copied(), how) {
            (Some(_), Open::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(inode), _) => inode,
            (None, Open::CreateNew) => {
                state.inodes.push(Inode::default());
                state.inodes.len() - 1
            }
            (None, _) => return Err(io::ErrorKind::NotFound.into()),
        };
        let life = state.life;
        drop(state);
        if how == Open::CreateNew {
            self.changed(NameChange::Create(path.to_owned(), inode));
        }
        let fs = self.clone();
        Ok(Arc::new(SimFile { fs, inode, life }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.state().dirs.insert(path.to_owned());
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.state();
        if !state.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = |p: &&PathBuf| p.parent() == Some(dir);
        Ok(state.names.keys().filter(inside).cloned().collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state().check(Op::Rename)?;
        if !self.state().names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.goes(from);
        self.changed(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.state().check(Op::Remove)?;
        if !self.state().names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.goes(path);
        self.changed(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check(Op::SyncDir)?;
        let concerns = |change: &NameChange| {
            let path = match change {
                NameChange::Create(p, _) | NameChange::Rename(p, _) | NameChange::Remove(p) => p,
            };
            path.parent() == Some(dir)
        };
        let (now, later): (Vec<_>, Vec<_>) = state.changes.drain(..).partition(concerns);
        state.changes = later;
        for change in now {
            apply(&mut state.durable_names, change);
        }
        Ok(())
    }
}

impl SimFile {
    fn alive(&self, op: Op) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.fs.state();
        if state.life != self.life {
            return Err(io::Error::other("opened before the crash"));
        }
        match state.check(op) {
            Ok(()) => Ok(state),
            Err(e) => Err(e),
        }
    }

    fn set(&self, state: &mut State, change: Change) {
        let inode = &mut state.inodes[self.inode];
        match &change {
            Change::Write(at, bytes) => put(&mut inode.now, *at, bytes),
            Change::Len(len) => {
                // Cutting frees what was reserved.
                if *len < inode.now.len() {
                    inode.reserved = 0;
                }
                inode.now.resize(*len, 0);
            }
        }
        inode.pending.push(change);
    }
}

impl File for SimFile {
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let mut state = self.alive(Op::Read)?;
        let data = &state.inodes[self.inode].now;
        let from = data.len().min(at as usize);
        let len = buf.len().min(data.len() - from);
        buf[..len].copy_from_slice(&data[from..from + len]);
        state.bytes_read += len as u64;
        Ok(len)
    }

    fn write_at(&self, bufs: &[&[u8]], at: u64) -> io::Result<()> {
        let mut bytes = bufs.concat();
        let mut result = Ok(());
        let mut state = self.fs.state();
        if state.life != self.life {
            return Err(io::Error::other("opened before the crash"));
        }
        if let Err(e) = state.check(Op::Write) {
            bytes.truncate(state.below(bytes.len() + 1));
            result = Err(e);
        }
        state.grow(self.inode, at as usize + bytes.len())?;
        self.set(&mut state, Change::Write(at as usize, bytes));
        result
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.alive(Op::Read)?.inodes[self.inode].now.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.alive(Op::Allocate)?;
        state.grow(self.inode, len as usize)?;
        self.set(&mut state, Change::Len(len as usize));
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let mut state = self.alive(Op::Allocate)?;
        let len = state.inodes[self.inode].now.len().max(len as usize);
        state.grow(self.inode, len)?;
        self.set(&mut state, Change::Len(len));
        Ok(())
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        let mut state = self.alive(Op::Allocate)?;
        state.grow(self.inode, len as usize)?;
        let inode = &mut state.inodes[self.inode];
        inode.reserved = inode.reserved.max(len as usize);
        Ok(())
    }

    fn zero(&self, from: u64, to: u64) -> io::Result<()> {
        let mut state = self.alive(Op::Zero)?;
        let zeros = vec![0; (to - from) as usize];
        self.set(&mut state, Change::Write(from as usize, zeros));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.alive(Op::Sync)?;
        let inode = &mut state.inodes[self.inode];
        for change in inode.pending.drain(..) {
            match change {
                Change::Write(at, bytes) => put(&mut inode.durable, at, &bytes),
                Change::Len(len) => inode.durable.resize(len, 0),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_synced_survives_a_power_cut_and_the_rest_may() {
        let mut survived = BTreeSet::new();
        for seed in 0..50 {
            let fs = SimFs::new(seed);
            let (dir, path) = (Path::new("/d"), Path::new("/d/f"));
            fs.create_dir(dir).unwrap();
            let file = fs.open(path, Open::CreateNew).unwrap();
            file.write_at(&[&[1; 2048]], 0).unwrap();
            file.sync().unwrap();
            fs.sync_dir(dir).unwrap();
            file.write_at(&[&[2; 2048]], 2048).unwrap();
            fs.power_cut();
            assert!(file.sync().is_err(), "an old descriptor is dead");
            let mut bytes = [0; 4096];
            let file = fs.open(path, Open::Read).unwrap();
            let len = file.read_at(&mut bytes, 0).unwrap();
            assert_eq!(bytes[..2048], [1; 2048]);
            survived.insert(bytes[2048..len].iter().filter(|b| **b == 2).count());
        }
        assert!(survived.len() > 2 && survived.contains(&0) && survived.contains(&2048));
    }

    #[test]
    fn a_killed_process_loses_nothing_and_a_name_needs_its_directory_synced() {
        let fs = SimFs::new(1);
        let dir = Path::new("/d");
        fs.create_dir(dir).unwrap();
        fs.open(Path::new("/d/a"), Open::CreateNew).unwrap();
        fs.kill();
        assert_eq!(fs.list(dir).unwrap().len(), 1);
        fs.sync_dir(dir).unwrap();
        fs.open(Path::new("/d/b"), Open::CreateNew).unwrap();
        let lost = (0..50).any(|seed| {
            let copy = SimFs::new(seed);
            copy.create_dir(dir).unwrap();
            copy.open(Path::new("/d/b"), Open::CreateNew).unwrap();
            copy.power_cut();
            copy.list(dir).unwrap().is_empty()
        });
        assert!(lost);
        fs.power_cut();
        assert!(fs.open(Path::new("/d/a"), Open::Read).is_ok());
    }

    #[test]
    fn faults_come_once_and_space_ends() {
        let fs = SimFs::new(1);
        fs.create_dir(Path::new("/d")).unwrap();
        let file = fs.open(Path::new("/d/a"), Open::CreateNew).unwrap();
        fs.fail(Op::Sync, 1, io::ErrorKind::Other);
        assert!(file.sync().is_ok());
        assert!(file.sync().is_err());
        assert!(file.sync().is_ok());
        fs.set_capacity(1000);
        assert!(file.allocate(1000).is_ok());
        let full = file.write_at(&[b"x"], 1000).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    }
}
