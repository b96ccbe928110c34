//! An engine in small: what the writer and the deliver thread do to log and journal, without time.

use super::facts::{Facts, type_of, wants};
use super::{SimFs, WEBHOOKS};
use crate::event::{Entry, SEPARATOR};
use crate::journal::{
    self, BatchStart, Journal, JournalError, Outcome, Reason, Record, Span, State,
};
use crate::log::{self, FrameBuilder, Log, LogConfig, LogWriter};
use crate::time::ManualClock;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const INBOX_FILE: u64 = 77;
const START_MS: u64 = 1_700_000_000_000;

pub(super) struct Engine {
    writer: LogWriter,
    log: Arc<Log>,
    journal: Journal,
    state: State,
    /// How far the inbox is taken.
    position: usize,
    /// What an append failed to write, and the inbox's position behind it: tried again before anything else, as the
    /// real writer does. A power cut may bring back what the failure left, at the same offsets.
    unwritten: Option<(FrameBuilder, Vec<String>, usize)>,
    /// Batches that went out and have no outcome.
    in_air: Vec<Uuid>,
    /// Delivered by records that are not committed yet.
    delivered: Vec<Uuid>,
    /// What the log must keep as of the journal's last sync.
    synced_needs: (u64, Vec<Range<u64>>),
    /// The disk has no space but what was reserved.
    pub(super) full: bool,
    /// The disk had other faults, which may have kept it from reserving space.
    pub(super) faulty: bool,
    failed: bool,
}

fn webhook_id(webhook: u64) -> Uuid {
    Uuid::from_u64_pair(3, webhook)
}

impl Engine {
    /// Opens what is there, trying again where a fault of the disk comes between, and compares it with the
    /// facts.
    pub(super) fn open(fs: &SimFs, facts: &mut Facts) -> Result<Engine, TestCaseError> {
        let clock = Arc::new(ManualClock::new(START_MS));
        let config = LogConfig {
            segment_bytes: 2 << 20,
            max_bytes: 64 << 20,
            tail_bytes: 0,
            full_wait: Duration::ZERO,
            fs: Arc::new(fs.clone()),
            clock: clock.clone(),
            ..LogConfig::on_disk("/log")
        };
        let opened = journal::open(Path::new("/journal"), Arc::new(fs.clone()), clock);
        let (journal, recovered) = opened.expect("nothing of the journal is flipped");
        prop_assert_eq!(recovered.holes, 0);
        let state = recovered.state;
        prop_assert!(state.check().is_ok(), "{:?}", state.check());
        facts.remembered(|id| state.batch(*id).is_some() || state.dead_letter(*id).is_some());
        let (writer, log, report) = log::open(config, state.next_offset()).expect("the log opens");
        prop_assert!(report.next_offset >= state.next_offset());
        let (found, frames) = events(&log);
        let opened = facts.opened((&found, frames), report.next_offset, report.is_damaged());
        opened.map_err(|e| TestCaseError::fail(format!("{e}; {report:?}")))?;
        let position = report.inbox_positions.iter().find(|p| p.0 == INBOX_FILE);
        let position = position.map_or(0, |p| p.1 as usize);
        let taken = facts.inbox_taken(position, &found);
        taken.map_err(|e| TestCaseError::fail(format!("{e}; {report:?}")))?;
        Ok(Engine {
            writer,
            log,
            journal,
            synced_needs: (0, Vec::new()),
            state,
            position,
            unwritten: None,
            in_air: Vec::new(),
            delivered: Vec::new(),
            full: false,
            faulty: false,
            failed: false,
        })
    }

    /// Whether only opening anew helps.
    pub(super) fn has_failed(&self) -> bool {
        self.failed || self.log.failed().is_some()
    }

    pub(super) fn push(
        &mut self,
        facts: &mut Facts,
        events: u64,
        bytes: usize,
    ) -> Result<(), TestCaseError> {
        if !self.write(facts)? {
            return Ok(());
        }
        let mut frame = self.writer.frame();
        let mut texts = Vec::new();
        for _ in 0..events {
            let (serial, text) = facts.text(bytes);
            if !put(&mut frame, serial, &text) {
                break;
            }
            texts.push(text);
        }
        self.unwritten = Some((frame, texts, self.position));
        self.write(facts).map(drop)
    }

