//! Figures of a filter.

use super::spec::{FilterSpec, OnFailure};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Reasons counted apart; drops for further ones are counted as `other`.
const REASONS: usize = 32;

/// How a filter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is called.
    Running,
    /// It failed or was slow several times in a row, and is not called for a while.
    Tripped,
    /// It tripped, and its policy keeps it out until it is enabled or reloaded.
    Disabled,
    /// It said that it is broken (a panic, for one); out until it is reloaded.
    Broken,
    /// A call of it did not return; out until it is reloaded.
    Lost,
    /// The operator has taken it out.
    Off,
}

/// Figures of a filter since it was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FilterStats {
    /// Calls of `process()`.
    pub calls: u64,
    /// Of those, the ones that failed as a whole, were too slow, or did not return.
    pub failed_calls: u64,
    /// Calls that took longer than the budget.
    pub slow_calls: u64,
    /// Nanoseconds in all calls.
    pub time_ns: u64,
    /// Events selected for it, whether or not it was called.
    pub events: u64,
    /// Events that it changed.
    pub changed: u64,
    /// Events that it added.
    pub emitted: u64,
    /// Events that it dropped, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Events that went on as they were, because it failed them or could not be called.
    pub passed: u64,
    /// Events that were held, because it failed them or could not be called.
    pub held: u64,
    /// The host's functions called out of turn.
    pub out_of_turn: u64,
    /// What failed last.
    pub last_failure: Option<String>,
}

impl FilterStats {
    /// Counts `n` dropped events.
    pub(super) fn dropped(&mut self, reason: &str, n: u64) {
        let known = self.dropped.contains_key(reason) || self.dropped.len() < REASONS;
        let reason = if known { reason } else { "other" };
        *self.dropped.entry(reason.to_owned()).or_default() += n;
    }
}

/// A filter of the chain, and how it stands.
#[derive(Clone, Debug, Serialize)]
pub struct FilterStatus {
    /// What the operator said.
    #[serde(flatten)]
    pub spec: FilterSpec,
    /// The policy in force; none, as the texts below, for a filter that is off.
    pub policy: Option<OnFailure>,
    /// The filter's own name.
    pub id: String,
    /// Its version.
    pub version: String,
    /// What it does.
    pub summary: String,
    /// The SHA-256 of the file that was loaded, in hexadecimal.
    pub loaded_sha256: String,
    /// How it stands.
    pub state: State,
    /// Its figures.
    pub stats: FilterStats,
}

impl FilterStatus {
    /// A filter that is not loaded.
    pub(super) fn off(spec: FilterSpec) -> FilterStatus {
        FilterStatus {
            spec,
            policy: None,
            id: String::new(),
            version: String::new(),
            summary: String::new(),
            loaded_sha256: String::new(),
            state: State::Off,
            stats: FilterStats::default(),
        }
    }
}

/// Figures being counted.
#[derive(Debug, Default)]
pub(super) struct Counted(Mutex<FilterStats>);

impl Counted {
    pub(super) fn count(&self, add: impl FnOnce(&mut FilterStats)) {
        add(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn get(&self) -> FilterStats {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
