//! TLS with certificates made on the spot: good, unknown, for another name, expired.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::crypto::cipher::{OutboundChunks, OutboundPlainMessage};
use rustls::server::{WantsServerCert, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ConfigBuilder, ConnectionTrafficSecrets, ContentType, HandshakeKind, ProtocolVersion,
    RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedCipherSuite,
    SupportedProtocolVersion, WantsVerifier,
};
use rustls_pki_types::PrivateKeyDer;

use super::support::*;
use crate::http::net::client::LATER_PER_TURN;
use crate::http::{BodyEnd, Client, Config, ErrorKind, NoReuse, Phase, Reuse};
use crate::time::SystemClock;

/// A certificate authority, its certificate in a file.
pub(super) struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: tempfile::TempDir,
}

impl Ca {
    pub(super) fn new() -> Ca {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // A name of its own: one that is trusted under the same name would be its issuer.
        let dir = tempfile::tempdir().unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, dir.path().to_str().unwrap());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
        Ca { issuer, dir }
    }

    pub(super) fn file(&self) -> &Path {
        Box::leak(self.dir.path().join("ca.pem").into_boxed_path())
    }

    /// A client that trusts this authority alone.
    pub(super) fn client(&self) -> Client {
        Client::new(Config {
            ca_file: Some(self.file().to_owned()),
            ..config()
        })
        .unwrap()
    }

    /// A certificate for `name` and its key.
    fn issue(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A client certificate and its key as PEM text.
    pub(super) fn client_certificate(&self) -> (String, String) {
        let (certificate, key) = self.issue("sender", |_| {});
        (certificate.pem(), key.serialize_pem())
    }

    /// What a server for `name` presents.
    fn server(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Arc<ServerConfig> {
        let (certificate, key) = self.issue(name, change);
        let builder = builder(&[&TLS12, &TLS13]).with_no_client_auth();
        Arc::new(present(builder, &certificate, &key))
    }

    /// A server for 127.0.0.1 that speaks this version alone and asks for a client certificate of
    /// this authority.
    pub(super) fn asking_server(&self, version: &'static SupportedProtocolVersion) -> ServerConfig {
        let (certificate, key) = self.issue("127.0.0.1", |_| {});
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = builder(&[version]).with_client_cert_verifier(verifier.build().unwrap());
        present(builder, &certificate, &key)
    }
}

fn builder(
    versions: &[&'static SupportedProtocolVersion],
) -> ConfigBuilder<ServerConfig, WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
}

fn present(
    builder: ConfigBuilder<ServerConfig, WantsServerCert>,
    certificate: &Certificate,
    key: &KeyPair,
) -> ServerConfig {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    builder
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap()
}

pub(super) type Stream = BufReader<StreamOwned<ServerConnection, TcpStream>>;

pub(super) fn tls_receiver(
    config: Arc<ServerConfig>,
    serve: impl Fn(Stream) + Send + Sync + 'static,
) -> Receiver {
    Receiver::start(move |_, stream| {
        let session = ServerConnection::new(config.clone()).unwrap();
        serve(BufReader::new(StreamOwned::new(session, stream)));
    })
}

/// Answers every request.
pub(super) fn polite(mut stream: Stream) {
    while read_request(&mut stream).is_some() {
        stream.get_mut().write_all(OK.as_bytes()).unwrap();
    }
}

/// A receiver for 127.0.0.1 that answers every request.
pub(super) fn answering(ca: &Ca) -> Receiver {
    answering_for(ca, "127.0.0.1")
}

/// A receiver for this name that answers every request.
pub(super) fn answering_for(ca: &Ca, name: &str) -> Receiver {
    tls_receiver(ca.server(name, |_| {}), polite)
}

/// A receiver for 127.0.0.1 that reads the head and resets the connection.
pub(super) fn resetting(ca: &Ca) -> Receiver {
    tls_receiver(ca.server("127.0.0.1", |_| {}), |mut stream| {
        if read_head(&mut stream).is_some() {
            reset(stream.into_inner().sock);
        }
    })
}

pub(super) fn https(receiver: &Receiver) -> String {
    receiver.url().replace("http:", "https:")
}

#[test]
fn a_certificate_of_a_trusted_authority_is_accepted() {
    let ca = Ca::new();
    let receiver = answering(&ca);
    let mut client = ca.client();
    for round in 0..3 {
        let done = exchange(&mut client, post(&https(&receiver), body("x")));
        assert_eq!(done.reused, round > 0);
        let response = answer(done);
        assert_eq!((response.status, response.reuse), (200, Reuse::Yes));
    }
}

#[test]
fn a_name_is_checked_and_sent_to_the_server() {
    let ca = Ca::new();
    let receiver = tls_receiver(ca.server("localhost", |_| {}), |mut stream| {
        read_request(&mut stream).unwrap();
        assert_eq!(stream.get_ref().conn.server_name(), Some("localhost"));
        assert_eq!(stream.get_ref().conn.alpn_protocol(), None);
        stream.get_mut().write_all(OK.as_bytes()).unwrap();
    });
    let url = format!("https://localhost:{}/", receiver.addr.port());
    assert_eq!(
        answer(exchange(&mut ca.client(), post(&url, body("x")))).status,
        200
    );
}

#[test]
fn both_versions_of_tls_are_spoken_and_sessions_resumed() {
    let ca = Ca::new();
    for version in [&TLS12, &TLS13] {
        let (receiver, kinds) = telling_handshakes(&ca, "127.0.0.1", version);
        let mut client = ca.client();
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            answer(exchange(&mut client, post(&https(&receiver), body("x"))));
            assert_eq!(kinds.recv().unwrap(), kind, "{version:?}");
            poll_until(&mut client, &mut Vec::new(), |client, _| {
                client.connections() == 0
            });
        }
    }
}

