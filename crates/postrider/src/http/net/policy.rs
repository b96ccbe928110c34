//! Which addresses may be connected to.
//!
//! Targets are typed in by customers of a mail service, and the engine sits inside its network:
//! without a policy a target is a way to reach what only the inside can reach. The decision is
//! made on the address that is about to be connected to, never on a name, so a name that
//! resolves to something else the second time gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;

use crate::allow::{AllowTarget, covers};

/// The target policy: what [`Target::parse`](super::Target::parse) and every connect ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Exceptions.
    pub allow: Vec<AllowTarget>,
}

/// Why an address is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyError {
    /// The address lies in a refused range.
    #[error(
        "{address} is {range}, where targets may not be; if it is meant, allow {address}:{port} as a target"
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
}

/// Ports that need no exception.
const PORTS: [u16; 2] = [80, 443];

type Range4 = ([u8; 4], u8, &'static str);
type Range6 = ([u16; 8], u8, &'static str);

/// Refused IPv4 ranges: IANA's special-purpose registry and the clouds' metadata addresses.
const REFUSED_V4: [Range4; 17] = [
    ([0, 0, 0, 0], 8, "an address of this host (0.0.0.0/8)"),
    ([10, 0, 0, 0], 8, "a private address (10.0.0.0/8)"),
    (
        [100, 64, 0, 0],
        10,
        "an address behind carrier-grade NAT (100.64.0.0/10)",
    ),
    ([127, 0, 0, 0], 8, "a loopback address (127.0.0.0/8)"),
    (
        [168, 63, 129, 16],
        32,
        "a cloud's metadata address (168.63.129.16)",
    ),
    (
        [169, 254, 0, 0],
        16,
        "a link-local or metadata address (169.254.0.0/16)",
    ),
    ([172, 16, 0, 0], 12, "a private address (172.16.0.0/12)"),
    (
        [192, 0, 0, 0],
        24,
        "an address for protocols (192.0.0.0/24)",
    ),
    (
        [192, 0, 2, 0],
        24,
        "an address for documentation (192.0.2.0/24)",
    ),
    (
        [192, 31, 196, 0],
        24,
        "an anycast service address (192.31.196.0/24)",
    ),
    (
        [192, 88, 99, 0],
        24,
        "a 6to4 relay address (192.88.99.0/24)",
    ),
    ([192, 168, 0, 0], 16, "a private address (192.168.0.0/16)"),
    (
        [198, 18, 0, 0],
        15,
        "an address for benchmarks (198.18.0.0/15)",
    ),
    (
        [198, 51, 100, 0],
        24,
        "an address for documentation (198.51.100.0/24)",
    ),
    (
        [203, 0, 113, 0],
        24,
        "an address for documentation (203.0.113.0/24)",
    ),
    ([224, 0, 0, 0], 4, "a multicast address (224.0.0.0/4)"),
    (
        [240, 0, 0, 0],
        4,
        "a reserved or broadcast address (240.0.0.0/4)",
    ),
];

/// Refused IPv6 ranges; beyond them, whatever is not global unicast (2000::/3).
const REFUSED_V6: [Range6; 14] = [
    (
        [0, 0, 0, 0, 0, 0, 0, 0],
        128,
        "the unspecified address (::)",
    ),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, "the loopback address (::1)"),
    (
        [0, 0, 0, 0, 0, 0, 0, 0],
        96,
        "an IPv4-compatible address (::/96)",
    ),
    (
        [0x64, 0xff9b, 1, 0, 0, 0, 0, 0],
        48,
        "a local translation address (64:ff9b:1::/48)",
    ),
    (
        [0x100, 0, 0, 0, 0, 0, 0, 0],
        64,
        "a discard address (100::/64)",
    ),
    (
        [0x2001, 0, 0, 0, 0, 0, 0, 0],
        32,
        "a Teredo address (2001::/32)",
    ),
    (
        [0x2001, 0, 0, 0, 0, 0, 0, 0],
        23,
        "an address for protocols (2001::/23)",
    ),
    (
        [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0],
        32,
        "an address for documentation (2001:db8::/32)",
    ),
    (
        [0x2002, 0, 0, 0, 0, 0, 0, 0],
        16,
        "a 6to4 address (2002::/16)",
    ),
    (
        [0x3fff, 0, 0, 0, 0, 0, 0, 0],
        20,
        "an address for documentation (3fff::/20)",
    ),
    (
        [0xfc00, 0, 0, 0, 0, 0, 0, 0],
        7,
        "a private or metadata address (fc00::/7)",
    ),
    (
        [0xfe80, 0, 0, 0, 0, 0, 0, 0],
        10,
        "a link-local address (fe80::/10)",
    ),
    (
        [0xfec0, 0, 0, 0, 0, 0, 0, 0],
        10,
        "a site-local address (fec0::/10)",
    ),
    (
        [0xff00, 0, 0, 0, 0, 0, 0, 0],
        8,
        "a multicast address (ff00::/8)",
    ),
];

impl Policy {
    /// Checks a resolved address: called for each one at connect time.
    pub fn check(&self, addr: SocketAddr) -> Result<(), PolicyError> {
        let (address, port) = (addr.ip().to_canonical(), addr.port());
        if self.allow.iter().any(|a| a.contains(address, port)) {
            return Ok(());
        }
        if let Some(range) = refused(address) {
            return Err(PolicyError::Range {
                address,
                port,
                range,
            });
        }
        if PORTS.contains(&port) {
            Ok(())
        } else {
            Err(PolicyError::Port(port))
        }
    }

    /// Checks a port before the address is known: refuses what no address could make good.
    pub fn check_port(&self, port: u16) -> Result<(), PolicyError> {
        let named = self.allow.iter().any(|a| a.port.is_none_or(|p| p == port));
        if named || PORTS.contains(&port) {
            Ok(())
        } else {
            Err(PolicyError::Port(port))
        }
    }
}

/// The refused range that an address lies in. IPv4 inside IPv6 is judged as IPv4.
fn refused(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(_) => {
            let inside = |(net, prefix, _): &&Range4| {
                covers(IpAddr::V4(Ipv4Addr::from(*net)), *prefix, address)
            };
            REFUSED_V4.iter().find(inside).map(|r| r.2)
        }
        IpAddr::V6(v6) => {
            if let Some(v4) = translated(v6) {
                return refused(IpAddr::V4(v4));
            }
            let inside = |(net, prefix, _): &&Range6| {
                covers(IpAddr::V6(Ipv6Addr::from(*net)), *prefix, address)
            };
            let named = REFUSED_V6.iter().find(inside).map(|r| r.2);
            named.or((v6.segments()[0] & 0xe000 != 0x2000)
                .then_some("not a global unicast address (2000::/3)"))
        }
    }
}

/// The IPv4 address that a NAT64 of the well-known prefix connects to (64:ff9b::/96, RFC 6052):
/// how a host without IPv4 reaches targets that have only that.
fn translated(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = v6.segments();
    let [a, b] = s[6].to_be_bytes();
    let [c, d] = s[7].to_be_bytes();
    (s[..6] == [0x64, 0xff9b, 0, 0, 0, 0]).then(|| Ipv4Addr::new(a, b, c, d))
}
