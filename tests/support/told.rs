//! A receiver of `tests/receivers`, in another language: it prints its port, then tells what it sees.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::cc::workspace;

/// One that runs; killed when dropped.
pub struct Told {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl Told {
    /// Has `language` run that file of `tests/receivers` with one argument.
    pub fn start(mut language: Command, file: &str, argument: &str) -> Told {
        let script = workspace().join("tests/receivers").join(file);
        language.arg(script).arg(argument).stdout(Stdio::piped());
        let mut child = language.spawn().expect("it runs");
        let out = child.stdout.take().expect("its output");
        let mut lines = BufReader::new(out).lines();
        let port = lines.next().expect("its port").expect("a line");
        let port = port.parse().expect("a port");
        Told { child, lines, port }
    }

    /// Its URL, with this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The next thing that it tells, once it does.
    pub fn hear(&mut self) -> Value {
        let line = self.lines.next().expect("it runs on").expect("a line");
        serde_json::from_str(&line).expect("JSON")
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
