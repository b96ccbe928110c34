//! Taking: everything once, oldest file first.
//!
//! *Order.* A writer appends to the newest file that it sees, and moves on only forwards. Reading a file
//! to its end and then the next could still turn a writer's order around: its last record in the
//! old file may come after our reading. So sizes are looked at newest first, and then files are read
//! oldest first up to these sizes: what precedes a record that we see is seen too.
//!
//! *Rotation.* Flag first, then the exclusive lock without waiting (at this or a later call). Between
//! the two, writers that had looked at the flag before finish their record; a writer that
//! hangs there delays the deletion of its file, nothing else.

use super::dir::{Dir, For, InboxFile, Place, boot_id};
use super::format::HEADER_BYTES;
use super::scan::{Behind, Found, MAX_RECORD, look};
use super::writer::create_next;
use super::{DEFAULT_MAX_BYTES, InboxError, Problem};
use crate::event::Entry;
use crate::time::{Clock, Instant};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Bytes read at once.
const READ_BYTES: usize = 4 * MAX_RECORD;

/// How a [`Taker`] treats the files.
#[derive(Clone, Debug)]
pub struct TakerConfig {
    /// A file that has grown to this many bytes is sealed. Default 16 MiB.
    pub file_bytes: u64,
    /// What may pile up in all files, told to writers by the headers. Default 1 GiB.
    pub max_bytes: u64,
    /// A file to which nothing was added for so long is sealed, and so deleted. Default 1 h.
    pub idle_age: Duration,
}

impl Default for TakerConfig {
    fn default() -> Self {
        TakerConfig {
            file_bytes: 16 * 1024 * 1024,
            max_bytes: DEFAULT_MAX_BYTES,
            idle_age: Duration::from_secs(3600),
        }
    }
}

/// What one [`Taker::take`] did.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// The new positions of the files that were read, as (file id, position): into the frame that
    /// holds the events.
    pub positions: Vec<(u64, u64)>,
    /// Events that the sink took.
    pub events: u64,
    /// Places with bytes that are no record: stumps and garbage.
    pub damaged: u64,
    /// True where `max_bytes` or the sink ended it: call again.
    pub more: bool,
    /// To be logged: files met for the first time and refused; files that could not be read, sealed
    /// or deleted, which will be tried again.
    pub problems: Vec<InboxError>,
}

/// Figures of an inbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakerStats {
    /// Events taken since opening.
    pub events: u64,
    /// Damaged places passed over since opening.
    pub damaged: u64,
    /// Files there.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Bytes of them not yet taken.
    pub waiting: u64,
    /// Files refused since opening: links, foreign ones, other types, later versions.
    pub refused: u64,
}

/// The engine's side of an inbox. One thread owns it.
pub struct Taker {
    place: Place,
    dir: Dir,
    clock: Arc<dyn Clock>,
    config: TakerConfig,
    boot: [u8; 16],
    /// Positions from the log of files not opened yet.
    recovered: BTreeMap<u64, u64>,
    sources: BTreeMap<u64, Source>,
    refused: BTreeSet<u64>,
    /// Gone since [`Taker::deleted`] was asked.
    deleted: Vec<u64>,
    buffer: Vec<u8>,
    stats: TakerStats,
}

/// A file being taken from.
#[derive(Debug)]
struct Source {
    file: InboxFile,
    /// Everything below is taken or passed over.
    at: u64,
    /// Behind the last event taken: what a frame must name before the file may go.
    events_to: u64,
    /// What a durable frame has named.
    durable: u64,
    size: u64,
    grown: Instant,
    flagged: bool,
    /// Sealed, and nobody can be writing any more.
    is_final: bool,
    in_junk: bool,
}

