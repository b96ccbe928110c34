//! The frames that were read last, and reading ahead for those who go on where they stopped.
//!
//! A batch begins where the one before ended, mostly inside of a frame, so a frame serves several
//! batches; and batches are measured one after the other before the first of them is sent. What is read in one
//! piece is kept as a *run*; whoever goes on behind a run that is still kept reads four times as much. With more
//! readers than there is room for, nobody finds his run again, and all read little: nothing is read that is thrown
//! away.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::log::{Frame, Log, LogError};

/// Bytes of text that are kept, beside the run that was read last.
const KEPT: usize = 12 << 20;
/// Runs that are looked through at most.
const RUNS: usize = 64;
/// Bytes of text that are read by someone who comes anew. A frame that is longer is read whole.
const LEAST: usize = 64 << 10;
/// Bytes of text that are read at once at most.
const MOST: usize = 1 << 20;

struct Run {
    /// In the order of their offsets; never empty.
    frames: Vec<Arc<Frame>>,
    bytes: usize,
    budget: usize,
}

impl Run {
    fn get(&self, offset: u64) -> Option<&Arc<Frame>> {
        let at = self.frames.partition_point(|f| f.end_offset() <= offset);
        let frame = self.frames.get(at);
        frame.filter(|frame| frame.base_offset() <= offset)
    }

    fn ends_at(&self, offset: u64) -> bool {
        self.frames.last().is_some_and(|f| f.end_offset() == offset)
    }
}

/// Reads frames of the log, one thread's.
pub(super) struct ReadAhead {
    log: Arc<Log>,
    runs: VecDeque<Run>,
    /// Of all runs.
    bytes: usize,
}

impl ReadAhead {
    pub(super) fn new(log: Arc<Log>) -> ReadAhead {
        ReadAhead {
            log,
            runs: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Lets go of all frames.
    pub(super) fn forget(&mut self) {
        self.runs.clear();
        self.bytes = 0;
    }

    /// The frame that holds `offset`, where it is kept.
    pub(super) fn kept(&self, offset: u64) -> Option<&Arc<Frame>> {
        self.runs.iter().find_map(|run| run.get(offset))
    }

    /// The frame that holds `offset`, or, where the log says twice that it has none, the next one
    /// behind it: what is called missing is lost for good, so one answer is not enough.
    pub(super) fn frame(&mut self, offset: u64) -> Result<Option<Arc<Frame>>, LogError> {
        if let Some(frame) = self.kept(offset) {
            return Ok(Some(frame.clone()));
        }
        let before = self.runs.iter().find(|run| run.ends_at(offset));
        let budget = before.map_or(LEAST, |run| MOST.min(run.budget * 4));
        let mut frames = Vec::new();
        for _ in 0..2 {
            frames = self.log.read(offset, budget)?;
            if frames.first().is_some_and(|f| f.base_offset() <= offset) {
                break;
            }
        }
        let first = frames.first().cloned();
        if first.is_some() {
            while self.bytes > KEPT || self.runs.len() == RUNS {
                let Some(oldest) = self.runs.pop_front() else {
                    break;
                };
                self.bytes -= oldest.bytes;
            }
            let bytes = frames.iter().map(|frame| frame.bytes().len()).sum();
            self.bytes += bytes;
            self.runs.push_back(Run {
                frames,
                bytes,
                budget,
            });
        }
        Ok(first)
    }
}
