//! Which addresses may be connected to.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

/// An exception from the policy: `CIDR[:PORT]`, such as `127.0.0.0/8`, `10.1.2.3:8080` or
/// `[fd00::/8]:8443`. It lifts the refused ranges and, for its port (all, if none is given), the
/// rule that ports are 80 and 443.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allow {
    /// Network address, host bits zero.
    pub net: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// The only port allowed; all, if none.
    pub port: Option<u16>,
}

/// The target policy: what [`Target::parse`](super::Target::parse) and every connect ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Exceptions.
    pub allow: Vec<Allow>,
}

/// Why an address is refused or an exception can't be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyError {
    /// The address lies in a refused range.
    #[error(
        "{address} is {range}, which targets may not be; allow it with an allowed target of {address}:{port} if it is meant"
    )]
    Range {
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
        /// The range in words, such as `a loopback address (127.0.0.0/8)`.
        range: &'static str,
    },
    /// The port is neither 80 nor 443 and no exception names it.
    #[error(
        "port {0} is refused: targets use port 80 or 443 unless an allowed target names another"
    )]
    Port(u16),
    /// Text that is not `CIDR[:PORT]`.
    #[error(
        "{0:?} is not an allowed target: write CIDR or CIDR:PORT, such as 10.0.0.0/8 or [fd00::/8]:8443"
    )]
    Syntax(String),
}

impl FromStr for Allow {
    type Err = PolicyError;
    fn from_str(_text: &str) -> Result<Self, PolicyError> {
        todo!()
    }
}

impl Policy {
    /// Checks a resolved address: called for each one at connect time.
    pub fn check(&self, _addr: SocketAddr) -> Result<(), PolicyError> {
        todo!()
    }

    /// Checks a port before the address is known: refuses what no address could make good.
    pub fn check_port(&self, _port: u16) -> Result<(), PolicyError> {
        todo!()
    }
}
