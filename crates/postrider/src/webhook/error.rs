//! Why a call on a webhook failed.

use super::TestFailure;
use crate::store::StoreError;
use thiserror::Error;
use uuid::Uuid;

/// Why a call on a webhook failed. Unless said otherwise, nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The body is not what the call takes.
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
        field: String,
    },
    /// Fields that are right alone but not together.
    #[error("'{field}' {reason}")]
    Combination {
        /// The field to change.
        field: String,
        /// What it does not go with.
        reason: String,
    },
    /// No webhook has this id.
    #[error("webhook {0} could not be found")]
    NotFound(Uuid),
    /// The test POST to the target failed.
    #[error(transparent)]
    TestFailed(#[from] TestFailure),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
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

    pub(super) fn combination(field: impl Into<String>, reason: impl Into<String>) -> Self {
        WebhookError::Combination {
            field: field.into(),
            reason: reason.into(),
        }
    }
}
