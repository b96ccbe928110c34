//! How a client behaves.

use std::path::PathBuf;
use std::time::Duration;

use super::Policy;
use crate::http::proto::Limits;

/// How a [`Client`](super::Client) behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Budget for name, connection and TLS handshake together, over all addresses.
    pub connect_timeout: Duration,
    /// How long a connection may wait for its next request. Below 5 s, where Node's servers close.
    pub idle_age: Duration,
    /// Connections to one target; further requests to it wait.
    pub max_per_target: usize,
    /// Connections in all; further requests wait.
    pub max_connections: usize,
    /// `User-Agent` where the request sets none; left out, if empty or not fit for a header.
    pub user_agent: String,
    /// Which addresses may be connected to.
    pub policy: Policy,
    /// PEM file of CA certificates to trust, in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// What an answer may cost.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            connect_timeout: Duration::from_secs(3),
            idle_age: Duration::from_secs(4),
            max_per_target: 16,
            max_connections: 1000,
            user_agent: concat!("Postrider/", env!("CARGO_PKG_VERSION")).to_owned(),
            policy: Policy::default(),
            ca_file: None,
            limits: Limits::default(),
        }
    }
}
