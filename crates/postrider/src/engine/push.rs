//! The push: from a host's event to a record in the queue.

use super::shared::{Counters, Shared};
use super::{Engine, FlushError, Level, Outcome, PushError, PushOptions, Pushed};
use crate::client::Input;
use crate::event::{Encoded, Encoder, Event, Field, TypeId};
use crate::queue::{FullPolicy, Refused};
use crate::time::Instant;
use std::cell::RefCell;
use std::sync::atomic::Ordering;

thread_local! {
    /// Where this thread's events become text. One for all engines: it keeps nothing between calls.
    static SCRATCH: RefCell<Encoder> = RefCell::new(Encoder::new());
}

impl Input<'_> {
    /// The type, where it is known without reading the text.
    fn ty(&self) -> Option<TypeId> {
        match self {
            Input::Fields(ty, _) | Input::Json(ty, _) => Some(*ty),
            Input::Line(_) => None,
        }
    }
}

impl Engine {
    /// Pushes an event; returns once it is in the queue.
    ///
    /// # Errors
    /// [`PushError::Invalid`] names the field; [`PushError::Full`] comes from the policy `fail`, or `wait`
    /// in vain. Nothing is in the queue then.
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

    /// As [`push`](Self::push), in whichever form the host has the event.
    pub fn push_with(&self, input: Input<'_>, options: PushOptions) -> Result<Pushed, PushError> {
        if self.is_child() {
            return self.push_in_child(input, options);
        }
        let shared = &**self.shared();
        if let Some(ty) = input.ty()
            && !shared.wanted.contains(ty)
            && shared.schema.type_name(ty).is_some()
        {
            return Ok(Pushed {
                outcome: unwanted(shared),
                event_id: None,
            });
        }
        if self.is_closing() {
            return Err(PushError::Closed);
        }
        if options.level > Level::Queued && shared.is_memory() {
            return Err(PushError::Level(options.level));
        }
        let mut event_id = None;
        let outcome = SCRATCH.with(|scratch| {
            let mut scratch = scratch.try_borrow_mut().map_err(|_| PushError::Reentered)?;
            let encoded = input
                .encode(&mut scratch, &shared.schema, shared.clock.stamp())
                .inspect_err(|_| Counters::add(&shared.counters.invalid, 1))?;
            if !shared.wanted.contains(TypeId(encoded.entry.type_id)) {
                return Ok(unwanted(shared));
            }
            event_id = Some(*encoded.event_id);
            enqueue(shared, &encoded, options)
        })?;
        Ok(Pushed { outcome, event_id })
    }
}

fn unwanted(shared: &Shared) -> Outcome {
    Counters::add(&shared.counters.unwanted, 1);
    Outcome::Unwanted
}

fn enqueue(
    shared: &Shared,
    encoded: &Encoded<'_>,
    options: PushOptions,
) -> Result<Outcome, PushError> {
    let policy = options
        .deadline
        .map_or_else(|| shared.settings.full_policy(), FullPolicy::Wait);
    let started = (options.level > Level::Queued).then(|| shared.clock.now().mono);
    let refused = |policy| PushError::Full {
        capacity: shared.config().queue_bytes(),
        policy,
    };
    let text = encoded.text_and_separator();
    let position = match shared.queue.push_by(&encoded.entry, text, policy) {
        Ok(position) => position,
        Err(Refused::Dropped) => return Ok(Outcome::Dropped),
        Err(Refused::TimedOut(_)) => return Err(refused("wait")),
        Err(Refused::Full) => return Err(refused("fail")),
        Err(Refused::TooLong { bytes, max }) => {
            return Err(PushError::TooLong { bytes, max });
        }
        Err(Refused::Closed) => return Err(PushError::Closed),
    };
    if let Some(started) = started {
        let deadline = options.deadline.map(|time| started.after(time));
        reach(shared, position, options.level, deadline).map_err(|e| match e {
            FlushError::Timeout(level) => PushError::Timeout(level),
            FlushError::Level(level) => PushError::Level(level),
            FlushError::Storage(what) => PushError::Storage(what),
            FlushError::Child(e) => PushError::Child(e),
            FlushError::Closed => PushError::Closed,
        })?;
    }
    Ok(Outcome::Taken(options.level))
}

/// Waits until everything below `position` of the queue is at `level`.
pub(super) fn reach(
    shared: &Shared,
    position: u64,
    level: Level,
    deadline: Option<Instant>,
) -> Result<(), FlushError> {
    if level > Level::Queued && shared.is_memory() {
        return Err(FlushError::Level(level));
    }
    let failed = || {
        shared
            .log
            .failed()
            .map(|e| FlushError::Storage(e.to_string()))
    };
    let ended = || shared.writer_ended.load(Ordering::Acquire);
    if !shared.drained.wait_unless(position, deadline, ended) {
        return Err(failed().unwrap_or(if ended() {
            FlushError::Closed
        } else {
            FlushError::Timeout(level)
        }));
    }
    if level == Level::Synced {
        let end = shared.log.written().load();
        if shared.log.synced().load() < end {
            shared.syncs.ask();
        }
        let broken = || shared.log.failed().is_some();
        if !shared.log.synced().wait_unless(end, deadline, broken) {
            return Err(failed().unwrap_or(FlushError::Timeout(level)));
        }
    }
    Ok(())
}
