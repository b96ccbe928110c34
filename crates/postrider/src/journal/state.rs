//! What the records add up to: one function, for the running deliverer and for recovery.

use super::batch::{BatchStatus, DeadLetter, Failure, OpenBatch, Rendered};
use super::history::History;
use super::listed::Listed;
use super::record::{Asked, BatchStart, Change, Code, Hold, Outcome, Reason, Record, TOKEN_CODE};
use crate::time::UnixMillis;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A webhook's events, every one in exactly one place:
/// `accepted = delivered + dead + dropped + open`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Wanted events below `scanned_to`.
    pub accepted: u64,
    /// In batches that the receiver took.
    pub delivered: u64,
    /// In batches given up.
    pub dead: u64,
    /// Dropped, by reason.
    pub dropped: BTreeMap<Reason, u64>,
    /// In batches without an end.
    pub open: u64,
}

impl Books {
    fn drop(&mut self, reason: &Reason, events: u64) {
        *self.dropped.entry(reason.clone()).or_default() += events;
    }

    fn accounted(&self) -> u64 {
        self.delivered + self.dead + self.dropped.values().sum::<u64>() + self.open
    }
}

/// Books that don't balance: a defect, or a hole in the journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("webhook {webhook}: {accepted} events accepted, {accounted} accounted for")]
pub struct Imbalance {
    /// Whose books.
    pub webhook: Uuid,
    /// Accepted events.
    pub accepted: u64,
    /// Delivered, dead, dropped and open together.
    pub accounted: u64,
}

/// What is remembered of one webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookState {
    /// The last revision recorded.
    pub revision: u32,
    /// True once it forms no more batches.
    pub deleted: bool,
    /// It has looked at every offset below this one.
    pub scanned_to: u64,
    /// What it asks for, each from its offset on. All but the last serve events that wait.
    pub asked: Vec<(u64, Asked)>,
    /// Why nothing of it goes out, where that is so.
    pub held: Option<Hold>,
    /// Since when it is held, or goes on again; 0: it never was.
    pub held_ms: UnixMillis,
    /// Its books at `scanned_to`.
    pub books: Books,
    /// When a batch last arrived.
    pub last_success_ms: Option<UnixMillis>,
    /// When an attempt last failed.
    pub last_failure_ms: Option<UnixMillis>,
    pub(super) history: History,
}

/// What the journal's records add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub(super) webhooks: BTreeMap<Uuid, WebhookState>,
    /// Listed by first offset.
    pub(super) open: Listed<OpenBatch>,
    /// Listed by time of death.
    pub(super) dead: Listed<DeadLetter>,
    pub(super) next_offset: u64,
    pub(super) strays: u64,
}

impl State {
    /// Takes one record into account. A record about a batch that isn't known (its beginning lies in a
    /// hole) changes nothing but [`strays`](Self::strays).
    pub fn apply(&mut self, record: &Record) {
        if self.try_apply(record).is_none() {
            self.strays += 1;
        }
    }

