//! Every error that the API answers with: status, code and text in one place.
//!
//! Codes are the contract's extended error codes, as text; a failed test POST has the number 400,
//! which is what clients have seen.

use crate::message::Response;
use crate::view;
use postrider::log::LogError;
use postrider::store::{Grant, StoreError};
use postrider::webhook::{TestFailure, WebhookError};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// Why a request is not answered with a success.
#[derive(Debug)]
pub(crate) enum Failure {
    NoSuchPath,
    Method {
        allowed: String,
    },
    Unauthorized,
    NotGranted(Grant),
    BadSubaccount,
    OtherSubaccount(u32),
    Parameter {
        name: &'static str,
        reason: String,
    },
    /// Send this one.
    ContentType(&'static str),
    Encoding,
    /// The most bytes that it may have.
    BodyTooLarge(usize),
    TooMany(Duration),
    Busy,
    Malformed,
    DuplicateBatch(Uuid),
    /// A batch that can't be read to its end, and how many of its events were taken.
    Batch(String, u64),
    /// The queue is full or closed; as above.
    NoRoom(String, u64),
    /// The log can't be written or synced.
    NotSafe(String),
    /// No line of a batch was taken; an error each.
    AllLines(Vec<Value>),
    NotUtf8,
    NotJson(String),
    Field {
        field: String,
        reason: String,
    },
    Missing {
        field: &'static str,
    },
    MoreThanOwn(Grant),
    NoSuchKey,
    /// Nothing that a key could do, and why.
    HostOnly(&'static str),
    /// A filter, the chain of them or the configuration is not acceptable.
    Refused(String),
    Webhook(WebhookError),
    Store(StoreError),
    Log(LogError),
}

impl From<WebhookError> for Failure {
    fn from(e: WebhookError) -> Self {
        Failure::Webhook(e)
    }
}

impl From<StoreError> for Failure {
    fn from(e: StoreError) -> Self {
        Failure::Store(e)
    }
}

impl From<LogError> for Failure {
    fn from(e: LogError) -> Self {
        Failure::Log(e)
    }
}

impl Failure {
    pub(crate) fn not_found(id: Uuid) -> Failure {
        Failure::Webhook(WebhookError::NotFound(id))
    }

    pub(crate) fn into_response(self) -> Response {
        match self {
            Failure::Unauthorized => {
                let body = json!({"errors": [{"message": "Unauthorized"}]});
                // RFC 9110 §11.6.1 wants a challenge with every 401.
                Response::json(401, &body).with("www-authenticate", "Basic realm=\"postrider\"")
            }
            Failure::Method { allowed } => {
                let message = format!("Method not allowed: this path takes {allowed}");
                error(405, "1102", message).with("allow", &allowed)
            }
            Failure::NoSuchPath => error(404, "1101", "Resource could not be found"),
            Failure::NoSuchKey => error(404, "1600", "Resource could not be found"),
            Failure::NotGranted(grant) => {
                let message = format!("Forbidden: this call needs the grant {}", grant.name());
                error(403, "1100", message)
            }
            Failure::OtherSubaccount(own) => error(
                403,
                "1100",
                format!("Forbidden: this key acts for subaccount {own} only"),
            ),
            Failure::MoreThanOwn(grant) => {
                let grant = grant.name();
                error(
                    403,
                    "1100",
                    format!("Forbidden: this key has no grant {grant} to give"),
                )
            }
            Failure::HostOnly(why) => {
                let way = "and managed through the engine's admin socket or by its host";
                error(403, "1100", format!("Forbidden: {why}, {way}"))
            }
            Failure::Refused(why) => error(422, "1300", why),
            Failure::BadSubaccount => {
                let message =
                    "header 'X-MSYS-SUBACCOUNT' must be a whole number from 0 to 2147483647";
                error(400, "1200", message)
            }
            Failure::Parameter { name, reason } => {
                error(400, "1200", format!("parameter '{name}' {reason}"))
            }
            Failure::ContentType(wanted) => {
                let message = format!("Unsupported media type: send Content-Type: {wanted}");
                error(415, "1700", message)
            }
            Failure::Encoding => error(
                415,
                "1700",
                "Unsupported content encoding: send gzip, or none",
            ),
            Failure::BodyTooLarge(most) => {
                let message = format!("Request body is larger than {most} bytes");
                error(413, "1300", message)
            }
            Failure::TooMany(wait) => {
                let seconds = wait.as_secs_f64().ceil().max(1.0);
                Response::json(429, &json!({"errors": [{"message": "Too many requests"}]}))
                    .with("retry-after", &format!("{seconds}"))
            }
            Failure::Busy => {
                error(503, "1500", "Too many requests at once; try again").with("retry-after", "1")
            }
            Failure::Malformed => {
                error(400, "1200", "Not a request of HTTP/1.1 that is taken here")
            }
            Failure::DuplicateBatch(id) => {
                error(409, "1602", format!("resource 'batch {id}' already exists"))
            }
            Failure::Batch(why, taken) => counted(400, "1300", why, taken),
            Failure::NoRoom(why, taken) => {
                counted(503, "1500", why, taken).with("retry-after", "5")
            }
            Failure::NotSafe(why) => error(500, "1500", why),
            Failure::AllLines(errors) => Response::json(422, &json!({"errors": errors})),
            Failure::NotUtf8 => error(400, "1305", "Request body is not UTF-8"),
            Failure::NotJson(e) => {
                let message = format!("Request body parsing failed [Attached error message: {e}]");
                error(400, "1300", message)
            }
            Failure::Field { field, reason } => error(422, "1300", format!("'{field}' {reason}")),
            Failure::Missing { field } => error(422, "1400", format!("'{field}' is required")),
            Failure::Webhook(e) => webhook_error(e),
            Failure::Store(e) => store_error(&e),
            Failure::Log(e) => error(500, "1500", e.to_string()),
        }
    }
}

fn webhook_error(e: WebhookError) -> Response {
    let message = e.to_string();
    match e {
        WebhookError::TestFailed(failure) => test_failure(&failure),
        WebhookError::NotFound(_) => error(404, "1600", "Resource could not be found"),
        WebhookError::Required { .. } => error(422, "1400", message),
        WebhookError::Combination { .. } => error(422, "1301", message),
        WebhookError::ReservedHeader(_) => error(422, "10000", message),
        WebhookError::HeadersTooLarge => error(413, "10001", message),
        WebhookError::TooManyHeaders => error(422, "10002", message),
        WebhookError::Store(e) => store_error(&e),
        WebhookError::Stopped(_) => error(503, "1500", message).with("retry-after", "5"),
        // Invalid, Target, and whatever else a client can send wrong.
        _ => error(422, "1300", message),
    }
}

fn store_error(e: &StoreError) -> Response {
    error(500, "1500", e.to_string())
}

/// The receiver's answer goes back whole: who creates a webhook has to see what went wrong there.
fn test_failure(failure: &TestFailure) -> Response {
    let mut error = json!({"code": 400, "message": failure.to_string()});
    match failure {
        TestFailure::NoAnswer { detail, .. } => error["description"] = detail.as_str().into(),
        TestFailure::NoToken { detail, response } => {
            error["description"] = detail.as_str().into();
            if let Some(response) = response {
                error["response"] = view::test_post(response);
            }
        }
        other => error["response"] = other.response().map_or(Value::Null, view::test_post),
    }
    Response::json(400, &json!({"errors": [error]}))
}

/// Of a batch whose first events were taken: whoever sends it again has to know how many.
fn counted(status: u16, code: &str, message: String, taken: u64) -> Response {
    let error = json!({"message": message, "code": code, "number_succeeded": taken});
    Response::json(status, &json!({"errors": [error]}))
}

fn error(status: u16, code: &str, message: impl Into<String>) -> Response {
    let message: String = message.into();
    Response::json(
        status,
        &json!({"errors": [{"message": message, "code": code}]}),
    )
}
