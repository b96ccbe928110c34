//! The calls of the API, each with what it does and how it is documented.
//!
//! The modules that answer calls list them as [`Operation`]s beside their code; [`TABLES`] has all of
//! them. Requests are routed by it, and the OpenAPI document is written from it, so that
//! neither knows of a call that the other does not.

use crate::auth::Identity;
use crate::backend::Backend;
use crate::failure::Failure;
use crate::ingest::{self, UnderWay};
use crate::message::{Request, Response};
use crate::query::Query;
use crate::reload::{self, Reload};
use crate::{events, filters, health, keys, openapi, operations, samples, webhooks};
use postrider::store::Grant;
use uuid::Uuid;

/// Every call, in the order of the documentation.
pub(crate) static TABLES: &[&[Operation]] = &[
    webhooks::OPERATIONS,
    operations::OPERATIONS,
    samples::OPERATIONS,
    events::OPERATIONS,
    ingest::OPERATIONS,
    keys::OPERATIONS,
    filters::OPERATIONS,
    reload::OPERATIONS,
    health::OPERATIONS,
    openapi::OPERATIONS,
];

/// What answers a call.
pub(crate) type Answer = Result<Response, Failure>;

/// One call: a method on a path.
pub(crate) struct Operation {
    /// In upper case; `GET` also answers `HEAD`.
    pub(crate) method: &'static str,
    /// Parameters are whole segments in braces: `{webhook}` is a UUID, any other what is there.
    pub(crate) path: &'static str,
    /// What the caller's key must allow; `None`: no key is asked for.
    pub(crate) grant: Option<Grant>,
    pub(crate) handle: fn(&Call<'_>) -> Answer,
    pub(crate) doc: Doc,
}

/// What the OpenAPI document says of a call beside method, path and grant.
pub(crate) struct Doc {
    /// Its name in generated clients.
    pub(crate) id: &'static str,
    /// A sentence without its full stop.
    pub(crate) summary: &'static str,
    /// Whether it is not part of the original contract.
    pub(crate) extension: bool,
    pub(crate) query: &'static [Param],
    pub(crate) body: Option<Body>,
    /// The success's status, and the schema of its body.
    pub(crate) answer: (u16, Option<&'static str>),
}

/// A parameter of the query.
pub(crate) struct Param {
    pub(crate) name: &'static str,
    /// JSON Schema, as JSON text.
    pub(crate) schema: &'static str,
    /// A sentence without its full stop.
    pub(crate) about: &'static str,
}

/// The body that a call takes.
pub(crate) struct Body {
    pub(crate) required: bool,
    pub(crate) media_type: &'static str,
    /// The name of its schema.
    pub(crate) schema: &'static str,
    /// The most bytes that it may have.
    pub(crate) most: usize,
}

/// The most bytes of a body of JSON.
pub(crate) const MAX_JSON: usize = 1 << 20;

impl Body {
    pub(crate) const fn json(required: bool, schema: &'static str) -> Option<Body> {
        Some(Body {
            required,
            media_type: "application/json",
            schema,
            most: MAX_JSON,
        })
    }
}

impl Operation {
    /// The most bytes of a request's body; a body that a call has no use for is passed over.
    pub(crate) fn max_body(&self) -> usize {
        self.doc.body.as_ref().map_or(MAX_JSON, |body| body.most)
    }

    /// Whether it changes something that people set up, and so belongs into the audit log.
    pub(crate) fn is_change(&self) -> bool {
        self.method != "GET" && self.grant != Some(Grant::IngestEvents)
    }
}

/// One request on its way to its answer.
pub(crate) struct Call<'a> {
    pub(crate) backend: &'a dyn Backend,
    pub(crate) request: &'a Request,
    pub(crate) query: Query<'a>,
    /// The path's parameter; empty where it has none.
    pub(crate) parameter: &'a str,
    /// Who asks; nobody in particular where no key is asked for.
    pub(crate) who: Identity,
    /// Batches that are being taken.
    pub(crate) under_way: &'a UnderWay,
    /// What reads the configuration anew, where the host does that.
    pub(crate) reload: Option<&'a Reload>,
}

impl Call<'_> {
    /// The path's `{webhook}`.
    pub(crate) fn webhook_id(&self) -> Result<Uuid, Failure> {
        webhook_id(self.parameter).ok_or(Failure::NoSuchPath)
    }
}

