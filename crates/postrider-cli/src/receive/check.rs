//! Whether a POST is genuine: its Standard Webhooks signature.

use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use postrider::auth::{ID, KeyError, SIGNATURE, TIMESTAMP, Verifier};

use super::post::Post;

/// The key that signatures must be of.
#[derive(Clone, Debug)]
pub(super) struct SignatureCheck(Arc<Verifier>);

impl FromStr for SignatureCheck {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Verifier::parse(text).map(|key| SignatureCheck(Arc::new(key)))
    }
}

impl SignatureCheck {
    /// What is wrong with a POST's signature, if anything is.
    pub(super) fn fault(&self, post: &Post) -> Option<String> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now_ms = now.map_or(0, |since| since.as_millis() as u64);
        let (id, time, signatures) = (
            post.header(ID),
            post.header(TIMESTAMP),
            post.header(SIGNATURE),
        );
        let verified = self.0.verify(id, time, signatures, &post.body, now_ms);
        verified.err().map(|error| error.to_string())
    }
}
