//! The engine's side of a handle.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use postrider::client::{Input, Level, PushOptions, Pushed};
use postrider::config::ConfigError;
use postrider::engine::{
    Builder, ChildError, CloseError, DeclareError, Engine, FlushError, OpenError, PushError,
    RestartError, Severity,
};
use postrider::event::TypeId;
use postrider::store::StoreError;
use postrider_api::{AdminSocket, Api, Caller, Request, SOCKET_NAME};

use super::client::inbox_failure;
use super::{Answer, Question};
use crate::config::Config;
use crate::error::{
    Failure, POSTRIDER_E_ARGUMENT, POSTRIDER_E_CLOSED, POSTRIDER_E_CONFIG, POSTRIDER_E_DATA_DIR,
    POSTRIDER_E_FORMAT, POSTRIDER_E_FULL, POSTRIDER_E_LIMIT, POSTRIDER_E_LOCKED, POSTRIDER_E_PANIC,
    POSTRIDER_E_STOPPED, POSTRIDER_E_SYSTEM, POSTRIDER_E_TIMEOUT, POSTRIDER_E_UNSUPPORTED,
    POSTRIDER_OK, Status,
};
use crate::field::event_failure;
use crate::guard::caught;
use crate::log::{POSTRIDER_LOG_ERROR, POSTRIDER_LOG_INFO, POSTRIDER_LOG_WARNING};
use crate::stats::Stats;

/// An engine, its API, and the requests that still run on it.
pub(crate) struct EngineSide {
    engine: Arc<Engine>,
    api: Arc<Api>,
    /// How the command line reaches it; locked when the engine opens and closes alone.
    admin: Mutex<Option<AdminSocket>>,
    running: Arc<Running>,
}

impl EngineSide {
    pub(crate) fn open(
        data_dir: Option<&Path>,
        config: Option<&Config>,
    ) -> Result<EngineSide, Failure> {
        let builder = match data_dir {
            Some(dir) => Engine::builder().data_dir(dir),
            None => Engine::builder().memory(),
        };
        let builder = match config {
            Some(config) => with_config(builder, config),
            None => builder,
        };
        let engine = Arc::new(builder.start().map_err(|e| open_failure(&e))?);
        let api = Arc::new(Api::new(engine.clone()));
        Ok(EngineSide {
            admin: Mutex::new(admin_socket(&engine, &api)),
            engine,
            api,
            running: Arc::default(),
        })
    }

    pub(crate) fn push(&self, input: Input<'_>, options: PushOptions) -> Result<Pushed, Failure> {
        self.engine
            .push_with(input, options)
            .map_err(|e| push_failure(&e))
    }

    pub(crate) fn flush(&self, level: Level, timeout: Duration) -> Result<Status, Failure> {
        self.engine.flush(level, timeout).map_err(|e| {
            let status = match &e {
                FlushError::Child(e) => return child_failure(e),
                FlushError::Timeout(_) => POSTRIDER_E_TIMEOUT,
                FlushError::Level(_) => POSTRIDER_E_UNSUPPORTED,
                FlushError::Storage(_) => POSTRIDER_E_STOPPED,
                FlushError::Closed => POSTRIDER_E_CLOSED,
                _ => POSTRIDER_E_SYSTEM,
            };
            Failure::new(status, e)
        })?;
        Ok(POSTRIDER_OK)
    }

    pub(crate) fn declare_type(&self, category: &str, name: &str) -> Result<TypeId, Failure> {
        self.engine
            .declare_type(category, name)
            .map_err(|e| match &e {
                DeclareError::Invalid(e) => event_failure(e),
                DeclareError::Store(StoreError::TooManyTypes(_)) => {
                    Failure::new(POSTRIDER_E_LIMIT, e)
                }
                DeclareError::Child => Failure::new(POSTRIDER_E_UNSUPPORTED, e),
                _ => Failure::new(POSTRIDER_E_SYSTEM, e),
            })
    }