/// Where a request leads: the call, and the path's parameter.
pub(crate) fn route<'p>(
    method: &str,
    path: &'p str,
) -> Result<(&'static Operation, &'p str), Failure> {
    // One trailing slash is taken, as the tutorials send it.
    let path = path.strip_suffix('/').unwrap_or(path);
    let there = || {
        let all = TABLES.iter().copied().flatten();
        all.filter_map(|op| Some((op, parameter(op.path, path)?)))
    };
    let method = if method == "HEAD" { "GET" } else { method };
    if let Some(found) = there().find(|(op, _)| op.method == method) {
        return Ok(found);
    }
    let allowed: Vec<&str> = there().map(|(op, _)| op.method).collect();
    if allowed.is_empty() {
        return Err(Failure::NoSuchPath);
    }
    let allowed = allowed.join(", ").replace("GET", "GET, HEAD");
    Err(Failure::Method { allowed })
}

/// The parameter in `path`, empty where `template` has none; `None` where it is not of its form.
fn parameter<'p>(template: &str, path: &'p str) -> Option<&'p str> {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    let mut parameter = "";
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(parameter),
            (Some("{webhook}"), Some(id)) if webhook_id(id).is_some() => parameter = id,
            (Some("{webhook}"), _) => return None,
            (Some(name), Some(any)) if name.starts_with('{') && !any.is_empty() => parameter = any,
            (Some(name), Some(same)) if name == same => {}
            _ => return None,
        }
    }
}

/// Only the hyphenated form: one webhook, one path.
fn webhook_id(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(method: &str, path: &str) -> Option<(&'static str, String)> {
        let (op, parameter) = route(method, path).ok()?;
        Some((op.path, parameter.to_owned()))
    }

    #[test]
    fn paths_are_exact_but_for_one_trailing_slash() {
        let id = "12affc24-f183-11e3-9234-3c15c2c818c2";
        for (path, template_and_parameter) in [
            ("/api/v1/webhooks", Some(("/api/v1/webhooks", ""))),
            ("/api/v1/webhooks/", Some(("/api/v1/webhooks", ""))),
            ("/api/v1/webhooks//", None),
            ("/api/v1/Webhooks", None),
            ("/v1/webhooks", None),
            ("/api/v1", None),
            ("/", None),
            ("", None),
            (
                "/api/v1/webhooks/events/documentation",
                Some(("/api/v1/webhooks/events/documentation", "")),
            ),
            (
                "/api/v1/webhooks/events/samples/",
                Some(("/api/v1/webhooks/events/samples", "")),
            ),
            ("/api/v1/webhooks/events", None),
            (
                &format!("/api/v1/webhooks/{id}"),
                Some(("/api/v1/webhooks/{webhook}", id)),
            ),
            (&format!("/api/v1/webhooks/{{{id}}}"), None),
            (&format!("/api/v1/webhooks/{}", id.replace('-', "")), None),
            (
                &format!("/api/v1/webhooks/{id}/batch-status/"),
                Some(("/api/v1/webhooks/{webhook}/batch-status", id)),
            ),
            ("/api/v1/keys/", Some(("/api/v1/keys", ""))),
            ("/healthz", Some(("/healthz", ""))),
        ] {
            let wanted = template_and_parameter.map(|(path, p)| (path, p.to_owned()));
            assert_eq!(template("GET", path), wanted, "{path}");
        }
        let key = "0123456789abcdef";
        assert_eq!(
            template("DELETE", &format!("/api/v1/keys/{key}")),
            Some(("/api/v1/keys/{key}", key.to_owned()))
        );
    }

    #[test]
    fn a_call_is_in_the_table_once() {
        let all: Vec<&Operation> = TABLES.iter().copied().flatten().collect();
        for (i, op) in all.iter().enumerate() {
            let same = |other: &&Operation| {
                other.doc.id == op.doc.id || (other.method, other.path) == (op.method, op.path)
            };
            assert!(!all[..i].iter().any(same), "{} {}", op.method, op.path);
        }
    }
}
