//! The schemas of the document: what requests and answers look like.

use postrider::store::Grant;
use postrider::webhook::Condition;
use serde_json::{Map, Value, json};

/// The media type of an answer's schema.
pub(super) fn media_type(schema: &str) -> &'static str {
    match schema {
        "Metrics" => "text/plain",
        _ => "application/json",
    }
}

/// Every schema by name.
pub(super) fn all() -> Value {
    let mut all = Map::new();
    for part in [
        shared(),
        webhooks(),
        operations(),
        keys(),
        filters(),
        events(),
        ingest(),
    ] {
        if let Value::Object(part) = part {
            all.extend(part);
        }
    }
    all.into()
}

/// The contract's envelope of a success.
fn results(of: &Value) -> Value {
    json!({"type": "object", "required": ["results"], "properties": {"results": of}})
}

fn list(of: &str) -> Value {
    results(&json!({"type": "array", "items": reference(of)}))
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn filters() -> Value {
    let names = json!({"type": "array", "items": {"type": "string"}});
    let settings = json!({
        "path": {"type": "string", "description": "The shared object: an absolute path"},
        "config": {"type": "object", "description": "For the filter, which checks it"},
        "events": names,
        "subaccounts": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "on_failure": {"enum": ["open", "closed", "disable", null]},
        "timeout_ms": {"type": "integer", "minimum": 1, "maximum": 60_000},
        "budget_us": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
        "sha256": {"type": ["string", "null"]},
        "enabled": {"type": "boolean"},
    });
    let with = |more: Value| {
        let mut all = settings.clone();
        if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
            all.extend(more);
        }
        all
    };
    let name = json!({"name": {"type": "string", "pattern": "^[a-z0-9-]{1,64}$"}});
    json!({
        "FilterSettings": {
            "type": "object", "required": ["path"], "properties": settings,
            "additionalProperties": false,
        },
        "FilterChain": {
            "type": "array", "items": {
                "type": "object", "required": ["name", "path"], "properties": with(name.clone()),
                "additionalProperties": false,
            },
        },
        "Filter": {
            "type": "object", "required": ["name", "path", "state", "stats"],
            "properties": with(json!({
                "name": name["name"],
                "policy": {"enum": ["open", "closed", "disable", null]},
                "id": {"type": "string"}, "version": {"type": "string"}, "summary": {"type": "string"},
                "loaded_sha256": {"type": "string"},
                "state": {"enum": ["running", "tripped", "disabled", "broken", "lost", "off"]},
                "stats": {"type": "object"},
            })),
        },
        "Filters": list("Filter"),
        "HeldEvents": results(&json!({"type": "array", "items": {
            "type": "object", "required": ["offset", "event"],
            "properties": {"offset": {"type": "integer"}, "event": {"type": ["object", "null"]}},
        }})),
        "Reloaded": results(&json!({
            "type": "object", "required": ["applied", "needs_restart"],
            "properties": {
                "applied": {"type": "array", "items": {"type": "string"},
                    "description": "Keys that have another value now"},
                "needs_restart": {"type": "array", "items": {"type": "string"},
                    "description": "Keys whose new value holds from a restart on"},
            },
        })),
        "Released": results(&json!({
            "type": "object", "required": ["released"], "properties": {"released": {"type": "integer"}},
        })),
    })
}

fn shared() -> Value {
    let code = json!({"type": ["string", "integer"], "description": "An extended error code"});
    json!({
        "Errors": {
            "type": "object", "required": ["errors"],
            "properties": {"errors": {
                "type": "array", "minItems": 1,
                "items": {
                    "type": "object", "required": ["message"],
                    "properties": {
                        "message": {"type": "string"},
                        "code": code,
                        "description": {"type": "string"},
                        "response": reference("ReceiverAnswer"),
                    },
                },
            }},
        },
        "ReceiverAnswer": {
            "type": "object", "required": ["status", "headers", "body"],
            "description": "What a webhook's target answered",
            "properties": {
                "status": {"type": "integer"},
                "headers": {"type": "object", "additionalProperties": {"type": "string"}},
                "body": {"type": "string"},
            },
        },
        "Link": {
            "type": "object", "required": ["href", "rel", "method"],
            "properties": {
                "href": {"type": "string"},
                "rel": {"type": "string"},
                "method": {"type": "array", "items": {"type": "string"}},
            },
        },
        "Health": {
            "type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}},
        },
        "Metrics": {"type": "string"},
        "OpenApi": {"type": "object", "required": ["openapi", "info", "paths"]},
    })
}

