//! What there is from an offset on, in as few words as possible: sealed segments by their counts, the rest
//! by its tables. A backlog of any size is counted by reading a few kilobytes a segment.

use super::error::LogError;
use super::frame::FrameTable;
use super::handle::Log;
use super::index::{self, Contents, OTHER_SUBACCOUNTS};
use super::read::Place;
use super::segment::Segment;
use std::ops::Range;

/// A part of the log.
pub enum Part<'a> {
    /// A whole segment: its offsets, and what there is at them.
    Segment(Range<u64>, &'a Contents),
    /// A frame.
    Frame(&'a FrameTable<'a>),
}

impl Log {
    /// Calls `f` with all parts that hold offsets `>= from`, in order. Where `f` answers `false`, the segment
    /// is given again as its frames.
    ///
    /// # Errors
    /// Of the disk.
    pub fn outline(&self, from: u64, mut f: impl FnMut(Part<'_>) -> bool) -> Result<(), LogError> {
        let mut next = from;
        loop {
            match self.place(next, u64::MAX, true) {
                Place::End => return Ok(()),
                Place::Tail(frames) => {
                    for frame in &frames {
                        f(Part::Frame(&FrameTable::of(frame)));
                    }
                    return Ok(());
                }
                Place::Disk(segment) => {
                    let whole = self.counted(&segment, next);
                    let taken = whole
                        .filter(|(offsets, contents)| f(Part::Segment(offsets.clone(), contents)));
                    next = match taken {
                        Some((offsets, _)) => offsets.end,
                        None => {
                            let mut all = |table: &FrameTable<'_>| {
                                f(Part::Frame(table));
                                true
                            };
                            let end = self.segment_tables(&segment, next, &mut all)?;
                            end.expect("no frame ends it").max(next + 1)
                        }
                    };
                }
            }
        }
    }

    /// What the index of a segment says that begins at `from` or behind, and counts every subaccount.
    fn counted(&self, segment: &Segment, from: u64) -> Option<(Range<u64>, Contents)> {
        let due = segment.base_offset() >= from && segment.state().indexed;
        let read = || index::read(&*self.config.fs, &segment.path, &segment.header);
        let (front, _) = due.then(read)??;
        let all_told = |(_, subaccount): &(u16, u32)| *subaccount != OTHER_SUBACCOUNTS;
        let offsets = front.extent.base_offset..front.extent.end_offset;
        let told = front.counts.iter().all(|(pair, _)| all_told(pair));
        told.then(|| (offsets, front.contents()))
    }
}
