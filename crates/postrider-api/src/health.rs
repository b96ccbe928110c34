//! How the engine fares: for load balancers and for Prometheus. Neither needs a key.

use crate::message::Response;
use crate::operation::{Answer, Call, Doc, Operation};
use serde_json::json;

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "GET",
        path: "/healthz",
        grant: None,
        handle: health,
        doc: Doc {
            id: "health",
            summary: "Whether the engine can read its store",
            extension: true,
            query: &[],
            body: None,
            answer: (200, Some("Health")),
        },
    },
    Operation {
        method: "GET",
        path: "/metrics",
        grant: None,
        handle: metrics,
        doc: Doc {
            id: "metrics",
            summary: "The engine's figures in Prometheus' text format",
            extension: true,
            query: &[],
            body: None,
            answer: (200, Some("Metrics")),
        },
    },
];

fn health(call: &Call<'_>) -> Answer {
    call.backend.store().meta("health")?;
    Ok(Response::json(200, &json!({"status": "ok"})))
}

fn metrics(call: &Call<'_>) -> Answer {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(Response::text(kind, call.backend.metrics()))
}
