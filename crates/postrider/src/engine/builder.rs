//! Opening an engine: each part in the order in which the next needs it.

use super::child::Child;
use super::error::OpenError;
use super::gather::Gather;
use super::held::Held;
use super::live::{Ends, Live};
use super::lock::{DirLock, make_dir};
use super::shared::{Counters, Logger, LoggerSlot, Settings, Severity, Shared};
use super::wants::Wants;
use super::writer::{Round, Writer};
use super::{Engine, sync};
use crate::client::Client;
use crate::config::{Config, ConfigError, Keep};
use crate::deliver::{self, Deliverer};
use crate::event::{Schema, TypeId};
use crate::filter::Seat;
use crate::fork;
use crate::fs::{Fs, RealFs};
use crate::inbox::{self, Taker, TakerConfig, Watch, Woken};
use crate::journal::{self, Renderings};
use crate::log::{self, LogConfig};
use crate::queue::{self, QueueError, Watermark};
use crate::store::Store;
use crate::thread;
use crate::time::{Clock, SystemClock};
use crate::webhook::Webhook;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// How an engine is to be opened.
///
/// ```no_run
/// use postrider::engine::Engine;
/// use postrider::event::{Event, fields, types};
///
/// let engine = Engine::builder().data_dir("/var/lib/postrider").start()?;
/// engine.push(&Event::new(types::DELIVERY).str(fields::RCPT_TO, "alice@example.com"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Builder {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) memory: bool,
    pub(super) config: Config,
    pub(super) logger: Option<Logger>,
}

