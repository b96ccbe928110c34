//! Filters between queue and log, and what an operator does with them.
//!
//! A frame whose events no filter selects is left as it is, and so is one that the filters leave alone.

use super::shared::{LoggerSlot, Severity};
use super::writer::Writer;
use super::{Engine, OpenError};
use crate::deliver::MakeFilters;
use crate::event::{Entry, SEPARATOR, Schema, TypeId};
use crate::filter::{
    Batch, Fate, FilterError, FilterSpec, FilterStatus, Filters, Parts, Role, Say, Seat, sweep,
};
use crate::route::TypeSet;
use crate::store::Store;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

/// Where the store keeps the chain: a JSON array of filters, in order.
const STORED: &str = "filters";
/// Where copies of shared objects go when there is no data directory.
const NO_DATA_DIR: &str = "/tmp";

impl Engine {
    /// The filters in their order, and how they stand.
    pub fn filters(&self) -> Vec<FilterStatus> {
        match self.is_child() {
            true => Vec::new(),
            false => self.shared().filters.status(),
        }
    }

    /// Replaces the whole chain, and keeps it for the next start. It sees the next batch; filters whose line is as it was
    /// go on as they are.
    ///
    /// # Errors
    /// What is wrong with the first filter that is refused; then the chain is as it was.
    pub fn set_filters(&self, specs: Vec<FilterSpec>) -> Result<(), FilterError> {
        self.change_filters(None, |all| {
            *all = specs;
            Ok(())
        })
    }

    /// Adds a filter at the end of the chain, or replaces the one of its name where that is.
    ///
    /// # Errors
    /// As for [`set_filters`](Self::set_filters), and so for all that follow.
    pub fn put_filter(&self, spec: FilterSpec) -> Result<(), FilterError> {
        self.change_filters(None, |all| {
            match all.iter_mut().find(|known| known.name == spec.name) {
                Some(known) => *known = spec,
                None => all.push(spec),
            }
            Ok(())
        })
    }

    /// Takes a filter out of the chain.
    pub fn remove_filter(&self, name: &str) -> Result<(), FilterError> {
        self.change_filters(None, |all| {
            let at = place(all, name)?;
            all.remove(at);
            Ok(())
        })
    }

    /// Takes a filter out of force, or puts it in force again, with a fresh instance.
    pub fn enable_filter(&self, name: &str, enabled: bool) -> Result<(), FilterError> {
        self.change_filters(enabled.then_some(name), |all| {
            let at = place(all, name)?;
            all[at].enabled = enabled;
            Ok(())
        })
    }

    /// Moves a filter to a place in the chain, counted from 0; past the end is the end.
    pub fn move_filter(&self, name: &str, to: usize) -> Result<(), FilterError> {
        self.change_filters(None, |all| {
            let at = place(all, name)?;
            let spec = all.remove(at);
            all.insert(to.min(all.len()), spec);
            Ok(())
        })
    }

    /// Loads a filter's file anew: the new instance takes over between two batches.
    pub fn reload_filter(&self, name: &str) -> Result<(), FilterError> {
        self.change_filters(Some(name), |all| place(all, name).map(|_| ()))
    }

    fn change_filters(
        &self,
        reload: Option<&str>,
        change: impl FnOnce(&mut Vec<FilterSpec>) -> Result<(), FilterError>,
    ) -> Result<(), FilterError> {
        if self.is_child() {
            return Err(FilterError::Stopped);
        }
        let shared = self.shared();
        let _one_at_a_time = shared
            .changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = shared.filters.specs();
        let mut specs = before.clone();
        change(&mut specs)?;
        shared.filters.set(specs.clone(), reload)?;
        shared.wanted.filters(selected(&specs, &shared.schema));
        let json = serde_json::to_vec(&specs).map_err(|e| FilterError::Store(e.to_string()))?;
        if let Err(e) = shared.store.set_meta(STORED, &json) {
            shared.wanted.filters(selected(&before, &shared.schema));
            shared.filters.set(before, None)?;
            return Err(FilterError::Store(e.to_string()));
        }
        Ok(())
    }
}

fn place(all: &[FilterSpec], name: &str) -> Result<usize, FilterError> {
    let at = all.iter().position(|spec| spec.name == name);
    at.ok_or_else(|| FilterError::NotFound(name.to_owned()))
}

/// The types that filters in force select by name.
pub(super) fn selected(specs: &[FilterSpec], schema: &Schema) -> TypeSet {
    let enabled = specs.iter().filter(|spec| spec.enabled);
    let names = enabled.flat_map(|spec| &spec.events);
    names
        .filter_map(|name| Some(schema.lookup(name)?.0))
        .collect()
}

/// What makes hosts of filters, for the engine and for webhooks, still without any.
pub(super) fn maker(parts: HostParts) -> MakeFilters {
    let logger = parts.logger;
    let say: Say = Arc::new(move |severity, line| {
        let severity = match severity {
            postrider_filter::Severity::Error => Severity::Error,
            postrider_filter::Severity::Warning => Severity::Warning,
            postrider_filter::Severity::Info => Severity::Info,
        };
        logger.say(severity, line);
    });
    let dir = match parts.data_dir {
        Some(dir) => {
            let dir = dir.join("filters");
            sweep(&dir);
            dir
        }
        None => PathBuf::from(NO_DATA_DIR),
    };
    Box::new(move || {
        Filters::new(Parts {
            schema: parts.schema.clone(),
            clock: parts.clock.clone(),
            say: say.clone(),
            dir: dir.clone(),
        })
    })
}

