//! Making and checking signatures.

use std::time::Duration;

use base64::Engine as _;
use ring::hmac;
use ring::signature::{ED25519, UnparsedPublicKey};
use thiserror::Error;

use super::key::{self, BASE64, Inner, Key, KeyError};
use crate::time::UnixMillis;

/// How far a timestamp may be from the receiver's clock, either way.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Signs with every key that is in force.
#[derive(Debug, Default)]
pub struct Signer {
    keys: Vec<(Key, Option<UnixMillis>)>,
}

impl Signer {
    /// Adds a key; it signs until `retires_ms`.
    pub fn add(&mut self, key: Key, retires_ms: Option<UnixMillis>) {
        self.keys.push((key, retires_ms));
    }

    /// The value of `webhook-signature`; `None` when no key is in force at `now_ms`.
    ///
    /// `timestamp` is in Unix seconds. The body comes in pieces; HMAC reads them where they are,
    /// ed25519, which goes over its message twice, needs a copy in one piece.
    pub fn sign<'b>(
        &self,
        id: &str,
        timestamp: u64,
        body: impl Iterator<Item = &'b [u8]> + Clone,
        now_ms: UnixMillis,
    ) -> Option<String> {
        let head = format!("{id}.{timestamp}.");
        let mut whole: Option<Vec<u8>> = None;
        let mut signatures = String::new();
        for (key, retires_ms) in &self.keys {
            if retires_ms.is_some_and(|at| at <= now_ms) {
                continue;
            }
            let (version, signature) = match &key.0 {
                Inner::Hmac(key) => {
                    let mut context = hmac::Context::with_key(key);
                    context.update(head.as_bytes());
                    body.clone().for_each(|piece| context.update(piece));
                    ("v1", BASE64.encode(context.sign()))
                }
                Inner::Ed25519(pair) => {
                    let message = whole.get_or_insert_with(|| {
                        let mut message = head.clone().into_bytes();
                        body.clone()
                            .for_each(|piece| message.extend_from_slice(piece));
                        message
                    });
                    ("v1a", BASE64.encode(pair.sign(message)))
                }
            };
            if !signatures.is_empty() {
                signatures.push(' ');
            }
            signatures.push_str(version);
            signatures.push(',');
            signatures.push_str(&signature);
        }
        (!signatures.is_empty()).then_some(signatures)
    }
}

/// A receiver's side: one key that a signature must be of.
pub struct Verifier(Check);

enum Check {
    Secret(hmac::Key),
    Public(UnparsedPublicKey<Vec<u8>>),
}

/// Why a message is not taken for genuine.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyError {
    /// A header is missing or can't be read.
    #[error("header {0} is missing or malformed")]
    Header(&'static str),
    /// The timestamp is too far from the clock.
    #[error("the timestamp is {0} s away from this clock")]
    Timestamp(u64),
    /// None of the signatures is this key's.
    #[error("no signature is this key's")]
    Signature,
}

impl Verifier {
    /// Reads a `whsec_` or `whpk_` text.
    pub fn parse(text: &str) -> Result<Verifier, KeyError> {
        if key::is_secret(text) {
            return match Key::parse(text)?.0 {
                Inner::Hmac(key) => Ok(Verifier(Check::Secret(key))),
                Inner::Ed25519(_) => Err(KeyError::Mismatch),
            };
        }
        let key = UnparsedPublicKey::new(&ED25519, key::public_key(text)?);
        Ok(Verifier(Check::Public(key)))
    }

    /// Checks a message by the values of its three headers.
    pub fn verify(
        &self,
        id: &str,
        timestamp: &str,
        signatures: &str,
        body: &[u8],
        now_ms: UnixMillis,
    ) -> Result<(), VerifyError> {
        if id.is_empty() {
            return Err(VerifyError::Header(super::ID));
        }
        let seconds: u64 = timestamp
            .parse()
            .map_err(|_| VerifyError::Header(super::TIMESTAMP))?;
        let away = seconds.abs_diff(now_ms / 1000);
        if away > TOLERANCE.as_secs() {
            return Err(VerifyError::Timestamp(away));
        }
        if signatures.is_empty() {
            return Err(VerifyError::Header(super::SIGNATURE));
        }
        let message = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
        let is_ours = |signature: &str| match (signature.split_once(','), &self.0) {
            (Some(("v1", text)), Check::Secret(key)) => BASE64
                .decode(text)
                .is_ok_and(|tag| hmac::verify(key, &message, &tag).is_ok()),
            (Some(("v1a", text)), Check::Public(key)) => BASE64
                .decode(text)
                .is_ok_and(|signature| key.verify(&message, &signature).is_ok()),
            _ => false,
        };
        match signatures.split(' ').any(is_ours) {
            true => Ok(()),
            false => Err(VerifyError::Signature),
        }
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Check::Secret(_) => "Verifier(hmac-sha256)",
            Check::Public(_) => "Verifier(ed25519)",
        })
    }
}
