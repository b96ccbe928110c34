//! The events on their way through the filters.
//!
//! Texts lie in two buffers: as they came, and as filters made them. While a filter has the batch it is shared and nobody
//! changes it; what the filter did is applied in between.

use super::selection::Selection;
use crate::crc;
use crate::event::{Entry, SEPARATOR};

/// What has become of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Live,
    /// A filter dropped it.
    Dropped,
    /// It is to be logged as it came, and not delivered.
    Held,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    made: bool,
    at: usize,
    len: u32,
}

#[derive(Clone, Debug)]
struct Item {
    entry: Entry,
    place: Place,
    came: (Entry, Place),
    fate: Fate,
    /// Who dropped or held it: a place in `names`.
    by: u32,
    /// Its text may not be UTF-8: filters do not see it.
    unread: bool,
}

/// The events on their way through the filters.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    items: Vec<Item>,
    came: Vec<u8>,
    made: Vec<u8>,
    pushed: u32,
    touched: bool,
    /// The filters that dropped or held events.
    names: Vec<String>,
}

impl Batch {
    /// Takes an event: its text, which is UTF-8 where `trusted`, else is looked at.
    pub fn push(&mut self, entry: &Entry, text: &[u8], trusted: bool) {
        let place = Place {
            made: false,
            at: self.came.len(),
            len: text.len() as u32,
        };
        self.came.extend_from_slice(text);
        self.items.push(Item {
            entry: *entry,
            place,
            came: (*entry, place),
            fate: Fate::Live,
            by: 0,
            unread: !trusted && str::from_utf8(text).is_err(),
        });
        self.pushed = self.items.len() as u32;
    }

    /// How many events, dropped and added ones included.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many were pushed; those behind them were added by filters.
    pub fn pushed(&self) -> usize {
        self.pushed as usize
    }

    /// Whether any event is not as it came, or one was added.
    pub fn is_touched(&self) -> bool {
        self.touched
    }

    /// What has become of event `i`.
    pub fn fate(&self, i: usize) -> Fate {
        self.items[i].fate
    }

    /// The filter that dropped or held event `i`.
    pub fn by(&self, i: usize) -> Option<&str> {
        let item = &self.items[i];
        let name = self.names.get(item.by as usize)?;
        (item.fate != Fate::Live).then_some(name)
    }

    /// What the engine knows of event `i`.
    pub fn entry(&self, i: usize) -> &Entry {
        &self.items[i].entry
    }

    /// The text of event `i`.
    pub fn text(&self, i: usize) -> &[u8] {
        self.slice(self.items[i].place)
    }

    /// Takes those events out of `picked` that filters cannot be shown.
    pub(super) fn pick_out_unread(&self, picked: &mut Vec<u32>) -> Option<Vec<u32>> {
        let unread = |&i: &u32| self.items[i as usize].unread;
        if !picked.iter().any(unread) {
            return None;
        }
        let (bad, good) = picked.iter().partition(|&i| unread(i));
        *picked = good;
        Some(bad)
    }

    /// Live events that `selection` takes.
    pub(super) fn pick(&self, selection: &Selection, out: &mut Vec<u32>) {
        out.clear();
        let takes = |item: &Item| item.fate == Fate::Live && selection.takes(&item.entry);
        out.extend(
            (0_u32..)
                .zip(&self.items)
                .filter(|(_, item)| takes(item))
                .map(|(i, _)| i),
        );
    }

    fn slice(&self, place: Place) -> &[u8] {
        let bytes = if place.made { &self.made } else { &self.came };
        &bytes[place.at..][..place.len as usize]
    }

    /// Gives event `i` another text, which `write` appends to what it is given, and another entry.
    pub(super) fn replace(
        &mut self,
        i: usize,
        subaccount: u32,
        write: impl FnOnce(&[u8], &mut Vec<u8>),
    ) {
        let Batch {
            items, came, made, ..
        } = self;
        let item = &mut items[i];
        let at = made.len();
        match item.place {
            Place {
                made: false,
                at,
                len,
            } => write(&came[at..][..len as usize], made),
            Place { at, len, .. } => {
                let before = made[at..][..len as usize].to_vec();
                write(&before, made);
            }
        }
        let text = &made[at..];
        item.place = Place {
            made: true,
            at,
            len: text.len() as u32,
        };
        item.entry.len = text.len() as u32;
        item.entry.crc = crc::of(text);
        item.entry.subaccount = subaccount;
        self.touched = true;
    }

    /// Adds an event.
    pub(super) fn add(&mut self, entry: Entry, text: &[u8]) {
        let place = Place {
            made: true,
            at: self.made.len(),
            len: text.len() as u32,
        };
        self.made.extend_from_slice(text);
        self.items.push(Item {
            entry,
            place,
            came: (entry, place),
            fate: Fate::Live,
            by: 0,
            unread: false,
        });
        self.touched = true;
    }

    pub(super) fn drop_event(&mut self, i: usize) {
        self.items[i].fate = Fate::Dropped;
        self.touched = true;
    }

    /// Holds an event as it came: when it is released, every filter sees it again.
    pub(super) fn hold(&mut self, i: usize) {
        let item = &mut self.items[i];
        item.fate = Fate::Held;
        (item.entry, item.place) = item.came;
        self.touched = true;
    }

    /// Says that the filter `name` dropped or held event `i`.
    pub(super) fn blame(&mut self, i: usize, name: &str) {
        let known = self.names.iter().rposition(|known| known == name);
        let by = known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        self.items[i].by = by as u32;
    }

    /// The text of event `i` with the separator that the log wants behind it, in `scratch`.
    pub fn text_and_separator<'a>(&self, i: usize, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        scratch.clear();
        scratch.extend_from_slice(self.text(i));
        scratch.extend_from_slice(SEPARATOR);
        scratch
    }
}
