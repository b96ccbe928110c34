//! The deliver thread as everyone else sees it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use uuid::Uuid;

use super::Settings;
use crate::event::Schema;
use crate::http;
use crate::journal::{Journal, Reason, State};
use crate::log::Log;
use crate::route::TypeSet;
use crate::time::Clock;
use crate::webhook::{Activity, BatchStatus, TestFailure, TestPost, Webhook};

/// What the deliver thread works with.
pub struct Parts {
    /// The log that it reads.
    pub log: Arc<Log>,
    /// The journal; `None` keeps no record, as in memory mode.
    pub journal: Option<Journal>,
    /// What the journal remembers.
    pub state: State,
    /// All webhooks that the store knows.
    pub webhooks: Vec<Webhook>,
    /// Gives event type names their ids.
    pub schema: Arc<Schema>,
    /// Batching, retry and limits.
    pub settings: Settings,
    /// How to connect, and where not.
    pub http: http::Config,
    /// Called with all types that webhooks ask for, first when the thread starts and then before
    /// a change of webhooks is answered. Runs on the deliver thread.
    pub wanted: Box<dyn FnMut(&TypeSet) + Send>,
    /// Told what an operator should know. Runs on the deliver thread.
    pub notice: Box<dyn FnMut(&Notice) + Send>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What an operator should know. `Display` is one line for the logger, without secrets.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum Notice {
    /// The receiver answered 410: nothing is sent until the webhook is changed.
    #[error("webhook {webhook} is disabled: its receiver answered 410 Gone; update it to resume")]
    Disabled {
        /// Whose receiver.
        webhook: Uuid,
    },
    /// Attempts keep failing; from now on one batch probes the target.
    #[error("webhook {webhook} is down: {code}; its events wait while one batch probes the target")]
    Down {
        /// Whose target.
        webhook: Uuid,
        /// The last failure: a status, or an error's name.
        code: String,
    },
    /// A target that was down takes batches again.
    #[error("webhook {webhook} is up again")]
    Up {
        /// Whose target.
        webhook: Uuid,
    },
    /// A batch was given up and is a dead letter now.
    #[error("webhook {webhook}: batch {batch} of {events} events is given up: {reason}")]
    GivenUp {
        /// Whose batch.
        webhook: Uuid,
        /// The batch.
        batch: Uuid,
        /// Its events.
        events: u32,
        /// Why.
        reason: Reason,
    },
    /// Events were dropped, and counted.
    #[error("webhook {webhook}: {events} events dropped: {reason}")]
    Dropped {
        /// Whose events.
        webhook: Uuid,
        /// How many.
        events: u64,
        /// Why.
        reason: Reason,
    },
    /// Something of ours fails; delivery is held until it works again.
    #[error("delivery is held: {what}")]
    Held {
        /// What fails.
        what: String,
    },
}

/// The deliver thread has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the deliver thread has ended")]
pub struct Stopped;

/// Why a webhook can't be delivered to as it is.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PutError {
    /// Its target is no URL, or one that the policy refuses.
    #[error(transparent)]
    Target(#[from] http::TargetError),
    /// A header can't be sent.
    #[error(transparent)]
    Header(#[from] http::HeaderError),
    /// It asks for a type that is not declared.
    #[error("event type '{0}' is not known")]
    UnknownType(String),
    /// The thread has ended.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// The books of all webhooks at one offset of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Every event below is accounted for, none from here on.
    pub offset: u64,
    /// By webhook; deleted ones stay while they have open batches or dead letters.
    pub webhooks: BTreeMap<Uuid, WebhookBooks>,
}

/// The books of one webhook: `accepted = delivered + dead + dropped + pending`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookBooks {
    /// Events that it wanted.
    pub accepted: u64,
    /// Events in batches that its receiver took.
    pub delivered: u64,
    /// Events in batches given up.
    pub dead: u64,
    /// Events dropped, by reason.
    pub dropped: BTreeMap<Reason, u64>,
    /// Events that wait or are under way.
    pub pending: u64,
    /// Batches with an id and no end.
    pub open_batches: u64,
    /// Attempts under way.
    pub in_flight: u32,
    /// When its receiver last took a batch, and last did not.
    pub activity: Activity,
    /// Why nothing is sent, where that is so.
    pub condition: Condition,
}

/// How a webhook fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Batches go out.
    #[default]
    Up,
    /// The target is down: one batch probes it.
    Down,
    /// Held by the operator.
    Paused,
    /// Held because the receiver answered 410.
    Disabled,
    /// Deleted: what has a batch id still goes out.
    Deleted,
}

impl WebhookBooks {
    /// Whether the books balance.
    pub fn balanced(&self) -> bool {
        let dropped: u64 = self.dropped.values().sum();
        self.accepted == self.delivered + self.dead + dropped + self.pending
    }
}

/// What stopping came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopReport {
    /// Batches that were under way and ended before the deadline.
    pub finished: u32,
    /// Batches that were under way and went back: they go out again, under their ids, at the next
    /// start.
    pub cut_off: u32,
}

/// The deliver thread. Dropping it stops the thread as [`stop`](Deliverer::stop) with no time left.
pub struct Deliverer {}

impl Deliverer {
    /// Restores what was open, counts what is pending, and starts the thread `postrider-deliver`.
    ///
    /// # Errors
    /// No thread, no descriptors, or the CA file can't be read.
    pub fn spawn(parts: Parts) -> std::io::Result<Deliverer> {
        let _ = parts;
        todo!()
    }

    /// Says that the log has grown. Cheap to call often, from any thread.
    pub fn wake(&self) {
        todo!()
    }

    /// Brings a webhook, or its next revision, into force. Returns once it is: events that are
    /// pushed from now on are seen by it. A webhook that is disabled sends again.
    pub fn put_webhook(&self, webhook: Webhook) -> Result<(), PutError> {
        let _ = webhook;
        todo!()
    }

    /// Ends a webhook: no new batches, those with an id finish, the rest is dropped and counted.
    /// `purge` drops those with an id too.
    pub fn delete_webhook(&self, id: Uuid, purge: bool) -> Result<(), Stopped> {
        let _ = (id, purge);
        todo!()
    }

    /// Holds a webhook's batches, or lets them go again. Its events are kept meanwhile.
    pub fn pause_webhook(&self, id: Uuid, paused: bool) -> Result<(), Stopped> {
        let _ = (id, paused);
        todo!()
    }

    /// POSTs `body` to the webhook's target with its credentials, stored or not, and waits for the
    /// answer. Journaled nowhere, retried never.
    pub fn test_post(&self, webhook: &Webhook, body: Vec<u8>) -> Result<TestPost, TestFailure> {
        let _ = (webhook, body);
        todo!()
    }

    /// The books of all webhooks in one snapshot.
    pub fn books(&self) -> Result<Snapshot, Stopped> {
        todo!()
    }

    /// A webhook's recent batches, newest first: those that failed or were retried.
    pub fn batch_status(&self, id: Uuid, limit: usize) -> Result<Vec<BatchStatus>, Stopped> {
        let _ = (id, limit);
        todo!()
    }

    /// Stops: nothing new goes out; what is under way has until `timeout` to end, and what has not
    /// ended by then goes out again at the next start. Calling it again reports nothing.
    pub fn stop(&self, timeout: Duration) -> StopReport {
        let _ = timeout;
        todo!()
    }
}

const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Deliverer>();
};
