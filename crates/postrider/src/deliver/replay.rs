//! Batches for a stretch of time that is over: what the log still has of it, cut anew.
//!
//! It runs on the thread of who asks and reads tables alone, so a long stretch delays no delivery.

use super::settings::Pace;
use crate::event::SEPARATOR;
use crate::journal::Span;
use crate::log::{Log, LogError};
use crate::route::Selection;
use crate::time::UnixMillis;
use std::ops::Range;

/// Batches of one replay, about: a longer stretch goes in several calls.
const MOST: usize = 1000;

/// One batch to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) spans: Vec<Span>,
    pub(crate) events: u32,
    pub(crate) bytes: u32,
}

impl Cut {
    fn fits(&self, bytes: u32, pace: &Pace) -> bool {
        self.events < pace.max_events && self.bytes.saturating_add(bytes) <= pace.max_bytes
    }

    fn add(&mut self, offset: u64, bytes: u32) {
        match self.spans.last_mut() {
            Some(last) if last.end() == offset => last.count += 1,
            _ => self.spans.push(Span {
                first: offset,
                count: 1,
            }),
        }
        self.events += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// Cuts batches of what was written to the log in `stretch` and is selected, oldest first; and where
/// to go on if that was not all.
pub(crate) fn cut(
    log: &Log,
    selection: &Selection,
    pace: &Pace,
    stretch: Range<UnixMillis>,
) -> Result<(Vec<Cut>, Option<UnixMillis>), LogError> {
    cut_at_most(MOST, log, selection, pace, stretch)
}

fn cut_at_most(
    most: usize,
    log: &Log,
    selection: &Selection,
    pace: &Pace,
    stretch: Range<UnixMillis>,
) -> Result<(Vec<Cut>, Option<UnixMillis>), LogError> {
    let (mut cuts, mut open, mut last_ms) = (Vec::new(), Cut::default(), 0);
    let mut next_ms = None;
    log.tables(log.first_offset(), |table| {
        let written_ms = table.written_ms();
        if !stretch.contains(&written_ms) {
            return true;
        }
        // Frames of one moment go together, so that the next call begins at another.
        if cuts.len() >= most && written_ms != last_ms {
            next_ms = Some(written_ms);
            return false;
        }
        last_ms = written_ms;
        for i in 0..table.count() {
            let entry = table.entry(i);
            if !selection.wants(entry.type_id, entry.subaccount) {
                continue;
            }
            let bytes = entry.len + SEPARATOR.len() as u32;
            if open.events > 0 && !open.fits(bytes, pace) {
                cuts.push(std::mem::take(&mut open));
            }
            open.add(table.base_offset() + u64::from(i), bytes);
        }
        true
    })?;
    if open.events > 0 {
        cuts.push(open);
    }
    Ok((cuts, next_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Entry;
    use crate::log::{self, LogConfig, LogWriter};
    use crate::route::Scope;
    use crate::time::{Clock, Instant, Now};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A wall clock that a test sets.
    struct Wall(AtomicU64);

    impl Clock for Wall {
        fn now(&self) -> Now {
            Now {
                mono: Instant(1),
                unix_ms: self.0.load(Ordering::Relaxed),
            }
        }
    }

    /// A log with a frame of ten events at each of these times; every other one is of type 1.
    fn a_log(times: &[u64]) -> (LogWriter, Arc<Log>) {
        let wall = Arc::new(Wall(AtomicU64::new(0)));
        let config = LogConfig {
            clock: wall.clone(),
            ..LogConfig::in_memory()
        };
        let (mut writer, log, _) = log::open(config, 0).expect("a log in memory");
        for at in times {
            wall.0.store(*at, Ordering::Relaxed);
            let mut frame = writer.frame();
            for n in 0..10 {
                let entry = Entry {
                    len: 2,
                    crc: crc32c::crc32c(b"{}"),
                    type_id: n % 2,
                    ..Entry::default()
                };
                assert!(frame.push(&entry, b"{},\n"));
            }
            writer.append(&mut frame).expect("room");
        }
        (writer, log)
    }

    fn ones() -> Selection {
        Selection {
            types: [1].into_iter().collect(),
            scope: Scope::all(),
        }
    }

    fn pace(max_events: u32) -> Pace {
        Pace {
            max_events,
            ..Pace::default()
        }
    }

    fn offsets(cuts: &[Cut]) -> Vec<Vec<u64>> {
        let of = |cut: &Cut| cut.spans.iter().flat_map(|s| s.first..s.end()).collect();
        cuts.iter().map(of).collect()
    }

    #[test]
    fn a_stretch_of_time_is_cut_into_batches_of_what_is_selected() {
        let (_writer, log) = a_log(&[100, 200, 300]);
        let (cuts, next) = cut(&log, &ones(), &pace(4), 200..300).unwrap();
        assert_eq!(offsets(&cuts), [vec![11, 13, 15, 17], vec![19]]);
        assert_eq!((cuts[0].events, cuts[0].bytes, next), (4, 16, None));
        let (cuts, _) = cut(&log, &ones(), &pace(100), 0..u64::MAX).unwrap();
        assert_eq!(cuts.len(), 1);
        assert_eq!(cuts[0].events, 15);
    }

    #[test]
    fn batches_keep_to_their_bytes_unless_one_event_is_larger() {
        let (_writer, log) = a_log(&[100]);
        let small = |max_bytes| Pace {
            max_bytes,
            ..pace(100)
        };
        let sizes = |max_bytes| {
            let (cuts, _) = cut(&log, &ones(), &small(max_bytes), 0..200).unwrap();
            cuts.iter().map(|cut| cut.events).collect::<Vec<_>>()
        };
        assert_eq!(sizes(8), [2, 2, 1]);
        assert_eq!(sizes(3), [1; 5]);
    }

    #[test]
    fn a_long_stretch_goes_in_several_calls_that_leave_nothing_out() {
        let (_writer, log) = a_log(&[100, 200, 200, 300, 400]);
        let (mut from, mut all) = (0, Vec::new());
        loop {
            let (cuts, next) = cut_at_most(2, &log, &ones(), &pace(2), from..1000).unwrap();
            all.extend(offsets(&cuts).concat());
            match next {
                Some(next) => from = next,
                None => break,
            }
        }
        assert_eq!(all, (0..50).filter(|n| n % 2 == 1).collect::<Vec<u64>>());
    }
}
