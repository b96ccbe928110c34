//! Tests of the log, by behaviour. Here is what they share.

mod append;
mod compact;
mod crash;
mod damage;
mod faults;
mod fixture;
mod interleave;
mod memory;
mod model;
mod retention;
mod search;
mod sparse;
mod threads;

pub(super) use interleave::moment;

use super::*;
use crate::event::{Entry, SEPARATOR};
use crate::time::ManualClock;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) const SEGMENT: u64 = 2 << 20;
pub(super) const START_MS: u64 = 1_700_000_000_000;

/// A log in a directory of its own, with small segments and a clock that stands still.
pub(super) struct Rig {
    pub(super) dir: tempfile::TempDir,
    pub(super) clock: Arc<ManualClock>,
    pub(super) config: LogConfig,
}

impl Rig {
    pub(super) fn new() -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(START_MS));
        let config = LogConfig {
            segment_bytes: SEGMENT,
            max_bytes: 16 * SEGMENT,
            full_wait: Duration::ZERO,
            clock: clock.clone(),
            ..LogConfig::on_disk(dir.path().join("log"))
        };
        Rig { dir, clock, config }
    }

    /// As [`new`](Self::new), without the cache that would answer in place of the disk.
    pub(super) fn uncached() -> Rig {
        let mut rig = Rig::new();
        rig.config.tail_bytes = 0;
        rig
    }

    pub(super) fn open(&self) -> (LogWriter, Arc<Log>, Recovery) {
        open(self.config.clone(), 0).unwrap()
    }

    pub(super) fn path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    pub(super) fn files(&self, extension: &str) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.path())
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p.extension().is_some_and(|e| e == extension))
            .collect();
        files.sort();
        files
    }

    /// Changes the bytes of a file.
    pub(super) fn edit(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(path).unwrap();
        change(&mut bytes);
        std::fs::write(path, bytes).unwrap();
    }

    /// The only segment's path.
    pub(super) fn segment(&self) -> PathBuf {
        let mut all = self.files("seg");
        assert_eq!(all.len(), 1);
        all.remove(0)
    }
}

/// Event `n`'s text: JSON whose length and content follow from `n`.
pub(super) fn text(n: u64) -> String {
    format!(
        r#"{{"msys":{{"n":"{n}","x":"{}"}}}}"#,
        "abcdefghij".repeat((n % 7) as usize)
    )
}

pub(super) fn entry(n: u64, text: &[u8]) -> Entry {
    Entry {
        len: text.len() as u32,
        crc: crc32c::crc32c(text),
        time_ms: START_MS + n,
        subaccount: (n % 3) as u32,
        type_id: (n % 5) as u16 + 1,
        flags: 0,
    }
}

/// Pushes one event, which must fit.
pub(super) fn push(frame: &mut FrameBuilder, n: u64, text: &str) {
    let with_separator = [text.as_bytes(), SEPARATOR].concat();
    assert!(frame.push(&entry(n, text.as_bytes()), &with_separator));
}

/// A log of small segments on a simulated disk, of which nothing but the newest frame is in memory.
pub(super) fn simulated(fs: &crate::fs::sim::SimFs) -> LogConfig {
    LogConfig {
        segment_bytes: SEGMENT,
        max_bytes: 64 * SEGMENT,
        tail_bytes: 0,
        full_wait: Duration::ZERO,
        fs: Arc::new(fs.clone()),
        clock: Arc::new(ManualClock::new(START_MS)),
        ..LogConfig::on_disk("/log")
    }
}

/// Appends frames of 1,000 events, from `next` on, until there are `n` segments; gives the next offset.
pub(super) fn fill(writer: &mut LogWriter, log: &Log, mut next: u64, n: u64) -> u64 {
    while log.stats().segments < n {
        append(writer, next..next + 1000);
        next += 1000;
    }
    next
}

/// Appends the events `range` (of [`text`]) as one frame.
pub(super) fn append(writer: &mut LogWriter, range: std::ops::Range<u64>) -> Appended {
    let mut frame = writer.frame();
    for n in range {
        push(&mut frame, n, &text(n));
    }
    writer.append(&mut frame).unwrap()
}

/// All good events from `from` on: (offset, text), with their entries checked.
pub(super) fn events(log: &Log, from: u64) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    let mut next = from;
    loop {
        let frames = log.read(next, 256 * 1024).unwrap();
        let Some(last) = frames.last() else {
            return all;
        };
        assert!(last.end_offset() > next, "reading goes on");
        next = last.end_offset();
        for frame in frames {
            for i in 0..frame.count() {
                let offset = frame.base_offset() + u64::from(i);
                if offset >= from && !frame.is_damaged(i) {
                    let text = frame.text(i);
                    assert_eq!(frame.entry(i).crc, crc32c::crc32c(text));
                    all.push((offset, String::from_utf8(text.to_vec()).unwrap()));
                }
            }
        }
    }
}

/// What [`events`] gives where offset and number of each event are the same.
pub(super) fn expected(range: std::ops::Range<u64>) -> Vec<(u64, String)> {
    range.map(|n| (n, text(n))).collect()
}