impl Taker {
    /// Opens the inbox directory `dir`. `recovered` are the positions that the log remembers; files
    /// not named there are taken from their beginning. Call [`committed`](Self::committed) with
    /// them once the log is synced.
    ///
    /// # Errors
    /// The directory is missing or not ours.
    pub fn open(
        dir: &Path,
        recovered: &[(u64, u64)],
        clock: Arc<dyn Clock>,
        config: TakerConfig,
    ) -> Result<Taker, InboxError> {
        let place = Place::new(dir);
        let opened = place.open().and_then(|dir| dir.sweep().map(|()| dir));
        let dir = opened.map_err(|problem| place.error(problem))?;
        let mut taker = Taker {
            place,
            dir,
            clock,
            config,
            boot: boot_id(),
            recovered: recovered.iter().copied().collect(),
            sources: BTreeMap::new(),
            refused: BTreeSet::new(),
            deleted: Vec::new(),
            buffer: Vec::new(),
            stats: TakerStats::default(),
        };
        let prepared = taker
            .look_around(&mut Taken::default())
            .and_then(|()| taker.keep_one_open());
        prepared.map_err(|problem| taker.place.error(problem))?;
        Ok(taker)
    }

    /// Hands up to about `max_bytes` of events to `sink`, each with its text and separator and the (file id, position)
    /// behind it, oldest file first; each writer's order is kept. The sink says whether it took the event; `false`
    /// ends the call and the event comes again. Also seals, rotates and deletes where that is due.
    ///
    /// Costs a few system calls when there is nothing: call it when the [`Watch`](super::Watch)
    /// fired, and every few minutes for what is due by age.
    ///
    /// # Errors
    /// The directory can't be read; nothing was taken.
    pub fn take(
        &mut self,
        max_bytes: usize,
        mut sink: impl FnMut(&Entry, &[u8], (u64, u64)) -> bool,
    ) -> Result<Taken, InboxError> {
        let mut taken = Taken::default();
        self.look_around(&mut taken)
            .map_err(|problem| self.place.error(problem))?;
        self.buffer.resize(READ_BYTES, 0);
        let mut budget = max_bytes;
        for (&id, source) in &mut self.sources {
            let before = source.at;
            let read = source.read_on(&mut self.buffer, &mut budget, &mut sink, &mut taken);
            if source.at > before {
                taken.positions.push((id, source.at));
            }
            match read {
                Ok(true) => {}
                Ok(false) => {
                    taken.more = true;
                    break;
                }
                Err(problem) => taken.problems.push(self.place.error(problem)),
            }
        }
        self.stats.events += taken.events;
        self.stats.damaged += taken.damaged;
        if self.rotation_due()
            && let Err(problem) = self.try_rotate()
        {
            taken.problems.push(self.place.error(problem));
        }
        if let Err(problem) = self.delete_done() {
            taken.problems.push(self.place.error(problem));
        }
        Ok(taken)
    }

    /// The positions of all files that are there: for the first frame of a segment.
    pub fn positions(&self) -> Vec<(u64, u64)> {
        let open = self.sources.iter().map(|(&id, source)| (id, source.at));
        open.collect()
    }

    /// Tells that frames with these positions are as durable as the inbox was: synced. Deletes the
    /// sealed files that were taken to their end.
    ///
    /// # Errors
    /// The system refused to delete; another call tries again.
    pub fn committed(&mut self, positions: &[(u64, u64)]) -> Result<(), InboxError> {
        for (id, at) in positions {
            if let Some(source) = self.sources.get_mut(id) {
                source.durable = source.durable.max(*at);
            }
        }
        self.delete_done()
            .map_err(|problem| self.place.error(problem))
    }

