//! What the outside was told, and what may have become of it.

use super::WEBHOOKS;
use crate::fs::Fs;
use crate::fs::sim::SimFs;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::path::Path;
use uuid::Uuid;

/// The book of facts.
#[derive(Default)]
pub(super) struct Facts {
    /// Numbers events; part of each text.
    pub(super) serial: u64,
    /// Every text that was ever tried at an offset.
    tried: HashMap<u64, Vec<String>>,
    /// Acknowledged as written, and not lost since by a power cut or a flipped bit.
    written: BTreeMap<u64, String>,
    /// Everything below survives a power cut.
    synced: u64,
    /// The frames of what was written, to count what a flipped bit costs.
    frames: Vec<Range<u64>>,
    flips: usize,
    hurt: BTreeSet<u64>,
    power_was_cut: bool,
    /// What the journal had not synced may be forgotten.
    journal_was_cut: bool,
    /// Offsets that the log was allowed to forget: all below but what is pinned.
    released: (u64, Vec<Range<u64>>),
    /// What each batch was formed of, and the bytes with which it went out.
    formed: HashMap<Uuid, Vec<(u64, String)>>,
    sent: HashMap<Uuid, Vec<String>>,
    /// Texts that each webhook has got, or was told that it will not get.
    settled: [HashSet<String>; WEBHOOKS as usize],
    /// Delivered, with the outcome committed; and also synced.
    delivered: HashSet<Uuid>,
    delivered_synced: HashSet<Uuid>,
    /// The inbox: every event in it, by position. It is as durable as can be.
    pub(super) inbox: Vec<String>,
    /// Where the inbox's events went.
    taken: HashMap<String, Vec<u64>>,
}

/// Whether a webhook wants an event.
pub(super) fn wants(webhook: u64, type_id: u16) -> bool {
    webhook == 0 || type_id == 1
}

/// An event's type: every third is of type 1.
pub(super) fn type_of(serial: u64) -> u16 {
    if serial.is_multiple_of(3) { 1 } else { 2 }
}

impl Facts {
    /// A new event's text and its number.
    pub(super) fn text(&mut self, bytes: usize) -> (u64, String) {
        self.serial += 1;
        let n = self.serial;
        let mut text = format!("{n}:");
        while text.len() < bytes {
            text.push((b'a' + (text.len() as u64 * 7 + n) as u8 % 26) as char);
        }
        (n, text)
    }

    pub(super) fn trying(&mut self, offset: u64, text: &str) {
        self.tried.entry(offset).or_default().push(text.to_owned());
    }

    /// The log said `written`.
    pub(super) fn wrote(&mut self, base: u64, texts: Vec<String>) -> Result<(), TestCaseError> {
        for known in self.formed.values() {
            prop_assert!(
                !known.iter().any(|(offset, _)| *offset >= base),
                "a batch remembers an offset that is given again"
            );
        }
        let end = base + texts.len() as u64;
        self.frames
            .retain(|f| f.end <= base || f.start >= end || f.is_empty());
        self.frames.push(base..end);
        for (offset, text) in (base..).zip(texts) {
            self.written.insert(offset, text);
        }
        Ok(())
    }

    /// Events of the inbox are tried at these offsets.
    pub(super) fn taking(&mut self, base: u64, texts: &[String]) {
        for (offset, text) in (base..).zip(texts) {
            self.taken.entry(text.clone()).or_default().push(offset);
        }
    }

    pub(super) fn synced(&mut self, to: u64) {
        self.synced = self.synced.max(to);
    }

    pub(super) fn release(&mut self, floor: u64, pins: Vec<Range<u64>>) {
        self.released = (self.released.0.max(floor), pins);
    }

    fn is_released(&self, offset: u64) -> bool {
        let (floor, pins) = &self.released;
        offset < *floor && !pins.iter().any(|pin| pin.contains(&offset))
    }

    /// Flips a bit in a segment.
    pub(super) fn flip(&mut self, fs: &SimFs, file: usize, at: usize, bit: u32) {
        let files = fs.list(Path::new("/log")).unwrap_or_default();
        let segments: Vec<_> = files
            .iter()
            .filter(|p| p.extension().is_some_and(|e| e == "seg"))
            .collect();
        if let Some(path) = segments.get(file % segments.len().max(1)) {
            // Most of a segment is empty: nearer to its beginning.
            fs.flip(path, at % (300 << 10), bit);
            self.flips += 1;
        }
    }

    /// An event that was written can't be had: only a flipped bit explains it, and each has one frame.
    pub(super) fn lost(&mut self, offset: u64) -> Result<(), TestCaseError> {
        let Some(text) = self.written.remove(&offset) else {
            return Ok(());
        };
        let frame = self.frames.iter().find(|f| f.contains(&offset));
        self.hurt.insert(frame.map_or(offset, |f| f.start));
        prop_assert!(
            self.hurt.len() <= self.flips,
            "offset {offset} was written and is gone, with {} flipped bits: {:?}",
            self.flips,
            self.hurt
        );
        for settled in &mut self.settled {
            settled.insert(text.clone());
        }
        Ok(())
    }

