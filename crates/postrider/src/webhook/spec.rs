//! What a client asks for: a whole webhook, or changes to one.

use super::signing::{self, KeyWish, SigningKey};
use super::{
    Auth, ClientCertificate, CustomHeader, Limits, OAuth2, Outcomes, Secret, Subaccounts, Webhook,
    WebhookError, identity, oauth, parse,
};
use crate::filter::FilterSpec;
use crate::time::UnixMillis;
use serde_json::Value;
use uuid::Uuid;

/// A webhook to be created. The fields are those of [`Webhook`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct WebhookSpec {
    pub name: String,
    pub target: String,
    pub events: Vec<String>,
    pub active: bool,
    pub auth: Auth,
    pub token: Option<Secret>,
    pub custom_headers: Vec<CustomHeader>,
    pub signing_keys: Vec<SigningKey>,
    pub client_certificate: Option<ClientCertificate>,
    pub gzip: bool,
    pub scope: Subaccounts,
    pub limits: Limits,
    pub ordered: bool,
    pub outcomes: Outcomes,
    pub filters: Vec<FilterSpec>,
}

/// Changes to a webhook; `None` leaves a field as it is. A secret that is the mask stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookPatch {
    /// Its new name.
    pub name: Option<String>,
    /// Its new target; one that differs wants a new test POST.
    pub target: Option<String>,
    /// The event types it wants from now on.
    pub events: Option<Vec<String>>,
    /// Whether it gets events.
    pub active: Option<bool>,
    /// How it authenticates.
    pub auth_type: Option<AuthType>,
    /// What it authenticates with.
    pub credentials: Option<Credentials>,
    /// Where its tokens come from.
    pub request_details: Option<OAuth2>,
    /// Its token; `Some(None)` takes it away.
    pub token: Option<Option<Secret>>,
    /// All its custom headers.
    pub custom_headers: Option<Vec<CustomHeader>>,
    /// All its signing keys.
    pub signing_keys: Option<Vec<KeyWish>>,
    /// Its client certificate, PEM; `Some(None)` takes it away.
    pub client_certificate: Option<Option<String>>,
    /// That certificate's key, PEM; `Some(None)` takes it away.
    pub client_key: Option<Option<Secret>>,
    /// Whether bodies are compressed.
    pub gzip: Option<bool>,
    /// Whose events it gets.
    pub scope: Option<Subaccounts>,
    /// The subaccounts whose events it does not get.
    pub except: Option<Vec<u32>>,
    /// All its own limits.
    pub limits: Option<Limits>,
    /// Whether it gets one batch at a time, in order.
    pub ordered: Option<bool>,
    /// Its whole table of what answers mean.
    pub outcomes: Option<Outcomes>,
    /// All its own filters.
    pub filters: Option<Vec<FilterSpec>>,
}

/// How a webhook authenticates, as a client names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthType {
    /// Not at all, or by token and custom headers alone.
    None,
    /// By user name and password.
    Basic,
    /// By a token that OAuth 2 client credentials bring.
    OAuth2,
}

/// A user name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Credentials {
    pub username: String,
    pub password: Secret,
}

