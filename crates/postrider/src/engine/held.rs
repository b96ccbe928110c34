//! Events that a filter failed and that wait in the log: listed, and released through the filters again.
//!
//! They lie in the log as they came, flagged. What is remembered beside it is one offset, below which none is left to
//! release; it is in the store before the first event behind it is held, so that none is forgotten. From there to the last of them
//! the log keeps everything, as long as `log.keep_days` says and `log.max_bytes` lets it. A release pushes
//! them again, with their ids and times; what is held anew gets a new place in the log.

use super::{Engine, PushOptions, Shared};
use crate::client::Input;
use crate::event::Entry;
use crate::filter::FilterError;
use crate::log::{Frame, Log};
use crate::store::{Store, StoreError};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Where the store keeps the offset.
const STORED: &str = "held_from";
/// Bytes of the log read at once.
const READ: usize = 4 << 20;
/// How long the push of a released event waits for room.
const PATIENCE: Duration = Duration::from_secs(10);

/// An event that waits to be released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldEvent {
    /// Its place in the log.
    pub offset: u64,
    /// The event as it came.
    pub text: String,
}

/// Where held events begin.
pub(crate) struct Held {
    log: Arc<Log>,
    mark: Mutex<Mark>,
}

#[derive(Debug)]
struct Mark {
    /// None is held below; none at all without one.
    from: Option<u64>,
    /// None is held behind.
    last: u64,
}

impl Mark {
    /// The part of the log in which all of them lie.
    fn part(&self) -> Range<u64> {
        self.from.map_or(0..0, |from| from..self.last + 1)
    }
}

impl Held {
    /// What a former life left.
    pub(super) fn open(store: &Store, log: Arc<Log>, keep: Duration) -> Result<Held, StoreError> {
        let bytes = store.meta(STORED)?;
        let from = bytes.and_then(|b| Some(u64::from_le_bytes(b.try_into().ok()?)));
        let from = from.filter(|&from| from != u64::MAX);
        let mark = Mark {
            from,
            last: log.next_offset(),
        };
        log.hold(mark.part(), keep);
        Ok(Held {
            log,
            mark: Mutex::new(mark),
        })
    }

    /// An event is about to be held at `offset`.
    pub(super) fn note(
        &self,
        store: &Store,
        offset: u64,
        keep: Duration,
    ) -> Result<(), StoreError> {
        let mut mark = self.lock();
        mark.last = offset;
        let first = mark.from.is_none();
        mark.from.get_or_insert(offset);
        self.log.hold(mark.part(), keep);
        match first {
            true => write(store, mark.from),
            false => Ok(()),
        }
    }

    /// Everything below `end` was released.
    fn released(&self, store: &Store, end: u64, keep: Duration) -> Result<(), StoreError> {
        let mut mark = self.lock();
        mark.from = (mark.last >= end).then_some(end);
        self.log.hold(mark.part(), keep);
        write(store, mark.from)
    }

    fn from(&self) -> Option<u64> {
        self.lock().from
    }

    fn lock(&self) -> MutexGuard<'_, Mark> {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(store: &Store, from: Option<u64>) -> Result<(), StoreError> {
    store.set_meta(STORED, &from.unwrap_or(u64::MAX).to_le_bytes())
}

impl Engine {
    /// Events that wait to be released, oldest first, at most `limit`. The log keeps them for `log.keep_days`, within `log.max_bytes`.
    ///
    /// # Errors
    /// The log cannot be read, or this is a forked child.
    pub fn held_events(&self, limit: usize) -> Result<Vec<HeldEvent>, FilterError> {
        let shared = self.held_shared()?;
        let mut held = Vec::new();
        let Some(mut from) = shared.held.from() else {
            return Ok(held);
        };
        loop {
            let frames = read(shared, from)?;
            let Some(last) = frames.last() else {
                return Ok(held);
            };
            for event in frames.iter().flat_map(|frame| of_frame(frame, from)) {
                if held.len() >= limit {
                    return Ok(held);
                }
                held.push(event);
            }
            from = last.end_offset();
        }
    }

    /// Pushes the events that are held now through the filters again, oldest first, and says how many.
    ///
    /// # Errors
    /// The log cannot be read, or a push failed: then the next release begins with the same events, and those that were
    /// pushed go out twice, under the same ids.
    pub fn release_held(&self) -> Result<u64, FilterError> {
        let shared = self.held_shared()?;
        let _one_at_a_time = shared
            .changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(mut from) = shared.held.from() else {
            return Ok(0);
        };
        let end = shared.log.written().load();
        let mut released = 0;
        while from < end {
            let frames = read(shared, from)?;
            let Some(last) = frames.last() else { break };
            let held = frames.iter().flat_map(|frame| of_frame(frame, from));
            for event in held.filter(|event| event.offset < end) {
                let options = PushOptions {
                    deadline: Some(PATIENCE),
                    ..PushOptions::default()
                };
                let input = Input::Line(event.text.as_bytes());
                self.push_with(input, options)
                    .map_err(|e| FilterError::Store(format!("cannot release an event: {e}")))?;
                released += 1;
            }
            from = last.end_offset();
        }
        let stored = |e: StoreError| FilterError::Store(e.to_string());
        let keep = shared.config().log_keep_for();
        let done = shared.held.released(&shared.store, end, keep);
        done.map_err(stored)?;
        Ok(released)
    }

    fn held_shared(&self) -> Result<&Shared, FilterError> {
        match self.is_child() {
            true => Err(FilterError::Stopped),
            false => Ok(self.shared()),
        }
    }
}

fn read(shared: &Shared, from: u64) -> Result<Vec<std::sync::Arc<Frame>>, FilterError> {
    let read = shared.log.read(from, READ);
    read.map_err(|e| FilterError::Store(e.to_string()))
}

fn of_frame(frame: &Frame, from: u64) -> impl Iterator<Item = HeldEvent> + '_ {
    let held = move |i: &u32| {
        frame.entry(*i).flags & Entry::HELD != 0
            && !frame.is_damaged(*i)
            && frame.base_offset() + u64::from(*i) >= from
    };
    (0..frame.count()).filter(held).map(|i| HeldEvent {
        offset: frame.base_offset() + u64::from(i),
        text: String::from_utf8_lossy(frame.text(i)).into_owned(),
    })
}
