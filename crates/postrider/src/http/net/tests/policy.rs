//! Which targets and addresses are refused, and what the allow-list lifts.

use std::net::SocketAddr;

use super::support::*;
use crate::http::{Client, Config, ErrorKind, Phase, Policy, PolicyError, Target, TargetError};

fn allow(list: &[&str]) -> Policy {
    Policy {
        allow: list.iter().map(|a| a.parse().unwrap()).collect(),
    }
}

#[track_caller]
fn refused(policy: &Policy, address: &str) {
    let addr: SocketAddr = address.parse().unwrap();
    assert!(
        matches!(policy.check(addr), Err(PolicyError::Range { .. })),
        "{address} passes"
    );
}

#[track_caller]
fn passes(policy: &Policy, address: &str) {
    assert_eq!(policy.check(address.parse().unwrap()), Ok(()), "{address}");
}

/// Row 23: first and last address of each range, and their neighbours outside.
#[test]
fn refused_ipv4_ranges_end_where_they_should() {
    let ranges = [
        ("0.0.0.0", "0.255.255.255"),
        ("10.0.0.0", "10.255.255.255"),
        ("100.64.0.0", "100.127.255.255"),
        ("127.0.0.0", "127.255.255.255"),
        ("168.63.129.16", "168.63.129.16"),
        ("169.254.0.0", "169.254.255.255"),
        ("172.16.0.0", "172.31.255.255"),
        ("192.0.0.0", "192.0.0.255"),
        ("192.0.2.0", "192.0.2.255"),
        ("192.31.196.0", "192.31.196.255"),
        ("192.88.99.0", "192.88.99.255"),
        ("192.168.0.0", "192.168.255.255"),
        ("198.18.0.0", "198.19.255.255"),
        ("198.51.100.0", "198.51.100.255"),
        ("203.0.113.0", "203.0.113.255"),
        ("224.0.0.0", "255.255.255.255"),
    ];
    let policy = Policy::default();
    for (first, last) in ranges {
        refused(&policy, &format!("{first}:80"));
        refused(&policy, &format!("{last}:443"));
    }
    for outside in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
    ] {
        passes(&policy, &format!("{outside}:443"));
    }
}

/// Row 23.
#[test]
fn refused_ipv6_ranges_end_where_they_should() {
    let policy = Policy::default();
    for inside in [
        "::",
        "::1",
        "::2",
        "::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "1fff:ffff::",
        "2001::1",
        "2001:1ff:ffff::",
        "2001:db8::1",
        "2001:db8:ffff::1",
        "2002:808:808::1",
        "3fff::1",
        "3fff:fff::1",
        "4000::",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fdff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "feff::1",
        "ff02::1",
        "ffff::1",
    ] {
        refused(&policy, &format!("[{inside}]:443"));
    }
    for outside in [
        "2000::1",
        "2001:200::1",
        "2001:db7::1",
        "2001:db9::1",
        "2003::1",
        "3ffe::1",
    ] {
        passes(&policy, &format!("[{outside}]:443"));
    }
}

/// Row 23.
#[test]
fn ipv4_inside_ipv6_is_judged_as_ipv4() {
    let policy = Policy::default();
    for (inside, outside) in [
        ("::ffff:10.0.0.1", "::ffff:8.8.8.8"),
        ("64:ff9b::a00:1", "64:ff9b::808:808"),
    ] {
        refused(&policy, &format!("[{inside}]:443"));
        passes(&policy, &format!("[{outside}]:443"));
    }
    refused(&policy, "[::ffff:169.254.169.254]:80");
    refused(&policy, "[64:ff9b::a9fe:a9fe]:80");
    passes(&allow(&["10.0.0.0/8"]), "[::ffff:10.0.0.1]:443");
}

#[test]
fn ports_are_80_and_443_unless_an_exception_names_them() {
    let policy = Policy::default();
    for port in [0, 22, 25, 79, 81, 442, 444, 8080, 65535] {
        let addr = SocketAddr::new("8.8.8.8".parse().unwrap(), port);
        assert_eq!(policy.check(addr), Err(PolicyError::Port(port)));
        assert_eq!(policy.check_port(port), Err(PolicyError::Port(port)));
    }
    let some = allow(&["8.8.8.0/24:8080"]);
    passes(&some, "8.8.8.8:8080");
    assert_eq!(some.check_port(8080), Ok(()));
    assert_eq!(some.check_port(8081), Err(PolicyError::Port(8081)));
    assert_eq!(
        some.check("8.8.9.8:8080".parse().unwrap()),
        Err(PolicyError::Port(8080))
    );
}

