//! What a push may ask for and what it tells.

use crate::event::{Encoded, Encoder, EventError, EventId, Field, Schema, TypeId};
use crate::time::UnixMillis;
use std::time::Duration;

/// An event in one of the forms that a host may have it in.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A type and fields: the fast way.
    Fields(TypeId, &'a [Field<'a>]),
    /// A type and the text of a JSON object of fields, which is checked.
    Json(TypeId, &'a [u8]),
    /// The text of a whole event: `{"msys":{"<category>":{…}}}`, or an object of fields with `type`
    /// among them.
    Line(&'a [u8]),
}

impl Input<'_> {
    /// Makes it the text that travels.
    pub(crate) fn encode<'s>(
        &self,
        scratch: &'s mut Encoder,
        schema: &Schema,
        now_ms: UnixMillis,
    ) -> Result<Encoded<'s>, EventError> {
        match self {
            Input::Fields(ty, fields) => scratch.typed(schema, *ty, fields, now_ms),
            Input::Json(ty, object) => scratch.json(schema, *ty, object, now_ms),
            Input::Line(line) => scratch.line(schema, line, now_ms),
        }
    }
}

/// How safe an event is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// In the queue: lost if the process is killed.
    #[default]
    Queued,
    /// In the log or the inbox: survives a killed process.
    Written,
    /// On stable storage: survives a power cut.
    Synced,
}

/// Options of one push; the default is what a plain `push` does.
#[derive(Clone, Copy, Debug, Default)]
pub struct PushOptions {
    /// Return only when the event is this safe.
    pub level: Level,
    /// How long to wait for room and for the level. `None`: an engine does what `queue.policy` and
    /// `queue.wait_ms` say, a client does not wait.
    pub deadline: Option<Duration>,
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No webhook, filter or search wants this type; it was counted and costs nothing more.
    Unwanted,
    /// The queue was full and the policy is `drop`; it was counted.
    Dropped,
    /// Taken, and this safe.
    Taken(Level),
}

/// The answer to a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// What became of it.
    pub outcome: Outcome,
    /// The event's id; `None` where it was unwanted (it was not encoded).
    pub event_id: Option<EventId>,
}
