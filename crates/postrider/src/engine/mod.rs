//! The engine: one handle over queue, log and delivery.
//!
//! ```text
//! push ─▶ [encode] ─▶ queue ─▶ writer ─▶ log ─▶ deliver ─▶ webhooks
//!            │                   ▲
//!  in a forked child ──▶ inbox ──┘
//! ```
//!
//! A push encodes the event once, into its thread's scratch buffer, and copies it into the queue: no
//! lock, no system call unless the writer sleeps, no allocation after a thread's first call. A type
//! that nobody wants is counted and costs no more than that.
//!
//! Any thread may call anything here. In a forked child the handle turns into a client of the
//! inbox by itself; see `docs/fork.md`.

mod builder;
mod child;
mod error;
mod filters;
mod gather;
mod held;
mod live;
mod lock;
mod metrics;
mod push;
mod reconfigure;
mod settings;
mod shared;
mod slot;
mod stats;
mod sync;
mod wants;
mod webhooks;
mod writer;

pub use crate::client::{Level, Outcome, PushOptions, Pushed};
pub use builder::Builder;
pub use child::ChildError;
pub use error::{CloseError, FlushError, OpenError, PushError, RestartError};
pub use held::HeldEvent;
pub use reconfigure::{ReconfigureError, Reconfigured};
pub use shared::{Logger, Severity};
pub use stats::Stats;

use crate::config::Config;
use crate::event::{EventError, Schema, TypeId};
use crate::fork;
use crate::log::LogError;
use crate::search;
use crate::store::Store;
use live::Live;
use shared::Shared;
use slot::Slot;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// An open engine. Dropping it closes it without waiting: what is queued and not yet written is
/// lost then, so call [`close`](Engine::close).
pub struct Engine {
    live: Slot<Live>,
}

impl Engine {
    /// Begins to open an engine.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn from_live(live: Live) -> Engine {
        Engine {
            live: Slot::new(live),
        }
    }

    fn live(&self) -> &Live {
        self.live.get()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.live().shared
    }

    /// True in a process that was forked after the engine was opened: pushes go to the inbox.
    pub fn is_child(&self) -> bool {
        fork::is_child(self.shared().born)
    }

    /// Returns once everything pushed before it, by any thread, is at `level`; a level of
    /// [`Queued`](Level::Queued) waits until it has left the queue. That return is the
    /// acknowledgement. In a forked child: the inbox's.
    ///
    /// # Errors
    /// [`FlushError::Timeout`] when `timeout` passes first: the events stay where they are.
    pub fn flush(&self, level: Level, timeout: Duration) -> Result<(), FlushError> {
        if self.is_child() {
            return self.flush_in_child(level);
        }
        let shared = self.shared();
        let deadline = shared.clock.now().mono.after(timeout);
        push::reach(shared, shared.queue.position(), level, Some(deadline))
    }

    /// The event types: the catalogue and the custom ones.
    pub fn schema(&self) -> &Schema {
        &self.shared().schema
    }

    /// Declares a custom event type, which may be pushed from now on, here and after a restart. The
    /// same name in the same category is the same type.
    ///
    /// # Errors
    /// The names are not acceptable, or the type exists in another category.
    pub fn declare_type(&self, category: &str, name: &str) -> Result<TypeId, DeclareError> {
        let shared = self.shared();
        if let Some(id) = shared.schema.lookup(name)
            && shared.schema.category_name(id) == Some(category)
        {
            return Ok(id);
        }
        if self.is_child() {
            return Err(DeclareError::Child);
        }
        let id = TypeId(shared.store.declare_type(category, name)?);
        shared.schema.declare_as(id, category, name)?;
        Ok(id)
    }

    /// The settings in force.
    pub fn config(&self) -> Arc<Config> {
        self.shared().config()
    }

    /// The data directory; `None` in memory mode.
    pub fn data_dir(&self) -> Option<&Path> {
        self.shared().data_dir.as_deref()
    }

    /// Webhooks, keys and custom types.
    pub fn store(&self) -> &Store {
        &self.shared().store
    }

    /// Replaces the logger of what the engine says from now on.
    pub fn set_logger(&self, logger: Option<Logger>) {
        self.shared().logger.set(logger);
    }

    /// The events of the log that fit a query, newest first. It takes as long as reading does; under
    /// `log.keep = wanted` the log has what webhooks wanted, for as long as they need it.
    ///
    /// # Errors
    /// Of the disk.
    pub fn search(&self, query: &search::Query) -> Result<search::Page, LogError> {
        search::search(&self.shared().log, query)
    }

    /// Gives the host's logger a line.
    pub fn say(&self, severity: Severity, line: &str) {
        self.shared().say(severity, line);
    }

    /// Closes: no push is taken any more, what is queued is written (and synced), batches under way
    /// have until `timeout` to end. What has not ended goes out after the next open, under its old
    /// batch id. A second call does nothing; in a forked child it only lets go.
    ///
    /// # Errors
    /// [`CloseError::Timeout`] if the queue could not be written in time; [`CloseError::Storage`] if
    /// the disk refused.
    pub fn close(&self, timeout: Duration) -> Result<(), CloseError> {
        self.live().close(timeout)
    }

    /// For a host that daemonises after opening: in the forked child, opens the engine anew in this
    /// process, on the same data directory and settings, as soon as the parent has let go of it (at most
    /// `timeout`). Until it returns, pushes go to the inbox; none is lost.
    ///
    /// # Errors
    /// [`RestartError`]; the handle stays a client of the inbox.
    pub fn restart_after_fork(&self, timeout: Duration) -> Result<(), RestartError> {
        if !self.is_child() {
            return Err(RestartError::NotAChild);
        }
        let shared = self.shared();
        let deadline = shared.clock.now().mono.after(timeout);
        let config = (*shared.config()).clone();
        loop {
            match self.live().builder.clone().config(config.clone()).open() {
                Ok(live) => {
                    self.live.replace(live);
                    return Ok(());
                }
                Err(OpenError::Held { .. }) if shared.clock.now().mono < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.shared().stopping.load(Ordering::Acquire)
    }
}

/// Why a custom type could not be declared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeclareError {
    /// The names are not acceptable.
    #[error(transparent)]
    Invalid(#[from] EventError),
    /// The store could not keep it.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// A forked child can't: declare types before forking, or in the configuration.
    #[error(
        "a forked child can't declare event types: declare them before the fork, or in events.custom"
    )]
    Child,
}
