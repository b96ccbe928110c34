//! Other settings for a running engine.
//!
//! What can be refused is tried first, files and addresses included; then all of it holds. So a change
//! takes effect whole or not at all, and what it comes to is what a start with the new settings would: a
//! webhook whose target is allowed now sends what it kept, one whose target is not any more keeps.

use super::shared::Shared;
use super::{Engine, OpenError, settings};
use crate::config::{Config, Keep};
use crate::event::{EventError, Schema, TypeId};
use crate::http;
use crate::log::LogError;
use crate::store::StoreError;
use std::sync::PoisonError;

/// What a change of the settings came to. The names are keys of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconfigured {
    /// These hold now.
    pub applied: Vec<&'static str>,
    /// These have the value that they had: they are read only when an engine starts.
    pub needs_restart: Vec<&'static str>,
}

/// Why settings were refused. Those that held still do, all of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReconfigureError {
    /// A proxy, a file of certificates or another part of `http` can't be used: correct it.
    #[error("{0}")]
    Http(String),
    /// The log can't keep to its limits: correct `log.max_bytes`.
    #[error("{0}")]
    Log(#[from] LogError),
    /// A custom event type is not acceptable.
    #[error("events.custom: {0}")]
    CustomType(EventError),
    /// The store can't be read or written.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// A forked child has no settings of its own.
    #[error("this is a forked child: settings are changed in the process that opened the engine")]
    Child,
    /// The engine is closing.
    #[error("the engine is closing")]
    Closed,
}

impl Engine {
    /// Goes on with other settings, without a restart. Keys that are read only when an engine starts (see the
    /// table in `docs/configuration.md`) keep their values and are named in the answer. Files that settings name are
    /// read again, so it is also how renewed certificates come into force.
    ///
    /// # Errors
    /// [`ReconfigureError`] says what is wrong; nothing is changed then.
    pub fn reconfigure(&self, mut config: Config) -> Result<Reconfigured, ReconfigureError> {
        if self.is_child() {
            return Err(ReconfigureError::Child);
        }
        let shared = self.shared();
        let changes = shared.changes.lock();
        let _one_at_a_time = changes.unwrap_or_else(PoisonError::into_inner);
        let before = shared.config();
        let mut report = Reconfigured::default();
        for key in before.changes(&config) {
            match key.live {
                true => report.applied.push(key.name),
                false => report.needs_restart.push(key.name),
            }
        }
        for key in &report.needs_restart {
            config.take_back(key, &before);
        }
        apply(shared, config)?;
        Ok(report)
    }
}

fn apply(shared: &Shared, config: Config) -> Result<(), ReconfigureError> {
    let deliverer = shared.deliverer.get().ok_or(ReconfigureError::Closed)?;
    let http = settings::http(&config).map_err(|e| match e {
        OpenError::Http(why) => ReconfigureError::Http(why),
        other => ReconfigureError::Http(other.to_string()),
    })?;
    let setup =
        http::Setup::new(http.clone()).map_err(|e| ReconfigureError::Http(e.to_string()))?;
    shared.log.check_limits(config.log_max_bytes())?;
    let webhooks = shared.store.webhooks()?;
    declare_types(shared, &config)?;

    shared.wanted.everything(config.log_keep() == Keep::All);
    deliverer
        .configure(settings::deliver(&config), (&http, setup), &webhooks)
        .map_err(|_| ReconfigureError::Closed)?;
    shared
        .schema
        .set_unknown_fields(config.events_unknown_fields());
    let keep = settings::search(&config);
    shared.log.set_limits(config.log_max_bytes(), keep)?;
    shared.settings.set(config);
    Ok(())
}

/// All of them, or none: only the store's disk can still fail where the names are good.
fn declare_types(shared: &Shared, config: &Config) -> Result<(), ReconfigureError> {
    let custom = config.events_custom();
    let trial = Schema::new(false);
    for known in shared.store.custom_types()? {
        let declared = trial.declare_as(TypeId(known.id), &known.category, &known.name);
        declared.map_err(ReconfigureError::CustomType)?;
    }
    for (category, name) in custom {
        let declared = trial.declare(category, name);
        declared.map_err(ReconfigureError::CustomType)?;
    }
    for (category, name) in custom {
        let id = TypeId(shared.store.declare_type(category, name)?);
        let declared = shared.schema.declare_as(id, category, name);
        declared.map_err(ReconfigureError::CustomType)?;
    }
    Ok(())
}