impl WebhookSpec {
    /// A webhook with the contract's defaults: active, without authentication, events of every
    /// account.
    pub fn new<'a>(
        name: &str,
        target: &str,
        events: impl IntoIterator<Item = &'a str>,
    ) -> WebhookSpec {
        WebhookSpec {
            name: name.to_owned(),
            target: target.to_owned(),
            events: events.into_iter().map(str::to_owned).collect(),
            active: true,
            auth: Auth::None,
            token: None,
            custom_headers: Vec::new(),
            signing_keys: Vec::new(),
            client_certificate: None,
            gzip: false,
            scope: Subaccounts::default(),
            limits: Limits::default(),
            ordered: false,
            outcomes: Outcomes::default(),
            filters: Vec::new(),
        }
    }

    /// Reads the body of a create call. `known` says whether an event type exists.
    pub fn from_json(
        body: &Value,
        known: impl Fn(&str) -> bool,
    ) -> Result<WebhookSpec, WebhookError> {
        let asked = WebhookPatch::from_json(body, known)?;
        let required = [
            ("name", asked.name.is_none()),
            ("target", asked.target.is_none()),
            ("events", asked.events.is_none()),
        ];
        if let Some((field, _)) = required.into_iter().find(|(_, missing)| *missing) {
            return Err(WebhookError::Required { field });
        }
        if asked.scope.is_some() {
            return Err(WebhookError::Combination {
                field: "subaccount_id",
                reason: "can be changed by an update only; to create, send the header X-MSYS-SUBACCOUNT",
            });
        }
        if asked.except.as_ref().is_some_and(Vec::is_empty) {
            return Err(WebhookError::must_be(
                "exception_subaccounts",
                "non-empty, or left out",
            ));
        }
        let blank = WebhookSpec::new("", "", []);
        let whole = asked.apply(&blank.into_webhook(Uuid::nil(), 0), 0)?;
        Ok(WebhookSpec {
            name: whole.name,
            target: whole.target,
            events: whole.events,
            active: whole.active,
            auth: whole.auth,
            token: whole.token,
            custom_headers: whole.custom_headers,
            signing_keys: whole.signing_keys,
            client_certificate: whole.client_certificate,
            gzip: whole.gzip,
            scope: whole.scope,
            limits: whole.limits,
            ordered: whole.ordered,
            outcomes: whole.outcomes,
            filters: whole.filters,
        })
    }

    /// The same for those subaccounts: a create call names them in a header, not in its body.
    pub fn within(self, scope: Subaccounts) -> Result<WebhookSpec, WebhookError> {
        let except = match self.scope {
            Subaccounts::All { except } if !except.is_empty() => Some(except),
            _ => None,
        };
        let scope = next_scope(Some(scope), except, &Subaccounts::default())?;
        Ok(WebhookSpec { scope, ..self })
    }

    /// The webhook's first revision. Its signing keys' times count from `now_ms`.
    pub fn into_webhook(self, id: Uuid, now_ms: UnixMillis) -> Webhook {
        let signing_keys = self.signing_keys.into_iter().map(|key| SigningKey {
            created_ms: now_ms,
            retires_ms: key.retires_ms.map(|after| now_ms.saturating_add(after)),
            ..key
        });
        Webhook {
            id,
            revision: 1,
            name: self.name,
            target: self.target,
            events: self.events,
            active: self.active,
            auth: self.auth,
            token: self.token,
            custom_headers: self.custom_headers,
            signing_keys: signing_keys.collect(),
            client_certificate: self.client_certificate,
            gzip: self.gzip,
            scope: self.scope,
            limits: self.limits,
            ordered: self.ordered,
            outcomes: self.outcomes,
            filters: self.filters,
            created_ms: now_ms,
            updated_ms: now_ms,
        }
    }
}

impl WebhookPatch {
    /// Reads the body of an update call. `known` says whether an event type exists.
    pub fn from_json(
        body: &Value,
        known: impl Fn(&str) -> bool,
    ) -> Result<WebhookPatch, WebhookError> {
        let Value::Object(fields) = body else {
            return Err(WebhookError::must_be("request body", "a JSON object"));
        };
        let mut patch = WebhookPatch::default();
        for (field, value) in fields {
            match field.as_str() {
                "name" => patch.name = Some(parse::name(value)?),
                "target" => patch.target = Some(parse::target(value)?),
                "events" => patch.events = Some(parse::events(value, &known)?),
                "active" => patch.active = Some(parse::boolean(field, value)?),
                "auth_type" => patch.auth_type = Some(parse::auth_type(value)?),
                "auth_credentials" => patch.credentials = parse::credentials(value)?,
                "auth_request_details" => {
                    patch.request_details = oauth::request_details(value)?;
                }
                "auth_token" => patch.token = Some(parse::token(value)?),
                "custom_headers" => patch.custom_headers = Some(parse::custom_headers(value)?),
                "client_certificate" => {
                    patch.client_certificate = Some(identity::pem(field, value)?);
                }
                "client_key" => {
                    patch.client_key = Some(identity::pem(field, value)?.map(Secret::new));
                }
                "gzip" => patch.gzip = Some(parse::boolean(field, value)?),
                "signing_keys" => patch.signing_keys = Some(signing::wishes(value)?),
                "subaccount_id" => patch.scope = Some(parse::scope(value)?),
                "exception_subaccounts" => patch.except = Some(parse::except(value)?),
                "limits" => patch.limits = Some(parse::limits(value)?),
                "ordered" => patch.ordered = Some(parse::boolean(field, value)?),
                "filters" => patch.filters = Some(parse::filters(value)?),
                "outcomes" => patch.outcomes = Some(Outcomes::parse(field, value)?),
                // Part of what a GET answers: a client may send back what it got.
                "id" | "links" | "last_successful" | "last_failure" | "state" | "state_reason" => {}
                _ => return Err(WebhookError::invalid(field, "is not a field of a webhook")),
            }
        }
        Ok(patch)
    }

