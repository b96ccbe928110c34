//! The binary `postrider`, run as a person runs it.

use crate::cc::cargo;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The binary, built if it is not current.
pub fn binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = cargo();
        let built = build
            .args(["build", "--quiet", "-p", "postrider-cli"])
            .status();
        assert!(
            built.expect("cargo runs").success(),
            "the binary does not build"
        );
        crate::cc::built_dir().join("postrider")
    })
}

/// A command of the binary.
pub fn postrider(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(args)
        .env_remove("POSTRIDER_DATA")
        .env_remove("POSTRIDER_URL");
    command
}

/// Runs a command of the binary to its end.
pub fn run(args: &[&str]) -> Output {
    postrider(args).output().expect("the binary runs")
}

/// Runs `postrider push` with these lines.
pub fn push(data: &str, lines: &[u8]) -> Output {
    let mut child = postrider(&["push", "--data", data])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("push runs");
    let mut input = child.stdin.take().expect("a pipe");
    // It may end without reading: where there is no inbox, for one.
    let _ = input.write_all(lines);
    drop(input);
    child.wait_with_output().expect("push ends")
}

/// Asks until there is an answer; panics after a minute.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "no {what} after a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Standard output and standard error of a finished command, for an assertion's text.
pub fn told(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A server of ours in the background, killed when dropped.
pub struct Background {
    child: Child,
    out: BufReader<ChildStdout>,
    err: BufReader<ChildStderr>,
    /// What it printed so far.
    pub printed: String,
}

impl Background {
    /// Starts it.
    pub fn start(args: &[&str]) -> Background {
        Background::run(postrider(args))
    }

    /// Starts what was made ready by [`postrider()`].
    pub fn run(mut command: Command) -> Background {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let err = BufReader::new(child.stderr.take().expect("its errors"));
        Background {
            child,
            out,
            err,
            printed: String::new(),
        }
    }

    /// Reads on until a printed line contains `part`; that line. Panics if it ends before.
    pub fn wait_for(&mut self, part: &str) -> String {
        loop {
            let mut line = String::new();
            let n = self.out.read_line(&mut line).expect("its output");
            if n == 0 {
                let mut errors = String::new();
                let _ = self.err.read_to_string(&mut errors);
                panic!(
                    "it ended without {part:?}; printed {:?}, {errors:?}",
                    self.printed
                );
            }
            self.printed.push_str(&line);
            if line.contains(part) {
                return line.trim_end().to_owned();
            }
        }
    }

    /// Reads on until a line on standard error contains `part`; that line. Panics if it ends before.
    pub fn wait_for_error(&mut self, part: &str) -> String {
        loop {
            let mut line = String::new();
            let n = self.err.read_line(&mut line).expect("its errors");
            assert!(n > 0, "it ended without {part:?} on standard error");
            if line.contains(part) {
                return line.trim_end().to_owned();
            }
        }
    }

    /// Sends it SIGHUP.
    pub fn hang_up(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).expect("it runs");
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end as a service manager does, and waits.
    pub fn terminate(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "it ended with {status}");
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running `postrider serve` on a free port.
pub struct Served {
    /// The process.
    pub process: Background,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// The key that it printed or kept.
    pub key: String,
    /// Its data directory.
    pub data: PathBuf,
}

impl Served {
    /// Serves `data`, with receivers on this machine allowed.
    pub fn start(data: &Path, more: &[&str]) -> Served {
        Served::with(data, more, |_| {})
    }

    /// The same, with something `set` about the command, such as its environment.
    pub fn with(data: &Path, more: &[&str], set: impl FnOnce(&mut Command)) -> Served {
        let data_arg = data.to_str().expect("a path of UTF-8");
        let mut args = vec!["serve", "--data", data_arg, "--listen", "127.0.0.1:0"];
        args.extend(["--allow-target", "127.0.0.0/8"]);
        args.extend(more);
        let mut command = postrider(&args);
        set(&mut command);
        let mut process = Background::run(command);
        let line = process.wait_for("listens on http");
        let url = line
            .split_once("listens on ")
            .expect("the address")
            .1
            .to_owned();
        process.wait_for("api/v1/webhooks");
        let key = std::fs::read_to_string(data.join("api.key")).expect("the first key");
        Served {
            process,
            url,
            key: key.trim().to_owned(),
            data: data.to_owned(),
        }
    }

    /// Its data directory as an argument.
    pub fn data_arg(&self) -> &str {
        self.data.to_str().expect("a path of UTF-8")
    }
}
