//! Reading for those who want few events: what is wanted from posting lists, and of a frame only the
//! texts that are asked for.

use super::error::LogError;
use super::format::FrameHeader;
use super::frame::{Frame, FrameTable};
use super::handle::Log;
use super::index::{self, Count, postings};
use super::read::Place;
use super::segment::Segment;
use super::walk::Walk;
use crate::crc;
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
    List(&'a [Entry]),
}

impl Wanted<'_> {
    /// How many events.
    pub fn count(&self) -> u32 {
        match &self.entries {
            Entries::Table(table) => table.count(),
            Entries::List(list) => list.len() as u32,
        }
    }

    /// Whether they are a whole frame, wanted or not.
    pub fn is_frame(&self) -> bool {
        matches!(self.entries, Entries::Table(_))
    }

    /// Event `i`. Out of a posting list it has length, type and subaccount; time and checksum are zero.
    ///
    /// # Panics
    /// When `i` is not below [`count`](Self::count).
    pub fn entry(&self, i: u32) -> Entry {
        match &self.entries {
            Entries::Table(table) => table.entry(i),
            Entries::List(list) => list[i as usize],
        }
    }
}

impl Log {
    /// Calls `f` with all events from `from` on that `wants` (type, subaccount), in order and without reading
    /// text, until it answers `false`. In segments where most are unwanted it sees those wanted alone,
    /// elsewhere their neighbours too.
    ///
    /// # Errors
    /// Of the disk.
    pub fn wanted(
        &self,
        from: u64,
        wants: &dyn Fn(u16, u32) -> bool,
        mut f: impl FnMut(&Wanted<'_>) -> bool,
    ) -> Result<(), LogError> {
        let mut next = from;
        loop {
            match self.place(next, u64::MAX, true) {
                Place::End => return Ok(()),
                Place::Tail(frames) => {
                    frames.iter().all(|frame| f(&whole(&FrameTable::of(frame))));
                    return Ok(());
                }
                Place::Disk(segment) => {
                    let end = match self.sparse(&segment, next, wants) {
                        Some((postings, end)) => grouped(&postings, &mut f).then_some(end),
                        None => self.segment_tables(&segment, next, &mut |t| f(&whole(t)))?,
                    };
                    match end {
                        Some(end) => next = end,
                        None => return Ok(()),
                    }
                }
            }
        }
    }

    /// What is wanted of a segment, where its index can tell and that is little; and its end.
    fn sparse(
        &self,
        segment: &Segment,
        from: u64,
        wants: &dyn Fn(u16, u32) -> bool,
    ) -> Option<(Vec<postings::Posting>, u64)> {
        let indexed = segment.state().indexed;
        let read = || index::read(&*self.config.fs, &segment.path, &segment.header);
        let (front, file) = indexed.then(read)??;
        let counts = front.contents.counts.iter();
        let of = |(_, count): (&(u16, u32), &Count)| u64::from(count.events);
        let all: u64 = counts.clone().map(of).sum();
        let some: u64 = counts.filter(|((t, s), _)| wants(*t, *s)).map(of).sum();
        if some * SPARSE > all {
            return None;
        }
        let postings = postings::wanted(&front, &*file, from, wants)?;
        self.counters.postings_read.fetch_add(1, Relaxed);
        Some((postings, front.extent.end_offset))
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

fn whole<'a>(table: &'a FrameTable<'a>) -> Wanted<'a> {
    Wanted {
        base_offset: table.base_offset(),
        written_ms: table.written_ms(),
        entries: Entries::Table(table),
    }
}

/// Calls `f` with each run of neighbours that were written at once.
fn grouped(postings: &[postings::Posting], f: &mut impl FnMut(&Wanted<'_>) -> bool) -> bool {
    let mut entries = Vec::new();
    let together = |a: &postings::Posting, b: &postings::Posting| {
        a.offset + 1 == b.offset && a.written_ms == b.written_ms
    };
    postings.chunk_by(together).all(|run| {
        entries.clear();
        entries.extend(run.iter().map(|p| Entry {
            len: p.len,
            type_id: p.type_id,
            subaccount: p.subaccount,
            ..Entry::default()
        }));
        f(&Wanted {
            base_offset: run[0].offset,
            written_ms: run[0].written_ms,
            entries: Entries::List(&entries),
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
            let text = &out[from..end];
            let good =
                text.ends_with(SEPARATOR) && crc::of(&text[..entry.len as usize]) == entry.crc;
            if good {
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
