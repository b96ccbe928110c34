//! A filter in its place in the chain: what it sees, and what becomes of what it fails.

use super::batch::Batch;
use super::breaker::Breaker;
use super::error::{LoadError, Problem};
use super::host::HostSide;
use super::instance::Instance;
use super::load::{self, Module};
use super::role::Hand;
use super::selection::Selection;
use super::spec::{FilterSpec, OnFailure};
use super::stats::{Counted, FilterStatus, State};
use super::{Say, trial};
use crate::event::Schema;
use crate::time::{Instant, UnixMillis};
use postrider_filter::Severity;
use postrider_filter::abi::{self, Status};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a call may take whatever its events: a processor lost to somebody else is not the filter's fault.
const SLACK: Duration = Duration::from_millis(5);

/// A filter in its place in the chain.
pub(super) struct Stage {
    pub(super) spec: FilterSpec,
    pub(super) selection: Selection,
    policy: OnFailure,
    module: Module,
    instance: Arc<Instance>,
    counted: Counted,
    breaker: Mutex<Breaker>,
}

impl Stage {
    /// Loads a filter, tries it on a sample of each event type, and makes its instance.
    pub(super) fn load(
        spec: FilterSpec,
        schema: &Arc<Schema>,
        say: &Say,
        dir: &Path,
    ) -> Result<Stage, LoadError> {
        let refused = |problem: Problem| load::refusal(&spec.path, problem);
        let module = load::load(&spec.path, spec.sha256.as_deref(), dir).map_err(refused)?;
        Stage::make(spec.clone(), module, schema, say).map_err(refused)
    }

    pub(super) fn make(
        spec: FilterSpec,
        module: Module,
        schema: &Arc<Schema>,
        say: &Say,
    ) -> Result<Stage, Problem> {
        let config = serde_json::Value::Object(spec.config.clone()).to_string();
        let instance = || {
            let host = HostSide::new(&spec.name, schema.clone(), say.clone());
            // SAFETY: the hooks are those of a checked filter.
            unsafe { Instance::create(module.hooks, host, &config) }
        };
        trial::dry_run(instance()?, schema)?;
        Ok(Stage {
            selection: Selection::of(&spec, schema),
            policy: spec.on_failure.unwrap_or(module.on_failure),
            instance: Arc::new(instance()?),
            module,
            counted: Counted::default(),
            breaker: Mutex::default(),
            spec,
        })
    }

    /// Whether to call it now.
    pub(super) fn admits(&self, now: Instant) -> bool {
        self.breaker().admits(now)
    }

    /// Calls the filter with what it is to see.
    ///
    /// # Safety
    /// One call at a time, none once [`lose`](Self::lose) was called; the hand outlives the call.
    pub(super) unsafe fn call(&self, hand: &Hand, now_ms: UnixMillis) -> Status {
        // SAFETY: as the caller says.
        unsafe { self.instance.call(&hand.batch, &hand.picked, now_ms) }
    }

    /// Does to the batch what the call asked for, or what the policy says.
    ///
    /// # Safety
    /// After [`call`](Self::call), with what that was given.
    pub(super) unsafe fn settle(
        &self,
        Hand { batch, picked }: &mut Hand,
        (status, took): (Status, Duration),
        now: Instant,
    ) {
        let late = self.instance.take_late();
        let budget = Duration::from_micros(self.spec.budget_us) * picked.len() as u32 + SLACK;
        let slow = took > budget;
        self.counted.count(|c| {
            c.calls += 1;
            c.time_ns += took.as_nanos() as u64;
            c.events += picked.len() as u64;
            c.slow_calls += u64::from(slow);
            c.out_of_turn += late;
        });
        if let Some(why) = verdict(status) {
            if status == abi::BROKEN {
                self.breaker().out(State::Broken);
            }
            self.fail_events(batch, picked.iter().copied());
            self.failed_call(&why, now);
            return;
        }
        // SAFETY: as the caller says.
        let outcome = unsafe { self.instance.apply(batch, picked) };
        for (i, _) in &outcome.dropped {
            batch.blame(*i as usize, &self.spec.name);
        }
        self.counted.count(|c| {
            c.changed += outcome.changed;
            c.emitted += outcome.emitted;
            for (_, reason) in &outcome.dropped {
                c.dropped(reason, 1);
            }
            if let Some((_, why)) = outcome.failed.last() {
                c.last_failure = Some(why.to_string());
            }
        });
        if let Some((_, why)) = outcome.failed.first() {
            let line = format!("{} events failed, the first: {why}", outcome.failed.len());
            self.instance
                .host
                .say_limited(Severity::Warning, line.as_bytes());
        }
        self.fail_events(batch, outcome.failed.iter().map(|(i, _)| *i));
        if slow {
            let each = took.as_micros() / picked.len().max(1) as u128;
            self.failed_call(
                &format!(
                    "took {each} µs for each event, its budget is {}",
                    self.spec.budget_us
                ),
                now,
            );
        } else if late > 0 {
            self.failed_call(&format!("called the host {late} times out of turn"), now);
        } else {
            self.breaker().succeeded();
        }
    }

    /// Treats events of a filter that is not to be called.
    pub(super) fn pass_by(&self, batch: &mut Batch, picked: &[u32]) {
        self.counted.count(|c| c.events += picked.len() as u64);
        self.fail_events(batch, picked.iter().copied());
    }

    /// Takes the instance out for good: its call did not return.
    pub(super) fn lose(&self, batch: &mut Batch, picked: &[u32], now: Instant) {
        self.instance.lose();
        self.breaker().out(State::Lost);
        self.counted.count(|c| {
            c.calls += 1;
            c.events += picked.len() as u64;
        });
        let why = format!(
            "a call did not return within {} ms: its thread is given up",
            self.spec.timeout_ms
        );
        self.failed_call(&why, now);
        self.fail_events(batch, picked.iter().copied());
    }

    pub(super) fn status(&self) -> FilterStatus {
        FilterStatus {
            spec: self.spec.clone(),
            policy: Some(self.policy),
            id: self.module.id.clone(),
            version: self.module.version.clone(),
            summary: self.module.summary.clone(),
            loaded_sha256: self.module.sha256.clone(),
            state: self.breaker().state(),
            stats: self.counted.get(),
        }
    }

    fn failed_call(&self, why: &str, now: Instant) {
        let tripped = self.breaker().failed(now, self.policy);
        self.counted.count(|c| {
            c.failed_calls += 1;
            c.last_failure = Some(why.to_owned());
        });
        self.instance
            .host
            .say_limited(Severity::Error, why.as_bytes());
        if tripped {
            self.instance
                .host
                .say(Severity::Error, "tripped: not called for a while");
        }
    }

    /// The policy: events go on as they were, or are held.
    fn fail_events(&self, batch: &mut Batch, events: impl Iterator<Item = u32>) {
        let mut count = 0;
        for i in events {
            count += 1;
            if self.policy == OnFailure::Closed {
                batch.hold(i as usize);
                batch.blame(i as usize, &self.spec.name);
            }
        }
        self.counted.count(|c| match self.policy {
            OnFailure::Closed => c.held += count,
            OnFailure::Open | OnFailure::Disable => c.passed += count,
        });
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a call failed as a whole, if it did.
pub(super) fn verdict(status: Status) -> Option<String> {
    match status {
        abi::OK => None,
        abi::FAILED => Some("process() failed the batch".into()),
        abi::BROKEN => Some("process() says that the instance is broken".into()),
        abi::E_EVENT..=abi::E_TURN => Some(format!("the host refused it with status {status}")),
        other => Some(format!("process() answered {other}, which is no verdict")),
    }
}
