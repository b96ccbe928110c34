//! Filters for Postrider in safe Rust: shared objects that see every batch of events before it is
//! logged, and may change, drop or add to it.
//!
//! ```
//! use postrider_filter::{Error, Event, Field, Filter, Host, export};
//!
//! struct NoTests {
//!     campaign: Field,
//! }
//!
//! impl Filter for NoTests {
//!     const ID: &std::ffi::CStr = c"no-tests";
//!     const VERSION: &std::ffi::CStr = c"1.0";
//!     const SUMMARY: &std::ffi::CStr = c"Drops the events of campaign test";
//!     type Config = postrider_filter::NoConfig;
//!
//!     fn create(host: &Host, _: Self::Config) -> Result<Self, Error> {
//!         Ok(NoTests { campaign: host.field("campaign_id")? })
//!     }
//!
//!     fn event(&mut self, event: &mut Event<'_>) -> Result<(), Error> {
//!         if event.str(self.campaign) == Some("test") {
//!             event.drop("a test")?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! export!(NoTests);
//! ```
//!
//! Build it as a `cdylib`; `docs/filters.md` goes on from there. The contract is
//! `include/postrider_filter.h`, in Rust [`abi`]: life, threads, failure and limits are told there.
//!
//! What this crate adds: a panic is caught, fails the batch, and poisons its instance, which is not
//! called again; the configuration is read by serde, and one that does not fit is refused with what
//! serde says.
#![warn(missing_docs)]

pub mod abi;
mod entry;
mod event;
mod host;

pub use entry::entry;
pub use event::{Batch, Event, Refused, Value};
pub use host::{Field, Host, Severity, Type};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::ffi::CStr;
use std::fmt;

/// A filter. One value is one instance: it is used by one thread at a time, and there may be
/// several.
pub trait Filter: Sized + Send + 'static {
    /// Its name: `a-z`, `0-9` and `-`, 1 to 64 bytes.
    const ID: &'static CStr;
    /// Its own version.
    const VERSION: &'static CStr;
    /// One line on what it does.
    const SUMMARY: &'static CStr;
    /// What becomes of events that it fails, unless the operator says otherwise.
    const ON_FAILURE: OnFailure = OnFailure::Open;

    /// What the operator may set. Use `#[serde(deny_unknown_fields)]`, so that a misspelt setting
    /// is refused and not ignored.
    type Config: DeserializeOwned;

    /// Makes an instance. The error goes to the operator: name what was wrong and what would be
    /// right.
    fn create(host: &Host, config: Self::Config) -> Result<Self, Error>;

    /// Treats one event. An error fails it.
    fn event(&mut self, event: &mut Event<'_>) -> Result<(), Error>;

    /// Treats a batch; as it is, event by event. An error fails the batch.
    fn process(&mut self, batch: &mut Batch<'_>) -> Result<(), Error> {
        for mut event in batch.events() {
            if let Err(error) = self.event(&mut event) {
                event.fail(&error.0);
            }
        }
        Ok(())
    }
}

/// What becomes of events that a filter fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// They go on as they were. For filters that add.
    Open,
    /// They are kept, not delivered, until an operator releases them. For filters that protect.
    Closed,
    /// They go on as they were, and a filter that has tripped stays out until an operator enables it.
    Disable,
}

/// The configuration of a filter that has nothing to set.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// Why a filter could not be made, or an event not be treated: a line for the operator.
#[derive(Debug)]
pub struct Error(String);

impl Error {
    /// An error with this text.
    pub fn new(text: impl Into<String>) -> Error {
        Error(text.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Error {
        Error(error.to_string())
    }
}
