//! From a frame's table to runs.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::{Run, Scope, Selection, TypeSet};
use crate::event::{Entry, MAX_TYPES};
use crate::time::Instant;

/// Bytes that follow each event in the log and in a body.
const SEPARATOR: u32 = crate::event::SEPARATOR.len() as u32;

/// A set of webhooks indexed by what they want; slots are the caller's numbers for them.
///
/// Immutable but for its scratch memory, so routing allocates nothing once that has grown.
#[derive(Debug)]
pub struct Router {
    takers: Vec<Taker>,
    /// By type: takers that are not bound to one subaccount.
    wide: Box<[Vec<u32>]>,
    /// By subaccount: takers bound to it.
    narrow: BySubaccount<Vec<u32>>,
    wanted: TypeSet,
    /// Takers with an unfinished run in the frame being routed.
    touched: Vec<u32>,
    /// Counts frames; a taker is looked at once per frame.
    round: u64,
}

/// Things found by the number of a subaccount.
pub(crate) type BySubaccount<T> = HashMap<u32, T, BuildHasherDefault<Mix>>;

#[derive(Debug)]
struct Taker {
    slot: u32,
    selection: Arc<Selection>,
    /// The round that last decided on this taker, and what it decided.
    round: u64,
    picks: bool,
    run: Run,
}

/// What is in a frame, as far as it decides for whole webhooks.
struct Summary {
    types: TypeSet,
    /// Some events have a type that is in no set.
    strays: bool,
    /// All events are of this one subaccount.
    subaccount: Option<u32>,
    run: Run,
}

/// How much of a frame a webhook wants.
enum Share {
    None,
    Some,
    All,
}

impl Router {
    /// Indexes webhooks. Those that select nothing cost nothing.
    pub fn new(webhooks: impl IntoIterator<Item = (u32, Arc<Selection>)>) -> Router {
        let mut wide = vec![Vec::new(); MAX_TYPES].into_boxed_slice();
        let mut narrow = BySubaccount::<Vec<u32>>::default();
        let mut wanted = TypeSet::EMPTY;
        let mut takers = Vec::new();
        for (slot, selection) in webhooks {
            let at = takers.len() as u32;
            wanted.union(&selection.types);
            match selection.scope {
                _ if selection.types.is_empty() => continue,
                Scope::One(subaccount) => narrow.entry(subaccount).or_default().push(at),
                _ => selection
                    .types
                    .iter()
                    .for_each(|t| wide[usize::from(t)].push(at)),
            }
            takers.push(Taker {
                slot,
                selection,
                round: 0,
                picks: false,
                run: NO_RUN,
            });
        }
        Router {
            takers,
            wide,
            narrow,
            wanted,
            touched: Vec::new(),
            round: 0,
        }
    }

    /// All types that any of the webhooks asks for.
    pub fn wanted(&self) -> &TypeSet {
        &self.wanted
    }

    /// About how many webhooks an event is compared with at most.
    pub(crate) fn most_takers(&self) -> usize {
        let wide = self.wide.iter().map(Vec::len).max().unwrap_or(0);
        wide + self.narrow.values().map(Vec::len).max().unwrap_or(0)
    }

    /// Routes neighbouring events that begin where the empty run `at` says: calls `take` with each
    /// slot and run, per slot in the order of offsets.
    pub fn route<E>(&mut self, at: Run, entries: E, mut take: impl FnMut(u32, Run))
    where
        E: Iterator<Item = Entry> + Clone,
    {
        if self.takers.is_empty() {
            return;
        }
        let mut all = entries.clone();
        if let (Some(entry), None) = (all.next(), all.next()) {
            return self.route_one(at, entry, take);
        }
        let summary = Summary::of(at, entries.clone());
        if summary.run.count == 0 {
            return;
        }
        self.round += 1;
        let picking = self.decide(&summary, &mut take);
        if picking || !self.narrow.is_empty() {
            self.pick(at, entries, &mut take);
        }
    }

    /// Routes an event that has no neighbours, as those have that posting lists tell of.
    fn route_one(&self, at: Run, entry: Entry, mut take: impl FnMut(u32, Run)) {
        let run = Run {
            count: 1,
            bytes: entry.len + SEPARATOR,
            ..at
        };
        let wide = self.wide.get(usize::from(entry.type_id));
        let narrow = self.narrow.get(&entry.subaccount);
        for &at in wide.into_iter().chain(narrow).flatten() {
            let taker = &self.takers[at as usize];
            if taker.selection.wants(entry.type_id, entry.subaccount) {
                take(taker.slot, run);
            }
        }
    }

