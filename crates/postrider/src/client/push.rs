//! The client.

use super::{Input, Level, Outcome, PushOptions, Pushed};
use crate::event::{Encoder, Event, EventError, Field, Schema, TypeId};
use crate::fork::{self, ChildGuard, ChildLock};
use crate::inbox::{DIR_NAME, InboxError, Problem, Writer};
use crate::time::{Clock, SystemClock};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often a push that may wait tries again.
const PAUSE: Duration = Duration::from_millis(5);

/// Why an event was not recorded.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The event is not acceptable: correct it.
    #[error(transparent)]
    Invalid(#[from] EventError),
    /// The inbox didn't take it.
    #[error(transparent)]
    Inbox(#[from] InboxError),
}

/// What a client did, since it was made; a forked child counts on from its parent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientStats {
    /// Events recorded.
    pub pushed: u64,
    /// Bytes of their texts.
    pub bytes: u64,
    /// Events refused as invalid.
    pub invalid: u64,
    /// Events that the inbox didn't take.
    pub failed: u64,
}

#[derive(Debug, Default)]
struct Counters {
    pushed: AtomicU64,
    bytes: AtomicU64,
    invalid: AtomicU64,
    failed: AtomicU64,
}

/// A handle on the inbox of a data directory. Any thread may push; one at a time writes.
///
/// It goes on working in a forked child, and needs there no memory and no lock that another thread of
/// the parent may have held: what a child uses was made before the fork and not touched since.
/// (Only in a child's own child, if the fork met a push, is something made anew.) See `docs/fork.md`.
#[derive(Debug)]
pub struct Client {
    inbox: PathBuf,
    schema: Arc<Schema>,
    /// The process that made it.
    born: u32,
    own: ChildLock<Desk>,
    /// For forked children.
    child: ChildLock<Desk>,
    counters: Counters,
}

/// What a push works with.
#[derive(Debug)]
struct Desk {
    /// The process that opened what the writer holds.
    generation: u32,
    encoder: Encoder,
    writer: Writer,
}

impl Desk {
    fn new(inbox: &Path) -> Desk {
        Desk {
            generation: 0,
            encoder: Encoder::new(),
            writer: Writer::prepared(inbox),
        }
    }
}

impl Client {
    /// Connects to the inbox of a data directory; the engine need not be up. Custom event types are
    /// declared in [`schema`](Self::schema), unknown fields allowed there.
    ///
    /// # Errors
    /// There is no inbox, it is not one to be trusted, or this user may not write to it.
    pub fn connect(data_dir: impl AsRef<Path>) -> Result<Client, InboxError> {
        let inbox = data_dir.as_ref().join(DIR_NAME);
        let client = Client::prepared(&inbox, Arc::new(Schema::new(false)));
        client.desk().writer.ready()?;
        Ok(client)
    }

    /// A client for the inbox directory `inbox`, which is opened by the first push: for an engine,
    /// which prepares it for the children that its process may fork.
    pub fn prepared(inbox: &Path, schema: Arc<Schema>) -> Client {
        Client {
            inbox: inbox.to_owned(),
            schema,
            born: fork::generation(),
            own: ChildLock::new(Desk::new(inbox)),
            child: ChildLock::new(Desk::new(inbox)),
            counters: Counters::default(),
        }
    }

    /// What events may contain.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Records an event: on return it is `written`.
    ///
    /// # Errors
    /// [`PushError::Invalid`] names the field; [`PushError::Inbox`] says what is wrong with the inbox.
    pub fn push(&self, event: &Event<'_>) -> Result<Pushed, PushError> {
        self.push_fields(event.ty(), event.fields(), PushOptions::default())
    }

