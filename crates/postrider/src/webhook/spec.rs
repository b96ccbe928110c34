//! What a client asks for, checked field by field.

use super::{Auth, CustomHeader, Limits, Secret, Subaccounts, Webhook, WebhookError};
use crate::time::UnixMillis;
use serde_json::Value;
use uuid::Uuid;

/// A webhook to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The fields are those of `Webhook`.
pub struct WebhookSpec {
    pub name: String,
    pub target: String,
    pub events: Vec<String>,
    pub active: bool,
    pub auth: Auth,
    pub token: Option<Secret>,
    pub custom_headers: Vec<CustomHeader>,
    pub scope: Subaccounts,
    pub limits: Limits,
}

/// Changes to a webhook; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // The fields are those of `Webhook`.
pub struct WebhookPatch {
    pub name: Option<String>,
    pub target: Option<String>,
    pub events: Option<Vec<String>>,
    pub active: Option<bool>,
    pub auth: Option<Auth>,
    pub token: Option<Option<Secret>>,
    pub custom_headers: Option<Vec<CustomHeader>>,
    pub scope: Option<Subaccounts>,
    pub except: Option<Vec<u32>>,
    pub limits: Option<Limits>,
}

impl WebhookSpec {
    /// Reads the body of a create call. `known` says whether an event type exists; `scope` is what
    /// the call's subaccount header asked for.
    pub fn from_json(
        body: &Value,
        scope: Subaccounts,
        known: &dyn Fn(&str) -> bool,
    ) -> Result<WebhookSpec, WebhookError> {
        let _ = (body, scope, known);
        todo!()
    }

    /// The webhook's first revision.
    pub fn into_webhook(self, id: Uuid, now_ms: UnixMillis) -> Webhook {
        Webhook {
            id,
            revision: 1,
            name: self.name,
            target: self.target,
            events: self.events,
            active: self.active,
            auth: self.auth,
            token: self.token,
            custom_headers: self.custom_headers,
            scope: self.scope,
            limits: self.limits,
            created_ms: now_ms,
            updated_ms: now_ms,
        }
    }
}

impl WebhookPatch {
    /// Reads the body of an update call.
    pub fn from_json(
        body: &Value,
        known: &dyn Fn(&str) -> bool,
    ) -> Result<WebhookPatch, WebhookError> {
        let _ = (body, known);
        todo!()
    }

    /// The next revision of `webhook`. A target that differs wants a new test POST.
    pub fn apply(self, webhook: &Webhook, now_ms: UnixMillis) -> Result<Webhook, WebhookError> {
        let _ = (webhook, now_ms);
        todo!()
    }
}