impl Builder {
    /// Keeps log, journal and store in this directory, which is made if missing. One engine a
    /// directory.
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(dir.into());
        self.memory = false;
        self
    }

    /// Keeps nothing on disk: what is not delivered when the process ends is lost, and the levels
    /// `written` and `synced` are refused.
    pub fn memory(mut self) -> Self {
        self.data_dir = None;
        self.memory = true;
        self
    }

    /// Sets one key of `docs/configuration.md`.
    ///
    /// # Errors
    /// The key is unknown or the value not allowed; the text says what is.
    pub fn set(mut self, key: &str, value: &str) -> Result<Self, ConfigError> {
        self.config.set(key, value)?;
        Ok(self)
    }

    /// Replaces all settings.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Where the engine's lines go; without it, nowhere. Called from any thread.
    pub fn logger(mut self, logger: impl Fn(Severity, &str) + Send + Sync + 'static) -> Self {
        self.logger = Some(Arc::new(logger));
        self
    }

    /// Opens the data directory, recovers what a former life left, and starts the threads.
    ///
    /// # Errors
    /// [`OpenError`] names the part, the path and the reason; nothing is left running.
    pub fn start(self) -> Result<Engine, OpenError> {
        Ok(Engine::from_live(self.open()?))
    }

    pub(super) fn open(self) -> Result<Live, OpenError> {
        let again = self.clone();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (dir, lock) = match (&self.data_dir, self.memory) {
            (_, true) => (None, None),
            (None, false) => return Err(OpenError::NoDataDir),
            (Some(dir), false) => {
                let dir = make_dir(dir)?;
                let lock = DirLock::take(&dir)?;
                (Some(dir), Some(lock))
            }
        };
        let config = self.config;
        let logger = Arc::new(LoggerSlot::new(self.logger));
        let say = |severity, line: &str| logger.say(severity, line);

        let fs: Arc<dyn Fs> = Arc::new(RealFs);
        let store = match &dir {
            Some(dir) => Store::open(&*fs, dir)?,
            None => Store::memory()?,
        };
        let schema = Arc::new(open_schema(&config, &store)?);

        let (journal, renderings, state) = match &dir {
            Some(dir) => {
                let place = dir.join("journal");
                let (journal, recovered) = journal::open(&place, fs.clone(), clock.clone())?;
                if recovered.holes + recovered.cut > 0 || recovered.checkpoint_damaged {
                    say(
                        Severity::Warning,
                        &format!(
                            "journal: {} damaged places passed over, checkpoint damaged: {}, {} records left out \
                             behind what a power cut took",
                            recovered.holes, recovered.checkpoint_damaged, recovered.cut
                        ),
                    );
                }
                let (place, needed) = (place.join("rendered"), recovered.state.rendered_files());
                let renderings = Renderings::open(&place, fs.clone(), needed)?;
                (Some(journal), renderings, recovered.state)
            }
            None => (None, Renderings::in_memory(), journal::State::default()),
        };
        let (mut log_writer, log, recovery) = log::open(
            log_config(&config, dir.as_deref(), &fs, &clock),
            state.next_offset(),
        )?;
        if recovery.is_damaged() {
            say(
                Severity::Warning,
                &format!("log: recovered with damage: {recovery:?}"),
            );
        }

        let taker = match &dir {
            Some(dir) if config.inbox_enabled() => {
                let group = config.inbox_group();
                let path = inbox::init(dir, (!group.is_empty()).then_some(group))?;
                let taker = Taker::open(
                    &path,
                    &recovery.inbox_positions,
                    clock.clone(),
                    TakerConfig {
                        max_bytes: config.inbox_max_bytes(),
                        ..TakerConfig::default()
                    },
                )?;
                Some((path, taker))
            }
            _ => None,
        };
        let watch = match &taker {
            Some((path, _)) => {
                let what = "watch the inbox";
                let watch =
                    Watch::open(path).map_err(|source| OpenError::System { what, source })?;
                Some(Arc::new(watch))
            }
            None => None,
        };

        let queue_bytes = queue_bytes(&config);
        let (queue, drain) = queue::queue(queue_bytes).map_err(|e| OpenError::System {
            what: "make the queue",
            source: match e {
                QueueError::Map { source, .. } => source,
                other => io::Error::other(other.to_string()),
            },
        })?;
        let child = Child::new(
            taker
                .as_ref()
                .map(|(path, _)| Client::prepared(path, schema.clone())),
        );
        let (webhooks, former) = (store.webhooks()?, store.former()?);
        let make_filters = super::filters::maker(super::filters::HostParts {
            schema: schema.clone(),
            clock: clock.clone(),
            logger: logger.clone(),
            data_dir: dir.clone(),
        });
        let filters = Arc::new(make_filters());
        super::filters::restore(&filters, &store)?;
        let wanted = Wants::new(config.log_keep() == Keep::All);
        wanted.filters(super::filters::selected(&filters.specs(), &schema));
        let held = Held::open(&store, log.clone(), config.log_keep_for())?;

        let shared = Arc::new(Shared {
            born: fork::generation(),
            data_dir: dir,
            clock: clock.clone(),
            logger,
            schema: schema.clone(),
            wanted: Arc::new(wanted),
            queue,
            drained: Watermark::new(0),
            log: log.clone(),
            store: Arc::new(store),
            deliverer: OnceLock::new(),
            syncs: sync::SyncCalls::default(),
            stopping: AtomicBool::new(false),
            abandon: AtomicBool::new(false),
            writer_ended: AtomicBool::new(false),
            inbox_changed: AtomicBool::new(taker.is_some()),
            inbox_stats: Mutex::default(),
            counters: Counters::default(),
            filters,
            held,
            changes: Mutex::default(),
            settings: Settings::new(config),
        });
        let former = Former {
            journal,
            renderings,
            state,
            webhooks,
            former,
        };
        let deliverer = Deliverer::spawn(deliver_parts(&shared, former, make_filters)?)
            .map_err(|e| OpenError::Http(e.to_string()))?;
        let _ = shared.deliverer.set(deliverer);

        let spawn_failed = |source| OpenError::System {
            what: "start a thread",
            source,
        };
        let seat = shared.filters.seat("postrider-writer");
        let writer = Box::new(Writer {
            shared: shared.clone(),
            drain,
            frame: log_writer.frame(),
            spare: None,
            log: log_writer,
            inbox: taker.map(|(_, taker)| taker),
            taken: Vec::new(),
            // What the log remembers of the inbox counts once it is synced.
            unsynced: VecDeque::from([(log.next_offset(), recovery.inbox_positions.clone())]),
            looked: clock.now().mono,
            gather: Gather::new(queue_bytes as u64, clock.now().mono),
            round: Round::default(),
            seat: seat.expect("the first"),
        });
        let ends = Ends {
            lock,
            ..Ends::default()
        };
        // From here on an error drops it, which ends what was started.
        let mut live = Live::new(again, shared.clone(), child, watch.clone(), ends);
        let ends = live.ends();
        ends.writer = Some(Seat::start(writer, |writer| writer.run()).map_err(spawn_failed)?);
        if !shared.is_memory() {
            let shared = shared.clone();
            let body = move || sync::run(&shared);
            ends.sync = Some(thread::spawn("postrider-sync", body).map_err(spawn_failed)?);
        }
        ends.keeper = Some({
            let shared = shared.clone();
            let complain = move |e: &log::LogError| shared.say(Severity::Error, &e.to_string());
            thread::spawn("postrider-log", move || log.keep_house(complain))
                .map_err(spawn_failed)?
        });
        if let Some(watch) = watch {
            let body = move || watch_inbox(&watch, &shared);
            ends.watcher = Some(thread::spawn("postrider-watch", body).map_err(spawn_failed)?);
        }
        Ok(live)
    }
}

