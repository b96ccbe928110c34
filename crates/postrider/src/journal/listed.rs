//! A collection found by id and listed in order.

use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// Things found by id and listed by a number, such as an offset or a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed<T> {
    by_number: BTreeMap<(u64, Uuid), T>,
    numbers: HashMap<Uuid, u64>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Listed {
            by_number: BTreeMap::new(),
            numbers: HashMap::new(),
        }
    }
}

impl<T> Listed<T> {
    pub(super) fn insert(&mut self, number: u64, id: Uuid, value: T) {
        self.numbers.insert(id, number);
        self.by_number.insert((number, id), value);
    }

    pub(super) fn get(&self, id: Uuid) -> Option<&T> {
        self.by_number.get(&(*self.numbers.get(&id)?, id))
    }

    pub(super) fn get_mut(&mut self, id: Uuid) -> Option<&mut T> {
        self.by_number.get_mut(&(*self.numbers.get(&id)?, id))
    }

    pub(super) fn remove(&mut self, id: Uuid) -> Option<T> {
        self.by_number.remove(&(self.numbers.remove(&id)?, id))
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.by_number.retain(|_, value| keep(value));
        self.numbers
            .retain(|&id, &mut number| self.by_number.contains_key(&(number, id)));
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.by_number.values()
    }
}
