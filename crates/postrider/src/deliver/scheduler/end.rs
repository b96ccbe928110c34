//! What an answer does to its batch and its webhook.

use uuid::Uuid;

use super::*;
use crate::deliver::retry::{Ended, Verdict};
use crate::http::NoReuse;
use crate::journal::Outcome;

/// Refusals after which a batch is split, if another batch was accepted meanwhile.
const REFUSALS: u32 = 3;

impl Scheduler {
    /// An attempt has ended. An exchange that was cancelled is not known any more.
    pub(crate) fn ended(&mut self, exchange: u64, ended: &Ended, now: Now) {
        let Some(batch) = self.flights.remove(&exchange) else {
            return;
        };
        self.learn(batch, ended, now);
        let Some(slot) = self.land(batch) else { return };
        self.touch(slot);
        let own = self.hooks[slot as usize].as_ref();
        match own.map_or(Verdict::Retry, |hook| ended.verdict(&hook.outcomes)) {
            Verdict::Delivered => self.delivered(slot, batch, ended, now),
            _ if self.excuse(slot, batch, ended, now) => {}
            verdict => self.failed(slot, batch, verdict, ended, now),
        }
    }

    /// Takes into account what the end of a first attempt says about how much the receiver bears.
    fn learn(&mut self, batch: Uuid, ended: &Ended, now: Now) {
        let Some(live) = self.live.get(&batch) else {
            return;
        };
        let first = matches!(live.stage, Stage::Flying { retry: false, .. });
        let hook = self.hooks[live.slot as usize].as_mut();
        let hook = hook.filter(|hook| !hook.elsewhere.contains(&batch));
        if let (true, Some(sign), Some(hook)) = (first, ended.sign(), hook) {
            let (under_way, max) = (hook.in_flight, hook.pace.in_flight);
            hook.health.window.ended(sign, under_way, max, now.mono);
        }
    }

    /// The connection of an attempt could not be kept behind its answer.
    pub(crate) fn not_kept(&mut self, exchange: u64, why: NoReuse) {
        let live = self.flights.get(&exchange).and_then(|b| self.live.get(b));
        if let Some(hook) = live.and_then(|l| self.hooks[l.slot as usize].as_mut()) {
            hook.not_kept[why.index()] += 1;
        }
    }

    fn delivered(&mut self, slot: u32, batch: Uuid, ended: &Ended, now: Now) {
        let result = Outcome::Delivered {
            status: ended.any_status(),
        };
        let (at_ms, latency_ms) = (now.unix_ms, ended.latency_ms);
        let serial = self.live.get(&batch).map_or(0, |live| live.blame.serial);
        let elsewhere = self.goes_elsewhere(slot, batch);
        self.forget_live(batch);
        self.record(Record::Outcome {
            batch,
            at_ms,
            latency_ms,
            result,
            next_at_ms: 0,
        });
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
        if let Some(token) = &mut hook.token {
            token.accepted(serial);
        }
        if elsewhere {
            return;
        }
        hook.successes += 1;
        if !hook.health.succeeded() {
            return;
        }
        let webhook = hook.id;
        // The target is up: what waited out its failures need not wait longer.
        self.hurry(slot, now);
        self.orders.notices.push(Notice::Up { webhook });
    }

    /// Makes everything that waits due at once.
    pub(super) fn hurry(&mut self, slot: u32, now: Now) {
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
        let waiting = std::mem::take(&mut hook.waiting);
        for (_, first, batch) in waiting {
            hook.waiting.insert((now.mono, first, batch));
            if let Some(live) = self.live.get_mut(&batch) {
                live.stage = Stage::Waiting(now.mono);
            }
        }
    }

