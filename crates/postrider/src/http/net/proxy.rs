//! The way through an HTTP proxy: a tunnel (CONNECT) for https, absolute form for http (RFC 9112
//! §3.2.2, §3.2.3).
//!
//! The proxy is the operator's, so its own address is not asked about by the target policy. It looks
//! the targets' names up: what they resolve to is for its rules to judge. Ports, and addresses that
//! stand in the URL, are judged here as ever.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use thiserror::Error;
use url::Url;

use super::Target;
use super::target::host_of;
use crate::allow::{covers, parse_network};
use crate::http::proto::HeaderLines;

/// An HTTP proxy: `http://[USER:PASSWORD@]HOST[:PORT]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    target: Arc<Target>,
    authorization: HeaderLines,
}

/// Why text is no proxy. Holds nothing of the text: there may be a password in it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// Not a URL.
    #[error(
        "the proxy is not a valid URL ({0}): write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT"
    )]
    Syntax(String),
    /// A scheme other than http.
    #[error(
        "the proxy's scheme is {0:?}: only http proxies are supported; https targets are tunnelled through them"
    )]
    Scheme(String),
    /// More than a host and a port.
    #[error("the proxy holds a path, a query or a fragment: write http://HOST:PORT")]
    Path,
    /// A user name or password that could not be sent.
    #[error(
        "the proxy's user name or password holds a byte that can't be sent, or a colon in the user name"
    )]
    Credentials,
}

impl Proxy {
    /// The host and port that it is reached at.
    pub fn authority(&self) -> &str {
        self.target.authority()
    }

    /// The proxy as something to connect to.
    pub(super) fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// The line that says who we are to it; empty if it need not know.
    pub(super) fn authorization(&self) -> &HeaderLines {
        &self.authorization
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Proxy, ProxyError> {
        let url = Url::parse(text).map_err(|e| ProxyError::Syntax(e.to_string()))?;
        if url.scheme() != "http" {
            return Err(ProxyError::Scheme(url.scheme().to_owned()));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(ProxyError::Path);
        }
        let (host, address) =
            host_of(&url).ok_or_else(|| ProxyError::Syntax("it names no host".to_owned()))?;
        let port = url.port().unwrap_or(80);
        let mut authorization = HeaderLines::new();
        if !url.username().is_empty() || url.password().is_some() {
            let user = decoded(url.username());
            let password = decoded(url.password().unwrap_or_default());
            let fine = |bytes: &[u8]| bytes.iter().all(|b| *b >= b' ' && *b != 0x7f);
            if !fine(&user) || !fine(&password) || user.contains(&b':') {
                return Err(ProxyError::Credentials);
            }
            let pair = BASE64.encode([&user, b":".as_slice(), &password].concat());
            authorization.set_proxy_authorization(&pair);
        }
        Ok(Proxy {
            target: Arc::new(Target::proxy(host, address, port)),
            authorization,
        })
    }
}

/// Without the credentials.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.authority())
    }
}

/// Percent-decoded; what is not an escape stands for itself.
fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let escape = behind.get(..2).filter(|_| first == b'%');
        let byte = escape
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &behind[2..] } else { behind };
    }
    out
}

/// Targets that are reached without the proxy: `*`, a name (with all names below it), an address or a
/// network, each with or without `:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoProxy {
    what: What,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    All,
    /// Lower case, no dot before it.
    Name(String),
    Network(IpAddr, u8),
}

/// Text that is no [`NoProxy`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{0:?} names nothing to reach without the proxy: write *, a name such as example.com, or a network such as 10.0.0.0/8, and a port behind a colon if need be"
)]
pub struct NoProxyError(String);

impl NoProxy {
    /// Whether a target is reached without the proxy. Networks are compared with addresses in the
    /// URL, never with what a name resolves to.
    pub(super) fn covers(&self, target: &Target) -> bool {
        let matches = match &self.what {
            What::All => true,
            What::Name(name) => {
                // A name with its root's dot is the same name.
                let host = target.host();
                let host = host.strip_suffix('.').unwrap_or(host);
                let above = host.strip_suffix(name.as_str());
                target.address().is_none()
                    && above.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            What::Network(network, prefix) => target
                .address()
                .is_some_and(|a| covers(*network, *prefix, a.to_canonical())),
        };
        matches && self.port.is_none_or(|port| port == target.port())
    }
}

impl FromStr for NoProxy {
    type Err = NoProxyError;

    fn from_str(text: &str) -> Result<NoProxy, NoProxyError> {
        parse_no_proxy(text).ok_or_else(|| NoProxyError(text.to_owned()))
    }
}

fn parse_no_proxy(text: &str) -> Option<NoProxy> {
    if let Some((network, prefix)) = parse_network(text) {
        let what = What::Network(network, prefix);
        return Some(NoProxy { what, port: None });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (text, None),
    };
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let what = if let Some((network, prefix)) = parse_network(bare.unwrap_or(host)) {
        What::Network(network, prefix)
    } else if host == "*" {
        What::All
    } else {
        let name = host.strip_prefix('.').unwrap_or(host);
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if name.is_empty() || !name.bytes().all(allowed) {
            return None;
        }
        What::Name(name)
    };
    Some(NoProxy { what, port })
}
