//! Reading for those who want few events: what is wanted from posting lists, and of a frame only the
//! texts that are asked for.

use super::error::LogError;
use super::format::FrameHeader;
use super::frame::{Frame, FrameTable, is_intact};
use super::handle::Log;
use super::index::postings::{self, Posting};
use super::index::{self, OTHER_SUBACCOUNTS};
use super::read::Place;
use super::segment::Segment;
use super::site::Site;
use super::walk::Walk;
use crate::event::{Entry, SEPARATOR};
use crate::time::UnixMillis;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Posting lists are read in place of tables where not more than one event in so many is wanted.
const SPARSE: u64 = 8;

/// Neighbouring events, of which some are wanted.
pub struct Wanted<'a> {
    /// The first event's offset.
    pub base_offset: u64,
    /// When the events were written.
    pub written_ms: UnixMillis,
    entries: Entries<'a>,
}

enum Entries<'a> {
    Table(&'a FrameTable<'a>),
    /// Of the segment with this generation.
    List(u64, &'a [Posting]),
}

impl Wanted<'_> {
    /// How many events.
    pub fn count(&self) -> u32 {
        match &self.entries {
            Entries::Table(table) => table.count(),
            Entries::List(_, list) => list.len() as u32,
        }
    }

    /// Whether they are a whole frame, wanted or not.
    pub fn is_frame(&self) -> bool {
        matches!(self.entries, Entries::Table(_))
    }

    /// Event `i`. Out of a posting list its time and its flags are zero.
    ///
    /// # Panics
    /// When `i` is not below [`count`](Self::count).
    pub fn entry(&self, i: u32) -> Entry {
        match &self.entries {
            Entries::Table(table) => table.entry(i),
            Entries::List(_, list) => {
                let posting = list[i as usize];
                Entry {
                    len: posting.len,
                    crc: posting.crc,
                    type_id: posting.type_id,
                    subaccount: posting.subaccount,
                    ..Entry::default()
                }
            }
        }
    }

    /// Where the text of event `i` lies, where a posting list says so.
    ///
    /// # Panics
    /// When `i` is not below [`count`](Self::count).
    pub fn site(&self, i: u32) -> Option<Site> {
        match &self.entries {
            Entries::Table(_) => None,
            Entries::List(generation, list) => {
                let Posting {
                    position, len, crc, ..
                } = list[i as usize];
                Site::new(*generation, position, len, crc)
            }
        }
    }
}

impl Log {
    /// Calls `f` with the events from `from` on that `wants` (type, subaccount), in order and without reading
    /// text, until it answers `false` or a segment ends. In segments where most are unwanted it sees those wanted
    /// alone, elsewhere their neighbours too. Answers where to go on: `None` where `f` has answered `false`, and at the
    /// end of the log.
    ///
    /// Who goes on with the same `glean` and the same wants does not read twice what the segment's index says.
    ///
    /// # Errors
    /// Of the disk.
    pub fn wanted(
        &self,
        from: u64,
        wants: &dyn Fn(u16, u32) -> bool,
        glean: &mut Glean,
        mut f: impl FnMut(&Wanted<'_>) -> bool,
    ) -> Result<Option<u64>, LogError> {
        match self.place(from, u64::MAX, true) {
            Place::End => Ok(None),
            Place::Tail(frames) => {
                frames.iter().all(|frame| f(&whole(&FrameTable::of(frame))));
                Ok(None)
            }
            Place::Disk(segment) => {
                let generation = segment.header.generation;
                if glean.generation != Some(generation) {
                    let found = self.glean(&segment, from, wants);
                    *glean = found.unwrap_or_default();
                    glean.generation = Some(generation);
                }
                let Some(postings) = &glean.postings else {
                    return self.segment_tables(&segment, from, &mut |t| f(&whole(t)));
                };
                let next = postings.partition_point(|p| p.offset < from);
                let went = grouped(generation, &postings[next..], &mut f);
                Ok(went.then_some(segment.end_offset()))
            }
        }
    }

    /// What is wanted of a segment, where its index can tell and that is little.
    fn glean(
        &self,
        segment: &Segment,
        from: u64,
        wants: &dyn Fn(u16, u32) -> bool,
    ) -> Option<Glean> {
        let indexed = segment.state().indexed;
        let read = || index::read(&*self.config.fs, &segment.path, &segment.header);
        let (front, file) = indexed.then(read)??;
        let (mut all, mut some, mut lists) = (0, 0, Vec::new());
        for (at, &((type_id, subaccount), count)) in front.counts.iter().enumerate() {
            if subaccount == OTHER_SUBACCOUNTS {
                return None;
            }
            all += u64::from(count.events);
            if wants(type_id, subaccount) {
                some += u64::from(count.events);
                lists.push(at);
            }
        }
        if some * SPARSE > all {
            return None;
        }
        let postings = postings::wanted(&front, &*file, from, &lists)?;
        self.counters.postings_read.fetch_add(1, Relaxed);
        Some(Glean {
            generation: None,
            postings: Some(postings),
        })
    }

    /// The frame that holds `offset`, or else the next one behind it: whole where it is in memory, else
    /// without its texts.
    ///
    /// # Errors
    /// Of the disk.
    pub fn few(&self, offset: u64) -> Result<Option<Few>, LogError> {
        let mut next = offset;
        loop {
            match self.place(next, 0, true) {
                Place::End => return Ok(None),
                Place::Tail(frames) => return Ok(frames.into_iter().next().map(Few::Frame)),
                Place::Disk(segment) => {
                    let file = self.open_segment(&segment)?;
                    let (at, end, end_offset) = segment.span_from(next);
                    let h = segment.header;
                    let (generation, path) = (Some(h.generation), &segment.path);
                    let span = (at, end);
                    let mut walk = Walk::new(&*file, path, generation, h.base_offset, span, 4096);
                    while let Some((at, header)) = walk.next()? {
                        if header.count == 0 || header.end_offset() <= next {
                            continue;
                        }
                        let head = walk.bytes(at, header.head_len())?;
                        if let Some(head) = head
                            && FrameTable::check(header, head).is_some()
                        {
                            let head = head.into();
                            return Ok(Some(Few::Head(Head {
                                segment,
                                at,
                                header,
                                head,
                            })));
                        }
                        self.counters.damaged_frames.fetch_add(1, Relaxed);
                    }
                    next = end_offset.max(next + 1);
                }
            }
        }
    }
}

/// What somebody who wants few events knows of the segment that he is in: see [`Log::wanted`].
#[derive(Default)]
pub struct Glean {
    /// Of the segment.
    generation: Option<u64>,
    /// What is wanted of it; `None` where its tables are read.
    postings: Option<Vec<Posting>>,
}

fn whole<'a>(table: &'a FrameTable<'a>) -> Wanted<'a> {
    Wanted {
        base_offset: table.base_offset(),
        written_ms: table.written_ms(),
        entries: Entries::Table(table),
    }
}

/// Calls `f` with each run of neighbours that were written at once.
fn grouped(generation: u64, postings: &[Posting], f: &mut impl FnMut(&Wanted<'_>) -> bool) -> bool {
    let together =
        |a: &Posting, b: &Posting| a.offset + 1 == b.offset && a.written_ms == b.written_ms;
    postings.chunk_by(together).all(|run| {
        f(&Wanted {
            base_offset: run[0].offset,
            written_ms: run[0].written_ms,
            entries: Entries::List(generation, run),
        })
    })
}

/// A frame for someone who wants few of its events.
pub enum Few {
    /// It is in memory.
    Frame(Arc<Frame>),
    /// It is on disk; its table is checked, its texts are not read.
    Head(Head),
}

/// A frame on disk, without its texts.
pub struct Head {
    segment: Arc<Segment>,
    at: u64,
    header: FrameHeader,
    head: Box<[u8]>,
}

impl Head {
    fn table(&self) -> FrameTable<'_> {
        FrameTable::trusted(self.header, &self.head)
    }

    /// Bytes of the events' texts, separators included.
    fn text_len(&self, events: Range<u32>) -> usize {
        let table = self.table();
        let len = |i| table.entry(i).len as usize + SEPARATOR.len();
        events.map(len).sum()
    }
}

impl Few {
    /// The first event's offset.
    pub fn base_offset(&self) -> u64 {
        match self {
            Few::Frame(frame) => frame.base_offset(),
            Few::Head(head) => head.header.base_offset,
        }
    }