fn webhooks() -> Value {
    json!({
        "WebhookChanges": {"type": "object", "properties": asked()},
        "NewWebhook": {
            "type": "object", "required": ["name", "target", "events"],
            "properties": asked(),
        },
        "Webhook": {
            "type": "object",
            "required": [
                "id", "name", "target", "events", "active", "auth_type", "auth_token",
                "custom_headers", "links",
            ],
            "properties": {
                "id": {"type": "string", "format": "uuid"},
                "name": {"type": "string"},
                "target": {"type": "string"},
                "events": {"type": "array", "items": {"type": "string"}},
                "active": {"type": "boolean"},
                "auth_type": {"enum": ["none", "basic", "oauth2"]},
                "auth_credentials": {"type": "object"},
                "auth_request_details": {"type": "object"},
                "auth_token": {"type": "string"},
                "custom_headers": {
                    "type": "object", "additionalProperties": {"type": "string"},
                },
                "exception_subaccounts": {"type": "array", "items": {"type": "string"}},
                "subaccount_id": {"type": "integer", "minimum": 0},
                "limits": {"type": "object", "description": "Extension"},
                "ordered": {"type": "boolean", "description": "Extension"},
                "outcomes": {"type": "object", "description": "Extension"},
                "filters": {"type": "array", "description": "Extension: for the host and its admin socket alone"},
                "client_certificate": {"type": "string", "description": "Extension: PEM"},
                "client_key": {"type": "string", "description": "Extension: the mask"},
                "gzip": {"type": "boolean", "description": "Extension"},
                "signing_keys": {"type": "array", "description": "Extension"},
                "state": {"type": "string", "description": "Extension"},
                "state_reason": {"type": "string", "description": "Extension"},
                "last_successful": time(),
                "last_failure": time(),
                "links": {"type": "array", "items": reference("Link")},
            },
        },
        "Webhooks": list("Webhook"),
        "OneWebhook": results(&reference("Webhook")),
        "ChangedWebhook": results(&json!({
            "type": "object", "required": ["id", "links"],
            "properties": {
                "id": {"type": "string", "format": "uuid"},
                "links": {"type": "array", "items": reference("Link")},
                "signing_keys": {"type": "array", "description": "Extension: those just made"},
            },
        })),
        "TestBody": {
            "description": "An array of events, one event, either of them under `message`, or nothing",
            "anyOf": [
                {"type": "array", "items": {"type": "object"}},
                {"type": "object"},
            ],
        },
        "Tested": results(&json!({
            "type": "object", "required": ["msg", "response"],
            "properties": {"msg": {"type": "string"}, "response": reference("ReceiverAnswer")},
        })),
        "BatchStatuses": list("BatchStatus"),
        "BatchStatus": {
            "type": "object",
            "required": ["batch_id", "webhook_id", "ts", "attempts", "latency", "batch_size"],
            "properties": {
                "batch_id": {"type": "string", "format": "uuid"},
                "webhook_id": {"type": "string", "format": "uuid"},
                "ts": {"type": "string", "format": "date-time"},
                "attempts": {"type": "integer", "minimum": 0},
                "response_code": {"type": "string"},
                "failure_code": {"type": "string"},
                "latency": {"type": "integer", "minimum": 0},
                "batch_size": {"type": "integer", "minimum": 0},
            },
        },
    })
}

