//! Which offsets a search must look at.
//!
//! The answer may name too much, never too little: whoever searches reads the events there and looks for
//! itself. What is not indexed yet, as the segment being written, is always named.

use super::handle::Log;
use super::index::summary::{Key, stretches_with};
use super::index::{self, Front, OTHER_SUBACCOUNTS};
use crate::fs::File;
use crate::time::UnixMillis;
use std::ops::Range;

/// What the events must have that a search looks for.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Their `timestamp`.
    pub times_ms: Option<Range<UnixMillis>>,
    /// One of these types; none: any.
    pub types: Vec<u16>,
    /// One of these subaccounts; none: any.
    pub subaccounts: Vec<u32>,
    /// Of each list one of the keys.
    pub keys: Vec<Vec<Key>>,
}

impl Log {
    /// Stretches of offsets from `from` on, ascending and disjoint, outside of which no event can match. On
    /// disk; a log in memory names all that it has.
    pub fn candidates(&self, search: &Search, from: u64) -> Vec<Range<u64>> {
        let (segments, next) = {
            let state = self.state();
            (state.segments.clone(), self.written.load())
        };
        let mut found: Vec<Range<u64>> = Vec::new();
        let mut add = |range: Range<u64>| {
            let range = range.start.max(from)..range.end.min(next);
            match found.last_mut() {
                _ if range.is_empty() => {}
                Some(last) if last.end == range.start => last.end = range.end,
                _ => found.push(range),
            }
        };
        if self.dir.is_none() {
            add(self.first_offset()..next);
        }
        for segment in &segments {
            let (end, indexed) = {
                let state = segment.state();
                let last = state.extent.end_offset;
                (if state.sealed { last } else { next }, state.indexed)
            };
            if end <= from {
                continue;
            }
            let read = || index::read(&*self.config.fs, &segment.path, &segment.header);
            match indexed.then(read).flatten() {
                Some((front, file)) => search.in_segment(&front, &*file, &mut add),
                None => add(segment.base_offset()..end),
            }
        }
        found
    }
}

impl Search {
    fn in_segment(&self, front: &Front, file: &dyn File, add: &mut impl FnMut(Range<u64>)) {
        let wanted = |&(type_id, subaccount): &(u16, u32)| {
            (self.types.is_empty() || self.types.contains(&type_id))
                && (self.subaccounts.is_empty()
                    || subaccount == OTHER_SUBACCOUNTS
                    || self.subaccounts.contains(&subaccount))
        };
        let during = |(least, greatest): (UnixMillis, UnixMillis)| {
            self.times_ms
                .as_ref()
                .is_none_or(|t| least < t.end && greatest >= t.start)
        };
        let any = front.counts.iter().any(|(pair, _)| wanted(pair));
        if !any || !front.times_ms.is_some_and(during) {
            return;
        }
        let mut here: Vec<bool> = front.stretches.iter().map(|s| during(s.times_ms)).collect();
        for any_of in &self.keys {
            if !here.contains(&true) {
                return;
            }
            let with = stretches_with(front, file, any_of);
            here.iter_mut()
                .zip(with)
                .for_each(|(here, with)| *here &= with);
        }
        let ends = front.stretches.iter().skip(1).map(|s| s.offset);
        let ends = ends.chain([front.extent.end_offset]);
        for ((stretch, end), _) in front
            .stretches
            .iter()
            .zip(ends)
            .zip(&here)
            .filter(|(_, h)| **h)
        {
            add(stretch.offset..end);
        }
    }
}