    /// The offset behind the last event's.
    pub fn end_offset(&self) -> u64 {
        match self {
            Few::Frame(frame) => frame.end_offset(),
            Few::Head(head) => head.header.end_offset(),
        }
    }

    /// Whether its texts are not in memory.
    pub fn is_head(&self) -> bool {
        matches!(self, Few::Head(_))
    }

    /// Bytes of all texts.
    pub fn text_len(&self) -> usize {
        match self {
            Few::Frame(frame) => frame.bytes().len(),
            Few::Head(head) => head.header.payload_len as usize,
        }
    }

    /// Bytes of these events' texts, separators included.
    ///
    /// # Panics
    /// When `events` reaches beyond the frame.
    pub fn len_of(&self, events: Range<u32>) -> usize {
        match self {
            Few::Frame(frame) => frame.range(events).len(),
            Few::Head(head) => head.text_len(events),
        }
    }

    /// Appends the texts of these events to `out`, each with its separator, reading no others. Calls
    /// `damaged` with each that fails its checksum, which is left out.
    ///
    /// # Errors
    /// Of the disk; `out` is as it was.
    ///
    /// # Panics
    /// When `events` reaches beyond the frame.
    pub fn texts(
        &self,
        log: &Log,
        events: Range<u32>,
        out: &mut Vec<u8>,
        mut damaged: impl FnMut(u32),
    ) -> Result<(), LogError> {
        let head = match self {
            Few::Head(head) => head,
            Few::Frame(frame) => {
                for i in events {
                    match frame.is_damaged(i) {
                        true => damaged(i),
                        false => out.extend_from_slice(&frame.bytes()[frame.range(i..i + 1)]),
                    }
                }
                return Ok(());
            }
        };
        let path = &head.segment.path;
        let file = log.open_segment(&head.segment)?;
        let skipped = head.text_len(0..events.start) + head.header.head_len();
        let (before, len) = (out.len(), head.text_len(events.clone()));
        out.resize(before + len, 0);
        match file.read_at(&mut out[before..], head.at + skipped as u64) {
            Ok(got) if got == len => {}
            other => {
                out.truncate(before);
                let short = std::io::ErrorKind::UnexpectedEof.into();
                return Err(LogError::io("read", path)(other.err().unwrap_or(short)));
            }
        }
        let table = head.table();
        let (mut from, mut to) = (before, before);
        for i in events {
            let entry = table.entry(i);
            let end = from + entry.len as usize + SEPARATOR.len();
            if is_intact(&out[from..end], entry.crc) {
                out.copy_within(from..end, to);
                to += end - from;
            } else {
                damaged(i);
                log.counters.damaged_events.fetch_add(1, Relaxed);
            }
            from = end;
        }
        out.truncate(to);
        Ok(())
    }
}
