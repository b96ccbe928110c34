//! Connections: the loop that carries exchanges over sockets.
//!
//! One thread owns a [`Client`] and calls [`Client::poll`]; others may only [`Waker::wake`] it.

mod body;
mod client;
mod error;
mod policy;
mod target;
mod waker;

pub use body::{Body, Slice};
pub use client::{Client, Config, Done, Request, Response};
pub use error::{ErrorKind, HttpError, Phase};
pub use policy::{Allow, Policy, PolicyError};
pub use target::{Target, TargetError};
pub use waker::Waker;