    /// The files that are gone for good since the last call: their positions need no remembering.
    pub fn deleted(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.deleted)
    }

    /// Seals the file that is being written, whatever its size; writers go on in a new one.
    ///
    /// # Errors
    /// The system refused; writers may have been sent to a new file already, which loses nothing.
    pub fn rotate(&mut self) -> Result<(), InboxError> {
        self.try_rotate()
            .map_err(|problem| self.place.error(problem))
    }

    /// Figures since opening.
    pub fn stats(&self) -> TakerStats {
        let sum = |f: fn(&Source) -> u64| self.sources.values().map(f).sum();
        TakerStats {
            files: self.sources.len() as u64,
            bytes: sum(|s| s.size),
            waiting: sum(|s| s.size - s.at),
            refused: self.refused.len() as u64,
            ..self.stats
        }
    }

    /// Opens new files and looks at all sizes, newest first.
    fn look_around(&mut self, taken: &mut Taken) -> Result<(), Problem> {
        let mut there = BTreeSet::new();
        self.dir.each(|id| {
            there.insert(id);
        })?;
        // Deleted by someone's hand, untaken events and all; or before the log could forget it.
        let gone = self.sources.keys().chain(self.recovered.keys());
        self.deleted.extend(gone.filter(|id| !there.contains(id)));
        self.sources.retain(|id, _| there.contains(id));
        self.recovered.retain(|id, _| there.contains(id));
        self.refused.retain(|id| there.contains(id));
        let now = self.clock.now().mono;
        for &id in there.iter().rev() {
            if self.refused.contains(&id) {
                continue;
            }
            if let Some(source) = self.sources.get_mut(&id) {
                source.look(now)?;
                continue;
            }
            match self.dir.open(id, For::Taking) {
                Ok(None) => {}
                Ok(Some(file)) => {
                    let recovered = self.recovered.remove(&id);
                    let source = Source::new(file, recovered, now)?;
                    self.sources.insert(id, source);
                }
                Err(problem @ (Problem::Refused { .. } | Problem::NewerVersion { .. })) => {
                    self.refused.insert(id);
                    taken.problems.push(self.place.error(problem));
                }
                Err(problem) => return Err(problem),
            }
        }
        Ok(())
    }

    /// Sees to it that there is a file of this boot that writers may append to, and that all others
    /// are sealed.
    fn keep_one_open(&mut self) -> Result<(), Problem> {
        let newest = self.newest();
        for source in self.sources.values_mut() {
            let current = Some(source.file.header.id) == newest
                && source.file.header.boot == self.boot
                && source.file.header.max_bytes == self.config.max_bytes;
            if !current {
                source.flag(&self.dir)?;
            }
        }
        if self.sources.values().any(|source| !source.flagged) {
            return Ok(());
        }
        let now = self.clock.now();
        create_next(
            &self.dir,
            newest,
            self.config.max_bytes,
            self.boot,
            now.unix_ms,
        )?;
        self.look_around(&mut Taken::default())
    }

    /// The highest id, that of refused files included.
    fn newest(&self) -> Option<u64> {
        let sources = self.sources.last_key_value().map(|(&id, _)| id);
        sources.max(self.refused.last().copied())
    }

    fn rotation_due(&self) -> bool {
        let now = self.clock.now().mono;
        let due = |source: &Source| {
            source.size >= self.config.file_bytes
                || source.size > HEADER_BYTES as u64
                    && now.since(source.grown) >= self.config.idle_age
        };
        let mut open = self.sources.values().filter(|source| !source.flagged);
        // More than one: two writers made a file at once, or one went on behind a refused one.
        open.clone().count() != 1 || open.any(due)
    }

    fn try_rotate(&mut self) -> Result<(), Problem> {
        let newest = self.newest();
        let several = self.sources.values().filter(|s| !s.flagged).count() > 1;
        for source in self.sources.values_mut() {
            // Of several, the newest is the one that writers go to.
            if !(several && Some(source.file.header.id) == newest) {
                source.flag(&self.dir)?;
            }
        }
        self.keep_one_open()
    }

    fn delete_done(&mut self) -> Result<(), Problem> {
        let newest = self.newest();
        let is_done = |source: &Source| {
            source.is_final
                && source.at == source.size
                && source.durable >= source.events_to
                // Ids go on from the highest: one must stay.
                && Some(source.file.header.id) != newest
        };
        let done = self.sources.iter().filter(|(_, s)| is_done(s));
        let done: Vec<u64> = done.map(|(&id, _)| id).collect();
        if done.is_empty() {
            return Ok(());
        }
        for &id in &done {
            self.dir.remove(id)?;
        }
        // Their positions may be forgotten only when they can't come back.
        self.dir.sync()?;
        for id in done {
            self.sources.remove(&id);
            self.deleted.push(id);
        }
        Ok(())
    }
}

