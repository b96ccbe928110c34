//! The one who appends.

use super::error::LogError;
use crate::event::Entry;

/// Appends to the log; owned by the writer thread. Dropping it stops the log's housekeeping.
pub struct LogWriter {
    _private: (),
}

/// What an append gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The offset of the frame's first event.
    pub base_offset: u64,
    /// How many events.
    pub count: u32,
    /// The offset behind the last event: what the watermarks count.
    pub written_end: u64,
}

impl LogWriter {
    /// An empty frame to fill and append.
    pub fn frame(&mut self) -> FrameBuilder {
        todo!()
    }

    /// Writes the frame with one call and publishes it to readers, leaving `frame` empty and ready to
    /// be filled again. An empty frame without inbox positions writes nothing.
    ///
    /// Where the log is full it waits up to `full_wait` for room. On any error `frame` is
    /// as it was, so that the same events can be tried again.
    pub fn append(&mut self, frame: &mut FrameBuilder) -> Result<Appended, LogError> {
        let _ = frame;
        todo!()
    }

    /// Stops repeating the position of an inbox file, which was deleted.
    pub fn forget_inbox(&mut self, file_id: u64) {
        let _ = file_id;
        todo!()
    }
}

/// A frame being filled, in memory that comes from the log's pool.
pub struct FrameBuilder {
    _private: (),
}

impl FrameBuilder {
    /// Takes an event: its text and the separator behind it. `false`, with nothing taken, when the
    /// frame is full: append it and push again. An empty frame takes any event up to
    /// [`MAX_EVENT_BYTES`](super::MAX_EVENT_BYTES), and none above.
    pub fn push(&mut self, entry: &Entry, text_and_separator: &[u8]) -> bool {
        let _ = (entry, text_and_separator);
        todo!()
    }

    /// Says that this frame holds what an inbox file had up to `position`.
    pub fn inbox_position(&mut self, file_id: u64, position: u64) {
        let _ = (file_id, position);
        todo!()
    }

    /// How many events were taken.
    pub fn len(&self) -> u32 {
        todo!()
    }

    /// Whether none were.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes of text, separators included, were taken.
    pub fn bytes(&self) -> usize {
        todo!()
    }
}
