//! What the log must keep, and what is given up when it can't.

use uuid::Uuid;

use super::*;
use crate::journal::DeadLetter;
use crate::log::Glean;
use crate::route::{BySubaccount, Scope};

/// Spans of one batch that are nearer than this are held as one pin: what lies between is in the
/// same segment anyway.
const PIN_GAP: u64 = 1 << 16;

/// A webhook that holds the log where space is short is slow if it has not moved out of the way in
/// this time; then it gives up what is in the way, so that it delays no other.
const PATIENCE: Duration = Duration::from_secs(30);

/// So long after a pass the next one waits for room at most.
const REFILL_PATIENCE: Duration = Duration::from_millis(100);

/// Runs are read back for so many full batches of one webhook at most, where few runs hold many events.
const BATCHES_AT_MOST: u64 = 1024;

/// A webhook that wants nothing has its position journaled after this many offsets, so that a
/// restart does not look at all of them again.
const FLOOR_EVERY: u64 = 1 << 20;

impl Scheduler {
    /// Goes on with the pass over the tables that reads runs back, or begins one where webhooks have too few of them.
    /// One pass serves as many as have room for two batches each, those furthest behind first: fewer runs each
    /// would make small batches, more would leave nothing for the next.
    pub(crate) fn refill(&mut self) -> Option<Refill> {
        if let Some(pass) = self.pass.take() {
            return Some(pass);
        }
        if !self.may_refill {
            return None;
        }
        let room = self.budget.max.saturating_sub(self.budget.used);
        let room = room.max(self.budget.max / 4);
        let (mut until, mut wanted, mut takers) = (self.routed, 0, Vec::new());
        while wanted <= room
            && let Some((from, slot)) = self.hungry.pop_first()
        {
            let hook = self.hooks.get_mut(slot as usize).and_then(Option::as_mut);
            let Some(hook) = hook.filter(|hook| hook.backlog.hungry() == Some(from)) else {
                continue;
            };
            // One that is held has no use for runs, but to have them dropped for space.
            if !std::mem::take(&mut hook.sheds) && !hook.is_sending() {
                continue;
            }
            let selection = hook.selection_at(from);
            if let Some((selection, end)) = selection.map(|(s, end)| (s.clone(), end)) {
                hook.refilling = true;
                until = until.min(end);
                wanted += 2 * hook.pace.max_events as usize;
                takers.push((from, slot, selection));
            }
        }
        let (from, ..) = *takers.first()?;
        let runs = (room / takers.len()).max(1);
        let cuts = takers.iter().map(|(from, ..)| *from).collect();
        let mut guests = Guests::default();
        takers.iter().for_each(|(_, slot, s)| guests.add(*slot, s));
        let router = Router::new(takers.into_iter().map(|(_, slot, s)| (slot, s)));
        Some(Refill {
            router,
            guests,
            runs,
            cuts,
            from,
            until,
            glean: Glean::default(),
        })
    }

    /// A webhook that is held gives back what it has of the common budget, and is served by no pass: what waits is read
    /// back when it goes on.
    pub(super) fn let_go(&mut self, slot: u32) {
        if let Some(hook) = self.hooks[slot as usize].as_mut() {
            hook.refilling = false;
            hook.backlog.let_go(&mut self.budget);
        }
        if let Some(pass) = &mut self.pass {
            pass.guests.fill(slot);
        }
    }

