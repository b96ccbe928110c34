//! Postrider's REST API as a function from request to response.
//!
//! No sockets: the binary mounts it behind its listener, a mail server behind its own, and
//! `postrider_api` in C calls it directly. The contract is that of SparkPost's webhooks API; where it
//! is silent or goes further, `docs/api.md` says what holds here.
//!
//! A request passes: route → who asks, and may they → how often → parameters and body → the engine → its
//! view.

mod admin;
mod audit;
mod auth;
mod backend;
mod events;
mod failure;
mod filters;
mod health;
mod ingest;
mod keys;
mod limiter;
mod message;
pub mod openapi;
mod operation;
mod operations;
mod query;
mod reload;
mod samples;
mod view;
mod webhooks;

pub use admin::{AdminSocket, SOCKET_NAME};
pub use audit::FILE_NAME as AUDIT_LOG;
pub use backend::{Backend, EventType};
pub use message::{Caller, Request, Response};
pub use reload::Reload;

use auth::{Identity, Name};
use failure::Failure;
use ingest::UnderWay;
use limiter::Limiter;
use operation::{Call, Operation};
use query::Query;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The most bytes that any request's body may have. Whoever mounts the API need not read further, and
/// [`Api::admit`] says how much less some calls take.
pub const MAX_BODY: usize = ingest::MAX_BATCH;

/// The REST API of one engine. Calls may come from any thread.
pub struct Api {
    backend: Arc<dyn Backend>,
    opened: Instant,
    limiter: Mutex<Limiter>,
    under_way: UnderWay,
    reload: Option<Reload>,
}

/// The answer to a request whose body has more than `most` bytes.
pub fn body_too_large(most: usize) -> Response {
    Failure::BodyTooLarge(most).into_response()
}

impl Api {
    /// The API of `backend`.
    pub fn new(backend: Arc<dyn Backend>) -> Api {
        Api {
            backend,
            opened: Instant::now(),
            limiter: Mutex::default(),
            under_way: UnderWay::default(),
            reload: None,
        }
    }

    /// Answers `POST /api/v1/reload` by this.
    pub fn on_reload(mut self, reload: Reload) -> Api {
        self.reload = Some(reload);
        self
    }

    /// Judges a request by its head, before its body is read: the most bytes that its body may have.
    ///
    /// # Errors
    /// The answer, where no body can change it: an unknown path, no key, no grant.
    pub fn admit(&self, head: &Request, caller: Caller) -> Result<usize, Response> {
        match self.find(head, caller) {
            Ok(found) => Ok(found.operation.max_body()),
            Err(failure) => Err(failure.into_response()),
        }
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
        let Found {
            operation,
            parameter,
            who,
        } = self.find(request, caller)?;
        if let Name::Key(id) = &who.name {
            self.take_token(id)?;
        }
        if request.body.len() > operation.max_body() {
            return Err(Failure::BodyTooLarge(operation.max_body()));
        }
        let (_, query) = request.path_and_query();
        let name = who.name.clone();
        let response = (operation.handle)(&Call {
            backend: &*self.backend,
            request,
            query: Query::of(query),
            parameter,
            who,
            under_way: &self.under_way,
            reload: self.reload.as_ref(),
        });
        let response = response.unwrap_or_else(Failure::into_response);
        self.audit(request, operation, &name, response.status);
        Ok(response)
    }

    /// Route, key and grant.
    fn find<'r>(&self, request: &'r Request, caller: Caller) -> Result<Found<'r>, Failure> {
        let (path, _) = request.path_and_query();
        let (operation, parameter) = operation::route(&request.method, path)?;
        let who = match operation.grant {
            None => Identity::nobody(),
            Some(grant) => {
                let who = Identity::of(request, caller, self.backend.store());
                let who = match who {
                    Err(Failure::Unauthorized) => {
                        self.take_token("")?;
                        return Err(Failure::Unauthorized);
                    }
                    other => other?,
                };
                if let Err(failure) = who.check(grant) {
                    self.audit(request, operation, &who.name, 403);
                    return Err(failure);
                }
                who
            }
        };
        Ok(Found {
            operation,
            parameter,
            who,
        })
    }

    fn take_token(&self, who: &str) -> Result<(), Failure> {
        let rate = self.backend.requests_per_second();
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = limiter.take(who, rate, self.opened.elapsed());
        taken.map_err(Failure::TooMany)
    }

    fn audit(&self, request: &Request, operation: &Operation, by: &Name, status: u16) {
        let Some(dir) = self.backend.audit_dir().filter(|_| operation.is_change()) else {
            return;
        };
        let line = audit::Line {
            time: view::iso(self.backend.now_ms()),
            by: by.to_string(),
            method: &request.method,
            path: request.path_and_query().0,
            status,
            body: &request.body,
        };
        if let Err(e) = audit::append(dir, &line) {
            let path = dir.join(AUDIT_LOG);
            self.backend
                .warn(&format!("cannot append to {}: {e}", path.display()));
        }
    }
}

/// What a request is.
struct Found<'r> {
    operation: &'static Operation,
    parameter: &'r str,
    who: Identity,
}
