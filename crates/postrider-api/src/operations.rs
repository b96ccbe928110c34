//! Calls that the contract does not have: holding a webhook, and what it did not get.

use crate::failure::Failure;
use crate::message::Response;
use crate::operation::{Answer, Body, Call, Doc, Operation, Param};
use crate::view;
use crate::webhooks::{find, json_body};
use jiff::Timestamp;
use postrider::store::Grant;
use postrider::webhook::Replay;
use serde_json::{Value, json};
use uuid::Uuid;

/// The most dead letters of one answer.
const MAX_LETTERS: usize = 1000;

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "POST",
        path: "/api/v1/webhooks/{webhook}/pause",
        grant: Some(Grant::WebhooksModify),
        handle: pause,
        doc: Doc {
            id: "pauseWebhook",
            summary: "Hold a webhook's batches, also after a restart; its events are kept",
            extension: true,
            query: &[],
            body: None,
            answer: (200, Some("WebhookState")),
        },
    },
    Operation {
        method: "POST",
        path: "/api/v1/webhooks/{webhook}/resume",
        grant: Some(Grant::WebhooksModify),
        handle: resume,
        doc: Doc {
            id: "resumeWebhook",
            summary: "Let the batches of a webhook that is paused or disabled go out again",
            extension: true,
            query: &[],
            body: None,
            answer: (200, Some("WebhookState")),
        },
    },
    Operation {
        method: "GET",
        path: "/api/v1/webhooks/{webhook}/dead-letters",
        grant: Some(Grant::WebhooksView),
        handle: dead_letters,
        doc: Doc {
            id: "webhookDeadLetters",
            summary: "Batches that were given up and are kept, the latest first",
            extension: true,
            query: &[LIMIT],
            body: None,
            answer: (200, Some("DeadLetters")),
        },
    },
    Operation {
        method: "POST",
        path: "/api/v1/webhooks/{webhook}/replay",
        grant: Some(Grant::WebhooksModify),
        handle: replay,
        doc: Doc {
            id: "replayWebhook",
            summary: "Send again dead letters, or what was written in a stretch of time",
            extension: true,
            query: &[],
            body: Body::json(true, "Replay"),
            answer: (200, Some("Replayed")),
        },
    },
];

const LIMIT: Param = Param {
    name: "limit",
    schema: r#"{"type": "integer", "minimum": 1, "maximum": 1000, "default": 1000}"#,
    about: "The most dead letters of the answer",
};

fn pause(call: &Call<'_>) -> Answer {
    let (webhook, _) = find(call)?;
    call.backend.pause_webhook(webhook.id)?;
    state(call, webhook.id)
}

fn resume(call: &Call<'_>) -> Answer {
    let (webhook, _) = find(call)?;
    call.backend.resume_webhook(webhook.id)?;
    state(call, webhook.id)
}

fn state(call: &Call<'_>, id: Uuid) -> Answer {
    let (_, activity) = call.backend.webhook(id)?;
    let mut shown = json!({"id": id.to_string(), "state": activity.condition.name()});
    if let Some(why) = activity.why {
        shown["state_reason"] = why.into();
    }
    Ok(Response::results(shown))
}

fn dead_letters(call: &Call<'_>) -> Answer {
    let limit = call.query.number("limit", MAX_LETTERS, MAX_LETTERS)?;
    let (webhook, _) = find(call)?;
    let letters = call.backend.dead_letters(webhook.id, limit)?;
    Ok(Response::results(
        letters.iter().map(view::dead_letter).collect::<Vec<_>>(),
    ))
}

fn replay(call: &Call<'_>) -> Answer {
    let (webhook, _) = find(call)?;
    let what = what_to_replay(&json_body(call.request)?, call.backend.now_ms())?;
    let replayed = call.backend.replay(webhook.id, what)?;
    Ok(Response::results(view::replayed(&replayed)))
}

/// `{"batch_ids": […]}`, `{"all": true}`, or `{"from": …, "to": …}`: one of them.
fn what_to_replay(body: &Value, now_ms: u64) -> Result<Replay, Failure> {
    let wrong = |field: &str, reason: &str| Failure::Field {
        field: field.to_owned(),
        reason: reason.to_owned(),
    };
    let fields = body
        .as_object()
        .ok_or_else(|| wrong("request body", "must be a JSON object"))?;
    let known = ["batch_ids", "all", "from", "to"];
    if let Some(unknown) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(wrong(unknown, "is not a field of a replay"));
    }
    let time = |field: &str| match fields.get(field) {
        None => Ok(None),
        Some(value) => {
            let time = value.as_str().and_then(|text| text.parse().ok());
            let time = time.map(|time: Timestamp| time.as_millisecond().max(0) as u64);
            time.map(Some)
                .ok_or_else(|| wrong(field, "must be a time such as 2026-01-31T12:00:00Z"))
        }
    };
    let (from, to) = (time("from")?, time("to")?);
    let ids = fields.get("batch_ids");
    match (ids, fields.get("all"), from) {
        (Some(ids), None, None) if to.is_none() => batch_ids(ids)
            .map(|ids| Replay::Letters(Some(ids)))
            .ok_or_else(|| wrong("batch_ids", "must be a non-empty array of batch ids")),
        (None, Some(Value::Bool(true)), None) if to.is_none() => Ok(Replay::Letters(None)),
        (None, Some(_), None) if to.is_none() => Err(wrong("all", "must be true, or left out")),
        (None, None, Some(from)) => {
            // Up to now is all that was written, also where the clock was set back since.
            let stretch = from..to.unwrap_or(u64::MAX);
            match from < to.unwrap_or(now_ms) {
                true => Ok(Replay::Written(stretch)),
                false => Err(wrong("to", "must be later than 'from'")),
            }
        }
        _ => Err(wrong(
            "request body",
            "must have one of 'batch_ids', 'all', or 'from' with an optional 'to'",
        )),
    }
}

fn batch_ids(value: &Value) -> Option<Vec<Uuid>> {
    let ids = value.as_array().filter(|ids| !ids.is_empty())?;
    let id = |id: &Value| Uuid::try_parse(id.as_str()?).ok();
    ids.iter().map(id).collect()
}
