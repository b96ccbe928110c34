//! One field of a webhook from JSON: its type, format and length.

use super::spec::{AuthType, Credentials};
use super::{
    CustomHeader, Limits, MAX_HEADER_BYTES, MAX_HEADERS, Secret, Subaccounts, WebhookError,
};
use crate::config::{Kind, table};
use crate::filter::FilterSpec;
use crate::http::{HeaderError, Policy, Target, TargetError, check_header};
use serde::Deserialize;
use serde_json::Value;

/// Bytes of a name.
const MAX_NAME: usize = 255;
/// Subaccounts left out of a webhook for all.
const MAX_EXCEPT: usize = 10;

type Result<T> = std::result::Result<T, WebhookError>;

pub(super) fn name(value: &Value) -> Result<String> {
    let name = text("name", value)?;
    let fine = !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control);
    match fine {
        true => Ok(name.to_owned()),
        false => {
            let what = format!("1 to {MAX_NAME} bytes of text without control characters");
            Err(WebhookError::must_be("name", &what))
        }
    }
}

/// A URL that a target can have. Whether this engine may connect there is for its policy to say,
/// which whoever creates the webhook asks.
pub(super) fn target(value: &Value) -> Result<String> {
    let target = text("target", value)?;
    check_target(target)?;
    Ok(target.to_owned())
}

/// A URL under the same rules in another field.
pub(super) fn url(field: &str, value: &Value) -> Result<String> {
    let url = text(field, value)?;
    let refused = |e: TargetError| WebhookError::invalid(field, format!("is refused: {e}"));
    check_target(url).map_err(refused)?;
    Ok(url.to_owned())
}

fn check_target(url: &str) -> std::result::Result<(), TargetError> {
    match Target::parse(url, &Policy::default()) {
        Ok(_) | Err(TargetError::Policy(_)) => Ok(()),
        Err(e) => Err(e),
    }
}

pub(super) fn events(value: &Value, known: &dyn Fn(&str) -> bool) -> Result<Vec<String>> {
    let what = "a non-empty array of event type names";
    let list = value.as_array().filter(|l| !l.is_empty());
    let list = list.ok_or_else(|| WebhookError::must_be("events", what))?;
    let mut events: Vec<String> = Vec::new();
    for item in list {
        let name = item
            .as_str()
            .ok_or_else(|| WebhookError::must_be("events", what))?;
        if !known(name) {
            let reason = format!("names {name:?}, which is not an event type");
            return Err(WebhookError::invalid("events", reason));
        }
        if !events.iter().any(|e| e == name) {
            events.push(name.to_owned());
        }
    }
    Ok(events)
}

/// Whether they can be loaded is for the engine to say.
pub(super) fn filters(value: &Value) -> Result<Vec<FilterSpec>> {
    let specs = Vec::<FilterSpec>::deserialize(value);
    specs.map_err(|e| WebhookError::invalid("filters", format!("is refused: {e}")))
}

pub(super) fn boolean(field: &str, value: &Value) -> Result<bool> {
    value
        .as_bool()
        .ok_or_else(|| WebhookError::must_be(field, "true or false"))
}

pub(super) fn auth_type(value: &Value) -> Result<AuthType> {
    match text("auth_type", value)? {
        "none" => Ok(AuthType::None),
        "basic" => Ok(AuthType::Basic),
        "oauth2" => Ok(AuthType::OAuth2),
        _ => Err(WebhookError::must_be("auth_type", "none, basic or oauth2")),
    }
}

/// `{}` is no credentials: some clients send it with `auth_type: none`. Nor is what the original
/// API shows of an OAuth 2 token.
pub(super) fn credentials(value: &Value) -> Result<Option<Credentials>> {
    let field = "auth_credentials";
    let object = value
        .as_object()
        .ok_or_else(|| WebhookError::must_be(field, "an object"))?;
    let of_token = |name: &String| ["access_token", "expires_in", "token_type"].contains(&&**name);
    if object.keys().all(of_token) {
        return Ok(None);
    }
    let (mut username, mut password) = (None, "");
    for (name, value) in object {
        match name.as_str() {
            "username" => username = Some(text("auth_credentials.username", value)?),
            "password" => password = text("auth_credentials.password", value)?,
            _ => {
                let reason = "is not a field of auth_type basic";
                return Err(WebhookError::invalid(format!("{field}.{name}"), reason));
            }
        }
    }
    let username = username.ok_or(WebhookError::Required {
        field: "auth_credentials.username",
    })?;
    // RFC 7617 §2: the user name can't hold a colon, neither may hold control characters.
    let fine = |text: &str| text.len() <= MAX_HEADER_BYTES && !text.chars().any(char::is_control);
    if username.is_empty() || username.contains(':') || !fine(username) {
        let what = "non-empty text without colon or control characters";
        return Err(WebhookError::must_be("auth_credentials.username", what));
    }
    if !fine(password) {
        let what = "text without control characters";
        return Err(WebhookError::must_be("auth_credentials.password", what));
    }
    Ok(Some(Credentials {
        username: username.to_owned(),
        password: Secret::new(password),
    }))
}

/// An empty token is none.
pub(super) fn token(value: &Value) -> Result<Option<Secret>> {
    let token = text("auth_token", value)?;
    if token.len() > MAX_HEADER_BYTES || check_header("x-token", token).is_err() {
        return Err(WebhookError::must_be(
            "auth_token",
            "text that a header can carry",
        ));
    }
    Ok((!token.is_empty()).then(|| Secret::new(token)))
}

