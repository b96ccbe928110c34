//! Postrider's REST API as a function from request to response.
//!
//! No sockets: the binary mounts it behind its listener, a mail server behind its own, and
//! `postrider_api` in C calls it directly. The contract is that of the webhooks API of SparkPost;
//! what goes beyond it is marked as an extension in `docs/api.md`.

mod backend;
mod message;

pub use backend::Backend;
pub use message::{Caller, Request, Response};

use std::sync::Arc;

/// The REST API of one engine. Calls may come from any thread.
pub struct Api<B> {
    backend: Arc<B>,
}

impl<B: Backend> Api<B> {
    /// The API of `backend`.
    pub fn new(backend: Arc<B>) -> Api<B> {
        Api { backend }
    }

    /// Answers one request. It may wait on the network: create, update and validate POST to the
    /// webhook's target first.
    pub fn handle(&self, request: &Request, caller: Caller) -> Response {
        let _ = (request, caller, &self.backend);
        todo!()
    }
}
