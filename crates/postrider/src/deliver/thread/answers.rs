//! What comes back: ends of exchanges, and batches that filters have rendered.

use super::Courier;
use crate::deliver::errand;
use crate::deliver::render::Unrendered;
use crate::deliver::retry::Ended;
use crate::deliver::scheduler::Fetched;
use crate::http::{Done, Reuse};
use crate::time::Now;

impl Courier {
    pub(super) fn answer(&mut self, done: Done, now: Now) {
        if self.tests.has(done.id) {
            let next = self.tests.ended(done, now);
            return self.start(next, now);
        }
        let Some(fetch) = self.tokens.take(done.id) else {
            if let Ok(response) = &done.result
                && let Reuse::No(why) = response.reuse
            {
                self.scheduler.not_kept(done.id, why);
            }
            let ended = Ended::of(&done, now.unix_ms);
            return self.scheduler.ended(done.id, &ended, now);
        };
        match errand::fetched(done, now.unix_ms) {
            Ok(token) => {
                let newest = self
                    .endpoints
                    .get(&fetch.webhook)
                    .and_then(|all| all.last());
                let source = newest.and_then(|(_, newest)| newest.token_source());
                let fetched = Fetched::Token(token.lifetime);
                if self.scheduler.fetched(fetch, fetched, now)
                    && let Some(source) = source
                {
                    self.tokens.keep(fetch.webhook, source, token);
                }
            }
            Err(failed) => {
                self.scheduler.fetched(fetch, failed, now);
            }
        }
    }

    /// Takes what filters have made of batches.
    pub(super) fn take_rendered(&mut self, now: Now) {
        while let Some(rendered) = self.renderers.take() {
            let batch = rendered.batch;
            match rendered.result {
                Ok(None) => self.scheduler.rendered(batch, None, now),
                Ok(Some((made, written))) => {
                    written.iter().for_each(|w| self.renderings.adopt(w));
                    self.rhythm.stale = true;
                    self.scheduler.rendered(batch, Some(made), now);
                }
                Err(Unrendered::Lost { spans, damaged }) => {
                    let reason = self.reason_of_loss(&spans, damaged);
                    let reader = &mut self.reader;
                    self.scheduler
                        .unrenderable(batch, &spans, reason, reader, now);
                }
                Err(Unrendered::Failed(what)) => self.scheduler.not_rendered(batch, what, now),
            }
        }
    }
}