fn operations() -> Value {
    let time = json!({"type": "string", "format": "date-time"});
    let count = json!({"type": "integer", "minimum": 0});
    let uuids = json!({"type": "array", "items": {"type": "string", "format": "uuid"}});
    json!({
        "WebhookState": results(&json!({
            "type": "object", "required": ["id", "state"],
            "properties": {
                "id": {"type": "string", "format": "uuid"},
                "state": {"enum": Condition::ALL.map(Condition::name)},
                "state_reason": {"type": "string"},
            },
        })),
        "DeadLetters": list("DeadLetter"),
        "DeadLetter": {
            "type": "object",
            "required": [
                "batch_id", "ts", "reason", "attempts", "batch_size", "bytes", "last_event",
            ],
            "properties": {
                "batch_id": {"type": "string", "format": "uuid"},
                "ts": time,
                "reason": {"type": "string", "description": "expired, too_big, poison or rejected"},
                "attempts": count,
                "batch_size": count,
                "bytes": count,
                "last_event": time,
                "response_code": {"type": "string"},
                "failure_code": {"type": "string"},
            },
        },
        "Replay": {
            "description": "Dead letters by id, all of them, or what was written in a stretch of time",
            "oneOf": [
                {
                    "type": "object", "required": ["batch_ids"], "additionalProperties": false,
                    "properties": {"batch_ids": {
                        "type": "array", "minItems": 1,
                        "items": {"type": "string", "format": "uuid"},
                    }},
                },
                {
                    "type": "object", "required": ["all"], "additionalProperties": false,
                    "properties": {"all": {"const": true}},
                },
                {
                    "type": "object", "required": ["from"], "additionalProperties": false,
                    "properties": {"from": time, "to": time},
                },
            ],
        },
        "Replayed": results(&json!({
            "type": "object", "required": ["batches", "events", "unknown"],
            "properties": {
                "batches": count,
                "events": count,
                "unknown": uuids,
                "next": {
                    "type": "string", "format": "date-time",
                    "description": "A stretch too long for one call goes on here",
                },
            },
        })),
    })
}

/// `YYYY-MM-DD HH:MM:SS`
fn time() -> Value {
    json!({"type": "string", "pattern": "^\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d$"})
}

/// What a client may send of a webhook.
fn asked() -> Value {
    let ignored = json!({"description": "Part of an answer; ignored"});
    json!({
        "name": {"type": "string", "minLength": 1, "maxLength": 255},
        "target": {"type": "string", "format": "uri"},
        "events": {"type": "array", "minItems": 1, "items": {"type": "string"}},
        "active": {"type": "boolean", "default": true},
        "custom_headers": {
            "type": "object", "maxProperties": 5,
            "additionalProperties": {"type": ["string", "number"]},
        },
        "exception_subaccounts": {
            "type": "array", "maxItems": 10, "items": {"type": ["integer", "string"]},
        },
        "subaccount_id": {
            "type": "integer", "minimum": -1, "maximum": i32::MAX,
            "description": "In an update: -1 all, 0 the primary account, N subaccount N",
        },
        "auth_type": {"enum": ["none", "basic", "oauth2"], "default": "none"},
        "auth_credentials": {"type": "object"},
        "auth_request_details": {"type": "object"},
        "auth_token": {"type": "string", "deprecated": true},
        "limits": {
            "type": "object",
            "description": "Extension: limits of its own",
            "properties": {
                "batch_events": {"type": ["integer", "null"], "minimum": 1},
                "batch_bytes": {"type": ["integer", "null"], "minimum": 1024},
                "linger_ms": {"type": ["integer", "null"], "minimum": 0},
                "in_flight": {"type": ["integer", "null"], "minimum": 1},
                "requests_per_s": {"type": ["integer", "null"], "minimum": 0},
                "events_per_s": {"type": ["integer", "null"], "minimum": 0},
                "give_up_after_s": {"type": ["integer", "null"], "minimum": 1},
                "backlog_events": {"type": ["integer", "null"], "minimum": 0},
                "backlog_bytes": {"type": ["integer", "null"], "minimum": 0},
            },
        },
        "ordered": {"type": "boolean", "default": false, "description": "Extension"},
        "outcomes": {
            "type": "object", "description": "Extension: what an answer's status means",
        },
        "client_certificate": {"type": "string", "description": "Extension: PEM"},
        "client_key": {"type": "string", "description": "Extension: PEM"},
        "gzip": {"type": "boolean", "default": false, "description": "Extension"},
        "filters": {
            "description": "Extension: its own filters, in this order; for the host and its admin socket alone",
            "$ref": "#/components/schemas/FilterChain",
        },
        "signing_keys": {"type": "array", "description": "Extension"},
        "state": ignored, "state_reason": ignored,
        "id": ignored, "links": ignored, "last_successful": ignored, "last_failure": ignored,
    })
}

