//! Event ids: never used twice, without asking anyone.

use std::fmt;

use super::EventError;

/// Text of an event's id: decimal digits, or what the caller gave.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId {
    text: [u8; EventId::MAX],
    len: u8,
}

impl EventId {
    /// The longest id in bytes: a UUID's text.
    pub const MAX: usize = 36;

    /// The id as it stands in the event.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.text[..usize::from(self.len)]).expect("ids are ASCII")
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({})", self.as_str())
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Default)]
pub(super) struct IdSource {
    next: u64,
    end: u64,
}

impl IdSource {
    pub(super) fn next(&mut self) -> Result<u64, EventError> {
        let _ = (self.next, self.end);
        todo!()
    }
}
