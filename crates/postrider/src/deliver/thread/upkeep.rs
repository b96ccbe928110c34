//! What comes round by time, and what is let go of: the journal's syncs and checkpoints, the log's space, renderings,
//! former revisions.

use std::collections::HashSet;
use std::time::Duration;

use uuid::Uuid;

use super::{Courier, Endpoints};
use crate::journal::JournalError;
use crate::time::Now;

/// How often the journal is synced while records are written.
pub(super) const SYNC_EVERY: Duration = Duration::from_secs(1);

/// How soon it is synced where that would let the log free a segment.
const SYNC_SOON: Duration = Duration::from_millis(10);

/// How often old letters and history are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(60);
impl Courier {
    /// Keeps the renderings within their space: dead letters go first, then webhooks wait.
    fn relieve_renderings(&mut self) {
        let excess = self
            .renderings
            .bytes()
            .saturating_sub(self.settings.rendered_bytes);
        self.scheduler.may_render(excess == 0);
        // What was given up is removed once that is synced; only then is it clear whether more is needed.
        if excess > 0 && !self.rhythm.forgetting {
            self.rhythm.forgetting = self.scheduler.forget_rendered(excess);
        }
    }

    /// Gives up what the log needs back.
    pub(super) fn relieve(&mut self, now: Now) {
        self.relieve_renderings();
        let Some(wanted) = self.log.pressure() else {
            return;
        };
        // What was given up is journaled and synced before the log may have it; only then is it clear
        // whether more is needed.
        self.rhythm.relieving = self.rhythm.relieving || self.scheduler.relieve(wanted, now);
        if let Some(due) = &mut self.rhythm.sync {
            *due = (*due).min(now.mono.after(SYNC_SOON));
        }
    }
    /// What comes round by time.
    pub(super) fn upkeep(&mut self, now: Now) {
        if now.mono < self.rhythm.held {
            return;
        }
        if let Err(error) = self.keep_journal(now) {
            return self.hold(error.to_string(), now);
        }
        if self.rhythm.stale && now.mono >= self.rhythm.release {
            self.release(now);
        }
        if now.mono >= self.rhythm.tidy {
            self.rhythm.tidy = now.mono.after(TIDY_EVERY);
            self.scheduler.tidy(now);
            self.forget_endpoints();
        }
    }

    fn keep_journal(&mut self, now: Now) -> Result<(), JournalError> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        if journal.wants_checkpoint() {
            journal.checkpoint(self.scheduler.state())?;
        } else if self.rhythm.sync.is_some_and(|due| now.mono >= due) {
            journal.sync()?;
        } else {
            return Ok(());
        }
        self.rhythm.sync = None;
        Ok(())
    }

    /// Tells the log what is still needed, as far as that follows from what the journal has synced:
    /// what the log frees does not come back after a power cut.
    fn release(&mut self, now: Now) {
        let (floor, pins) = self.scheduler.needs();
        // As often as it costs little.
        let cost = Duration::from_micros(self.scheduler.needs_cost() as u64);
        self.rhythm.release = now.mono.after(cost);
        match &mut self.rhythm.sync {
            None => {
                self.rhythm.stale = false;
                self.rhythm.relieving = false;
                self.log.release(floor, &pins);
                self.release_renderings();
            }
            Some(due) if self.log.would_free(floor, &pins) => {
                *due = (*due).min(now.mono.after(SYNC_SOON));
            }
            Some(_) => {}
        }
    }

    /// Removes the renderings of batches that have ended.
    pub(super) fn release_renderings(&mut self) {
        self.rhythm.forgetting = false;
        if !self.renderings.is_empty() {
            let needed: HashSet<Uuid> = self.scheduler.state().rendered_files().collect();
            self.renderings.retain(|id| needed.contains(&id));
        }
    }

    /// Forgets revisions that no open batch was formed for, here and in the store.
    fn forget_endpoints(&mut self) {
        let state = self.scheduler.state();
        let open: HashSet<(Uuid, u32)> = state
            .batches()
            .map(|open| (open.start.webhook, open.start.revision))
            .collect();
        let known = &self.scheduler;
        let count = |all: &Endpoints| all.values().map(Vec::len).sum::<usize>();
        let before = count(&self.endpoints);
        self.endpoints.retain(|webhook, revisions| {
            let newest = known
                .knows(*webhook)
                .then(|| revisions.last().map(|(last, _)| *last));
            revisions.retain(|(revision, _)| {
                Some(Some(*revision)) == newest || open.contains(&(*webhook, *revision))
            });
            !revisions.is_empty()
        });
        self.tokens.retain(|webhook| known.knows(webhook));
        self.renderers.retain(|webhook| known.knows(webhook));
        if count(&self.endpoints) < before || !self.rhythm.told {
            self.rhythm.told = true;
            let endpoints = &self.endpoints;
            (self.still_needed)(&|webhook, revision| {
                let of = endpoints.get(&webhook).into_iter().flatten();
                of.into_iter().any(|(known, _)| *known == revision)
            });
        }
    }
}
