//! The writer: what producers pushed and other processes put into the inbox becomes frames
//! of the log.
//!
//! It takes all that is there, appends it with one write, says so, and looks again; only when
//! nothing is there does it sleep, and under load it gathers (`gather.rs`).
//! An append that fails keeps its frame: the log's state, not the events, is what must change
//! (space returns, the deliverer releases), and meanwhile the queue fills and its policy speaks.

use super::gather::{self, Gather, Look};
use super::shared::{Counters, Severity, Shared};
use crate::event::{Entry, TypeId, type_of_text};
use crate::filter::Seat;
use crate::inbox::Taker;
use crate::log::{FRAME_BYTES, FrameBuilder, Lent, LogError, LogWriter};
use crate::queue::{Drain, Drained};
use crate::time::Instant;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Pause before an append that the disk refused is tried again.
const RETRY: Duration = Duration::from_millis(50);
/// An idle writer looks at the inbox this often even when no notice came.
const INBOX_LOOK: Duration = Duration::from_secs(10);
/// As good as for ever, and short enough for every clock.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// What the writer thread owns.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) drain: Drain,
    pub(crate) log: LogWriter,
    pub(crate) inbox: Option<Taker>,
    /// Behind each event that the inbox gave the frame: file and position.
    pub(crate) taken: Vec<(u64, u64)>,
    /// Inbox positions in frames that are not synced yet, with the offset behind the frame.
    pub(crate) unsynced: VecDeque<(u64, Vec<(u64, u64)>)>,
    /// When an idle writer last looked at the inbox.
    pub(crate) looked: Instant,
    /// When to pause for more.
    pub(crate) gather: Gather,
    /// What is appended next.
    pub(crate) frame: FrameBuilder,
    /// What the frame is filled into anew when filters changed something, once they did.
    pub(crate) spare: Option<FrameBuilder>,
    pub(crate) round: Round,
    /// Its place before the filters of the common chain.
    pub(crate) seat: Seat<Writer>,
}

/// What one look at queue and inbox found, beside the frame.
#[derive(Default)]
pub(crate) struct Round {
    /// The engine was to stop.
    stopping: bool,
    pub(super) drained: Drained,
    /// So many of the frame's events, the first, come from the queue; the others from the inbox.
    pub(super) queued: u32,
    /// There was nothing.
    idle: bool,
    /// Inbox positions taken.
    pub(super) positions: Vec<(u64, u64)>,
    /// Which of the frame's events are with the filters.
    pub(super) selected: Vec<bool>,
    /// The frame's text, while they read it.
    pub(super) lent: Option<Arc<Lent>>,
}

impl Writer {
    /// Runs until the engine stops and the queue is empty; or until a filter keeps this thread, while another goes on.
    pub(crate) fn run(mut self: Box<Self>) {
        loop {
            self.collect();
            self = match self.filter() {
                Some(writer) => writer,
                None => return,
            };
            if !self.conclude() {
                return;
            }
        }
    }

    /// Puts what there is into the frame.
    fn collect(&mut self) {
        let stopping = self.shared.stopping.load(Ordering::Acquire);
        // A queue that is never empty must not starve the inbox.
        let share = match self.shared.inbox_changed.load(Ordering::Acquire) {
            true => FRAME_BYTES / 2,
            false => FRAME_BYTES,
        };
        let frame = &mut self.frame;
        let drained = self
            .drain
            .drain(share, |entry, text| frame.push(entry, text));
        let queued = self.frame.len();
        let positions = self.take_inbox();
        self.round = Round {
            stopping,
            drained,
            queued,
            idle: self.frame.is_empty() && positions.is_empty(),
            positions,
            selected: std::mem::take(&mut self.round.selected),
            lent: None,
        };
    }

    /// Appends the frame as it is now, says so, and sleeps if there was nothing; false when that was the end.
    pub(super) fn conclude(&mut self) -> bool {
        let Round {
            stopping,
            drained,
            idle,
            ..
        } = self.round;
        let positions = std::mem::take(&mut self.round.positions);
        if !idle && !self.append(positions) {
            return false;
        }
        let awaited = self.shared.drained.advance(drained.position);
        let pays = self.gather.pays(Look {
            at: self.shared.clock.now().mono,
            events: drained.records,
            position: drained.position,
        });
        if pays && !awaited && !stopping {
            std::thread::sleep(gather::PAUSE);
        }
        if idle {
            // A claim that is still being filled may hide records behind it; and a push that began
            // before the stop is either drained or refused, never left behind.
            let abandon = self.shared.abandon.load(Ordering::Acquire);
            if stopping && (abandon || self.drain.close_if_drained()) {
                return false;
            }
            self.sleep();
        }
        self.delete_synced();
        true
    }

