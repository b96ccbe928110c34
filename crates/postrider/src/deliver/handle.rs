//! The deliver thread as everyone else sees it.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use thiserror::Error;
use uuid::Uuid;

use super::body::LogReader;
use super::endpoint::Endpoint;
use super::errand::{Tested, Tests, Tokens};
use super::render::Renderers;
use super::replay;
use super::scheduler::Scheduler;
use super::settings::{Pace, Settings, Terms};
use super::standing::Standing;
use super::thread::{Command, Courier, Endpoints, Rhythm};
use crate::auth::KeyError;
use crate::event::Schema;
use crate::filter::{FilterError, FilterStatus, Filters};
use crate::http;
use crate::journal::{self, Journal, Reason, Renderings, State};
use crate::log::{Log, LogError};
use crate::route::{Scope, Selection, TypeSet};
use crate::time::Clock;
use crate::webhook::{
    Activity, Auth, BatchStatus, DeadLetter, Replay, Replayed, Subaccounts, TestFailure, TestPost,
    Webhook,
};

/// What the deliver thread works with.
pub struct Parts {
    /// The log that it reads.
    pub log: Arc<Log>,
    /// The journal; `None` keeps no record, as in memory mode.
    pub journal: Option<Journal>,
    /// What the journal remembers.
    pub state: State,
    /// Where batches lie that webhooks' own filters have rendered.
    pub renderings: Renderings,
    /// Makes a host for the filters of one webhook.
    pub filters: MakeFilters,
    /// All webhooks that the store knows.
    pub webhooks: Vec<Webhook>,
    /// Former revisions, and the last ones of deleted webhooks: where open batches go that were formed
    /// for them.
    pub former: Vec<Webhook>,
    /// Told now and then which former revisions are still needed, as a question to be asked of each.
    /// Runs on the deliver thread.
    pub still_needed: StillNeeded,
    /// Gives event type names their ids.
    pub schema: Arc<Schema>,
    /// Batching, retry and limits.
    pub settings: Settings,
    /// How to connect, and where not.
    pub http: http::Config,
    /// Called with all types that webhooks ask for: by `spawn`, and then on the deliver thread before
    /// a change of webhooks is answered.
    pub wanted: Box<dyn FnMut(&TypeSet) + Send>,
    /// Told what an operator should know. Runs on the deliver thread.
    pub notice: Box<dyn FnMut(&Notice) + Send>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Makes a host of filters, still without any.
pub type MakeFilters = Box<dyn Fn() -> Filters + Send + Sync>;

/// Told of former revisions; see [`Parts::still_needed`].
pub type StillNeeded = Box<dyn FnMut(&dyn Fn(Uuid, u32) -> bool) + Send>;

/// What an operator should know. `Display` is one line for the logger, without secrets.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum Notice {
    /// The receiver wants no more: nothing is sent until the webhook is resumed or changed.
    #[error(
        "webhook {webhook} is disabled: its receiver answered {why}; its events wait until it is resumed or changed"
    )]
    Disabled {
        /// Whose receiver.
        webhook: Uuid,
        /// What it answered, such as `410`.
        why: String,
    },
    /// Attempts keep failing; from now on one batch probes the target.
    #[error("webhook {webhook} is down: {why}; its events wait while one batch probes the target")]
    Down {
        /// Whose target.
        webhook: Uuid,
        /// The last failure: a status, or an error's name and what it means.
        why: String,
    },
    /// A target that was down takes batches again.
    #[error("webhook {webhook} is up again")]
    Up {
        /// Whose target.
        webhook: Uuid,
    },
    /// A webhook's token endpoint gives no token: nothing is sent until it does.
    #[error("webhook {webhook} gets no OAuth 2 token: {words}; its events wait")]
    NoToken {
        /// Whose.
        webhook: Uuid,
        /// What the endpoint answered, or why it did not.
        words: String,
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
    /// A dead letter's events were needed for space: it can't be replayed any more, and stays counted.
    #[error(
        "webhook {webhook}: the {events} events of dead letter {batch} are not kept any more: space is short"
    )]
    LetterForgotten {
        /// Whose.
        webhook: Uuid,
        /// The batch.
        batch: Uuid,
        /// Its events.
        events: u32,
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
    /// A webhook can't be delivered to as it is: its events wait until it is changed.
    #[error("webhook {webhook} can't be delivered to: {why}")]
    Unfit {
        /// Which.
        webhook: Uuid,
        /// What is wrong with it.
        why: String,
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
    /// Its token URL is none, or one that the policy refuses.
    #[error("the token URL is refused: {0}")]
    TokenUrl(#[source] http::TargetError),
    /// A header can't be sent.
    #[error(transparent)]
    Header(#[from] http::HeaderError),
    /// Its client certificate can't be used.
    #[error("the client certificate is refused: {0}")]
    Identity(#[from] http::IdentityError),
    /// A signing key can't be read.
    #[error("a signing key {0}")]
    Key(#[from] KeyError),
    /// It asks for a type that is not declared.
    #[error("event type '{0}' is not known")]
    UnknownType(String),
    /// One of its filters is refused.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The thread has ended.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why nothing was replayed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The thread has ended.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The log can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
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
    /// Batches given up that are kept and can be replayed.
    pub dead_letters: u64,
    /// Events dropped, by reason.
    pub dropped: BTreeMap<Reason, u64>,
    /// Events that wait or are under way.
    pub pending: u64,
    /// Batches with an id and no end.
    pub open_batches: u64,
    /// Attempts under way.
    pub in_flight: u32,
    /// How many that may be by now, at most the configured number.
    pub window: u32,
    /// Connections that could not be kept behind an answer since the start, by
    /// [`NoReuse::index`](crate::http::NoReuse::index).
    pub not_kept: [u64; crate::http::NoReuse::ALL.len()],
    /// When its receiver last took a batch, and last did not; whether batches go out.
    pub activity: Activity,
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
pub struct Deliverer {
    commands: Sender<Command>,
    log: Arc<Log>,
    waker: Arc<http::Waker>,
    schema: Arc<Schema>,
    rules: RwLock<Arc<Rules>>,
    make_filters: MakeFilters,
    /// Of webhooks that have filters of their own.
    filters: Mutex<HashMap<Uuid, Arc<Filters>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What of the settings those need who talk to the thread.
struct Rules {
    policy: http::Policy,
    pace: Pace,
    attempt_timeout: Duration,
}

impl Rules {
    fn of(settings: &Settings, http: &http::Config) -> Rules {
        Rules {
            policy: http.policy.clone(),
            pace: settings.pace,
            attempt_timeout: settings.attempt_timeout,
        }
    }

    fn terms(&self, webhook: &Webhook) -> Terms {
        Terms {
            pace: self.pace.with(webhook),
            outcomes: webhook.outcomes.clone(),
            filtered: !webhook.filters.is_empty(),
        }
    }
}

/// What filters get to end in, at most.
const FILTERS_END: Duration = Duration::from_secs(1);

/// How much longer than an attempt may take its answer is waited for.
const GRACE: Duration = Duration::from_secs(5);

impl Deliverer {
    /// Starts the thread `postrider-deliver`, which first restores what was open and counts what is
    /// pending. Offsets below the log's next offset are taken for what a former life left: start it
    /// before the first append. A webhook that can't be delivered to any more (an unknown type, a
    /// target that the policy refuses) is reported as a notice and keeps its events.
    ///
    /// # Errors
    /// No thread, no descriptors, or the CA file can't be read.
    pub fn spawn(parts: Parts) -> io::Result<Deliverer> {
        let (commands, receiver) = crossbeam_channel::unbounded();
        let rules = Arc::new(Rules::of(&parts.settings, &parts.http));
        let client = http::Client::new(parts.http)?;
        let mut deliverer = Deliverer {
            commands,
            log: parts.log.clone(),
            waker: client.waker(),
            schema: parts.schema,
            rules: RwLock::new(rules.clone()),
            make_filters: parts.filters,
            filters: Mutex::default(),
            thread: Mutex::new(None),
        };
        let seed = u64::from_le_bytes(
            Uuid::new_v4().as_bytes()[..8]
                .try_into()
                .unwrap_or_default(),
        );
        let attempt_timeout = parts.settings.attempt_timeout;
        let (settings, next) = (parts.settings, parts.log.next_offset());
        let mut scheduler = Scheduler::new(settings.clone(), parts.state, next, seed);
        let (mut notice, mut wanted) = (parts.notice, parts.wanted);
        let now = parts.clock.now();
        let mut endpoints: Endpoints = HashMap::new();
        let writer = parts.renderings.writer();
        let mut renderers = Renderers::new(parts.log.clone(), writer, client.waker());
        for former in &parts.former {
            // One that can't be sent to any more leaves its batches to the webhook's present target.
            let mut source = None;
            let revisions = endpoints.entry(former.id).or_default();
            if let Ok(endpoint) = Endpoint::of(former, &rules.policy) {
                source = endpoint.token_source();
                revisions.push((former.revision, Arc::new(endpoint)));
            }
            if parts.webhooks.iter().all(|webhook| webhook.id != former.id) {
                // Without its filters nothing goes out that they have not seen.
                renderers.put(former.id, deliverer.filters(former).unwrap_or_default());
                scheduler.put_deleted(former.id, rules.terms(former), now);
                scheduler.retarget(former.id, Endpoint::elsewhere(revisions));
                scheduler.authenticate(former.id, source);
            }
        }
        for webhook in &parts.webhooks {
            let standing = deliverer.standing(webhook, &rules);
            let places = (&mut endpoints, &mut renderers);
            standing.take(&mut scheduler, places, &mut notice, now);
        }
        scheduler.restore(parts.log.first_offset(), now);
        wanted(&scheduler.wanted());
        let courier = Courier {
            reader: LogReader::new(parts.log.clone()),
            log: parts.log,
            journal: parts.journal,
            scheduler,
            settings,
            client,
            commands: receiver,
            endpoints,
            wanted,
            notice,
            still_needed: parts.still_needed,
            clock: parts.clock,
            staged: Vec::new(),
            renderings: parts.renderings,
            renderers,
            tests: Tests::new(attempt_timeout),
            tokens: Tokens::default(),
            unsynced: 0..0,
            rhythm: Rhythm::default(),
            stopping: None,
        };
        let thread = crate::thread::spawn("postrider-deliver", move || courier.run())?;
        deliverer.thread = Mutex::new(Some(thread));
        Ok(deliverer)
    }

    /// Says that the log has grown, or needs space. Cheap to call often, from any thread.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// Goes on with other settings: for what is pushed from now on, and for what waits. `http` has been
    /// read from the configuration `from`; `webhooks` are all that the store knows. Returns once they
    /// hold. Nobody may put a webhook meanwhile.
    ///
    /// # Errors
    /// The thread has ended.
    pub fn configure(
        &self,
        settings: Settings,
        (from, http): (&http::Config, http::Setup),
        webhooks: &[Webhook],
    ) -> Result<(), Stopped> {
        let rules = Arc::new(Rules::of(&settings, from));
        let standing = |webhook| self.standing(webhook, &rules);
        let standings = webhooks.iter().map(standing).collect();
        self.ask(|reply| Command::Configure {
            settings: Box::new(settings),
            http: Box::new(http),
            standings,
            reply,
        })?;
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
        Ok(())
    }

    fn rules(&self) -> Arc<Rules> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        rules.clone()
    }

    fn standing(&self, webhook: &Webhook, rules: &Rules) -> Standing {
        let (selection, unknown) = self.selection(webhook);
        let endpoint = Endpoint::of(webhook, &rules.policy);
        let unknown = unknown.map(|name| PutError::UnknownType(name).to_string());
        let (endpoint, refused) = match endpoint {
            Ok(endpoint) => (Some(endpoint), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let (filters, filter) = match self.filters(webhook) {
            Ok(filters) => (filters, None),
            Err(error) => (None, Some(error.to_string())),
        };
        Standing {
            id: webhook.id,
            revision: webhook.revision,
            terms: rules.terms(webhook),
            selection,
            endpoint,
            filters,
            unfit: unknown.or(refused).or(filter),
        }
    }

    /// Brings a webhook, or its next revision, into force. Returns once it is: events that are
    /// pushed from now on are seen by it. A webhook that is disabled sends again.
    pub fn put_webhook(&self, webhook: Webhook) -> Result<(), PutError> {
        let (selection, unknown) = self.selection(&webhook);
        if let Some(name) = unknown {
            return Err(PutError::UnknownType(name));
        }
        let rules = self.rules();
        let standing = Box::new(Standing {
            id: webhook.id,
            revision: webhook.revision,
            terms: rules.terms(&webhook),
            selection,
            endpoint: Some(Endpoint::of(&webhook, &rules.policy)?),
            filters: self.filters(&webhook)?,
            unfit: None,
        });
        self.ask(|reply| Command::Put { standing, reply })?;
        Ok(())
    }

    /// Puts a webhook's own filters in force. Those whose line is as it was go on as they are.
    fn filters(&self, webhook: &Webhook) -> Result<Option<Arc<Filters>>, FilterError> {
        let mut all = lock(&self.filters);
        if webhook.filters.is_empty() {
            // What its thread still has goes through them.
            all.remove(&webhook.id);
            return Ok(None);
        }
        let known = all.get(&webhook.id).cloned();
        let filters = known.unwrap_or_else(|| Arc::new((self.make_filters)()));
        filters.set(webhook.filters.clone(), None)?;
        all.insert(webhook.id, filters.clone());
        Ok(Some(filters))
    }

    /// How the filters of a webhook stand, in their order.
    pub fn filters_of(&self, id: Uuid) -> Vec<FilterStatus> {
        let filters = lock(&self.filters).get(&id).cloned();
        filters.map_or_else(Vec::new, |filters| filters.status())
    }

    /// Loads a filter of a webhook anew: the new instance takes over between two batches.
    ///
    /// # Errors
    /// [`FilterError::NotFound`], or what is wrong with the file; then the filters are as they were.
    pub fn reload_filter(&self, id: Uuid, name: &str) -> Result<(), FilterError> {
        let filters = lock(&self.filters).get(&id).cloned();
        let not_found = || FilterError::NotFound(name.to_owned());
        let filters = filters.ok_or_else(not_found)?;
        let specs = filters.specs();
        match specs.iter().any(|spec| spec.name == name) {
            true => filters.set(specs, Some(name)),
            false => Err(not_found()),
        }
    }

    /// Ends a webhook: no new batches, those with an id finish, the rest is dropped and counted.
    /// `purge` drops those with an id too, and its dead letters.
    pub fn delete_webhook(&self, id: Uuid, purge: bool) -> Result<(), Stopped> {
        self.ask(|reply| Command::Delete { id, purge, reply })?;
        lock(&self.filters).remove(&id);
        Ok(())
    }

    /// Holds a webhook's batches, also after a restart, until it is [resumed](Self::resume_webhook).
    /// Its events are kept meanwhile, and don't age; attempts under way end. `false` when there is no
    /// such webhook.
    pub fn pause_webhook(&self, id: Uuid) -> Result<bool, Stopped> {
        let paused = true;
        self.ask(|reply| Command::Pause { id, paused, reply })
    }

    /// Lets the batches of a webhook that is paused or disabled go out again; the age of what waited
    /// begins anew. `false` when there is no such webhook.
    pub fn resume_webhook(&self, id: Uuid) -> Result<bool, Stopped> {
        let paused = false;
        self.ask(|reply| Command::Pause { id, paused, reply })
    }

    /// A webhook's dead letters, the latest first.
    pub fn dead_letters(&self, id: Uuid, limit: usize) -> Result<Vec<DeadLetter>, Stopped> {
        let letters = self.ask(|reply| Command::DeadLetters { id, limit, reply })?;
        let letter = |letter: journal::DeadLetter| {
            let failure = letter.failure;
            DeadLetter {
                batch_id: letter.start.batch,
                dead_ms: letter.dead_ms,
                reason: letter.reason.to_string(),
                events: letter.start.events,
                bytes: letter.start.bytes,
                last_written_ms: letter.start.last_written_ms,
                attempts: letter.attempts,
                response_code: failure.as_ref().and_then(|failure| failure.status),
                failure_code: failure.map(|failure| match failure.status {
                    Some(code) if failure.code.is_empty() => code.to_string(),
                    _ => failure.code.into_owned(),
                }),
            }
        };
        Ok(letters.into_iter().map(letter).collect())
    }

    /// Sends again what a webhook did not get: dead letters under their ids and with the same bytes, or
    /// what the log has of a stretch of time, in new batches. `None` when there is no such webhook.
    ///
    /// # Errors
    /// The thread has ended, or the log can't be read.
    pub fn replay(&self, webhook: &Webhook, what: Replay) -> Result<Option<Replayed>, ReplayError> {
        let id = webhook.id;
        let (cuts, next_ms) = match what {
            Replay::Letters(batches) => {
                return Ok(self.ask(|reply| Command::Replay { id, batches, reply })?);
            }
            Replay::Written(stretch) => {
                let (selection, _) = self.selection(webhook);
                let pace = self.rules().pace.with(webhook);
                replay::cut(&self.log, &selection, &pace, stretch)?
            }
        };
        let replayed = Replayed {
            batches: cuts.len() as u64,
            events: cuts.iter().map(|cut| u64::from(cut.events)).sum(),
            unknown: Vec::new(),
            next_ms,
        };
        let known = self.ask(|reply| Command::Again { id, cuts, reply })?;
        Ok(known.then_some(replayed))
    }

    /// POSTs `body` to the webhook's target with its credentials, stored or not, and waits for the
    /// answer. An OAuth 2 token is fetched for it first. Journaled nowhere, retried never.
    pub fn test_post(&self, webhook: &Webhook, body: Vec<u8>) -> Result<TestPost, TestFailure> {
        match self.test(webhook, Some(body))? {
            Tested::Answer(answer) => answer.judge(),
            Tested::Token => Err(no_answer("ECANCELED", Stopped.to_string())),
        }
    }

    /// Fetches a token for a webhook that needs one, as [`test_post`](Self::test_post) does, and
    /// throws it away.
    pub fn test_token(&self, webhook: &Webhook) -> Result<(), TestFailure> {
        if matches!(webhook.auth, Auth::OAuth2(_)) {
            self.test(webhook, None)?;
        }
        Ok(())
    }

    fn test(&self, webhook: &Webhook, body: Option<Vec<u8>>) -> Result<Tested, TestFailure> {
        let rules = self.rules();
        let endpoint = Endpoint::of(webhook, &rules.policy).map_err(|error| match error {
            PutError::TokenUrl(_) => TestFailure::NoToken {
                detail: error.to_string(),
                response: None,
            },
            _ => no_answer("ERR_INVALID_URL", error.to_string()),
        })?;
        let (reply, answer) = crossbeam_channel::bounded(1);
        // Where that fails, `answer` says it.
        let _ = self.commands.send(Command::Test {
            endpoint: Box::new(endpoint),
            body,
            reply,
        });
        self.wake();
        // A token, then the POST.
        let patience = 2 * rules.attempt_timeout + GRACE;
        outcome_of_test(&answer, patience)
    }

    /// The books of all webhooks in one snapshot.
    pub fn books(&self) -> Result<Snapshot, Stopped> {
        self.ask(|reply| Command::Books { reply })
    }

    /// A webhook's recent batches, newest first: those that failed or were retried.
    /// With `all`, also those that arrived at the first try.
    pub fn batch_status(
        &self,
        id: Uuid,
        limit: usize,
        all: bool,
    ) -> Result<Vec<BatchStatus>, Stopped> {
        let statuses = self.ask(|reply| Command::BatchStatus {
            id,
            limit,
            all,
            reply,
        })?;
        let status = |status: journal::BatchStatus| BatchStatus {
            batch_id: status.batch,
            webhook_id: id,
            ts_ms: status.at_ms,
            attempts: status.failed,
            response_code: status.status,
            failure_code: (!status.delivered).then(|| match status.status {
                Some(code) if status.code.is_empty() => code.to_string(),
                _ => status.code.into_owned(),
            }),
            latency_ms: status.latency_ms,
            batch_size: status.events,
        };
        Ok(statuses.into_iter().map(status).collect())
    }

    /// Stops: nothing new goes out; what is under way has until `timeout` to end, and what has not
    /// ended by then goes out again at the next start. Calling it again reports nothing.
    pub fn stop(&self, timeout: Duration) -> StopReport {
        let report = self
            .ask(|reply| Command::Stop { timeout, reply })
            .unwrap_or_default();
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread {
            // A thread that panicked has nothing left to say.
            drop(thread.join());
        }
        for (_, filters) in lock(&self.filters).drain() {
            filters.close(timeout.min(FILTERS_END));
        }
        report
    }

    /// What a webhook asks for, and a name in it that is no event type.
    fn selection(&self, webhook: &Webhook) -> (Selection, Option<String>) {
        let mut unknown = None;
        let id = |name: &String| {
            let id = self.schema.lookup(name);
            if id.is_none() {
                unknown = Some(name.clone());
            }
            id.map(|id| id.0)
        };
        let types = webhook.events.iter().filter_map(id).collect();
        let scope = match &webhook.scope {
            Subaccounts::All { except } => Scope::All {
                except: except.as_slice().into(),
            },
            Subaccounts::Primary => Scope::Primary,
            Subaccounts::One(one) => Scope::One(*one),
        };
        let selection = if webhook.active {
            Selection { types, scope }
        } else {
            Selection::nothing()
        };
        (selection, unknown)
    }

    fn ask<T>(&self, command: impl FnOnce(Sender<T>) -> Command) -> Result<T, Stopped> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        self.commands.send(command(reply)).map_err(|_| Stopped)?;
        self.wake();
        answer.recv().map_err(|_| Stopped)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a test's outcome. Where there is none, that says nothing of the target: its own deadlines are within
/// `patience`.
pub(super) fn outcome_of_test(
    answer: &Receiver<Result<Tested, TestFailure>>,
    patience: Duration,
) -> Result<Tested, TestFailure> {
    answer.recv_timeout(patience).unwrap_or_else(|e| match e {
        RecvTimeoutError::Disconnected => Err(no_answer("ECANCELED", Stopped.to_string())),
        RecvTimeoutError::Timeout => Err(no_answer(
            "EBUSY",
            format!(
                "the test was not over within {} s, though the target's time is less: the deliver thread is held up, \
                 by a slow disk or too much to do. Try again",
                patience.as_secs()
            ),
        )),
    })
}

/// A test POST that brought no answer.
pub(super) fn no_answer(code: &str, detail: String) -> TestFailure {
    TestFailure::NoAnswer {
        code: code.to_owned(),
        detail,
    }
}

impl Drop for Deliverer {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Deliverer>();
};