    /// Takes what the inbox has, and so many events that are put in now.
    pub(super) fn take(
        &mut self,
        facts: &mut Facts,
        events: u64,
        bytes: usize,
    ) -> Result<(), TestCaseError> {
        for _ in 0..events {
            let (_, text) = facts.text(bytes);
            facts.inbox.push(text);
        }
        if !self.write(facts)? {
            return Ok(());
        }
        let mut frame = self.writer.frame();
        let mut texts = Vec::new();
        for text in facts.inbox[self.position..].iter().cloned() {
            let serial = text.split(':').next().unwrap().parse().unwrap();
            if !put(&mut frame, serial, &text) {
                break;
            }
            texts.push(text);
        }
        let position = self.position + texts.len();
        frame.inbox_position(INBOX_FILE, position as u64);
        facts.taking(self.log.next_offset(), &texts);
        self.unwritten = Some((frame, texts, position));
        self.write(facts).map(drop)
    }

    /// Appends what is to be appended; answers whether nothing is left of it.
    fn write(&mut self, facts: &mut Facts) -> Result<bool, TestCaseError> {
        let Some((mut frame, texts, position)) = self.unwritten.take() else {
            return Ok(true);
        };
        let next = self.log.next_offset();
        for (offset, text) in (next..).zip(&texts) {
            facts.trying(offset, text);
        }
        match self.writer.append(&mut frame) {
            Ok(appended) => {
                prop_assert_eq!(appended.base_offset, next);
                prop_assert!(next >= self.state.next_offset(), "the journal remembers it");
                facts.wrote(next, texts)?;
                self.position = position;
                Ok(true)
            }
            Err(_) => {
                prop_assert_eq!(self.log.next_offset(), next);
                self.unwritten = Some((frame, texts, position));
                Ok(false)
            }
        }
    }

    pub(super) fn sync_log(&mut self, facts: &mut Facts) {
        if let Ok(to) = self.log.sync() {
            facts.synced(to);
        }
    }

    pub(super) fn maintain(&self) {
        // Its errors are tried again by the next call.
        let _ = self.log.maintain();
    }

    fn record(&mut self, record: Record) {
        self.journal.append(&record);
        self.state.apply(&record);
    }

    /// Whether the journal met a full disk although it had reserved its space.
    fn is_stopped_by(&self, error: &JournalError) -> bool {
        let full = matches!(error, JournalError::Io { source, .. } if source.kind() == ErrorKind::StorageFull);
        full && self.full && !self.faulty
    }

    /// Journals what was decided; answers whether it may be done.
    fn commit(&mut self, facts: &mut Facts) -> Result<bool, TestCaseError> {
        match self.journal.commit() {
            Ok(()) => {
                facts.committed(&mut self.delivered);
                Ok(true)
            }
            Err(e) => {
                prop_assert!(!self.is_stopped_by(&e), "a full disk stopped the journal");
                self.failed |= matches!(e, JournalError::Poisoned);
                Ok(false)
            }
        }
    }

