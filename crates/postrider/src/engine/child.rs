//! The handle in a forked child: a client of the inbox.

use super::{Engine, FlushError, Level, PushError, PushOptions, Pushed};
use crate::client::Input;

/// Why a forked child could not hand over.
#[derive(Debug, thiserror::Error)]
#[error("no inbox")]
pub struct ChildError;

impl Engine {
    pub(super) fn push_in_child(&self, _: Input<'_>, _: PushOptions) -> Result<Pushed, PushError> {
        Err(PushError::Child(ChildError))
    }

    pub(super) fn flush_in_child(&self, _: Level) -> Result<(), FlushError> {
        Err(FlushError::Child(ChildError))
    }
}
