//! What an operator says of a filter.

use super::error::FilterError;
use crate::event::Schema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

/// What becomes of events that a filter fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// They go on as they were.
    Open,
    /// They are logged, not delivered, until released.
    Closed,
    /// They go on as they were; a filter that has tripped stays out until it is enabled again.
    Disable,
}

/// One filter of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterSpec {
    /// Its name in lists, metrics and the log, unique in the chain: `a-z`, `0-9` and `-`, 1 to 64 bytes.
    pub name: String,
    /// The shared object: an absolute path.
    pub path: PathBuf,
    /// Handed to the filter, which checks it.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// The event types that it sees; empty: all.
    #[serde(default)]
    pub events: Vec<String>,
    /// The subaccounts whose events it sees; empty: all.
    #[serde(default)]
    pub subaccounts: Vec<u32>,
    /// What becomes of events that it fails; as the filter says where not given.
    #[serde(default)]
    pub on_failure: Option<OnFailure>,
    /// A call that takes longer is given up, together with its thread.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
    /// Microseconds that a call may take for each of its events, on average, before it counts as a failure.
    #[serde(default = "default_budget")]
    pub budget_us: u64,
    /// The SHA-256 that the file must have, in hexadecimal.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Whether it is in force.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn default_timeout() -> u64 {
    1000
}

fn default_budget() -> u64 {
    100
}

fn yes() -> bool {
    true
}

impl FilterSpec {
    /// A filter with everything at its default.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> FilterSpec {
        FilterSpec {
            name: name.into(),
            path: path.into(),
            config: Map::new(),
            events: Vec::new(),
            subaccounts: Vec::new(),
            on_failure: None,
            timeout_ms: default_timeout(),
            budget_us: default_budget(),
            sha256: None,
            enabled: true,
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

/// Checks a chain before anything is loaded.
pub(super) fn check(specs: &[FilterSpec], schema: &Schema) -> Result<(), FilterError> {
    let mut names = HashSet::new();
    for spec in specs {
        let refuse = |field: &'static str, reason: String| {
            Err(FilterError::Invalid {
                name: spec.name.clone(),
                field,
                reason,
            })
        };
        if !is_name(&spec.name) {
            return refuse("name", "must be 1 to 64 of a-z, 0-9 and -".into());
        }
        if !names.insert(&spec.name) {
            return refuse("name", "is taken by another filter".into());
        }
        if let Some(unknown) = spec.events.iter().find(|n| schema.lookup(n).is_none()) {
            return refuse(
                "events",
                format!("names '{unknown}', which is not an event type"),
            );
        }
        if !(1..=60_000).contains(&spec.timeout_ms) {
            return refuse("timeout_ms", "must be 1 to 60000".into());
        }
        if !(1..=1_000_000).contains(&spec.budget_us) {
            return refuse("budget_us", "must be 1 to 1000000".into());
        }
        let hex = |s: &String| s.len() == 64 && s.bytes().all(|b| b.is_ascii_hexdigit());
        if spec.sha256.as_ref().is_some_and(|sum| !hex(sum)) {
            return refuse("sha256", "must be 64 hexadecimal digits".into());
        }
    }
    Ok(())
}

/// Names are plain enough for metrics, paths and logs.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}
