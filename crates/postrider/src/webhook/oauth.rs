//! OAuth 2 client credentials (RFC 6749 §4.4): where a webhook's tokens come from.
//!
//! A client gives the token URL and the parameters of the request, which are sent as they are;
//! `grant_type` is added where it is missing.

use super::{Secret, WebhookError, parse};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const FIELD: &str = "auth_request_details";
/// Bytes of all names and values of a token request.
const MAX_BYTES: usize = 16 << 10;

/// Where and how a webhook's tokens are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuth2 {
    /// The token endpoint, under the same policy as targets.
    pub url: String,
    /// How the parameters are written.
    #[serde(default)]
    pub encoding: TokenEncoding,
    /// The parameters, in their order.
    pub body: Vec<TokenParameter>,
}

/// How a token request's parameters are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenEncoding {
    /// `application/x-www-form-urlencoded`, as RFC 6749 has it.
    #[default]
    Form,
    /// `application/json`.
    Json,
}

/// One parameter of a token request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenParameter {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Secret,
    /// A number, `true` or `false`, which JSON writes without quotes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bare: bool,
}

impl TokenParameter {
    /// Whether answers show the value: these say who asks for what, and prove nothing.
    pub fn is_public(&self) -> bool {
        ["grant_type", "client_id", "scope", "audience", "resource"].contains(&&*self.name)
    }
}

impl TokenEncoding {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            TokenEncoding::Form => "form",
            TokenEncoding::Json => "json",
        }
    }
}

impl OAuth2 {
    /// The token request's content type and body.
    pub fn request(&self) -> (&'static str, Vec<u8>) {
        let all = self
            .body
            .iter()
            .map(|p| (&*p.name, p.value.expose(), p.bare));
        let grant = ("grant_type", "client_credentials", false);
        let grant = (!self.body.iter().any(|p| p.name == grant.0)).then_some(grant);
        let all = all.chain(grant);
        match self.encoding {
            TokenEncoding::Form => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(all.map(|(name, value, _)| (name, value)));
                let body = form.finish().into_bytes();
                ("application/x-www-form-urlencoded", body)
            }
            TokenEncoding::Json => {
                let json = |(name, text, bare): (&str, &str, bool)| {
                    let bare = bare.then(|| serde_json::from_str(text).ok()).flatten();
                    (name.to_owned(), bare.unwrap_or_else(|| text.into()))
                };
                let object: Map<String, Value> = all.map(json).collect();
                ("application/json", Value::Object(object).to_string().into())
            }
        }
    }

    /// These settings, with secrets that are the mask as they were in `old`.
    pub(super) fn unmasked(self, old: Option<&OAuth2>) -> Result<OAuth2, WebhookError> {
        let before = |name: &str| {
            let all = old.iter().flat_map(|old| &old.body);
            all.clone().find(|p| p.name == name)
        };
        let unmask = |p: TokenParameter| {
            let old = before(&p.name);
            let field = format!("{FIELD}.body.{}", p.name);
            let bare = match old {
                Some(old) if p.value.is_mask() => old.bare,
                _ => p.bare,
            };
            let value = super::spec::unmask(&field, p.value, old.map(|p| &p.value))?;
            Ok(TokenParameter {
                name: p.name,
                value,
                bare,
            })
        };
        let body = self
            .body
            .into_iter()
            .map(unmask)
            .collect::<Result<_, WebhookError>>()?;
        Ok(OAuth2 { body, ..self })
    }
}

/// `{}` is none: some clients send it with another `auth_type`.
pub(super) fn request_details(value: &Value) -> Result<Option<OAuth2>, WebhookError> {
    let object = value.as_object();
    let object = object.ok_or_else(|| WebhookError::must_be(FIELD, "an object"))?;
    if object.is_empty() {
        return Ok(None);
    }
    let (mut url, mut encoding, mut body) = (None, TokenEncoding::default(), None);
    for (name, value) in object {
        let field = format!("{FIELD}.{name}");
        match name.as_str() {
            "url" => url = Some(parse::url("auth_request_details.url", value)?),
            "encoding" => {
                encoding = match value.as_str() {
                    Some("form") => TokenEncoding::Form,
                    Some("json") => TokenEncoding::Json,
                    _ => return Err(WebhookError::must_be(&field, "form or json")),
                }
            }
            "body" => body = Some(parameters(value)?),
            _ => {
                return Err(WebhookError::invalid(
                    field,
                    "is not a field of a token request",
                ));
            }
        }
    }
    let required = |field| WebhookError::Required { field };
    Ok(Some(OAuth2 {
        url: url.ok_or(required("auth_request_details.url"))?,
        encoding,
        body: body.ok_or(required("auth_request_details.body"))?,
    }))
}

fn parameters(value: &Value) -> Result<Vec<TokenParameter>, WebhookError> {
    let field = "auth_request_details.body";
    let object = value.as_object().filter(|object| !object.is_empty());
    let object = object.ok_or_else(|| WebhookError::must_be(field, "a non-empty object"))?;
    let parameter = |(name, value): (&String, &Value)| {
        let (text, bare) = match value {
            Value::String(text) => (text.clone(), false),
            Value::Number(_) | Value::Bool(_) => (value.to_string(), true),
            _ => {
                let field = format!("{field}.{name}");
                return Err(WebhookError::must_be(
                    &field,
                    "a string, a number, true or false",
                ));
            }
        };
        Ok(TokenParameter {
            name: name.clone(),
            value: Secret::new(text),
            bare,
        })
    };
    let all = object
        .iter()
        .map(parameter)
        .collect::<Result<Vec<_>, _>>()?;
    let bytes: usize = all
        .iter()
        .map(|p| p.name.len() + p.value.expose().len())
        .sum();
    match bytes <= MAX_BYTES {
        true => Ok(all),
        false => {
            let what = format!("of at most {MAX_BYTES} bytes in all");
            Err(WebhookError::must_be(field, &what))
        }
    }
}
