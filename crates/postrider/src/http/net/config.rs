//! How a client behaves.

use std::path::PathBuf;
use std::time::Duration;

use super::{NoProxy, Phase, Policy, Proxy, Target};
use crate::http::proto::Limits;

/// How a [`Client`](super::Client) behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long each part of an exchange may take.
    pub timeouts: Timeouts,
    /// How long a connection may wait for its next request. Below 5 s, where Node's servers close.
    /// Shorter for a target that says so (`Keep-Alive: timeout=N`) or has closed one earlier.
    pub idle_age: Duration,
    /// Requests that one connection carries; then it is closed, so that a target that moves or is
    /// spread over several machines is looked up again. At least one.
    pub max_requests: u32,
    /// Connections to one target; further requests to it wait.
    pub max_per_target: usize,
    /// Connections in all; further requests wait.
    pub max_connections: usize,
    /// `User-Agent` where the request sets none; left out, if empty or not fit for a header.
    pub user_agent: String,
    /// Which addresses may be connected to.
    pub policy: Policy,
    /// The proxy that targets are reached through.
    pub proxy: Option<Proxy>,
    /// Targets that are reached without it.
    pub no_proxy: Vec<NoProxy>,
    /// PEM file of CA certificates to trust, in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM file of the client certificate, with its chain, for receivers that ask for one.
    pub certificate_file: Option<PathBuf>,
    /// PEM file of its key, if that is not in the same file.
    pub key_file: Option<PathBuf>,
    /// What an answer may cost.
    pub limits: Limits,
}

impl Config {
    /// The proxy that a target is reached through.
    pub(super) fn proxy_for(&self, target: &Target) -> Option<&Proxy> {
        let direct = || self.no_proxy.iter().any(|no| no.covers(target));
        self.proxy.as_ref().filter(|_| !direct())
    }
}

/// How long each part of an exchange may take, within the request's deadline for the whole.
///
/// Each part has its own, so that an error can say which was too slow; a receiver that always makes a
/// little progress is ended by the deadline for the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Looking up the name.
    pub resolve: Duration,
    /// Connecting, over all addresses. A proxy has as long again for its own connecting.
    pub connect: Duration,
    /// TLS handshake.
    pub tls: Duration,
    /// Sending the request.
    pub send: Duration,
    /// From there to the first byte of the answer.
    pub first_byte: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            resolve: Duration::from_secs(3),
            connect: Duration::from_secs(3),
            tls: Duration::from_secs(3),
            send: Duration::from_secs(10),
            first_byte: Duration::from_secs(10),
        }
    }
}

impl Timeouts {
    /// A phase's own; none where only the deadline for the whole counts.
    pub(super) fn of(&self, phase: Phase) -> Option<Duration> {
        match phase {
            Phase::Queue | Phase::Answer => None,
            Phase::Resolve => Some(self.resolve),
            Phase::Connect | Phase::Proxy => Some(self.connect),
            Phase::Tls => Some(self.tls),
            Phase::Send => Some(self.send),
            Phase::FirstByte => Some(self.first_byte),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            timeouts: Timeouts::default(),
            idle_age: Duration::from_secs(4),
            max_requests: 1000,
            max_per_target: 16,
            max_connections: 1000,
            user_agent: concat!("Postrider/", env!("CARGO_PKG_VERSION")).to_owned(),
            policy: Policy::default(),
            proxy: None,
            no_proxy: Vec::new(),
            ca_file: None,
            certificate_file: None,
            key_file: None,
            limits: Limits::default(),
        }
    }
}
