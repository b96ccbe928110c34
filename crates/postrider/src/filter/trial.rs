//! A filter by itself, without an engine: the dry run of loading, the harness of authors, the conformance kit.

use super::batch::{Batch, Fate};
use super::error::{LoadError, Problem};
use super::host::HostSide;
use super::instance::Instance;
use super::load;
use super::stage::verdict;
use super::{FilterSpec, Say};
use crate::event::{Encoder, EventError, Schema, samples};
use crate::time::{Clock, SystemClock};
use postrider_filter::abi;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a filter did with an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on, with this text.
    Passed(String),
    /// It was dropped, for this reason.
    Dropped(String),
    /// It failed, and why.
    Failed(String),
}

/// What a filter did with some events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One for each event.
    pub verdicts: Vec<Verdict>,
    /// How many of them it changed.
    pub changed: u64,
    /// The text of each event that it added.
    pub emitted: Vec<String>,
    /// Why the call failed as a whole, if it did: then every verdict is `Failed`.
    pub failed: Option<String>,
    /// How long the call took.
    pub took: Duration,
    /// The host's functions called out of turn since the last call.
    pub out_of_turn: u64,
}

impl Report {
    /// How many events were dropped.
    pub fn dropped(&self) -> usize {
        let dropped = |v: &&Verdict| matches!(v, Verdict::Dropped(_));
        self.verdicts.iter().filter(dropped).count()
    }

    /// Why each event that failed did.
    pub fn failures(&self) -> impl Iterator<Item = &str> {
        self.verdicts.iter().filter_map(|v| match v {
            Verdict::Failed(why) => Some(why.as_str()),
            Verdict::Passed(_) | Verdict::Dropped(_) => None,
        })
    }
}

/// What a filter says of itself.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Its name.
    pub id: &'a str,
    /// Its version.
    pub version: &'a str,
    /// What it does.
    pub summary: &'a str,
}

/// One instance of a filter, for tests of it.
///
/// ```no_run
/// use postrider::filter::{Trial, Verdict};
/// # extern "C" fn postrider_filter() -> *const postrider_filter::abi::Entry { std::ptr::null() }
///
/// let mut trial = Trial::of(postrider_filter, "{}").unwrap();
/// let verdict = trial.one(r#"{"type":"click","campaign_id":"test"}"#);
/// assert_eq!(verdict, Verdict::Dropped("a test".into()));
/// ```
pub struct Trial {
    module: load::Module,
    config: String,
    instance: Instance,
    schema: Arc<Schema>,
    encoder: Encoder,
    said: Arc<Mutex<Vec<String>>>,
}

impl Trial {
    /// A filter that is linked into this program. `config` is a JSON object.
    ///
    /// # Errors
    /// What loading the filter would be refused for.
    pub fn of(entry: extern "C" fn() -> *const abi::Entry, config: &str) -> Result<Trial, Problem> {
        // SAFETY: the entry function of a filter that is linked in, so it stays.
        let module = unsafe { load::check_entry(entry) }?;
        Trial::new(module, config)
    }

