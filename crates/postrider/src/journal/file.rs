//! The journal's files: appending, checkpoints, recovery.
//!
//! There are two files, one in use and the space for the next (`spare`), both with their blocks reserved,
//! so that a full disk stops neither records nor checkpoints. A checkpoint turns the spare into the
//! next journal by a rename and the former journal into the spare; what it held is none of the new
//! generation's.
//!
//! A power cut may take any part of what was not synced and leave what was written behind it. Had the start
//! of one batch gone and a later start survived, the cursor would have passed the first one's events,
//! and they would never arrive. So a record in the file says how far the last sync went: a hole
//! below it is damage and costs itself; above it, the journal ends at the first hole, which is a state
//! that there was.

use super::codec::In;
use super::frames::{BadHeader, Found, Frames, HEADER_BYTES, Header, scan};
use super::record::Record;
use super::snapshot::{self, Part};
use super::state::State;
use super::{JournalError, VERSION};
use crate::fs::{File, Fs, Open};
use crate::time::Clock;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files grow in steps of so many bytes.
const RESERVED: u64 = 4 * 1024 * 1024;
/// A checkpoint is wanted once this much, and more than the last checkpoint, was written since.
const CHECKPOINT_AFTER: u64 = 2 * 1024 * 1024;
/// What may still be written between wanting a checkpoint and having it.
const SLACK: u64 = 1024 * 1024;
/// Where space is short, a checkpoint is wanted no sooner than this after the last.
const LEAST_BETWEEN: u64 = 64 * 1024;
/// The kind of the record that says how far the file was synced.
const SYNCED: u8 = 31;
/// Records of this kind and above are a checkpoint's, which is synced before it has a name.
const CHECKPOINT_KINDS: u8 = 32;

/// What a file needs whose checkpoint ends at `end`: that, the records until the next one is wanted, and
/// those written meanwhile.
fn reservation(end: u64) -> u64 {
    (end + CHECKPOINT_AFTER.max(end) + SLACK).next_multiple_of(RESERVED)
}

/// An open journal. One thread owns it.
pub struct Journal {
    dir: PathBuf,
    fs: Arc<dyn Fs>,
    clock: Arc<dyn Clock>,
    file: Arc<dyn File>,
    number: u64,
    /// Where the next commit goes.
    end: u64,
    checkpoint_end: u64,
    /// The file's length: up to here writing meets no full disk.
    reserved: u64,
    /// How far the file is synced, and how far its records say so.
    synced: u64,
    marked: u64,
    frames: Frames,
    poisoned: bool,
}

/// What [`open`] found.
#[derive(Debug, Default)]
pub struct Recovered {
    /// What the records add up to.
    pub state: State,
    /// Records read, those of the checkpoint included.
    pub records: u64,
    /// Places where bytes stood that are no record, with good records behind them.
    pub holes: u64,
    /// True where the checkpoint holds fewer records than it was written with.
    pub checkpoint_damaged: bool,
    /// Records that a power cut left behind a hole in what was not synced. They don't count, but
    /// the offsets that they name are never given again.
    pub cut: u64,
}

