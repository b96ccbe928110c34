//! The webhook calls.

use crate::auth::{Identity, View};
use crate::backend::Backend;
use crate::failure::Failure;
use crate::message::{Request, Response};
use crate::query::Query;
use crate::view::{self, Style};
use postrider::webhook::{Activity, Webhook, WebhookPatch, WebhookSpec};
use serde_json::{Value, json};
use uuid::Uuid;

/// The most batches of one `batch-status` answer.
const MAX_BATCHES: usize = 1000;

type Answer = Result<Response, Failure>;

pub(crate) fn create<B: Backend + ?Sized>(b: &B, request: &Request, who: Identity) -> Answer {
    let scope = who.view(request)?.scope();
    let known = |name: &str| b.knows_event_type(name);
    let spec = WebhookSpec::from_json(&json_body(request)?, known)?.within(scope)?;
    Ok(Response::results(view::created(&b.create_webhook(spec)?)))
}

pub(crate) fn list<B: Backend + ?Sized>(
    b: &B,
    request: &Request,
    query: &Query<'_>,
    who: Identity,
) -> Answer {
    let shown = who.view(request)?;
    let style = style(b, query)?;
    let mut all = b.webhooks()?;
    all.retain(|(webhook, _)| shown.shows(webhook));
    let views = all
        .iter()
        .map(|(webhook, activity)| view::listed(webhook, activity, &style));
    Ok(Response::results(views.collect::<Vec<_>>()))
}

pub(crate) fn get<B: Backend + ?Sized>(
    b: &B,
    request: &Request,
    query: &Query<'_>,
    who: Identity,
    id: Uuid,
) -> Answer {
    let style = style(b, query)?;
    let (webhook, activity) = find(b, who.view(request)?, id)?;
    Ok(Response::results(view::single(&webhook, &activity, &style)))
}

pub(crate) fn update<B: Backend + ?Sized>(
    b: &B,
    request: &Request,
    who: Identity,
    id: Uuid,
) -> Answer {
    let shown = who.view(request)?;
    find(b, shown, id)?;
    let patch = WebhookPatch::from_json(&json_body(request)?, |name| b.knows_event_type(name))?;
    match (who.bound_to, &patch.scope) {
        (Some(own), Some(scope)) if *scope != shown.scope() => {
            return Err(Failure::OtherSubaccount(own));
        }
        _ => {}
    }
    Ok(Response::results(view::updated(
        &b.update_webhook(id, patch)?,
    )))
}

pub(crate) fn delete<B: Backend + ?Sized>(
    b: &B,
    request: &Request,
    query: &Query<'_>,
    who: Identity,
    id: Uuid,
) -> Answer {
    let purge = query.flag("purge")?;
    find(b, who.view(request)?, id)?;
    b.delete_webhook(id, purge)?;
    Ok(Response::no_content())
}

pub(crate) fn validate<B: Backend + ?Sized>(
    b: &B,
    request: &Request,
    who: Identity,
    id: Uuid,
) -> Answer {
    find(b, who.view(request)?, id)?;
    let body = test_body(request)?;
    let answer = b.validate_webhook(id, body.to_string().as_bytes())?;
    Ok(Response::results(json!({
        "msg": "Test POST to endpoint succeeded",
        "response": view::test_post(&answer),
    })))
}

pub(crate) fn batch_status<B: Backend + ?Sized>(
    b: &B,
    request: &Request,
    query: &Query<'_>,
    who: Identity,
    id: Uuid,
) -> Answer {
    let limit = query.limit(MAX_BATCHES)?;
    find(b, who.view(request)?, id)?;
    let batches = b.batch_status(id, limit)?;
    Ok(Response::results(
        batches.iter().map(view::batch).collect::<Vec<_>>(),
    ))
}

/// The webhook, if the caller may see it; one of another subaccount might as well not exist.
fn find<B: Backend + ?Sized>(b: &B, shown: View, id: Uuid) -> Result<(Webhook, Activity), Failure> {
    let (webhook, activity) = b.webhook(id)?;
    match shown.shows(&webhook) {
        true => Ok((webhook, activity)),
        false => Err(Failure::not_found(id)),
    }
}

fn style<B: Backend + ?Sized>(b: &B, query: &Query<'_>) -> Result<Style, Failure> {
    Ok(Style {
        timezone: query.timezone()?,
        echo_secrets: b.echo_secrets(),
    })
}

/// What a validate call posts to the target: always an array of objects. Clients of different ages
/// send it as that array, as one object, either of them under `message`, or leave it to us.
fn test_body(request: &Request) -> Result<Value, Failure> {
    if request.body.trim_ascii().is_empty() {
        return Ok(ping());
    }
    let mut body = json_body(request)?;
    if let Some(message) = body.get_mut("message") {
        body = message.take();
    }
    match body {
        Value::Object(fields) if fields.is_empty() => Ok(ping()),
        Value::Object(_) => Ok(json!([body])),
        Value::Array(ref items) if items.iter().all(Value::is_object) => Ok(body),
        _ => Err(Failure::Field {
            field: "message".into(),
            reason: "must be an object or an array of objects".into(),
        }),
    }
}

/// The contract's test batch: one event without anything in it.
fn ping() -> Value {
    json!([{"msys": {}}])
}

pub(crate) fn json_body(request: &Request) -> Result<Value, Failure> {
    if let Some(given) = request.header("content-type") {
        let media_type = given.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            return Err(Failure::ContentType);
        }
    }
    let text = std::str::from_utf8(&request.body).map_err(|_| Failure::NotUtf8)?;
    serde_json::from_str(text).map_err(|e| Failure::NotJson(e.to_string()))
}
