//! Walking a segment from frame to frame, over damage.
//!
//! Whoever reads a segment believes a header only if it checks out, is of the segment's generation,
//! goes on from the offsets before it and ends inside the segment. Where the expected header is
//! not there, the walk looks for the next one at every multiple of 8.

use super::error::LogError;
use super::format::{FRAME_HEADER, FRAME_MAGIC, FrameHeader, NotAHeader, VERSION};
use super::frame::Frame;
use super::slab::{Pool, SLAB_BYTES};
use crate::event::SEPARATOR;
use crate::fs::File;
use std::path::Path;
use std::sync::Arc;

/// A frame's position and header, and the frame where its table checks out.
pub(super) type Stood = (u64, FrameHeader, Option<Arc<Frame>>);

/// A walk over the frames of one segment.
pub(super) struct Walk<'a> {
    file: &'a dyn File,
    path: &'a Path,
    /// `None`: any, and from the first frame on its own.
    generation: Option<u64>,
    /// The next frame's base offset is at least this.
    least: u64,
    at: u64,
    end: u64,
    window: Vec<u8>,
    window_at: u64,
    ahead: usize,
    /// Whether anything but zeros was passed over since the last frame.
    pub(super) litter: bool,
    /// Whether the last whole frame ends with the zeros that were there before it was written.
    pub(super) unwritten: bool,
}

impl<'a> Walk<'a> {
    /// Walks `span` of the file, reading `ahead` bytes at a time.
    pub(super) fn new(
        file: &'a dyn File,
        path: &'a Path,
        generation: Option<u64>,
        least: u64,
        span: (u64, u64),
        ahead: usize,
    ) -> Walk<'a> {
        Walk {
            file,
            path,
            generation,
            least,
            at: span.0,
            end: span.1,
            window: Vec::new(),
            window_at: 0,
            ahead,
            litter: false,
            unwritten: false,
        }
    }

    /// The next frame whose header checks out, and its position; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, FrameHeader)>, LogError> {
        self.litter = false;
        while self.at + FRAME_HEADER as u64 <= self.end {
            if let Some(header) = self.header_at(self.at)? {
                let at = self.at;
                self.generation = Some(header.generation);
                self.least = header.end_offset();
                self.at += header.frame_len() as u64;
                return Ok(Some((at, header)));
            }
            self.skip()?;
        }
        Ok(None)
    }

    /// The next frame whose header checks out, with its position; whole where its table checks out too.
    pub(super) fn next_frame(&mut self, pool: &Arc<Pool>) -> Result<Option<Stood>, LogError> {
        let Some((at, header)) = self.next()? else {
            return Ok(None);
        };
        let len = header.frame_len();
        self.unwritten = false;
        let Some(bytes) = self.bytes(at, len)? else {
            return Ok(Some((at, header, None)));
        };
        let text_end = header.head_len() + header.payload_len as usize;
        let unwritten = bytes[..text_end].ends_with(&[0; SEPARATOR.len()]);
        let mut slab = pool.slab();
        slab.room()[..len].copy_from_slice(bytes);
        self.unwritten = unwritten;
        Ok(Some((at, header, Frame::check(header, slab.freeze(len)))))
    }

    /// The header at `at`, if one checks out there.
    fn header_at(&mut self, at: u64) -> Result<Option<FrameHeader>, LogError> {
        let (generation, least, room) = (self.generation, self.least, self.end - at);
        let Some(bytes) = self.bytes(at, FRAME_HEADER)? else {
            return Ok(None);
        };
        let bytes = bytes.try_into().expect("asked for this many");
        match believe(bytes, generation, least, room) {
            Ok(header) => Ok(Some(header)),
            Err(NotAHeader::Damaged) => Ok(None),
            Err(NotAHeader::Newer(found)) => Err(self.newer(found)),
        }
    }

    /// Goes on from `at`, where no header is, to where the next may be.
    fn skip(&mut self) -> Result<(), LogError> {
        let (at, end) = (self.at, self.end);
        let ahead = self.ahead.max(FRAME_HEADER + 8);
        let len = usize::try_from(end - at).unwrap_or(ahead).min(ahead);
        let Some(bytes) = self.bytes(at, len)? else {
            self.at = end;
            return Ok(());
        };
        let next = memchr::memmem::find_iter(&bytes[1..], &FRAME_MAGIC)
            .map(|i| i + 1)
            .find(|i| i.is_multiple_of(8))
            .unwrap_or(((len - FRAME_MAGIC.len()) & !7) + 8);
        let passed = &bytes[..next.min(len)];
        let litter = passed.iter().any(|b| *b != 0);
        self.litter |= litter;
        self.at = at + next as u64;
        Ok(())
    }

    /// `len` bytes from `at`; `None` where the file or the span ends before.
    pub(super) fn bytes(&mut self, at: u64, len: usize) -> Result<Option<&[u8]>, LogError> {
        let held =
            at >= self.window_at && at + len as u64 <= self.window_at + self.window.len() as u64;
        if !held {
            if at + len as u64 > self.end || len > SLAB_BYTES {
                return Ok(None);
            }
            let want = (self.end - at).min(self.ahead.max(len) as u64) as usize;
            self.window.resize(want, 0);
            self.window_at = at;
            let got = self.file.read_at(&mut self.window, at);
            let got = got.map_err(LogError::io("read", self.path));
            self.window.truncate(*got.as_ref().unwrap_or(&0));
            if got? < len {
                return Ok(None);
            }
        }
        let from = (at - self.window_at) as usize;
        Ok(Some(&self.window[from..from + len]))
    }

    fn newer(&self, found: u32) -> LogError {
        LogError::NewerVersion {
            path: self.path.to_owned(),
            found,
            known: VERSION,
        }
    }
}

/// Whether these bytes are the header of a frame of this generation, from offset `least` on, that ends
/// within `room` bytes.
pub(super) fn believe(
    bytes: &[u8; FRAME_HEADER],
    generation: Option<u64>,
    least: u64,
    room: u64,
) -> Result<FrameHeader, NotAHeader> {
    let ours = generation.is_none_or(|g| g.to_le_bytes() == bytes[8..16]);
    if !ours {
        return Err(NotAHeader::Damaged);
    }
    let header = FrameHeader::decode(bytes)?;
    if header.base_offset < least || header.frame_len() as u64 > room {
        return Err(NotAHeader::Damaged);
    }
    Ok(header)
}
