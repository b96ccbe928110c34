//! Our HTTP client and nginx: keep-alive limits, bodies that are too large, certificates.

use std::fs;

use postrider::http::{BodyEnd, ErrorKind, Identity, NoReuse, Phase, Reuse};
use postrider_tests::cc::need_program;
use postrider_tests::certs::Ca;
use postrider_tests::poster::*;
use postrider_tests::server::{Server, nginx, shared_dir};
use tempfile::TempDir;

fn plain(http: &str) -> Server {
    nginx(http, "listen 127.0.0.1:@PORT@;", shared_dir())
}

#[test]
fn a_connection_is_left_after_as_many_requests_as_nginx_takes() {
    if !need_program("nginx") {
        return;
    }
    let server = plain("keepalive_requests 3;");
    let url = format!("http://127.0.0.1:{}/", server.port());
    let mut client = client();
    let reused: Vec<bool> = (0..7)
        .map(|_| {
            let done = exchange(&mut client, post(&url, 10));
            assert_eq!(done.result.expect("an answer").status, 200);
            done.reused
        })
        .collect();
    assert_eq!(reused, [false, true, true, false, true, true, false]);
    let counters = client.counters();
    assert_eq!(counters.not_reused[NoReuse::ServerAsked.index()], 2);
    assert_eq!((counters.opened, counters.retried), (3, 0));
}

#[test]
fn a_connection_that_nginx_closes_while_idle_is_not_used_again() {
    if !need_program("nginx") {
        return;
    }
    // In 1 s, below our own 4 s; the header with the time is left out.
    let server = plain("keepalive_timeout 1s;");
    let url = format!("http://127.0.0.1:{}/", server.port());
    let mut client = client();
    for _ in 0..2 {
        let done = exchange(&mut client, post(&url, 10));
        assert!(!done.reused);
        assert_eq!(done.result.expect("an answer").status, 200);
        wait_until_idle_ones_are_closed(&mut client);
    }
    let counters = client.counters();
    assert_eq!(counters.not_reused[NoReuse::IdleClosed.index()], 2);
    assert_eq!(counters.retried, 0);
}

#[test]
fn a_connection_is_closed_before_nginx_does_where_it_says_when() {
    if !need_program("nginx") {
        return;
    }
    let server = plain("keepalive_timeout 2s 2s;");
    let url = format!("http://127.0.0.1:{}/", server.port());
    let mut client = client();
    assert_eq!(answer(&mut client, post(&url, 10)).status, 200);
    wait_until_idle_ones_are_closed(&mut client);
    let not_reused = client.counters().not_reused;
    assert_eq!(not_reused[NoReuse::IdleAge.index()], 1);
}

#[test]
fn a_body_above_client_max_body_size_is_answered_413() {
    if !need_program("nginx") {
        return;
    }
    let server = plain("client_max_body_size 64k;");
    let url = format!("http://127.0.0.1:{}/", server.port());
    let mut client = client();
    for bytes in [100_000, 8_000_000] {
        let response = answer(&mut client, post(&url, bytes));
        assert_eq!((response.status, response.end), (413, BodyEnd::Complete));
        assert!(matches!(response.reuse, Reuse::No(_)), "{bytes}");
    }
    assert_eq!(answer(&mut client, post(&url, 10)).status, 200);
    assert_eq!(client.counters().retried, 0);
}

/// nginx with TLS and these lines, its certificate from `ca`.
fn tls(certificate: (String, String), lines: &str, dir: TempDir) -> Server {
    fs::write(dir.path().join("cert.pem"), certificate.0).expect("written");
    fs::write(dir.path().join("key.pem"), certificate.1).expect("written");
    let listen = "listen 127.0.0.1:@PORT@ ssl; ssl_certificate @DIR@/cert.pem;
                  ssl_certificate_key @DIR@/key.pem;";
    nginx("", &format!("{listen} {lines}"), dir)
}

#[test]
fn a_certificate_of_a_private_authority_is_trusted_under_both_versions_of_tls() {
    if !need_program("nginx") {
        return;
    }
    for version in ["TLSv1.2", "TLSv1.3"] {
        let dir = shared_dir();
        let ca = Ca::new(dir.path());
        let server = tls(
            ca.issue("127.0.0.1"),
            &format!("ssl_protocols {version};"),
            dir,
        );
        let mut client = client_trusting(&ca.file());
        let url = format!("https://127.0.0.1:{}/", server.port());
        for round in 0..3 {
            let done = exchange(&mut client, post(&url, 200_000));
            assert_eq!(done.reused, round > 0);
            assert_eq!(done.result.expect("an answer").status, 200, "{version}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_certificate_is_named() {
    if !need_program("nginx") {
        return;
    }
    for (which, code, words) in [
        ("expired", "CERT_HAS_EXPIRED", "has expired"),
        (
            "other name",
            "ERR_TLS_CERT_ALTNAME_INVALID",
            "hooks.example.com",
        ),
        ("stranger", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "issuer"),
        (
            "old",
            "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
            "neither TLS 1.2 nor TLS 1.3",
        ),
    ] {
        let (dir, elsewhere) = (shared_dir(), shared_dir());
        let ca = Ca::new(dir.path());
        let (certificate, lines) = match which {
            "expired" => (ca.issue_expired("127.0.0.1"), ""),
            "other name" => (ca.issue("hooks.example.com"), ""),
            "stranger" => (Ca::new(elsewhere.path()).issue("127.0.0.1"), ""),
            _ => (
                ca.issue("127.0.0.1"),
                "ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;",
            ),
        };
        let trusted = ca.file();
        let server = tls(certificate, lines, dir);
        let url = format!("https://127.0.0.1:{}/", server.port());
        let error = failure(&mut client_trusting(&trusted), post(&url, 10));
        assert_eq!(
            (error.phase, error.kind),
            (Phase::Tls, ErrorKind::Tls),
            "{error}"
        );
        assert_eq!(error.node_code, code, "{error}");
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn a_client_certificate_lets_us_in() {
    if !need_program("nginx") {
        return;
    }
    let (dir, elsewhere) = (shared_dir(), shared_dir());
    let (ca, stranger) = (Ca::new(dir.path()), Ca::new(elsewhere.path()));
    let trusted = ca.file();
    let lines = "ssl_client_certificate @DIR@/ca.pem; ssl_verify_client on;";
    let server = tls(ca.issue("127.0.0.1"), lines, dir);
    let url = format!("https://127.0.0.1:{}/", server.port());
    let identity = |(certificate, key): (String, String)| {
        Identity::from_pem(certificate.as_bytes(), key.as_bytes()).expect("an identity")
    };
    let mut client = client_trusting(&trusted);
    for (who, status) in [
        (Some(identity(ca.issue("sender"))), 200),
        // nginx completes the handshake and says no by HTTP.
        (None, 400),
        (Some(identity(stranger.issue("sender"))), 400),
    ] {
        let response = answer(&mut client, post_as(&url, 10, who));
        assert_eq!(response.status, status);
    }
}
