//! A network that targets may be in although it is refused by default.

use std::net::IpAddr;

/// `CIDR[:PORT]`, or `[CIDR]:PORT` for IPv6 with a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowTarget {
    /// The network's address.
    pub network: IpAddr,
    /// Its prefix length in bits.
    pub prefix: u8,
    /// The one port that is allowed; `None`: any.
    pub port: Option<u16>,
}

impl AllowTarget {
    /// Whether a connection to `address` and `port` is allowed by this entry. An IPv4 address mapped
    /// into IPv6 is judged as IPv4.
    pub fn contains(&self, address: IpAddr, port: u16) -> bool {
        let _ = (address, port);
        todo!()
    }
}
