//! The configuration file: TOML whose tables are the parts of the dotted keys.

use super::{Config, ConfigError, suggest, table};
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

impl Config {
    /// Sets every key that the TOML `text` names; on an error none of them.
    ///
    /// `[batch]` with `max_events = 1000` is `batch.max_events`; a list may be an array.
    ///
    /// # Errors
    /// [`ConfigError::At`] the line that is wrong.
    pub fn set_toml(&mut self, text: &str) -> Result<(), ConfigError> {
        let root: Table = text.parse().map_err(|e: toml::de::Error| {
            let why = ConfigError::Syntax(e.message().replace('\n', ", "));
            why.at(e.span().map(|span| line_of(text, span.start)))
        })?;
        let mut next = self.clone();
        next.set_table("", &root).map_err(|e| {
            let line = e.key().and_then(|key| line_of_key(text, key));
            e.at(line)
        })?;
        *self = next;
        Ok(())
    }

    fn set_table(&mut self, prefix: &str, table: &Table) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name.clone()
            } else {
                format!("{prefix}.{name}")
            };
            match value {
                // An empty table sets nothing, but its name may be a typing error.
                Value::Table(inner) if !names_table(&key) && table::key(&key).is_none() => {
                    let first = inner.keys().next().map(|k| format!("{key}.{k}"));
                    return Err(suggest::unknown(&first.unwrap_or(key)));
                }
                Value::Table(inner) if table::key(&key).is_none() => self.set_table(&key, inner)?,
                value => self.set(&key, &as_text(value))?,
            }
        }
        Ok(())
    }
}

impl ConfigError {
    /// The key that it speaks of.
    fn key(&self) -> Option<&str> {
        match self {
            ConfigError::UnknownKey { key, .. } => Some(key),
            ConfigError::Value { key, .. } => Some(key),
            ConfigError::Syntax(_) | ConfigError::At { .. } => None,
        }
    }

    fn at(self, line: Option<usize>) -> ConfigError {
        match line {
            Some(line) => ConfigError::At {
                line,
                why: Box::new(self),
            },
            None => self,
        }
    }
}

/// The line of a place in `text`, counted from 1.
fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|b| *b == b'\n').count()
}

/// The line that names a dotted key.
fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let (mut table, mut at) = (root.get_ref(), None);
    for part in key.split('.') {
        let (name, value) = table.get_key_value(part)?;
        at = Some(name.span().start);
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    at.map(|at| line_of(text, at))
}

/// Whether some key is inside the table `name`.
fn names_table(name: &str) -> bool {
    let inside = |key: &str| {
        key.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    table::TABLE.iter().any(|k| inside(k.name))
}

/// The value as `Config::set` takes it; what it can't be is shown in the error as TOML.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(as_text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_the_parts_of_keys() {
        let mut config = Config::default();
        let text = r#"
            queue.bytes = "16 MiB"
            [batch]
            max_events = 1000
            [retry]
            schedule = [1, 2, 4]
            jitter = 0.5
            [http]
            allow_target = ["127.0.0.0/8", "[::1/128]:8080"]
            [inbox]
            enabled = false
        "#;
        config.set_toml(text).unwrap();
        assert_eq!(config.queue_bytes(), 16 << 20);
        assert_eq!(config.batch_max_events(), 1000);
        assert_eq!(config.retry_schedule().len(), 3);
        assert_eq!(config.retry_jitter(), 0.5);
        assert_eq!(config.http_allow_target()[1].port, Some(8080));
        assert!(!config.inbox_enabled());
    }

    #[test]
    fn an_error_changes_nothing() {
        let mut config = Config::default();
        let error = config
            .set_toml("batch.max_events = 7\nbatch.in_flight = \"many\"")
            .unwrap_err();
        assert_eq!(config, Config::default());
        assert_eq!(
            error.to_string(),
            "line 2: batch.in_flight = \"many\": must be a whole number from 1 to 256"
        );
    }

    #[test]
    fn an_unknown_key_or_table_is_named() {
        let mut config = Config::default();
        let mut says = |text: &str| config.set_toml(text).unwrap_err().to_string();
        assert_eq!(
            says("[batch]\nmax_event = 7"),
            "line 2: unknown key batch.max_event: did you mean batch.max_events?"
        );
        assert_eq!(
            says("[bach]\nmax_events = 7"),
            "line 2: unknown key bach.max_events: did you mean batch.max_events?"
        );
        assert_eq!(says("[weather]"), "line 1: unknown key weather");
        assert!(says("batch = 7").starts_with("line 1: unknown key batch"));
        assert!(says("\n[batch.max_events]\nx = 1").starts_with("line 2: batch.max_events = \"{"));
        assert!(says("\n\na = [").starts_with("line 3: not TOML: "));
    }
}
