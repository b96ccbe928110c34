//! Where single texts lie, so that who knows reads them and nothing else: no frame, no table.
//!
//! A posting list says it. What it says holds for one life of a segment: when the segment was compacted or used
//! anew meanwhile, the text is not there any more, and is found by its offset again.

use super::error::LogError;
use super::frame::is_intact;
use super::handle::Log;
use super::segment::Segment;
use crate::event::SEPARATOR;
use crate::fs::File;
use std::sync::Arc;

/// Where the text of an event lies in a sealed segment. 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Of the segment's generation, the lower half: the checksum tells the rest.
    life: u32,
    position: u32,
    len: u32,
    crc: u32,
}

impl Site {
    /// `None` where the position is beyond four gigabytes, which no segment of ours has.
    pub(crate) fn new(generation: u64, position: u64, len: u32, crc: u32) -> Option<Site> {
        Some(Site {
            life: generation as u32,
            position: u32::try_from(position).ok()?,
            len,
            crc,
        })
    }

    /// Bytes of the text, its separator included.
    pub fn text_len(&self) -> usize {
        self.len as usize + SEPARATOR.len()
    }
}

/// Reads texts by their sites. It holds on to the segment of the last one, so it is for one batch.
pub struct Texts<'l> {
    log: &'l Log,
    last: Option<(Arc<Segment>, Arc<dyn File>)>,
}

impl Log {
    /// A reader of texts whose sites are known.
    pub fn texts(&self) -> Texts<'_> {
        Texts {
            log: self,
            last: None,
        }
    }
}

impl Texts<'_> {
    /// Appends the text of the event at `offset` and its separator to `out`. `false`, with nothing appended, where it
    /// does not lie there, or not any more, or is damaged.
    ///
    /// # Errors
    /// Of the disk; `out` is as it was.
    pub fn read(&mut self, offset: u64, site: Site, out: &mut Vec<u8>) -> Result<bool, LogError> {
        let is_of = |segment: &Segment| segment.header.generation as u32 == site.life;
        if !self
            .last
            .as_ref()
            .is_some_and(|(segment, _)| is_of(segment))
        {
            let Some(segment) = self.log.segment_of(offset).filter(|s| is_of(s)) else {
                return Ok(false);
            };
            let file = self.log.open_segment(&segment)?;
            self.last = Some((segment, file));
        }
        let Some((segment, file)) = &self.last else {
            return Ok(false);
        };
        let before = out.len();
        out.resize(before + site.text_len(), 0);
        let text = &mut out[before..];
        let read = file.read_at(text, site.position.into());
        let good = read.map(|got| got == text.len() && is_intact(text, site.crc));
        if !matches!(good, Ok(true)) {
            out.truncate(before);
        }
        good.map_err(LogError::io("read", &segment.path))
    }
}
