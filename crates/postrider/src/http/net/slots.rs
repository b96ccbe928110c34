//! Numbered places for connections: the number is the token under which the kernel reports them.
//!
//! A number is used again. An event may therefore reach a later connection than it was meant for,
//! which is why everything that handles events takes them as hints.

/// Places that are empty, filled, or reserved while what they hold is being worked on.
#[derive(Debug)]
pub(super) struct Slots<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Slots<T> {
    pub(super) fn new() -> Self {
        Slots {
            places: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Reserves a place.
    pub(super) fn reserve(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        })
    }

    /// What is there.
    pub(super) fn get(&self, slot: usize) -> Option<&T> {
        self.places.get(slot)?.as_ref()
    }

    /// Fills a reserved place.
    pub(super) fn put(&mut self, slot: usize, value: T) {
        debug_assert!(self.places[slot].is_none());
        self.places[slot] = Some(value);
    }

    /// Takes what is there; the place stays reserved.
    pub(super) fn take(&mut self, slot: usize) -> Option<T> {
        self.places.get_mut(slot)?.take()
    }

    /// Gives a reserved place back.
    pub(super) fn release(&mut self, slot: usize) {
        debug_assert!(self.places[slot].is_none());
        self.free.push(slot);
    }

    /// Places that are filled or reserved.
    pub(super) fn used(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Everything, with its place.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.places
            .iter()
            .enumerate()
            .filter_map(|(i, p)| Some((i, p.as_ref()?)))
    }
}
