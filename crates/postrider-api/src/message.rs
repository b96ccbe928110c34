//! A request and its response, as whoever mounts the API sees them.

use serde_json::{Value, json};
use std::fmt;

/// One request. `Debug` shows neither header values nor body: keys and passwords are in them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Such as `GET`; case-sensitive (RFC 9110 §9.1).
    pub method: String,
    /// Path and query, such as `/api/v1/webhooks?timezone=UTC`.
    pub path_and_query: String,
    /// Names in any case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut named = self
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim())
    }

    pub(crate) fn path_and_query(&self) -> (&str, &str) {
        self.path_and_query
            .split_once('?')
            .unwrap_or((&self.path_and_query, ""))
    }
}

/// Its response. `Debug` does not show the body: a new key is in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case; `content-length` is left to whoever sends it.
    pub headers: Vec<(String, String)>,
    /// The whole body: JSON, the text of `/metrics`, or nothing.
    pub body: Vec<u8>,
}

impl Response {
    pub(crate) fn json(status: u16, body: &Value) -> Response {
        Response {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: body.to_string().into_bytes(),
        }
    }

    pub(crate) fn text(media_type: &str, body: String) -> Response {
        Response {
            status: 200,
            headers: vec![("content-type".into(), media_type.into())],
            body: body.into_bytes(),
        }
    }

    /// A success in the contract's envelope.
    pub(crate) fn results(results: impl Into<Value>) -> Response {
        Response::json(200, &json!({"results": results.into()}))
    }

    pub(crate) fn no_content() -> Response {
        Response {
            status: 204,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Response {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Someone from outside: the request's `Authorization` header names an API key.
    Key,
    /// The host itself: all grants.
    Host,
    /// Someone whom the host lets hand events in, and nothing else: no key is asked for.
    Ingest,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path_and_query", &self.path_and_query)
            .field("headers", &names)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}
