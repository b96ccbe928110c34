//! Which targets and addresses are refused, and what the allow-list lifts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::support::*;
use crate::http::{
    Client, Config, ErrorKind, Phase, Policy, PolicyError, Request, Target, TargetError,
};
use crate::time::{Clock, ManualClock};

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

/// What is short as it is given may be three times as long as it is sent.
#[test]
fn a_target_is_no_longer_as_it_is_sent_than_it_may_be_given() {
    let error = |url: &str| Target::parse(url, &Policy::default()).unwrap_err();
    assert_eq!(
        error(&format!("https://a/{}", "é".repeat(1000))),
        TargetError::TooLong
    );
    let labels = vec!["丁".repeat(15); 20].join(".");
    for host in [labels, vec!["a"; 128].join(".")] {
        let error = error(&format!("https://{host}/"));
        assert!(
            matches!(&error, TargetError::Syntax(why) if why.contains("253")),
            "{error}"
        );
    }
    let longest = vec!["a"; 127].join(".");
    Target::parse(&format!("https://{longest}/"), &Policy::default()).unwrap();
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

/// Row 23: a name is judged by what it resolves to each time, whatever it was before.
#[test]
fn a_name_that_moves_to_the_inside_is_refused_there() {
    let receiver = Receiver::answering(OK);
    let asked = AtomicUsize::new(0);
    let look_up = move |_: &str| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Ok(vec!["127.0.0.1".parse().unwrap()]),
        _ => Ok(vec!["169.254.169.254".parse().unwrap()]),
    };
    let mut client = Client::with_look_up(config(), Arc::new(look_up)).unwrap();
    let clock = ManualClock::new(0);
    let url = format!("http://hooks.test:{}/", receiver.addr.port());
    let send = |client: &mut Client| {
        let request = Request {
            deadline: clock.now().mono.after(Duration::from_secs(10)),
            ..post(&url, body("x"))
        };
        let mut done = Vec::new();
        client.start(1, request, clock.now().mono);
        while done.is_empty() {
            client
                .poll(Some(Duration::from_millis(10)), &clock, &mut done)
                .unwrap();
        }
        // Beyond what names are remembered for.
        clock.advance(Duration::from_secs(3600));
        done.pop().unwrap()
    };
    assert_eq!(answer(send(&mut client)).status, 200);
    let error = error(send(&mut client));
    assert_eq!(
        (error.phase, error.kind),
        (Phase::Connect, ErrorKind::Policy)
    );
    assert!(error.message.contains("169.254.0.0/16"), "{error}");
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