    pub(crate) fn stats(&self) -> Result<Stats, Failure> {
        let now = self.engine.stats();
        let child = self.engine.child_stats();
        let books = now.books.webhooks.values();
        let sum =
            |figure: fn(&postrider::deliver::WebhookBooks) -> u64| books.clone().map(figure).sum();
        Ok(Stats {
            size: size_of::<Stats>(),
            push_taken: now.queue.drained + child.pushed,
            push_unwanted: now.unwanted,
            push_invalid: now.invalid + child.invalid,
            push_full: now.queue.failed + now.queue.timed_out + child.failed,
            push_dropped: now.queue.dropped,
            push_waited: now.queue.waited,
            push_inbox: child.pushed,
            inbox_taken: now.inbox.events,
            queue_bytes: now.queue.used_bytes,
            queue_capacity: self.engine.config().queue_bytes(),
            log_written: now.log.next_offset,
            log_synced: now.log.synced_offset,
            webhook_offset: now.books.offset,
            webhooks: now.books.webhooks.len() as u64,
            webhook_accepted: sum(|b| b.accepted),
            webhook_delivered: sum(|b| b.delivered),
            webhook_dead: sum(|b| b.dead),
            webhook_dropped: sum(|b| b.dropped.values().sum()),
            webhook_pending: sum(|b| b.pending),
        })
    }

    pub(crate) fn metrics(&self) -> Result<String, Failure> {
        Ok(self.engine.metrics())
    }

    pub(crate) fn ask(&self, question: Question) -> Result<Call, Failure> {
        let caller = if question.all_grants {
            Caller::Host
        } else {
            Caller::Key
        };
        let request = Request {
            method: question.method,
            path_and_query: question.path,
            headers: question.headers,
            body: question.body,
        };
        let (answer, answers) = mpsc::sync_channel(1);
        let api = self.api.clone();
        let running = self.running.clone();
        running.started();
        let work = move || {
            let response = caught(|| api.handle(&request, caller));
            running.ended();
            if let Ok(response) = response {
                // Whoever asked may have freed the call.
                let _ = answer.send(Answer {
                    status: response.status.into(),
                    body: response.body,
                });
            }
        };
        match postrider::thread::spawn("postrider-api", work) {
            Ok(_) => Ok(Call {
                answers: Some(answers),
            }),
            Err(e) => {
                self.running.ended();
                Err(Failure::new(
                    POSTRIDER_E_SYSTEM,
                    format_args!("cannot start a thread for the request: {e}"),
                ))
            }
        }
    }

    pub(crate) fn restart_after_fork(&self, timeout: Duration) -> Result<Status, Failure> {
        match self.engine.restart_after_fork(timeout) {
            Ok(()) => {
                self.running.forget();
                let opened = admin_socket(&self.engine, &self.api);
                *self.admin.lock().unwrap_or_else(PoisonError::into_inner) = opened;
                Ok(POSTRIDER_OK)
            }
            Err(RestartError::Open(e)) => Err(open_failure(&e)),
            Err(e) => Err(Failure::new(POSTRIDER_E_ARGUMENT, e)),
        }
    }

    pub(crate) fn close(self, timeout: Duration) -> Result<Status, Failure> {
        let deadline = Instant::now() + timeout;
        drop(self.admin.into_inner());
        // In a forked child the threads that run requests are the parent's.
        if !self.engine.is_child() && !self.running.wait(deadline) {
            // What it has to say would reach a host that has let go of its logger.
            self.engine.set_logger(None);
        }
        match self
            .engine
            .close(deadline.saturating_duration_since(Instant::now()))
        {
            Ok(()) => Ok(POSTRIDER_OK),
            Err(e @ CloseError::Timeout(_)) => Err(Failure::new(POSTRIDER_E_TIMEOUT, e)),
            Err(e) => Err(Failure::new(POSTRIDER_E_STOPPED, e)),
        }
    }
}

/// The admin socket of an engine with a data directory. An engine without one works all the same: its
/// path may be too long for a socket.
fn admin_socket(engine: &Engine, api: &Arc<Api>) -> Option<AdminSocket> {
    let dir = engine
        .data_dir()
        .filter(|_| engine.config().admin_socket())?;
    let opened = AdminSocket::open(api.clone(), dir);
    let complain = |e: &std::io::Error| {
        let path = dir.join(SOCKET_NAME);
        let line = format!("cannot make {}: {e}", path.display());
        engine.say(Severity::Warning, &line);
    };
    opened.inspect_err(complain).ok()
}

/// How many API requests run. An atomic, because a fork may come between any two instructions, and
/// a lock held then would be held in the child for ever.
#[derive(Default)]
struct Running(AtomicUsize);