    pub(super) fn form(
        &mut self,
        facts: &mut Facts,
        webhook: u64,
        most: u32,
    ) -> Result<(), TestCaseError> {
        let id = webhook_id(webhook);
        let from = self.state.webhook(id).map_or(0, |w| w.scanned_to);
        let Ok(frames) = self.log.read(from, 1 << 20) else {
            return Ok(());
        };
        let (mut events, mut damaged, mut scanned_to) = (Vec::new(), Vec::new(), from);
        'frames: for frame in &frames {
            for i in 0..frame.count() {
                let offset = frame.base_offset() + u64::from(i);
                if offset < from {
                    continue;
                }
                if events.len() == most as usize {
                    break 'frames;
                }
                for gone in scanned_to..offset {
                    facts.lost(gone)?;
                }
                scanned_to = offset + 1;
                if !wants(webhook, frame.entry(i).type_id) {
                    continue;
                }
                match frame.is_damaged(i) {
                    true => damaged.push(offset),
                    false => {
                        events.push((offset, String::from_utf8_lossy(frame.text(i)).into_owned()))
                    }
                }
            }
        }
        for &offset in &damaged {
            facts.lost(offset)?;
        }
        if !damaged.is_empty() {
            self.record(Record::Dropped {
                webhook: id,
                reason: Reason::DAMAGED,
                events: damaged.len() as u64,
                scanned_to: from,
            });
        }
        if !events.is_empty() {
            let batch = Uuid::from_u64_pair(9, facts.serial << 20 | u64::from(most));
            if self.state.batch(batch).is_some() || self.state.dead_letter(batch).is_some() {
                return Ok(());
            }
            facts.serial += 1;
            self.record(Record::Start(BatchStart {
                batch,
                webhook: id,
                revision: 1,
                scanned_to,
                events: events.len() as u32,
                bytes: 0,
                last_written_ms: START_MS,
                formed_ms: START_MS,
                spans: spans(events.iter().map(|e| e.0)),
            }));
            facts.formed(batch, events);
        } else if scanned_to > from {
            self.record(Record::Floor {
                webhook: id,
                scanned_to,
            });
        }
        self.commit(facts).map(drop)
    }

    fn nth_open(&self, nth: usize) -> Option<BatchStart> {
        let count = self.state.batches().count();
        let open = self.state.batches().nth(nth.checked_rem(count)?)?;
        Some(open.start.clone())
    }

    pub(super) fn attempt(&mut self, facts: &mut Facts, nth: usize) -> Result<(), TestCaseError> {
        let Some(start) = self.nth_open(nth) else {
            return Ok(());
        };
        let mut texts = Vec::new();
        let mut missing = Vec::new();
        for span in &start.spans {
            for offset in span.first..span.end() {
                match self.text(offset) {
                    Ok(Some(text)) => texts.push(text),
                    Ok(None) => missing.push(offset),
                    // The disk fails, which says nothing about the event.
                    Err(()) => return Ok(()),
                }
            }
        }
        let webhook = u64::from(start.webhook == webhook_id(1));
        if !missing.is_empty() {
            for &offset in &missing {
                facts.lost(offset)?;
            }
            // The real one splits; here the whole batch is dropped, and says so.
            facts.dropped(webhook, texts);
            self.record(Record::Close {
                batch: start.batch,
                reason: Reason::LOST_UNSYNCED,
                at_ms: START_MS,
            });
            return Ok(());
        }
        self.record(Record::Attempt {
            batch: start.batch,
            number: 1,
            at_ms: START_MS,
        });
        if self.commit(facts)? {
            facts.sent(webhook, start.batch, texts)?;
            self.in_air.push(start.batch);
        }
        Ok(())
    }

    fn text(&self, offset: u64) -> Result<Option<String>, ()> {
        let frames = self.log.read(offset, 0).map_err(drop)?;
        let Some(frame) = frames.first().filter(|f| f.base_offset() <= offset) else {
            return Ok(None);
        };
        let i = (offset - frame.base_offset()) as u32;
        Ok((!frame.is_damaged(i)).then(|| String::from_utf8_lossy(frame.text(i)).into_owned()))
    }

    pub(super) fn deliver(&mut self, facts: &mut Facts, nth: usize) {
        let Some(batch) = self.in_flight(nth) else {
            return;
        };
        self.outcome(batch, Outcome::Delivered { status: 200 });
        self.delivered.push(batch);
        let _ = self.commit(facts);
    }

    fn in_flight(&self, nth: usize) -> Option<Uuid> {
        let batch = self.nth_open(nth)?.batch;
        self.in_air.contains(&batch).then_some(batch)
    }

    fn outcome(&mut self, batch: Uuid, result: Outcome) {
        self.in_air.retain(|b| *b != batch);
        self.record(Record::Outcome {
            batch,
            at_ms: START_MS,
            latency_ms: 1,
            result,
            next_at_ms: 0,
        });
    }

    pub(super) fn fail(&mut self, nth: usize) {
        if let Some(batch) = self.in_flight(nth) {
            let (status, code) = (Some(503), "".into());
            self.outcome(batch, Outcome::Failed { status, code });
        }
    }

    pub(super) fn die(&mut self, nth: usize) {
        if let Some(start) = self.nth_open(nth) {
            self.record(Record::Dead {
                batch: start.batch,
                reason: Reason::EXPIRED,
                at_ms: START_MS,
            });
        }
    }

    pub(super) fn replay(&mut self, nth: usize) {
        let count = self.state.dead_letters().count();
        let Some(nth) = nth.checked_rem(count) else {
            return;
        };
        let batch = self
            .state
            .dead_letters()
            .nth(nth)
            .expect("counted")
            .start
            .batch;
        self.record(Record::Replay {
            batch,
            at_ms: START_MS,
        });
    }

    pub(super) fn sync_journal(&mut self, facts: &mut Facts) -> Result<(), TestCaseError> {
        if !self.commit(facts)? {
            return Ok(());
        }
        match self.journal.sync() {
            Ok(()) => {
                self.synced_needs = self.needs();
                facts.journal_synced();
            }
            Err(_) => self.failed = true,
        }
        Ok(())
    }

    pub(super) fn checkpoint(&mut self, facts: &mut Facts) -> Result<(), TestCaseError> {
        match self.journal.checkpoint(&self.state) {
            Ok(()) => {
                facts.committed(&mut self.delivered);
                facts.journal_synced();
                self.synced_needs = self.needs();
            }
            Err(e) => {
                prop_assert!(!self.is_stopped_by(&e), "a full disk stopped a checkpoint");
                // Whether a restart finds it is open.
                let mut sync = || self.journal.commit().is_err() || self.journal.sync().is_err();
                self.failed |= sync();
                if !self.failed {
                    facts.committed(&mut self.delivered);
                    facts.journal_synced();
                    self.synced_needs = self.needs();
                }
            }
        }
        Ok(())
    }

    fn needs(&self) -> (u64, Vec<Range<u64>>) {
        let scanned = |w| {
            self.state
                .webhook(webhook_id(w))
                .map_or(0, |w| w.scanned_to)
        };
        let floor = (0..WEBHOOKS).map(scanned).min().unwrap_or(0);
        let letters = self.state.dead_letters().map(|l| &l.start);
        let starts = self.state.batches().map(|b| &b.start).chain(letters);
        let pins = starts.flat_map(|s| s.spans.iter().map(|s| s.first..s.end()));
        (floor, pins.collect())
    }

    pub(super) fn release(&mut self, facts: &mut Facts) {
        let (floor, mut pins) = self.synced_needs.clone();
        pins.extend(self.needs().1);
        facts.release(floor, pins.clone());
        self.log.release(floor, &pins);
    }

    /// With a disk that works: everything is taken, formed, and delivered.
    pub(super) fn finish(&mut self, facts: &mut Facts) -> Result<(), TestCaseError> {
        while self.position < facts.inbox.len() {
            let before = self.position;
            self.take(facts, 0, 0)?;
            prop_assert!(self.position > before, "writing goes on by itself");
        }
        for webhook in 0..WEBHOOKS {
            let id = webhook_id(webhook);
            loop {
                let scanned = self.state.webhook(id).map_or(0, |w| w.scanned_to);
                self.form(facts, webhook, 1000)?;
                if self.state.webhook(id).map_or(0, |w| w.scanned_to) == scanned {
                    break;
                }
            }
        }
        while self.state.dead_letters().next().is_some() {
            self.replay(0);
        }
        while self.state.batches().next().is_some() {
            self.attempt(facts, 0)?;
            self.deliver(facts, 0);
        }
        let balanced = self.state.check();
        prop_assert!(balanced.is_ok(), "{balanced:?}");
        Ok(())
    }
}

