//! Dependencies inside the core point one way; `docs/architecture.md` draws them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each module and those that it may use, besides itself. Tests inside a file may use more.
const MAY_USE: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("allow", &[]),
    ("sync", &["time"]),
    ("fs", &[]),
    ("fork", &["sync"]),
    ("event", &["fork", "time"]),
    ("config", &["allow", "event"]),
    ("queue", &["event", "fork", "sync", "time"]),
    ("log", &["event", "fs", "queue", "time"]),
    ("inbox", &["event", "fork", "fs", "time"]),
    ("client", &["config", "event", "fork", "inbox", "time"]),
    ("journal", &["fs", "time"]),
    ("auth", &["time"]),
    (
        "webhook",
        &["auth", "config", "event", "filter", "http", "store", "time"],
    ),
    ("filter", &["event", "time"]),
    ("store", &["fork", "fs", "time", "webhook"]),
    ("http", &["allow", "time"]),
    ("route", &["event", "log", "time", "webhook"]),
    ("search", &["event", "log", "time"]),
    (
        "deliver",
        &[
            "auth", "event", "filter", "http", "journal", "log", "queue", "route", "time",
            "webhook",
        ],
    ),
];

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// The modules that a source names as `crate::module`, its test module left out.
fn used(text: &str) -> BTreeSet<&str> {
    let code = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text);
    let lines = code.lines().filter(|l| !l.trim_start().starts_with("//"));
    lines
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            &rest[..end.unwrap_or(rest.len())]
        })
        .collect()
}

#[test]
fn modules_of_the_core_use_only_what_lies_before_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/postrider/src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 50, "the core's sources were not found");
    let modules: BTreeSet<&str> = MAY_USE.iter().map(|(module, _)| *module).collect();
    let mut faults = Vec::new();
    for file in &files {
        let inside = file.strip_prefix(&root).unwrap();
        let top = inside.iter().next().unwrap().to_str().unwrap();
        let module = top.trim_end_matches(".rs");
        let is_test = inside
            .iter()
            .any(|p| p == "tests" || p == "tests.rs" || p == "loom.rs");
        let Some((_, may)) = MAY_USE.iter().find(|(m, _)| *m == module) else {
            continue; // lib.rs and the engine, which ties all together
        };
        if is_test {
            continue;
        }
        let text = std::fs::read_to_string(file).unwrap();
        for other in used(&text) {
            if other != module
                && (modules.contains(other) || other == "engine")
                && !may.contains(&other)
            {
                faults.push(format!("{} uses crate::{other}", inside.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The protocol core decides from bytes alone.
#[test]
fn the_http_protocol_core_knows_no_socket_and_no_clock() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/postrider/src/http/proto");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(
        !files.is_empty(),
        "the protocol core's sources were not found"
    );
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for word in [
            "std::net",
            "mio::",
            "rustix::",
            "crate::time",
            "std::time",
            "unsafe ",
        ] {
            assert!(!text.contains(word), "{} names {word}", file.display());
        }
    }
}