/// A receiver at this address that answers one request a connection, and tells how each began.
pub(super) fn telling_handshakes(
    ca: &Ca,
    address: &str,
    version: &'static SupportedProtocolVersion,
) -> (Receiver, mpsc::Receiver<HandshakeKind>) {
    let (certificate, key) = ca.issue(address, |_| {});
    let builder = builder(&[version]).with_no_client_auth();
    let server = Arc::new(present(builder, &certificate, &key));
    let (sender, kinds) = mpsc::channel();
    let receiver = Receiver::start_on(&format!("{address}:0"), move |_, stream| {
        let session = ServerConnection::new(server.clone()).unwrap();
        let mut stream = BufReader::new(StreamOwned::new(session, stream));
        // The last connection is the one that ends the receiver.
        if read_request(&mut stream).is_none() {
            return;
        }
        stream.get_mut().write_all(OK.as_bytes()).unwrap();
        let session = &stream.get_ref().conn;
        assert_eq!(session.protocol_version(), Some(version.version));
        sender.send(session.handshake_kind().unwrap()).unwrap();
        stream.get_mut().conn.send_close_notify();
        stream.get_mut().flush().unwrap();
        drain(stream.into_inner().sock);
    });
    (receiver, kinds)
}

#[test]
fn a_large_body_goes_through_tls_whole() {
    let ca = Ca::new();
    let memory: Vec<u8> = (0..5_000_000u32).map(|i| (i ^ (i >> 7)) as u8).collect();
    let expected = memory.clone();
    let receiver = tls_receiver(ca.server("127.0.0.1", |_| {}), move |mut stream| {
        while let Some((_, body)) = read_request(&mut stream) {
            assert!(body == expected, "the body changed on its way");
            stream.get_mut().write_all(OK.as_bytes()).unwrap();
        }
    });
    let mut client = ca.client();
    for _ in 0..2 {
        let response = answer(exchange(
            &mut client,
            post(&https(&receiver), memory.clone()),
        ));
        assert_eq!(response.status, 200);
    }
}

