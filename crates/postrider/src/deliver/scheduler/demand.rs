//! Which event types anybody asks for, without a look at every webhook for each that comes or goes.

use crate::event::MAX_TYPES;
use crate::route::{Selection, TypeSet};

/// How many webhooks ask for each type.
pub(super) struct Demand(Box<[u32]>);

impl Default for Demand {
    fn default() -> Demand {
        Demand(vec![0; MAX_TYPES].into())
    }
}

impl Demand {
    /// A webhook asks for `after` that asked for `before`.
    pub(super) fn change(&mut self, before: Option<&Selection>, after: Option<&Selection>) {
        for type_id in after.iter().flat_map(|selection| selection.types.iter()) {
            self.0[usize::from(type_id)] += 1;
        }
        for type_id in before.iter().flat_map(|selection| selection.types.iter()) {
            self.0[usize::from(type_id)] -= 1;
        }
    }

    /// The types that any asks for.
    pub(super) fn types(&self) -> TypeSet {
        let asked = (0u16..).zip(&self.0).filter(|(_, webhooks)| **webhooks > 0);
        asked.map(|(type_id, _)| type_id).collect()
    }
}
