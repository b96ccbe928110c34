//! Configuration: string key = string value, checked against one table.
//!
//! An embedder calls [`Config::set`], the binary reads TOML, C calls `postrider_config_set`; all end
//! in [`table::TABLE`]. An error names the key, the value and what is allowed.

#[cfg(feature = "engine")]
mod file;
mod suggest;
pub mod table;
#[cfg(test)]
mod tests;
mod value;

pub use table::{Key, Scope, TABLE};
pub use value::{Kind, Unit, Value};

use crate::allow::AllowTarget;
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;

/// Why a configuration was refused; what it was before still holds.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// No key has that name.
    #[error("unknown key {key}{}", hint.map(|h| format!(": did you mean {h}?")).unwrap_or_default())]
    UnknownKey {
        /// What was asked for.
        key: String,
        /// The key that looks most like it.
        hint: Option<&'static str>,
    },
    /// The key does not take that value.
    #[error("{key} = {value:?}: must be {allowed}")]
    Value {
        /// The key.
        key: &'static str,
        /// What was given.
        value: String,
        /// What is allowed, to be read after "must be".
        allowed: String,
    },
    /// The text is not TOML.
    #[error("not TOML: {0}")]
    Syntax(String),
    /// The same, in a file.
    #[error("line {line}: {why}")]
    At {
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        why: Box<ConfigError>,
    },
}

/// A value for every key: the default until it is set.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// In the order of [`TABLE`].
    values: Vec<Value>,
}

impl Default for Config {
    fn default() -> Self {
        let default = |key: &Key| {
            let value = key.kind.parse(key.default);
            value.unwrap_or_else(|| panic!("the default of {} is allowed", key.name))
        };
        Config {
            values: TABLE.iter().map(default).collect(),
        }
    }
}

impl Config {
    /// Sets one key. Lists are written with commas.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        let at = TABLE.iter().position(|k| k.name == key);
        let at = at.ok_or_else(|| suggest::unknown(key))?;
        let key = &TABLE[at];
        self.values[at] = key.kind.parse(value).ok_or_else(|| ConfigError::Value {
            key: key.name,
            value: value.to_owned(),
            allowed: key.kind.allowed(),
        })?;
        Ok(())
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let at = TABLE.iter().position(|k| k.name == key)?;
        self.values.get(at)
    }

    /// The keys that have another value in `other`.
    pub fn changes<'a>(&'a self, other: &'a Config) -> impl Iterator<Item = &'static Key> + 'a {
        let pairs = self.values.iter().zip(&other.values).zip(TABLE);
        pairs.filter_map(|((ours, theirs), key)| (ours != theirs).then_some(key))
    }

    /// Gives a key of the table the value that it has in `other`.
    #[cfg(feature = "engine")]
    pub(crate) fn take_back(&mut self, key: &str, other: &Config) {
        if let Some(at) = TABLE.iter().position(|k| k.name == key) {
            self.values[at] = other.values[at].clone();
        }
    }
}

/// What a push does when there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// It fails at once.
    Fail,
    /// It waits up to `queue.wait_ms`.
    Wait,
    /// The event is dropped and counted.
    Drop,
}

/// Which events the log takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Those that a webhook wants.
    Wanted,
    /// All, for search.
    All,
}