/// A thousand receivers that answer a handshake in one moment must not hold up what goes over kept connections.
#[test]
fn handshakes_are_a_few_a_turn() {
    const ALL: usize = 4 * LATER_PER_TURN;
    let ca = Ca::new();
    let server = ca.server("127.0.0.1", |_| {});
    let hellos = Arc::new(Barrier::new(ALL));
    let (sender, sent) = mpsc::channel();
    let receiver = Receiver::start(move |_, mut stream| {
        let mut session = ServerConnection::new(server.clone()).unwrap();
        while !session.wants_write() {
            session.read_tls(&mut stream).unwrap();
            session.process_new_packets().unwrap();
        }
        hellos.wait();
        while session.wants_write() {
            session.write_tls(&mut stream).unwrap();
        }
        sender.send(()).unwrap();
        polite(BufReader::new(StreamOwned::new(session, stream)));
    });
    let mut client = Client::new(Config {
        ca_file: Some(ca.file().to_owned()),
        max_per_target: ALL,
        ..config()
    })
    .unwrap();
    for id in 0..ALL as u64 {
        client.start(id, post(&https(&receiver), body("x")), now());
    }
    let shaking = |client: &Client| {
        let all = (0..ALL as u64).filter_map(|id| client.phase_of(id));
        all.filter(|phase| *phase == Phase::Tls).count()
    };
    // All are in their handshake, and the servers' part of it has come, or some of it.
    let mut done = Vec::new();
    poll_until(&mut client, &mut done, |client, _| shaking(client) == ALL);
    for _ in 0..ALL {
        sent.recv().unwrap();
    }
    while shaking(&client) > 0 {
        let before = shaking(&client);
        client
            .poll(Some(Duration::from_secs(10)), &SystemClock, &mut done)
            .unwrap();
        assert!(before - shaking(&client) <= LATER_PER_TURN);
    }
    poll_until(&mut client, &mut done, |_, done| done.len() == ALL);
    done.into_iter()
        .for_each(|done| assert_eq!(answer(done).status, 200));
}

/// Makes records of TLS 1.3 that hold a session ticket each (RFC 8446 §4.6.1).
fn tickets(conn: ServerConnection) -> impl FnMut() -> Vec<u8> {
    let Some(SupportedCipherSuite::Tls13(suite)) = conn.negotiated_cipher_suite() else {
        panic!("not TLS 1.3");
    };
    let (mut seq, secrets) = conn.dangerous_extract_secrets().unwrap().tx;
    use ConnectionTrafficSecrets as S;
    let (S::Aes128Gcm { key, iv } | S::Aes256Gcm { key, iv } | S::Chacha20Poly1305 { key, iv }) =
        secrets
    else {
        panic!("an unknown cipher");
    };
    let mut encrypter = suite.aead_alg.encrypter(key, iv);
    // Type and length, lifetime and its mask, a nonce, the ticket, no extensions.
    let mut ticket = vec![4, 0, 0, 114, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 100];
    ticket.resize(ticket.len() + 100, b't');
    ticket.extend([0, 0]);
    move || {
        let message = OutboundPlainMessage {
            typ: ContentType::Handshake,
            version: ProtocolVersion::TLSv1_2,
            payload: OutboundChunks::Single(&ticket),
        };
        seq += 1;
        encrypter.encrypt(message, seq - 1).unwrap().encode()
    }
}

/// Tickets are no bytes of an answer: without a limit of their own they keep the loop for as long as they come. (Of
/// empty records and key updates rustls itself takes only so many.)
#[test]
fn tls_that_talks_only_to_itself_is_read_a_share_a_turn_and_given_up() {
    let ca = Ca::new();
    let (certificate, key) = ca.issue("127.0.0.1", |_| {});
    let mut server = present(builder(&[&TLS13]).with_no_client_auth(), &certificate, &key);
    server.enable_secret_extraction = true;
    let receiver = tls_receiver(Arc::new(server), |mut stream| {
        read_request(&mut stream).unwrap();
        let StreamOwned { conn, mut sock } = stream.into_inner();
        let mut ticket = tickets(conn);
        while sock.write_all(&ticket()).is_ok() {}
    });
    let mut client = ca.client();
    client.start(7, post(&https(&receiver), body("x")), now());
    let (mut done, mut turns) = (Vec::new(), 0);
    poll_until(&mut client, &mut done, |_, done| {
        turns += 1;
        !done.is_empty()
    });
    let error = error(done.remove(0));
    assert_eq!(error.kind, ErrorKind::Tls, "{error}");
    assert!(error.message.contains("messages of TLS itself"), "{error}");
    assert!(turns >= 8, "read in {turns} turns");
}