    /// The next revision of `webhook`.
    pub fn apply(self, webhook: &Webhook, now_ms: UnixMillis) -> Result<Webhook, WebhookError> {
        let auth = next_auth(
            self.auth_type,
            self.credentials,
            self.request_details,
            &webhook.auth,
        )?;
        let token = match self.token {
            None => webhook.token.clone(),
            Some(None) => None,
            Some(Some(token)) => Some(unmask("auth_token", token, webhook.token.as_ref())?),
        };
        let custom_headers = match self.custom_headers {
            None => webhook.custom_headers.clone(),
            Some(headers) => next_headers(headers, &webhook.custom_headers)?,
        };
        let sets_authorization = |h: &CustomHeader| h.name.eq_ignore_ascii_case("authorization");
        if auth != Auth::None && custom_headers.iter().any(sets_authorization) {
            return Err(WebhookError::Combination {
                field: "custom_headers",
                reason: "must not set Authorization where auth_type does",
            });
        }
        let target = self.target.unwrap_or_else(|| webhook.target.clone());
        let client_certificate = identity::next_certificate(
            self.client_certificate,
            self.client_key,
            webhook.client_certificate.as_ref(),
            &target,
        )?;
        Ok(Webhook {
            id: webhook.id,
            revision: webhook.revision + 1,
            name: self.name.unwrap_or_else(|| webhook.name.clone()),
            target,
            events: self.events.unwrap_or_else(|| webhook.events.clone()),
            active: self.active.unwrap_or(webhook.active),
            auth,
            token,
            custom_headers,
            client_certificate,
            gzip: self.gzip.unwrap_or(webhook.gzip),
            signing_keys: signing::next_keys(self.signing_keys, &webhook.signing_keys, now_ms)?,
            scope: next_scope(self.scope, self.except, &webhook.scope)?,
            limits: self.limits.unwrap_or(webhook.limits),
            ordered: self.ordered.unwrap_or(webhook.ordered),
            outcomes: self.outcomes.unwrap_or_else(|| webhook.outcomes.clone()),
            filters: self.filters.unwrap_or_else(|| webhook.filters.clone()),
            created_ms: webhook.created_ms,
            updated_ms: now_ms,
        })
    }
}

fn next_auth(
    auth_type: Option<AuthType>,
    credentials: Option<Credentials>,
    request_details: Option<OAuth2>,
    old: &Auth,
) -> Result<Auth, WebhookError> {
    let auth_type = auth_type.unwrap_or(match old {
        Auth::None => AuthType::None,
        Auth::Basic { .. } => AuthType::Basic,
        Auth::OAuth2(_) => AuthType::OAuth2,
    });
    let needs = |field, reason| Err(WebhookError::Combination { field, reason });
    if credentials.is_some() && auth_type != AuthType::Basic {
        return needs("auth_credentials", "needs auth_type basic");
    }
    if request_details.is_some() && auth_type != AuthType::OAuth2 {
        return needs("auth_request_details", "needs auth_type oauth2");
    }
    match (auth_type, credentials, request_details, old) {
        (AuthType::None, ..) => Ok(Auth::None),
        (AuthType::Basic, Some(Credentials { username, password }), _, old) => {
            let old_password = match old {
                Auth::Basic { password, .. } => Some(password),
                _ => None,
            };
            let password = unmask("auth_credentials.password", password, old_password)?;
            Ok(Auth::Basic { username, password })
        }
        (AuthType::OAuth2, _, Some(details), old) => {
            let old = match old {
                Auth::OAuth2(old) => Some(old),
                _ => None,
            };
            Ok(Auth::OAuth2(details.unmasked(old)?))
        }
        (AuthType::Basic, None, _, Auth::Basic { .. })
        | (AuthType::OAuth2, _, None, Auth::OAuth2(_)) => Ok(old.clone()),
        (AuthType::Basic, None, ..) => Err(WebhookError::Required {
            field: "auth_credentials",
        }),
        (AuthType::OAuth2, _, None, _) => Err(WebhookError::Required {
            field: "auth_request_details",
        }),
    }
}

fn next_headers(
    new: Vec<CustomHeader>,
    old: &[CustomHeader],
) -> Result<Vec<CustomHeader>, WebhookError> {
    let unmask_one = |header: CustomHeader| {
        let before = old
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case(&header.name));
        let field = format!("custom_headers.{}", header.name);
        let value = unmask(&field, header.value, before.map(|h| &h.value))?;
        Ok(CustomHeader {
            name: header.name,
            value,
        })
    };
    new.into_iter().map(unmask_one).collect()
}

fn next_scope(
    scope: Option<Subaccounts>,
    except: Option<Vec<u32>>,
    old: &Subaccounts,
) -> Result<Subaccounts, WebhookError> {
    match (scope.unwrap_or_else(|| old.clone()), except) {
        (Subaccounts::All { .. }, Some(except)) => Ok(Subaccounts::All { except }),
        (_, Some(except)) if !except.is_empty() => Err(WebhookError::Combination {
            field: "exception_subaccounts",
            reason: "only goes with a webhook for the primary account and all subaccounts",
        }),
        (scope, _) => Ok(scope),
    }
}

/// A secret, or the one before it where a client sent back the mask.
pub(super) fn unmask(
    field: &str,
    new: Secret,
    old: Option<&Secret>,
) -> Result<Secret, WebhookError> {
    match (new.is_mask(), old) {
        (false, _) => Ok(new),
        (true, Some(old)) => Ok(old.clone()),
        (true, None) => Err(WebhookError::invalid(
            field,
            "is the mask that stands for a secret in answers, and there is none to keep",
        )),
    }
}
