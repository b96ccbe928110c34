//! TLS for the listener: certificate and key from PEM files.

use crate::error::CliError;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// The listener's certificate.
pub(super) struct Tls {
    current: Arc<ServerConfig>,
}

/// Where certificate and key are; `None`: no TLS.
pub(super) fn files(cert: &str, key: &str) -> Result<Option<(PathBuf, PathBuf)>, CliError> {
    match (cert, key) {
        ("", "") => Ok(None),
        ("", _) | (_, "") => Err(CliError::Usage(
            "serve.tls_cert and serve.tls_key: one needs the other".to_owned(),
        )),
        (cert, key) => Ok(Some((cert.into(), key.into()))),
    }
}

impl Tls {
    pub(super) fn read(cert: &Path, key: &Path) -> Result<Tls, CliError> {
        Ok(Tls {
            current: server_config(cert, key)?,
        })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.clone())
    }
}

fn server_config(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, CliError> {
    let wrong = |key: &str, path: &Path, e: &dyn std::fmt::Display| {
        CliError::Usage(format!("{key} = {}: {e}", path.display()))
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|e| wrong("serve.tls_cert", cert, &e))?;
    if chain.is_empty() {
        return Err(wrong("serve.tls_cert", cert, &"no PEM certificate in it"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| wrong("serve.tls_key", key, &e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong("serve.tls_cert", cert, &e))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|e| wrong("serve.tls_key", key, &e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
