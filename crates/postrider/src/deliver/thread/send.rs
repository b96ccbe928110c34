//! From a decision to the first byte: journaled in between.

use std::sync::Arc;

use uuid::Uuid;

use super::Courier;
use super::upkeep::SYNC_EVERY;
use crate::deliver::body;
use crate::deliver::endpoint::Endpoint;
use crate::deliver::handle::Notice;
use crate::deliver::retry::{Answer, Ended};
use crate::deliver::scheduler::{Attempt, Fetch};
use crate::http::{Body, Request};
use crate::journal::{Reason, Span};
use crate::time::Now;

impl Courier {
    /// Journals what was decided, then does it.
    pub(super) fn carry_out(&mut self, now: Now) {
        loop {
            let orders = self.scheduler.take_orders();
            self.rhythm.stale |= !orders.records.is_empty();
            for record in orders.records {
                if let Some(journal) = &mut self.journal {
                    journal.append(&record);
                    self.rhythm.sync.get_or_insert(now.mono.after(SYNC_EVERY));
                }
            }
            for notice in &orders.notices {
                (self.notice)(notice);
            }
            for fetch in orders.fetches {
                self.fetch(fetch, now);
            }
            for render in orders.renders {
                let batch = render.batch;
                match self.renderers.begin(render) {
                    Ok(true) => {}
                    Ok(false) => self.scheduler.unaddressed(batch, now),
                    Err(e) => {
                        let what = format!("no thread to render a batch on: {e}");
                        self.scheduler.not_rendered(batch, what, now);
                    }
                }
            }
            for exchange in orders.cancels {
                self.staged.retain(|(staged, _)| *staged != exchange);
                self.client.cancel(exchange);
            }
            if orders.attempts.is_empty() {
                break;
            }
            // A batch with missing events is split, which gives new orders.
            for attempt in orders.attempts {
                self.stage(attempt, now);
            }
        }
        if self.staged.is_empty() && self.client.in_flight() == 0 {
            self.reader.forget();
        }
        if let Some(journal) = &mut self.journal
            && let Err(error) = journal.commit()
        {
            return self.hold(error.to_string(), now);
        }
        for (exchange, request) in self.staged.drain(..) {
            self.client.start(exchange, request, now.mono);
        }
    }

    fn stage(&mut self, attempt: Attempt, now: Now) {
        let (exchange, batch) = (attempt.exchange, attempt.batch);
        if let Some((file, events)) = attempt.rendered.clone() {
            let body = self.renderings.read(file);
            let body = body.map(|found| found.and_then(|r| body::of_rendering(&r, events)));
            return match body {
                Ok(Some(body)) => self.stage_body(&attempt, body, now),
                Ok(None) => self.scheduler.rendering_lost(batch, now),
                Err(error) => self.unreadable(exchange, error.to_string(), now),
            };
        }
        let assembled = match self.reader.assemble(&attempt.spans) {
            Ok(assembled) => assembled,
            Err(error) => return self.unreadable(exchange, error.to_string(), now),
        };
        // One reason at a time: what is left is a batch of its own, which is looked at again.
        let (lost, damaged) = match assembled.missing.is_empty() {
            true => (&assembled.damaged, true),
            false => (&assembled.missing, false),
        };
        if !lost.is_empty() {
            let reason = self.reason_of_loss(lost, damaged);
            let reader = &mut self.reader;
            return self.scheduler.missing(exchange, lost, reason, reader, now);
        }
        self.stage_body(&attempt, assembled.body, now);
    }

    /// The disk refuses what is to be sent.
    fn unreadable(&mut self, exchange: u64, what: String, now: Now) {
        let ended = Ended {
            answer: Answer::None {
                code: "EIO",
                words: what.clone(),
                unreached: false,
            },
            latency_ms: 0,
        };
        self.scheduler.ended(exchange, &ended, now);
        (self.notice)(&Notice::Held { what });
    }

    /// Why events that a batch was formed of can't be sent.
    pub(super) fn reason_of_loss(&self, lost: &[Span], damaged: bool) -> Reason {
        let unsynced = |span: &Span| self.unsynced.contains(&span.first);
        match damaged {
            true => Reason::DAMAGED,
            false if lost.iter().all(unsynced) => Reason::LOST_UNSYNCED,
            false => Reason::MISSING,
        }
    }

    fn stage_body(&mut self, attempt: &Attempt, body: Body, now: Now) {
        let (webhook, batch) = (attempt.webhook, attempt.batch);
        let Some(endpoint) = self.endpoint(webhook, attempt.revision) else {
            return self.scheduler.unaddressed(batch, now);
        };
        let timeout = self.settings.attempt_timeout;
        let token = self.tokens.of(webhook, &endpoint);
        let request = Request {
            unproven: attempt.unproven,
            ..endpoint.request(batch, body, token, now, timeout)
        };
        self.staged.push((attempt.exchange, request));
    }

    /// Stages a token request, from where the webhook has its tokens now.
    fn fetch(&mut self, fetch: Fetch, now: Now) {
        let newest = self
            .endpoints
            .get(&fetch.webhook)
            .and_then(|all| all.last());
        let timeout = self.settings.attempt_timeout;
        let request = newest.and_then(|(_, newest)| newest.token_request(now, timeout));
        if let Some(request) = request {
            self.tokens.begin(fetch);
            self.staged.push((fetch.exchange, request));
        }
    }

    pub(super) fn start(&mut self, request: Option<(u64, Request)>, now: Now) {
        if let Some((exchange, request)) = request {
            self.client.start(exchange, request, now.mono);
        }
    }

    /// Where a batch goes: where it was formed for, or, where that can't be sent to any more, where its
    /// webhook sends now. As long as the webhook sends to the same target, with its present
    /// credentials: those of a former revision were changed because they are no longer good.
    fn endpoint(&self, webhook: Uuid, revision: u32) -> Option<Arc<Endpoint>> {
        let revisions = self.endpoints.get(&webhook)?;
        let (_, newest) = revisions.last()?;
        let own = revisions.iter().find(|(known, _)| *known == revision);
        let own = own
            .map(|(_, own)| own)
            .filter(|own| !own.same_target(newest));
        Some(own.unwrap_or(newest).clone())
    }
}
