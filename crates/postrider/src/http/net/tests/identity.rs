//! Client certificates: who is who, and what receivers say about it.

use std::io::Write;
use std::sync::{Arc, mpsc};

use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

use super::support::*;
use super::tls::{Ca, https, polite, telling_handshakes, tls_receiver};
use crate::http::{
    Client, Config, ErrorKind, HttpError, Identity, IdentityError, Phase, Request, Target,
};

fn identity(ca: &Ca) -> Identity {
    let (certificate, key) = ca.client_certificate();
    Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap()
}

fn post_as(url: &str, identity: &Identity) -> Request {
    let target = Target::parse(url, &loopback()).unwrap();
    Request {
        target: Arc::new(target.with_identity(identity.clone())),
        ..post(url, body("x"))
    }
}

#[test]
fn a_client_certificate_is_presented_to_a_receiver_that_asks() {
    let ca = Ca::new();
    for version in [&TLS12, &TLS13] {
        let (sender, seen) = mpsc::channel();
        let receiver = tls_receiver(Arc::new(ca.asking_server(version)), move |mut stream| {
            while read_request(&mut stream).is_some() {
                let chain = stream.get_ref().conn.peer_certificates().unwrap();
                sender.send(chain[0].to_vec()).unwrap();
                stream.get_mut().write_all(OK.as_bytes()).unwrap();
            }
        });
        let mut client = ca.client();
        let (one, two) = (identity(&ca), identity(&ca));
        let mut presented = Vec::new();
        for (who, reused) in [(&one, false), (&two, false), (&one, true)] {
            let done = exchange(&mut client, post_as(&https(&receiver), who));
            assert_eq!(done.reused, reused, "a connection speaks for one identity");
            assert_eq!(answer(done).status, 200);
            presented.push(seen.recv().unwrap());
        }
        assert_eq!(presented[0], presented[2]);
        assert_ne!(presented[0], presented[1]);
    }
}

/// A session is resumed for the identity that it was begun with, and no other.
#[test]
fn identities_share_no_tls_sessions() {
    let ca = Ca::new();
    let (sender, seen) = mpsc::channel();
    let receiver = tls_receiver(Arc::new(ca.asking_server(&TLS13)), move |mut stream| {
        if read_request(&mut stream).is_some() {
            let chain = stream.get_ref().conn.peer_certificates().unwrap();
            sender.send(chain[0].to_vec()).unwrap();
            let closing = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.get_mut().write_all(closing).unwrap();
        }
    });
    let mut client = ca.client();
    let (one, two) = (identity(&ca), identity(&ca));
    let presented: Vec<_> = [&one, &two, &one]
        .map(|who| {
            answer(exchange(&mut client, post_as(&https(&receiver), who)));
            seen.recv().unwrap()
        })
        .into();
    assert_eq!(presented[0], presented[2]);
    assert_ne!(presented[0], presented[1]);
}

/// Receivers decide how large a session's ticket is, and there may be a thousand identities.
#[test]
fn an_identitys_sessions_are_kept_for_two_receivers_and_resumed_for_no_other_identity() {
    let ca = Ca::new();
    for version in [&TLS12, &TLS13] {
        let all: [_; 3] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
            .map(|address| telling_handshakes(&ca, address, version));
        let mut client = ca.client();
        let (one, two) = (identity(&ca), identity(&ca));
        let mut handshake = |receiver: usize, who: &Identity| {
            let (receiver, kinds) = &all[receiver];
            answer(exchange(&mut client, post_as(&https(receiver), who)));
            poll_until(&mut client, &mut Vec::new(), |client, _| {
                client.connections() == 0
            });
            kinds.recv().unwrap()
        };
        for receiver in 0..3 {
            assert_eq!(handshake(receiver, &one), HandshakeKind::Full);
        }
        assert_eq!(handshake(2, &two), HandshakeKind::Full);
        // Of three, the last two are remembered.
        assert_eq!(handshake(2, &one), HandshakeKind::Resumed);
        assert_eq!(handshake(1, &one), HandshakeKind::Resumed);
        assert_eq!(handshake(0, &one), HandshakeKind::Full);
        assert_eq!(handshake(2, &two), HandshakeKind::Resumed);
    }
}

#[test]
fn the_configured_certificate_is_presented_where_the_target_has_none() {
    let ca = Ca::new();
    let receiver = tls_receiver(Arc::new(ca.asking_server(&TLS13)), polite);
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = ca.client_certificate();
    let [both, alone, key_file] = ["both.pem", "alone.pem", "key.pem"].map(|f| dir.path().join(f));
    std::fs::write(&both, format!("{key}{certificate}")).unwrap();
    std::fs::write(&alone, certificate).unwrap();
    std::fs::write(&key_file, key).unwrap();
    for (certificate_file, key_file) in [(both, None), (alone.clone(), Some(key_file))] {
        let mut client = Client::new(Config {
            ca_file: Some(ca.file().to_owned()),
            certificate_file: Some(certificate_file),
            key_file,
            ..config()
        })
        .unwrap();
        let done = exchange(&mut client, post(&https(&receiver), body("x")));
        assert_eq!(answer(done).status, 200);
    }
    let error = Client::new(Config {
        certificate_file: Some(alone.clone()),
        ..config()
    })
    .unwrap_err()
    .to_string();
    assert!(
        error.contains("alone.pem") && error.contains("no private key"),
        "{error}"
    );
}

fn refusal(ca: &Ca, request: impl Fn(&str) -> Request) -> [HttpError; 2] {
    [&TLS12, &TLS13].map(|version| {
        let receiver = tls_receiver(Arc::new(ca.asking_server(version)), polite);
        let error = error(exchange(&mut ca.client(), request(&https(&receiver))));
        assert_eq!(
            (error.phase, error.kind),
            (Phase::Tls, ErrorKind::Tls),
            "{error}"
        );
        error
    })
}

#[test]
fn a_receiver_that_wants_a_certificate_and_gets_none_is_named() {
    for error in refusal(&Ca::new(), |url| post(url, body("x"))) {
        assert!(
            error.message.contains("asks for a client certificate"),
            "{error}"
        );
    }
}

#[test]
fn a_certificate_of_another_authority_is_refused_by_name() {
    let stranger = identity(&Ca::new());
    for error in refusal(&Ca::new(), |url| post_as(url, &stranger)) {
        assert!(
            error.message.contains("refused our client certificate"),
            "{error}"
        );
        assert!(error.node_code.starts_with("ERR_SSL_"), "{error}");
    }
}

#[test]
fn what_is_no_identity_says_why() {
    let (certificate, key) = Ca::new().client_certificate();
    let (_, other) = Ca::new().client_certificate();
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let broken = certificate.replace("BEGIN CERTIFICATE-----\n", "BEGIN CERTIFICATE-----\n!");
    use IdentityError as E;
    for (certificate, key, why) in [
        ("", key.as_str(), E::NoCertificate),
        (&broken, &key, E::NoCertificate),
        (&certificate, "", E::NoKey),
        (&certificate, &certificate, E::NoKey),
        (&certificate, &encrypted, E::EncryptedKey),
        (&certificate, &other, E::Mismatch),
    ] {
        let error = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap_err();
        assert_eq!(error, why);
        assert!(!error.to_string().contains(key) || key.is_empty());
    }
}

#[test]
fn an_identity_is_the_same_if_its_certificate_and_key_are_and_shows_neither() {
    let (certificate, key) = Ca::new().client_certificate();
    let read = || Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    assert_eq!(read(), read());
    assert_ne!(read(), identity(&Ca::new()));
    assert_eq!(format!("{:?}", read()), "Identity(chain of 1)");
}