    /// As [`push`](Self::push), from a type and fields, with options.
    pub fn push_fields(
        &self,
        ty: TypeId,
        fields: &[Field<'_>],
        options: PushOptions,
    ) -> Result<Pushed, PushError> {
        self.push_with(Input::Fields(ty, fields), options)
    }

    /// As [`push`](Self::push), from the text of a JSON object of fields, which is checked.
    pub fn push_json(
        &self,
        ty: TypeId,
        object: &[u8],
        options: PushOptions,
    ) -> Result<Pushed, PushError> {
        self.push_with(Input::Json(ty, object), options)
    }

    /// As [`push`](Self::push), from the text of a whole event: `{"msys":{"<category>":{…}}}`, or an
    /// object of fields with `type` among them.
    pub fn push_line(&self, line: &[u8], options: PushOptions) -> Result<Pushed, PushError> {
        self.push_with(Input::Line(line), options)
    }

    /// Records an event. With a deadline, a full inbox is waited for.
    ///
    /// # Errors
    /// As [`push`](Self::push). If the level was [`Level::Synced`] and syncing failed, the event may be
    /// recorded all the same.
    pub fn push_with(&self, input: Input<'_>, options: PushOptions) -> Result<Pushed, PushError> {
        let clock = SystemClock;
        let end = options.deadline.map(|wait| clock.now().mono.after(wait));
        loop {
            let result = self.try_push(input, options.level);
            let counter = match &result {
                Ok(_) => &self.counters.pushed,
                Err(PushError::Invalid(_)) => &self.counters.invalid,
                Err(PushError::Inbox(error))
                    if matches!(error.problem, Problem::Full { .. } | Problem::Busy { .. })
                        && end.is_some_and(|end| clock.now().mono < end) =>
                {
                    std::thread::sleep(PAUSE);
                    continue;
                }
                Err(PushError::Inbox(_)) => &self.counters.failed,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            return result;
        }
    }

    fn try_push(&self, input: Input<'_>, level: Level) -> Result<Pushed, PushError> {
        let mut desk = self.desk();
        let Desk {
            encoder, writer, ..
        } = &mut *desk;
        let now_ms = SystemClock.now().unix_ms;
        let encoded = input.encode(encoder, &self.schema, now_ms)?;
        let mut entry = encoded.entry;
        if entry.type_id >= TypeId::FIRST_CUSTOM.0 {
            // Only this process knows the number; the engine reads the name.
            entry.type_id = TypeId::IN_TEXT.0;
        }
        writer.append(&entry, encoded.text_and_separator())?;
        self.counters
            .bytes
            .fetch_add(entry.len.into(), Ordering::Relaxed);
        if level == Level::Synced {
            writer.sync()?;
        }
        Ok(Pushed {
            outcome: Outcome::Taken(level.max(Level::Written)),
            event_id: Some(*encoded.event_id),
        })
    }

    /// Returns when everything that this process pushed is at `level`. A client's events are
    /// [`Level::Written`] already; [`Level::Synced`] waits for the disk.
    ///
    /// # Errors
    /// The disk refused; something may not survive a power cut.
    pub fn flush(&self, level: Level) -> Result<(), InboxError> {
        match level {
            Level::Queued | Level::Written => Ok(()),
            Level::Synced => self.desk().writer.sync(),
        }
    }

    /// What it did so far.
    pub fn stats(&self) -> ClientStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ClientStats {
            pushed: read(&self.counters.pushed),
            bytes: read(&self.counters.bytes),
            invalid: read(&self.counters.invalid),
            failed: read(&self.counters.failed),
        }
    }

    /// Closes it. Everything pushed is written already.
    pub fn close(self) {}

    /// What this process works with.
    fn desk(&self) -> ChildGuard<'_, Desk> {
        let generation = fork::generation();
        let lock = match generation == self.born {
            true => &self.own,
            false => &self.child,
        };
        let mut desk = lock.lock(|| Desk::new(&self.inbox));
        if desk.generation != generation {
            // A parent's file description would share its lock with us.
            desk.writer.reopen();
            desk.generation = generation;
        }
        desk
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // In a forked child one may have been caught in use; locking it puts a sound one in its place.
        for lock in [&self.own, &self.child] {
            drop(lock.lock(|| Desk::new(&self.inbox)));
        }
    }
}
