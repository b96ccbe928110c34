//! Postrider's REST API as a function from request to response.
//!
//! No sockets: the binary mounts it behind its listener, a mail server behind its own, and
//! `postrider_api` in C calls it directly. The contract is that of SparkPost's webhooks API; where it
//! is silent or goes further, `docs/api.md` says what holds here.
//!
//! A request passes: route → who asks, and may they → parameters and body → the engine → its view.

mod auth;
mod backend;
mod failure;
mod keys;
mod message;
mod query;
mod route;
mod view;
mod webhooks;

pub use backend::Backend;
pub use message::{Caller, Request, Response};

use auth::Identity;
use failure::Failure;
use postrider::store::Grant;
use query::Query;
use route::Route;
use serde_json::json;
use std::sync::Arc;

/// The most bytes that a request's body may have. Whoever mounts the API should stop reading there.
pub const MAX_BODY: usize = 1 << 20;

/// The REST API of one engine. Calls may come from any thread.
pub struct Api<B: ?Sized> {
    backend: Arc<B>,
}

impl<B: Backend + ?Sized> Api<B> {
    /// The API of `backend`.
    pub fn new(backend: Arc<B>) -> Api<B> {
        Api { backend }
    }

    /// Answers one request. It may wait on the network: create, update and validate POST to the
    /// webhook's target first, within the engine's `http.timeout_ms`.
    pub fn handle(&self, request: &Request, caller: Caller) -> Response {
        let head = request.method == "HEAD";
        let mut response = self
            .answer(request, caller)
            .unwrap_or_else(Failure::into_response);
        if head {
            response.body.clear();
        }
        response
    }

    fn answer(&self, request: &Request, caller: Caller) -> Result<Response, Failure> {
        let (path, query) = request.path_and_query();
        let route = Route::of(path).ok_or(Failure::NoSuchPath)?;
        let query = Query::of(query);
        let method = match request.method.as_str() {
            "HEAD" => "GET",
            other => other,
        };
        if request.body.len() > MAX_BODY {
            return Err(Failure::BodyTooLarge);
        }
        let backend = &*self.backend;
        let asks = |grant| Identity::of(request, caller, backend.store())?.with(grant);
        match (method, route) {
            ("POST", Route::Webhooks) => {
                webhooks::create(backend, request, asks(Grant::WebhooksModify)?)
            }
            ("GET", Route::Webhooks) => {
                webhooks::list(backend, request, &query, asks(Grant::WebhooksView)?)
            }
            ("GET", Route::Webhook(id)) => {
                webhooks::get(backend, request, &query, asks(Grant::WebhooksView)?, id)
            }
            ("PUT", Route::Webhook(id)) => {
                webhooks::update(backend, request, asks(Grant::WebhooksModify)?, id)
            }
            ("DELETE", Route::Webhook(id)) => {
                webhooks::delete(backend, request, &query, asks(Grant::WebhooksModify)?, id)
            }
            ("POST", Route::Validate(id)) => {
                webhooks::validate(backend, request, asks(Grant::WebhooksModify)?, id)
            }
            ("GET", Route::BatchStatus(id)) => {
                webhooks::batch_status(backend, request, &query, asks(Grant::WebhooksView)?, id)
            }
            ("GET", Route::Documentation) => Ok(Response::results(backend.event_documentation())),
            ("GET", Route::Samples) => samples(backend, &query),
            ("POST", Route::Keys) => keys::create(backend, request, asks(Grant::Keys)?),
            ("GET", Route::Keys) => keys::list(backend, asks(Grant::Keys)?),
            ("DELETE", Route::Key(id)) => keys::revoke(backend, asks(Grant::Keys)?, id),
            ("GET", Route::Health) => health(backend),
            (_, route) => Err(Failure::Method {
                allowed: route.methods(),
            }),
        }
    }
}

/// `events/samples?events=bounce,delivery`; every type without the parameter.
fn samples<B: Backend + ?Sized>(backend: &B, query: &Query<'_>) -> Result<Response, Failure> {
    let Some(list) = query.get("events").filter(|list| !list.is_empty()) else {
        return Ok(Response::results(backend.event_samples(&|_| true)));
    };
    let names: Vec<&str> = list.split(',').map(str::trim).collect();
    if let Some(unknown) = names.iter().find(|name| !backend.knows_event_type(name)) {
        let reason = format!("names {unknown:?}, which is not an event type");
        return Err(Failure::Parameter {
            name: "events",
            reason,
        });
    }
    Ok(Response::results(
        backend.event_samples(&|name| names.contains(&name)),
    ))
}

/// Whether the engine can answer at all: its store can be read.
fn health<B: Backend + ?Sized>(backend: &B) -> Result<Response, Failure> {
    backend.store().meta("health")?;
    Ok(Response::json(200, &json!({"status": "ok"})))
}
