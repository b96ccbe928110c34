//! TLS for receiver and yardstick: rustls, as in the engine, with a certificate made for the occasion.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use std::net::TcpStream;
use std::sync::Arc;

/// The receiver's side.
#[derive(Clone)]
pub struct Server {
    config: Arc<ServerConfig>,
    /// Its certificate, PEM: what a sender must trust.
    pub certificate: String,
}

impl Server {
    /// With a new certificate for 127.0.0.1.
    pub fn new() -> Server {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]);
        let made = made.expect("a certificate");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key);
        Server {
            config: Arc::new(config.expect("key and certificate fit")),
            certificate: made.cert.pem(),
        }
    }

    /// Speaks TLS on an accepted connection.
    pub fn accept(&self, stream: TcpStream) -> rustls::StreamOwned<ServerConnection, TcpStream> {
        let session =
            ServerConnection::new(self.config.clone()).expect("the configuration is whole");
        rustls::StreamOwned::new(session, stream)
    }
}

impl Default for Server {
    fn default() -> Self {
        Server::new()
    }
}

/// Speaks TLS on a connection to a receiver with this certificate, PEM.
pub fn connect(
    stream: TcpStream,
    certificate: &str,
) -> rustls::StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    let trusted = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
    roots.add(trusted).expect("a certificate");
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let session =
        ClientConnection::new(Arc::new(config), name).expect("the configuration is whole");
    rustls::StreamOwned::new(session, stream)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