impl Source {
    fn new(file: InboxFile, recovered: Option<u64>, now: Instant) -> Result<Source, Problem> {
        let size = file.stat()?.st_size as u64;
        let header = HEADER_BYTES as u64;
        // A power cut may have taken bytes that the log remembers; nobody appends to a file of a
        // former boot, so what was lost can't be new events.
        let at = recovered.unwrap_or(header).clamp(header, size);
        Ok(Source {
            flagged: file.is_sealed()?,
            file,
            at,
            events_to: at,
            durable: header,
            size,
            grown: now,
            is_final: false,
            in_junk: false,
        })
    }

    /// Looks at size and flag.
    fn look(&mut self, now: Instant) -> Result<(), Problem> {
        if self.is_final {
            return Ok(());
        }
        self.flagged = self.flagged || self.file.is_sealed()?;
        let size = self.file.stat()?.st_size as u64;
        if size != self.size {
            self.grown = now;
        }
        // Cut by someone's hand: what was taken stays taken.
        self.size = size.max(self.at);
        Ok(())
    }

    /// Reads up to `size`, and where no writer can add to it any more, what was at its end; `false`
    /// if budget or sink ended it before.
    fn read_on(
        &mut self,
        buffer: &mut [u8],
        budget: &mut usize,
        sink: &mut impl FnMut(&Entry, &[u8], (u64, u64)) -> bool,
        taken: &mut Taken,
    ) -> Result<bool, Problem> {
        Ok(self.read(buffer, budget, sink, taken)?
            && (!self.try_finish()? || self.read(buffer, budget, sink, taken)?))
    }

    /// Reads up to `size`; `false` if budget or sink ended it before.
    fn read(
        &mut self,
        buffer: &mut [u8],
        budget: &mut usize,
        sink: &mut impl FnMut(&Entry, &[u8], (u64, u64)) -> bool,
        taken: &mut Taken,
    ) -> Result<bool, Problem> {
        while self.at < self.size {
            let wanted = buffer.len().min((self.size - self.at) as usize);
            let n = self.read_at(&mut buffer[..wanted])?;
            let end = self.at + n as u64;
            if n == 0 {
                break;
            }
            let mut bytes = &buffer[..n];
            loop {
                let behind = match (end < self.size, self.is_final) {
                    (true, _) => Behind::More,
                    (false, true) => Behind::Nothing,
                    (false, false) => Behind::Open,
                };
                // The rest of the buffer is too short to judge by: read again from here.
                if behind == Behind::More && bytes.len() <= MAX_RECORD {
                    break;
                }
                match look(self.file.header.id, bytes, behind) {
                    Found::Wait => return Ok(true),
                    Found::Junk(size) => {
                        taken.damaged += u64::from(!self.in_junk);
                        self.in_junk = true;
                        self.at += size as u64;
                        bytes = &bytes[size..];
                    }
                    Found::Record(entry, text, size) => {
                        let behind = (self.file.header.id, self.at + size as u64);
                        if *budget == 0 || !sink(&entry, text, behind) {
                            return Ok(false);
                        }
                        *budget = budget.saturating_sub(size);
                        taken.events += 1;
                        self.in_junk = false;
                        self.at += size as u64;
                        self.events_to = self.at;
                        bytes = &bytes[size..];
                    }
                }
            }
        }
        Ok(true)
    }

    fn read_at(&self, buffer: &mut [u8]) -> Result<usize, Problem> {
        loop {
            match rustix::io::pread(&self.file.fd, &mut *buffer, self.at) {
                Err(Errno::INTR) => {}
                other => return other.map_err(Problem::os("reading a file")),
            }
        }
    }

    fn flag(&mut self, dir: &Dir) -> Result<(), Problem> {
        if !self.flagged {
            dir.set_sealed(self.file.header.id)?;
            self.flagged = true;
        }
        Ok(())
    }

    /// True the one time that the file turns out to have no writer any more.
    fn try_finish(&mut self) -> Result<bool, Problem> {
        if !self.flagged || self.is_final {
            return Ok(false);
        }
        match rustix::fs::flock(&self.file.fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK | Errno::INTR) => return Ok(false),
            Err(errno) => return Err(Problem::os("locking a file")(errno)),
        }
        let _ = rustix::fs::flock(&self.file.fd, FlockOperation::Unlock);
        self.size = self.size.max(self.file.stat()?.st_size as u64);
        self.is_final = true;
        Ok(true)
    }
}