    /// Settles the webhooks that want all or nothing of the frame; says whether others are left.
    fn decide(&mut self, frame: &Summary, take: &mut impl FnMut(u32, Run)) -> bool {
        let mut picking = false;
        for type_id in frame.types.iter() {
            for &at in &self.wide[usize::from(type_id)] {
                let taker = &mut self.takers[at as usize];
                if taker.round == self.round {
                    continue;
                }
                taker.round = self.round;
                let share = frame.share(&taker.selection);
                taker.picks = matches!(share, Share::Some);
                picking |= taker.picks;
                if matches!(share, Share::All) {
                    take(taker.slot, frame.run);
                }
            }
        }
        picking
    }

    /// Goes event by event for the webhooks that want a part of the frame.
    fn pick<E>(&mut self, start: Run, entries: E, take: &mut impl FnMut(u32, Run))
    where
        E: Iterator<Item = Entry>,
    {
        let Router {
            takers,
            wide,
            narrow,
            touched,
            round,
            ..
        } = self;
        for (first, entry) in (start.first..).zip(entries) {
            let event = Run {
                first,
                count: 1,
                bytes: entry.len + SEPARATOR,
                ..start
            };
            let wide = wide.get(usize::from(entry.type_id)).into_iter().flatten();
            for &at in wide {
                let taker = &mut takers[at as usize];
                if taker.picks
                    && taker.round == *round
                    && taker.selection.scope.admits(entry.subaccount)
                {
                    taker.add(at, event, touched, take);
                }
            }
            if narrow.is_empty() {
                continue;
            }
            for &at in narrow.get(&entry.subaccount).into_iter().flatten() {
                let taker = &mut takers[at as usize];
                if taker.selection.types.contains(entry.type_id) {
                    taker.add(at, event, touched, take);
                }
            }
        }
        for at in touched.drain(..) {
            let taker = &mut takers[at as usize];
            take(taker.slot, std::mem::replace(&mut taker.run, NO_RUN));
        }
    }
}

const NO_RUN: Run = Run::empty(0, Instant(0), 0);

impl Taker {
    /// Adds an event to this taker's run, or ends that run and begins another.
    #[inline]
    fn add(
        &mut self,
        at: u32,
        event: Run,
        touched: &mut Vec<u32>,
        take: &mut impl FnMut(u32, Run),
    ) {
        if self.run.count == 0 {
            touched.push(at);
            self.run = event;
        } else if !self.run.join(&event) {
            take(self.slot, std::mem::replace(&mut self.run, event));
        }
    }
}

impl Summary {
    fn of(at: Run, entries: impl Iterator<Item = Entry>) -> Summary {
        let (mut types, mut last_type, mut strays) = (TypeSet::EMPTY, None, false);
        let (mut low, mut high) = (u32::MAX, 0);
        let (mut count, mut bytes) = (0, 0);
        for entry in entries {
            // Events of one type come in rows; the set is touched once per row.
            if last_type != Some(entry.type_id) {
                types.insert(entry.type_id);
                strays |= usize::from(entry.type_id) >= MAX_TYPES;
                last_type = Some(entry.type_id);
            }
            low = low.min(entry.subaccount);
            high = high.max(entry.subaccount);
            count += 1;
            bytes += entry.len + SEPARATOR;
        }
        let run = Run { count, bytes, ..at };
        Summary {
            types,
            strays,
            subaccount: (low == high).then_some(low),
            run,
        }
    }

    fn share(&self, selection: &Selection) -> Share {
        let scope = match (&selection.scope, self.subaccount) {
            (scope, Some(subaccount)) => Some(scope.admits(subaccount)),
            (Scope::All { except }, None) if except.is_empty() => Some(true),
            _ => None,
        };
        match (scope, !self.strays && selection.types.covers(&self.types)) {
            (Some(false), _) => Share::None,
            (Some(true), true) => Share::All,
            _ => Share::Some,
        }
    }
}

/// Hashes subaccount numbers: one multiplication. They are the operator's own, so nobody is there
/// to craft collisions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&b| self.write_u32(u32::from(b)));
    }
    fn write_u32(&mut self, n: u32) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(n)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

#[cfg(test)]
mod tests;
