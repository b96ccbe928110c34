//! What the API needs of an engine.

use postrider::engine::{Engine, FlushError, HeldEvent, Level, PushError, PushOptions, Severity};
use postrider::event::{self, Catalogue, TypeId};
use postrider::filter::{FilterError, FilterSpec, FilterStatus};
use postrider::log::LogError;
use postrider::search::{Page, Query};
use postrider::store::Store;
use postrider::time::{Clock, SystemClock};
use postrider::webhook::{
    Activity, BatchStatus, DeadLetter, Replay, Replayed, TestPost, Webhook, WebhookError,
    WebhookPatch, WebhookSpec,
};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

/// An event type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventType {
    /// Its number.
    pub id: TypeId,
    /// Its name.
    pub name: String,
    /// The category that it belongs to.
    pub category: String,
}

/// How long a pushed event waits for room, and a batch of them for the log.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the API needs of an engine. Calls come from any thread; two updates of one webhook at a
/// time are done one after the other.
pub trait Backend: Send + Sync {
    /// POSTs a test to the target, then stores the webhook; when this returns, pushes see it.
    fn create_webhook(&self, spec: WebhookSpec) -> Result<Webhook, WebhookError>;
    /// Applies `patch`; POSTs a test first when it changes the target.
    fn update_webhook(&self, id: Uuid, patch: WebhookPatch) -> Result<Webhook, WebhookError>;
    /// Deletes a webhook. Batches already formed are still delivered, unless `purge`.
    fn delete_webhook(&self, id: Uuid, purge: bool) -> Result<(), WebhookError>;
    /// One webhook.
    fn webhook(&self, id: Uuid) -> Result<(Webhook, Activity), WebhookError>;
    /// Every webhook, oldest first.
    fn webhooks(&self) -> Result<Vec<(Webhook, Activity)>, WebhookError>;
    /// POSTs `body`, a JSON array, to the webhook's target as deliveries would be.
    fn validate_webhook(&self, id: Uuid, body: &[u8]) -> Result<TestPost, WebhookError>;
    /// The webhook's batches that failed or needed a retry, or `all`, newest first, at most `limit`.
    fn batch_status(
        &self,
        id: Uuid,
        limit: usize,
        all: bool,
    ) -> Result<Vec<BatchStatus>, WebhookError>;
    /// Holds a webhook's batches until it is resumed.
    fn pause_webhook(&self, id: Uuid) -> Result<(), WebhookError>;
    /// Lets the batches of a webhook that is paused or disabled go out again.
    fn resume_webhook(&self, id: Uuid) -> Result<(), WebhookError>;
    /// The webhook's batches that were given up and are kept, the latest first, at most `limit`.
    fn dead_letters(&self, id: Uuid, limit: usize) -> Result<Vec<DeadLetter>, WebhookError>;
    /// Sends a webhook again what it did not get.
    fn replay(&self, id: Uuid, what: Replay) -> Result<Replayed, WebhookError>;
    /// Whether an event type of that name exists, in the catalogue or custom.
    fn knows_event_type(&self, name: &str) -> bool;
    /// Every event type with its fields, as the documentation call shows them.
    fn event_documentation(&self) -> Value;
    /// A sample event of each type that `chosen` names, in its envelope.
    fn event_samples(&self, chosen: &dyn Fn(&str) -> bool) -> Vec<Value>;
    /// Where API keys are.
    fn store(&self) -> &Store;
    /// Whether answers show secrets instead of a mask.
    fn echo_secrets(&self) -> bool;
    /// Every event type, of the catalogue and custom.
    fn event_types(&self) -> Vec<EventType>;
    /// The events of the log that fit a query.
    fn search(&self, query: &Query) -> Result<Page, LogError>;
    /// Pushes an event: the text of an object of fields, or of an event in its envelope. Waits a while
    /// where there is no room.
    fn push_line(&self, line: &[u8]) -> Result<(), PushError>;
    /// Returns once everything pushed before is at `level`.
    fn flush(&self, level: Level) -> Result<(), FlushError>;
    /// Where the audit log is; `None`: there is none.
    fn audit_dir(&self) -> Option<&Path>;
    /// How many requests a second each key may send; 0: any number.
    fn requests_per_second(&self) -> u32;
    /// Tells the host what went wrong that no answer can tell.
    fn warn(&self, line: &str);
    /// The engine's figures in Prometheus' text format.
    fn metrics(&self) -> String;
    /// The filters in their order, and how they stand.
    fn filters(&self) -> Vec<FilterStatus> {
        Vec::new()
    }
    /// Puts another chain of filters in force.
    fn set_filters(&self, _: Vec<FilterSpec>) -> Result<(), FilterError> {
        Err(FilterError::Stopped)
    }
    /// Adds a filter at the end, or changes it where it is.
    fn put_filter(&self, _: FilterSpec) -> Result<(), FilterError> {
        Err(FilterError::Stopped)
    }
    /// Takes a filter out of the chain.
    fn remove_filter(&self, name: &str) -> Result<(), FilterError> {
        Err(FilterError::NotFound(name.to_owned()))
    }
    /// Loads a filter's file anew.
    fn reload_filter(&self, name: &str) -> Result<(), FilterError> {
        Err(FilterError::NotFound(name.to_owned()))
    }
    /// The filters of a webhook in their order, and how they stand.
    fn webhook_filters(&self, webhook: Uuid) -> Result<Vec<FilterStatus>, WebhookError> {
        Err(WebhookError::NotFound(webhook))
    }
    /// Loads the file of one of a webhook's filters anew.
    fn reload_webhook_filter(&self, webhook: Uuid, _name: &str) -> Result<(), WebhookError> {
        Err(WebhookError::NotFound(webhook))
    }
    /// Events that a filter failed and that wait to be released, at most `limit`.
    fn held_events(&self, _limit: usize) -> Result<Vec<HeldEvent>, FilterError> {
        Ok(Vec::new())
    }
    /// Pushes all held events through the filters again, and says how many.
    fn release_held(&self) -> Result<u64, FilterError> {
        Ok(0)
    }
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64 {
        SystemClock.now().unix_ms
    }
}

