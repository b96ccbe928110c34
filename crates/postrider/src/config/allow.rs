//! A network that targets may be in although it is refused by default.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use thiserror::Error;

/// `CIDR[:PORT]`, or `[CIDR]:PORT` for IPv6 with a port. An address without a prefix length is a
/// network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowTarget {
    /// The network's address.
    pub network: IpAddr,
    /// Its prefix length in bits.
    pub prefix: u8,
    /// The one port that is allowed; `None`: any.
    pub port: Option<u16>,
}

/// The text is not `CIDR[:PORT]`.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not CIDR[:PORT], such as 10.0.0.0/8, 127.0.0.1/32:8080 or [::1/128]:8080")]
pub struct NotAllowTarget;

impl AllowTarget {
    /// Whether a connection to `address` and `port` is allowed by this entry. An IPv4 address mapped
    /// into IPv6 is judged as IPv4.
    pub fn contains(&self, address: IpAddr, port: u16) -> bool {
        let same_network = match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differ = u32::from(network) ^ u32::from(address);
                differ.leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differ = u128::from(network) ^ u128::from(address);
                differ.leading_zeros() >= u32::from(self.prefix)
            }
            _ => false,
        };
        same_network && self.port.is_none_or(|allowed| allowed == port)
    }
}

impl FromStr for AllowTarget {
    type Err = NotAllowTarget;

    fn from_str(text: &str) -> Result<Self, NotAllowTarget> {
        let (cidr, port) = split_port(text).ok_or(NotAllowTarget)?;
        let (address, prefix) = match cidr.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (cidr, None),
        };
        let network: IpAddr = address.parse().map_err(|_| NotAllowTarget)?;
        let widest = if network.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(p) => p.parse().map_err(|_| NotAllowTarget)?,
            None => widest,
        };
        let port = match port {
            Some(p) => Some(p.parse().map_err(|_| NotAllowTarget)?),
            None => None,
        };
        if prefix > widest {
            return Err(NotAllowTarget);
        }
        Ok(AllowTarget {
            network,
            prefix,
            port,
        })
    }
}

/// Splits off the port; an IPv6 address has one only behind brackets.
fn split_port(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (cidr, after) = rest.split_once(']')?;
        return match after {
            "" => Some((cidr, None)),
            _ => Some((cidr, Some(after.strip_prefix(':')?))),
        };
    }
    match text.split_once(':') {
        Some((cidr, port)) if !port.contains(':') => Some((cidr, Some(port))),
        _ => Some((text, None)),
    }
}

impl fmt::Display for AllowTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.network, self.port) {
            (network, None) => write!(f, "{network}/{}", self.prefix),
            (IpAddr::V4(network), Some(port)) => write!(f, "{network}/{}:{port}", self.prefix),
            (IpAddr::V6(network), Some(port)) => write!(f, "[{network}/{}]:{port}", self.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(text: &str) -> AllowTarget {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn reads_every_form() {
        for (text, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("127.0.0.1:8080", "127.0.0.1/32:8080"),
            ("127.0.0.0/8:8080", "127.0.0.0/8:8080"),
            ("::1", "::1/128"),
            ("[::1]", "::1/128"),
            ("[fd00::/8]:443", "[fd00::/8]:443"),
            ("fd00::/8", "fd00::/8"),
        ] {
            assert_eq!(allow(text).to_string(), shown);
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for text in [
            "",
            "localhost",
            "10.0.0.0/33",
            "10.0.0.0/",
            "::1/129",
            "10.0.0.0/8:",
            "10.0.0.1:65536",
            "[::1",
            "[::1]80",
            "10.0.0.0/-1",
        ] {
            assert_eq!(text.parse::<AllowTarget>(), Err(NotAllowTarget), "{text}");
        }
    }

    #[test]
    fn holds_its_network_and_port_only() {
        let loopback = allow("127.0.0.0/8:8080");
        assert!(loopback.contains(ip("127.1.2.3"), 8080));
        assert!(loopback.contains(ip("::ffff:127.0.0.1"), 8080));
        assert!(!loopback.contains(ip("127.0.0.1"), 80));
        assert!(!loopback.contains(ip("128.0.0.1"), 8080));
        assert!(!loopback.contains(ip("::1"), 8080));
        assert!(allow("0.0.0.0/0").contains(ip("255.1.2.3"), 1));
        assert!(allow("fd00::/8").contains(ip("fd12::1"), 443));
        assert!(!allow("fd00::/8").contains(ip("fe80::1"), 443));
    }
}
