//! TLS by rustls: whom we trust, and what went wrong, in words.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::sign::SingleCertAndKey;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, PeerIncompatible,
    RootCertStore,
};
use rustls_pki_types::{CertificateDer, ServerName};

use super::{Config, HttpError, Identity, Target};

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

/// Set-ups kept at once, one per identity; beyond, all are made again as they are needed.
const MAX_SETUPS: usize = 1024;

/// Sessions that can be resumed with the identity that most targets share; eight for one name. A receiver decides how
/// large its tickets are, up to 64 KiB each.
const RESUMED: usize = 256;

/// The same, with an identity that targets have of their own: mostly one webhook's. Two names, so that a target and the one
/// it moves to are both remembered; there may be [`MAX_SETUPS`] identities, which makes 1 GiB of the largest tickets.
const RESUMED_AS_ITSELF: usize = 16;

/// Makes TLS sessions. The system's roots are read at the first one.
#[derive(Default)]
pub(super) struct Tls {
    roots: Option<Arc<RootCertStore>>,
    /// Presented where the target has no identity of its own.
    identity: Option<Identity>,
    setups: HashMap<Option<Identity>, Arc<ClientConfig>>,
}

impl Tls {
    /// Trusts the certificates of the CA file, or the system's.
    pub(super) fn new(config: &Config) -> io::Result<Tls> {
        let roots = match &config.ca_file {
            Some(path) => {
                let roots = read_roots(path).map_err(|e| unusable("CA file", path, &e))?;
                Some(Arc::new(roots))
            }
            None => None,
        };
        Ok(Tls {
            roots,
            identity: own_identity(config)?,
            setups: HashMap::new(),
        })
    }

    /// Starts a session with a target.
    pub(super) fn session(&mut self, target: &Target) -> Result<Box<ClientConnection>, HttpError> {
        let setup = self.setup(target.identity()).map_err(HttpError::no_tls)?;
        let name = match target.address() {
            Some(address) => ServerName::from(address),
            None => ServerName::try_from(target.host().to_owned()).map_err(|e| {
                HttpError::no_tls(format!("{:?} is no server name: {e}", target.host()))
            })?,
        };
        let mut session =
            ClientConnection::new(setup, name).map_err(|e| HttpError::tls(target, &e))?;
        session.set_buffer_limit(Some(BUFFERED));
        Ok(Box::new(session))
    }

    /// The set-up for an identity. Each has sessions of its own to resume: a resumed session speaks
    /// for the certificate that it was begun with.
    fn setup(&mut self, identity: Option<&Identity>) -> Result<Arc<ClientConfig>, String> {
        let sessions = match identity {
            None => RESUMED,
            Some(_) => RESUMED_AS_ITSELF,
        };
        let identity = identity.or(self.identity.as_ref()).cloned();
        if let Some(setup) = self.setups.get(&identity) {
            return Ok(Arc::clone(setup));
        }
        let roots = match &self.roots {
            Some(roots) => Arc::clone(roots),
            None => Arc::clone(self.roots.insert(Arc::new(system_roots()?))),
        };
        let setup =
            Arc::new(client_config(roots, identity.as_ref(), sessions).map_err(|e| e.to_string())?);
        if self.setups.len() >= MAX_SETUPS {
            self.setups.clear();
        }
        self.setups.insert(identity, Arc::clone(&setup));
        Ok(setup)
    }
}

/// The identity that the configuration names; its key may be in the same file.
fn own_identity(config: &Config) -> io::Result<Option<Identity>> {
    let Some(path) = &config.certificate_file else {
        return Ok(None);
    };
    let what = "client certificate file";
    let certificates = std::fs::read(path).map_err(|e| unusable(what, path, &e))?;
    let key_path = config.key_file.as_ref().unwrap_or(path);
    let key = std::fs::read(key_path).map_err(|e| unusable("client key file", key_path, &e))?;
    let identity = Identity::from_pem(&certificates, &key);
    identity
        .map(Some)
        .map_err(|e| unusable(what, path, &e.into()))
}

fn unusable(what: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("cannot use {what} {}: {error}", path.display()),
    )
}

fn client_config(
    roots: Arc<RootCertStore>,
    identity: Option<&Identity>,
    sessions: usize,
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let presented = SingleCertAndKey::from(Arc::clone(identity.certified()));
            builder.with_client_cert_resolver(Arc::new(presented))
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::in_memory_sessions(sessions);
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
        E::AlertReceived(alert) => alert_received(*alert, host),
        E::InvalidMessage(_) => (
            "EPROTO",
            format!("{host} does not speak TLS on port {}", target.port()),
        ),
        E::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => (
            "ERR_SSL_UNSUPPORTED_PROTOCOL",
            format!("{host} offers neither TLS 1.2 nor TLS 1.3"),
        ),
        E::PeerIncompatible(why) => (
            "EPROTO",
            format!("{host} and this client share no TLS parameters: {why:?}"),
        ),
        E::NoCertificatesPresented => ("EPROTO", format!("{host} presented no certificate")),
        other => ("EPROTO", format!("TLS with {host} failed: {other}")),
    }
}

/// What a receiver tells us by ending TLS. Under TLS 1.3 it says what it thinks of our certificate
/// only behind the handshake.
fn alert_received(alert: AlertDescription, host: &str) -> (&'static str, String) {
    use AlertDescription as A;
    let ours = |what: &str| format!("{host} refused our client certificate: {what}");
    match alert {
        A::CertificateRequired => (
            "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
            format!("{host} asks for a client certificate, and this webhook has none"),
        ),
        A::BadCertificate => ("ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE", ours("it is bad")),
        A::UnknownCA => (
            "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA",
            ours("it does not know the issuer"),
        ),
        A::CertificateExpired => (
            "ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED",
            ours("it has expired"),
        ),
        A::CertificateRevoked => (
            "ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED",
            ours("it is revoked"),
        ),
        A::CertificateUnknown => (
            "ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN",
            ours("it gives no reason"),
        ),
        A::UnsupportedCertificate => (
            "ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
            ours("it is of a kind that is not supported"),
        ),
        A::AccessDenied => (
            "ERR_SSL_TLSV1_ALERT_ACCESS_DENIED",
            ours("it may not enter"),
        ),
        A::ProtocolVersion => (
            "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
            format!("{host} offers neither TLS 1.2 nor TLS 1.3"),
        ),
        A::UnrecognisedName => (
            "ERR_SSL_TLSV1_UNRECOGNIZED_NAME",
            format!("{host} has no certificate for that name"),
        ),
        A::HandshakeFailure => (
            "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE",
            format!(
                "{host} refused the TLS handshake: no parameters in common, or it asks for a client certificate"
            ),
        ),
        other => (
            "EPROTO",
            format!("{host} ended TLS with the alert {other:?}"),
        ),
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