/// Opens the journal in `dir` (made if missing), recovers its state and goes on behind the last
/// good record.
///
/// # Errors
/// [`JournalError::NewerVersion`] for a file of a later format, [`JournalError::Damaged`] where no file
/// has a good header, [`JournalError::Io`] with the path.
pub fn open(
    dir: &Path,
    fs: Arc<dyn Fs>,
    clock: Arc<dyn Clock>,
) -> Result<(Journal, Recovered), JournalError> {
    // Pass 1: what is there.
    fs.create_dir(dir).map_err(io_error("making it", dir))?;
    let names = fs.list(dir).map_err(io_error("listing", dir))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|path| number_of(path)).collect();
    numbers.sort_unstable();
    let Some(&newest) = numbers.last() else {
        return begin(dir, fs, clock);
    };

    // Pass 2: the newest with a good header. A checkpoint is renamed only when it is durable, so it
    // holds all that older files say.
    let mut damaged = None;
    for &number in numbers.iter().rev() {
        let path = path_of(dir, number);
        let file = fs.open(&path, Open::ReadWrite);
        let file = file.map_err(io_error("opening", &path))?;
        let bytes = read_all(&*file).map_err(io_error("reading", &path))?;
        match Header::from_bytes(&bytes) {
            Ok(header) => {
                // Pass 3: the records.
                let replayed = replay(header.generation, &bytes);
                let recovered = replayed.recovered;
                let mut journal = Journal {
                    dir: dir.to_owned(),
                    fs,
                    clock,
                    file,
                    // Above files that can't be read, which so are never taken for newer.
                    number: newest,
                    end: replayed.end,
                    checkpoint_end: replayed.checkpoint_end,
                    reserved: bytes.len() as u64,
                    synced: replayed.synced,
                    marked: replayed.synced,
                    frames: Frames::new(header.generation),
                    poisoned: false,
                };
                // Pass 4: finish what a crash left of the last checkpoint.
                if number == newest {
                    for &older in numbers.iter().filter(|&&n| n < newest) {
                        journal.recycle(older)?;
                    }
                }
                // Records that don't count must not be met again; and what this build records, no
                // build may take for its own that would pass over half of it.
                if number != newest || recovered.cut > 0 || header.version < VERSION {
                    journal.checkpoint(&recovered.state)?;
                }
                journal.reserve_spare();
                return Ok((journal, recovered));
            }
            Err(BadHeader::Newer(found)) => {
                return Err(JournalError::NewerVersion { path, found });
            }
            Err(BadHeader::Damaged) => damaged = damaged.or(Some(path)),
        }
    }
    Err(JournalError::Damaged {
        path: damaged.expect("there is a file, and each returned or was damaged"),
    })
}

/// What the journal in `dir` says, without opening it: nothing is written, and an engine may be using it, which
/// then has more to say by now. Nothing where there is no journal.
///
/// # Errors
/// As [`open`].
pub fn read(dir: &Path, fs: &dyn Fs) -> Result<Option<Recovered>, JournalError> {
    let names = match fs.list(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        listed => listed.map_err(io_error("listing", dir))?,
    };
    let mut numbers: Vec<u64> = names.iter().filter_map(|path| number_of(path)).collect();
    numbers.sort_unstable();
    let mut damaged = None;
    for &number in numbers.iter().rev() {
        let path = path_of(dir, number);
        let bytes = fs.open(&path, Open::Read).and_then(|file| read_all(&*file));
        let bytes = bytes.map_err(io_error("reading", &path))?;
        match Header::from_bytes(&bytes) {
            Ok(header) => {
                return Ok(Some(replay(header.generation, &bytes).recovered));
            }
            Err(BadHeader::Newer(found)) => {
                return Err(JournalError::NewerVersion { path, found });
            }
            Err(BadHeader::Damaged) => damaged = damaged.or(Some(path)),
        }
    }
    damaged.map_or(Ok(None), |path| Err(JournalError::Damaged { path }))
}

/// The first journal of a directory.
fn begin(
    dir: &Path,
    fs: Arc<dyn Fs>,
    clock: Arc<dyn Clock>,
) -> Result<(Journal, Recovered), JournalError> {
    let recovered = Recovered::default();
    let new = NewFile::write(dir, &*fs, &*clock, 1, &recovered.state)?;
    let journal = Journal {
        dir: dir.to_owned(),
        fs,
        clock,
        number: 1,
        end: new.end,
        checkpoint_end: new.end,
        reserved: new.reserved,
        synced: new.end,
        marked: new.end,
        frames: Frames::new(new.generation),
        file: new.file,
        poisoned: false,
    };
    journal.reserve_spare();
    Ok((journal, recovered))
}

impl Journal {
    /// Adds a record to what the next [`commit`](Self::commit) writes.
    pub fn append(&mut self, record: &Record) {
        self.frames.record(|out| out.record(record));
    }