    fn failed(&mut self, slot: u32, batch: Uuid, verdict: Verdict, ended: &Ended, now: Now) {
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
        let Some(live) = self.live.get_mut(&batch) else {
            return;
        };
        let attempts = self.state.batch(batch).map_or(1, |open| open.attempts);
        let attempts = attempts - live.blame.excused.min(attempts);
        let elsewhere = hook.elsewhere.contains(&batch);
        let down = hook.health.down.as_ref().filter(|_| !elsewhere);
        let tries = down.map_or(attempts, |down| down.tries + 1);
        let pause = self
            .settings
            .retry
            .pause(tries, ended.retry_after(), &mut self.rng);
        let next_probe = now.mono.after(pause);
        // The last attempt is at the end of the batch's time, not beyond it.
        let pause = pause.min(live.expires.since(now.mono));
        let due = now.mono.after(pause);
        let refused = matches!(verdict, Verdict::TooBig | Verdict::Refused);
        let refused_at = refused.then_some(live.refused_at.unwrap_or(hook.successes));
        let other_success = !elsewhere && refused_at.is_some_and(|then| hook.successes > then);
        live.refused_at = refused_at;
        live.stage = Stage::Waiting(due);
        hook.waiting.insert((due, live.place, batch));
        let (expired, bytes) = (now.mono >= live.expires, live.bytes);

        let result = Outcome::Failed {
            status: ended.status(),
            code: ended.code(),
        };
        let (at_ms, latency_ms) = (now.unix_ms, ended.latency_ms);
        let next_at_ms = at_ms.saturating_add(pause.as_millis() as u64);
        self.record(Record::Outcome {
            batch,
            at_ms,
            latency_ms,
            result,
            next_at_ms,
        });
        if !elsewhere {
            self.judge_target(slot, batch, verdict, ended, next_probe, now);
        }

        let Some(open) = self.state.batch(batch) else {
            return;
        };
        let (single, only_refused) = (open.start.events == 1, open.only_refused);
        let enough = open.refused >= REFUSALS && other_success;
        match verdict {
            Verdict::TooBig if single && only_refused => self.give_up(batch, Reason::TOO_BIG, now),
            Verdict::TooBig if only_refused => {
                if let (false, Some(hook)) = (elsewhere, self.hooks[slot as usize].as_mut()) {
                    hook.body_limit = hook.body_limit.min(bytes / 2).max(1);
                }
                self.mark_for_split(batch);
            }
            Verdict::Refused if enough && single && only_refused => {
                self.give_up(batch, Reason::POISON, now);
            }
            Verdict::Refused if enough && only_refused => self.mark_for_split(batch),
            Verdict::Dead => self.give_up(batch, Reason::REJECTED, now),
            _ if expired => self.give_up(batch, Reason::EXPIRED, now),
            _ => {}
        }
    }

    /// Whether a batch goes to another target than its webhook's present one.
    fn goes_elsewhere(&self, slot: u32, batch: Uuid) -> bool {
        let hook = self.hooks[slot as usize].as_ref();
        hook.is_some_and(|hook| hook.elsewhere.contains(&batch))
    }

    /// What a failure says of the target: gone for good, down, or nothing yet.
    fn judge_target(
        &mut self,
        slot: u32,
        batch: Uuid,
        verdict: Verdict,
        ended: &Ended,
        next_probe: Instant,
        now: Now,
    ) {
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
        let webhook = hook.id;
        if verdict == Verdict::Disable && hook.mode == Mode::Open {
            return self.disable(slot, ended.label(), now);
        }
        if verdict == Verdict::Dead {
            hook.health.answered();
            return;
        }
        let is_down = hook
            .health
            .failed(batch, ended.unreached(), hook.pace.in_flight);
        match &mut hook.health.down {
            Some(down) => {
                down.tries += 1;
                down.next_probe = next_probe;
            }
            None if is_down => {
                hook.health.down = Some(Down {
                    why: ended.label(),
                    tries: 1,
                    next_probe,
                    next_sweep: now.mono,
                });
                self.orders.notices.push(Notice::Down {
                    webhook,
                    why: ended.label(),
                });
            }
            None => {}
        }
    }

    fn mark_for_split(&mut self, batch: Uuid) {
        let Some(live) = self.live.get_mut(&batch) else {
            return;
        };
        if let Stage::Waiting(at) = std::mem::replace(&mut live.stage, Stage::Splitting)
            && let Some(hook) = self.hooks[live.slot as usize].as_mut()
        {
            hook.waiting.remove(&(at, live.place, batch));
        }
    }

    /// Events of an attempt that was ordered are not in the log. The rest goes out under an id of
    /// its own: a batch id never stands for different bytes.
    pub(crate) fn missing(
        &mut self,
        exchange: u64,
        missing: &[Span],
        reason: Reason,
        lengths: &mut impl Lengths,
        now: Now,
    ) {
        let Some(batch) = self.flights.remove(&exchange) else {
            return;
        };
        self.lose(batch, missing, reason, lengths, now);
    }

