//! The log: every event once, in order, on disk or in memory.
//!
//! One writer appends *frames*, a frame being what one drain of the queue gave: up to 8,192 events
//! and about a megabyte. Everything behind the log works on ranges of offsets and is served
//! from frames: a [`Frame`] is immutable, shared by `Arc`, and its text lies so that neighbouring
//! events are one slice of a POST's body. A frame that was just written is read from memory, an old
//! one from its segment.
//!
//! ```text
//!   00000000000000000000.seg       00000000000000084211.seg           spare-1
//!   ┌──────┬───────┬───────┐       ┌──────┬───────┬─ ─ ─ ─ ─ ┐       ┌─ ─ ─ ─ ─ ┐
//!   │header│ frame │ frame │  ...  │header│ frame │   zeros         │   zeros
//!   └──────┴───────┴───────┘       └──────┴───────┴─ ─ ─ ─ ─ ┘       └─ ─ ─ ─ ─ ┘
//!   sealed: read, then recycled    active: appended to               the next one
//!
//!   frame = header 64 │ inbox positions 16 each │ table 24 each │ text,\n text,\n … │ to 8
//! ```
//!
//! The format is `docs/log-format.md`. Three things carry its safety:
//!
//! - **The generation**, 64 random bits drawn for each use of a segment, is in every frame's header
//!   and in every checksum. Bytes of a segment's former life never check out, nor does text that
//!   an event brings along to look like a frame.
//! - **Damage is local.** An event has its own CRC, the table one over all entries, the header one
//!   over itself; every length is bounded before it is believed. What fails costs itself, and
//!   reading resumes at the next frame that checks out.
//! - **An offset is used once.** Opening starts above all that any frame, torn or not, has named and
//!   above what the caller has seen named elsewhere.
//!
//! Who calls what: the writer thread owns the [`LogWriter`]; everyone else shares the [`Log`].

mod builder;
mod compact;
mod config;
mod error;
mod format;
mod frame;
mod handle;
mod index;
mod inspect;
mod keep;
mod outline;
mod read;
mod recovery;
mod search;
mod segment;
mod site;
mod slab;
mod sparse;
#[cfg(test)]
mod tests;
mod walk;
mod writer;

pub use builder::FrameBuilder;
pub use config::LogConfig;
pub use error::LogError;
pub use frame::{Frame, FrameTable};
pub use handle::{Log, LogStats, SegmentInfo};
pub use index::summary::Key;
pub use index::{Contents, Count, OTHER_SUBACCOUNTS};
pub use inspect::{IndexReport, SegmentReport, inspect};
pub use outline::Part;
pub use recovery::Recovery;
pub use search::Search;
pub use site::{Site, Texts};
pub use slab::Lent;
pub use sparse::{Few, Glean, Wanted};
pub use writer::{Appended, LogWriter};

use crate::event::{MAX_TEXT, SEPARATOR};
use std::sync::Arc;

/// The most events of one frame.
pub const MAX_FRAME_EVENTS: u32 = 8192;

/// The most bytes of one event's text with its separator that a frame takes.
pub const MAX_EVENT_BYTES: usize = MAX_TEXT + SEPARATOR.len();

/// A frame takes no further event once its text has this many bytes.
pub const FRAME_BYTES: usize = 1024 * 1024;

/// Opens the log, recovering it where it was not closed, or creates it.
///
/// `above`: the least next offset, which is above every offset that the journal, a cursor or anyone
/// else remembers.
pub fn open(config: LogConfig, above: u64) -> Result<(LogWriter, Arc<Log>, Recovery), LogError> {
    config.check()?;
    let Some(dir) = config.dir.clone() else {
        let report = Recovery {
            next_offset: above,
            ..Recovery::default()
        };
        let log = Arc::new(Log::new(
            config,
            Default::default(),
            Vec::new(),
            above,
            false,
        ));
        let writer = LogWriter::new(log.clone(), None, &[])?;
        return Ok((writer, log, report));
    };
    let found = recovery::recover(&config, &dir, above)?;
    let active = match found.segments.back() {
        Some(last) if !last.state().sealed => Some((last.clone(), last.file(&*config.fs)?.0)),
        _ => None,
    };
    let next_offset = found.report.next_offset;
    let (segments, spares) = (found.segments, found.spares);
    let log = Arc::new(Log::new(
        config,
        segments,
        spares,
        next_offset,
        found.unsettled,
    ));
    match log.maintain() {
        // On a full disk there is no next segment yet; what is there can be read and delivered.
        Err(e) if !e.is_no_space() => return Err(e),
        _ => {}
    }
    let positions = &found.report.inbox_positions;
    let writer = LogWriter::new(log.clone(), active, positions)?;
    Ok((writer, log, found.report))
}
