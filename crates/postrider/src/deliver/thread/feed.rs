//! From the log to the scheduler: frames as they are written, and what webhooks that lag read back.

use super::{Courier, HOLD};
use crate::deliver::handle::Notice;
use crate::deliver::scheduler::Scheduler;
use crate::log::{FrameTable, LogError, Part};
use crate::time::{Instant, Now};

/// Frames routed in one turn at most, so that answers are not kept waiting by a backlog.
const FRAMES_PER_TURN: u32 = 64;

/// Runs of wanted events read back in one turn at most: those that keep up wait meanwhile. What a whole frame counts for,
/// and what a segment's index does that is asked for them.
const RUNS_PER_TURN: u32 = 512;
const RUNS_PER_FRAME: u32 = 256;
const RUNS_PER_INDEX: u32 = 512;

impl Courier {
    /// Counts what was there before the start: segments that nobody's place is in by their indexes, so that it takes
    /// no longer where the backlog is large.
    pub(super) fn catch_up(&mut self) {
        let next = self.log.next_offset();
        loop {
            let now = self.clock.now().mono;
            let scheduler = &mut self.scheduler;
            let mut end = scheduler.routed();
            let read = self.log.outline(end, |part| match part {
                Part::Segment(offsets, contents) => {
                    end = offsets.end;
                    scheduler.count(offsets, contents.counts.iter())
                }
                Part::Frame(table) => {
                    end = route_table(scheduler, table, now);
                    true
                }
            });
            match read {
                Ok(()) => {
                    self.unsynced = end..next;
                    return self.scheduler.caught_up(next);
                }
                Err(error) => {
                    (self.notice)(&Notice::Held {
                        what: error.to_string(),
                    });
                    std::thread::sleep(HOLD);
                }
            }
        }
    }

    pub(super) fn route(&mut self, now: Now) -> bool {
        if self.scheduler.routed() >= self.log.next_offset() {
            return false;
        }
        let before = self.scheduler.routed();
        self.rhythm.stale = true;
        if let Err(error) = self.route_frames(FRAMES_PER_TURN, now) {
            self.hold(error.to_string(), now);
            return false;
        }
        let routed = self.scheduler.routed();
        routed > before && routed < self.log.next_offset()
    }

    /// Routes up to `frames` frames.
    pub(super) fn route_frames(&mut self, frames: u32, now: Now) -> Result<(), LogError> {
        let (scheduler, mut left) = (&mut self.scheduler, frames);
        self.log.tables(scheduler.routed(), |table| {
            route_table(scheduler, table, now.mono);
            left -= 1;
            left > 0
        })
    }

    /// Reads tables back for webhooks that lag: a part of a pass.
    pub(super) fn refill(&mut self) -> bool {
        let Some(mut pass) = self.scheduler.refill() else {
            return false;
        };
        let (scheduler, mut left) = (&mut self.scheduler, RUNS_PER_TURN);
        let mut goes_on = true;
        let wants = pass.wants();
        let mut glean = std::mem::take(&mut pass.glean);
        let read = loop {
            let sites = &mut self.reader.sites;
            let read = self.log.wanted(pass.from(), &wants, &mut glean, |some| {
                let (base, count) = (some.base_offset, some.count());
                for i in 0..count {
                    some.site(i)
                        .into_iter()
                        .for_each(|site| sites.note(base + u64::from(i), site));
                }
                left = left.saturating_sub(if some.is_frame() { RUNS_PER_FRAME } else { 1 });
                let entry = |i| some.entry(i);
                goes_on = scheduler.refill_frame(&mut pass, base, count, some.written_ms, entry);
                goes_on && left > 0
            });
            match read {
                Ok(Some(next)) => pass.looked_to(next),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
            left = left.saturating_sub(RUNS_PER_INDEX);
            if left == 0 {
                break Ok(());
            }
        };
        pass.glean = glean;
        match read {
            Ok(()) if goes_on && left == 0 => self.scheduler.refill_later(pass),
            Ok(()) => self.scheduler.refilled(pass, goes_on),
            Err(error) => {
                self.scheduler.refill_later(pass);
                let now = self.clock.now();
                self.hold(error.to_string(), now);
            }
        }
        true
    }
}

/// Routes a frame; answers the offset behind it.
fn route_table(scheduler: &mut Scheduler, table: &FrameTable<'_>, now: Instant) -> u64 {
    let (base, count) = (table.base_offset(), table.count());
    let written_ms = table.written_ms();
    scheduler.route(base, count, written_ms, |i| table.entry(i), now);
    base + u64::from(count)
}
