//! What the log must keep, and what is given up when it can't.

use std::ops::Range;

use uuid::Uuid;

use super::*;

/// Spans of one batch that are nearer than this are held as one pin: what lies between is in the
/// same segment anyway.
const PIN_GAP: u64 = 1 << 16;

/// A webhook that wants nothing has its position journaled after this many offsets, so that a
/// restart does not look at all of them again.
const FLOOR_EVERY: u64 = 1 << 20;

impl Scheduler {
    /// The offset from which tables should be read for webhooks that lag.
    pub(crate) fn refill_from(&self) -> Option<u64> {
        let hungry = |slot: &u32| {
            let backlog = &self.hooks[*slot as usize].as_ref()?.backlog;
            backlog.lag().filter(|_| backlog.hungry())
        };
        self.lagging.iter().filter_map(hungry).min()
    }

    /// Begins a pass over the tables from [`refill_from`](Self::refill_from) on: one pass serves
    /// all webhooks that wait there.
    pub(crate) fn refill(&mut self) -> Option<Refill> {
        let from = self.refill_from()?;
        let mut until = self.routed;
        let mut takers = Vec::new();
        for &slot in &self.lagging {
            let Some(hook) = self.hooks[slot as usize].as_ref() else {
                continue;
            };
            let Some(lag) = hook.backlog.lag().filter(|_| hook.backlog.hungry()) else {
                continue;
            };
            if let Some((selection, end)) = hook.selection_at(lag) {
                until = until.min(end);
                takers.push((slot, selection.clone()));
            }
        }
        let slots = takers.iter().map(|(slot, _)| *slot).collect();
        let cuts = takers
            .iter()
            .filter_map(|(slot, _)| self.hooks[*slot as usize].as_ref());
        let cuts = cuts.filter_map(|hook| hook.backlog.lag()).collect();
        let router = Router::new(takers);
        Some(Refill {
            router,
            slots,
            full: Vec::new(),
            cuts,
            from,
            until,
        })
    }

    /// Routes a frame of the pass; `false` ends it.
    pub(crate) fn refill_frame(
        &mut self,
        pass: &mut Refill,
        base: u64,
        count: u32,
        written_ms: UnixMillis,
        entry: impl Fn(u32) -> Entry,
    ) -> bool {
        let end = (base + u64::from(count)).min(pass.until);
        let Refill {
            router,
            full,
            slots,
            cuts,
            from,
            until,
        } = pass;
        *from = base.max(*from);
        while *from < end {
            cuts.retain(|cut| *cut > *from);
            let stop = cuts.first().map_or(end, |cut| end.min(*cut));
            let entries = ((*from - base) as u32..(stop - base) as u32).map(&entry);
            router.route(
                Run::empty(*from, Instant(0), written_ms),
                entries,
                |slot, run| {
                    let Some(hook) = self.hooks[slot as usize].as_mut() else {
                        return;
                    };
                    if !full.contains(&slot) && !hook.backlog.take_back(run, &mut self.budget) {
                        full.push(slot);
                    }
                },
            );
            *from = stop;
        }
        *from < *until && full.len() < slots.len()
    }

    /// Ends a pass. `whole` says that the log has no further frame below the pass's end.
    pub(crate) fn refilled(&mut self, pass: Refill, whole: bool) {
        let reached = if whole {
            pass.until
        } else {
            pass.from.min(pass.until)
        };
        for slot in pass.slots {
            let Some(hook) = self.hooks[slot as usize].as_mut() else {
                continue;
            };
            if !pass.full.contains(&slot) {
                let missing = hook.backlog.looked_to(reached, self.routed);
                let webhook = hook.id;
                let scanned_to = hook.backlog.position(self.routed);
                if missing > 0 {
                    self.dropped(webhook, Reason::DAMAGED, missing, scanned_to);
                }
            }
            self.touch(slot);
        }
        let hooks = &self.hooks;
        self.lagging.retain(|slot| {
            hooks[*slot as usize]
                .as_ref()
                .is_some_and(|hook| hook.backlog.lag().is_some())
        });
    }

    /// Below the first offset nothing is needed but the pins.
    pub(crate) fn needs(&self) -> (u64, Vec<Range<u64>>) {
        let floor = self
            .hooks
            .iter()
            .flatten()
            .map(|hook| hook.backlog.position(self.routed));
        let floor = floor.min().unwrap_or(self.routed).min(self.routed);
        let mut pins: Vec<Range<u64>> = Vec::new();
        let letters = self.state.dead_letters().map(|dead| &dead.start);
        for start in self.state.batches().map(|open| &open.start).chain(letters) {
            let mut own: Option<Range<u64>> = None;
            for span in start.spans.iter().filter(|span| span.first < floor) {
                match &mut own {
                    Some(pin) if span.first < pin.end + PIN_GAP => pin.end = span.end(),
                    _ => pins.extend(own.replace(span.first..span.end())),
                }
            }
            pins.extend(own);
        }
        (floor, pins)
    }

    /// How much work [`needs`](Self::needs) is.
    pub(crate) fn needs_cost(&self) -> usize {
        self.hooks.len() + self.live.len() + self.state.dead_letters().count()
    }

