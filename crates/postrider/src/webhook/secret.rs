//! A value that answers, logs and errors never show.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A password, token or header value. `Debug` shows the mask; only [`Secret::expose`] the text.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// What stands for a secret in answers. A client that sends it back leaves the secret alone.
    pub const MASK: &'static str = "********";

    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text itself, for the wire and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is the mask that an answer showed instead of the secret.
    pub fn is_mask(&self) -> bool {
        self.0 == Self::MASK
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::MASK)
    }
}