    /// Writes everything appended since the last commit with one write; nothing to write costs nothing.
    ///
    /// # Errors
    /// [`JournalError::Io`]: nothing of it counts as journaled and no attempt may leave; the records
    /// stay and a later commit tries again at the same place. After a failed sync: always
    /// [`JournalError::Poisoned`].
    pub fn commit(&mut self) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        if self.frames.bytes().is_empty() {
            return Ok(());
        }
        if self.marked < self.synced {
            self.marked = self.synced;
            mark_synced(&mut self.frames, self.synced);
        }
        let bytes = self.frames.bytes();
        self.file
            .write_at(&[bytes], self.end)
            .map_err(|source| self.io_error("writing", source))?;
        self.end += bytes.len() as u64;
        self.frames.clear();
        Ok(())
    }

    /// Makes what is committed survive a power cut.
    ///
    /// # Errors
    /// What the disk holds is unknown from now on, and nothing is recorded any more: the journal must
    /// be reopened.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        self.file.sync().map_err(|source| {
            self.poisoned = true;
            self.io_error("syncing", source)
        })?;
        self.synced = self.end;
        Ok(())
    }

    /// True when the records since the last checkpoint outgrew it, or the space reserved.
    pub fn wants_checkpoint(&self) -> bool {
        let since = self.end - self.checkpoint_end;
        since > CHECKPOINT_AFTER.max(self.checkpoint_end)
            || since > LEAST_BETWEEN && self.end + SLACK > self.reserved
    }

    /// Writes `state` as a new file and drops the records that led to it. What is appended and not
    /// yet committed must be part of `state`; it counts as committed, and synced, afterwards.
    ///
    /// # Errors
    /// The old file stays in use, nothing is lost, and it may be tried again later. If the new file's
    /// name could not be synced, the journal must be reopened.
    pub fn checkpoint(&mut self, state: &State) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        let number = self.number + 1;
        let new = NewFile::write(&self.dir, &*self.fs, &*self.clock, number, state);
        let new = new.inspect_err(|e| {
            // Which file a restart would find is open: writing on into either may be in vain.
            self.poisoned = matches!(e, JournalError::Io { doing: NAMING, .. });
        })?;
        let old = self.number;
        self.file = new.file;
        self.number = number;
        self.end = new.end;
        self.checkpoint_end = new.end;
        self.reserved = new.reserved;
        self.synced = new.end;
        self.marked = new.end;
        self.frames = Frames::new(new.generation);
        // If it fails, a later opening does it.
        let _ = self.recycle(old);
        self.reserve_spare();
        Ok(())
    }

    /// Gives the spare as much as the file in use, so that the next checkpoint meets no full disk. Where
    /// there is no space now, the next checkpoint makes do with what is there.
    fn reserve_spare(&self) {
        let reserve = || {
            let file = open_spare(&*self.fs, &spare(&self.dir))?;
            match file.len()? < self.reserved {
                true => file.allocate(self.reserved),
                false => Ok(()),
            }
        };
        let _: io::Result<()> = reserve();
    }

    /// Makes an outdated file the space for the next checkpoint.
    fn recycle(&self, number: u64) -> Result<(), JournalError> {
        let path = path_of(&self.dir, number);
        self.fs
            .rename(&path, &spare(&self.dir))
            .map_err(io_error("recycling", &path))
    }

    fn io_error(&self, doing: &'static str, source: io::Error) -> JournalError {
        io_error(doing, &path_of(&self.dir, self.number))(source)
    }
}

/// The step of a checkpoint after which a restart may find it.
const NAMING: &str = "naming";

/// A journal file that begins with a checkpoint, durable under its name.
struct NewFile {
    file: Arc<dyn File>,
    generation: u64,
    end: u64,
    reserved: u64,
}