    /// Lets the next pass begin once there is room for enough webhooks, or none came free for a while: who
    /// holds it may not be able to send.
    pub(super) fn pace_refills(&mut self, now: Instant) {
        if std::mem::take(&mut self.pass_ended) {
            self.refill_at = now.after(REFILL_PATIENCE);
        }
        let room = self.budget.max.saturating_sub(self.budget.used);
        self.may_refill = room >= self.budget.max / 4 || now >= self.refill_at;
        let waits = !self.may_refill && !self.hungry.is_empty();
        if waits && self.refill_timer != Some(self.refill_at) {
            self.refill_timer = Some(self.refill_at);
            // No webhook's: the turn is what matters.
            self.timers.push(Reverse((self.refill_at, u32::MAX)));
        }
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
            guests,
            runs,
            cuts,
            from,
            ..
        } = pass;
        let mut served = Vec::new();
        *from = base.max(*from);
        while *from < end {
            while cuts.first().is_some_and(|cut| *cut <= *from) {
                cuts.pop_first();
            }
            let stop = cuts.first().map_or(end, |cut| end.min(*cut));
            let entries = ((*from - base) as u32..(stop - base) as u32).map(&entry);
            router.route(
                Run::empty(*from, Instant(0), written_ms),
                entries,
                |slot, run| {
                    let Some(hook) = self.hooks[slot as usize].as_mut() else {
                        return;
                    };
                    if guests.is_full(slot) {
                        return;
                    }
                    let kept = hook.backlog.take_back(run, &mut self.budget);
                    let (batch, backlog) = (hook.pace.max_events, &hook.backlog);
                    let many = u64::from(batch) * BATCHES_AT_MOST;
                    // Full batches, if events stand alone.
                    let runs = (*runs / batch as usize).max(1) * batch as usize;
                    if !kept || backlog.runs().len() >= runs || backlog.in_memory() >= many {
                        hook.refilling = false;
                        guests.fill(slot);
                        served.push(slot);
                    }
                },
            );
            *from = stop;
        }
        served.into_iter().for_each(|slot| self.touch(slot));
        pass.from < pass.until && pass.guests.hungry > 0
    }

    /// Ends a part of a pass, to go on later.
    pub(crate) fn refill_later(&mut self, pass: Refill) {
        self.pass = Some(pass);
    }

    /// Ends a pass. `whole` says that the log has no further frame below the pass's end.
    pub(crate) fn refilled(&mut self, pass: Refill, whole: bool) {
        self.pass_ended = true;
        let reached = if whole {
            pass.until
        } else {
            pass.from.min(pass.until)
        };
        for (slot, full) in pass.guests.all() {
            let Some(hook) = self.hooks[slot as usize].as_mut() else {
                continue;
            };
            if !full {
                let missing = hook.backlog.looked_to(reached, self.routed);
                let webhook = hook.id;
                let scanned_to = hook.backlog.position(self.routed);
                if missing > 0 {
                    self.dropped(webhook, Reason::MISSING, missing, scanned_to);
                }
            }
            self.touch(slot);
            if let Some(hook) = self.hooks[slot as usize].as_mut() {
                hook.refilling = false;
                self.hungry
                    .extend(hook.backlog.hungry().map(|from| (from, slot)));
            }
        }
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
        // What was rendered lies elsewhere.
        let letters = self.state.dead_letters();
        let letters = letters.filter(|dead| dead.rendered.is_none());
        let open = self.state.batches();
        let open = open.filter(|open| open.rendered.is_none());
        let starts = open.map(|open| &open.start);
        for start in starts.chain(letters.map(|dead| &dead.start)) {
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

    /// Gives up what holds the log below `wanted`, one kind at a time, until something is given up:
    /// dead letters; the oldest of the largest backlog that is over its own cap; the oldest of
    /// webhooks that fail, are held, or do not move out of the way. One that makes way keeps everything:
    /// the writer waits for it. Says whether anything was given up.
    pub(crate) fn relieve(&mut self, wanted: u64, now: Now) -> bool {
        self.forget_letters(wanted)
            || self.shed_largest(wanted, now)
            || self.shed_oldest(wanted, now)
    }

    fn forget_letters(&mut self, wanted: u64) -> bool {
        let letters = self.state.dead_letters();
        let letters = letters.filter(|dead| dead.rendered.is_none());
        let below = letters.filter(|dead| is_below(&dead.start.spans, wanted));
        let below: Vec<DeadLetter> = below.cloned().collect();
        self.forget(&below);
        !below.is_empty()
    }

    /// Gives up the oldest dead letters that filters rendered, so many bytes of them at least. Says whether there
    /// were any.
    pub(crate) fn forget_rendered(&mut self, bytes: u64) -> bool {
        let letters = self.state.dead_letters();
        let letters = letters.filter(|dead| dead.rendered.is_some());
        let (mut gone, mut oldest) = (0, Vec::new());
        for letter in letters {
            if gone >= bytes {
                break;
            }
            gone += u64::from(letter.start.bytes);
            oldest.push(letter.clone());
        }
        self.forget(&oldest);
        !oldest.is_empty()
    }

    fn forget(&mut self, letters: &[DeadLetter]) {
        for letter in letters {
            let (batch, webhook, events) = (
                letter.start.batch,
                letter.start.webhook,
                letter.start.events,
            );
            self.orders.notices.push(Notice::LetterForgotten {
                webhook,
                batch,
                events,
            });
            self.record(Record::Forget { batch });
        }
    }

    /// The first offset that a webhook needs.
    fn first(&self, hook: &Hook) -> u64 {
        let in_log = |batch: &Uuid| {
            let open = self.state.batch(*batch);
            open.is_some_and(|open| open.rendered.is_none())
        };
        let mut open = hook.open.iter();
        let open = open.find(|(_, batch)| in_log(batch));
        let first = open.map_or(u64::MAX, |((first, _), _)| *first);
        hook.backlog.position(self.routed).min(first)
    }

    /// What a webhook is over its own cap: events and bytes.
    fn excess(&self, hook: &Hook) -> Option<(u64, u64)> {
        let (pace, backlog) = (&hook.pace, &hook.backlog);
        let open = hook.open.iter();
        let open = open.filter_map(|(_, batch)| Some(&self.state.batch(*batch)?.start));
        let (mut events, mut bytes) = (backlog.events(), backlog.bytes());
        for start in open {
            events += u64::from(start.events);
            bytes += u64::from(start.bytes);
        }
        let over = |size: u64, cap: u64| {
            if cap == 0 {
                0
            } else {
                size.saturating_sub(cap)
            }
        };
        let (events, bytes) = (
            over(events, pace.backlog_events),
            over(bytes, pace.backlog_bytes),
        );
        (events > 0 || bytes > 0).then_some((events, bytes))
    }

    fn shed_largest(&mut self, wanted: u64, now: Now) -> bool {
        let slots = 0..self.hooks.len() as u32;
        let over = slots.filter_map(|slot| {
            let hook = self.hooks[slot as usize].as_ref()?;
            let in_way = self.first(hook) < wanted;
            let excess = self.excess(hook).filter(|_| in_way)?;
            Some((hook.backlog.bytes(), slot, excess))
        });
        let Some((_, slot, excess)) = over.max() else {
            return false;
        };
        self.shed(slot, wanted, excess, now)
    }

    fn shed_oldest(&mut self, wanted: u64, now: Now) -> bool {
        let mut slow = Vec::new();
        for slot in 0..self.hooks.len() as u32 {
            let Some(first) = self.hooks[slot as usize].as_ref().map(|h| self.first(h)) else {
                continue;
            };
            let Some(hook) = self.hooks[slot as usize].as_mut() else {
                continue;
            };
            if first >= wanted {
                continue;
            }
            let idle = hook.health.is_failing() || !hook.is_sending();
            if idle || hook.is_in_way(first, wanted, now.mono, PATIENCE) {
                slow.push(slot);
            } else if let Some(look) = hook.patience_ends(PATIENCE) {
                self.timers.push(Reverse((look, slot)));
            }
        }
        let all = (u64::MAX, u64::MAX);
        let shed = slow
            .into_iter()
            .map(|slot| self.shed(slot, wanted, all, now));
        shed.fold(false, |any, did| any | did)
    }

    /// Drops a webhook's oldest below `wanted`, until at least so many events and bytes are gone; says
    /// whether anything was. What is under way stays.
    fn shed(&mut self, slot: u32, wanted: u64, (events, bytes): (u64, u64), now: Now) -> bool {
        let Some(hook) = self.hooks[slot as usize].as_ref() else {
            return false;
        };
        let webhook = hook.id;
        let (mut gone, mut gone_bytes) = (0, 0);
        let open: Vec<Uuid> = hook.open.iter().map(|(_, batch)| *batch).collect();
        for batch in open {
            let waits = |live: &Live| matches!(live.stage, Stage::Waiting(_));
            let open = self.state.batch(batch);
            let Some(open) = open.filter(|open| open.rendered.is_none()) else {
                continue;
            };
            let start = &open.start;
            if gone >= events && gone_bytes >= bytes {
                break;
            }
            if !is_below(&start.spans, wanted) || !self.live.get(&batch).is_some_and(waits) {
                continue;
            }
            gone += u64::from(start.events);
            gone_bytes += u64::from(start.bytes);
            let (events, reason) = (u64::from(start.events), Reason::SPACE);
            self.close(batch, reason.clone(), now);
            self.orders.notices.push(Notice::Dropped {
                webhook,
                events,
                reason,
            });
        }
        let left = (
            events.saturating_sub(gone),
            bytes.saturating_sub(gone_bytes),
        );
        gone += self.drop_backlog_below(slot, wanted, left);
        self.touch(slot);
        gone > 0
    }

    /// Drops the front of a backlog until so many events and bytes are gone. What lags below `wanted`
    /// is dropped when it is read back.
    fn drop_backlog_below(&mut self, slot: u32, wanted: u64, (events, bytes): (u64, u64)) -> u64 {
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return 0;
        };
        let (before, bytes_before) = (hook.backlog.events(), hook.backlog.bytes());
        while let Some(&run) = hook.backlog.runs().front().filter(|run| run.first < wanted) {
            let gone = before - hook.backlog.events();
            let gone_bytes = bytes_before - hook.backlog.bytes();
            if gone >= events && gone_bytes >= bytes {
                break;
            }
            let mut count = u64::from(run.count).min(wanted - run.first);
            if gone_bytes >= bytes {
                count = count.min(events - gone);
            }
            // The bytes of a part are a guess; only their sum matters, and only for fullness.
            let bytes = u64::from(run.bytes) * count / u64::from(run.count);
            let budget = &mut self.budget;
            hook.backlog.take_front(count as u32, bytes as u32, budget);
        }
        hook.sheds = hook.backlog.lag().is_some_and(|from| from < wanted);
        self.hungry
            .extend(hook.backlog.hungry().map(|from| (from, slot)));
        let webhook = hook.id;
        let events = before - hook.backlog.events();
        let scanned_to = hook.backlog.position(self.routed);
        if events > 0 {
            self.dropped(webhook, Reason::SPACE, events, scanned_to);
        }
        events
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

fn is_below(spans: &[Span], wanted: u64) -> bool {
    spans.first().is_some_and(|span| span.first < wanted)
}

/// Whom a pass serves.
#[derive(Default)]
struct Guests {
    /// By slot: the one subaccount that all its events are of, if so; and whether it is full.
    by_slot: BTreeMap<u32, (Option<u32>, bool)>,
    /// How many are not full.
    hungry: usize,
    /// Types that any want of more than one subaccount.
    wide: TypeSet,
    /// Subaccounts that are all somebody wants who is not full, and of how many.
    narrow: BySubaccount<u32>,
}

impl Guests {
    fn add(&mut self, slot: u32, selection: &Selection) {
        let bound = match selection.scope {
            Scope::One(subaccount) => Some(subaccount),
            _ => None,
        };
        match bound {
            Some(subaccount) => *self.narrow.entry(subaccount).or_default() += 1,
            None => self.wide.union(&selection.types),
        }
        self.by_slot.insert(slot, (bound, false));
        self.hungry += 1;
    }

    fn is_full(&self, slot: u32) -> bool {
        self.by_slot.get(&slot).is_none_or(|(_, full)| *full)
    }

    /// It takes no more, and what it alone wants need not be looked for.
    fn fill(&mut self, slot: u32) {
        let Some((bound, full)) = self.by_slot.get_mut(&slot) else {
            return;
        };
        if std::mem::replace(full, true) {
            return;
        }
        self.hungry -= 1;
        if let Some(subaccount) = bound
            && let Some(others) = self.narrow.get_mut(subaccount)
        {
            *others -= 1;
            if *others == 0 {
                self.narrow.remove(subaccount);
            }
        }
    }

    /// All slots, and whether they are full.
    fn all(self) -> impl Iterator<Item = (u32, bool)> {
        self.by_slot
            .into_iter()
            .map(|(slot, (_, full))| (slot, full))
    }
}

/// A pass over the log's tables for webhooks that lag.
pub(crate) struct Refill {
    router: Router,
    guests: Guests,
    /// A webhook that has so many runs is full.
    runs: usize,
    /// Where the webhooks' lags begin: frames are cut there, so that no run straddles one.
    cuts: BTreeSet<u64>,
    /// Where it has got, and where it ends.
    from: u64,
    until: u64,
    /// What the log knows of the segment that the pass is in.
    pub(crate) glean: Glean,
}

impl Refill {
    /// What any of the webhooks may want: (type, subaccount).
    pub(crate) fn wants(&self) -> impl Fn(u16, u32) -> bool + use<> {
        let (wide, narrow) = (self.guests.wide, self.guests.narrow.clone());
        move |type_id, subaccount| wide.contains(type_id) || narrow.contains_key(&subaccount)
    }

    /// The offset to read tables from.
    pub(crate) fn from(&self) -> u64 {
        self.from
    }

    /// All below `next` was looked at.
    pub(crate) fn looked_to(&mut self, next: u64) {
        self.from = self.from.max(next);
    }
}