    /// The process or the machine went down.
    pub(super) fn crashed(&mut self, kept: bool) {
        self.journal_was_cut = !kept;
        if kept {
            return;
        }
        self.power_was_cut = true;
        self.delivered = self.delivered_synced.clone();
        let synced = self.synced;
        // What may be gone is looked for again by `opened`.
        self.written.retain(|offset, _| *offset < synced);
    }

    /// What the log has, after opening.
    pub(super) fn opened(
        &mut self,
        (found, frames): (&BTreeMap<u64, String>, Vec<Range<u64>>),
        next_offset: u64,
        is_damaged: bool,
    ) -> Result<(), TestCaseError> {
        prop_assert!(
            !is_damaged || self.power_was_cut || self.flips > 0,
            "damage out of nothing"
        );
        for (offset, text) in found {
            let tried = self.tried.get(offset);
            prop_assert!(
                tried.is_some_and(|t| t.contains(text)),
                "offset {offset} never had this text"
            );
        }
        let missing: Vec<u64> = self
            .written
            .iter()
            .filter(|(offset, text)| found.get(offset) != Some(text))
            .map(|(offset, _)| *offset)
            .filter(|offset| !self.is_released(*offset))
            .collect();
        for offset in missing {
            self.lost(offset)?;
        }
        self.written = found.clone();
        self.frames = frames;
        // Offsets that only a name had used may be given again, which says nothing of what gets them then.
        self.synced = self.synced.min(next_offset);
        Ok(())
    }

    /// Below this position the inbox was taken: it must be in the log, or have been.
    pub(super) fn inbox_taken(
        &mut self,
        position: usize,
        found: &BTreeMap<u64, String>,
    ) -> Result<(), TestCaseError> {
        for text in &self.inbox[..position] {
            let tried = self.taken.get(text).map_or(&[][..], Vec::as_slice);
            let there = tried.iter().any(|at| found.get(at) == Some(text));
            let done =
                self.settled[0].contains(text) || tried.iter().any(|at| self.is_released(*at));
            prop_assert!(
                there || done || self.flips > 0,
                "an event of the inbox is gone: {tried:?}"
            );
        }
        Ok(())
    }

    pub(super) fn formed(&mut self, batch: Uuid, events: Vec<(u64, String)>) {
        self.formed.insert(batch, events);
    }

    /// A batch went out with these events.
    pub(super) fn sent(
        &mut self,
        webhook: u64,
        batch: Uuid,
        texts: Vec<String>,
    ) -> Result<(), TestCaseError> {
        prop_assert!(
            !self.delivered.contains(&batch),
            "a delivered batch went out again"
        );
        let formed = self.formed.get(&batch).into_iter().flatten();
        let formed: Vec<String> = formed.map(|(_, text)| text.clone()).collect();
        prop_assert_eq!(&formed, &texts, "not what it was formed of");
        let before = self.sent.entry(batch).or_insert(formed);
        prop_assert_eq!(&*before, &texts, "one batch id, two bodies");
        self.settled[webhook as usize].extend(texts);
        Ok(())
    }

    /// Events that the webhook was told that it will not get.
    pub(super) fn dropped(&mut self, webhook: u64, texts: impl IntoIterator<Item = String>) {
        self.settled[webhook as usize].extend(texts);
    }

    pub(super) fn committed(&mut self, delivered: &mut Vec<Uuid>) {
        self.delivered.extend(delivered.drain(..));
    }

    pub(super) fn journal_synced(&mut self) {
        self.delivered_synced = self.delivered.clone();
    }

    /// Batches that only records named which a power cut took are nobody's any more. (A killed process leaves
    /// what a later power cut may bring back.)
    pub(super) fn remembered(&mut self, known: impl Fn(&Uuid) -> bool) {
        if self.journal_was_cut {
            self.formed.retain(|batch, _| known(batch));
        }
    }

    /// Every written event has reached every webhook that wants it, or it was told why not.
    pub(super) fn all_arrived(&self) -> Result<(), TestCaseError> {
        for (offset, text) in &self.written {
            let serial: u64 = text.split(':').next().unwrap().parse().unwrap();
            for webhook in (0..WEBHOOKS).filter(|w| wants(*w, type_of(serial))) {
                prop_assert!(
                    self.settled[webhook as usize].contains(text),
                    "webhook {webhook} never got offset {offset}"
                );
            }
        }
        let missing = self.inbox.iter().find(|t| !self.settled[0].contains(*t));
        prop_assert!(
            missing.is_none() || self.flips > 0,
            "the inbox's event never arrived"
        );
        Ok(())
    }
}
