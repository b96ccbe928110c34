//! Why a call on a webhook failed.

use super::TestFailure;
use crate::http::TargetError;
use crate::store::StoreError;
use thiserror::Error;
use uuid::Uuid;

/// Why a call on a webhook failed. Nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// A field has the wrong type, format or length, or is none of a webhook's.
    #[error("'{field}' {reason}")]
    Invalid {
        /// The field, dotted where nested.
        field: String,
        /// What is wrong with it, to be read after its name.
        reason: String,
    },
    /// A field that must be there is not.
    #[error("'{field}' is required")]
    Required {
        /// The field, dotted where nested.
        field: &'static str,
    },
    /// Fields that are right alone but not together.
    #[error("'{field}' {reason}")]
    Combination {
        /// The field to change.
        field: &'static str,
        /// What it does not go with, to be read after its name.
        reason: &'static str,
    },
    /// The target is no URL, or one that targets may not have.
    #[error("'target' is refused: {0}")]
    Target(#[from] TargetError),
    /// A custom header that Postrider itself or the protocol sets.
    #[error("'custom_headers' must not set {0}")]
    ReservedHeader(String),
    /// Too many bytes of custom headers.
    #[error(
        "'custom_headers' must have less than {} bytes in all",
        super::MAX_HEADER_BYTES
    )]
    HeadersTooLarge,
    /// Too many custom headers.
    #[error("'custom_headers' must have at most {} entries", super::MAX_HEADERS)]
    TooManyHeaders,
    /// No webhook has this id.
    #[error("webhook {0} could not be found")]
    NotFound(Uuid),
    /// The test POST to the target failed.
    #[error(transparent)]
    TestFailed(#[from] TestFailure),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log could not be read.
    #[error("the log can't be read: {0}")]
    Log(String),
    /// The engine is closing, or its delivery thread has ended.
    #[error("the engine is not running: {0}")]
    Stopped(&'static str),
}

impl WebhookError {
    pub(super) fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        WebhookError::Invalid {
            field: field.into(),
            reason: reason.into(),
        }
    }

    pub(super) fn must_be(field: &str, what: &str) -> Self {
        WebhookError::invalid(field, format!("must be {what}"))
    }
}