    /// A filter in a file. It is loaded by way of a copy in `dir`, and not tried on samples.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(spec: &FilterSpec, dir: &Path) -> Result<Trial, LoadError> {
        let refused = |problem| load::refusal(&spec.path, problem);
        let module = load::load(&spec.path, spec.sha256.as_deref(), dir).map_err(refused)?;
        let config = serde_json::Value::Object(spec.config.clone()).to_string();
        Trial::new(module, &config).map_err(refused)
    }

    fn new(module: load::Module, config: &str) -> Result<Trial, Problem> {
        let schema = Arc::new(Schema::new(true));
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let say: Say = {
            let said = said.clone();
            Arc::new(move |_, line| {
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                said.push(line.to_owned());
            })
        };
        let host = HostSide::new(&module.id, schema.clone(), say);
        // SAFETY: the hooks are those of a checked filter.
        let instance = unsafe { Instance::create(module.hooks, host, config) }?;
        Ok(Trial {
            module,
            config: config.to_owned(),
            instance,
            schema,
            encoder: Encoder::new(),
            said,
        })
    }

    /// What the filter says of itself.
    pub fn about(&self) -> About<'_> {
        About {
            id: &self.module.id,
            version: &self.module.version,
            summary: &self.module.summary,
        }
    }

    /// Another instance, with the same configuration.
    ///
    /// # Errors
    /// The filter refused to make it.
    pub fn again(&self) -> Result<Trial, Problem> {
        Trial::new(self.module.clone(), &self.config)
    }

    /// Encodes an event given as JSON, with its envelope or without.
    ///
    /// # Errors
    /// It is not one that a push would take.
    pub fn encode(&mut self, line: &str) -> Result<String, EventError> {
        let now = SystemClock.now().unix_ms;
        let encoded = self.encoder.line(&self.schema, line.as_bytes(), now)?;
        Ok(String::from_utf8_lossy(encoded.text).into_owned())
    }

    /// Hands the filter one batch: events as JSON, with their envelope or without.
    ///
    /// # Panics
    /// When a line is not an event that a push would take.
    pub fn run(&mut self, lines: &[impl AsRef<str>]) -> Report {
        let now = SystemClock.now().unix_ms;
        let mut batch = Batch::default();
        for line in lines {
            let line = line.as_ref();
            match self.encoder.line(&self.schema, line.as_bytes(), now) {
                Ok(encoded) => batch.push_copy(&encoded.entry, encoded.text),
                Err(e) => panic!("not an event: {e}: {line}"),
            }
        }
        // SAFETY: this is the only user of the instance, and the batch stays until the call returns.
        unsafe { run(&self.instance, &mut batch) }
    }

    /// As [`run`](Self::run), with one event.
    pub fn one(&mut self, line: &str) -> Verdict {
        let mut report = self.run(&[line]);
        report.verdicts.remove(0)
    }

    /// What the filter has logged since the last look.
    pub fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Tries an instance on a sample of every event type of the catalogue, and on an empty batch.
pub(super) fn dry_run(instance: Instance, schema: &Schema) -> Result<(), Problem> {
    let mut encoder = Encoder::new();
    let mut batch = Batch::default();
    for sample in samples(|_| true) {
        let line = sample.to_string();
        if let Ok(encoded) = encoder.line(schema, line.as_bytes(), 0) {
            batch.push_copy(&encoded.entry, encoded.text);
        }
    }
    for batch in [&mut batch, &mut Batch::default()] {
        // SAFETY: this is the only user of the instance, and the batch stays until the call returns.
        let report = unsafe { run(&instance, batch) };
        let fault = report.failed.or_else(|| match report.out_of_turn {
            0 => None,
            n => Some(format!("it called the host {n} times out of turn")),
        });
        if let Some(why) = fault {
            return Err(Problem::DryRun(why));
        }
    }
    Ok(())
}

/// # Safety
/// The caller is the instance's only user.
unsafe fn run(instance: &Instance, batch: &mut Batch) -> Report {
    let picked: Vec<u32> = (0..batch.len() as u32).collect();
    let start = SystemClock.now();
    // SAFETY: as the caller says; the batch stays until the call returns.
    let status = unsafe { instance.call(batch, &picked, start.unix_ms) };
    let mut report = Report {
        took: SystemClock.now().mono.since(start.mono),
        out_of_turn: instance.take_late(),
        failed: verdict(status),
        ..Report::default()
    };
    let came: Vec<String> = picked.iter().map(|&i| text(batch, i)).collect();
    if let Some(why) = &report.failed {
        report.verdicts = came.iter().map(|_| Verdict::Failed(why.clone())).collect();
        return report;
    }
    // SAFETY: after the call, with what it was given.
    let outcome = unsafe { instance.apply(batch, &picked) };
    report.changed = outcome.changed;
    report.verdicts = picked
        .iter()
        .map(|&i| Verdict::Passed(text(batch, i)))
        .collect();
    for (i, why) in outcome.failed {
        report.verdicts[i as usize] = Verdict::Failed(why.into());
    }
    for (i, reason) in outcome.dropped {
        debug_assert_eq!(batch.fate(i as usize), Fate::Dropped);
        report.verdicts[i as usize] = Verdict::Dropped(reason.into());
    }
    report.emitted = (picked.len()..batch.len())
        .map(|i| text(batch, i as u32))
        .collect();
    report
}

fn text(batch: &Batch, i: u32) -> String {
    String::from_utf8_lossy(batch.text(i as usize)).into_owned()
}
