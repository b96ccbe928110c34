//! Every refused range, a test each: its first and last address are refused and named, its
//! neighbours outside pass unless another range has them.

use std::net::{IpAddr, SocketAddr};

use crate::http::{Policy, PolicyError};

/// The words for the range that refuses an address under the default policy.
fn range_of(address: &str) -> Option<&'static str> {
    let address: IpAddr = address.parse().unwrap();
    match Policy::default().check(SocketAddr::new(address, 443)) {
        Ok(()) => None,
        Err(PolicyError::Range { range, .. }) => Some(range),
        Err(other) => panic!("{address}: {other}"),
    }
}

#[track_caller]
fn holds(words: &str, inside: [&str; 2], outside: &[&str]) {
    for address in inside {
        let range = range_of(address).unwrap_or_else(|| panic!("{address} passes"));
        assert!(range.contains(words), "{address} is {range}");
    }
    for address in outside {
        assert_eq!(range_of(address), None, "{address}");
    }
}

macro_rules! ranges {
    ($($name:ident: $words:literal, $first:literal..=$last:literal, outside $outside:tt;)*) => {$(
        #[test]
        fn $name() {
            holds($words, [$first, $last], &$outside);
        }
    )*};
}

ranges! {
    this_host: "this host", "0.0.0.0"..="0.255.255.255", outside ["1.0.0.0"];
    private_10: "private", "10.0.0.0"..="10.255.255.255", outside ["9.255.255.255", "11.0.0.0"];
    carrier_grade_nat: "carrier-grade NAT", "100.64.0.0"..="100.127.255.255", outside ["100.63.255.255", "100.128.0.0"];
    loopback: "loopback", "127.0.0.0"..="127.255.255.255", outside ["126.255.255.255", "128.0.0.0"];
    metadata_168: "metadata", "168.63.129.16"..="168.63.129.16", outside ["168.63.129.15", "168.63.129.17"];
    link_local_and_metadata: "link-local or metadata", "169.254.0.0"..="169.254.255.255", outside ["169.253.255.255", "169.255.0.0"];
    private_172: "private", "172.16.0.0"..="172.31.255.255", outside ["172.15.255.255", "172.32.0.0"];
    protocols: "protocols", "192.0.0.0"..="192.0.0.255", outside ["191.255.255.255", "192.0.1.0"];
    documentation_192: "documentation", "192.0.2.0"..="192.0.2.255", outside ["192.0.1.255", "192.0.3.0"];
    anycast_service: "anycast", "192.31.196.0"..="192.31.196.255", outside ["192.31.195.255", "192.31.197.0"];
    relay_6to4: "6to4 relay", "192.88.99.0"..="192.88.99.255", outside ["192.88.98.255", "192.88.100.0"];
    private_192: "private", "192.168.0.0"..="192.168.255.255", outside ["192.167.255.255", "192.169.0.0"];
    benchmarks: "benchmarks", "198.18.0.0"..="198.19.255.255", outside ["198.17.255.255", "198.20.0.0"];
    documentation_198: "documentation", "198.51.100.0"..="198.51.100.255", outside ["198.51.99.255", "198.51.101.0"];
    documentation_203: "documentation", "203.0.113.0"..="203.0.113.255", outside ["203.0.112.255", "203.0.114.0"];
    multicast: "multicast", "224.0.0.0"..="239.255.255.255", outside ["223.255.255.255"];
    reserved_and_broadcast: "reserved or broadcast", "240.0.0.0"..="255.255.255.255", outside [];

    unspecified_v6: "unspecified", "::"..="::", outside [];
    loopback_v6: "loopback", "::1"..="::1", outside [];
    ipv4_compatible: "IPv4-compatible", "::2"..="::ffff:ffff", outside [];
    local_translation: "local translation", "64:ff9b:1::"..="64:ff9b:1:ffff:ffff:ffff:ffff:ffff", outside [];
    discard: "discard", "100::"..="100::ffff:ffff:ffff:ffff", outside [];
    teredo: "Teredo", "2001::"..="2001:0:ffff:ffff:ffff:ffff:ffff:ffff", outside ["2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff"];
    protocols_v6: "protocols", "2001:1::"..="2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", outside ["2001:200::"];
    documentation_v6: "documentation", "2001:db8::"..="2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", outside ["2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"];
    sixtofour: "6to4", "2002::"..="2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", outside ["2003::"];
    documentation_3fff: "documentation", "3fff::"..="3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", outside ["3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"];
    private_v6: "private or metadata", "fc00::"..="fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", outside [];
    link_local_v6: "link-local", "fe80::"..="febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", outside [];
    site_local_v6: "site-local", "fec0::"..="feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", outside [];
    multicast_v6: "multicast", "ff00::"..="ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", outside [];
    below_global_unicast: "not a global unicast", "200::"..="1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", outside ["2000::"];
    above_global_unicast: "not a global unicast", "4000::"..="fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", outside [];

    mapped_loopback: "loopback", "::ffff:127.0.0.0"..="::ffff:127.255.255.255", outside ["::ffff:126.255.255.255", "::ffff:128.0.0.0"];
    mapped_metadata: "metadata", "::ffff:169.254.169.254"..="::ffff:a9fe:a9fe", outside ["::ffff:8.8.8.8"];
    translated_private: "private", "64:ff9b::10.0.0.0"..="64:ff9b::10.255.255.255", outside ["64:ff9b::9.255.255.255", "64:ff9b::11.0.0.0"];
}