    fn try_apply(&mut self, record: &Record) -> Option<()> {
        match record {
            Record::Start(start) => self.start(start)?,
            &Record::Attempt { batch, number, .. } => {
                let batch = self.open.get_mut(batch)?;
                batch.attempts = number;
                batch.in_flight = true;
            }
            Record::Outcome {
                batch,
                at_ms,
                latency_ms,
                result,
                next_at_ms,
            } => match result {
                &Outcome::Delivered { status } => {
                    self.delivered(*batch, *at_ms, *latency_ms, status)?;
                }
                Outcome::Failed { status, code } => {
                    let failure = Failure {
                        at_ms: *at_ms,
                        status: *status,
                        code: code.clone(),
                        latency_ms: *latency_ms,
                    };
                    self.failed(*batch, failure, *next_at_ms)?;
                }
            },
            Record::Split {
                parent,
                at_ms,
                halves,
            } => {
                let parent = self.end_failed(*parent)?;
                let mut rendered = parent.rendered;
                for half in halves {
                    let mut open = parent.half(half, *at_ms);
                    open.rendered = rendered;
                    self.insert_open(open);
                    rendered = rendered.map(|part| Rendered {
                        first: part.first + half.events,
                        ..part
                    });
                }
            }
            Record::Rendered { batch, .. } => self.rendered(*batch, record)?,
            Record::Dead {
                batch,
                reason,
                at_ms,
            } => {
                let batch = self.end_failed(*batch)?;
                self.books(batch.start.webhook).dead += batch.events();
                self.list_dead(DeadLetter {
                    start: batch.start,
                    rendered: batch.rendered,
                    reason: reason.clone(),
                    dead_ms: *at_ms,
                    attempts: batch.attempts,
                    failure: batch.failure,
                });
            }
            &Record::Replay { batch, at_ms } => {
                let letter = self.dead.remove(batch)?;
                let mut start = letter.start;
                let webhook = self.webhooks.entry(start.webhook).or_default();
                webhook.books.dead -= u64::from(start.events);
                // Who replays has mended the webhook, or its target: that is where it goes.
                start.revision = webhook.revision;
                let mut open = OpenBatch::new(start, at_ms);
                open.rendered = letter.rendered;
                open.as_logged = letter.rendered.is_none() && letter.attempts > 0;
                self.insert_open(open);
            }
            &Record::Forget { batch } => {
                self.dead.remove(batch)?;
            }
            Record::Close { batch, reason, .. } => {
                let batch = self.end_failed(*batch)?;
                self.books(batch.start.webhook).drop(reason, batch.events());
            }
            Record::Dropped {
                webhook,
                reason,
                events,
                scanned_to,
            } => {
                let books = self.books(*webhook);
                books.accepted += events;
                books.drop(reason, *events);
                self.scanned(*webhook, *scanned_to);
            }
            &Record::Floor {
                webhook,
                scanned_to,
            } => self.scanned(webhook, scanned_to),
            Record::Selected {
                webhook,
                at_offset,
                asked,
            } => self.selected(*webhook, *at_offset, asked),
            Record::Held {
                webhook,
                at_ms,
                hold,
            } => self.held(*webhook, *at_ms, hold.as_ref()),
            &Record::Webhook {
                webhook,
                change,
                at_offset,
            } => self.changed(webhook, change, at_offset),
        }
        Some(())
    }

    fn start(&mut self, start: &BatchStart) -> Option<()> {
        if self.open.get(start.batch).is_some() || self.dead.get(start.batch).is_some() {
            return None;
        }
        self.books(start.webhook).accepted += u64::from(start.events);
        self.insert_open(OpenBatch::new(start.clone(), start.last_written_ms));
        self.scanned(start.webhook, start.scanned_to);
        Some(())
    }

    /// What is left of the batch stays open; every event that was in it, or was added, is somewhere.
    fn rendered(&mut self, id: Uuid, record: &Record) -> Option<()> {
        let Record::Rendered {
            at_ms,
            file,
            events,
            bytes,
            added,
            dropped,
            held,
            ..
        } = record
        else {
            return None;
        };
        let open = self.open.get(id).filter(|open| open.rendered.is_none())?;
        let kept = held.as_ref().map_or(0, |held| u64::from(held.events));
        let gone: u64 = dropped.iter().map(|(_, events)| u64::from(*events)).sum();
        if open.events() + u64::from(*added) != u64::from(*events) + gone + kept {
            return None;
        }
        let mut batch = self.end(id)?;
        if let Some(held) = held {
            self.insert_open(batch.half(held, *at_ms));
        }
        let books = self.books(batch.start.webhook);
        books.accepted += u64::from(*added);
        for (reason, events) in dropped {
            books.drop(reason, (*events).into());
        }
        if *events > 0 {
            (batch.start.events, batch.start.bytes) = (*events, *bytes);
            batch.rendered = Some(Rendered {
                file: *file,
                first: 0,
            });
            self.insert_open(batch);
        }
        Some(())
    }

