//! Where a webhook's batches go, and the head that goes before them.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use uuid::{Uuid, uuid};

use super::PutError;
use crate::http::{Body, HeaderLines, Method, Policy, Request, Target};
use crate::time::Instant;
use crate::webhook::{Auth, Webhook};

/// The batch id of every test POST.
pub(crate) const TEST_BATCH: Uuid = uuid!("77c2b630-d712-11e4-9642-efc2723b99c1");

/// Where one revision of a webhook sends to. A batch goes where it was formed for, so this outlives
/// its revision while such batches are open.
#[derive(Debug)]
pub(crate) struct Endpoint {
    target: Arc<Target>,
    headers: HeaderLines,
}

impl Endpoint {
    /// Checks target and headers, and writes out what is the same for every batch.
    pub(crate) fn of(webhook: &Webhook, policy: &Policy) -> Result<Endpoint, PutError> {
        let target = Arc::new(Target::parse(&webhook.target, policy)?);
        let mut headers = HeaderLines::new();
        headers.push("Content-Type", "application/json")?;
        if let Some(token) = &webhook.token {
            headers.push("X-MessageSystems-Webhook-Token", token.expose())?;
        }
        if let Auth::Basic { username, password } = &webhook.auth {
            let pair = BASE64.encode(format!("{username}:{}", password.expose()));
            headers.push("Authorization", &format!("Basic {pair}"))?;
        }
        for header in &webhook.custom_headers {
            headers.push(&header.name, header.value.expose())?;
        }
        Ok(Endpoint { target, headers })
    }

    /// A batch's POST.
    pub(crate) fn request(&self, batch: Uuid, body: Body, deadline: Instant) -> Request {
        let mut headers = self.headers.clone();
        let id = batch.hyphenated().to_string();
        let pushed = headers.push("X-MessageSystems-Batch-ID", &id);
        debug_assert!(pushed.is_ok(), "a UUID is a header value");
        Request {
            target: self.target.clone(),
            method: Method::Post,
            headers,
            body,
            deadline,
        }
    }
}
