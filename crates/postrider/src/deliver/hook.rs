//! One webhook as the scheduler sees it, and the rule of what goes out next.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::backlog::Backlog;
use super::bucket::Bucket;
use super::health::Health;
use super::settings::Pace;
use super::token::Token;
use crate::http::NoReuse;
use crate::journal::{Accounts, Asked};
use crate::route::{Scope, Selection};
use crate::time::{Instant, UnixMillis};
use crate::webhook::{Condition, Outcomes};

/// A batch's place in the order of its webhook: the offset of its first event, and, for a part of a rendered
/// batch, which of that one's events it begins with.
pub(super) type Place = (u64, u32);

pub(super) struct Hook {
    pub(super) id: Uuid,
    pub(super) revision: u32,
    pub(super) pace: Pace,
    pub(super) outcomes: Outcomes,
    /// It has filters of its own: what they make of a batch is settled before the first attempt.
    pub(super) filtered: bool,
    /// What it asks for from each offset on. All but the last serve a backlog that lags.
    pub(super) selections: VecDeque<(u64, Arc<Selection>)>,
    pub(super) mode: Mode,
    /// The answer that disabled it.
    pub(super) why: Option<String>,
    /// Why it can't be delivered to as it is, whatever its mode; forgotten with the process.
    pub(super) unfit: Option<String>,
    /// Events written before this are as if written then: what was held does not age.
    pub(super) age_from_ms: UnixMillis,
    pub(super) backlog: Backlog,
    /// It is held and in the way where space is short: its runs are read back to be dropped.
    pub(super) sheds: bool,
    /// Its runs are being read back: there will be enough for a full batch in a moment.
    pub(super) refilling: bool,
    /// Batches without an end, by their place.
    pub(super) open: BTreeSet<(Place, Uuid)>,
    /// Those of them that wait, by when they are due.
    pub(super) waiting: BTreeSet<(Instant, Place, Uuid)>,
    /// Those that were just rendered: their first attempt goes before a new batch.
    pub(super) rendered: BTreeSet<(Place, Uuid)>,
    /// Attempts under way, with batches that are being rendered; and how many of them are not the batch's first.
    pub(super) in_flight: u32,
    pub(super) health: Health,
    /// Former revisions that send to another target than the present one, and open batches that were
    /// formed for them: what becomes of those says nothing of the present target.
    pub(super) former: Vec<u32>,
    pub(super) elsewhere: BTreeSet<Uuid>,
    /// Connections that could not be kept behind an answer, by [`NoReuse::index`].
    pub(super) not_kept: [u64; NoReuse::ALL.len()],
    pub(super) retries: u32,
    /// Whether a retry goes before a first attempt next time that both could.
    retry_turn: bool,
    /// How its rate limits stand: POSTs, events.
    rates: [Bucket; 2],
    /// Where it authenticates by OAuth 2.
    pub(super) token: Option<Token>,
    /// Attempts that were accepted.
    pub(super) successes: u64,
    /// The largest body that may fit after a 413.
    pub(super) body_limit: u32,
    /// Nothing is formed before this: the log could not be read.
    pub(super) held_until: Instant,
    /// The timer that is set for this webhook.
    pub(super) timer: Option<Instant>,
    pub(super) touched: bool,
    pub(super) blocked: bool,
    /// The stretch of the log that it was last asked to leave, and when.
    asked_to_leave: Option<(u64, Instant)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Batches are formed and go out.
    Open,
    /// Held by the operator: nothing goes out, nothing ages.
    Paused,
    /// Held because of an answer.
    Disabled,
    /// No new batches; those that are open go out.
    Deleted,
}

/// Where an open batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting(Instant),
    /// With the webhook's filters; it has its place among those in flight.
    Rendering,
    /// Rendered, and not tried yet.
    Rendered,
    Flying {
        exchange: u64,
        retry: bool,
    },
    /// Its attempt has ended; what that means is being decided.
    Landed,
    /// To be split before anything else happens to it.
    Splitting,
}

/// What is little to send, in bytes: forming and sending it costs less than turning to it.
const LITTLE: u64 = 64 * 1024;