    fn delivered(&mut self, id: Uuid, at_ms: u64, latency_ms: u32, status: u16) -> Option<()> {
        let batch = self.end(id)?;
        let webhook = self.webhooks.entry(batch.start.webhook).or_default();
        webhook.books.delivered += batch.events();
        webhook.last_success_ms = Some(at_ms);
        webhook.history.add(BatchStatus {
            batch: id,
            at_ms,
            failed: batch.failed,
            events: batch.start.events,
            status: Some(status),
            code: Code::Borrowed(""),
            latency_ms,
            delivered: true,
        });
        Some(())
    }

    fn failed(&mut self, id: Uuid, failure: Failure, next_at_ms: u64) -> Option<()> {
        let batch = self.open.get_mut(id)?;
        let webhook = self.webhooks.entry(batch.start.webhook).or_default();
        webhook.last_failure_ms = Some(failure.at_ms);
        batch.in_flight = false;
        batch.failed += 1;
        batch.next_at_ms = next_at_ms;
        // What is put down to the webhook's token says nothing of the batch.
        if !failure.code.starts_with(TOKEN_CODE) {
            batch.refused += u32::from(matches!(failure.status, Some(400 | 422)));
            batch.only_refused &= matches!(failure.status, Some(400 | 413 | 422));
        }
        batch.failure = Some(failure);
        Some(())
    }

    /// Takes a batch out of the open ones.
    fn end(&mut self, id: Uuid) -> Option<OpenBatch> {
        let batch = self.open.remove(id)?;
        self.books(batch.start.webhook).open -= batch.events();
        Some(batch)
    }

    /// Takes a batch out of the open ones that never arrived.
    fn end_failed(&mut self, id: Uuid) -> Option<OpenBatch> {
        let batch = self.end(id)?;
        if let Some(status) = BatchStatus::failing(&batch) {
            let webhook = self.webhooks.entry(batch.start.webhook).or_default();
            webhook.history.add(status);
        }
        Some(batch)
    }

    fn changed(&mut self, id: Uuid, change: Change, at_offset: u64) {
        self.next_offset = self.next_offset.max(at_offset);
        match change {
            Change::Created => self.scanned(id, at_offset),
            Change::Revised(revision) => self.webhooks.entry(id).or_default().revision = revision,
            Change::Deleted => self.webhooks.entry(id).or_default().deleted = true,
            Change::Gone => {
                self.webhooks.remove(&id);
                self.open.retain(|batch| batch.start.webhook != id);
                self.dead.retain(|letter| letter.start.webhook != id);
            }
        }
    }

    pub(super) fn selected(&mut self, webhook: Uuid, at_offset: u64, asked: &Asked) {
        self.next_offset = self.next_offset.max(at_offset);
        let all = &mut self.webhooks.entry(webhook).or_default().asked;
        all.retain(|(from, _)| *from < at_offset);
        all.push((at_offset, asked.clone()));
    }

    pub(super) fn held(&mut self, webhook: Uuid, at_ms: UnixMillis, hold: Option<&Hold>) {
        let webhook = self.webhooks.entry(webhook).or_default();
        webhook.held = hold.cloned();
        webhook.held_ms = at_ms;
    }

    fn books(&mut self, webhook: Uuid) -> &mut Books {
        &mut self.webhooks.entry(webhook).or_default().books
    }

    fn scanned(&mut self, webhook: Uuid, to: u64) {
        let webhook = self.webhooks.entry(webhook).or_default();
        webhook.scanned_to = webhook.scanned_to.max(to);
        let passed = webhook.asked.iter().skip(1);
        let passed = passed.take_while(|(from, _)| *from <= webhook.scanned_to);
        webhook.asked.drain(..passed.count());
        self.next_offset = self.next_offset.max(to);
    }