impl Running {
    fn started(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn ended(&self) {
        self.0.fetch_sub(1, Ordering::Release);
    }

    /// Those that were counted run in the parent.
    fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Waits until none runs, looking each millisecond: closing is rare.
    fn wait(&self, deadline: Instant) -> bool {
        while self.0.load(Ordering::Acquire) > 0 {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        true
    }
}

/// A request on its way.
pub(crate) struct Call {
    /// Gone once the answer was fetched.
    answers: Option<mpsc::Receiver<Answer>>,
}

impl Call {
    /// Waits for the answer, for ever without a timeout; `None`: not yet.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> Result<Option<Answer>, Failure> {
        use mpsc::RecvTimeoutError::{Disconnected, Timeout};
        let Some(answers) = &self.answers else {
            let text = "the answer was fetched already; an answer is given once";
            return Err(Failure::new(POSTRIDER_E_ARGUMENT, text));
        };
        let answer = match timeout {
            Some(timeout) => answers.recv_timeout(timeout),
            None => answers.recv().map_err(|_| Disconnected),
        };
        match answer {
            Ok(answer) => {
                self.answers = None;
                Ok(Some(answer))
            }
            Err(Timeout) => Ok(None),
            Err(Disconnected) => {
                let text = "a bug in Postrider ended the request without an answer";
                Err(Failure::new(POSTRIDER_E_PANIC, text))
            }
        }
    }
}

/// Settings from the table of `docs/configuration.md`.
pub(crate) struct Settings(postrider::config::Config);

impl Settings {
    pub(crate) fn new() -> Result<Settings, Failure> {
        Ok(Settings(postrider::config::Config::default()))
    }

    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<Status, Failure> {
        self.0.set(key, value).map_err(|e| config_failure(&e))?;
        Ok(POSTRIDER_OK)
    }

    pub(crate) fn load(&mut self, path: &Path) -> Result<Status, Failure> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            Failure::new(
                POSTRIDER_E_SYSTEM,
                format_args!("cannot read {}: {e}", path.display()),
            )
        })?;
        self.0.set_toml(&text).map_err(|e| {
            Failure::new(POSTRIDER_E_CONFIG, format_args!("{}: {e}", path.display()))
        })?;
        Ok(POSTRIDER_OK)
    }
}

fn with_config(builder: Builder, config: &Config) -> Builder {
    let builder = builder.config(config.settings.0.clone());
    match config.logger {
        None => builder,
        Some(logger) => builder.logger(move |severity, text| {
            let level = match severity {
                Severity::Error => POSTRIDER_LOG_ERROR,
                Severity::Warning => POSTRIDER_LOG_WARNING,
                Severity::Info => POSTRIDER_LOG_INFO,
            };
            logger.say(level, text);
        }),
    }
}

fn config_failure(error: &ConfigError) -> Failure {
    Failure::new(POSTRIDER_E_CONFIG, error)
}

fn push_failure(error: &PushError) -> Failure {
    let status = match error {
        PushError::Invalid(e) => return event_failure(e),
        PushError::Full { .. } => POSTRIDER_E_FULL,
        PushError::TooLong { .. } => POSTRIDER_E_LIMIT,
        PushError::Level(_) => POSTRIDER_E_UNSUPPORTED,
        PushError::Timeout(_) => POSTRIDER_E_TIMEOUT,
        PushError::Storage(_) => POSTRIDER_E_STOPPED,
        PushError::Closed => POSTRIDER_E_CLOSED,
        PushError::Reentered => POSTRIDER_E_ARGUMENT,
        PushError::Child(e) => return child_failure(e),
        _ => POSTRIDER_E_SYSTEM,
    };
    Failure::new(status, error)
}

fn child_failure(error: &ChildError) -> Failure {
    match error {
        ChildError::Inbox(e) => inbox_failure(e),
        e => Failure::new(POSTRIDER_E_UNSUPPORTED, e),
    }
}

fn open_failure(error: &OpenError) -> Failure {
    use postrider::journal::JournalError;
    use postrider::log::LogError;
    let status = match error {
        OpenError::Config(_)
        | OpenError::CustomType(_)
        | OpenError::Log(LogError::Config { .. }) => POSTRIDER_E_CONFIG,
        OpenError::Held { .. } => POSTRIDER_E_LOCKED,
        OpenError::Directory { .. } => POSTRIDER_E_DATA_DIR,
        OpenError::Log(LogError::NewerVersion { .. })
        | OpenError::Journal(JournalError::NewerVersion { .. })
        | OpenError::Store(StoreError::Newer { .. } | StoreError::Damaged(_)) => POSTRIDER_E_FORMAT,
        OpenError::Inbox(e) => return inbox_failure(e),
        _ => POSTRIDER_E_SYSTEM,
    };
    Failure::new(status, error)
}
