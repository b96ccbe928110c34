//! A webhook's own client certificate, for receivers that ask for one (mutual TLS).

use super::{Secret, WebhookError, spec};
use crate::http::{Identity, IdentityError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of PEM text, certificates or key.
const MAX_PEM: usize = 64 << 10;

/// A client certificate and its key, as PEM text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCertificate {
    /// The client's own certificate first, then its issuers.
    pub certificate: String,
    /// The private key, without a passphrase.
    pub key: Secret,
}

impl ClientCertificate {
    /// What TLS presents.
    pub fn identity(&self) -> Result<Identity, IdentityError> {
        Identity::from_pem(self.certificate.as_bytes(), self.key.expose().as_bytes())
    }
}

/// PEM text; empty is none.
pub(super) fn pem(field: &str, value: &Value) -> Result<Option<String>, WebhookError> {
    let text = value.as_str().filter(|text| text.len() <= MAX_PEM);
    let what = format!("a string of at most {MAX_PEM} bytes");
    let text = text.ok_or_else(|| WebhookError::must_be(field, &what))?;
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// The certificate that a webhook has from now on: both parts, or none.
pub(super) fn next_certificate(
    certificate: Option<Option<String>>,
    key: Option<Option<Secret>>,
    old: Option<&ClientCertificate>,
    target: &str,
) -> Result<Option<ClientCertificate>, WebhookError> {
    let certificate = certificate.unwrap_or_else(|| old.map(|old| old.certificate.clone()));
    let old_key = old.map(|old| &old.key);
    let key = match key {
        None => old_key.cloned(),
        Some(None) => None,
        Some(Some(key)) => Some(spec::unmask("client_key", key, old_key)?),
    };
    let next = match (certificate, key) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => ClientCertificate { certificate, key },
        (Some(_), None) => {
            return Err(WebhookError::Required {
                field: "client_key",
            });
        }
        (None, Some(_)) => {
            return Err(WebhookError::Required {
                field: "client_certificate",
            });
        }
    };
    if !target.starts_with("https:") {
        return Err(WebhookError::Combination {
            field: "client_certificate",
            reason: "needs an https target",
        });
    }
    match next.identity() {
        Ok(_) => Ok(Some(next)),
        Err(error) => Err(WebhookError::invalid(
            "client_certificate",
            format!("is refused: {error}"),
        )),
    }
}
