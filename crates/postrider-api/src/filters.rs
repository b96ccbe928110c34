//! Filters: an extension of the contract.
//!
//! A filter is code that the engine loads into its process, so no API key can manage them, whatever its grants: only the host
//! itself, or whoever may open its admin socket. That goes for reading too: a configuration may hold a filter's key.

use crate::failure::Failure;
use crate::message::Response;
use crate::operation::{Answer, Body, Call, Doc, Operation, Param};
use crate::webhooks::{self, json_body};
use postrider::engine::HeldEvent;
use postrider::filter::{FilterError, FilterSpec};
use postrider::store::Grant;
use serde_json::{Value, json};

/// Why no key will do.
pub(crate) const CODE: &str = "filters are code";

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "GET",
        path: "/api/v1/filters",
        grant: Some(Grant::Keys),
        handle: list,
        doc: Doc {
            id: "listFilters",
            summary: "The filters in their order, how they stand, and their figures; for the host and its admin socket alone",
            extension: true,
            query: &[],
            body: None,
            answer: (200, Some("Filters")),
        },
    },
    Operation {
        method: "PUT",
        path: "/api/v1/filters",
        grant: Some(Grant::Keys),
        handle: replace,
        doc: Doc {
            id: "setFilters",
            summary: "Put another chain of filters in force, in this order; for the host and its admin socket alone",
            extension: true,
            query: &[],
            body: Body::json(true, "FilterChain"),
            answer: (200, Some("Filters")),
        },
    },
    Operation {
        method: "PUT",
        path: "/api/v1/filters/{filter}",
        grant: Some(Grant::Keys),
        handle: put,
        doc: Doc {
            id: "putFilter",
            summary: "Add a filter at the end, or change it where it is; for the host and its admin socket alone",
            extension: true,
            query: &[],
            body: Body::json(true, "FilterSettings"),
            answer: (200, Some("Filters")),
        },
    },
    Operation {
        method: "DELETE",
        path: "/api/v1/filters/{filter}",
        grant: Some(Grant::Keys),
        handle: remove,
        doc: Doc {
            id: "removeFilter",
            summary: "Take a filter out of the chain; for the host and its admin socket alone",
            extension: true,
            query: &[],
            body: None,
            answer: (204, None),
        },
    },
    Operation {
        method: "POST",
        path: "/api/v1/filters/{filter}/reload",
        grant: Some(Grant::Keys),
        handle: reload,
        doc: Doc {
            id: "reloadFilter",
            summary: "Load a filter's file anew; for the host and its admin socket alone",
            extension: true,
            query: &[],
            body: None,
            answer: (200, Some("Filters")),
        },
    },
    Operation {
        method: "GET",
        path: "/api/v1/filters/held",
        grant: Some(Grant::Keys),
        handle: held,
        doc: Doc {
            id: "listHeldEvents",
            summary: "The first 1000 events that a filter failed and that wait to be released; for the host and its admin socket alone",
            extension: true,
            query: &[],
            body: None,
            answer: (200, Some("HeldEvents")),
        },
    },
    Operation {
        method: "POST",
        path: "/api/v1/filters/held/release",
        grant: Some(Grant::Keys),
        handle: release,
        doc: Doc {
            id: "releaseHeldEvents",
            summary: "Push all held events through the filters again; for the host and its admin socket alone",
            extension: true,
            query: &[],
            body: None,
            answer: (200, Some("Released")),
        },
    },
    Operation {
        method: "GET",
        path: "/api/v1/webhooks/{webhook}/filters",
        grant: Some(Grant::WebhooksView),
        handle: of_webhook,
        doc: Doc {
            id: "listWebhookFilters",
            summary: "A webhook's own filters in their order, how they stand, and their figures; for the host and its admin socket alone",
            extension: true,
            query: &[],
            body: None,
            answer: (200, Some("Filters")),
        },
    },
    Operation {
        method: "POST",
        path: "/api/v1/webhooks/{webhook}/filters/reload",
        grant: Some(Grant::WebhooksModify),
        handle: reload_of_webhook,
        doc: Doc {
            id: "reloadWebhookFilter",
            summary: "Load the file of one of a webhook's own filters anew; for the host and its admin socket alone",
            extension: true,
            query: &[NAME],
            body: None,
            answer: (200, Some("Filters")),
        },
    },
];

const NAME: Param = Param {
    name: "name",
    schema: r#"{"type": "string"}"#,
    about: "The filter's name in the webhook's chain",
};

/// The most held events that are listed.
const MOST_HELD: usize = 1000;

fn held(call: &Call<'_>) -> Answer {
    call.who.host_only(CODE)?;
    let held = call.backend.held_events(MOST_HELD).map_err(failure)?;
    let view = |event: HeldEvent| {
        let text = serde_json::from_str(&event.text).unwrap_or(Value::Null);
        json!({"offset": event.offset, "event": text})
    };
    Ok(Response::results(
        held.into_iter().map(view).collect::<Vec<_>>(),
    ))
}

fn release(call: &Call<'_>) -> Answer {
    call.who.host_only(CODE)?;
    let released = call.backend.release_held().map_err(failure)?;
    Ok(Response::results(json!({ "released": released })))
}

fn list(call: &Call<'_>) -> Answer {
    call.who.host_only(CODE)?;
    Ok(all(call))
}

fn replace(call: &Call<'_>) -> Answer {
    call.who.host_only(CODE)?;
    let specs = spec_of::<Vec<FilterSpec>>(json_body(call.request)?)?;
    call.backend.set_filters(specs).map_err(failure)?;
    Ok(all(call))
}

fn put(call: &Call<'_>) -> Answer {
    call.who.host_only(CODE)?;
    let mut body = json_body(call.request)?;
    if let Some(fields) = body.as_object_mut() {
        fields.insert("name".into(), call.parameter.into());
    }
    call.backend.put_filter(spec_of(body)?).map_err(failure)?;
    Ok(all(call))
}

fn remove(call: &Call<'_>) -> Answer {
    call.who.host_only(CODE)?;
    call.backend
        .remove_filter(call.parameter)
        .map_err(failure)?;
    Ok(Response::no_content())
}

fn reload(call: &Call<'_>) -> Answer {
    call.who.host_only(CODE)?;
    call.backend
        .reload_filter(call.parameter)
        .map_err(failure)?;
    Ok(all(call))
}

fn of_webhook(call: &Call<'_>) -> Answer {
    call.who.host_only(CODE)?;
    let (webhook, _) = webhooks::find(call)?;
    let filters = call.backend.webhook_filters(webhook.id)?;
    Ok(Response::results(
        serde_json::to_value(filters).unwrap_or_default(),
    ))
}

fn reload_of_webhook(call: &Call<'_>) -> Answer {
    call.who.host_only(CODE)?;
    let (webhook, _) = webhooks::find(call)?;
    let name = call.query.get("name").unwrap_or_default();
    call.backend.reload_webhook_filter(webhook.id, name)?;
    of_webhook(call)
}

fn all(call: &Call<'_>) -> Response {
    Response::results(serde_json::to_value(call.backend.filters()).unwrap_or_default())
}

/// What is not known is refused, so that a misspelt setting is not ignored.
fn spec_of<T: serde::de::DeserializeOwned>(body: Value) -> Result<T, Failure> {
    serde_json::from_value(body).map_err(|e| Failure::Refused(e.to_string()))
}

fn failure(e: FilterError) -> Failure {
    match e {
        FilterError::NotFound(_) => Failure::NoSuchPath,
        other => Failure::Refused(other.to_string()),
    }
}
