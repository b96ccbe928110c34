//! What `serve` writes to standard error.

use jiff::Timestamp;
use postrider::config::Config;
use postrider::engine::Severity;
use serde_json::json;
use std::io::Write;
use std::sync::{PoisonError, RwLock};

/// Standard error as the configuration wants it.
pub(super) struct Log(RwLock<(Format, Severity)>);

impl Log {
    pub(super) fn new(config: &Config) -> Log {
        Log(RwLock::new(of(config)))
    }

    /// From now on as this configuration wants it.
    pub(super) fn take(&self, config: &Config) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = of(config);
    }

    /// Writes a line, unless it is less serious than what is wanted.
    pub(super) fn say(&self, severity: Severity, message: &str) {
        let (format, least) = *self.0.read().unwrap_or_else(PoisonError::into_inner);
        if severity <= least {
            format.say(severity, message);
        }
    }
}

fn of(config: &Config) -> (Format, Severity) {
    let least = match config.serve_log_level() {
        "error" => Severity::Error,
        "warning" => Severity::Warning,
        _ => Severity::Info,
    };
    (Format::by_name(config.serve_log_format()), least)
}

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// `warning: …`, for people; whoever keeps it adds the time.
    Text,
    /// An object with `time`, `level` and `message`.
    Json,
}

impl Format {
    fn by_name(name: &str) -> Format {
        match name {
            "json" => Format::Json,
            _ => Format::Text,
        }
    }

    /// Writes a line, in one piece: threads write at the same time.
    fn say(self, severity: Severity, message: &str) {
        let line = self.line(severity, message, Timestamp::now());
        // With nowhere to write to, there is nobody to tell.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    fn line(self, severity: Severity, message: &str, now: Timestamp) -> String {
        let level = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        match self {
            Format::Text => format!("{level}: {message}\n"),
            Format::Json => {
                let time = now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
                let line = json!({"time": time, "level": level, "message": message});
                format!("{line}\n")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_in_either_form() {
        let now = Timestamp::from_millisecond(1_700_000_000_123).unwrap();
        assert_eq!(
            Format::Text.line(Severity::Warning, "low on space", now),
            "warning: low on space\n"
        );
        let line = Format::Json.line(Severity::Error, "two\n\"lines\"", now);
        assert_eq!(line.lines().count(), 1);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&line).unwrap(),
            json!({
                "time": "2023-11-14T22:13:20.123Z", "level": "error", "message": "two\n\"lines\"",
            })
        );
    }
}