/// The queue's capacity is a power of two; a setting in between gets the next one.
fn queue_bytes(config: &Config) -> usize {
    usize::try_from(config.queue_bytes())
        .unwrap_or(queue::MAX_CAPACITY)
        .next_power_of_two()
}

/// The catalogue, the custom types that the store remembers, and those that the settings declare.
fn open_schema(config: &Config, store: &Store) -> Result<Schema, OpenError> {
    let schema = Schema::new(config.events_unknown_fields());
    for (category, name) in config.events_custom() {
        store.declare_type(category, name)?;
    }
    for custom in store.custom_types()? {
        schema
            .declare_as(TypeId(custom.id), &custom.category, &custom.name)
            .map_err(OpenError::CustomType)?;
    }
    Ok(schema)
}

fn log_config(
    config: &Config,
    dir: Option<&Path>,
    fs: &Arc<dyn Fs>,
    clock: &Arc<dyn Clock>,
) -> LogConfig {
    LogConfig {
        dir: dir.map(|dir| dir.join("log")),
        segment_bytes: config.log_segment_bytes(),
        max_bytes: config.log_max_bytes(),
        memory_bytes: usize::try_from(config.log_memory_bytes()).unwrap_or(usize::MAX),
        keep: super::settings::search(config),
        fs: fs.clone(),
        clock: clock.clone(),
        ..LogConfig::in_memory()
    }
}

/// What a former life left to the deliverer.
struct Former {
    journal: Option<journal::Journal>,
    renderings: Renderings,
    state: journal::State,
    webhooks: Vec<Webhook>,
    former: Vec<Webhook>,
}

fn deliver_parts(
    shared: &Arc<Shared>,
    former: Former,
    filters: deliver::MakeFilters,
) -> Result<deliver::Parts, OpenError> {
    let config = shared.config();
    let wanted = shared.wanted.clone();
    let (logger, told) = (shared.logger.clone(), shared.logger.clone());
    let store = shared.store.clone();
    Ok(deliver::Parts {
        log: shared.log.clone(),
        journal: former.journal,
        renderings: former.renderings,
        state: former.state,
        webhooks: former.webhooks,
        former: former.former,
        filters,
        still_needed: Box::new(move |needed| {
            if let Err(e) = store.retain_former(needed) {
                told.say(Severity::Warning, &format!("store: {e}"));
            }
        }),
        schema: shared.schema.clone(),
        settings: super::settings::deliver(&config),
        http: super::settings::http(&config)?,
        wanted: Box::new(move |types| wanted.webhooks(*types)),
        notice: Box::new(move |notice| logger.say(notice_severity(notice), &notice.to_string())),
        clock: shared.clock.clone(),
    })
}

fn notice_severity(notice: &deliver::Notice) -> Severity {
    match notice {
        deliver::Notice::Up { .. } => Severity::Info,
        deliver::Notice::Held { .. } => Severity::Error,
        _ => Severity::Warning,
    }
}

/// The watch thread: any append to the inbox wakes the writer.
fn watch_inbox(watch: &Watch, shared: &Arc<Shared>) {
    loop {
        match watch.wait() {
            Ok(Woken::Written) => {
                shared.inbox_changed.store(true, Ordering::Release);
                shared.queue.wake();
            }
            Ok(Woken::Stopped) => return,
            Err(e) => {
                shared.say(
                    Severity::Error,
                    &format!("inbox: cannot wait for changes: {e}"),
                );
                return;
            }
        }
    }
}