pub(super) fn custom_headers(value: &Value) -> Result<Vec<CustomHeader>> {
    let field = "custom_headers";
    let object = value
        .as_object()
        .ok_or_else(|| WebhookError::must_be(field, "an object"))?;
    if object.len() > MAX_HEADERS {
        return Err(WebhookError::TooManyHeaders);
    }
    let mut headers: Vec<CustomHeader> = Vec::new();
    for (name, value) in object {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => {
                let field = format!("{field}.{name}");
                return Err(WebhookError::must_be(&field, "a string or a number"));
            }
        };
        if is_ours(name) {
            return Err(WebhookError::ReservedHeader(name.clone()));
        }
        check_header(name, &value).map_err(|e| match e {
            HeaderError::Reserved(name) => WebhookError::ReservedHeader(name),
            other => WebhookError::invalid(field, format!("cannot be sent: {other}")),
        })?;
        if headers.iter().any(|h| h.name.eq_ignore_ascii_case(name)) {
            return Err(WebhookError::invalid(field, format!("names {name} twice")));
        }
        headers.push(CustomHeader {
            name: name.clone(),
            value: Secret::new(value),
        });
    }
    let bytes: usize = headers
        .iter()
        .map(|h| h.name.len() + h.value.expose().len())
        .sum();
    if bytes >= MAX_HEADER_BYTES {
        return Err(WebhookError::HeadersTooLarge);
    }
    Ok(headers)
}

/// Headers that say what a batch is: a receiver must be able to believe them.
fn is_ours(name: &str) -> bool {
    [
        "content-type",
        "content-encoding",
        "x-messagesystems-batch-id",
        "x-messagesystems-webhook-token",
        crate::auth::ID,
        crate::auth::TIMESTAMP,
        crate::auth::SIGNATURE,
    ]
    .iter()
    .any(|ours| name.eq_ignore_ascii_case(ours))
}

pub(super) fn scope(value: &Value) -> Result<Subaccounts> {
    match value.as_i64() {
        Some(-1) => Ok(Subaccounts::default()),
        Some(0) => Ok(Subaccounts::Primary),
        _ => match subaccount(value) {
            Some(n) => Ok(Subaccounts::One(n)),
            None => Err(WebhookError::must_be(
                "subaccount_id",
                "-1 for the primary account and all subaccounts, 0 for the primary account, or a subaccount",
            )),
        },
    }
}

pub(super) fn except(value: &Value) -> Result<Vec<u32>> {
    let what = format!("an array of at most {MAX_EXCEPT} subaccounts, none twice");
    let error = || WebhookError::must_be("exception_subaccounts", &what);
    let list = value
        .as_array()
        .filter(|l| l.len() <= MAX_EXCEPT)
        .ok_or_else(error)?;
    let mut except = Vec::new();
    for item in list {
        let n = subaccount(item)
            .filter(|n| !except.contains(n))
            .ok_or_else(error)?;
        except.push(n);
    }
    Ok(except)
}

/// A subaccount's number, which fits in 31 bits; also as text, as answers show it.
fn subaccount(value: &Value) -> Option<u32> {
    let n = match value {
        Value::String(text) => text.parse::<i32>().ok()?,
        other => i32::try_from(other.as_i64()?).ok()?,
    };
    (n > 0).then_some(n as u32)
}

pub(super) fn limits(value: &Value) -> Result<Limits> {
    let object = value
        .as_object()
        .ok_or_else(|| WebhookError::must_be("limits", "an object"))?;
    let mut limits = Limits::default();
    for (name, value) in object {
        let field = format!("limits.{name}");
        let slot = match name.as_str() {
            "backlog_events" => Some((&mut limits.backlog_events, "backlog.max_events")),
            "backlog_bytes" => Some((&mut limits.backlog_bytes, "backlog.max_bytes")),
            _ => None,
        };
        if let Some((slot, key)) = slot {
            *slot = within(&field, value, key)?;
            continue;
        }
        let (slot, key) = match name.as_str() {
            "batch_events" => (&mut limits.batch_events, "batch.max_events"),
            "batch_bytes" => (&mut limits.batch_bytes, "batch.max_bytes"),
            "linger_ms" => (&mut limits.linger_ms, "batch.linger_ms"),
            "in_flight" => (&mut limits.in_flight, "batch.in_flight"),
            "requests_per_s" => (&mut limits.requests_per_s, "rate.requests_per_s"),
            "events_per_s" => (&mut limits.events_per_s, "rate.events_per_s"),
            "give_up_after_s" => (&mut limits.give_up_after_s, "retry.give_up_after_s"),
            _ => return Err(WebhookError::invalid(field, "is not a limit of a webhook")),
        };
        *slot = within(&field, value, key)?;
    }
    Ok(limits)
}

/// A number within the range of a configuration key; `null` is the key's own value.
fn within<N: TryFrom<u64>>(field: &str, value: &Value, key: &str) -> Result<Option<N>> {
    let kind = table::key(key).map(|k| k.kind);
    let Some(Kind::Number { min, max, .. }) = kind else {
        unreachable!("{key} is a number in the table");
    };
    if value.is_null() {
        return Ok(None);
    }
    let n = value.as_u64().filter(|n| (min..=max).contains(n));
    let n = n.and_then(|n| N::try_from(n).ok());
    let what = format!("a whole number from {min} to {max}, or null");
    n.map(Some)
        .ok_or_else(|| WebhookError::must_be(field, &what))
}

fn text<'a>(field: &str, value: &'a Value) -> Result<&'a str> {
    value
        .as_str()
        .ok_or_else(|| WebhookError::must_be(field, "a string"))
}
