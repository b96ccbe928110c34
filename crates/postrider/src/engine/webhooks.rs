//! Webhooks: tested, kept, in force, in this order.

use super::{Engine, Shared};
use crate::deliver::{Deliverer, PutError, ReplayError, Stopped};
use crate::filter::FilterStatus;
use crate::webhook::{
    Activity, BatchStatus, DeadLetter, Replay, Replayed, TestFailure, TestPost, Webhook,
    WebhookError, WebhookPatch, WebhookSpec,
};
use uuid::Uuid;

/// What a test POST carries: one event with nothing in it.
const TEST_BODY: &[u8] = br#"[{"msys":{}}]"#;

impl Engine {
    /// POSTs a test to the target, then keeps the webhook; when this returns, pushes see it.
    ///
    /// # Errors
    /// [`WebhookError::TestFailed`] carries the receiver's answer; nothing is created then.
    pub fn create_webhook(&self, spec: WebhookSpec) -> Result<Webhook, WebhookError> {
        let shared = self.shared();
        let webhook = spec.into_webhook(Uuid::new_v4(), shared.clock.now().unix_ms);
        let deliverer = deliverer(self)?;
        test(deliverer, &webhook, TEST_BODY)?;
        let _one_at_a_time = shared.changes.lock();
        keep(shared, deliverer, None, &webhook)?;
        Ok(webhook)
    }

    /// Changes a webhook; a changed target is tested first, changed OAuth 2 settings by fetching a token. Batches already formed go where they
    /// were formed for.
    ///
    /// # Errors
    /// As for [`create_webhook`](Self::create_webhook); nothing is changed then.
    pub fn update_webhook(&self, id: Uuid, patch: WebhookPatch) -> Result<Webhook, WebhookError> {
        let shared = self.shared();
        let _one_at_a_time = shared.changes.lock();
        let before = stored(shared, id)?;
        let after = patch.apply(&before, shared.clock.now().unix_ms)?;
        let deliverer = deliverer(self)?;
        if after.target != before.target {
            test(deliverer, &after, TEST_BODY)?;
        } else if after.auth != before.auth {
            deliverer
                .test_token(&after)
                .map_err(WebhookError::TestFailed)?;
        }
        keep(shared, deliverer, Some(&before), &after)?;
        Ok(after)
    }

    /// Ends a webhook: no new batches; those formed are still delivered, the rest is dropped and
    /// counted. With `purge`, those formed are dropped too.
    pub fn delete_webhook(&self, id: Uuid, purge: bool) -> Result<(), WebhookError> {
        let shared = self.shared();
        let _one_at_a_time = shared.changes.lock();
        if !shared.store.delete_webhook(id, purge)? {
            return Err(WebhookError::NotFound(id));
        }
        deliverer(self)?.delete_webhook(id, purge).map_err(stopped)
    }

    /// Holds a webhook's batches, also after a restart, until it is
    /// [resumed](Self::resume_webhook): its events are kept, and don't age.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`].
    pub fn pause_webhook(&self, id: Uuid) -> Result<(), WebhookError> {
        let known = deliverer(self)?.pause_webhook(id).map_err(stopped)?;
        known.then_some(()).ok_or(WebhookError::NotFound(id))
    }

    /// Lets the batches of a webhook that is paused, or disabled by its receiver, go out again. The age
    /// of what waited begins anew.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`].
    pub fn resume_webhook(&self, id: Uuid) -> Result<(), WebhookError> {
        let known = deliverer(self)?.resume_webhook(id).map_err(stopped)?;
        known.then_some(()).ok_or(WebhookError::NotFound(id))
    }

    /// A webhook's dead letters, the latest first.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`].
    pub fn dead_letters(&self, id: Uuid, limit: usize) -> Result<Vec<DeadLetter>, WebhookError> {
        stored(self.shared(), id)?;
        deliverer(self)?.dead_letters(id, limit).map_err(stopped)
    }

    /// Sends again what a webhook did not get.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`]; [`WebhookError::Log`] when the log can't be read.
    pub fn replay(&self, id: Uuid, what: Replay) -> Result<Replayed, WebhookError> {
        let webhook = stored(self.shared(), id)?;
        let replayed = deliverer(self)?.replay(&webhook, what);
        let replayed = replayed.map_err(|e| match e {
            ReplayError::Stopped(e) => stopped(e),
            ReplayError::Log(e) => WebhookError::Log(e.to_string()),
        })?;
        replayed.ok_or(WebhookError::NotFound(id))
    }

    /// One webhook, and how its POSTs fare.
    pub fn webhook(&self, id: Uuid) -> Result<(Webhook, Activity), WebhookError> {
        let webhook = stored(self.shared(), id)?;
        let activity = self.activities().remove(&id).unwrap_or_default();
        Ok((webhook, activity))
    }