/// Typed access, one getter per key.
#[allow(missing_docs)] // Each is documented by its key in `TABLE`.
impl Config {
    pub fn queue_bytes(&self) -> u64 {
        self.number("queue.bytes")
    }
    pub fn queue_policy(&self) -> Policy {
        match self.text("queue.policy") {
            "wait" => Policy::Wait,
            "drop" => Policy::Drop,
            _ => Policy::Fail,
        }
    }
    pub fn queue_wait(&self) -> Duration {
        Duration::from_millis(self.number("queue.wait_ms"))
    }
    pub fn log_segment_bytes(&self) -> u64 {
        self.number("log.segment_bytes")
    }
    pub fn log_max_bytes(&self) -> u64 {
        self.number("log.max_bytes")
    }
    pub fn log_memory_bytes(&self) -> u64 {
        self.number("log.memory_bytes")
    }
    pub fn log_keep(&self) -> Keep {
        if self.text("log.keep") == "all" {
            Keep::All
        } else {
            Keep::Wanted
        }
    }
    pub fn log_keep_for(&self) -> Duration {
        Duration::from_secs(self.number("log.keep_days") * 86_400)
    }
    pub fn log_sync(&self) -> Duration {
        Duration::from_millis(self.number("log.sync_ms"))
    }
    pub fn events_custom(&self) -> &[(String, String)] {
        match self.value("events.custom") {
            Value::CustomTypes(list) => list,
            _ => &[],
        }
    }
    pub fn events_unknown_fields(&self) -> bool {
        self.bool("events.unknown_fields")
    }
    pub fn inbox_enabled(&self) -> bool {
        self.bool("inbox.enabled")
    }
    pub fn inbox_group(&self) -> &str {
        self.text("inbox.group")
    }
    pub fn inbox_max_bytes(&self) -> u64 {
        self.number("inbox.max_bytes")
    }
    pub fn batch_max_events(&self) -> u32 {
        self.number("batch.max_events") as u32
    }
    pub fn batch_max_bytes(&self) -> u32 {
        self.number("batch.max_bytes") as u32
    }
    pub fn batch_linger(&self) -> Duration {
        Duration::from_millis(self.number("batch.linger_ms"))
    }
    pub fn batch_in_flight(&self) -> u32 {
        self.number("batch.in_flight") as u32
    }
    pub fn rate_requests_per_s(&self) -> u32 {
        self.number("rate.requests_per_s") as u32
    }
    pub fn rate_events_per_s(&self) -> u32 {
        self.number("rate.events_per_s") as u32
    }
    pub fn backlog_max_events(&self) -> u64 {
        self.number("backlog.max_events")
    }
    pub fn backlog_max_bytes(&self) -> u64 {
        self.number("backlog.max_bytes")
    }
    pub fn filter_rendered_bytes(&self) -> u64 {
        self.number("filter.rendered_bytes")
    }
    pub fn retry_schedule(&self) -> Vec<Duration> {
        match self.value("retry.schedule") {
            Value::Seconds(list) => list.iter().copied().map(Duration::from_secs).collect(),
            _ => Vec::new(),
        }
    }
    pub fn retry_jitter(&self) -> f64 {
        match self.value("retry.jitter") {
            Value::Fraction(f) => *f,
            _ => 0.0,
        }
    }
    pub fn retry_give_up_after(&self) -> Duration {
        Duration::from_secs(self.number("retry.give_up_after_s"))
    }
    pub fn retry_after_max(&self) -> Duration {
        Duration::from_secs(self.number("retry.after_max_s"))
    }
    pub fn http_timeout(&self) -> Duration {
        Duration::from_millis(self.number("http.timeout_ms"))
    }
    pub fn http_resolve_timeout(&self) -> Duration {
        Duration::from_millis(self.number("http.resolve_timeout_ms"))
    }
    pub fn http_connect_timeout(&self) -> Duration {
        Duration::from_millis(self.number("http.connect_timeout_ms"))
    }
    pub fn http_tls_timeout(&self) -> Duration {
        Duration::from_millis(self.number("http.tls_timeout_ms"))
    }
    pub fn http_send_timeout(&self) -> Duration {
        Duration::from_millis(self.number("http.send_timeout_ms"))
    }
    pub fn http_first_byte_timeout(&self) -> Duration {
        Duration::from_millis(self.number("http.first_byte_timeout_ms"))
    }
    pub fn http_idle(&self) -> Duration {
        Duration::from_millis(self.number("http.idle_ms"))
    }
    pub fn http_max_requests(&self) -> u32 {
        self.number("http.max_requests") as u32
    }
    pub fn http_user_agent(&self) -> &str {
        self.text("http.user_agent")
    }
    pub fn http_allow_target(&self) -> &[AllowTarget] {
        match self.value("http.allow_target") {
            Value::AllowTargets(list) => list,
            _ => &[],
        }
    }
    pub fn http_proxy(&self) -> &str {
        self.text("http.proxy")
    }
    pub fn http_no_proxy(&self) -> &str {
        self.text("http.no_proxy")
    }
    pub fn http_ca_file(&self) -> &str {
        self.text("http.ca_file")
    }
    pub fn http_certificate_file(&self) -> &str {
        self.text("http.certificate_file")
    }
    pub fn http_key_file(&self) -> &str {
        self.text("http.key_file")
    }
    pub fn http_max_connections(&self) -> u32 {
        self.number("http.max_connections") as u32
    }
    pub fn http_max_per_target(&self) -> u32 {
        self.number("http.max_per_target") as u32
    }
    pub fn history_keep(&self) -> Duration {
        Duration::from_secs(self.number("history.keep_hours") * 3600)
    }
    pub fn dead_keep(&self) -> Duration {
        Duration::from_secs(self.number("dead.keep_days") * 86_400)
    }
    pub fn api_echo_secrets(&self) -> bool {
        self.bool("api.echo_secrets")
    }
    pub fn api_requests_per_second(&self) -> u32 {
        self.number("api.requests_per_second") as u32
    }
    pub fn api_audit(&self) -> bool {
        self.bool("api.audit")
    }
    pub fn admin_socket(&self) -> bool {
        self.bool("admin.socket")
    }
    pub fn serve_listen(&self) -> SocketAddr {
        match self.value("serve.listen") {
            Value::Listen(address) => *address,
            _ => SocketAddr::from(([127, 0, 0, 1], 8025)),
        }
    }
    pub fn serve_tls_cert(&self) -> &str {
        self.text("serve.tls_cert")
    }
    pub fn serve_tls_key(&self) -> &str {
        self.text("serve.tls_key")
    }
    pub fn serve_insecure(&self) -> bool {
        self.bool("serve.insecure")
    }
    pub fn serve_max_connections(&self) -> u32 {
        self.number("serve.max_connections") as u32
    }
    pub fn serve_ingest_socket(&self) -> &str {
        self.text("serve.ingest_socket")
    }
    pub fn serve_log_level(&self) -> &str {
        self.text("serve.log_level")
    }
    pub fn serve_log_format(&self) -> &str {
        self.text("serve.log_format")
    }
}

impl Config {
    fn value(&self, key: &str) -> &Value {
        self.get(key)
            .unwrap_or_else(|| panic!("{key} is in the table"))
    }

    fn number(&self, key: &str) -> u64 {
        match self.value(key) {
            Value::Number(n) => *n,
            other => panic!("{key} is a number, not {other:?}"),
        }
    }

    fn bool(&self, key: &str) -> bool {
        matches!(self.value(key), Value::Bool(true))
    }

    fn text(&self, key: &str) -> &str {
        match self.value(key) {
            Value::Text(text) => text,
            other => panic!("{key} is text, not {other:?}"),
        }
    }
}
