//! A network that targets may be in although it is refused by default.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// An exception from the target policy: `CIDR[:PORT]`, such as `127.0.0.0/8`, `10.1.2.3:8080` or
/// `[fd00::/8]:8443`. An address without a prefix length is a network of one.
///
/// It lifts the refused ranges and, for its port (all, if none is given), the rule that ports are 80
/// and 443.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowTarget {
    /// Network address, host bits zero.
    pub network: IpAddr,
    /// Prefix length in bits.
    pub prefix: u8,
    /// The only port allowed; all, if none.
    pub port: Option<u16>,
}

/// Text that is not `CIDR[:PORT]`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{0:?} is not an allowed target: write CIDR or CIDR:PORT, such as 10.0.0.0/8 or [fd00::/8]:8443"
)]
pub struct NotAllowTarget(pub String);

/// Bits of an IPv6 address before the IPv4 address that is mapped into it (RFC 4291, section 2.5.5.2).
const MAPPED: u8 = 96;

impl AllowTarget {
    /// Whether this exception covers an address and port. IPv4 mapped into IPv6 is judged as IPv4.
    pub fn contains(&self, address: IpAddr, port: u16) -> bool {
        covers(self.network, self.prefix, address.to_canonical())
            && self.port.is_none_or(|p| p == port)
    }
}

/// Whether `network`/`prefix` covers `address`; never across families.
pub(crate) fn covers(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    mask(address, prefix).is_some_and(|masked| masked == network)
}

/// The address with all bits behind the prefix zero; none if the prefix is too long.
fn mask(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => {
            let behind = 32u32.checked_sub(u32::from(prefix))?;
            let mask = u32::MAX.checked_shl(behind).unwrap_or(0);
            Some(IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask)))
        }
        IpAddr::V6(v6) => {
            let behind = 128u32.checked_sub(u32::from(prefix))?;
            let mask = u128::MAX.checked_shl(behind).unwrap_or(0);
            Some(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask)))
        }
    }
}

/// `ADDRESS[/PREFIX]`; bits behind the prefix are ignored. IPv4 mapped into IPv6 is read as IPv4, as
/// addresses are judged.
pub(crate) fn parse_network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(number(prefix)?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let prefix = match prefix {
        Some(prefix) => u8::try_from(prefix).ok()?,
        None if address.is_ipv4() => 32,
        None => 128,
    };
    let network = mask(address, prefix)?;
    Some(match (network.to_canonical(), prefix.checked_sub(MAPPED)) {
        (v4 @ IpAddr::V4(_), Some(behind)) if network.is_ipv6() => (v4, behind),
        _ => (network, prefix),
    })
}

impl FromStr for AllowTarget {
    type Err = NotAllowTarget;

    /// Reads `ADDRESS[/PREFIX][:PORT]`; IPv6 with a port is `[ADDRESS/PREFIX]:PORT` or
    /// `[ADDRESS]/PREFIX:PORT`. Bits behind the prefix are ignored.
    fn from_str(text: &str) -> Result<Self, NotAllowTarget> {
        parse(text).ok_or_else(|| NotAllowTarget(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<AllowTarget> {
    let (inside, rest) = match text.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        // A colon in IPv4 comes before the port; in IPv6 without brackets it never does.
        None if text.contains('.') && !text.contains("::") => {
            text.split_at(text.find(':').unwrap_or(text.len()))
        }
        None => (text, ""),
    };
    let (behind, port) = match rest.split_once(':') {
        Some((behind, port)) => (behind, Some(number(port)?)),
        None => (rest, None),
    };
    if !behind.is_empty() && (!behind.starts_with('/') || inside.contains('/')) {
        return None;
    }
    let (network, prefix) = parse_network(&format!("{inside}{behind}"))?;
    Some(AllowTarget {
        network,
        prefix,
        port,
    })
}

/// Decimal digits only: no sign, no blank.
fn number(text: &str) -> Option<u16> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
}

impl fmt::Display for AllowTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (network, prefix) = (self.network, self.prefix);
        match (network, self.port) {
            (_, None) => write!(f, "{network}/{prefix}"),
            (IpAddr::V4(_), Some(port)) => write!(f, "{network}/{prefix}:{port}"),
            (IpAddr::V6(_), Some(port)) => write!(f, "[{network}/{prefix}]:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_read_in_every_spelling() {
        for (text, same) in [
            ("127.0.0.1", "127.0.0.1/32"),
            ("127.0.0.1:8080", "127.0.0.1/32:8080"),
            ("127.0.0.1/8", "127.0.0.0/8"),
            ("10.0.0.0/8:443", "10.0.0.0/8:443"),
            ("::1", "::1/128"),
            ("fd00::/8", "fd00::/8"),
            ("[fd00::/8]", "fd00::/8"),
            ("[fd00::]/8", "fd00::/8"),
            ("[fd00::/8]:8443", "[fd00::/8]:8443"),
            ("[fd00::]/8:8443", "[fd00::/8]:8443"),
            ("[::1]:80", "[::1/128]:80"),
            ("::ffff:127.0.0.1", "127.0.0.1/32"),
            ("[::ffff:10.1.2.3]/104:8080", "10.0.0.0/8:8080"),
            ("::ffff:10.1.2.3/96", "0.0.0.0/0"),
            ("::ffff:10.1.2.3/95", "::fffe:0:0/95"),
        ] {
            assert_eq!(text.parse::<AllowTarget>().unwrap().to_string(), same);
        }
    }

    #[test]
    fn what_is_no_exception_is_named() {
        for text in [
            "",
            "localhost",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "10.0.0/8",
            "10.0.0.0/8:",
            "10.0.0.0/8:65536",
            "10.0.0.0/8:80:81",
            "10.0.0.0:80/8",
            "::/129",
            "[::1",
            "[::1]x",
            "[::/8]/8",
            "[::1]:",
            "10.0.0.0/8 ",
            "/8",
            ":80",
        ] {
            let error = text.parse::<AllowTarget>();
            assert_eq!(error, Err(NotAllowTarget(text.to_owned())));
        }
    }

    #[test]
    fn an_exception_holds_its_network_and_port_only() {
        let allow = |text: &str| text.parse::<AllowTarget>().unwrap();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let loopback = allow("127.0.0.0/8:8080");
        assert!(loopback.contains(ip("127.1.2.3"), 8080));
        assert!(loopback.contains(ip("::ffff:127.0.0.1"), 8080));
        assert!(!loopback.contains(ip("127.0.0.1"), 80));
        assert!(!loopback.contains(ip("128.0.0.1"), 8080));
        assert!(!loopback.contains(ip("::1"), 8080));
        assert!(allow("0.0.0.0/0").contains(ip("255.1.2.3"), 1));
        assert!(allow("fd00::/8").contains(ip("fd12::1"), 443));
        assert!(!allow("fd00::/8").contains(ip("fe80::1"), 443));
        let mapped = allow("::ffff:127.0.0.0/104");
        assert!(mapped.contains(ip("127.1.2.3"), 1) && mapped.contains(ip("::ffff:127.0.0.1"), 1));
        assert!(!mapped.contains(ip("128.0.0.1"), 1) && !mapped.contains(ip("::1"), 1));
    }
}
