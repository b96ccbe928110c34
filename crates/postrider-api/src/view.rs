//! The JSON that answers show.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use postrider::store::ApiKey;
use postrider::webhook::{
    Activity, Auth, BatchStatus, Condition, DeadLetter, OAuth2, Replayed, Secret, SigningKey,
    Subaccounts, TestPost, TokenParameter, Webhook,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// How an answer shows what it could show in several ways.
pub(crate) struct Style {
    /// The zone of `last_successful` and `last_failure`.
    pub(crate) timezone: TimeZone,
    /// Secrets as they are, instead of the mask.
    pub(crate) echo_secrets: bool,
    /// A webhook's own filters: their configuration may hold a key.
    pub(crate) filters: bool,
}

impl Style {
    fn secret(&self, secret: &Secret) -> Value {
        let text = secret.expose();
        // That there is none is no secret.
        let show = self.echo_secrets || text.is_empty();
        if show {
            text.into()
        } else {
            Secret::MASK.into()
        }
    }

    fn time(&self, ms: u64) -> Value {
        let zoned = timestamp(ms).to_zoned(self.timezone.clone());
        zoned.strftime("%Y-%m-%d %H:%M:%S").to_string().into()
    }
}

/// A webhook in a list: with `subaccount_id` 0 for the primary account, and a link to itself.
pub(crate) fn listed(webhook: &Webhook, activity: &Activity, style: &Style) -> Value {
    let mut view = object(webhook, activity, style);
    if webhook.scope == Subaccounts::Primary {
        view["subaccount_id"] = 0.into();
    }
    view["links"] = json!([link_webhook(webhook.id)]);
    view
}

/// A webhook alone, with links to what can be done with it.
pub(crate) fn single(webhook: &Webhook, activity: &Activity, style: &Style) -> Value {
    let mut view = object(webhook, activity, style);
    view["links"] = json!([link_validate(webhook.id), link_batches(webhook.id)]);
    view
}

/// The answer to a create call.
pub(crate) fn created(webhook: &Webhook) -> Value {
    with_made_keys(webhook, link_webhook(webhook.id))
}

/// The answer to an update call.
pub(crate) fn updated(webhook: &Webhook) -> Value {
    with_made_keys(webhook, link_validate(webhook.id))
}

/// Signing keys that the call made are shown here, and nowhere else.
fn with_made_keys(webhook: &Webhook, link: Value) -> Value {
    let mut view = json!({"id": webhook.id.to_string(), "links": [link]});
    let made = webhook.signing_keys.iter().filter(|key| key.made);
    let made: Vec<Value> = made
        .map(|key| signing_key(key, key.secret.expose().into()))
        .collect();
    if !made.is_empty() {
        view["signing_keys"] = made.into();
    }
    view
}

fn signing_key(key: &SigningKey, secret: Value) -> Value {
    let mut view = json!({"id": key.id, "secret": secret, "created": iso(key.created_ms)});
    if let Ok(known) = key.key() {
        view["type"] = known.kind().name().into();
        if let Some(public) = known.public_key() {
            view["public_key"] = public.into();
        }
    }
    if let Some(ms) = key.retires_ms {
        view["retires"] = iso(ms).into();
    }
    view
}

fn object(webhook: &Webhook, activity: &Activity, style: &Style) -> Value {
    let headers = webhook.custom_headers.iter();
    let headers = headers
        .map(|h| (h.name.clone(), style.secret(&h.value)))
        .collect();
    let mut view = json!({
        "id": webhook.id.to_string(),
        "name": webhook.name,
        "target": webhook.target,
        "events": webhook.events,
        "active": webhook.active,
        "custom_headers": Value::Object(headers),
        "auth_token": webhook.token.as_ref().map_or("".into(), |token| style.secret(token)),
    });
    match &webhook.auth {
        Auth::None => view["auth_type"] = "none".into(),
        Auth::Basic { username, password } => {
            view["auth_type"] = "basic".into();
            let password = style.secret(password);
            view["auth_credentials"] = json!({"username": username, "password": password});
        }
        Auth::OAuth2(oauth) => {
            view["auth_type"] = "oauth2".into();
            view["auth_request_details"] = request_details(oauth, style);
        }
    }
    match &webhook.scope {
        Subaccounts::All { except } if !except.is_empty() => {
            // As text, as the contract's sample shows them.
            let except: Vec<String> = except.iter().map(u32::to_string).collect();
            view["exception_subaccounts"] = except.into();
        }
        Subaccounts::One(n) => view["subaccount_id"] = (*n).into(),
        Subaccounts::All { .. } | Subaccounts::Primary => {}
    }
    if let Some(own) = &webhook.client_certificate {
        view["client_certificate"] = own.certificate.as_str().into();
        view["client_key"] = style.secret(&own.key);
    }
    if webhook.gzip {
        view["gzip"] = true.into();
    }
    if !webhook.signing_keys.is_empty() {
        let keys = webhook.signing_keys.iter();
        let keys = keys.map(|key| signing_key(key, style.secret(&key.secret)));
        view["signing_keys"] = keys.collect::<Vec<_>>().into();
    }
    let limits = limits(webhook);
    if !limits.is_empty() {
        view["limits"] = Value::Object(limits);
    }
    if webhook.ordered {
        view["ordered"] = true.into();
    }
    if !webhook.outcomes.is_empty() {
        view["outcomes"] = json!(webhook.outcomes);
    }
    if style.filters && !webhook.filters.is_empty() {
        view["filters"] = json!(webhook.filters);
    }
    if activity.condition != Condition::Up {
        view["state"] = activity.condition.name().into();
    }
    if let Some(why) = &activity.why {
        view["state_reason"] = why.as_str().into();
    }
    if let Some(ms) = activity.last_successful_ms {
        view["last_successful"] = style.time(ms);
    }
    if let Some(ms) = activity.last_failure_ms {
        view["last_failure"] = style.time(ms);
    }
    view
}

fn request_details(oauth: &OAuth2, style: &Style) -> Value {
    let value = |p: &TokenParameter| match p.is_public() || style.echo_secrets {
        true if p.bare => serde_json::from_str(p.value.expose()).unwrap_or(Value::Null),
        true => p.value.expose().into(),
        false => style.secret(&p.value),
    };
    let body: Map<String, Value> = oauth
        .body
        .iter()
        .map(|p| (p.name.clone(), value(p)))
        .collect();
    json!({"url": oauth.url, "encoding": oauth.encoding.name(), "body": body})
}

fn limits(webhook: &Webhook) -> Map<String, Value> {
    match serde_json::to_value(webhook.limits) {
        Ok(Value::Object(own)) => own,
        _ => Map::new(),
    }
}

fn link(id: Uuid, tail: &str, rel: &str, methods: &[&str]) -> Value {
    json!({
        "href": format!("/api/v1/webhooks/{id}{tail}"),
        "rel": format!("urn.msys.webhooks.{rel}"),
        "method": methods,
    })
}

fn link_webhook(id: Uuid) -> Value {
    link(id, "", "webhook", &["GET", "PUT"])
}

fn link_validate(id: Uuid) -> Value {
    link(id, "/validate", "validate", &["POST"])
}

fn link_batches(id: Uuid) -> Value {
    link(id, "/batch-status", "batches", &["GET"])
}

/// A receiver's answer. Of several headers by one name the values are joined (RFC 9110 §5.2).
pub(crate) fn test_post(answer: &TestPost) -> Value {
    let mut headers: Map<String, Value> = Map::new();
    for (name, value) in &answer.headers {
        let joined = match headers.get(name).and_then(Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value.clone(),
        };
        headers.insert(name.clone(), joined.into());
    }
    let body = String::from_utf8_lossy(&answer.body);
    json!({"status": answer.status, "headers": headers, "body": body})
}

/// One batch; codes are text, as the contract has it since 2017.
pub(crate) fn batch(batch: &BatchStatus) -> Value {
    let mut view = json!({
        "batch_id": batch.batch_id.to_string(),
        "webhook_id": batch.webhook_id.to_string(),
        "ts": iso(batch.ts_ms),
        "attempts": batch.attempts,
        "latency": batch.latency_ms,
        "batch_size": batch.batch_size,
    });
    if let Some(code) = batch.response_code {
        view["response_code"] = code.to_string().into();
    }
    if let Some(code) = &batch.failure_code {
        view["failure_code"] = code.as_str().into();
    }
    view
}

/// One dead letter, in the words of a batch's status.
pub(crate) fn dead_letter(letter: &DeadLetter) -> Value {
    let mut view = json!({
        "batch_id": letter.batch_id.to_string(),
        "ts": iso(letter.dead_ms),
        "reason": letter.reason,
        "attempts": letter.attempts,
        "batch_size": letter.events,
        "bytes": letter.bytes,
        "last_event": iso(letter.last_written_ms),
    });
    if let Some(code) = letter.response_code {
        view["response_code"] = code.to_string().into();
    }
    if let Some(code) = &letter.failure_code {
        view["failure_code"] = code.as_str().into();
    }
    view
}

/// What a replay came to.
pub(crate) fn replayed(replayed: &Replayed) -> Value {
    let unknown: Vec<String> = replayed.unknown.iter().map(Uuid::to_string).collect();
    let mut view = json!({
        "batches": replayed.batches,
        "events": replayed.events,
        "unknown": unknown,
    });
    if let Some(next_ms) = replayed.next_ms {
        view["next"] = iso(next_ms).into();
    }
    view
}

/// An API key without its text.
pub(crate) fn key(key: &ApiKey) -> Value {
    let grants: Vec<&str> = key.grants.iter().map(|g| g.name()).collect();
    let mut view = json!({
        "id": key.id,
        "label": key.label,
        "short_key": key.short_key,
        "grants": grants,
        "created": iso(key.created_ms),
    });
    if let Some(n) = key.subaccount {
        view["subaccount_id"] = n.into();
    }
    view
}

/// Milliseconds and `Z`, always 24 characters.
pub(crate) fn iso(ms: u64) -> String {
    timestamp(ms).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn timestamp(ms: u64) -> Timestamp {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}
