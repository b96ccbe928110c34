//! What a handle does, in safe Rust: an engine, or a client of one.
//!
//! Everything above this module turns C's words into these; everything here turns Rust's errors
//! into statuses.

mod client;
#[cfg(feature = "engine")]
mod engine;

use std::path::Path;
use std::time::Duration;

use postrider::client::{Input, Level, Outcome, PushOptions, Pushed};
use postrider::event::TypeId;

use crate::config::Config;
use crate::error::{Failure, POSTRIDER_OK, POSTRIDER_OK_DROPPED, POSTRIDER_OK_UNWANTED, Status};
use crate::stats::Stats;

use client::ClientSide;
#[cfg(feature = "engine")]
use engine::EngineSide;
#[cfg(feature = "engine")]
pub(crate) use engine::{Call, Settings};
#[cfg(not(feature = "engine"))]
pub(crate) use without_engine::{Call, Settings};

/// What the host holds.
pub(crate) enum Inner {
    #[cfg(feature = "engine")]
    Engine(EngineSide),
    Client(Box<ClientSide>),
}

/// The status of a push that did not fail.
pub(crate) fn status(pushed: &Pushed) -> Status {
    match pushed.outcome {
        Outcome::Unwanted => POSTRIDER_OK_UNWANTED,
        Outcome::Dropped => POSTRIDER_OK_DROPPED,
        Outcome::Taken(_) => POSTRIDER_OK,
    }
}

/// A request to the REST API.
#[cfg_attr(
    not(feature = "engine"),
    expect(dead_code, reason = "only an engine answers one")
)]
pub(crate) struct Question {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) all_grants: bool,
}

/// Its answer.
pub(crate) struct Answer {
    pub(crate) status: u32,
    pub(crate) body: Vec<u8>,
}

/// Passes a call on to the side that the handle has.
macro_rules! each {
    ($self:expr, $side:ident => $call:expr) => {
        match $self {
            #[cfg(feature = "engine")]
            Inner::Engine($side) => $call,
            Inner::Client($side) => $call,
        }
    };
}

impl Inner {
    #[cfg(feature = "engine")]
    pub(crate) fn open(data_dir: Option<&Path>, config: Option<&Config>) -> Result<Inner, Failure> {
        Ok(Inner::Engine(EngineSide::open(data_dir, config)?))
    }

    #[cfg(not(feature = "engine"))]
    pub(crate) fn open(_: Option<&Path>, _: Option<&Config>) -> Result<Inner, Failure> {
        Err(without_engine::unsupported("postrider_open()"))
    }

    pub(crate) fn connect(data_dir: &Path) -> Result<Inner, Failure> {
        Ok(Inner::Client(Box::new(ClientSide::connect(data_dir)?)))
    }

    pub(crate) fn push(&self, input: Input<'_>, options: PushOptions) -> Result<Pushed, Failure> {
        each!(self, side => side.push(input, options))
    }

    pub(crate) fn flush(&self, level: Level, timeout: Duration) -> Result<Status, Failure> {
        each!(self, side => side.flush(level, timeout))
    }

    pub(crate) fn declare_type(&self, category: &str, name: &str) -> Result<TypeId, Failure> {
        each!(self, side => side.declare_type(category, name))
    }

    pub(crate) fn stats(&self) -> Result<Stats, Failure> {
        each!(self, side => side.stats())
    }

    pub(crate) fn metrics(&self) -> Result<String, Failure> {
        each!(self, side => side.metrics())
    }

    pub(crate) fn ask(&self, question: Question) -> Result<Call, Failure> {
        each!(self, side => side.ask(question))
    }

    pub(crate) fn restart_after_fork(&self, timeout: Duration) -> Result<Status, Failure> {
        each!(self, side => side.restart_after_fork(timeout))
    }

    pub(crate) fn close(self, timeout: Duration) -> Result<Status, Failure> {
        each!(self, side => side.close(timeout))
    }
}

/// What takes the engine's place in libpostrider-client.
#[cfg(not(feature = "engine"))]
mod without_engine {
    use std::path::Path;
    use std::time::Duration;

    use super::Answer;
    use crate::error::{Failure, POSTRIDER_E_UNSUPPORTED, Status};

    pub(crate) fn unsupported(what: &str) -> Failure {
        let text =
            format_args!("{what} needs an engine: link libpostrider, this is libpostrider-client");
        Failure::new(POSTRIDER_E_UNSUPPORTED, text)
    }

    /// Settings, of which there are none.
    pub(crate) enum Settings {}

    impl Settings {
        pub(crate) fn new() -> Result<Settings, Failure> {
            Err(unsupported("a configuration"))
        }

        pub(crate) fn set(&mut self, _: &str, _: &str) -> Result<Status, Failure> {
            match *self {}
        }

        pub(crate) fn load(&mut self, _: &Path) -> Result<Status, Failure> {
            match *self {}
        }
    }

    /// A request on its way, of which there are none.
    pub(crate) enum Call {}

    impl Call {
        pub(crate) fn wait(&mut self, _: Option<Duration>) -> Result<Option<Answer>, Failure> {
            match *self {}
        }
    }
}
