//! Packages of other languages, as real receivers and clients use them.
//!
//! `.ci/run` installs them below `target/interop`: a virtual environment for Python, `node_modules`
//! for Node. Where a package is missing, what needs it is skipped.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::cc::{need_program, skip, workspace};

fn interop() -> PathBuf {
    workspace().join("target/interop")
}

/// A Python that has the module; `None` skips.
pub fn python(module: &str) -> Option<Command> {
    let own = interop().join("python/bin/python3");
    let program = if own.exists() { own } else { "python3".into() };
    if !need_program("python3") {
        return None;
    }
    let import = Command::new(&program)
        .args(["-c", &format!("import {module}")])
        .stderr(Stdio::null())
        .status();
    let there = import.is_ok_and(|status| status.success());
    (there || skip(&format!("no Python module {module}: {INSTALL}"))).then(|| Command::new(program))
}

/// A Node that finds the module; `None` skips.
pub fn node(module: &str) -> Option<Command> {
    if !need_program("node") {
        return None;
    }
    let node = || {
        let mut node = Command::new("node");
        node.env("NODE_PATH", interop().join("node_modules"));
        node
    };
    let require = node()
        .args(["-e", &format!("require.resolve({module:?})")])
        .stderr(Stdio::null())
        .status();
    let there = require.is_ok_and(|status| status.success());
    (there || skip(&format!("no Node module {module}: {INSTALL}"))).then(node)
}

const INSTALL: &str = "see the installs of .ci/run";