/// What hosts are made of.
pub(super) struct HostParts {
    pub(super) schema: Arc<Schema>,
    pub(super) clock: Arc<dyn crate::time::Clock>,
    pub(super) logger: Arc<LoggerSlot>,
    pub(super) data_dir: Option<PathBuf>,
}

/// Puts the chain in force that the store remembers. An engine whose filters cannot be loaded does not start: what they
/// were to keep from going out would go out.
pub(super) fn restore(filters: &Filters, store: &Store) -> Result<(), OpenError> {
    let Some(json) = store.meta(STORED)? else {
        return Ok(());
    };
    let specs = serde_json::from_slice(&json)
        .map_err(|e| OpenError::Filter(FilterError::Store(e.to_string())))?;
    filters.set(specs, None).map_err(OpenError::Filter)
}

impl Role for Writer {
    fn seat(&mut self) -> &mut Seat<Writer> {
        &mut self.seat
    }

    fn go_on(mut self: Box<Self>, batch: Batch) {
        if self.refill(batch) && self.conclude() {
            self.run();
        }
    }
}

impl Writer {
    /// Takes the frame's events through the filters. `None` when this thread has nothing more to do: it was given up, or the
    /// log can no longer be written.
    pub(super) fn filter(mut self: Box<Self>) -> Option<Box<Self>> {
        if !self.shared.filters.is_active() || self.frame.is_empty() {
            return Some(self);
        }
        let chain = self.shared.filters.now();
        let mut batch = Batch::with_capacity(self.frame.len() as usize);
        let lent = self.frame.lend();
        let texts = batch.read(lent.clone());
        let (frame, round) = (&self.frame, &mut self.round);
        round.lent = Some(lent);
        round.selected.clear();
        let mut at = 0;
        for (i, entry) in (0..).zip(frame.entries()) {
            let selected = chain.selects(entry);
            round.selected.push(selected);
            if selected {
                // The queue takes nothing unchecked.
                batch.push(entry, texts, at, i < round.queued);
            }
            at += entry.len as usize + SEPARATOR.len();
        }
        if !batch.is_empty() {
            (self, batch) = chain.run(self, batch)?;
        }
        self.refill(batch).then_some(self)
    }

    /// Fills the frame anew with what the filters left, if they did anything. That may be more than a frame takes: then the first
    /// events are appended here, with the inbox positions up to them, so that a crash before the next append has none of them taken
    /// again. Events that filters added are last; such a crash costs those whose origin is in the log by then. False when the log
    /// can no longer be written.
    fn refill(&mut self, batch: Batch) -> bool {
        let Some(lent) = self.round.lent.take() else {
            return true;
        };
        if !batch.is_touched() {
            drop(batch);
            self.frame.take_back(lent);
            return true;
        }
        let empty = self.spare.take().unwrap_or_else(|| self.log.frame());
        let mut full = std::mem::replace(&mut self.frame, empty);
        if !self.fill(&batch, full.entries(), (*lent).as_ref()) {
            return false;
        }
        drop(batch);
        full.take_back(lent);
        for (file, position) in full.restart() {
            self.frame.inbox_position(file, position);
        }
        self.spare = Some(full);
        true
    }

    /// Puts what the filters left of these events, with these texts, into the frame.
    fn fill(&mut self, batch: &Batch, entries: &[Entry], mut texts: &[u8]) -> bool {
        let selected = std::mem::take(&mut self.round.selected);
        let taken = std::mem::take(&mut self.taken);
        let mut from_inbox = taken.iter();
        let mut at = 0..batch.pushed();
        for (n, (entry, &selected)) in entries.iter().zip(&selected).enumerate() {
            let (text, behind) = texts.split_at(entry.len as usize + SEPARATOR.len());
            texts = behind;
            let put = match selected.then(|| at.next()).flatten() {
                Some(i) => self.put(batch, i),
                None => self.push_or_append(entry, text),
            };
            if !put {
                return false;
            }
            if n >= self.round.queued as usize
                && let Some(&(file, position)) = from_inbox.next()
            {
                self.frame.inbox_position(file, position);
            }
        }
        self.round.selected = selected;
        (batch.pushed()..batch.len()).all(|i| self.put(batch, i))
    }

    fn put(&mut self, batch: &Batch, i: usize) -> bool {
        let mut entry = *batch.entry(i);
        match batch.fate(i) {
            Fate::Dropped => return true,
            Fate::Live => {}
            Fate::Held => {
                let offset = self.shared.log.next_offset() + u64::from(self.frame.len());
                let keep = self.shared.config().log_keep_for();
                if let Err(e) = self.shared.held.note(&self.shared.store, offset, keep) {
                    let line = format!("held events cannot be released: {e}");
                    self.shared.say(Severity::Error, &line);
                }
                entry.flags |= Entry::HELD;
                // A type that no webhook can select.
                entry.type_id = TypeId::IN_TEXT.0;
            }
        }
        self.push_or_append(&entry, batch.text_and_separator(i))
    }

    fn push_or_append(&mut self, entry: &Entry, text: &[u8]) -> bool {
        self.frame.push(entry, text) || (self.append(Vec::new()) && self.frame.push(entry, text))
    }
}