    fn insert_open(&mut self, batch: OpenBatch) {
        self.books(batch.start.webhook).open += batch.events();
        self.list_open(batch);
    }

    pub(super) fn list_open(&mut self, batch: OpenBatch) {
        let first = self.name_spans(&batch.start);
        self.open.insert(first, batch.start.batch, batch);
    }

    pub(super) fn list_dead(&mut self, letter: DeadLetter) {
        self.dead.insert(letter.dead_ms, letter.start.batch, letter);
    }

    /// Goes above all offsets of the batch; answers the first.
    fn name_spans(&mut self, start: &BatchStart) -> u64 {
        let end = start.spans.iter().map(|span| span.end()).max();
        self.next_offset = self.next_offset.max(end.unwrap_or(0));
        start.spans.first().map_or(0, |span| span.first)
    }

    /// One webhook.
    pub fn webhook(&self, id: Uuid) -> Option<&WebhookState> {
        self.webhooks.get(&id)
    }

    /// All webhooks that anything is remembered of, by id.
    pub fn webhooks(&self) -> impl Iterator<Item = (Uuid, &WebhookState)> {
        self.webhooks.iter().map(|(&id, webhook)| (id, webhook))
    }

    /// One open batch.
    pub fn batch(&self, id: Uuid) -> Option<&OpenBatch> {
        self.open.get(id)
    }

    /// All open batches, in the order of their first offsets.
    pub fn batches(&self) -> impl Iterator<Item = &OpenBatch> {
        self.open.iter()
    }

    /// One dead letter.
    pub fn dead_letter(&self, id: Uuid) -> Option<&DeadLetter> {
        self.dead.get(id)
    }

    /// All dead letters, the longest dead first.
    pub fn dead_letters(&self) -> impl DoubleEndedIterator<Item = &DeadLetter> {
        self.dead.iter()
    }

    /// The files that batches and dead letters need which filters have rendered.
    pub fn rendered_files(&self) -> impl Iterator<Item = Uuid> {
        let open = self.open.iter().filter_map(|open| open.rendered);
        let dead = self.dead.iter().filter_map(|dead| dead.rendered);
        open.chain(dead).map(|rendered| rendered.file)
    }

    /// Above every offset that any record has named.
    pub fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// Records that spoke of a batch not known: only behind a hole.
    pub fn strays(&self) -> u64 {
        self.strays
    }

    /// A webhook's batch history, newest first: failing, failed and retried batches, and with
    /// `first_tries` also the latest that arrived at once.
    pub fn batch_status(&self, webhook: Uuid, limit: usize, first_tries: bool) -> Vec<BatchStatus> {
        let Some(known) = self.webhooks.get(&webhook) else {
            return Vec::new();
        };
        let open = self.open.iter();
        let failing = open
            .filter(|batch| batch.start.webhook == webhook)
            .filter_map(BatchStatus::failing);
        let mut all: Vec<BatchStatus> = failing
            .chain(known.history.retried().cloned())
            .chain(known.history.first_tries().filter(|_| first_tries).cloned())
            .collect();
        all.sort_by_key(|status| Reverse(status.at_ms));
        all.truncate(limit);
        all
    }

    /// Drops history older than this.
    pub fn forget_history_before(&mut self, at_ms: UnixMillis) {
        for webhook in self.webhooks.values_mut() {
            webhook.history.forget_before(at_ms);
        }
    }

    /// Checks every webhook's books.
    ///
    /// # Errors
    /// The first that don't balance.
    pub fn check(&self) -> Result<(), Imbalance> {
        for (&webhook, known) in &self.webhooks {
            let (accepted, accounted) = (known.books.accepted, known.books.accounted());
            if accepted != accounted {
                return Err(Imbalance {
                    webhook,
                    accepted,
                    accounted,
                });
            }
        }
        Ok(())
    }
}