impl Backend for Engine {
    fn held_events(&self, limit: usize) -> Result<Vec<HeldEvent>, FilterError> {
        Engine::held_events(self, limit)
    }

    fn release_held(&self) -> Result<u64, FilterError> {
        Engine::release_held(self)
    }

    fn filters(&self) -> Vec<FilterStatus> {
        Engine::filters(self)
    }

    fn set_filters(&self, specs: Vec<FilterSpec>) -> Result<(), FilterError> {
        Engine::set_filters(self, specs)
    }

    fn put_filter(&self, spec: FilterSpec) -> Result<(), FilterError> {
        Engine::put_filter(self, spec)
    }

    fn remove_filter(&self, name: &str) -> Result<(), FilterError> {
        Engine::remove_filter(self, name)
    }

    fn reload_filter(&self, name: &str) -> Result<(), FilterError> {
        Engine::reload_filter(self, name)
    }

    fn webhook_filters(&self, webhook: Uuid) -> Result<Vec<FilterStatus>, WebhookError> {
        Engine::webhook_filters(self, webhook)
    }

    fn reload_webhook_filter(&self, webhook: Uuid, name: &str) -> Result<(), WebhookError> {
        Engine::reload_webhook_filter(self, webhook, name)
    }

    fn create_webhook(&self, spec: WebhookSpec) -> Result<Webhook, WebhookError> {
        Engine::create_webhook(self, spec)
    }

    fn update_webhook(&self, id: Uuid, patch: WebhookPatch) -> Result<Webhook, WebhookError> {
        Engine::update_webhook(self, id, patch)
    }

    fn delete_webhook(&self, id: Uuid, purge: bool) -> Result<(), WebhookError> {
        Engine::delete_webhook(self, id, purge)
    }