#[test]
fn an_exception_lifts_range_and_port_where_it_applies_and_nowhere_else() {
    let policy = allow(&["10.1.0.0/16", "127.0.0.1:8080", "[fd00::/8]:8443"]);
    passes(&policy, "10.1.2.3:25");
    refused(&policy, "10.2.0.1:80");
    passes(&policy, "127.0.0.1:8080");
    refused(&policy, "127.0.0.1:8081");
    refused(&policy, "127.0.0.1:80");
    refused(&policy, "127.0.0.2:8080");
    passes(&policy, "[fd12::1]:8443");
    refused(&policy, "[fd12::1]:443");
    passes(&allow(&["0.0.0.0/0"]), "127.0.0.1:9");
    passes(&allow(&["::/0"]), "[::1]:9");
    refused(&allow(&["0.0.0.0/0"]), "[::1]:9");
}

#[test]
fn targets_are_parsed_into_what_goes_on_the_wire() {
    let parse = |url| Target::parse(url, &allow(&["::1", "8.8.8.8:8080"])).unwrap();
    let target = parse("https://Hooks.Example.COM/a%20b/../c?d=e&f");
    assert_eq!(
        (target.is_https(), target.host(), target.port()),
        (true, "hooks.example.com", 443)
    );
    assert_eq!(
        (target.authority(), target.path()),
        ("hooks.example.com", "/c?d=e&f")
    );
    assert_eq!(parse("http://example.com").path(), "/");
    assert_eq!(parse("http://example.com:80/").authority(), "example.com");
    assert_eq!(parse("http://8.8.8.8:8080/").authority(), "8.8.8.8:8080");
    assert_eq!(parse("http://[::1]:8080/").authority(), "[::1]:8080");
    assert_eq!(parse("http://[::1]:8080/").host(), "::1");
    assert_eq!(
        parse("https://bücher.example/").host(),
        "xn--bcher-kva.example"
    );
}

#[test]
fn what_is_no_target_is_refused_with_the_reason() {
    let error = |url: &str| Target::parse(url, &Policy::default()).unwrap_err();
    let syntax = |url: &str| matches!(error(url), TargetError::Syntax(_));
    for url in [
        "",
        "example.com",
        "http://",
        "http://a b/",
        "http://a/\r\nHost: b",
        "http://a/\t",
        "http://[::1/",
    ] {
        assert!(syntax(url), "{url:?}: {:?}", error(url));
    }
    assert_eq!(
        error("ftp://example.com/"),
        TargetError::Scheme("ftp".into())
    );
    assert_eq!(error("https://user@example.com/"), TargetError::Credentials);
    assert_eq!(error("https://:pw@example.com/"), TargetError::Credentials);
    assert_eq!(error("https://example.com/#x"), TargetError::Fragment);
    assert_eq!(
        error(&format!("https://a/{}", "x".repeat(5000))),
        TargetError::TooLong
    );
    assert_eq!(
        error("http://example.com:8080/"),
        TargetError::Policy(PolicyError::Port(8080))
    );
}

/// Row 23: every spelling of an address is the address.
#[test]
fn addresses_in_disguise_are_refused() {
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0x7f.1",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:ffff:7f00:1]",
        "0",
        "0.0.0.0",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "１２７.0.0.1",
    ] {
        let parsed = Target::parse(&format!("http://{host}/"), &Policy::default());
        let refused = matches!(parsed, Err(TargetError::Policy(PolicyError::Range { .. })));
        assert!(refused, "{host}: {parsed:?}");
    }
}

/// Row 23: a target that was fine when it was parsed, and a name that resolves to the inside.
#[test]
fn the_resolved_address_is_checked_at_connect_time() {
    let receiver = Receiver::answering(OK);
    let port = receiver.addr.port();
    // The policy names the port, but another network.
    let policy = allow(&[&format!("10.0.0.0/8:{port}")]);
    let mut client = Client::new(Config {
        policy,
        ..Config::default()
    })
    .unwrap();
    for url in [format!("http://localhost:{port}/"), receiver.url()] {
        let error = error(exchange(&mut client, post(&url, body("x"))));
        assert_eq!(
            (error.phase, error.kind),
            (Phase::Connect, ErrorKind::Policy)
        );
        assert!(error.message.contains("loopback"), "{error}");
    }
    assert_eq!(client.connections(), 0);
}

#[test]
fn an_exception_lets_the_connection_through() {
    let receiver = Receiver::answering(OK);
    let policy = allow(&[&format!("127.0.0.0/8:{}", receiver.addr.port())]);
    let mut client = Client::new(Config {
        policy,
        ..Config::default()
    })
    .unwrap();
    assert_eq!(
        answer(exchange(&mut client, post(&receiver.url(), body("x")))).status,
        200
    );
}