    /// Gives up what holds the log below `wanted`: dead letters, then what webhooks that fail or
    /// are held have waiting. One that progresses keeps everything; the writer waits for it.
    pub(crate) fn relieve(&mut self, wanted: u64, now: Now) {
        let below = |spans: &[Span]| spans.first().is_some_and(|span| span.first < wanted);
        let letters = self
            .state
            .dead_letters()
            .filter(|dead| below(&dead.start.spans));
        let letters: Vec<Uuid> = letters.map(|dead| dead.start.batch).collect();
        if !letters.is_empty() {
            for batch in letters {
                self.record(Record::Forget { batch });
            }
            return;
        }
        let failing = |hook: &Hook| hook.is_failing() || !hook.is_sending();
        let slots: Vec<u32> = (0..self.hooks.len() as u32)
            .filter(|slot| self.hooks[*slot as usize].as_ref().is_some_and(failing))
            .collect();
        for slot in slots {
            let Some(hook) = self.hooks[slot as usize].as_ref() else {
                continue;
            };
            let waiting: Vec<Uuid> = hook.waiting.iter().map(|(.., batch)| *batch).collect();
            let webhook = hook.id;
            for batch in waiting {
                let Some(open) = self.state.batch(batch) else {
                    continue;
                };
                if below(&open.start.spans) {
                    let (events, reason) = (u64::from(open.start.events), Reason::SPACE);
                    self.close(batch, reason.clone(), now);
                    self.orders.notices.push(Notice::Dropped {
                        webhook,
                        events,
                        reason,
                    });
                }
            }
            self.drop_backlog_below(slot, wanted);
            self.touch(slot);
        }
    }

    /// Drops the front of a backlog. What lags below `wanted` is dropped when it is read back.
    fn drop_backlog_below(&mut self, slot: u32, wanted: u64) {
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
        let before = hook.backlog.events();
        while let Some(&run) = hook.backlog.runs().front().filter(|run| run.first < wanted) {
            let count = u64::from(run.count).min(wanted - run.first);
            // The bytes of a part are a guess; only their sum matters, and only for fullness.
            let bytes = u64::from(run.bytes) * count / u64::from(run.count);
            let budget = &mut self.budget;
            hook.backlog.take_front(count as u32, bytes as u32, budget);
        }
        let webhook = hook.id;
        let events = before - hook.backlog.events();
        let scanned_to = hook.backlog.position(self.routed);
        if events > 0 {
            self.dropped(webhook, Reason::SPACE, events, scanned_to);
        }
    }

    /// Drops everything that is not in a batch.
    pub(super) fn drop_backlog(&mut self, slot: u32, reason: Reason) {
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
        let events = hook.backlog.drop_all(self.routed, &mut self.budget);
        let (webhook, scanned_to) = (hook.id, self.routed);
        if events > 0 {
            self.dropped(webhook, reason, events, scanned_to);
        }
    }

    /// What comes round by time, not often: letters, history and webhooks that are kept no longer,
    /// and positions worth journaling.
    pub(crate) fn tidy(&mut self, now: Now) {
        let kept = |keep: Duration| now.unix_ms.saturating_sub(keep.as_millis() as u64);
        let letters_from = kept(self.settings.dead_keep);
        let old = self
            .state
            .dead_letters()
            .filter(|dead| dead.dead_ms < letters_from);
        for batch in old.map(|dead| dead.start.batch).collect::<Vec<_>>() {
            self.record(Record::Forget { batch });
        }
        let keep = self.settings.history_keep;
        self.state.forget_history_before(kept(keep));
        let of_letters: BTreeSet<Uuid> = self
            .state
            .dead_letters()
            .map(|dead| dead.start.webhook)
            .collect();
        let gone: Vec<Uuid> = self
            .deleted
            .iter()
            .filter(|(id, since)| {
                now.mono.since(**since) >= keep
                    && !self.slots.contains_key(id)
                    && !of_letters.contains(id)
            })
            .map(|(id, _)| *id)
            .collect();
        for webhook in gone {
            self.deleted.remove(&webhook);
            let (change, at_offset) = (Change::Gone, self.routed);
            self.record(Record::Webhook {
                webhook,
                change,
                at_offset,
            });
        }
        self.note_floors(|position, journaled| position >= journaled + FLOOR_EVERY);
    }

    /// Journals the positions of webhooks for which `worth(position, journaled)` holds.
    pub(super) fn note_floors(&mut self, worth: impl Fn(u64, u64) -> bool) {
        let mut floors = Vec::new();
        for hook in self.hooks.iter().flatten() {
            let scanned_to = hook.backlog.position(self.routed);
            let journaled = self
                .state
                .webhook(hook.id)
                .map_or(0, |known| known.scanned_to);
            if scanned_to > journaled && worth(scanned_to, journaled) {
                floors.push(Record::Floor {
                    webhook: hook.id,
                    scanned_to,
                });
            }
        }
        floors.into_iter().for_each(|floor| self.record(floor));
    }
}

/// A pass over the log's tables for webhooks that lag.
pub(crate) struct Refill {
    router: Router,
    slots: Vec<u32>,
    full: Vec<u32>,
    /// Where the webhooks' lags begin: frames are cut there, so that no run straddles one.
    cuts: BTreeSet<u64>,
    /// Where it has got, and where it ends.
    from: u64,
    until: u64,
}

impl Refill {
    /// The offset to read tables from.
    pub(crate) fn from(&self) -> u64 {
        self.from
    }
}
