//! The handle in a forked child: the engine's threads stayed with the parent, so pushes go to the
//! inbox, which the parent's engine (or the next one) takes from.
//!
//! What the child uses was made before the fork and is touched by children alone, so it needs no lock
//! and no memory that another thread of the parent held at that moment.

use super::live::Live;
use super::shared::Severity;
use super::{Engine, FlushError, Level, PushError, PushOptions, Pushed};
use crate::client::{self, Client, Input};
use crate::fork;
use crate::inbox::InboxError;
use std::sync::atomic::{AtomicU32, Ordering};

/// Why a forked child could not hand over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChildError {
    /// Memory mode, or `inbox.enabled = false`: there is nowhere to put an event.
    #[error("this engine has no inbox: give it a data directory and leave inbox.enabled on")]
    NoInbox,
    /// The inbox refused.
    #[error(transparent)]
    Inbox(#[from] InboxError),
}

/// The client that a child uses, and whether this child has said so.
pub(super) struct Child {
    client: Option<Client>,
    /// The fork generation that spoke last.
    said: AtomicU32,
}

impl Child {
    pub(super) fn new(client: Option<Client>) -> Child {
        Child {
            client,
            said: AtomicU32::new(fork::generation()),
        }
    }
}

impl Live {
    fn client(&self) -> Result<&Client, ChildError> {
        let now = fork::generation();
        if self.child.said.swap(now, Ordering::Relaxed) != now {
            let line = "in a forked child: events go to the inbox from here on";
            self.shared.logger.say_in_child(Severity::Info, line);
        }
        self.child.client.as_ref().ok_or(ChildError::NoInbox)
    }
}

impl Engine {
    pub(super) fn push_in_child(
        &self,
        input: Input<'_>,
        options: PushOptions,
    ) -> Result<Pushed, PushError> {
        let client = self.live().client()?;
        client.push_with(input, options).map_err(|e| match e {
            client::PushError::Invalid(e) => PushError::Invalid(e),
            client::PushError::Inbox(e) => PushError::Child(e.into()),
        })
    }

    pub(super) fn flush_in_child(&self, level: Level) -> Result<(), FlushError> {
        let client = self.live().client()?;
        Ok(client.flush(level).map_err(ChildError::from)?)
    }

    /// What this process did as a forked child; zeros in the one that opened the engine.
    pub fn child_stats(&self) -> client::ClientStats {
        let client = self.live().child.client.as_ref();
        client.map(Client::stats).unwrap_or_default()
    }
}
