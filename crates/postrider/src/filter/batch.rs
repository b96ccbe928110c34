//! The events on their way through the filters.
//!
//! Texts stay where they are, in buffers that the batch only reads; what filters made is in one of its own. While a
//! filter has the batch it is shared and nobody changes it; what the filter did is applied in between.
//! Every text has the separator behind it that the log wants, so that it is copied once, into the next frame.

use super::selection::Selection;
use crate::crc;
use crate::event::{Entry, SEPARATOR};
use std::num::NonZeroU32;
use std::sync::Arc;

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

/// What texts are read from.
pub type Buffer = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Where a text begins.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// [`OWN`], or one of those that the batch was given.
    buffer: u32,
    at: u32,
}

/// The buffer of what filters made.
const OWN: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Item {
    entry: Entry,
    place: Place,
    /// What it was before a filter changed it: a place in `before`, counted from 1.
    before: Option<NonZeroU32>,
    /// Who dropped or held it: a place in `names`.
    by: u32,
    fate: Fate,
    /// Its text may not be UTF-8: filters do not see it.
    unread: bool,
}

/// The events on their way through the filters.
#[derive(Clone, Default)]
pub struct Batch {
    items: Vec<Item>,
    given: Vec<Buffer>,
    own: Vec<u8>,
    pushed: u32,
    touched: bool,
    unread: bool,
    before: Vec<(Entry, Place)>,
    /// The filters that dropped or held events.
    names: Vec<String>,
}

impl Batch {
    /// An empty one with room for so many events.
    pub fn with_capacity(events: usize) -> Batch {
        Batch {
            items: Vec::with_capacity(events),
            ..Batch::default()
        }
    }

    /// Gives the batch a buffer with texts, each followed by the log's separator; what [`push`](Self::push) calls it.
    pub fn read(&mut self, texts: Buffer) -> u32 {
        self.given.push(texts);
        self.given.len() as u32 - 1
    }

    /// Takes an event: its text, which begins at `at` of the buffer, is UTF-8 where `trusted`, else is looked at.
    ///
    /// # Panics
    /// There is no such buffer, or the text does not end in it.
    pub fn push(&mut self, entry: &Entry, buffer: u32, at: usize, trusted: bool) {
        let texts = (*self.given[buffer as usize]).as_ref();
        let whole = &texts[at..][..entry.len as usize + SEPARATOR.len()];
        debug_assert!(whole.ends_with(SEPARATOR));
        let unread = !trusted && str::from_utf8(&whole[..entry.len as usize]).is_err();
        self.unread |= unread;
        let place = Place {
            buffer,
            at: at as u32,
        };
        self.items.push(Item {
            unread,
            ..Item::new(*entry, place)
        });
        self.pushed = self.items.len() as u32;
    }

    /// Takes an event whose text, which is UTF-8, is copied.
    pub fn push_copy(&mut self, entry: &Entry, text: &[u8]) {
        self.put(*entry, text);
        self.pushed = self.items.len() as u32;
    }

    fn put(&mut self, entry: Entry, text: &[u8]) {
        let place = Place {
            buffer: OWN,
            at: self.own.len() as u32,
        };
        self.own.extend_from_slice(text);
        self.own.extend_from_slice(SEPARATOR);
        let len = text.len() as u32;
        self.items.push(Item::new(Entry { len, ..entry }, place));
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
        let text = self.text_and_separator(i);
        &text[..text.len() - SEPARATOR.len()]
    }

    /// The text of event `i` with the separator that the log wants behind it.
    pub fn text_and_separator(&self, i: usize) -> &[u8] {
        let Item { entry, place, .. } = &self.items[i];
        let len = entry.len as usize + SEPARATOR.len();
        &self.buffer(place.buffer)[place.at as usize..][..len]
    }

    /// Takes those events out of `picked` that filters cannot be shown.
    pub(super) fn pick_out_unread(&self, picked: &mut Vec<u32>) -> Option<Vec<u32>> {
        if !self.unread {
            return None;
        }
        let unread = |&i: &u32| self.items[i as usize].unread;
        let (bad, good) = picked.iter().partition(|&i| unread(i));
        *picked = good;
        Some(bad)
    }

    /// What is known of these events, and their texts.
    pub(super) fn shown<'a>(
        &'a self,
        picked: &'a [u32],
    ) -> impl Iterator<Item = (&'a Entry, &'a [u8])> {
        // Most of them lie in the same buffer.
        let mut texts = (OWN, &self.own[..]);
        picked.iter().map(move |&i| {
            let Item { entry, place, .. } = &self.items[i as usize];
            if place.buffer != texts.0 {
                texts = (place.buffer, self.buffer(place.buffer));
            }
            let text = &texts.1[place.at as usize..][..entry.len as usize];
            (entry, text)
        })
    }

    /// Live events that `selection` takes.
    pub(super) fn pick(&self, selection: &Selection, out: &mut Vec<u32>) {
        out.clear();
        out.reserve(self.items.len());
        let takes = |item: &Item| item.fate == Fate::Live && selection.takes(&item.entry);
        out.extend(
            (0_u32..)
                .zip(&self.items)
                .filter(|(_, item)| takes(item))
                .map(|(i, _)| i),
        );
    }

    fn buffer(&self, buffer: u32) -> &[u8] {
        match buffer {
            OWN => &self.own,
            given => (*self.given[given as usize]).as_ref(),
        }
    }

    /// Gives event `i` another text, which `write` appends to what it is given, and another entry.
    pub(super) fn replace(
        &mut self,
        i: usize,
        subaccount: u32,
        write: impl FnOnce(&[u8], &mut Vec<u8>),
    ) {
        let item = self.items[i];
        let at = self.own.len();
        if item.place.buffer == OWN {
            let before = self.text(i).to_vec();
            write(&before, &mut self.own);
        } else {
            let mut own = std::mem::take(&mut self.own);
            write(self.text(i), &mut own);
            self.own = own;
        }
        let text = &self.own[at..];
        let (len, crc) = (text.len() as u32, crc::of(text));
        self.own.extend_from_slice(SEPARATOR);
        if item.before.is_none() {
            self.before.push((item.entry, item.place));
        }
        let before = item
            .before
            .or_else(|| NonZeroU32::new(self.before.len() as u32));
        self.items[i] = Item {
            entry: Entry {
                len,
                crc,
                subaccount,
                ..item.entry
            },
            place: Place {
                buffer: OWN,
                at: at as u32,
            },
            before,
            ..item
        };
        self.touched = true;
    }

    /// Adds an event.
    pub(super) fn add(&mut self, entry: Entry, text: &[u8]) {
        self.put(entry, text);
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
        if let Some(before) = item.before {
            (item.entry, item.place) = self.before[before.get() as usize - 1];
        }
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
}

impl Item {
    fn new(entry: Entry, place: Place) -> Item {
        Item {
            entry,
            place,
            before: None,
            by: 0,
            fate: Fate::Live,
            unread: false,
        }
    }
}
