//! What the engine's threads and its handle share.

use super::held::Held;
use super::sync::SyncCalls;
use super::wants::Wants;
use crate::config::{Config, Policy};
use crate::deliver::Deliverer;
use crate::event::Schema;
use crate::filter::Filters;
use crate::fork;
use crate::inbox::TakerStats;
use crate::log::Log;
use crate::queue::{FullPolicy, Queue, Watermark};
use crate::store::Store;
use crate::time::Clock;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

/// How serious a line for the host's logger is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something fails; an operator should look.
    Error,
    /// Something is odd, or will fail.
    Warning,
    /// What happens.
    Info,
}

/// Where the engine's lines go: called from any of its threads, and from a forked child.
pub type Logger = Arc<dyn Fn(Severity, &str) + Send + Sync>;

/// What the engine's threads and its handle share.
pub(crate) struct Shared {
    /// The fork generation of the process that opened the engine.
    pub(crate) born: u32,
    /// `None` in memory mode.
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    /// Shared with the deliver thread's notices, so that a new logger gets those too.
    pub(crate) logger: Arc<LoggerSlot>,
    pub(crate) schema: Arc<Schema>,
    pub(crate) wanted: Arc<Wants>,
    pub(crate) queue: Arc<Queue>,
    /// The position of the queue below which everything is in the log.
    pub(crate) drained: Watermark,
    pub(crate) log: Arc<Log>,
    pub(crate) store: Arc<Store>,
    /// Set once, before the writer starts.
    pub(crate) deliverer: OnceLock<Deliverer>,
    pub(crate) syncs: SyncCalls,
    /// No push is taken any more; the writer ends when the queue is empty.
    pub(crate) stopping: AtomicBool,
    /// A close ran out of time: the writer leaves the queue as it is.
    pub(crate) abandon: AtomicBool,
    /// The writer has ended; nothing more gets into the log.
    pub(crate) writer_ended: AtomicBool,
    /// The inbox may hold something new.
    pub(crate) inbox_changed: AtomicBool,
    pub(crate) inbox_stats: Mutex<TakerStats>,
    pub(crate) counters: Counters,
    pub(crate) filters: Arc<Filters>,
    /// Events that filters failed, in the log.
    pub(crate) held: Held,
    /// Held while webhooks, filters or settings are changed: read, changed and stored as one step.
    pub(crate) changes: Mutex<()>,
}

/// Events that never reached the queue, and those from the inbox that went no further.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) unwanted: AtomicU64,
    pub(crate) invalid: AtomicU64,
    pub(crate) inbox_unknown_type: AtomicU64,
    pub(crate) append_failures: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

impl Shared {
    pub(crate) fn is_memory(&self) -> bool {
        self.data_dir.is_none()
    }

    /// The settings in force. In a forked child that another thread's change was caught in, those that the
    /// engine was opened with.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.settings.get(self.born)
    }

    /// Tells the deliverer that the log has grown.
    pub(crate) fn wake_deliverer(&self) {
        if let Some(deliverer) = self.deliverer.get() {
            deliverer.wake();
        }
    }

    pub(crate) fn say(&self, severity: Severity, line: &str) {
        self.logger.say(severity, line);
    }
}

/// The settings in force, which may be changed at any time.
pub(crate) struct Settings {
    opened_with: Arc<Config>,
    now: RwLock<Arc<Config>>,
    /// What they say of a full queue: nanoseconds to wait, or one of two words. Read by every push.
    full: AtomicU64,
}

impl Settings {
    const FAIL: u64 = u64::MAX;
    const DROP: u64 = u64::MAX - 1;

    pub(crate) fn new(config: Config) -> Settings {
        let config = Arc::new(config);
        let settings = Settings {
            opened_with: config.clone(),
            now: RwLock::new(config.clone()),
            full: AtomicU64::new(0),
        };
        settings.set_full(&config);
        settings
    }

    pub(crate) fn set(&self, config: Config) {
        self.set_full(&config);
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    fn get(&self, born: u32) -> Arc<Config> {
        if fork::is_child(born) {
            let now = self.now.try_read().ok();
            return now.map_or_else(|| self.opened_with.clone(), |now| now.clone());
        }
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        now.clone()
    }

    fn set_full(&self, config: &Config) {
        let full = match config.queue_policy() {
            Policy::Fail => Settings::FAIL,
            Policy::Drop => Settings::DROP,
            Policy::Wait => config.queue_wait().as_nanos() as u64,
        };
        self.full.store(full, Ordering::Relaxed);
    }

    /// What a push does that finds the queue full.
    pub(crate) fn full_policy(&self) -> FullPolicy {
        match self.full.load(Ordering::Relaxed) {
            Settings::FAIL => FullPolicy::Fail,
            Settings::DROP => FullPolicy::Drop,
            nanos => FullPolicy::Wait(Duration::from_nanos(nanos)),
        }
    }
}

/// The host's logger, which may be set at any time.
#[derive(Default)]
pub(crate) struct LoggerSlot(Mutex<Option<Logger>>);

impl LoggerSlot {
    pub(crate) fn new(logger: Option<Logger>) -> Self {
        LoggerSlot(Mutex::new(logger))
    }

    pub(crate) fn set(&self, logger: Option<Logger>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = logger;
    }

    pub(crate) fn get(&self) -> Option<Logger> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn say(&self, severity: Severity, line: &str) {
        if let Some(logger) = self.get() {
            logger(severity, line);
        }
    }

    /// As [`say`](Self::say), for a forked child: silent rather than waiting for a lock that a
    /// thread of the parent held.
    pub(crate) fn say_in_child(&self, severity: Severity, line: &str) {
        if let Ok(slot) = self.0.try_lock()
            && let Some(logger) = slot.as_ref()
        {
            logger(severity, line);
        }
    }
}