    fn webhook(&self, id: Uuid) -> Result<(Webhook, Activity), WebhookError> {
        Engine::webhook(self, id)
    }

    fn webhooks(&self) -> Result<Vec<(Webhook, Activity)>, WebhookError> {
        Engine::webhooks(self)
    }

    fn validate_webhook(&self, id: Uuid, body: &[u8]) -> Result<TestPost, WebhookError> {
        Engine::validate_webhook(self, id, body.to_vec())
    }

    fn batch_status(
        &self,
        id: Uuid,
        limit: usize,
        all: bool,
    ) -> Result<Vec<BatchStatus>, WebhookError> {
        Engine::batch_status(self, id, limit, all)
    }

    fn pause_webhook(&self, id: Uuid) -> Result<(), WebhookError> {
        Engine::pause_webhook(self, id)
    }

    fn resume_webhook(&self, id: Uuid) -> Result<(), WebhookError> {
        Engine::resume_webhook(self, id)
    }

    fn dead_letters(&self, id: Uuid, limit: usize) -> Result<Vec<DeadLetter>, WebhookError> {
        Engine::dead_letters(self, id, limit)
    }

    fn replay(&self, id: Uuid, what: Replay) -> Result<Replayed, WebhookError> {
        Engine::replay(self, id, what)
    }

    fn knows_event_type(&self, name: &str) -> bool {
        self.schema().lookup(name).is_some()
    }

    /// The catalogue and the custom types, which have no fields of their own.
    fn event_documentation(&self) -> Value {
        let mut all = event::documentation(|_| true);
        for (_, custom) in self.schema().custom_types() {
            let category = &mut all[&*custom.category];
            if category.is_null() {
                let description = "Events declared in this engine's configuration";
                *category = json!({
                    "display_name": custom.category, "description": description, "events": {},
                });
            }
            category["events"][&*custom.name] = json!({
                "display_name": custom.name, "description": "A custom event type", "event": {},
            });
        }
        all
    }

    fn event_samples(&self, chosen: &dyn Fn(&str) -> bool) -> Vec<Value> {
        let mut samples = event::samples(|ty| chosen(ty.name));
        for (_, custom) in self.schema().custom_types() {
            if chosen(&custom.name) {
                let event = json!({"type": custom.name});
                samples.push(json!({"msys": {&*custom.category: event}}));
            }
        }
        samples
    }

    fn store(&self) -> &Store {
        Engine::store(self)
    }

    fn echo_secrets(&self) -> bool {
        self.config().api_echo_secrets()
    }

    fn metrics(&self) -> String {
        Engine::metrics(self)
    }

    fn event_types(&self) -> Vec<EventType> {
        let catalogue = Catalogue::types().iter().map(|ty| EventType {
            id: ty.id,
            name: ty.name.to_owned(),
            category: ty.category().name.to_owned(),
        });
        let custom = self.schema().custom_types();
        let custom = custom.map(|(id, custom)| EventType {
            id,
            name: custom.name.to_string(),
            category: custom.category.to_string(),
        });
        catalogue.chain(custom).collect()
    }

    fn search(&self, query: &Query) -> Result<Page, LogError> {
        Engine::search(self, query)
    }

    fn push_line(&self, line: &[u8]) -> Result<(), PushError> {
        let options = PushOptions {
            deadline: Some(PATIENCE),
            ..PushOptions::default()
        };
        Engine::push_line(self, line, options).map(drop)
    }

    fn flush(&self, level: Level) -> Result<(), FlushError> {
        Engine::flush(self, level, PATIENCE)
    }

    fn audit_dir(&self) -> Option<&Path> {
        self.data_dir().filter(|_| self.config().api_audit())
    }

    fn requests_per_second(&self) -> u32 {
        self.config().api_requests_per_second()
    }

    fn warn(&self, line: &str) {
        self.say(Severity::Warning, line);
    }
}