/// Who is served first: those whose receivers are there and who have few events waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    /// Its last attempt was a success, and little waits.
    Prompt,
    /// Its last attempt was a success, and more waits, though it is not behind.
    Large,
    /// Its last attempt was a success, and much waits.
    Behind,
    /// Nothing is known of it, or nothing good.
    Unproven,
}

impl Rank {
    pub(super) const ALL: [Rank; 4] = [Rank::Prompt, Rank::Large, Rank::Behind, Rank::Unproven];
}

/// What goes out next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A new batch.
    Fresh,
    /// A batch that failed before.
    Again(Uuid),
    /// One batch, whichever, to see whether the target is up.
    Probe,
    Nothing,
}

impl Hook {
    pub(super) fn new(id: Uuid, revision: u32, from: u64) -> Hook {
        Hook {
            id,
            revision,
            pace: Pace::default(),
            outcomes: Outcomes::default(),
            filtered: false,
            selections: VecDeque::new(),
            mode: Mode::Open,
            why: None,
            unfit: None,
            age_from_ms: 0,
            backlog: Backlog::new(from),
            sheds: false,
            refilling: false,
            open: BTreeSet::new(),
            waiting: BTreeSet::new(),
            rendered: BTreeSet::new(),
            in_flight: 0,
            health: Health::default(),
            former: Vec::new(),
            elsewhere: BTreeSet::new(),
            not_kept: [0; NoReuse::ALL.len()],
            retries: 0,
            retry_turn: false,
            rates: [Bucket::default(); 2],
            token: None,
            successes: 0,
            body_limit: u32::MAX,
            held_until: Instant(0),
            timer: None,
            touched: false,
            blocked: false,
            asked_to_leave: None,
        }
    }

    /// What it asks for now.
    pub(super) fn selection(&self) -> Option<&Arc<Selection>> {
        self.selections.back().map(|(_, selection)| selection)
    }

    /// What it asks for, as long as it is not deleted.
    pub(super) fn asks(&self) -> Option<Arc<Selection>> {
        let there = self.mode != Mode::Deleted;
        self.selection().filter(|_| there).cloned()
    }

    /// What it asked for at `offset`, and up to where.
    pub(super) fn selection_at(&self, offset: u64) -> Option<(&Arc<Selection>, u64)> {
        let next = self.selections.partition_point(|(from, _)| *from <= offset);
        let until = self
            .selections
            .get(next)
            .map_or(u64::MAX, |(from, _)| *from);
        let (_, selection) = self.selections.get(next.checked_sub(1)?)?;
        Some((selection, until))
    }

    /// Forgets selections that no event waits for.
    pub(super) fn prune_selections(&mut self, routed: u64) {
        let position = self.backlog.position(routed);
        while self
            .selections
            .get(1)
            .is_some_and(|(from, _)| *from <= position)
        {
            self.selections.pop_front();
        }
    }

    /// Whether a new batch should be formed: it would be full, or has waited long enough.
    pub(super) fn ready(&self, now: Instant) -> bool {
        let Some(front) = self.backlog.runs().front() else {
            return false;
        };
        if self.refilling && self.backlog.in_memory() < u64::from(self.pace.max_events) {
            return false;
        }
        self.backlog.events() >= u64::from(self.pace.max_events)
            || self.backlog.bytes() >= u64::from(self.max_bytes())
            || self.backlog.lag().is_some()
            || now >= front.since.after(self.pace.linger)
    }

    pub(super) fn max_bytes(&self) -> u32 {
        self.pace.max_bytes.min(self.body_limit)
    }

