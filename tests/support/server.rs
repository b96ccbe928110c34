//! A real server, on a free port of 127.0.0.1, with a directory of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// A directory that a server's own user can use too.
pub fn shared_dir() -> TempDir {
    let dir = TempDir::new().expect("a directory");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).expect("ours");
    dir
}

/// HAProxy with these lines in its one frontend.
pub fn haproxy(frontend: &str, dir: TempDir) -> Server {
    let config = format!(
        "global
  maxconn 100
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 2s
frontend f
{frontend}"
    );
    Server::start(&["haproxy", "-db", "-f", "@DIR@/conf"], &config, dir)
}

/// nginx in one process with these lines in its `http` and in its one `server`, which answers 200. A line of `access.log` is
/// status, number of the connection, `r` for a resumed TLS session, subject of the client's certificate.
pub fn nginx(http: &str, server: &str, dir: TempDir) -> Server {
    let config = format!(
        "daemon off; master_process off; pid @DIR@/pid; error_log @DIR@/error.log;
events {{ worker_connections 64; }}
http {{
  log_format who '$status $connection $ssl_session_reused $ssl_client_s_dn';
  access_log @DIR@/access.log who;
  client_body_temp_path @DIR@/body; proxy_temp_path @DIR@/proxy;
  fastcgi_temp_path @DIR@/fastcgi; uwsgi_temp_path @DIR@/uwsgi; scgi_temp_path @DIR@/scgi;
  {http}
  server {{ {server} location / {{ return 200 \"ok\"; }} }}
}}"
    );
    let command = ["nginx", "-e", "@DIR@/error.log", "-c", "@DIR@/conf"];
    Server::start(&command, &config, dir)
}

/// A server in the foreground, ended when dropped.
pub struct Server {
    child: Child,
    port: u16,
    dir: TempDir,
}

impl Server {
    /// Writes `config` to the file `conf` of `dir`, with `@PORT@` and `@DIR@` replaced, and runs
    /// `command` with the same replaced in its arguments; comes back when it listens.
    pub fn start(command: &[&str], config: &str, dir: TempDir) -> Server {
        let port = free_port();
        let path = dir.path().display().to_string();
        let fill = |text: &str| {
            text.replace("@PORT@", &port.to_string())
                .replace("@DIR@", &path)
        };
        fs::write(dir.path().join("conf"), fill(config)).expect("written");
        let output = fs::File::create(dir.path().join("output")).expect("a file");
        let mut child = Command::new(command[0])
            .args(command[1..].iter().map(|arg| fill(arg)))
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a descriptor"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|e| panic!("{} does not start: {e}", command[0]));
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = child.try_wait().expect("our child");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{} does not listen: {}",
                command[0],
                logs(dir.path())
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        Server { child, port, dir }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A file in its directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Lines of a file in its directory; none if it is not there.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let file = fs::File::open(self.file(name));
        file.map(|f| BufReader::new(f).lines().map_while(Result::ok).collect())
            .unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let id = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(10);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the server has written into its directory.
fn logs(dir: &Path) -> String {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let texts = entries.filter_map(|e| {
        let text = fs::read_to_string(e.path()).ok()?;
        Some(format!("== {}\n{text}", e.path().display()))
    });
    texts.collect::<Vec<_>>().join("\n")
}
