//! What is worth encoding: what webhooks ask for, what filters select by name, or everything where the log keeps all.
//!
//! A filter without a list of types sees every event that comes, and so makes none wanted: were it otherwise, a
//! redactor would have everything encoded, filtered and logged that nobody gets.

use crate::event::{TypeId, WantedSet};
use crate::route::TypeSet;
use std::sync::{Mutex, PoisonError};

/// The wanted set, and whose wishes it is made of.
pub(crate) struct Wants {
    set: WantedSet,
    wishes: Mutex<Wishes>,
}

struct Wishes {
    everything: bool,
    webhooks: TypeSet,
    filters: TypeSet,
}

impl Wants {
    pub(super) fn new(everything: bool) -> Wants {
        let wishes = Wishes {
            everything: false,
            webhooks: TypeSet::EMPTY,
            filters: TypeSet::EMPTY,
        };
        let wants = Wants {
            set: WantedSet::new(),
            wishes: Mutex::new(wishes),
        };
        wants.everything(everything);
        wants
    }

    /// Whether anyone wants events of a type.
    #[inline]
    pub(crate) fn contains(&self, ty: TypeId) -> bool {
        self.set.contains(ty)
    }

    /// The log keeps every event from now on, or only what others want.
    pub(super) fn everything(&self, everything: bool) {
        self.change(|wishes| wishes.everything = everything);
    }

    /// Webhooks ask for these types from now on.
    pub(super) fn webhooks(&self, types: TypeSet) {
        self.change(|wishes| wishes.webhooks = types);
    }

    /// Filters select these types from now on.
    pub(super) fn filters(&self, types: TypeSet) {
        self.change(|wishes| wishes.filters = types);
    }

    fn change(&self, change: impl FnOnce(&mut Wishes)) {
        let mut wishes = self.wishes.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut wishes);
        if wishes.everything {
            return self.set.want_all();
        }
        let mut all = wishes.webhooks;
        all.union(&wishes.filters);
        self.set.replace(all.iter().map(TypeId));
    }
}
