//! Search: the events of the log that fit a query, newest first.
//!
//! There is no second store: a search reads the log backwards from where it stood, segment by segment, and
//! within one forwards, which is how frames lie. What a segment's index says keeps it from reading
//! segments that can hold no match, and an event's table entry (type, subaccount, time) keeps it from
//! looking at texts. Of texts it first looks for the value beside its field's name, and takes only those
//! apart that have it.
//!
//! Order is that of the log: the order in which events were written. So a page ends at an offset, and the
//! next one begins below it: events that arrive meanwhile shift nothing, and each event of the range is
//! shown once.

mod filter;
#[cfg(test)]
mod tests;

pub use filter::{Filter, Match};

use crate::event::{Entry, TypeId};
use crate::log::{Frame, Log, LogError, Search};
use crate::time::UnixMillis;
use std::collections::VecDeque;
use std::ops::Range;

/// Matches are counted up to this many; beyond, their number is a lower bound.
pub const COUNTED: u64 = 100_000;

/// A page ends early when it has this many bytes of text, so that a page of long events fits in memory.
const PAGE_BYTES: usize = 32 << 20;

/// What is read of the log at once.
const READ_BYTES: usize = 4 << 20;

/// What to look for. Everything that is named must hold.
#[derive(Clone, Debug)]
pub struct Query {
    /// The event's time, in Unix milliseconds: from the start, before the end.
    pub times_ms: Range<UnixMillis>,
    /// Of one of these types.
    pub types: Vec<TypeId>,
    /// Of one of these subaccounts, 0 being the primary account; `None`: of any.
    pub subaccounts: Option<Vec<u32>>,
    /// What its fields must hold.
    pub filters: Vec<Filter>,
    /// Only events below this offset: where the page before ended. `u64::MAX` at first.
    pub below: u64,
    /// Matches to pass over first.
    pub skip: u64,
    /// The most events of the page.
    pub limit: usize,
    /// Whether to go on behind the page to count all matches, up to [`COUNTED`].
    pub count: bool,
}

/// A match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its place in the log.
    pub offset: u64,
    /// What the log's table knows of it.
    pub entry: Entry,
    /// Its JSON, in its envelope.
    pub text: Vec<u8>,
}

impl Hit {
    fn is_fetched(&self) -> bool {
        self.text.len() == self.entry.len as usize
    }
}

/// A page of matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub hits: Vec<Hit>,
    /// The matches found below [`Query::below`], page and passed over ones included.
    pub found: u64,
    /// Whether `found` is all there are.
    pub complete: bool,
    /// Whether more matches follow behind the page.
    pub more: bool,
    /// Where to go on: the next page's [`Query::below`].
    pub next_below: u64,
}

/// Reads the log for what fits `query`. It takes as long as the reading does: call it from a thread that
/// may wait.
///
/// # Errors
/// Of the disk.
pub fn search(log: &Log, query: &Query) -> Result<Page, LogError> {
    let mut page = Gathered::of(query);
    let below = query.below.min(log.next_offset());
    for unit in units(log, query, below) {
        if page.is_done() {
            break;
        }
        let mut matches = Matches::new(page.wants(), query.skip == 0);
        scan(log, query, unit, &mut matches)?;
        page.take(matches);
    }
    let mut page = page.into_page();
    fetch(log, &mut page.hits)?;
    Ok(page)
}

/// Reads the texts of hits that come without: where others are passed over first, only at the end is
/// it known whose texts are wanted. One that has gone meanwhile is left out.
fn fetch(log: &Log, hits: &mut Vec<Hit>) -> Result<(), LogError> {
    let mut near: Vec<std::sync::Arc<Frame>> = Vec::new();
    for hit in hits.iter_mut().filter(|hit| !hit.is_fetched()) {
        let holds =
            |f: &std::sync::Arc<Frame>| (f.base_offset()..f.end_offset()).contains(&hit.offset);
        if !near.iter().any(holds) {
            near = log.read(hit.offset, 1)?;
        }
        if let Some(frame) = near.iter().find(|f| holds(f)) {
            let i = (hit.offset - frame.base_offset()) as u32;
            let text = &frame.bytes()[frame.range(i..i + 1)];
            hit.text = text[..hit.entry.len as usize].to_owned();
        }
    }
    hits.retain(Hit::is_fetched);
    Ok(())
}

/// The stretches of the log that can hold a match, newest first, none longer than a segment.
fn units(log: &Log, query: &Query, below: u64) -> Vec<Range<u64>> {
    let wanted = Search {
        times_ms: Some(query.times_ms.clone()),
        types: query.types.iter().map(|ty| ty.0).collect(),
        subaccounts: query.subaccounts.clone().unwrap_or_default(),
        keys: query.filters.iter().flat_map(Filter::keys).collect(),
    };
    let segments = log.segments();
    let mut units = Vec::new();
    for range in log.candidates(&wanted, 0) {
        let end = range.end.min(below);
        let mut start = range.start;
        let inside = segments.iter().map(|s| s.base_offset);
        for base in inside.filter(|base| range.start < *base && *base < end) {
            units.push(start..base);
            start = base;
        }
        if start < end {
            units.push(start..end);
        }
    }
    units.reverse();
    units
}

