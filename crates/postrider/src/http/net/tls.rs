//! TLS by rustls: whom we trust, and what went wrong, in words.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};

use super::{HttpError, Target};

/// Where distributions keep the system's roots: Debian and Alpine, Fedora, SUSE, others. A fixed
/// list, because reading SSL_CERT_FILE would read the host's environment, which it may be
/// changing in another thread.
const SYSTEM_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Ciphertext that rustls may hold for a connection that is not taking any: some records for one
/// `sendmsg`, not a whole body.
const BUFFERED: usize = 256 * 1024;

/// Makes TLS sessions. The system's roots are read at the first one.
#[derive(Default)]
pub(super) struct Tls {
    config: Option<Arc<ClientConfig>>,
}

impl Tls {
    /// Trusts the certificates of a PEM file, or the system's.
    pub(super) fn new(ca_file: Option<&Path>) -> io::Result<Tls> {
        let Some(path) = ca_file else {
            return Ok(Tls::default());
        };
        let roots = read_roots(path).map_err(|e| {
            io::Error::new(
                e.kind(),
                format!("cannot use CA file {}: {e}", path.display()),
            )
        })?;
        Ok(Tls {
            config: Some(Arc::new(client_config(roots)?)),
        })
    }

    /// Starts a session with a target.
    pub(super) fn session(&mut self, target: &Target) -> Result<Box<ClientConnection>, HttpError> {
        let config = match &self.config {
            Some(config) => Arc::clone(config),
            None => {
                let roots = system_roots().map_err(HttpError::no_tls)?;
                let config = client_config(roots).map_err(|e| HttpError::no_tls(e.to_string()))?;
                Arc::clone(self.config.insert(Arc::new(config)))
            }
        };
        let name = match target.address() {
            Some(address) => ServerName::from(address),
            None => ServerName::try_from(target.host().to_owned()).map_err(|e| {
                HttpError::no_tls(format!("{:?} is no server name: {e}", target.host()))
            })?,
        };
        let mut session =
            ClientConnection::new(config, name).map_err(|e| HttpError::tls(target, &e))?;
        session.set_buffer_limit(Some(BUFFERED));
        Ok(Box::new(session))
    }
}

fn client_config(roots: RootCertStore) -> io::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::in_memory_sessions(256);
    Ok(config)
}

fn system_roots() -> Result<RootCertStore, String> {
    let Some(path) = SYSTEM_ROOTS.iter().map(Path::new).find(|p| p.exists()) else {
        return Err(
            "the system has no CA certificates: install ca-certificates, or name a CA file"
                .to_owned(),
        );
    };
    read_roots(path).map_err(|e| format!("cannot use {}: {e}", path.display()))
}

fn read_roots(path: &Path) -> io::Result<RootCertStore> {
    use rustls_pki_types::pem::PemObject;
    let pem = std::fs::read(path)?;
    let mut roots = RootCertStore::empty();
    // A certificate that can't be read is left out: bundles hold odd ones.
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok));
    if roots.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "no PEM certificate in it",
        ));
    }
    Ok(roots)
}

/// OpenSSL's or Node's name for a TLS failure, and what it means for the target's owner or ours.
pub(super) fn explain(error: &rustls::Error, target: &Target) -> (&'static str, String) {
    use rustls::Error as E;
    let host = target.host();
    match error {
        E::InvalidCertificate(why) => certificate_failure(why, host),
        E::AlertReceived(alert) => (
            "EPROTO",
            format!("{host} refused the TLS handshake: alert {alert:?}"),
        ),
        E::InvalidMessage(_) => (
            "EPROTO",
            format!("{host} does not speak TLS on port {}", target.port()),
        ),
        E::PeerIncompatible(why) => (
            "EPROTO",
            format!("{host} and this client share no TLS parameters: {why:?}"),
        ),
        E::NoCertificatesPresented => ("EPROTO", format!("{host} presented no certificate")),
        other => ("EPROTO", format!("TLS with {host} failed: {other}")),
    }
}

fn certificate_failure(why: &CertificateError, host: &str) -> (&'static str, String) {
    use CertificateError as C;
    match why {
        C::Expired | C::ExpiredContext { .. } => (
            "CERT_HAS_EXPIRED",
            format!("the certificate of {host} has expired"),
        ),
        C::NotValidYet | C::NotValidYetContext { .. } => (
            "CERT_NOT_YET_VALID",
            format!("the certificate of {host} is not valid yet; is this machine's clock right?"),
        ),
        C::NotValidForName => (
            "ERR_TLS_CERT_ALTNAME_INVALID",
            format!("the certificate of {host} is for another name"),
        ),
        C::NotValidForNameContext { presented, .. } => {
            let names = if presented.is_empty() {
                "no name".into()
            } else {
                presented.join(", ")
            };
            (
                "ERR_TLS_CERT_ALTNAME_INVALID",
                format!("the certificate of {host} is for another name: {names}"),
            )
        }
        C::UnknownIssuer => (
            "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
            format!(
                "the issuer of the certificate of {host} is unknown: the receiver must send its \
                 intermediate certificates, or its CA must be named as CA file"
            ),
        ),
        C::Revoked => (
            "CERT_REVOKED",
            format!("the certificate of {host} is revoked"),
        ),
        C::BadSignature => (
            "CERT_SIGNATURE_FAILURE",
            format!("the certificate of {host} has a wrong signature"),
        ),
        C::InvalidPurpose | C::InvalidPurposeContext { .. } => (
            "INVALID_PURPOSE",
            format!("the certificate of {host} is not one for servers"),
        ),
        other => (
            "CERT_REJECTED",
            format!("the certificate of {host} is refused: {other}"),
        ),
    }
}