impl NewFile {
    fn write(
        dir: &Path,
        fs: &dyn Fs,
        clock: &dyn Clock,
        number: u64,
        state: &State,
    ) -> Result<NewFile, JournalError> {
        let spare = spare(dir);
        let file = open_spare(fs, &spare).map_err(io_error("opening", &spare))?;
        let header = Header {
            version: VERSION,
            generation: random().map_err(io_error("drawing a generation for", &spare))?,
            number,
            created_ms: clock.now().unix_ms,
        };
        let mut frames = Frames::new(header.generation);
        snapshot::write(state, &mut frames);
        let end = (HEADER_BYTES + frames.bytes().len()) as u64;
        // Space for what follows too, so that a full disk is met here, where it does no harm.
        let len = file.len();
        let mut reserved = len.map_err(io_error("reading the size of", &spare))?;
        if reserved < reservation(end) {
            match file.allocate(reservation(end)) {
                Ok(()) => reserved = reservation(end),
                // It fits, and makes room for records: better than none.
                Err(e) if is_no_space(&e) && reserved >= end + LEAST_BETWEEN => {}
                Err(e) => return Err(io_error("reserving space for", &spare)(e)),
            }
        }
        file.write_at(&[&header.to_bytes(), frames.bytes()], 0)
            .map_err(io_error("writing", &spare))?;
        file.sync().map_err(io_error("syncing", &spare))?;
        let path = path_of(dir, number);
        fs.rename(&spare, &path)
            .and_then(|()| fs.sync_dir(dir))
            .map_err(io_error(NAMING, &path))?;
        Ok(NewFile {
            file,
            generation: header.generation,
            end,
            reserved,
        })
    }
}

/// What a file's records add up to.
struct Replayed {
    recovered: Recovered,
    checkpoint_end: u64,
    /// How far the file says that it was synced.
    synced: u64,
    /// Where the next record goes.
    end: u64,
}

/// Adds up a file's records.
fn replay(generation: u64, file: &[u8]) -> Replayed {
    let says_synced = |found: Found<'_>| match found.kind {
        SYNCED => In(found.payload).u64(),
        kind => (kind >= CHECKPOINT_KINDS).then_some(found.end as u64),
    };
    let synced = scan(generation, file).filter_map(says_synced).max();
    let synced = synced.unwrap_or(HEADER_BYTES as u64);
    let mut recovered = Recovered::default();
    let mut end = HEADER_BYTES as u64;
    let mut checkpoint_end = end;
    let mut pieces = 0;
    let mut announced = None;
    let mut behind = State::default();
    for found in scan(generation, file) {
        recovered.records += 1;
        if recovered.cut > 0 || found.behind_hole && end >= synced {
            recovered.cut += 1;
            if let Some(record) = In(found.payload).record(found.kind) {
                behind.apply(&record);
            }
            continue;
        }
        recovered.holes += u64::from(found.behind_hole);
        end = found.end as u64;
        if found.kind == SYNCED {
            continue;
        }
        if let Some(record) = In(found.payload).record(found.kind) {
            recovered.state.apply(&record);
            continue;
        }
        match snapshot::read(&mut recovered.state, found.kind, found.payload) {
            Some(Part::Piece) => pieces += 1,
            Some(Part::End(count)) => {
                announced = Some(count);
                checkpoint_end = end;
            }
            // Good checksum, no meaning: written by a defect. It costs itself.
            None => recovered.holes += 1,
        }
    }
    recovered.checkpoint_damaged = announced != Some(pieces);
    let state = &mut recovered.state;
    state.next_offset = state.next_offset.max(behind.next_offset);
    Replayed {
        recovered,
        checkpoint_end,
        synced,
        end,
    }
}

/// Adds the record that says how far the file was synced.
pub(super) fn mark_synced(frames: &mut Frames, to: u64) {
    frames.record(|out| {
        out.u64(to);
        SYNCED
    });
}

fn open_spare(fs: &dyn Fs, path: &Path) -> io::Result<Arc<dyn File>> {
    match fs.open(path, Open::ReadWrite) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => fs.open(path, Open::CreateNew),
        other => other,
    }
}

fn is_no_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn read_all(file: &dyn File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; file.len()? as usize];
    let n = file.read_at(&mut bytes, 0)?;
    bytes.truncate(n);
    Ok(bytes)
}

fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(u64::from_le_bytes(bytes))
}

fn spare(dir: &Path) -> PathBuf {
    dir.join("spare")
}

fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016}.jnl"))
}

fn number_of(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_suffix(".jnl")?;
    let ours = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_digit());
    ours.then(|| digits.parse().ok())?
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::Io {
        doing,
        path,
        source,
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("number", &self.number)
            .field("end", &self.end)
            .field("version", &VERSION)
            .finish_non_exhaustive()
    }
}