/// Asserts that the handshake with this server fails so.
#[track_caller]
fn fails(client: &mut Client, config: Arc<ServerConfig>, code: &str, words: &str) {
    let receiver = tls_receiver(config, polite);
    let error = error(exchange(client, post(&https(&receiver), body("x"))));
    assert_eq!(
        (error.phase, error.kind, error.node_code),
        (Phase::Tls, ErrorKind::Tls, code)
    );
    assert!(error.message.contains(words), "{error}");
    client.close_idle();
}

#[test]
fn an_unknown_issuer_is_named() {
    let (ca, other) = (Ca::new(), Ca::new());
    let server = other.server("127.0.0.1", |_| {});
    fails(
        &mut ca.client(),
        server,
        "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        "issuer",
    );
}

#[test]
fn a_certificate_for_another_name_is_named() {
    let ca = Ca::new();
    let server = ca.server("hooks.example.com", |_| {});
    fails(
        &mut ca.client(),
        server,
        "ERR_TLS_CERT_ALTNAME_INVALID",
        "hooks.example.com",
    );
}

#[test]
fn an_expired_certificate_is_named() {
    let ca = Ca::new();
    let server = ca.server("127.0.0.1", |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    fails(&mut ca.client(), server, "CERT_HAS_EXPIRED", "expired");
    let server = ca.server("127.0.0.1", |params| {
        params.not_before = date_time_ymd(4000, 1, 1);
    });
    fails(&mut ca.client(), server, "CERT_NOT_YET_VALID", "clock");
}

#[test]
fn a_server_without_tls_is_named() {
    let receiver = Receiver::start(|_, mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        drain(stream);
    });
    let error = error(exchange(
        &mut Ca::new().client(),
        post(&https(&receiver), body("x")),
    ));
    assert_eq!((error.kind, error.node_code), (ErrorKind::Tls, "EPROTO"));
    assert!(error.message.contains("does not speak TLS"), "{error}");
}

#[test]
fn a_connection_cut_during_the_handshake_is_closed() {
    let receiver = Receiver::start(|_, stream| drop(stream));
    let error = error(exchange(
        &mut Ca::new().client(),
        post(&https(&receiver), body("x")),
    ));
    assert_eq!((error.phase, error.kind), (Phase::Tls, ErrorKind::Closed));
}

/// Row 11: the end of TCP alone is no end of the body.
#[test]
fn a_body_until_close_is_truncated_without_close_notify() {
    let ca = Ca::new();
    for notify in [true, false] {
        let receiver = tls_receiver(ca.server("127.0.0.1", |_| {}), move |mut stream| {
            read_request(&mut stream).unwrap();
            stream
                .get_mut()
                .write_all(b"HTTP/1.1 200 OK\r\n\r\nsome")
                .unwrap();
            if notify {
                stream.get_mut().conn.send_close_notify();
            }
            stream.get_mut().flush().unwrap();
        });
        let response = answer(exchange(
            &mut ca.client(),
            post(&https(&receiver), body("x")),
        ));
        let (end, why) = match notify {
            true => (BodyEnd::Complete, NoReuse::UntilClose),
            false => (BodyEnd::Truncated, NoReuse::BodyCut),
        };
        assert_eq!((response.status, response.end), (200, end));
        assert_eq!(response.reuse, Reuse::No(why));
    }
}

#[test]
fn a_ca_file_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("empty.pem");
    for exists in [false, true] {
        if exists {
            std::fs::write(&path, "nothing").unwrap();
        }
        let error = Client::new(Config {
            ca_file: Some(path.clone()),
            ..config()
        })
        .unwrap_err();
        assert!(error.to_string().contains("empty.pem"), "{error}");
    }
}
