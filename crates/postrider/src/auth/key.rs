//! Signing keys and the text they are given as.
//!
//! | Text | What |
//! |---|---|
//! | `whsec_` base64 | an HMAC-SHA256 secret of 24 to 64 bytes, known to both sides |
//! | `whsk_` base64 | an ed25519 private key: the seed (32 bytes), or seed and public key (64 bytes) |
//! | `whpk_` base64 | its public key (32 bytes), for receivers |

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use ring::{digest, hmac};
use thiserror::Error;

/// Fewest bytes of an HMAC secret.
pub const MIN_SECRET: usize = 24;
/// Most bytes of an HMAC secret.
pub const MAX_SECRET: usize = 64;

const SECRET: &str = "whsec_";
const PRIVATE: &str = "whsk_";
const PUBLIC: &str = "whpk_";

/// The usual alphabet, with padding or without.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a key signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// HMAC-SHA256, signatures `v1`: both sides know the secret.
    HmacSha256,
    /// ed25519 (RFC 8032), signatures `v1a`: receivers know the public key alone.
    Ed25519,
}

impl KeyKind {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            KeyKind::HmacSha256 => "hmac-sha256",
            KeyKind::Ed25519 => "ed25519",
        }
    }

    /// The kind of that name.
    pub fn by_name(name: &str) -> Option<KeyKind> {
        [KeyKind::HmacSha256, KeyKind::Ed25519]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// A key that signs. `Debug` shows its kind alone.
pub struct Key(pub(super) Inner);

pub(super) enum Inner {
    Hmac(hmac::Key),
    Ed25519(Box<Ed25519KeyPair>),
}

/// Why a text is no key. Never quotes it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// It begins with none of the prefixes.
    #[error("must begin with {expected}")]
    Prefix {
        /// What would do.
        expected: &'static str,
    },
    /// What follows the prefix is not base64.
    #[error("must be base64 behind its prefix")]
    Base64,
    /// It has the wrong length.
    #[error("must hold {expected} bytes, not {found}")]
    Length {
        /// How many it may hold.
        expected: &'static str,
        /// How many it holds.
        found: usize,
    },
    /// Its two halves are not of one pair.
    #[error("holds a public key that is not the private key's")]
    Mismatch,
    /// The system gave no random bytes.
    #[error("cannot be made: no random bytes")]
    Random,
}

impl Key {
    /// Reads a `whsec_` or `whsk_` text.
    pub fn parse(text: &str) -> Result<Key, KeyError> {
        if let Some(rest) = text.strip_prefix(SECRET) {
            let bytes = decode(rest)?;
            if !(MIN_SECRET..=MAX_SECRET).contains(&bytes.len()) {
                let (expected, found) = ("24 to 64", bytes.len());
                return Err(KeyError::Length { expected, found });
            }
            return Ok(Key(Inner::Hmac(hmac::Key::new(hmac::HMAC_SHA256, &bytes))));
        }
        let expected = "whsec_ (HMAC-SHA256) or whsk_ (ed25519)";
        let rest = text
            .strip_prefix(PRIVATE)
            .ok_or(KeyError::Prefix { expected })?;
        let bytes = decode(rest)?;
        let pair = match bytes.len() {
            32 => Ed25519KeyPair::from_seed_unchecked(&bytes),
            64 => Ed25519KeyPair::from_seed_and_public_key(&bytes[..32], &bytes[32..]),
            found => {
                let expected = "32 or 64";
                return Err(KeyError::Length { expected, found });
            }
        };
        let pair = pair.map_err(|_| KeyError::Mismatch)?;
        Ok(Key(Inner::Ed25519(Box::new(pair))))
    }

    /// Makes a key and gives its text.
    pub fn generate(kind: KeyKind) -> Result<String, KeyError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|_| KeyError::Random)?;
        Ok(match kind {
            KeyKind::HmacSha256 => format!("{SECRET}{}", BASE64.encode(seed)),
            KeyKind::Ed25519 => {
                let pair =
                    Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::Random)?;
                let both = [&seed, pair.public_key().as_ref()].concat();
                format!("{PRIVATE}{}", BASE64.encode(both))
            }
        })
    }

    /// What it signs with.
    pub fn kind(&self) -> KeyKind {
        match self.0 {
            Inner::Hmac(_) => KeyKind::HmacSha256,
            Inner::Ed25519(_) => KeyKind::Ed25519,
        }
    }

    /// The `whpk_` text that receivers verify with; `None` for a shared secret.
    pub fn public_key(&self) -> Option<String> {
        match &self.0 {
            Inner::Hmac(_) => None,
            Inner::Ed25519(pair) => {
                let public = BASE64.encode(pair.public_key().as_ref());
                Some(format!("{PUBLIC}{public}"))
            }
        }
    }

    /// Eight hexadecimal digits that name the key of `text` and say nothing about it.
    pub fn id(text: &str) -> String {
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let first = hash.as_ref().iter().take(4);
        first.map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The public key of a `whpk_` text.
pub(super) fn public_key(text: &str) -> Result<Vec<u8>, KeyError> {
    let expected = "whsec_ (HMAC-SHA256) or whpk_ (ed25519)";
    let rest = text
        .strip_prefix(PUBLIC)
        .ok_or(KeyError::Prefix { expected })?;
    let bytes = decode(rest)?;
    match bytes.len() {
        32 => Ok(bytes),
        found => {
            let expected = "32";
            Err(KeyError::Length { expected, found })
        }
    }
}

/// Whether a text is a shared secret's.
pub(super) fn is_secret(text: &str) -> bool {
    text.starts_with(SECRET)
}

fn decode(text: &str) -> Result<Vec<u8>, KeyError> {
    BASE64.decode(text).map_err(|_| KeyError::Base64)
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.kind().name())
    }
}
