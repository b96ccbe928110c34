//! What events look like: documentation and samples. Neither needs a key.

use crate::failure::Failure;
use crate::message::Response;
use crate::operation::{Answer, Call, Doc, Operation, Param};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "GET",
        path: "/api/v1/webhooks/events/documentation",
        grant: None,
        handle: documentation,
        doc: Doc {
            id: "webhookEventsDocumentation",
            summary: "Every event type with its fields, by category",
            extension: false,
            query: &[],
            body: None,
            answer: (200, Some("EventsDocumentation")),
        },
    },
    Operation {
        method: "GET",
        path: "/api/v1/webhooks/events/samples",
        grant: None,
        handle: samples,
        doc: Doc {
            id: "webhookEventsSamples",
            summary: "A sample of each event type, as a batch would hold it",
            extension: false,
            query: &[EVENTS],
            body: None,
            answer: (200, Some("EventsSamples")),
        },
    },
];

const EVENTS: Param = Param {
    name: "events",
    schema: r#"{"type": "string"}"#,
    about: "Names of event types, separated by commas; all without it",
};

fn documentation(call: &Call<'_>) -> Answer {
    Ok(Response::results(call.backend.event_documentation()))
}

fn samples(call: &Call<'_>) -> Answer {
    let Some(list) = call.query.get("events").filter(|list| !list.is_empty()) else {
        return Ok(Response::results(call.backend.event_samples(&|_| true)));
    };
    let names: Vec<&str> = list.split(',').map(str::trim).collect();
    if let Some(unknown) = names.iter().find(|n| !call.backend.knows_event_type(n)) {
        let reason = format!("names {unknown:?}, which is not an event type");
        return Err(Failure::Parameter {
            name: "events",
            reason,
        });
    }
    let chosen = |name: &str| names.contains(&name);
    Ok(Response::results(call.backend.event_samples(&chosen)))
}
