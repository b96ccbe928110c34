//! Tokens for webhooks that need one: fetched when something is about to go out, and waited for.

use uuid::Uuid;

use super::*;
use crate::deliver::retry::Ended;
use crate::deliver::token::Token;
use crate::journal::{Outcome, TOKEN_CODE};

/// One token request that is to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fetch {
    /// Names it towards the HTTP client; from the same numbers as attempts.
    pub(crate) exchange: u64,
    pub(crate) webhook: Uuid,
}

/// How a token request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fetched {
    /// A token, and how long it is good.
    Token(Option<Duration>),
    /// None: a status or an error's name, what happened in words, and what the endpoint's `Retry-After`
    /// asked for.
    Failed {
        code: String,
        words: String,
        retry_after: Option<Duration>,
    },
}

impl Scheduler {
    /// Says what a webhook's tokens are fetched with; `None`: it needs none. A token that came from
    /// the same source stays.
    pub(crate) fn authenticate(&mut self, id: Uuid, source: Option<u64>) {
        let Some(&slot) = self.slots.get(&id) else {
            return;
        };
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
        if hook.token.as_ref().map(Token::source) != source {
            hook.token = source.map(Token::new);
        }
        self.touch(slot);
    }

    /// Whether something may go out for this webhook as far as its token is concerned; orders one
    /// where it should be fetched.
    pub(super) fn has_token(&mut self, slot: u32, now: Instant) -> bool {
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return false;
        };
        let Some(token) = &mut hook.token else {
            return true;
        };
        if token.wants_fetch(now) {
            let exchange = self.next_exchange;
            self.next_exchange += 1;
            token.begin(exchange);
            let webhook = hook.id;
            self.orders.fetches.push(Fetch { exchange, webhook });
        }
        token.is_good(now)
    }

    /// A token request has ended; says whether its token is the webhook's from now on. It is not
    /// where the webhook has changed meanwhile.
    pub(crate) fn fetched(&mut self, fetch: Fetch, fetched: Fetched, now: Now) -> bool {
        let Some(&slot) = self.slots.get(&fetch.webhook) else {
            return false;
        };
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return false;
        };
        let token = hook.token.as_mut();
        let Some(token) = token.filter(|token| token.is_fetched_by(fetch.exchange)) else {
            return false;
        };
        let arrived = match fetched {
            Fetched::Token(lifetime) => {
                token.arrived(fetch.exchange, lifetime, now.mono);
                true
            }
            Fetched::Failed {
                code,
                words,
                retry_after,
            } => {
                let tries = token.tries() + 1;
                let retry = &self.settings.retry;
                let pause = retry.pause(tries, retry_after, &mut self.rng);
                token.failed(code, pause, now.mono);
                if tries == 1 {
                    token.next_sweep = now.mono;
                    let webhook = fetch.webhook;
                    let notice = Notice::NoToken { webhook, words };
                    self.orders.notices.push(notice);
                }
                false
            }
        };
        self.touch(slot);
        arrived
    }

    /// Shows in the batch history that there is no token: a batch of the webhook, formed for this if
    /// there is none, has failed, although no attempt was made and none is counted.
    pub(super) fn report_token(&mut self, slot: u32, lengths: &mut impl Lengths, now: Now) {
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return;
        };
        let sending = hook.is_sending();
        let token = hook.token.as_mut();
        let token = token.filter(|token| sending && token.is_failing(now.mono));
        let Some((code, due)) =
            token.and_then(|token| Some((token.unreported.take()?, token.next_look()?)))
        else {
            return;
        };
        let waiting = hook.waiting.iter().min_by_key(|(_, first, _)| *first);
        let batch = match waiting {
            Some(&(.., batch)) => Some(batch),
            None if hook.open.is_empty() => self.form(slot, lengths, now),
            None => None,
        };
        let Some(batch) = batch else { return };
        let pause_ms = due.since(now.mono).as_millis() as u64;
        self.record(Record::Outcome {
            batch,
            at_ms: now.unix_ms,
            latency_ms: 0,
            result: Outcome::Failed {
                status: None,
                code: format!("{TOKEN_CODE}_{code}").into(),
            },
            next_at_ms: now.unix_ms.saturating_add(pause_ms),
        });
    }

    /// Whether a failed attempt is put down to its token. If so, its batch goes out again as soon as
    /// there is another, and this attempt counts for nothing.
    pub(super) fn excuse(&mut self, slot: u32, batch: Uuid, ended: &Ended, now: Now) -> bool {
        let Some(hook) = self.hooks[slot as usize].as_mut() else {
            return false;
        };
        let (Some(token), Some(live)) = (&mut hook.token, self.live.get_mut(&batch)) else {
            return false;
        };
        if !token.refused(ended.any_status(), &mut live.blame) || now.mono >= live.expires {
            return false;
        }
        live.stage = Stage::Waiting(now.mono);
        hook.waiting.insert((now.mono, live.place, batch));
        self.record(Record::Outcome {
            batch,
            at_ms: now.unix_ms,
            latency_ms: ended.latency_ms,
            result: Outcome::Failed {
                status: ended.status(),
                code: TOKEN_CODE.into(),
            },
            next_at_ms: now.unix_ms,
        });
        true
    }
}