fn put(frame: &mut FrameBuilder, serial: u64, text: &str) -> bool {
    let entry = Entry {
        len: text.len() as u32,
        crc: crc32c::crc32c(text.as_bytes()),
        type_id: type_of(serial),
        ..Entry::default()
    };
    frame.push(&entry, &[text.as_bytes(), SEPARATOR].concat())
}

/// Neighbouring offsets as spans.
fn spans(offsets: impl Iterator<Item = u64>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for first in offsets {
        match spans.last_mut() {
            Some(last) if last.end() == first => last.count += 1,
            _ => spans.push(Span { first, count: 1 }),
        }
    }
    spans
}

/// All good events, and where frames begin and end.
fn events(log: &Log) -> (BTreeMap<u64, String>, Vec<Range<u64>>) {
    let (mut all, mut ranges) = (BTreeMap::new(), Vec::new());
    let mut next = 0;
    loop {
        let frames = log.read(next, 1 << 20).expect("no fault while opening");
        let Some(last) = frames.last() else {
            return (all, ranges);
        };
        next = last.end_offset();
        for frame in &frames {
            ranges.push(frame.base_offset()..frame.end_offset());
            for i in (0..frame.count()).filter(|&i| !frame.is_damaged(i)) {
                let text = String::from_utf8_lossy(frame.text(i)).into_owned();
                all.insert(frame.base_offset() + u64::from(i), text);
            }
        }
    }
}
