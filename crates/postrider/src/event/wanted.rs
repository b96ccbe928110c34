//! Which event types anyone wants: one load before anything is encoded.

use std::sync::atomic::{AtomicU64, Ordering};

use super::catalogue::{MAX_TYPES, TypeId};

const WORDS: usize = MAX_TYPES / 64;

/// A set of event types, read on every push and replaced when a webhook changes.
///
/// Loads and stores are relaxed: the set says what is worth encoding, the router decides what is
/// delivered. Whoever widens it for a new webhook does so before the webhook is announced.
#[derive(Debug, Default)]
pub struct WantedSet([AtomicU64; WORDS]);

impl WantedSet {
    /// The empty set.
    pub const fn new() -> WantedSet {
        WantedSet([const { AtomicU64::new(0) }; WORDS])
    }

    /// Whether `ty` is wanted. [`TypeId::IN_TEXT`] and other ids past the table are: what they
    /// stand for is only known later.
    #[inline]
    pub fn contains(&self, ty: TypeId) -> bool {
        match self.0.get(usize::from(ty.0) / 64) {
            Some(word) => word.load(Ordering::Relaxed) >> (ty.0 % 64) & 1 == 1,
            None => true,
        }
    }

    /// Replaces the set by the types given, word by word: a type in both sets stays in throughout.
    pub fn replace(&self, types: impl IntoIterator<Item = TypeId>) {
        let mut words = [0_u64; WORDS];
        for ty in types {
            if let Some(word) = words.get_mut(usize::from(ty.0) / 64) {
                *word |= 1 << (ty.0 % 64);
            }
        }
        for (slot, word) in self.0.iter().zip(words) {
            slot.store(word, Ordering::Relaxed);
        }
    }

    /// Makes every type wanted, also those not declared yet.
    pub fn want_all(&self) {
        for slot in &self.0 {
            slot.store(u64::MAX, Ordering::Relaxed);
        }
    }

    /// Adds one type.
    pub fn insert(&self, ty: TypeId) {
        if let Some(slot) = self.0.get(usize::from(ty.0) / 64) {
            slot.fetch_or(1 << (ty.0 % 64), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(set: &WantedSet) -> Vec<u16> {
        (0..MAX_TYPES as u16)
            .filter(|&id| set.contains(TypeId(id)))
            .collect()
    }

    #[test]
    fn holds_exactly_what_was_put_in() {
        let set = WantedSet::new();
        assert!(members(&set).is_empty());
        set.replace([TypeId(1), TypeId(64), TypeId(1023)]);
        assert_eq!(members(&set), [1, 64, 1023]);
        set.insert(TypeId(256));
        assert_eq!(members(&set), [1, 64, 256, 1023]);
        set.replace([TypeId(2)]);
        assert_eq!(members(&set), [2]);
        set.want_all();
        assert_eq!(members(&set).len(), MAX_TYPES);
    }

    #[test]
    fn an_id_that_only_the_text_tells_is_wanted() {
        let set = WantedSet::new();
        assert!(set.contains(TypeId::IN_TEXT));
        set.insert(TypeId::IN_TEXT);
        assert!(members(&set).is_empty());
    }
}