    fn sleep(&mut self) {
        let shared = self.shared.clone();
        let looks = if self.inbox.is_some() {
            INBOX_LOOK
        } else {
            NEVER
        };
        let stopping = shared.stopping.load(Ordering::Acquire);
        let looks = if stopping { RETRY } else { looks };
        self.drain.sleep(looks, || {
            shared.stopping.load(Ordering::Acquire) != stopping
                || shared.inbox_changed.load(Ordering::Acquire)
                || self.oldest_is_synced()
        });
        let now = shared.clock.now().mono;
        if now.since(self.looked) >= INBOX_LOOK {
            self.looked = now;
            shared.inbox_changed.store(true, Ordering::Release);
        }
    }

    /// Appends until it succeeds; false when the log is poisoned or the engine's close ran out of time.
    pub(super) fn append(&mut self, positions: Vec<(u64, u64)>) -> bool {
        let mut complained = false;
        loop {
            match self.log.append(&mut self.frame) {
                Ok(appended) => {
                    self.shared.syncs.written();
                    self.shared.wake_deliverer();
                    if !positions.is_empty() {
                        self.unsynced.push_back((appended.written_end, positions));
                    }
                    if complained {
                        self.shared
                            .say(Severity::Info, "log: writing goes on after a failure");
                    }
                    return true;
                }
                Err(e) => {
                    let full = matches!(e, LogError::Full { .. });
                    if !full {
                        Counters::add(&self.shared.counters.append_failures, 1);
                    }
                    if !complained {
                        complained = true;
                        let severity = if full {
                            Severity::Warning
                        } else {
                            Severity::Error
                        };
                        self.shared.say(severity, &e.to_string());
                    }
                    if self.shared.abandon.load(Ordering::Acquire)
                        || matches!(e, LogError::SyncFailed { .. })
                    {
                        return false;
                    }
                    self.shared.wake_deliverer();
                    if !full {
                        std::thread::sleep(RETRY);
                    }
                }
            }
        }
    }

    /// Puts what the inbox holds into the frame; the positions taken, empty if nothing was.
    fn take_inbox(&mut self) -> Vec<(u64, u64)> {
        let (shared, frame) = (&self.shared, &mut self.frame);
        let Some(taker) = &mut self.inbox else {
            return Vec::new();
        };
        if !shared.inbox_changed.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        let behind = &mut self.taken;
        behind.clear();
        let taken = taker.take(FRAME_BYTES, |entry, text, position| {
            let Some(entry) = resolve(shared, entry, text) else {
                Counters::add(&shared.counters.inbox_unknown_type, 1);
                return true;
            };
            if !shared.wanted.contains(TypeId(entry.type_id)) {
                Counters::add(&shared.counters.unwanted, 1);
                return true;
            }
            let pushed = frame.push(&entry, text);
            if pushed {
                behind.push(position);
            }
            pushed
        });
        *shared
            .inbox_stats
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = taker.stats();
        match taken {
            Ok(taken) => {
                if taken.more {
                    shared.inbox_changed.store(true, Ordering::Release);
                }
                for problem in &taken.problems {
                    shared.say(Severity::Warning, &problem.to_string());
                }
                for &(file, position) in &taken.positions {
                    frame.inbox_position(file, position);
                }
                taken.positions
            }
            Err(e) => {
                shared.say(Severity::Error, &e.to_string());
                Vec::new()
            }
        }
    }

    fn oldest_is_synced(&self) -> bool {
        let synced = self.shared.log.synced().load();
        self.unsynced.front().is_some_and(|(end, _)| *end <= synced)
    }

    /// Lets the inbox delete the files whose events are as durable as they were there.
    fn delete_synced(&mut self) {
        while self.oldest_is_synced() {
            let Some((_, positions)) = self.unsynced.pop_front() else {
                return;
            };
            let Some(taker) = &mut self.inbox else { return };
            if let Err(e) = taker.committed(&positions) {
                self.shared.say(Severity::Warning, &e.to_string());
            }
        }
        if let Some(taker) = &mut self.inbox {
            for file in taker.deleted() {
                self.log.forget_inbox(file);
            }
        }
    }
}

impl Drop for Writer {
    /// However it comes to its end: nothing more gets into the log, and who waits for that is to know.
    fn drop(&mut self) {
        self.shared.queue.close();
        self.shared.writer_ended.store(true, Ordering::Release);
        self.shared.drained.nudge();
    }
}

/// Finds the type of an event whose writer knew no number for it.
fn resolve(shared: &Shared, entry: &Entry, text: &[u8]) -> Option<Entry> {
    if entry.type_id != TypeId::IN_TEXT.0 {
        return shared
            .schema
            .type_name(TypeId(entry.type_id))
            .map(|_| *entry);
    }
    let type_id = type_of_text(&shared.schema, text)?.0;
    Some(Entry { type_id, ..*entry })
}