    /// What goes out next. First attempts and retries can't starve each other: retries take at most
    /// half of the slots, and where both could go they take turns.
    pub(super) fn choose(&mut self, now: Instant) -> Next {
        if !self.is_sending() || now < self.rate_opens() {
            return Next::Nothing;
        }
        if let Some(down) = &self.health.down {
            return match self.in_flight {
                0 if now >= down.next_probe => Next::Probe,
                0 => self.due_elsewhere(now).map_or(Next::Nothing, Next::Again),
                _ => Next::Nothing,
            };
        }
        let fresh = now >= self.held_until && self.ready(now);
        if self.pace.ordered {
            return self.choose_in_order(now, fresh);
        }
        let places = self.health.window.places(self.pace.in_flight);
        if self.in_flight >= places {
            return Next::Nothing;
        }
        let retry_room = self.retries < (places / 2).max(1);
        let due = self
            .waiting
            .first()
            .filter(|(at, ..)| retry_room && *at <= now);
        let fresh = match self.rendered.first() {
            Some(&(_, batch)) => Some(Next::Again(batch)),
            None => fresh.then_some(Next::Fresh),
        };
        match (due, fresh) {
            (Some(&(_, _, batch)), None) => Next::Again(batch),
            (Some(&(_, _, batch)), Some(fresh)) => {
                self.retry_turn = !self.retry_turn;
                if self.retry_turn {
                    Next::Again(batch)
                } else {
                    fresh
                }
            }
            (None, Some(fresh)) => fresh,
            (None, None) => Next::Nothing,
        }
    }

    /// A batch that goes to a former target and is due: the present one's failures don't hold it.
    fn due_elsewhere(&self, now: Instant) -> Option<Uuid> {
        let due = self.waiting.iter().take_while(|(at, ..)| *at <= now);
        let waiting = due.map(|(.., batch)| batch);
        let rendered = self.rendered.iter().map(|(_, batch)| batch);
        // Most webhooks have none.
        let there = !self.elsewhere.is_empty();
        let mut all = there.then(|| rendered.chain(waiting))?;
        all.find(|batch| self.elsewhere.contains(batch)).copied()
    }

    /// When its rate limits allow another POST.
    fn rate_opens(&self) -> Instant {
        let rates = [self.pace.requests_per_s, self.pace.events_per_s];
        let limited = rates.iter().zip(&self.rates).filter(|(rate, _)| **rate > 0);
        limited
            .map(|(_, bucket)| bucket.open_at())
            .max()
            .unwrap_or_default()
    }

    /// Counts a POST of so many events towards its rate limits.
    pub(super) fn take_rates(&mut self, events: u32, now: Instant) {
        let [requests, all_events] = &mut self.rates;
        requests.take(1, self.pace.requests_per_s, now);
        all_events.take(events, self.pace.events_per_s, now);
    }

    /// From now on its batches are formed and paced like this. Debts of a former rate are forgiven.
    pub(super) fn set_pace(&mut self, pace: Pace) {
        let rates = |pace: &Pace| (pace.requests_per_s, pace.events_per_s);
        if rates(&pace) != rates(&self.pace) {
            self.rates = [Bucket::default(); 2];
        }
        self.pace = pace;
    }

    /// The oldest open batch, and nothing else before it has ended.
    fn choose_in_order(&self, now: Instant, fresh: bool) -> Next {
        let waiting = self.waiting.iter();
        let waiting = waiting.map(|&(at, place, batch)| (place, at, batch));
        let rendered = self.rendered.iter();
        let rendered = rendered.map(|&(place, batch)| (place, Instant(0), batch));
        match waiting.chain(rendered).min() {
            _ if self.in_flight > 0 => Next::Nothing,
            Some((_, at, batch)) if at <= now => Next::Again(batch),
            None if fresh && self.open.is_empty() => Next::Fresh,
            _ => Next::Nothing,
        }
    }

    /// How it fares, and what more there is to say of it.
    pub(super) fn condition(&self) -> (Condition, Option<&str>) {
        match (self.mode, &self.unfit, &self.health.down) {
            (Mode::Deleted, ..) => (Condition::Deleted, None),
            (Mode::Paused, ..) => (Condition::Paused, None),
            (Mode::Disabled, ..) => (Condition::Disabled, self.why.as_deref()),
            (Mode::Open, Some(why), _) => (Condition::Unfit, Some(why)),
            (Mode::Open, None, Some(down)) => (Condition::Down, Some(&down.why)),
            (Mode::Open, None, None) => (Condition::Up, None),
        }
    }

    /// Whether batches go out, as far as the operator and 410 are concerned, and there is where to.
    pub(super) fn is_sending(&self) -> bool {
        match self.mode {
            Mode::Open => self.unfit.is_none(),
            Mode::Deleted => true,
            Mode::Paused | Mode::Disabled => false,
        }
    }

