//! Webhooks that come, change, are held and go, and what a restart takes up.

use uuid::Uuid;

use super::*;

impl Scheduler {
    /// Brings a webhook or its next revision into force from the routed offset on.
    pub(crate) fn put(&mut self, id: Uuid, revision: u32, pace: Pace, selection: Selection) {
        let slot = match self.slots.get(&id) {
            Some(&slot) => slot,
            None => self.add(id),
        };
        let routed = self.routed;
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
        if hook.revision != revision {
            hook.revision = revision;
            let change = Change::Revised(revision);
            self.record(Record::Webhook {
                webhook: id,
                change,
                at_offset: routed,
            });
        }
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
        hook.pace = pace;
        hook.body_limit = u32::MAX;
        if hook.mode == Mode::Disabled {
            hook.mode = Mode::Open;
        }
        let wants_nothing = selection.types.is_empty();
        if hook.selection().is_none_or(|now| **now != selection) {
            let asked = asked_of(&selection);
            hook.selections.push_back((routed, Arc::new(selection)));
            self.router = None;
            self.record(Record::Selected {
                webhook: id,
                at_offset: routed,
                asked,
            });
        }
        if wants_nothing && self.restored {
            self.drop_backlog(slot, Reason::INACTIVE);
        }
        self.touch(slot);
    }