fn keys() -> Value {
    let grants = json!({
        "type": "array", "minItems": 1, "items": {"enum": Grant::ALL.map(Grant::name)},
    });
    let mut key = json!({
        "type": "object",
        "required": ["id", "label", "short_key", "grants", "created"],
        "properties": {
            "id": {"type": "string"},
            "label": {"type": "string"},
            "short_key": {"type": "string"},
            "grants": {"type": "array", "items": {"enum": Grant::ALL.map(Grant::name)}},
            "subaccount_id": {"type": "integer", "minimum": 0},
            "created": {"type": "string", "format": "date-time"},
        },
    });
    let shown = key.clone();
    key["required"] = json!(["id", "key", "label", "short_key", "grants", "created"]);
    key["properties"]["key"] = json!({"type": "string", "description": "Shown here alone"});
    json!({
        "NewKey": {
            "type": "object", "required": ["grants"], "additionalProperties": false,
            "properties": {
                "label": {"type": "string", "maxLength": 255},
                "grants": grants,
                "subaccount_id": {"type": "integer", "minimum": 0, "maximum": i32::MAX},
            },
        },
        "Key": shown,
        "Keys": list("Key"),
        "CreatedKey": results(&key),
    })
}

fn events() -> Value {
    let category = json!({
        "type": "object", "required": ["display_name", "description", "events"],
        "properties": {
            "display_name": {"type": "string"},
            "description": {"type": "string"},
            "events": {
                "type": "object",
                "additionalProperties": {
                    "type": "object", "required": ["display_name", "description", "event"],
                },
            },
        },
    });
    json!({
        "EventsDocumentation": results(
            &json!({"type": "object", "additionalProperties": category}),
        ),
        "EventsSamples": results(&json!({"type": "array", "items": reference("Event")})),
        "Results": results(&json!({})),
        "Found": {
            "type": "object", "required": ["results", "total_count", "links"],
            "properties": {
                "results": {
                    "type": "array",
                    "items": {"type": "object", "required": ["type", "timestamp"]},
                },
                "total_count": {"type": "integer", "minimum": 0},
                "total_count_exact": {
                    "const": false, "description": "Extension: there are more than `total_count`",
                },
                "links": {"type": ["object", "array"]},
            },
        },
        "Event": {
            "type": "object", "required": ["msys"],
            "description": "One event in its envelope",
            "properties": {"msys": {
                "type": "object", "maxProperties": 1,
                "additionalProperties": {"type": "object", "required": ["type"]},
            }},
        },
    })
}

fn ingest() -> Value {
    json!({
        "IngestBatch": {
            "type": "string",
            "description": "Lines, each `{\"msys\": {CATEGORY: {…}}}` or an object of fields with `type`",
        },
        "Ingested": results(&json!({
            "type": "object", "required": ["id", "number_succeeded", "number_failed", "errors"],
            "properties": {
                "id": {"type": "string", "format": "uuid"},
                "number_succeeded": {"type": "integer", "minimum": 0},
                "number_failed": {"type": "integer", "minimum": 0},
                "errors": {
                    "type": "array",
                    "items": {
                        "type": "object", "required": ["line", "message"],
                        "properties": {
                            "line": {"type": "integer", "minimum": 1},
                            "code": {"type": "string"},
                            "message": {"type": "string"},
                        },
                    },
                },
            },
        })),
    })
}
