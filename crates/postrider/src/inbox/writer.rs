//! Appending: one `write` per event, under a shared lock that is never waited for by the engine and
//! hardly ever waits.

use super::dir::{Dir, For, InboxFile, Place, boot_id};
use super::format::{self, HEAD_BYTES, Header};
use super::{DEFAULT_MAX_BYTES, InboxError, Problem};
use crate::event::{Entry, MAX_TEXT, SEPARATOR};
use crate::time::{Clock, SystemClock};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use std::io::IoSlice;
use std::path::Path;
use std::time::Duration;

/// A writer starts the next file when this one has so many bytes; the engine does so earlier.
const WRITER_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// How often a lock that somebody holds is tried again, [`PAUSE`] apart, before the append fails.
const LOCK_TRIES: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(1);
/// How often a file may turn out not to be current before something must be wrong.
const FILE_TRIES: u32 = 64;
/// What others may append between our look at the size and our write.
const SLACK: u64 = 1024 * 1024;

/// Appends events to an inbox, for one process. Allocates only when it is made.
///
/// A forked child must not append through the file that its parent opened: both would share
/// one file description and so its lock. It calls [`reopen`](Self::reopen) first.
#[derive(Debug)]
pub struct Writer {
    place: Place,
    current: Option<Current>,
    /// The file before, until it is synced.
    left: Option<Current>,
    /// A sync that failed on the way; told by the next [`sync`](Self::sync).
    unsynced: Option<Problem>,
}

#[derive(Debug)]
struct Current {
    dir: Dir,
    file: InboxFile,
    /// Bytes of all other files when this one was opened.
    others: u64,
    /// Something was appended since the last sync.
    dirty: bool,
    /// The file's name is durable.
    named: bool,
}

/// What one try at a file came to.
enum Tried {
    Appended,
    /// The file isn't current any more.
    Old,
}

impl Writer {
    /// A writer for the inbox directory `dir`; nothing is opened or checked yet.
    pub fn prepared(dir: &Path) -> Writer {
        Writer {
            place: Place::new(dir),
            current: None,
            left: None,
            unsynced: None,
        }
    }

    /// A writer for the inbox directory `dir`, opened and checked, its newest file too.
    ///
    /// # Errors
    /// The directory is missing, not ours, or may not be written by this user.
    pub fn open(dir: &Path) -> Result<Writer, InboxError> {
        let mut writer = Writer::prepared(dir);
        writer.ready()?;
        Ok(writer)
    }

    /// Opens and checks what the next append will need.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn ready(&mut self) -> Result<(), InboxError> {
        let opened = self.ensure_open().map(drop);
        opened.map_err(|problem| self.place.error(problem))
    }

    /// Closes what is open and forgets what isn't synced; the next append opens it anew.
    pub fn reopen(&mut self) {
        self.current = None;
        self.left = None;
        self.unsynced = None;
    }

    /// Appends one event; `text` is the JSON with its separator, `entry` describes it. On return the
    /// event survives the end of this process: it is `written`.
    ///
    /// # Errors
    /// The event is not recorded. [`Problem::Full`] may pass by waiting; after [`Problem::Short`] a
    /// part stands in the file, which readers pass over.
    pub fn append(&mut self, entry: &Entry, text: &[u8]) -> Result<(), InboxError> {
        self.try_append(entry, text)
            .map_err(|problem| self.place.error(problem))
    }

    /// Makes all that this writer appended survive a power cut: it is `synced`.
    ///
    /// # Errors
    /// Something appended since the last sync may not survive one.
    pub fn sync(&mut self) -> Result<(), InboxError> {
        let earlier = self.unsynced.take().map_or(Ok(()), Err);
        let left = self.left.take().map_or(Ok(()), |mut left| left.sync());
        let current = self.current.as_mut().map_or(Ok(()), Current::sync);
        earlier
            .and(left)
            .and(current)
            .map_err(|problem| self.place.error(problem))
    }

    fn try_append(&mut self, entry: &Entry, text: &[u8]) -> Result<(), Problem> {
        debug_assert_eq!(entry.len as usize + SEPARATOR.len(), text.len());
        if text.len() > MAX_TEXT + SEPARATOR.len() {
            return Err(Problem::TooLong { bytes: text.len() });
        }
        for _ in 0..FILE_TRIES {
            let current = self.ensure_open()?;
            match current.append(entry, text)? {
                Tried::Appended => return Ok(()),
                Tried::Old => self.leave(),
            }
        }
        Err(Problem::os("finding a file to append to")(Errno::AGAIN))
    }

    /// Lets go of a file that isn't current any more.
    fn leave(&mut self) {
        let old = self.current.take().filter(|old| old.dirty);
        if old.is_none() {
            return;
        }
        if let Some(mut before) = std::mem::replace(&mut self.left, old)
            && let Err(problem) = before.sync()
        {
            self.unsynced = Some(problem);
        }
    }

    fn ensure_open(&mut self) -> Result<&mut Current, Problem> {
        if self.current.is_none() {
            self.current = Some(Current::open(&self.place)?);
        }
        Ok(self.current.as_mut().expect("opened above"))
    }
}

