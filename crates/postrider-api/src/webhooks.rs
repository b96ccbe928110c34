//! The webhook calls.

use crate::failure::Failure;
use crate::filters;
use crate::message::{Request, Response};
use crate::operation::{Answer, Body, Call, Doc, Operation, Param};
use crate::view::{self, Style};
use postrider::store::Grant;
use postrider::webhook::{Activity, Webhook, WebhookPatch, WebhookSpec};
use serde_json::{Value, json};

/// The most batches of one `batch-status` answer.
const MAX_BATCHES: usize = 1000;

const LIST: &str = "/api/v1/webhooks";
const ONE: &str = "/api/v1/webhooks/{webhook}";

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "GET",
        path: LIST,
        grant: Some(Grant::WebhooksView),
        handle: list,
        doc: Doc {
            id: "listWebhooks",
            summary: "All webhooks",
            extension: false,
            query: &[TIMEZONE],
            body: None,
            answer: (200, Some("Webhooks")),
        },
    },
    Operation {
        method: "POST",
        path: LIST,
        grant: Some(Grant::WebhooksModify),
        handle: create,
        doc: Doc {
            id: "createWebhook",
            summary: "Create a webhook; its target is tested first",
            extension: false,
            query: &[],
            body: Body::json(true, "NewWebhook"),
            answer: (200, Some("ChangedWebhook")),
        },
    },
    Operation {
        method: "GET",
        path: ONE,
        grant: Some(Grant::WebhooksView),
        handle: get,
        doc: Doc {
            id: "getWebhook",
            summary: "One webhook",
            extension: false,
            query: &[TIMEZONE],
            body: None,
            answer: (200, Some("OneWebhook")),
        },
    },
    Operation {
        method: "PUT",
        path: ONE,
        grant: Some(Grant::WebhooksModify),
        handle: update,
        doc: Doc {
            id: "updateWebhook",
            summary: "Change what is named of a webhook; a changed target is tested first",
            extension: false,
            query: &[],
            body: Body::json(true, "WebhookChanges"),
            answer: (200, Some("ChangedWebhook")),
        },
    },
    Operation {
        method: "DELETE",
        path: ONE,
        grant: Some(Grant::WebhooksModify),
        handle: delete,
        doc: Doc {
            id: "deleteWebhook",
            summary: "Delete a webhook; batches already formed are still delivered",
            extension: false,
            query: &[PURGE],
            body: None,
            answer: (204, None),
        },
    },
    Operation {
        method: "POST",
        path: "/api/v1/webhooks/{webhook}/validate",
        grant: Some(Grant::WebhooksModify),
        handle: validate,
        doc: Doc {
            id: "validateWebhook",
            summary: "POST a test to a webhook's target",
            extension: false,
            query: &[],
            body: Body::json(false, "TestBody"),
            answer: (200, Some("Tested")),
        },
    },
    Operation {
        method: "GET",
        path: "/api/v1/webhooks/{webhook}/batch-status",
        grant: Some(Grant::WebhooksView),
        handle: batch_status,
        doc: Doc {
            id: "webhookBatchStatus",
            summary: "Recent batches that failed or were retried, newest first",
            extension: false,
            query: &[LIMIT, ALL],
            body: None,
            answer: (200, Some("BatchStatuses")),
        },
    },
];

const TIMEZONE: Param = Param {
    name: "timezone",
    schema: r#"{"type": "string", "default": "UTC"}"#,
    about: "IANA name of the zone of `last_successful` and `last_failure`",
};

const LIMIT: Param = Param {
    name: "limit",
    schema: r#"{"type": "integer", "minimum": 1, "maximum": 1000, "default": 1000}"#,
    about: "The most batches of the answer",
};

const ALL: Param = Param {
    name: "all",
    schema: r#"{"type": "boolean", "default": false}"#,
    about: "Extension: list batches that arrived at the first try too",
};