    /// Its place among those that want something done.
    pub(super) fn rank(&self) -> Rank {
        match self.health.is_proven() {
            false => Rank::Unproven,
            true if self.backlog.is_behind() => Rank::Behind,
            true if self.backlog.bytes() > LITTLE => Rank::Large,
            true => Rank::Prompt,
        }
    }

    /// Takes a batch out of the list that it is in by its stage.
    pub(super) fn unlist(&mut self, stage: Stage, place: Place, batch: Uuid) {
        match stage {
            Stage::Waiting(at) => {
                self.waiting.remove(&(at, place, batch));
            }
            Stage::Rendered => {
                self.rendered.remove(&(place, batch));
            }
            Stage::Rendering | Stage::Flying { .. } | Stage::Landed | Stage::Splitting => {}
        }
    }

    /// Whether it was asked long ago to leave the log below an offset, and still is there. It is asked
    /// anew when it has left, or was not in the way for a while.
    pub(super) fn is_in_way(
        &mut self,
        first: u64,
        wanted: u64,
        now: Instant,
        patience: Duration,
    ) -> bool {
        match self.asked_to_leave {
            Some((below, since)) if first < below && now.since(since) < 2 * patience => {
                now.since(since) >= patience
            }
            _ => {
                self.asked_to_leave = Some((wanted, now));
                false
            }
        }
    }

    /// When that will be long ago.
    pub(super) fn patience_ends(&self, patience: Duration) -> Option<Instant> {
        self.asked_to_leave.map(|(_, since)| since.after(patience))
    }

    /// When to look for waiting events that are too old, where nothing goes out that would show it.
    pub(super) fn next_sweep(&mut self, now: Instant) -> Option<&mut Instant> {
        if !self.is_sending() {
            return None;
        }
        match (&mut self.health.down, &mut self.token) {
            (Some(down), _) => Some(&mut down.next_sweep),
            (None, Some(token)) if token.is_failing(now) => Some(&mut token.next_sweep),
            _ => None,
        }
    }

    /// When it should be looked at again, apart from answers and new events.
    pub(super) fn next_look(&self, now: Instant) -> Option<Instant> {
        let nothing = self.open.is_empty() && self.backlog.events() == 0;
        if nothing || !self.is_sending() {
            return None;
        }
        let mut next = None;
        let mut at = |time: Instant| {
            if time > now {
                next = Some(next.map_or(time, |next: Instant| next.min(time)));
            }
        };
        at(self.rate_opens());
        if let Some(token) = &self.token
            && token.is_failing(now)
        {
            token.next_look().into_iter().for_each(&mut at);
            at(token.next_sweep);
        }
        // What is due and not gone waits for a slot, not for a time.
        let later = (now.after(Duration::from_nanos(1)), (0, 0), Uuid::nil());
        let mut waiting = self.waiting.range(later..);
        if let Some(down) = &self.health.down {
            at(down.next_probe);
            at(down.next_sweep);
            if !self.elsewhere.is_empty()
                && let Some((due, ..)) = waiting.find(|(.., b)| self.elsewhere.contains(b))
            {
                at(*due);
            }
            return next;
        }
        if let Some((due, ..)) = waiting.next() {
            at(*due);
        }
        if let Some(front) = self.backlog.runs().front() {
            at(front.since.after(self.pace.linger).max(self.held_until));
            at(self.held_until);
        }
        next
    }
}

/// A selection as the journal has it.
pub(super) fn asked_of(selection: &Selection) -> Asked {
    let accounts = match &selection.scope {
        Scope::All { except } => Accounts::AllBut(except.to_vec()),
        Scope::Primary => Accounts::Primary,
        Scope::One(one) => Accounts::One(*one),
    };
    let types = selection.types.iter().collect();
    Asked { types, accounts }
}

/// A selection as the router needs it.
pub(super) fn selection_of(asked: &Asked) -> Selection {
    let scope = match &asked.accounts {
        Accounts::AllBut(except) => Scope::All {
            except: except.as_slice().into(),
        },
        Accounts::Primary => Scope::Primary,
        Accounts::One(one) => Scope::One(*one),
    };
    let types = asked.types.iter().copied().collect();
    Selection { types, scope }
}
