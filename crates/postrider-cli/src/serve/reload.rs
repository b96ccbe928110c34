//! Reading the configuration anew while serving: on SIGHUP, and for `postrider reload`.

use super::listen::Limit;
use super::log::Log;
use super::settings;
use super::tls::Tls;
use crate::cli::ServeArgs;
use crate::reload::told;
use postrider::config::Config;
use postrider::engine::{Engine, Reconfigured, Severity};
use std::sync::{Arc, Mutex, PoisonError};

/// What of a running `serve` the configuration can change.
pub(super) struct Reloader {
    pub(super) args: ServeArgs,
    pub(super) engine: Arc<Engine>,
    pub(super) tls: Arc<Tls>,
    pub(super) connections: Limit,
    pub(super) log: Arc<Log>,
    pub(super) one_at_a_time: Mutex<()>,
}

impl Reloader {
    /// Puts the configuration in force as it is now, whole; says what that came to, also to the log.
    ///
    /// # Errors
    /// What is wrong, and where. Nothing has changed then.
    pub(super) fn reload(&self) -> Result<Reconfigured, String> {
        let _one = self
            .one_at_a_time
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let done = self.try_reload();
        match &done {
            Ok(done) => {
                let line = told(&done.applied, &done.needs_restart);
                self.log.say(Severity::Info, &line);
            }
            Err(why) => self.log.say(Severity::Error, why),
        }
        done
    }

    fn try_reload(&self) -> Result<Reconfigured, String> {
        let refused = |e: &dyn std::fmt::Display| format!("configuration unchanged: {e}");
        let config = settings::read(&self.args).map_err(|e| refused(&e))?;
        let tls = Tls::read(&config).map_err(|e| refused(&e))?;
        let done = self.engine.reconfigure(config.clone());
        let done = done.map_err(|e| refused(&e))?;
        self.take(&config, tls);
        Ok(done)
    }

    fn take(&self, config: &Config, tls: Tls) {
        self.tls.replace(tls);
        self.connections
            .set(config.serve_max_connections() as usize);
        self.log.take(config);
    }
}
