//! The journal's files: appending, checkpoints, recovery.
//!
//! There are two files, one in use and the space for the next (`spare`), both with their blocks reserved.
//! A checkpoint turns the spare into the next journal by a rename and the former journal into the
//! spare; what it held is none of the new generation's.

use super::codec::In;
use super::frames::{BadHeader, Frames, HEADER_BYTES, Header, scan};
use super::record::Record;
use super::snapshot::{self, Part};
use super::state::State;
use super::{JournalError, VERSION};
use crate::fs::{File, Fs, Open};
use crate::time::Clock;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes reserved for each of the two files.
const RESERVED: u64 = 4 * 1024 * 1024;
/// A checkpoint is wanted once this much, and more than the last checkpoint, was written since.
const CHECKPOINT_AFTER: u64 = 2 * 1024 * 1024;

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
                let (recovered, checkpoint_end, end) = replay(header.generation, &bytes);
                let mut journal = Journal {
                    dir: dir.to_owned(),
                    fs,
                    clock,
                    file,
                    // Above files that can't be read, which so are never taken for newer.
                    number: newest,
                    end,
                    checkpoint_end,
                    frames: Frames::new(header.generation),
                    poisoned: false,
                };
                // Pass 4: finish what a crash left of the last checkpoint.
                if number == newest {
                    for &older in numbers.iter().filter(|&&n| n < newest) {
                        journal.recycle(older)?;
                    }
                } else {
                    journal.checkpoint(&recovered.state)?;
                }
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
        frames: Frames::new(new.generation),
        file: new.file,
        poisoned: false,
    };
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
        let bytes = self.frames.bytes();
        if bytes.is_empty() {
            return Ok(());
        }
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
        })
    }

    /// True when the records since the last checkpoint outgrew it.
    pub fn wants_checkpoint(&self) -> bool {
        self.end - self.checkpoint_end > CHECKPOINT_AFTER.max(self.checkpoint_end)
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
        self.frames = Frames::new(new.generation);
        // If it fails, a later opening does it.
        let _ = self.recycle(old);
        Ok(())
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
        let file = match fs.open(&spare, Open::ReadWrite) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => fs.open(&spare, Open::CreateNew),
            other => other,
        };
        let file = file.map_err(io_error("opening", &spare))?;
        let header = Header {
            generation: random().map_err(io_error("drawing a generation for", &spare))?,
            number,
            created_ms: clock.now().unix_ms,
        };
        let mut frames = Frames::new(header.generation);
        snapshot::write(state, &mut frames);
        let end = (HEADER_BYTES + frames.bytes().len()) as u64;
        // Space for what follows too, so that a full disk is met here, where it does no harm.
        let reserved = RESERVED.max((end + CHECKPOINT_AFTER).next_multiple_of(RESERVED));
        if file
            .len()
            .map_err(io_error("reading the size of", &spare))?
            < reserved
        {
            file.allocate(reserved)
                .map_err(io_error("reserving space for", &spare))?;
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
        })
    }
}

/// Adds up a file's records; also where its checkpoint ends, and where the next record goes.
fn replay(generation: u64, file: &[u8]) -> (Recovered, u64, u64) {
    let mut recovered = Recovered::default();
    let mut end = HEADER_BYTES as u64;
    let mut checkpoint_end = end;
    let mut pieces = 0;
    let mut announced = None;
    for found in scan(generation, file) {
        recovered.records += 1;
        recovered.holes += u64::from(found.behind_hole);
        end = found.end as u64;
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
    (recovered, checkpoint_end, end)
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
