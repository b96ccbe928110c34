//! A target: a URL that may be POSTed to.

use thiserror::Error;

use super::policy::{Policy, PolicyError};

/// A parsed and checked target URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    https: bool,
    host: String,
    port: u16,
    authority: String,
    path: String,
}

/// Why a URL is no target.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetError {
    /// Not a URL.
    #[error("the target is not a valid URL: {0}")]
    Syntax(String),
    /// Neither http nor https.
    #[error("the target's scheme is {0:?}: use http or https")]
    Scheme(String),
    /// It holds a user name or password.
    #[error("the target holds a user name or password: use the webhook's authentication instead")]
    Credentials,
    /// It holds a fragment.
    #[error("the target holds a fragment (#…), which is never sent: leave it out")]
    Fragment,
    /// Longer than [`Target::MAX_LEN`].
    #[error("the target is longer than {} bytes", Target::MAX_LEN)]
    TooLong,
    /// The policy refuses its port or address.
    #[error("the target is refused: {0}")]
    Policy(#[from] PolicyError),
}

impl Target {
    /// Longest URL that is taken, in bytes.
    pub const MAX_LEN: usize = 4096;

    /// Parses and checks a URL. An address in the URL is checked whole, a name only for its port:
    /// what it resolves to is checked at each connect.
    pub fn parse(_url: &str, _policy: &Policy) -> Result<Target, TargetError> {
        todo!()
    }

    /// Whether it is https.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Host: a name in its ASCII form, or an address (IPv6 without brackets).
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// As in the Host header: with the port only where it is not the scheme's own.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Path and query, percent-encoded.
    pub fn path(&self) -> &str {
        &self.path
    }
}
