//! TLS for the listener: certificate and key from PEM files.

use crate::error::CliError;
use postrider::config::Config;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;

/// The listener's certificate, if it speaks TLS; it may be replaced while the listener listens.
pub(super) struct Tls {
    current: RwLock<Option<Arc<ServerConfig>>>,
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
    /// Reads the files that the configuration names.
    pub(super) fn read(config: &Config) -> Result<Tls, CliError> {
        let files = files(config.serve_tls_cert(), config.serve_tls_key())?;
        let current = match files {
            Some((cert, key)) => Some(server_config(&cert, &key)?),
            None => None,
        };
        Ok(Tls {
            current: RwLock::new(current),
        })
    }

    /// For connections that are accepted from now on.
    pub(super) fn replace(&self, other: Tls) {
        let other = other.current.into_inner();
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = other.unwrap_or_else(PoisonError::into_inner);
    }

    /// `None` where connections are plain.
    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone().map(TlsAcceptor::from)
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
