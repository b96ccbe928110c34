//! What the API needs of an engine.

use postrider::store::Store;
use postrider::webhook::{
    Activity, BatchStatus, TestPost, Webhook, WebhookError, WebhookPatch, WebhookSpec,
};
use serde_json::Value;
use uuid::Uuid;

/// What the API needs of an engine: `postrider::engine::Engine` has each of these by the same name.
pub trait Backend: Send + Sync {
    /// Tests the target, stores the webhook; when this returns, pushes see it.
    fn create_webhook(&self, spec: WebhookSpec) -> Result<Webhook, WebhookError>;
    /// Applies `patch`; tests the target first when it changes.
    fn update_webhook(&self, id: Uuid, patch: WebhookPatch) -> Result<Webhook, WebhookError>;
    /// Deletes a webhook; batches already formed are still delivered.
    fn delete_webhook(&self, id: Uuid) -> Result<(), WebhookError>;
    /// One webhook.
    fn webhook(&self, id: Uuid) -> Result<(Webhook, Activity), WebhookError>;
    /// Every webhook, oldest first.
    fn webhooks(&self) -> Result<Vec<(Webhook, Activity)>, WebhookError>;
    /// POSTs `body`, a JSON array, to the webhook's target as deliveries would be.
    fn validate_webhook(&self, id: Uuid, body: &[u8]) -> Result<TestPost, WebhookError>;
    /// The webhook's recent batches, newest first, at most `limit`: those that failed or needed a
    /// retry; with `all`, also those accepted at the first attempt.
    fn batch_status(
        &self,
        id: Uuid,
        limit: usize,
        all: bool,
    ) -> Result<Vec<BatchStatus>, WebhookError>;
    /// Whether an event type of that name exists, in the catalogue or custom.
    fn knows_event_type(&self, name: &str) -> bool;
    /// The `results` of the documentation call.
    fn event_documentation(&self) -> Value;
    /// Sample events of these types in their envelope; of every type when empty.
    fn event_samples(&self, types: &[&str]) -> Vec<Value>;
    /// Where API keys are.
    fn store(&self) -> &Store;
    /// Whether answers show secrets instead of a mask.
    fn echo_secrets(&self) -> bool;
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;
}
