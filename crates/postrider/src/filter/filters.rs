//! The chain in force: who may change it, and the one who runs it.

use super::batch::Batch;
use super::chain::{Chain, Ending};
use super::error::{FilterError, LoadError, Problem};
use super::load::refusal;
use super::role::{Role, Seat};
use super::spec::{self, FilterSpec};
use super::stage::Stage;
use super::stats::FilterStatus;
use crate::event::{Entry, Schema};
use crate::thread;
use crate::time::Clock;
use postrider_filter::Severity;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::time::{Duration, Instant};

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
    /// No chain comes into force any more. Changed under the chain's lock.
    closed: AtomicBool,
    /// Lives as long as the one seat that there may be.
    seat: Mutex<Weak<()>>,
    /// One change at a time.
    changing: Mutex<()>,
    ending: Ending,
}

impl Filters {
    /// An empty chain.
    pub fn new(parts: Parts) -> Filters {
        Filters {
            parts,
            active: AtomicBool::new(false),
            chain: Mutex::default(),
            closed: AtomicBool::new(false),
            seat: Mutex::default(),
            changing: Mutex::default(),
            ending: Ending::default(),
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

    /// The seat of the role that calls these filters; `name` is what its thread is called. `None` while there is another.
    pub fn seat<R: Role>(self: &Arc<Self>, name: &'static str) -> Option<Seat<R>> {
        let mut seat = lock(&self.seat);
        if seat.strong_count() > 0 {
            return None;
        }
        let only = Arc::new(());
        *seat = Arc::downgrade(&only);
        Some(Seat::new(self.clone(), name, only))
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.parts.clock
    }

    pub(super) fn say_unwatched(&self, filter: &str, e: &std::io::Error) {
        (self.parts.say)(
            Severity::Error,
            &format!("filter {filter}: not called, for there is no thread to watch it: {e}"),
        );
    }

    /// Puts a chain in force: it sees the next batch, and no event passes between the two chains or is seen by both.
    /// Filters whose line is as it was go on as they are, except `reload`, which is loaded anew.
    ///
    /// # Errors
    /// What is wrong with the first filter that is refused; then the chain is as it was. [`FilterError::Stopped`] once it was closed.
    pub fn set(&self, specs: Vec<FilterSpec>, reload: Option<&str>) -> Result<(), FilterError> {
        let _one_at_a_time = lock(&self.changing);
        spec::check(&specs, &self.parts.schema)?;
        let before = self.now().0;
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
        let after = Arc::new(Chain {
            specs,
            stages,
            ending: self.ending.clone(),
        });
        let mut chain = lock(&self.chain);
        if self.closed.load(Ordering::Relaxed) {
            return Err(FilterError::Stopped);
        }
        *chain = after;
        self.active.store(active, Ordering::Release);
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

    /// Ends every filter, within `timeout` for all of them; what has not ended by then is given up. A change that is under way comes
    /// to nothing.
    pub fn close(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let chain = {
            let mut chain = lock(&self.chain);
            self.closed.store(true, Ordering::Relaxed);
            self.active.store(false, Ordering::Release);
            std::mem::take(&mut *chain)
        };
        // A role may still be in a call.
        wait(deadline, || Arc::strong_count(&chain) == 1);
        drop(chain);
        let ending = std::mem::take(&mut *lock(&self.ending));
        for thread in ending {
            if wait(deadline, || thread.is_finished()) {
                drop(thread.join());
            }
        }
    }
}

#[cfg(test)]
impl Filters {
    /// Without any, and without a directory to copy shared objects to.
    pub(super) fn for_linked() -> Filters {
        Filters::new(Parts {
            schema: Arc::new(Schema::new(false)),
            clock: Arc::new(crate::time::SystemClock),
            say: Arc::new(|_, _| {}),
            dir: PathBuf::new(),
        })
    }

    /// Puts a filter in force, alone, that is linked in.
    pub(super) fn put_linked(
        &self,
        spec: FilterSpec,
        entry: extern "C" fn() -> *const postrider_filter::abi::Entry,
    ) {
        // SAFETY: the entry function of a filter that is linked in.
        let module = unsafe { super::load::check_entry(entry) }.expect("an entry without fault");
        let parts = &self.parts;
        let stage = Stage::make(spec.clone(), module, &parts.schema, &parts.say);
        let stage = stage.expect("a filter without fault");
        *lock(&self.chain) = Arc::new(Chain {
            specs: vec![spec],
            stages: vec![Arc::new(stage)],
            ending: self.ending.clone(),
        });
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

    /// Takes a batch through the filters, on the thread that has the role. `None` when one of them did not return within its
    /// deadline: then another thread has gone on with the role, and this one is to end and touch nothing.
    ///
    /// # Panics
    /// The role has a seat of other filters.
    pub fn run<R: Role>(self, mut role: Box<R>, batch: Batch) -> Option<(Box<R>, Batch)> {
        let InForce(chain) = self;
        let filters = role.seat().filters();
        assert!(
            chain.is_of(&filters.ending),
            "filters are called from their seat"
        );
        chain.run(role, batch, 0)
    }
}

/// Polls: closing is rare, and what is waited for can't be waited for with a deadline.
fn wait(deadline: Instant, done: impl Fn() -> bool) -> bool {
    while !done() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::types;
    use postrider_filter::{Error, Event, Filter, Host, NoConfig, abi};
    use std::ffi::CStr;

    /// While somebody has it, no `Slow` ends.
    static GATE: Mutex<()> = Mutex::new(());
    static ENDED: AtomicBool = AtomicBool::new(false);

    struct Slow;

    impl Filter for Slow {
        const ID: &'static CStr = c"slow";
        const VERSION: &'static CStr = c"1.0";
        const SUMMARY: &'static CStr = c"Takes its time to end";
        type Config = NoConfig;

        fn create(_: &Host, _: NoConfig) -> Result<Self, Error> {
            Ok(Slow)
        }

        fn event(&mut self, _: &mut Event<'_>) -> Result<(), Error> {
            Ok(())
        }
    }

    impl Drop for Slow {
        fn drop(&mut self) {
            let _gate = lock(&GATE);
            ENDED.store(true, Ordering::SeqCst);
        }
    }

    extern "C" fn slow() -> *const abi::Entry {
        postrider_filter::entry::<Slow>()
    }

    #[test]
    fn whoever_lets_go_of_a_filter_last_does_not_wait_for_its_end() {
        let filters = Filters::for_linked();
        filters.put_linked(FilterSpec::new("slow", "/slow.so"), slow);
        // As the writer has it, while an operator takes the filter out.
        let in_force = filters.now();
        assert!(in_force.selects(&Entry {
            type_id: types::BOUNCE.0,
            ..Entry::default()
        }));
        filters.set(Vec::new(), None).unwrap();
        ENDED.store(false, Ordering::SeqCst);
        let gate = lock(&GATE);
        drop(in_force);
        assert!(!ENDED.load(Ordering::SeqCst));
        drop(gate);
        filters.close(Duration::from_secs(60));
        assert!(ENDED.load(Ordering::SeqCst), "close waits for it");
        let late = filters.set(Vec::new(), None);
        assert!(matches!(late, Err(FilterError::Stopped)), "{late:?}");
    }
}
