//! A private Exim: its own configuration, spool and port, seen by nobody else on the machine.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::cc::{need_program, output, run, skip, text, workspace};

/// The user that Debian's Exim runs as when it is not root.
pub const USER: &str = "Debian-exim";

/// An Exim daemon, until dropped.
pub struct Exim {
    daemon: Child,
    port: u16,
    dir: TempDir,
}

/// Whether an Exim can be run here: installed, and with the rights that it needs. Otherwise skips.
pub fn can_run() -> bool {
    need_program("exim4")
        && need_program("unshare")
        && (text(&output(Command::new("exim4").arg("-bV"))).contains("Expand_dlfunc")
            || skip("this exim4 has no dlfunc; install exim4-daemon-heavy"))
        && (output(Command::new("unshare").args(["--mount", "true"]))
            .status
            .success()
            || skip("Exim's test needs root, and a mount namespace of its own"))
}

/// The user's and its group's ids.
pub fn ids() -> (u32, u32) {
    let passwd = fs::read_to_string("/etc/passwd").expect("there are users");
    let line = passwd
        .lines()
        .find(|line| line.starts_with(&format!("{USER}:")))
        .expect("exim4 made its user");
    let mut fields = line
        .split(':')
        .skip(2)
        .map(|id| id.parse().expect("a number"));
    (
        fields.next().expect("an id"),
        fields.next().expect("a group"),
    )
}

/// A directory that Exim's user can enter too.
pub fn open_dir() -> TempDir {
    let dir = TempDir::new().expect("a directory");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("ours");
    dir
}

impl Exim {
    /// Starts one whose configuration is `config`, with `@PORT@` and `@DIR@` replaced by its own.
    pub fn start(config: &str) -> Exim {
        let dir = open_dir();
        let (user, group) = ids();
        for sub in ["spool", "log"] {
            let path = dir.path().join(sub);
            fs::create_dir(&path).expect("a directory");
            chown(&path, Some(user), Some(group)).expect("root");
        }
        let port = free_port();
        let config = config
            .replace("@PORT@", &port.to_string())
            .replace("@DIR@", &dir.path().display().to_string());
        fs::write(dir.path().join("exim.conf"), config).expect("written");
        fs::create_dir(dir.path().join("etc")).expect("a directory");
        fs::write(
            dir.path().join("etc/trusted_configs"),
            format!("{}\n", dir.path().join("exim.conf").display()),
        )
        .expect("written");
        let daemon = exim(dir.path())
            .args(["-bdf", "-q1h"])
            .spawn()
            .expect("exim4 starts");
        let exim = Exim { daemon, port, dir };
        exim.wait("it listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        exim
    }

    /// Where it takes mail.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Tries everything in its queue at once, whatever the retry times say, and waits until that is
    /// done.
    pub fn run_queue(&self) {
        run(exim(self.dir.path()).arg("-qff"));
    }

    /// Lines of its main log with this in them.
    pub fn logged(&self, what: &str) -> Vec<String> {
        self.lines("log/mainlog")
            .into_iter()
            .filter(|line| line.contains(what))
            .collect()
    }

    /// What it put into its panic log: nothing, if all is well.
    pub fn panics(&self) -> Vec<String> {
        self.lines("log/paniclog")
    }

    /// Waits until `done`; panics with Exim's logs if it takes too long.
    pub fn wait(&self, what: &str, mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !done() {
            let logs = [self.lines("log/mainlog"), self.panics()]
                .concat()
                .join("\n");
            assert!(
                Instant::now() < deadline,
                "waited for a minute until {what}\n{logs}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn lines(&self, log: &str) -> Vec<String> {
        let file = fs::File::open(self.dir.path().join(log));
        file.map(|f| BufReader::new(f).lines().map_while(Result::ok).collect())
            .unwrap_or_default()
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        // SIGTERM, which Exim's daemon ends on; deliveries under way end by themselves.
        let id = rustix::process::Pid::from_child(&self.daemon);
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let _ = self.daemon.wait();
    }
}

/// exim4 with the configuration in `dir`, which it trusts because its /etc/exim4 is ours.
///
/// Exim follows a `-C` as root only through /etc/exim4/trusted_configs. A mount namespace lets
/// every instance have its own without touching the machine's.
fn exim(dir: &Path) -> Command {
    let mut command = Command::new("unshare");
    let script = "mount --bind \"$0/etc\" /etc/exim4 && exec exim4 -C \"$0/exim.conf\" \"$@\"";
    command
        .args(["--mount", "sh", "-c", script])
        .arg(dir)
        .stdin(Stdio::null());
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// Builds `postrider_exim.so` as its README says, against libraries installed into `prefix`. With
/// `timing`, each call appends how long it took to that file.
pub fn build(prefix: &Path, into: &Path, timing: Option<&Path>) -> PathBuf {
    let source = workspace().join("integrations/exim");
    let object = into.join("postrider_exim.so");
    let mut make = Command::new("make");
    make.arg("--silent")
        .arg("-C")
        .arg(&source)
        .arg(format!("OBJECT={}", object.display()));
    make.arg(&object)
        .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
    if let Some(timing) = timing {
        make.arg(format!(
            "CPPFLAGS=-DPOSTRIDER_EXIM_TIMING='\"{}\"'",
            timing.display()
        ));
    }
    run(&mut make);
    object
}