impl Current {
    /// Opens the newest file, making one where there is none that may be written.
    fn open(place: &Place) -> Result<Current, Problem> {
        if let Some(limit) = getrlimit(Resource::Fsize).current
            && limit < 2 * SLACK
        {
            return Err(Problem::FileSizeLimit { limit });
        }
        let dir = place.open()?;
        let boot = boot_id();
        for _ in 0..FILE_TRIES {
            let (mut newest, mut files) = (None, 0);
            dir.each(|id| {
                newest = newest.max(Some(id));
                files += 1;
            })?;
            let mut max_bytes = DEFAULT_MAX_BYTES;
            if let Some(id) = newest {
                match dir.open(id, For::Appending) {
                    Ok(None) => continue,
                    Ok(Some(file)) if file.header.boot != boot => {
                        max_bytes = file.header.max_bytes;
                        dir.set_sealed(id)?;
                    }
                    Ok(Some(file)) if file.is_sealed()? => max_bytes = file.header.max_bytes,
                    Ok(Some(file)) => {
                        let others = match files {
                            1 => 0,
                            _ => dir.bytes_without(file.header.id)?,
                        };
                        return Ok(Current::of(dir, file, others));
                    }
                    // Not one of ours, or a later version's: it is left alone, and we go on behind it.
                    Err(Problem::Refused { .. } | Problem::NewerVersion { .. }) => {}
                    Err(problem) => return Err(problem),
                }
            }
            create_next(&dir, newest, max_bytes, boot, SystemClock.now().unix_ms)?;
        }
        Err(Problem::os("finding a file to append to")(Errno::AGAIN))
    }

    fn of(dir: Dir, file: InboxFile, others: u64) -> Current {
        Current {
            dir,
            file,
            others,
            dirty: false,
            named: false,
        }
    }

    fn append(&mut self, entry: &Entry, text: &[u8]) -> Result<Tried, Problem> {
        if !self.lock()? {
            return Ok(Tried::Old);
        }
        let tried = self.append_locked(entry, text);
        let _ = rustix::fs::flock(&self.file.fd, FlockOperation::Unlock);
        tried
    }

    /// Takes the shared lock; `false` if the file turns out to be sealed first.
    fn lock(&self) -> Result<bool, Problem> {
        for _ in 0..LOCK_TRIES {
            match rustix::fs::flock(&self.file.fd, FlockOperation::NonBlockingLockShared) {
                Ok(()) => return Ok(true),
                Err(Errno::INTR) => {}
                // The engine asks for the exclusive lock only once the flag is set.
                Err(Errno::WOULDBLOCK) if self.file.is_sealed()? => return Ok(false),
                Err(Errno::WOULDBLOCK) => std::thread::sleep(PAUSE),
                Err(errno) => return Err(Problem::os("locking a file")(errno)),
            }
        }
        Err(Problem::Busy {
            file: self.file.header.id,
        })
    }

    fn append_locked(&mut self, entry: &Entry, text: &[u8]) -> Result<Tried, Problem> {
        let stat = self.file.stat()?;
        if stat.st_nlink == 0 || self.file.is_sealed()? {
            return Ok(Tried::Old);
        }
        let wanted = HEAD_BYTES + text.len();
        let size = stat.st_size as u64;
        if size >= WRITER_FILE_BYTES {
            return self.seal();
        }
        let after = size + wanted as u64;
        if let Some(limit) = getrlimit(Resource::Fsize).current
            && after + SLACK > limit
        {
            return self.seal();
        }
        self.check_room(after)?;
        let head = format::head(self.file.header.id, entry);
        let record = [IoSlice::new(&head), IoSlice::new(text)];
        loop {
            match rustix::io::writev(&self.file.fd, &record) {
                Ok(written) if written == wanted => {
                    self.dirty = true;
                    return Ok(Tried::Appended);
                }
                Ok(written) => return Err(Problem::Short { written, wanted }),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Problem::os("appending")(errno)),
            }
        }
    }

    /// Sends all writers to the next file.
    fn seal(&mut self) -> Result<Tried, Problem> {
        self.dir.set_sealed(self.file.header.id)?;
        Ok(Tried::Old)
    }

    fn check_room(&mut self, after: u64) -> Result<(), Problem> {
        let limit = self.file.header.max_bytes;
        if self.others + after <= limit {
            return Ok(());
        }
        // The engine may have deleted some since we counted.
        self.others = self.dir.bytes_without(self.file.header.id)?;
        match self.others + after <= limit {
            true => Ok(()),
            false => Err(Problem::Full {
                bytes: self.others + after,
                limit,
            }),
        }
    }

    fn sync(&mut self) -> Result<(), Problem> {
        if !self.dirty {
            return Ok(());
        }
        rustix::fs::fdatasync(&self.file.fd).map_err(Problem::os("syncing a file"))?;
        if !self.named {
            self.dir.sync()?;
            self.named = true;
        }
        self.dirty = false;
        Ok(())
    }
}

/// Makes the file after `newest`. All who do so at the same time try the same name, so that one wins.
pub(super) fn create_next(
    dir: &Dir,
    newest: Option<u64>,
    max_bytes: u64,
    boot: [u8; 16],
    now_ms: u64,
) -> Result<(), Problem> {
    let id = match newest {
        // No id that an emptied directory had before: the log may remember a position in it.
        None => now_ms * 1000,
        Some(u64::MAX) => {
            return Err(Problem::Refused {
                file: u64::MAX,
                why: "no name can follow it",
            });
        }
        Some(newest) => newest + 1,
    };
    let header = Header {
        id,
        created_ms: now_ms,
        max_bytes,
        boot,
        sealed: false,
    };
    dir.create(header).map(drop)
}
