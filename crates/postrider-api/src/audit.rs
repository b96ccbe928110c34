//! The audit log: who changed what, when, as lines of JSON in the data directory.
//!
//! Every request that would change something is a line, also when it was refused. It has the names of
//! the fields that were sent and none of their values: secrets are among them. A full file becomes
//! `audit.log.1`, in place of the one before.

use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Its name in the data directory.
pub const FILE_NAME: &str = "audit.log";

/// The file before it.
const BEFORE: &str = "audit.log.1";

/// A file of this size is full.
const FULL: u64 = 8 << 20;

/// The most bytes of a field's name that are kept, and the most names: both come from outside.
const NAME: usize = 64;
const NAMES: usize = 64;

/// One at a time, so that a file is renamed once.
static WRITING: Mutex<()> = Mutex::new(());

/// What a line says.
pub(crate) struct Line<'a> {
    pub(crate) time: String,
    /// Such as `host` or `key 5f0a8a3c9b1e2d47`.
    pub(crate) by: String,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    /// The body as it came.
    pub(crate) body: &'a [u8],
}

/// Appends a line to the audit log of `dir`.
///
/// # Errors
/// Of the disk.
pub(crate) fn append(dir: &Path, line: &Line<'_>) -> io::Result<()> {
    append_up_to(FULL, dir, line)
}

fn append_up_to(full: u64, dir: &Path, line: &Line<'_>) -> io::Result<()> {
    let mut text = line.json().to_string();
    text.push('\n');
    let _one = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = dir.join(FILE_NAME);
    match fs::metadata(&path) {
        Ok(file) if file.len() + text.len() as u64 > full => {
            fs::rename(&path, dir.join(BEFORE))?;
        }
        _ => {}
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)?
        .write_all(text.as_bytes())
}

impl Line<'_> {
    fn json(&self) -> Value {
        let mut line = json!({
            "time": self.time,
            "by": self.by,
            "method": self.method,
            "path": self.path,
            "status": self.status,
        });
        if let Ok(Value::Object(fields)) = serde_json::from_slice(self.body) {
            let name = |name: &String| name.chars().take(NAME).collect::<String>();
            let names: Vec<String> = fields.keys().take(NAMES).map(name).collect();
            line["fields"] = names.into();
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str) -> Line<'_> {
        Line {
            time: "2026-03-01T09:30:00.000Z".into(),
            by: "host".into(),
            method: "PUT",
            path,
            status: 200,
            body: br#"{"name": "x", "auth_credentials": {"password": "hush"}}"#,
        }
    }

    #[test]
    fn a_full_file_makes_room_and_one_before_it_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["/a", "/b", "/c", "/d", "/e"] {
            append_up_to(300, dir.path(), &line(path)).unwrap();
        }
        let read = |name| fs::read_to_string(dir.path().join(name)).unwrap();
        let paths = |text: String| -> Vec<String> {
            let lines = text
                .lines()
                .map(|l| serde_json::from_str::<Value>(l).unwrap());
            lines
                .map(|l| l["path"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(paths(read(BEFORE)), ["/c", "/d"]);
        assert_eq!(paths(read(FILE_NAME)), ["/e"]);
    }

    #[test]
    fn a_line_names_fields_and_shows_no_value() {
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), &line("/api/v1/webhooks")).unwrap();
        let text = fs::read_to_string(dir.path().join(FILE_NAME)).unwrap();
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["fields"], json!(["auth_credentials", "name"]));
        assert_eq!(
            (&line["by"], &line["status"]),
            (&json!("host"), &json!(200))
        );
        assert!(!text.contains("hush"));
    }
}
