//! A target: a URL that may be POSTed to.

use std::net::IpAddr;

use thiserror::Error;
use url::{Host, Url};

use super::Identity;
use super::policy::{Policy, PolicyError};

/// A parsed and checked target URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    place: Place,
    address: Option<IpAddr>,
    authority: String,
    path: String,
}

/// What connections are pooled by. Which proxy they go through follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) https: bool,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) identity: Option<Identity>,
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
    /// Longest URL that is taken, in bytes: as it is given, and as it is sent, its name in ASCII and its path escaped.
    pub const MAX_LEN: usize = 4096;
    /// Longest name of a host, in ASCII (RFC 1035 §2.3.4).
    const MAX_HOST: usize = 253;

    /// Parses and checks a URL. An address in the URL is checked whole, a name only for its port:
    /// what it resolves to is checked at each connect.
    pub fn parse(url: &str, policy: &Policy) -> Result<Target, TargetError> {
        if url.len() > Self::MAX_LEN {
            return Err(TargetError::TooLong);
        }
        // URL parsers drop blanks and line ends silently; what is stored must be what is used.
        if url.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Err(TargetError::Syntax(
                "it holds a blank or control character".to_owned(),
            ));
        }
        let url = Url::parse(url).map_err(|e| TargetError::Syntax(e.to_string()))?;
        let https = match url.scheme() {
            "http" => false,
            "https" => true,
            other => return Err(TargetError::Scheme(other.to_owned())),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::Credentials);
        }
        if url.fragment().is_some() {
            return Err(TargetError::Fragment);
        }
        let (host, address) =
            host_of(&url).ok_or_else(|| TargetError::Syntax("it names no host".to_owned()))?;
        if host.len() > Self::MAX_HOST {
            let why = format!("its host's name is longer than {} bytes", Self::MAX_HOST);
            return Err(TargetError::Syntax(why));
        }
        if url.as_str().len() > Self::MAX_LEN {
            return Err(TargetError::TooLong);
        }
        let port = url.port().unwrap_or(if https { 443 } else { 80 });
        match address {
            Some(address) => policy.check((address, port).into())?,
            None => policy.check_port(port)?,
        }
        // The URL's own spelling of the host: brackets around IPv6, no default port.
        let authority = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        let path = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
        Ok(Target {
            place: Place {
                https,
                host,
                port,
                identity: None,
            },
            address,
            authority,
            path,
        })
    }

    /// A proxy, to connect to.
    pub(super) fn proxy(host: String, address: Option<IpAddr>, port: u16) -> Target {
        let authority = with_port(&host, address, port);
        Target {
            place: Place {
                https: false,
                host,
                port,
                identity: None,
            },
            address,
            authority,
            path: String::new(),
        }
    }

    /// Host and port, as CONNECT asks for them (RFC 9112 §3.2.3): the port always.
    pub(super) fn host_and_port(&self) -> String {
        with_port(self.host(), self.address, self.port())
    }

    /// The same target, with a client certificate to present, in place of
    /// [`Config::certificate_file`](super::Config::certificate_file)'s. Its connections are its own.
    pub fn with_identity(mut self, identity: Identity) -> Target {
        self.place.identity = Some(identity);
        self
    }

    /// The client certificate that is presented to it alone.
    pub fn identity(&self) -> Option<&Identity> {
        self.place.identity.as_ref()
    }

    /// Whether it is https.
    pub fn is_https(&self) -> bool {
        self.place.https
    }

    /// Host: a name in its ASCII form, or an address (IPv6 without brackets).
    pub fn host(&self) -> &str {
        &self.place.host
    }

    /// Port.
    pub fn port(&self) -> u16 {
        self.place.port
    }

    /// As in the Host header: with the port only where it is not the scheme's own.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Path and query, percent-encoded.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The address, if the host is one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// What its connections are pooled by.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }
}

/// A URL's host, and the address, if it is one.
pub(super) fn host_of(url: &Url) -> Option<(String, Option<IpAddr>)> {
    Some(match url.host()? {
        Host::Domain(name) => (name.to_owned(), None),
        Host::Ipv4(a) => (a.to_string(), Some(IpAddr::V4(a))),
        Host::Ipv6(a) => (a.to_string(), Some(IpAddr::V6(a))),
    })
}

fn with_port(host: &str, address: Option<IpAddr>, port: u16) -> String {
    match address {
        Some(IpAddr::V6(a)) => format!("[{a}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}
