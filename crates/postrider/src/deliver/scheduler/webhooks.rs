//! Webhooks that come, change, are held and go, and what a restart takes up.

use uuid::Uuid;

use super::*;
use crate::deliver::health::Health;
use crate::deliver::replay::Cut;
use crate::deliver::settings::Terms;
use crate::journal::{BatchStart, DeadLetter, Hold};
use crate::webhook::Replayed;

impl Scheduler {
    /// Brings a webhook or its next revision into force from the routed offset on. One that is
    /// disabled goes on: somebody looked after it.
    pub(crate) fn put(
        &mut self,
        id: Uuid,
        revision: u32,
        terms: impl Into<Terms>,
        selection: Selection,
        now: Now,
    ) {
        let slot = match self.slots.get(&id) {
            Some(&slot) => slot,
            None => self.add(id),
        };
        let routed = self.routed;
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
        let before = hook.asks();
        let terms = terms.into();
        hook.set_pace(terms.pace);
        hook.outcomes = terms.outcomes;
        hook.filtered = terms.filtered;
        hook.body_limit = u32::MAX;
        if hook.revision != revision {
            hook.revision = revision;
            let change = Change::Revised(revision);
            let was_unfit = hook.unfit.take().is_some();
            let held = match hook.mode {
                Mode::Open => was_unfit,
                Mode::Paused => false,
                Mode::Disabled | Mode::Deleted => true,
            };
            self.record(Record::Webhook {
                webhook: id,
                change,
                at_offset: routed,
            });
            if held {
                self.go_on(slot, now);
            }
        }
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
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
        if let Some(hook) = self.hooks[slot as usize].as_ref() {
            self.demand
                .change(before.as_deref(), hook.asks().as_deref());
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
        match known.map(|known| (&known.held, known.held_ms)) {
            Some((None, resumed_ms)) => hook.age_from_ms = resumed_ms,
            Some((Some(Hold::Paused), _)) => hook.mode = Mode::Paused,
            Some((Some(Hold::Disabled { why }), _)) => {
                hook.mode = Mode::Disabled;
                hook.why = Some(why.to_string());
            }
            None => {}
        }
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
        self.demand.change(None, hook.asks().as_deref());
        self.place(hook)
    }

    fn place(&mut self, hook: Hook) -> u32 {
        let id = hook.id;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.hooks.push(None);
            self.hooks.len() as u32 - 1
        });
        self.hooks[slot as usize] = Some(hook);
        self.slots.insert(id, slot);
        slot
    }

    /// Says which former revisions of a webhook send to another target than its present one. A target
    /// that was not the present one before is judged anew.
    pub(crate) fn retarget(&mut self, id: Uuid, former: Vec<u32>) {
        let Some(&slot) = self.slots.get(&id) else {
            return;
        };
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
        if former
            .iter()
            .any(|revision| !hook.former.contains(revision))
        {
            hook.health = Health::default();
        }
        let open = hook.open.iter().map(|(_, batch)| *batch);
        let sent_elsewhere = |batch: &Uuid| {
            let open = self.state.batch(*batch);
            open.is_some_and(|open| former.contains(&open.start.revision))
        };
        hook.elsewhere = open.filter(sent_elsewhere).collect();
        hook.former = former;
        self.touch(slot);
    }

    /// Brings back a webhook that was deleted in a former life: its batches finish. What it had
    /// waiting without a batch is counted as dropped, if that had not come to pass.
    pub(crate) fn put_deleted(&mut self, id: Uuid, terms: impl Into<Terms>, now: Now) {
        let Some(known) = self.state.webhook(id) else {
            return;
        };
        let from = if known.deleted {
            self.routed
        } else {
            known.scanned_to
        };
        let mut hook = Hook::new(id, known.revision, from);
        let terms = terms.into();
        (hook.pace, hook.outcomes, hook.mode) = (terms.pace, terms.outcomes, Mode::Deleted);
        hook.filtered = terms.filtered;
        if !known.deleted {
            let asked = known.asked.iter();
            hook.selections = asked
                .map(|(from, asked)| (*from, Arc::new(selection_of(asked))))
                .collect();
        }
        self.deleted.insert(id, now.mono);
        self.place(hook);
    }

    /// Takes up what the state has open, after all webhooks were put. Offsets below `first` are not
    /// in the log any more. Routing resumes where the webhook that is furthest behind stopped.
    pub(crate) fn restore(&mut self, first: u64, now: Now) {
        let next = self.routed;
        for hook in self.hooks.iter_mut().flatten() {
            let from = hook.backlog.from().max(first).min(next);
            hook.backlog = Backlog::new(from);
            self.begins.entry(from).or_insert(false);
        }
        if let Some((&lowest, _)) = self.begins.first_key_value() {
            self.routed = lowest;
            let hooks = self.hooks.iter().flatten();
            let changes = hooks.flat_map(|hook| hook.selections.iter().map(|(at, _)| *at));
            self.begins
                .extend(changes.filter(|at| *at > lowest).map(|at| (at, true)));
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
            place: (
                batch.start.spans.first().map_or(0, |span| span.first),
                batch.rendered.map_or(0, |part| part.first),
            ),
            bytes: batch.start.bytes,
            expires: self.expiry(slot, batch.age_from_ms, now),
            stage: Stage::Waiting(due),
            refused_at: None,
            blame: Blame::default(),
        };
        let id = batch.start.batch;
        if let Some(hook) = self.hooks[slot as usize].as_mut() {
            hook.open.insert((live.place, id));
            hook.waiting.insert((due, live.place, id));
            if hook.former.contains(&batch.start.revision) {
                hook.elsewhere.insert(id);
            }
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
        self.bury(slot, reason.clone());
        if purge {
            let open = self.hooks[slot as usize].iter().flat_map(|hook| &hook.open);
            for batch in open.map(|(_, batch)| *batch).collect::<Vec<_>>() {
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

    /// Makes it a deleted webhook: what is in no batch is dropped, and nothing new is asked for.
    pub(super) fn bury(&mut self, slot: u32, reason: Reason) {
        self.drop_backlog(slot, reason);
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
        self.demand.change(hook.asks().as_deref(), None);
        hook.mode = Mode::Deleted;
        hook.selections = VecDeque::from([(0, Arc::new(Selection::nothing()))]);
        let webhook = hook.id;
        self.router = None;
        self.touch(slot);
        if self
            .state
            .webhook(webhook)
            .is_none_or(|known| !known.deleted)
        {
            let (change, at_offset) = (Change::Deleted, self.routed);
            self.record(Record::Webhook {
                webhook,
                change,
                at_offset,
            });
        }
    }

    /// Holds a webhook's batches: its events are kept, and don't age. `false` when there is none.
    pub(crate) fn pause(&mut self, id: Uuid, now: Now) -> bool {
        let Some(&slot) = self.slots.get(&id) else {
            return false;
        };
        let Some(hook) = self.hook_of(id).filter(|hook| hook.mode != Mode::Deleted) else {
            return false;
        };
        if hook.mode != Mode::Paused {
            hook.mode = Mode::Paused;
            hook.why = None;
            self.hold(id, Some(Hold::Paused), now);
            self.let_go(slot);
        }
        true
    }

    /// Lets a webhook's batches go out again, paused or disabled; the age of what waited begins anew.
    /// One that is unfit stays so, also if it was paused: it must be changed. `false` when there is no such webhook.
    pub(crate) fn resume(&mut self, id: Uuid, now: Now) -> bool {
        let Some(&slot) = self.slots.get(&id) else {
            return false;
        };
        match self.hooks[slot as usize].as_ref().map(|hook| hook.mode) {
            None | Some(Mode::Deleted) => return false,
            Some(Mode::Paused | Mode::Disabled) => self.go_on(slot, now),
            Some(Mode::Open) => {}
        }
        true
    }

    fn go_on(&mut self, slot: u32, now: Now) {
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
        let id = hook.id;
        hook.mode = Mode::Open;
        hook.why = None;
        hook.age_from_ms = now.unix_ms;
        let open: Vec<Uuid> = hook.open.iter().map(|(_, batch)| *batch).collect();
        let expires = self.expiry(slot, now.unix_ms, now);
        for batch in open {
            if let Some(live) = self.live.get_mut(&batch) {
                live.expires = live.expires.max(expires);
            }
        }
        self.hurry(slot, now);
        self.hold(id, None, now);
        self.touch(slot);
    }

    /// Holds a webhook's batches because its receiver says so.
    pub(super) fn disable(&mut self, slot: u32, why: String, now: Now) {
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
        let webhook = hook.id;
        hook.mode = Mode::Disabled;
        hook.why = Some(why.clone());
        let notice = Notice::Disabled {
            webhook,
            why: why.clone(),
        };
        self.orders.notices.push(notice);
        self.hold(webhook, Some(Hold::Disabled { why: why.into() }), now);
        self.let_go(slot);
    }

    fn hold(&mut self, webhook: Uuid, hold: Option<Hold>, now: Now) {
        self.record(Record::Held {
            webhook,
            at_ms: now.unix_ms,
            hold,
        });
    }

    /// Holds the batches of a webhook that can't be delivered to as it is, until it is changed or the
    /// settings are. Says whether that is news.
    pub(crate) fn set_unfit(&mut self, id: Uuid, why: String) -> bool {
        let Some(&slot) = self.slots.get(&id) else {
            return false;
        };
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return false;
        };
        let why = Some(why);
        let news = hook.unfit != why;
        hook.unfit = why;
        self.let_go(slot);
        news
    }

    /// Lets the batches of a webhook go out that was unfit and is not any more.
    pub(crate) fn set_fit(&mut self, id: Uuid, now: Now) {
        if let Some(&slot) = self.slots.get(&id)
            && let Some(hook) = self.hooks[slot as usize].as_mut()
            && hook.unfit.take().is_some()
            && hook.mode == Mode::Open
        {
            self.go_on(slot, now);
        }
    }

    /// Gives every open batch the time that the settings now leave it. One whose next attempt would be
    /// behind that has it at its end.
    pub(crate) fn age_anew(&mut self, now: Now) {
        for id in self.live.keys().copied().collect::<Vec<_>>() {
            let Some(open) = self.state.batch(id) else {
                continue;
            };
            let expires = self.expiry(self.live[&id].slot, open.age_from_ms, now);
            let Some(live) = self.live.get_mut(&id) else {
                continue;
            };
            live.expires = expires;
            let (slot, place) = (live.slot, live.place);
            if let Stage::Waiting(due) = live.stage
                && due > expires
                && let Some(hook) = self.hooks[slot as usize].as_mut()
            {
                live.stage = Stage::Waiting(expires);
                hook.waiting.remove(&(due, place, id));
                hook.waiting.insert((expires, place, id));
            }
            self.touch(slot);
        }
    }

    fn hook_of(&mut self, id: Uuid) -> Option<&mut Hook> {
        let slot = *self.slots.get(&id)?;
        self.hooks[slot as usize].as_mut()
    }

    /// Opens dead letters of a webhook again, under their ids and due at once: these, or all. `None`
    /// when there is no such webhook.
    pub(crate) fn replay(
        &mut self,
        id: Uuid,
        batches: Option<Vec<Uuid>>,
        now: Now,
    ) -> Option<Replayed> {
        let slot = *self.slots.get(&id)?;
        let own = |letter: &&DeadLetter| letter.start.webhook == id;
        let batches = batches.unwrap_or_else(|| {
            let letters = self.state.dead_letters().filter(own);
            letters.map(|letter| letter.start.batch).collect()
        });
        let mut replayed = Replayed::default();
        for batch in batches {
            if self
                .state
                .dead_letter(batch)
                .as_ref()
                .is_none_or(|letter| !own(letter))
            {
                replayed.unknown.push(batch);
                continue;
            }
            self.record(Record::Replay {
                batch,
                at_ms: now.unix_ms,
            });
            if let Some(open) = self.state.batch(batch).cloned() {
                replayed.batches += 1;
                replayed.events += u64::from(open.start.events);
                self.take_up(slot, &open, now);
            }
        }
        Some(replayed)
    }

    /// Forms batches of events that the webhook may have had before; they are new, and so is their age.
    /// `false` when there is no such webhook.
    pub(crate) fn again(&mut self, id: Uuid, cuts: Vec<Cut>, now: Now) -> bool {
        let Some(&slot) = self.slots.get(&id) else {
            return false;
        };
        let Some(hook) = self.hooks[slot as usize].as_ref() else {
            return false;
        };
        let revision = hook.revision;
        for cut in cuts {
            let batch = Uuid::new_v4();
            self.record(Record::Start(BatchStart {
                batch,
                webhook: id,
                revision,
                spans: cut.spans,
                scanned_to: 0,
                events: cut.events,
                bytes: cut.bytes,
                last_written_ms: now.unix_ms,
                formed_ms: now.unix_ms,
            }));
            if let Some(open) = self.state.batch(batch).cloned() {
                self.take_up(slot, &open, now);
            }
        }
        true
    }

    /// Whether a webhook is there, deleted ones with open batches included.
    pub(crate) fn knows(&self, id: Uuid) -> bool {
        self.slots.contains_key(&id)
    }

    /// All types that webhooks ask for.
    pub(crate) fn wanted(&self) -> TypeSet {
        self.demand.types()
    }
}