const PURGE: Param = Param {
    name: "purge",
    schema: r#"{"type": "boolean", "default": false}"#,
    about: "Extension: drop the batches already formed too",
};

fn create(call: &Call<'_>) -> Answer {
    let scope = call.who.view(call.request)?.scope();
    let known = |name: &str| call.backend.knows_event_type(name);
    let spec = WebhookSpec::from_json(&json_body(call.request)?, known)?.within(scope)?;
    if !spec.filters.is_empty() {
        call.who.host_only(filters::CODE)?;
    }
    let webhook = call.backend.create_webhook(spec)?;
    Ok(Response::results(view::created(&webhook)))
}

fn list(call: &Call<'_>) -> Answer {
    let shown = call.who.view(call.request)?;
    let style = style(call)?;
    let mut all = call.backend.webhooks()?;
    all.retain(|(webhook, _)| shown.shows(webhook));
    let views = all
        .iter()
        .map(|(webhook, activity)| view::listed(webhook, activity, &style));
    Ok(Response::results(views.collect::<Vec<_>>()))
}

fn get(call: &Call<'_>) -> Answer {
    let style = style(call)?;
    let (webhook, activity) = find(call)?;
    Ok(Response::results(view::single(&webhook, &activity, &style)))
}

fn update(call: &Call<'_>) -> Answer {
    let shown = call.who.view(call.request)?;
    let (before, _) = find(call)?;
    let known = |name: &str| call.backend.knows_event_type(name);
    let patch = WebhookPatch::from_json(&json_body(call.request)?, known)?;
    if patch.filters.is_some() {
        call.who.host_only(filters::CODE)?;
    }
    match (call.who.bound_to, &patch.scope) {
        (Some(own), Some(scope)) if *scope != shown.scope() => {
            return Err(Failure::OtherSubaccount(own));
        }
        _ => {}
    }
    let after = call.backend.update_webhook(before.id, patch)?;
    Ok(Response::results(view::updated(&after)))
}

fn delete(call: &Call<'_>) -> Answer {
    let purge = call.query.flag("purge")?;
    let (webhook, _) = find(call)?;
    call.backend.delete_webhook(webhook.id, purge)?;
    Ok(Response::no_content())
}

fn validate(call: &Call<'_>) -> Answer {
    let (webhook, _) = find(call)?;
    let body = test_body(call.request)?;
    let answer = call
        .backend
        .validate_webhook(webhook.id, body.to_string().as_bytes())?;
    Ok(Response::results(json!({
        "msg": "Test POST to endpoint succeeded",
        "response": view::test_post(&answer),
    })))
}

fn batch_status(call: &Call<'_>) -> Answer {
    let limit = call.query.number("limit", MAX_BATCHES, MAX_BATCHES)?;
    let all = call.query.flag("all")?;
    let (webhook, _) = find(call)?;
    let batches = call.backend.batch_status(webhook.id, limit, all)?;
    Ok(Response::results(
        batches.iter().map(view::batch).collect::<Vec<_>>(),
    ))
}

/// The path's webhook, if the caller may see it; one of another subaccount might as well not exist.
pub(crate) fn find(call: &Call<'_>) -> Result<(Webhook, Activity), Failure> {
    let shown = call.who.view(call.request)?;
    let id = call.webhook_id()?;
    let (webhook, activity) = call.backend.webhook(id)?;
    match shown.shows(&webhook) {
        true => Ok((webhook, activity)),
        false => Err(Failure::not_found(id)),
    }
}

fn style(call: &Call<'_>) -> Result<Style, Failure> {
    Ok(Style {
        timezone: call.query.timezone()?,
        echo_secrets: call.backend.echo_secrets(),
        filters: call.who.host_only(filters::CODE).is_ok(),
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
            return Err(Failure::ContentType("application/json"));
        }
    }
    let text = std::str::from_utf8(&request.body).map_err(|_| Failure::NotUtf8)?;
    serde_json::from_str(text).map_err(|e| Failure::NotJson(e.to_string()))
}
