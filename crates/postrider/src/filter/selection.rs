//! Which events a filter sees: decided from an event's table entry, before its text is touched.

use super::spec::FilterSpec;
use crate::event::{Entry, MAX_TYPES, Schema};

/// The types and subaccounts that a filter was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    /// One bit for each type; none where all are selected.
    types: Option<Box<[u64; MAX_TYPES / 64]>>,
    /// Sorted; empty where all are selected.
    subaccounts: Vec<u32>,
}

impl Selection {
    pub(super) fn of(spec: &FilterSpec, schema: &Schema) -> Selection {
        let mut types = None;
        for id in spec.events.iter().filter_map(|name| schema.lookup(name)) {
            let words = types.get_or_insert_with(|| Box::new([0_u64; MAX_TYPES / 64]));
            words[usize::from(id.0) / 64] |= 1 << (id.0 % 64);
        }
        let mut subaccounts = spec.subaccounts.clone();
        subaccounts.sort_unstable();
        Selection { types, subaccounts }
    }

    #[inline]
    pub(super) fn takes(&self, entry: &Entry) -> bool {
        let typed = match &self.types {
            None => true,
            Some(words) => words
                .get(usize::from(entry.type_id) / 64)
                .is_some_and(|word| word >> (entry.type_id % 64) & 1 == 1),
        };
        typed
            && (self.subaccounts.is_empty()
                || self.subaccounts.binary_search(&entry.subaccount).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::types;

    fn entry(type_id: u16, subaccount: u32) -> Entry {
        Entry {
            type_id,
            subaccount,
            ..Entry::default()
        }
    }

    #[test]
    fn nothing_given_selects_everything() {
        let selection = Selection::default();
        assert!(selection.takes(&entry(types::CLICK.0, 7)));
        assert!(selection.takes(&entry(0xffff, 0)));
    }

    #[test]
    fn types_and_subaccounts_must_both_fit() {
        let mut spec = FilterSpec::new("x", "/x");
        spec.events = vec!["click".into(), "bounce".into()];
        spec.subaccounts = vec![9, 2];
        let selection = Selection::of(&spec, &Schema::new(false));
        assert!(selection.takes(&entry(types::CLICK.0, 2)));
        assert!(selection.takes(&entry(types::BOUNCE.0, 9)));
        assert!(!selection.takes(&entry(types::BOUNCE.0, 0)));
        assert!(!selection.takes(&entry(types::DELIVERY.0, 2)));
        assert!(!selection.takes(&entry(0xffff, 2)));
    }
}
