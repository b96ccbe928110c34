//! The chain in force: who may change it, and the writer who runs it.

use super::batch::Batch;
use super::chain::Chain;
use super::error::{FilterError, LoadError, Problem};
use super::load::refusal;
use super::runner::{Runner, join_within};
use super::spec::{self, FilterSpec};
use super::stage::Stage;
use super::stats::FilterStatus;
use crate::event::{Entry, Schema};
use crate::thread;
use crate::time::Clock;
use postrider_filter::Severity;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long loading a filter may take, its dry run included.
const LOADING: Duration = Duration::from_secs(10);

/// Where lines for the operator go.
pub type Say = Arc<dyn Fn(Severity, &str) + Send + Sync>;

/// What a host of filters needs.
pub struct Parts {
    /// What events may contain.
    pub schema: Arc<Schema>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where lines for the operator go.
    pub say: Say,
    /// Where copies of shared objects are made to load from; made if missing.
    pub dir: PathBuf,
}

/// The chain in force.
pub struct Filters {
    parts: Parts,
    /// Some filter is in force: the one load that the writer pays where there is none.
    active: AtomicBool,
    chain: Mutex<Arc<Chain>>,
    runner: Mutex<Option<Runner>>,
    /// One change at a time; and threads that end filters which are no longer in the chain.
    ending: Mutex<Vec<JoinHandle<()>>>,
}

impl Filters {
    /// An empty chain.
    pub fn new(parts: Parts) -> Filters {
        Filters {
            parts,
            active: AtomicBool::new(false),
            chain: Mutex::default(),
            runner: Mutex::default(),
            ending: Mutex::default(),
        }
    }

    /// Whether any filter is in force.
    #[inline]
    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    /// The chain that a batch goes through, which nothing changes any more.
    pub fn now(&self) -> InForce {
        InForce(lock(&self.chain).clone())
    }

    /// Takes a batch through the filters. Returns however they behave: a call that does not is given up after its
    /// filter's deadline.
    pub fn run(&self, chain: &InForce, batch: Batch) -> Batch {
        let mut runner = lock(&self.runner);
        let started = match runner.take() {
            Some(runner) => Ok(runner),
            None => Runner::start(self.parts.clock.clone()),
        };
        let mut running = match started {
            Ok(running) => running,
            Err(e) => return self.no_thread(chain, batch, 0, &e),
        };
        match running.run(&chain.0, batch) {
            Ok(done) => {
                *runner = Some(running);
                done
            }
            Err((batch, from, e)) => self.no_thread(chain, batch, from, &e),
        }
    }

    /// Without a thread no filter can be called: the policies decide.
    fn no_thread(
        &self,
        chain: &InForce,
        mut batch: Batch,
        from: usize,
        e: &std::io::Error,
    ) -> Batch {
        (self.parts.say)(
            Severity::Error,
            &format!("filters: no thread to run on: {e}"),
        );
        let mut picked = Vec::new();
        for stage in chain.0.stages.iter().skip(from) {
            batch.pick(&stage.selection, &mut picked);
            stage.pass_by(&mut batch, &picked);
        }
        batch
    }

    /// Puts a chain in force: it sees the next batch, and no event passes between the two chains or is seen by both.
    /// Filters whose line is as it was go on as they are, except `reload`, which is loaded anew.
    ///
    /// # Errors
    /// What is wrong with the first filter that is refused; then the chain is as it was.
    pub fn set(&self, specs: Vec<FilterSpec>, reload: Option<&str>) -> Result<(), FilterError> {
        let mut ending = lock(&self.ending);
        spec::check(&specs, &self.parts.schema)?;
        let before = lock(&self.chain).clone();
        let mut stages = Vec::with_capacity(specs.len());
        for spec in specs.iter().filter(|spec| spec.enabled) {
            let same =
                |stage: &&Arc<Stage>| reload != Some(spec.name.as_str()) && stage.spec == *spec;
            stages.push(match before.stages.iter().find(same) {
                Some(stage) => stage.clone(),
                None => Arc::new(self.load(spec.clone())?),
            });
        }
        let active = !stages.is_empty();
        *lock(&self.chain) = Arc::new(Chain { specs, stages });
        self.active.store(active, Ordering::Release);
        // Whoever lets go of them last ends those that are gone: never the writer, unless it runs them now.
        ending.retain(|thread| !thread.is_finished());
        ending.extend(end(before));
        Ok(())
    }

    /// Loads on a thread of its own: what runs there may never return.
    fn load(&self, spec: FilterSpec) -> Result<Stage, FilterError> {
        let name = spec.name.clone();
        let failed = |source: LoadError| FilterError::Load {
            name: name.clone(),
            source,
        };
        let path = spec.path.clone();
        let (schema, say, dir) = (
            self.parts.schema.clone(),
            self.parts.say.clone(),
            self.parts.dir.clone(),
        );
        let (give, take) = mpsc::sync_channel(1);
        let load = move || {
            let _ = give.send(Stage::load(spec, &schema, &say, &dir));
        };
        let thread = thread::spawn("postrider-filter", load)
            .map_err(|e| failed(refusal(&path, Problem::Thread(e))))?;
        match take.recv_timeout(LOADING) {
            Ok(loaded) => {
                let _ = thread.join();
                loaded.map_err(failed)
            }
            Err(_) => Err(failed(refusal(&path, Problem::Timeout(LOADING.as_secs())))),
        }
    }

    /// The chain as the operator gave it.
    pub fn specs(&self) -> Vec<FilterSpec> {
        lock(&self.chain).specs.clone()
    }

    /// The filters in their order, and how they stand.
    pub fn status(&self) -> Vec<FilterStatus> {
        let chain = lock(&self.chain).clone();
        let status = |spec: &FilterSpec| {
            let stage = chain.stages.iter().find(|stage| stage.spec == *spec);
            stage.map_or_else(|| FilterStatus::off(spec.clone()), |stage| stage.status())
        };
        chain.specs.iter().map(status).collect()
    }

    /// Ends every filter, within `timeout`; what has not ended by then is given up.
    pub fn close(&self, timeout: Duration) {
        let mut ending = lock(&self.ending);
        self.active.store(false, Ordering::Release);
        let chain = std::mem::take(&mut *lock(&self.chain));
        if let Some(mut runner) = lock(&self.runner).take() {
            runner.stop(timeout);
        }
        ending.extend(end(chain));
        for thread in ending.drain(..) {
            join_within(thread, timeout);
        }
    }
}

/// The chain that a batch goes through.
pub struct InForce(Arc<Chain>);

impl InForce {
    /// Whether any filter sees the event.
    #[inline]
    pub fn selects(&self, entry: &Entry) -> bool {
        self.0.selects(entry)
    }
}

/// Lets go of a chain on a thread of its own: what `destroy` does may take its time.
fn end(chain: Arc<Chain>) -> Option<JoinHandle<()>> {
    match chain.stages.is_empty() {
        true => None,
        false => thread::spawn("postrider-filter", move || drop(chain)).ok(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
