//! What the API needs of an engine.

use postrider::store::Store;
use postrider::webhook::{
    Activity, BatchStatus, TestPost, Webhook, WebhookError, WebhookPatch, WebhookSpec,
};
use serde_json::Value;
use uuid::Uuid;

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
    fn validate_webhook(&self, id: Uuid, body: Vec<u8>) -> Result<TestPost, WebhookError>;
    /// The webhook's batches that failed or needed a retry, newest first, at most `limit`.
    fn batch_status(&self, id: Uuid, limit: usize) -> Result<Vec<BatchStatus>, WebhookError>;
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
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;
}
