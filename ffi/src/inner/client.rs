//! The client's side of a handle: the inbox, with or without an engine up.

use std::path::Path;
use std::time::Duration;

use postrider::client::{Client, Input, Level, PushError, PushOptions, Pushed};
use postrider::event::TypeId;
use postrider::inbox::{InboxError, Problem};

use super::{Call, Question};
use crate::error::{
    Failure, POSTRIDER_E_DATA_DIR, POSTRIDER_E_FORMAT, POSTRIDER_E_FULL, POSTRIDER_E_LIMIT,
    POSTRIDER_E_SYSTEM, POSTRIDER_E_UNSUPPORTED, POSTRIDER_OK, Status,
};
use crate::field::event_failure;
use crate::stats::Stats;

/// A client of a data directory.
pub(crate) struct ClientSide(Client);

impl ClientSide {
    pub(crate) fn connect(data_dir: &Path) -> Result<ClientSide, Failure> {
        let client = Client::connect(data_dir).map_err(|e| inbox_failure(&e))?;
        Ok(ClientSide(client))
    }

    pub(crate) fn push(&self, input: Input<'_>, options: PushOptions) -> Result<Pushed, Failure> {
        self.0
            .push_with(input, options)
            .map_err(|e| push_failure(&e))
    }

    pub(crate) fn flush(&self, level: Level, _: Duration) -> Result<Status, Failure> {
        self.0.flush(level).map_err(|e| inbox_failure(&e))?;
        Ok(POSTRIDER_OK)
    }

    pub(crate) fn declare_type(&self, category: &str, name: &str) -> Result<TypeId, Failure> {
        self.0
            .schema()
            .declare(category, name)
            .map_err(|e| event_failure(&e))
    }

    pub(crate) fn stats(&self) -> Result<Stats, Failure> {
        let now = self.0.stats();
        Ok(Stats {
            size: size_of::<Stats>(),
            push_taken: now.pushed,
            push_invalid: now.invalid,
            push_full: now.failed,
            push_inbox: now.pushed,
            ..Stats::default()
        })
    }

    pub(crate) fn metrics(&self) -> Result<String, Failure> {
        Err(no_engine("postrider_metrics()"))
    }

    pub(crate) fn ask(&self, _: Question) -> Result<Call, Failure> {
        Err(no_engine("postrider_api()"))
    }

    pub(crate) fn restart_after_fork(&self, _: Duration) -> Result<Status, Failure> {
        Err(no_engine("postrider_restart_after_fork()"))
    }

    pub(crate) fn close(self, _: Duration) -> Result<Status, Failure> {
        self.0.close();
        Ok(POSTRIDER_OK)
    }
}

fn no_engine(what: &str) -> Failure {
    let text = format_args!(
        "{what} needs an engine's handle, from postrider_open() of libpostrider; this is a client's"
    );
    Failure::new(POSTRIDER_E_UNSUPPORTED, text)
}

/// The failure of a push into the inbox.
pub(crate) fn push_failure(error: &PushError) -> Failure {
    match error {
        PushError::Invalid(e) => event_failure(e),
        PushError::Inbox(e) => inbox_failure(e),
        e => Failure::new(POSTRIDER_E_SYSTEM, e),
    }
}

/// The failure of a call that met a problem with the inbox.
pub(crate) fn inbox_failure(error: &InboxError) -> Failure {
    let status = match error.problem {
        Problem::Full { .. } | Problem::Busy { .. } => POSTRIDER_E_FULL,
        Problem::TooLong { .. } => POSTRIDER_E_LIMIT,
        Problem::NewerVersion { .. } => POSTRIDER_E_FORMAT,
        Problem::Short { .. } | Problem::Os { .. } => POSTRIDER_E_SYSTEM,
        _ => POSTRIDER_E_DATA_DIR,
    };
    Failure::new(status, error)
}