    fn add(&mut self, id: Uuid) -> u32 {
        let known = self.state.webhook(id).filter(|known| !known.deleted);
        let (from, known_revision) = match known {
            Some(known) => (known.scanned_to, known.revision),
            None => (self.routed, 0),
        };
        let mut hook = Hook::new(id, known_revision, from);
        let asked = known.iter().flat_map(|known| &known.asked);
        let selections = asked.map(|(from, asked)| (*from, Arc::new(selection_of(asked))));
        hook.selections = selections.collect();
        if known.is_none() {
            let (change, at_offset) = (Change::Created, self.routed);
            self.record(Record::Webhook {
                webhook: id,
                change,
                at_offset,
            });
        }
        let hook = Some(hook);
        let free = self.hooks.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.hooks.len());
        match self.hooks.get_mut(slot) {
            Some(place) => *place = hook,
            None => self.hooks.push(hook),
        }
        self.slots.insert(id, slot as u32);
        slot as u32
    }

    /// Takes up what the state has open, after all webhooks were put. Offsets below `first` are not
    /// in the log any more. Routing resumes where the webhook that is furthest behind stopped.
    pub(crate) fn restore(&mut self, first: u64, now: Now) {
        let next = self.routed;
        for hook in self.hooks.iter_mut().flatten() {
            let from = hook.backlog.from().max(first).min(next);
            hook.backlog = Backlog::new(from);
            self.begins.insert(from);
            let changes = hook.selections.iter().map(|(at, _)| *at);
            self.begins.extend(changes.filter(|at| *at > from));
        }
        if let Some(&lowest) = self.begins.first() {
            self.routed = lowest;
        }
        let open: Vec<OpenBatch> = self.state.batches().cloned().collect();
        for batch in open {
            match self.slots.get(&batch.start.webhook) {
                Some(&slot) => self.take_up(slot, &batch, now),
                None => {
                    let (batch, reason) = (batch.start.batch, Reason::DELETED);
                    self.record(Record::Close {
                        batch,
                        reason,
                        at_ms: now.unix_ms,
                    });
                }
            }
        }
        let slots = &self.slots;
        let gone: Vec<Uuid> = self.state.webhooks().map(|(id, _)| id).collect();
        let gone = gone
            .into_iter()
            .filter(|id| !slots.contains_key(id))
            .collect::<Vec<_>>();
        for webhook in gone {
            if self
                .state
                .webhook(webhook)
                .is_some_and(|known| !known.deleted)
            {
                let (change, at_offset) = (Change::Deleted, next);
                self.record(Record::Webhook {
                    webhook,
                    change,
                    at_offset,
                });
            }
            self.deleted.insert(webhook, now.mono);
        }
    }

    pub(super) fn take_up(&mut self, slot: u32, batch: &OpenBatch, now: Now) {
        let pause = batch.next_at_ms.saturating_sub(now.unix_ms);
        // A wall clock that was stepped back must not hold a batch for as long.
        let pause = Duration::from_millis(pause).min(self.settings.retry.give_up_after);
        let due = if batch.in_flight {
            now.mono
        } else {
            now.mono.after(pause)
        };
        let live = Live {
            slot,
            first: batch.start.spans.first().map_or(0, |span| span.first),
            bytes: batch.start.bytes,
            expires: self.expiry(batch.age_from_ms, now),
            stage: Stage::Waiting(due),
            refused_at: None,
        };
        let id = batch.start.batch;
        if let Some(hook) = self.hooks[slot as usize].as_mut() {
            hook.open.insert((live.first, id));
            hook.waiting.insert((due, live.first, id));
        }
        self.live.insert(id, live);
        self.touch(slot);
    }

    /// Ends a webhook; see the delivery contract.
    pub(crate) fn delete(&mut self, id: Uuid, purge: bool, now: Now) {
        let Some(&slot) = self.slots.get(&id) else {
            return;
        };
        let reason = if purge {
            Reason::PURGED
        } else {
            Reason::DELETED
        };
        self.drop_backlog(slot, reason.clone());
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
        hook.mode = Mode::Deleted;
        hook.selections = VecDeque::from([(0, Arc::new(Selection::nothing()))]);
        let open: Vec<Uuid> = hook.open.iter().map(|(_, batch)| *batch).collect();
        self.router = None;
        let (change, at_offset) = (Change::Deleted, self.routed);
        self.record(Record::Webhook {
            webhook: id,
            change,
            at_offset,
        });
        if purge {
            for batch in open {
                self.close(batch, reason.clone(), now);
            }
            let letters = self
                .state
                .dead_letters()
                .filter(|dead| dead.start.webhook == id);
            for batch in letters.map(|dead| dead.start.batch).collect::<Vec<_>>() {
                self.record(Record::Forget { batch });
            }
        }
        self.deleted.insert(id, now.mono);
        self.touch(slot);
    }

    /// Holds a webhook's batches, or lets them go. Nothing ages while it is held.
    pub(crate) fn pause(&mut self, id: Uuid, paused: bool) {
        let Some(&slot) = self.slots.get(&id) else {
            return;
        };
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
        hook.mode = match hook.mode {
            Mode::Open if paused => Mode::Paused,
            Mode::Paused if !paused => Mode::Open,
            other => other,
        };
        self.touch(slot);
    }

    /// Holds a webhook's batches until it is [`put`](Self::put) again.
    pub(crate) fn disable(&mut self, id: Uuid) {
        let Some(&slot) = self.slots.get(&id) else {
            return;
        };
        if let Some(hook) = self.hooks[slot as usize].as_mut()
            && hook.mode == Mode::Open
        {
            hook.mode = Mode::Disabled;
        }
    }

    /// Opens a dead letter again, under its id, due at once. `false` when there is none, or no
    /// webhook for it.
    pub(crate) fn replay(&mut self, batch: Uuid, now: Now) -> bool {
        let Some(letter) = self.state.dead_letter(batch) else {
            return false;
        };
        let Some(&slot) = self.slots.get(&letter.start.webhook) else {
            return false;
        };
        self.record(Record::Replay {
            batch,
            at_ms: now.unix_ms,
        });
        let Some(open) = self.state.batch(batch).cloned() else {
            return false;
        };
        self.take_up(slot, &open, now);
        true
    }

    /// Whether a webhook is there, deleted ones with open batches included.
    pub(crate) fn knows(&self, id: Uuid) -> bool {
        self.slots.contains_key(&id)
    }

    /// All types that webhooks ask for.
    pub(crate) fn wanted(&self) -> TypeSet {
        let mut wanted = TypeSet::EMPTY;
        for selection in self.hooks.iter().flatten().filter_map(Hook::selection) {
            wanted.union(&selection.types);
        }
        wanted
    }
}