/// Reads the events of `unit`, oldest first.
fn scan(log: &Log, query: &Query, unit: Range<u64>, matches: &mut Matches) -> Result<(), LogError> {
    let mut next = unit.start;
    while next < unit.end {
        let frames = log.read(next, READ_BYTES)?;
        let Some(last) = frames.last() else {
            return Ok(());
        };
        next = last.end_offset();
        for frame in &frames {
            scan_frame(frame, query, &unit, matches);
        }
    }
    Ok(())
}

fn scan_frame(frame: &Frame, query: &Query, unit: &Range<u64>, matches: &mut Matches) {
    let base = frame.base_offset();
    for i in 0..frame.count() {
        let offset = base + u64::from(i);
        if !unit.contains(&offset) || frame.is_damaged(i) {
            continue;
        }
        let entry = frame.entry(i);
        let of_account = |all: &Vec<u32>| all.contains(&entry.subaccount);
        let fits = query.times_ms.contains(&entry.time_ms)
            && query.types.contains(&TypeId(entry.type_id))
            && query.subaccounts.as_ref().is_none_or(of_account);
        if !fits {
            continue;
        }
        let text = &frame.bytes()[frame.range(i..i + 1)];
        let text = &text[..entry.len as usize];
        if filter::all_match(&query.filters, text) {
            matches.add(offset, entry, text);
        }
    }
}

/// The matches of one unit: how many there are, and the newest of them that the page still has room for.
struct Matches {
    wanted: usize,
    count: u64,
    newest: VecDeque<Hit>,
    /// Whether to keep texts, and the bytes of those that are kept.
    texts: bool,
    bytes: usize,
}

impl Matches {
    fn new(wanted: usize, texts: bool) -> Matches {
        Matches {
            wanted,
            count: 0,
            newest: VecDeque::new(),
            texts,
            bytes: 0,
        }
    }

    fn add(&mut self, offset: u64, entry: Entry, text: &[u8]) {
        self.count += 1;
        if self.wanted == 0 {
            return;
        }
        let text = if self.texts {
            text.to_owned()
        } else {
            Vec::new()
        };
        self.bytes += text.len();
        self.newest.push_back(Hit {
            offset,
            entry,
            text,
        });
        while self.newest.len() > self.wanted || (self.bytes > PAGE_BYTES && self.newest.len() > 1)
        {
            let oldest = self.newest.pop_front();
            self.bytes -= oldest.map_or(0, |hit| hit.text.len());
        }
    }
}

/// The page as it fills.
struct Gathered<'q> {
    query: &'q Query,
    hits: Vec<Hit>,
    bytes: usize,
    /// Still to be passed over.
    skip: u64,
    found: u64,
    /// No more fits, or the page is to end here.
    full: bool,
    /// Something was found that is not in the page.
    more: bool,
    stopped: bool,
}

impl<'q> Gathered<'q> {
    fn of(query: &'q Query) -> Gathered<'q> {
        Gathered {
            query,
            hits: Vec::new(),
            bytes: 0,
            skip: query.skip,
            found: 0,
            full: query.limit == 0,
            more: false,
            stopped: false,
        }
    }

    /// How many of the next unit's newest matches to keep; those to be passed over are among them.
    fn wants(&self) -> usize {
        match self.full {
            true => 0,
            false => (self.query.limit - self.hits.len())
                .saturating_add(usize::try_from(self.skip).unwrap_or(usize::MAX)),
        }
    }

    fn is_done(&mut self) -> bool {
        let counted = !self.query.count || self.found >= COUNTED;
        let done = self.full && self.more && counted;
        self.stopped |= done;
        done
    }

    fn take(&mut self, matches: Matches) {
        self.found += matches.count;
        let mut left = matches.count;
        for hit in matches.newest.into_iter().rev() {
            if self.full {
                break;
            }
            left -= 1;
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            self.bytes += hit.entry.len as usize;
            self.hits.push(hit);
            self.full = self.hits.len() == self.query.limit || self.bytes >= PAGE_BYTES;
        }
        // What did not fit: the page has to end, or the next unit's would come before it.
        if left > 0 {
            self.full = true;
            self.more = true;
        }
    }

    fn into_page(self) -> Page {
        Page {
            next_below: self.hits.last().map_or(self.query.below, |hit| hit.offset),
            found: self.found.min(COUNTED.max(self.hits.len() as u64)),
            complete: !self.stopped && self.found <= COUNTED,
            more: self.more,
            hits: self.hits,
        }
    }
}
