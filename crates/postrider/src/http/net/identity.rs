//! Who we are to a receiver that asks: a client certificate and its key (mutual TLS).

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::{fmt, io};

use rustls::InconsistentKeys;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// A client certificate with its chain and its private key.
///
/// Cloning shares it. Two are equal if they hold the same certificates and key: connections are
/// pooled by that.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    digest: [u8; 32],
}

/// Why PEM text is no identity. Holds nothing of the key.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityError {
    /// No certificate, or one that can't be read.
    #[error(
        "no client certificate: give PEM text with -----BEGIN CERTIFICATE-----, the client's own first"
    )]
    NoCertificate,
    /// No key, or one that can't be read.
    #[error("no private key: give PEM text with -----BEGIN PRIVATE KEY-----")]
    NoKey,
    /// The key is encrypted.
    #[error(
        "the private key is encrypted: give it without a passphrase (openssl pkey -in KEY -out PLAIN)"
    )]
    EncryptedKey,
    /// A key of a kind that TLS has no use for, or a certificate that can't be used with it.
    #[error("the client certificate or its key can't be used: {0}")]
    Unusable(String),
    /// The key belongs to another certificate.
    #[error("the private key is not the client certificate's")]
    Mismatch,
}

impl Identity {
    /// Reads certificates (the client's own first, then its issuers) and the key from PEM text. Both
    /// may be in the same text; what is neither is left out.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Identity, IdentityError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(|_| IdentityError::NoCertificate)?;
        if chain.is_empty() {
            return Err(IdentityError::NoCertificate);
        }
        let text = String::from_utf8_lossy(key);
        if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(IdentityError::EncryptedKey);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| IdentityError::NoKey)?;
        let mut digest = Sha256::new();
        for part in chain.iter().map(AsRef::as_ref).chain([key.secret_der()]) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let provider = rustls::crypto::ring::default_provider();
        let certified = CertifiedKey::from_der(chain, key, &provider).map_err(|e| match e {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                IdentityError::Mismatch
            }
            other => IdentityError::Unusable(other.to_string()),
        })?;
        Ok(Identity {
            certified: Arc::new(certified),
            digest: digest.finalize().into(),
        })
    }

    /// What TLS presents.
    pub(super) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Identity) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

/// Says nothing of the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = self.certified.cert.len();
        write!(f, "Identity(chain of {chain})")
    }
}

impl From<IdentityError> for io::Error {
    fn from(error: IdentityError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}
