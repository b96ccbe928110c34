//! Connections: the loop that carries exchanges over sockets.
//!
//! One thread owns a [`Client`] and calls [`Client::poll`]; others may only [`Waker::wake`] it.
//!
//! ```text
//! Client ─┬─ Conn ─┬─ Job: Outgoing (what is to be sent) + Exchange (what has come)
//!         │        └─ Link: Socket, TLS session
//!         ├─ Names: what names resolve to; Resolver: threads that look them up
//!         └─ Policy: which addresses may be connected to
//! ```

mod body;
mod carry;
mod client;
mod config;
mod conn;
mod error;
mod identity;
mod link;
mod names;
mod outgoing;
mod place;
mod policy;
mod proxy;
mod race;
mod ready;
mod request;
mod resolve;
mod slots;
mod socket;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod waker;

pub use body::{Body, Slice, WeakBody};
pub use client::{Client, Counters, Setup};
pub use config::{Config, Timeouts};
pub use error::{ErrorKind, HttpError, Phase};
pub use identity::{Identity, IdentityError};
pub use policy::{Policy, PolicyError};
pub use proxy::{NoProxy, NoProxyError, Proxy, ProxyError};
pub use request::{Done, Request, Response};
pub use target::{Target, TargetError};
pub use waker::Waker;