    /// Every webhook, oldest first.
    pub fn webhooks(&self) -> Result<Vec<(Webhook, Activity)>, WebhookError> {
        let mut activities = self.activities();
        let mut webhooks: Vec<_> = self
            .shared()
            .store
            .webhooks()?
            .into_iter()
            .map(|webhook| {
                let activity = activities.remove(&webhook.id).unwrap_or_default();
                (webhook, activity)
            })
            .collect();
        webhooks.sort_by_key(|(webhook, _)| (webhook.created_ms, webhook.id));
        Ok(webhooks)
    }

    /// POSTs `body`, a JSON array, to a webhook's target with its credentials.
    pub fn validate_webhook(&self, id: Uuid, body: Vec<u8>) -> Result<TestPost, WebhookError> {
        let webhook = stored(self.shared(), id)?;
        test(deliverer(self)?, &webhook, &body)
    }

    /// A webhook's recent batches, newest first: those that failed or were retried.
    /// With `all`, also those that arrived at the first try.
    pub fn batch_status(
        &self,
        id: Uuid,
        limit: usize,
        all: bool,
    ) -> Result<Vec<BatchStatus>, WebhookError> {
        stored(self.shared(), id)?;
        deliverer(self)?
            .batch_status(id, limit, all)
            .map_err(stopped)
    }

    /// How the filters of a webhook stand, in their order.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`].
    pub fn webhook_filters(&self, id: Uuid) -> Result<Vec<FilterStatus>, WebhookError> {
        stored(self.shared(), id)?;
        Ok(deliverer(self)?.filters_of(id))
    }

    /// Loads a filter of a webhook anew: the new instance takes over between two batches.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`]; what is wrong with the filter, which then stays as it was.
    pub fn reload_webhook_filter(&self, id: Uuid, name: &str) -> Result<(), WebhookError> {
        let shared = self.shared();
        let _one_at_a_time = shared.changes.lock();
        stored(shared, id)?;
        let reloaded = deliverer(self)?.reload_filter(id, name);
        reloaded.map_err(|e| WebhookError::Invalid {
            field: "filters".to_owned(),
            reason: format!("are refused: {e}"),
        })
    }

    fn activities(&self) -> std::collections::BTreeMap<Uuid, Activity> {
        let books = deliverer(self).ok().and_then(|d| d.books().ok());
        books
            .unwrap_or_default()
            .webhooks
            .into_iter()
            .map(|(id, books)| (id, books.activity))
            .collect()
    }
}

fn stored(shared: &Shared, id: Uuid) -> Result<Webhook, WebhookError> {
    shared.store.webhook(id)?.ok_or(WebhookError::NotFound(id))
}

fn deliverer(engine: &Engine) -> Result<&Deliverer, WebhookError> {
    if engine.is_child() {
        return Err(WebhookError::Stopped(
            "this is a forked child; webhooks are changed in the process that opened the engine",
        ));
    }
    let deliverer = engine.shared().deliverer.get();
    deliverer.ok_or(WebhookError::Stopped("it is closing"))
}

fn test(deliverer: &Deliverer, webhook: &Webhook, body: &[u8]) -> Result<TestPost, WebhookError> {
    let answer = deliverer.test_post(webhook, body.to_vec());
    answer
        .and_then(TestPost::judge)
        .map_err(|e: TestFailure| WebhookError::TestFailed(e))
}

/// Into the store first: a webhook that was answered for must be there after a crash. Where the
/// deliverer refuses it, the store gets back what it had.
fn keep(
    shared: &Shared,
    deliverer: &Deliverer,
    before: Option<&Webhook>,
    after: &Webhook,
) -> Result<(), WebhookError> {
    shared.store.put_webhook(after)?;
    let refused = match deliverer.put_webhook(after.clone()) {
        Ok(()) => return Ok(()),
        Err(e) => e,
    };
    match before {
        Some(before) => shared.store.put_webhook(before)?,
        None => {
            shared.store.delete_webhook(after.id, true)?;
        }
    }
    Err(match refused {
        PutError::Stopped(e) => stopped(e),
        PutError::Target(e) => WebhookError::Target(e),
        PutError::TokenUrl(e) => WebhookError::Invalid {
            field: "auth_request_details.url".to_owned(),
            reason: format!("is refused: {e}"),
        },
        PutError::UnknownType(name) => WebhookError::Invalid {
            field: "events".to_owned(),
            reason: format!("names '{name}', which is not an event type"),
        },
        PutError::Filter(e) => WebhookError::Invalid {
            field: "filters".to_owned(),
            reason: format!("are refused: {e}"),
        },
        other => WebhookError::Invalid {
            field: "custom_headers".to_owned(),
            reason: other.to_string(),
        },
    })
}

fn stopped(_: Stopped) -> WebhookError {
    WebhookError::Stopped("its deliver thread has ended")
}
