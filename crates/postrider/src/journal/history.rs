//! A webhook's closed batches, as far as they are remembered.

use super::batch::BatchStatus;
use crate::time::UnixMillis;
use std::collections::VecDeque;

/// How many failed or retried batches are kept per webhook.
const RETRIED: usize = 1000;
/// How many batches that arrived at once: as many as one answer of the API lists.
const FIRST_TRIES: usize = 1000;

/// Two rings: what went well does not push out what failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    retried: VecDeque<BatchStatus>,
    first_tries: VecDeque<BatchStatus>,
}

impl History {
    pub(super) fn add(&mut self, status: BatchStatus) {
        let (ring, most) = match status.delivered && status.failed == 0 {
            true => (&mut self.first_tries, FIRST_TRIES),
            false => (&mut self.retried, RETRIED),
        };
        if ring.len() == most {
            ring.pop_front();
        }
        ring.push_back(status);
    }

    /// Oldest first.
    pub(super) fn retried(&self) -> impl Iterator<Item = &BatchStatus> {
        self.retried.iter()
    }

    /// Oldest first.
    pub(super) fn first_tries(&self) -> impl Iterator<Item = &BatchStatus> {
        self.first_tries.iter()
    }

    pub(super) fn forget_before(&mut self, at_ms: UnixMillis) {
        for ring in [&mut self.retried, &mut self.first_tries] {
            ring.retain(|status| status.at_ms >= at_ms);
        }
    }
}