    /// Goes on without events of a batch that went nowhere.
    pub(super) fn lose(
        &mut self,
        batch: Uuid,
        missing: &[Span],
        reason: Reason,
        lengths: &mut impl Lengths,
        now: Now,
    ) {
        let Some(slot) = self.land(batch) else { return };
        self.touch(slot);
        let Some(open) = self.state.batch(batch) else {
            return;
        };
        let there = without(&open.start.spans, missing);
        let webhook = open.start.webhook;
        let events = missing.iter().map(|span| u64::from(span.count)).sum();
        if there.is_empty() {
            self.close(batch, reason.clone(), now);
        } else {
            let bytes = form::bytes_of(&there, lengths).unwrap_or(open.start.bytes);
            let parts = [form::part(there, bytes), form::part(missing.to_vec(), 0)];
            let [_, lost] = self.split(batch, parts, now);
            self.close(lost, reason.clone(), now);
        }
        self.orders.notices.push(Notice::Dropped {
            webhook,
            events,
            reason,
        });
    }

    /// Gives a batch up: a dead letter.
    pub(super) fn give_up(&mut self, batch: Uuid, reason: Reason, now: Now) {
        let Some(open) = self.state.batch(batch) else {
            return;
        };
        let (webhook, events) = (open.start.webhook, open.start.events);
        let notice = Notice::GivenUp {
            webhook,
            batch,
            events,
            reason: reason.clone(),
        };
        self.orders.notices.push(notice);
        self.forget_live(batch);
        self.record(Record::Dead {
            batch,
            reason,
            at_ms: now.unix_ms,
        });
    }

    /// Drops an open batch, and ends its attempt where one is under way.
    pub(super) fn close(&mut self, batch: Uuid, reason: Reason, now: Now) {
        if let Some(Live {
            stage: Stage::Flying { exchange, .. },
            ..
        }) = self.live.get(&batch)
        {
            let exchange = *exchange;
            self.flights.remove(&exchange);
            self.orders.cancels.push(exchange);
            self.orders
                .attempts
                .retain(|attempt| attempt.exchange != exchange);
        }
        self.land(batch);
        self.forget_live(batch);
        self.record(Record::Close {
            batch,
            reason,
            at_ms: now.unix_ms,
        });
    }

    /// Nothing is known of where a batch of a deleted webhook should go.
    pub(crate) fn unaddressed(&mut self, batch: Uuid, now: Now) {
        self.close(batch, Reason::DELETED, now);
    }

    /// Takes a batch out of the air, or from the filters; answers whose it is.
    pub(super) fn land(&mut self, batch: Uuid) -> Option<u32> {
        let live = self.live.get_mut(&batch)?;
        let hook = self.hooks[live.slot as usize].as_mut()?;
        hook.unlist(live.stage, live.place, batch);
        match live.stage {
            Stage::Flying { retry, .. } => {
                hook.in_flight -= 1;
                hook.retries -= u32::from(retry);
                self.flight_bytes -= u64::from(live.bytes);
            }
            Stage::Rendering => hook.in_flight -= 1,
            Stage::Waiting(_) | Stage::Rendered | Stage::Landed | Stage::Splitting => {}
        }
        live.stage = Stage::Landed;
        Some(live.slot)
    }

    /// Forgets what is known of a batch beside the journal.
    pub(super) fn forget_live(&mut self, batch: Uuid) -> Option<u32> {
        let live = self.live.remove(&batch)?;
        let hook = self.hooks[live.slot as usize].as_mut()?;
        hook.open.remove(&(live.place, batch));
        hook.elsewhere.remove(&batch);
        hook.unlist(live.stage, live.place, batch);
        Some(live.slot)
    }
}

/// `spans` without those of `missing`, which lie within them.
fn without(spans: &[Span], missing: &[Span]) -> Vec<Span> {
    let mut left = Vec::new();
    for span in spans {
        let mut at = span.first;
        for gap in missing
            .iter()
            .filter(|gap| gap.first < span.end() && gap.end() > span.first)
        {
            if gap.first > at {
                left.push(Span {
                    first: at,
                    count: (gap.first - at) as u32,
                });
            }
            at = gap.end();
        }
        if at < span.end() {
            left.push(Span {
                first: at,
                count: (span.end() - at) as u32,
            });
        }
    }
    left
}
