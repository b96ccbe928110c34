//! The API as an OpenAPI 3.1 document, written from the table that routes requests.

mod schemas;

use crate::message::Response;
use crate::operation::{Answer, Body, Call, Doc, Operation, TABLES};
use serde_json::{Map, Value, json};

pub(crate) const OPERATIONS: &[Operation] = &[Operation {
    method: "GET",
    path: "/api/v1/openapi.json",
    grant: None,
    handle: serve,
    doc: Doc {
        id: "openapi",
        summary: "This document",
        extension: true,
        query: &[],
        body: None,
        answer: (200, Some("OpenApi")),
    },
}];

fn serve(_: &Call<'_>) -> Answer {
    Ok(Response::json(200, &document()))
}

/// The document: every call with its parameters, bodies, answers and errors.
pub fn document() -> Value {
    let mut paths = Map::new();
    for op in TABLES.iter().copied().flatten() {
        let path = paths.entry(op.path).or_insert_with(|| json!({}));
        path[op.method.to_lowercase()] = operation(op);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Postrider",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Webhooks and events of mail, after SparkPost's API",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {
                "key": {
                    "type": "apiKey", "in": "header", "name": "Authorization",
                    "description": "An API key, raw",
                },
                "basic": {
                    "type": "http", "scheme": "basic",
                    "description": "An API key as user name, with an empty password",
                },
            },
        },
    })
}

fn operation(op: &Operation) -> Value {
    let doc = &op.doc;
    let mut out = json!({
        "operationId": doc.id,
        "summary": doc.summary,
        "parameters": parameters(op),
        "responses": responses(op),
    });
    if doc.extension {
        out["x-postrider-extension"] = true.into();
    }
    match op.grant {
        Some(grant) => {
            out["security"] = json!([{"key": []}, {"basic": []}]);
            out["x-postrider-grant"] = grant.name().into();
        }
        None => out["security"] = json!([]),
    }
    if let Some(body) = &doc.body {
        let content = content(body.media_type, body.schema);
        out["requestBody"] = json!({"required": body.required, "content": content});
    }
    out
}

fn parameters(op: &Operation) -> Value {
    let mut all: Vec<Value> = Vec::new();
    let name = op
        .path
        .split_once('{')
        .and_then(|(_, tail)| tail.split_once('}'));
    if let Some((name, _)) = name {
        let schema = match name {
            "webhook" => json!({"type": "string", "format": "uuid"}),
            _ => json!({"type": "string", "minLength": 1}),
        };
        all.push(json!({"name": name, "in": "path", "required": true, "schema": schema}));
    }
    for param in op.doc.query {
        let schema: Value = serde_json::from_str(param.schema).expect("a schema is JSON");
        all.push(json!({
            "name": param.name, "in": "query", "description": param.about, "schema": schema,
        }));
    }
    if op.grant.is_some() {
        all.push(json!({
            "name": "X-MSYS-SUBACCOUNT", "in": "header",
            "description": "The subaccount that the call is about; 0 is the primary account",
            "schema": {"type": "integer", "minimum": 0, "maximum": i32::MAX},
        }));
    }
    all.into()
}

/// The success, and the errors that such a call can have.
fn responses(op: &Operation) -> Value {
    let (status, schema) = op.doc.answer;
    let mut all = Map::new();
    let mut success = json!({"description": "Success"});
    if let Some(schema) = schema {
        success["content"] = content(schemas::media_type(schema), schema);
    }
    all.insert(status.to_string(), success);
    for (status, about) in errors(op) {
        let body = content("application/json", "Errors");
        all.insert(
            status.to_string(),
            json!({"description": about, "content": body}),
        );
    }
    all.into()
}

fn errors(op: &Operation) -> Vec<(u16, &'static str)> {
    let body: Option<&Body> = op.doc.body.as_ref();
    let parameters = !op.doc.query.is_empty() || body.is_some() || op.grant.is_some();
    let may: [(bool, u16, &str); 11] = [
        (
            parameters,
            400,
            "A parameter or the body can't be read, or a test POST failed",
        ),
        (op.grant.is_some(), 401, "No key, or an unknown one"),
        (
            op.grant.is_some(),
            403,
            "The key lacks the grant, or acts for another subaccount",
        ),
        (op.path.contains('{'), 404, "Nothing has this id"),
        (body.is_some(), 409, "Something by this id is there already"),
        (true, 413, "The body is too large"),
        (body.is_some(), 415, "The body is of another media type"),
        (
            body.is_some() || op.path.ends_with("/reload"),
            422,
            "A field is wrong, unknown or missing, or the file that is read",
        ),
        (
            true,
            429,
            "Too many requests; `Retry-After` says when to try again",
        ),
        (true, 500, "The store or the log can't be read or written"),
        (
            true,
            503,
            "The engine is closing, or has no room; `Retry-After` says when to try again",
        ),
    ];
    may.into_iter()
        .filter(|(may, ..)| *may)
        .map(|(_, status, about)| (status, about))
        .collect()
}

fn content(media_type: &str, schema: &str) -> Value {
    json!({media_type: {"schema": {"$ref": format!("#/components/schemas/{schema}")}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_that_is_named_is_there_and_used() {
        let document = document();
        let text = document.to_string();
        let there = document["components"]["schemas"].as_object().unwrap();
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(there.contains_key(name), "{name} is missing");
        }
        for name in there.keys() {
            assert!(
                text.contains(&format!("schemas/{name}\"")),
                "{name} is unused"
            );
        }
    }

    #[test]
    fn the_committed_document_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        let text = format!("{:#}\n", document());
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            there == text,
            "docs/openapi.json is stale: set BLESS=1 and run again"
        );
    }

    #[test]
    fn docs_name_every_call() {
        let docs = include_str!("../../../../docs/api.md");
        for op in TABLES.iter().copied().flatten() {
            let path = op
                .path
                .replace("{webhook}", "{id}")
                .replace("{key}", "{id}");
            let call = format!("`{} {path}`", op.method);
            assert!(docs.contains(&call), "docs/api.md does not have {call}");
        }
    }
}
