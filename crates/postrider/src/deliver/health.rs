//! What is known of a webhook's present target: whether it takes batches, and how many at once.

use uuid::Uuid;

use super::window::Window;
use crate::time::Instant;

/// Batches of one webhook that must fail, with no success between, for its target to be down; more
/// where more are in flight at once. A batch that fails again and again counts once, as it may be the
/// batch, unless it never reached the target.
const DOWN_AFTER: u32 = 4;

#[derive(Default)]
pub(super) struct Health {
    /// It accepted something.
    accepts: bool,
    /// Different batches that failed in a row, and the last of them.
    streak: u32,
    last_failed: Option<Uuid>,
    pub(super) down: Option<Down>,
    /// How many attempts it bears at once.
    pub(super) window: Window,
}

/// A target that takes nothing.
pub(super) struct Down {
    /// The last failure before it was down: a status, or an error's name and what it means.
    pub(super) why: String,
    /// Probes that failed, the attempts before it was down included.
    pub(super) tries: u32,
    pub(super) next_probe: Instant,
    /// When to look for waiting events that are too old.
    pub(super) next_sweep: Instant,
}

impl Health {
    /// Notes a success; says whether the target was down.
    pub(super) fn succeeded(&mut self) -> bool {
        self.accepts = true;
        self.answered()
    }

    /// Notes an answer, be it one that ends a batch without taking it: the target is there. Says whether
    /// it was down.
    pub(super) fn answered(&mut self) -> bool {
        self.streak = 0;
        self.last_failed = None;
        self.down.take().is_some()
    }

    /// Notes a failed attempt of `batch`; says whether the target counts as down by now, where so many
    /// may be in flight.
    pub(super) fn failed(&mut self, batch: Uuid, unreached: bool, in_flight: u32) -> bool {
        if unreached || self.last_failed != Some(batch) {
            self.streak += 1;
            self.last_failed = Some(batch);
        }
        self.streak >= in_flight.max(DOWN_AFTER)
    }

    /// Whether its last attempt was a success.
    pub(super) fn is_proven(&self) -> bool {
        self.accepts && self.streak == 0
    }

    /// Whether its last attempts failed.
    pub(super) fn is_failing(&self) -> bool {
        self.streak > 0
    }
}
