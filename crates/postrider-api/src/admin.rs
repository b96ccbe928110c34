//! `admin.sock`: how the command line and metrics reach a running engine, served or embedded.
//!
//! A Unix socket in the data directory that only its owner may open, and who opens it has all grants.
//! One thread waits for connections; each is one request of HTTP/1.1, answered on a thread of its own,
//! since creating a webhook waits for its receiver. A guest's rules hold: nothing is written that could
//! raise SIGPIPE, descriptors stay clear of the host's first three, a forked child lets go.

use crate::{Api, Caller, MAX_BODY, Request, Response, body_too_large};
use postrider::engine::Engine;
use postrider::{fork, thread};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::{SendFlags, send};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Its name in the data directory.
pub const SOCKET_NAME: &str = "admin.sock";

/// Requests answered at once; further ones are told to try again.
const REQUESTS: usize = 16;
/// How long a peer may take to send its request, or to take the answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a request's head, and its header lines.
const HEAD_BYTES: usize = 64 * 1024;
const HEADERS: usize = 64;

/// The open admin socket. Dropping it takes its file away and waits for requests under way, which last
/// as long as a receiver takes at the most; in a forked child, it only lets go.
pub struct AdminSocket {
    path: PathBuf,
    born: u32,
    thread: Option<JoinHandle<()>>,
    /// Closing it wakes the thread.
    stop: Option<OwnedFd>,
}

impl AdminSocket {
    /// Opens the admin socket of an engine: what a program that embeds one calls behind `start`. `None` where
    /// `admin.socket` is off, or the engine keeps nothing on disk. Drop it before the engine is closed.
    ///
    /// # Errors
    /// As for [`open`](Self::open). The engine works without.
    pub fn of(engine: &Arc<Engine>) -> io::Result<Option<AdminSocket>> {
        let dir = engine.data_dir();
        match dir.filter(|_| engine.config().admin_socket()) {
            Some(dir) => AdminSocket::open(Arc::new(Api::new(engine.clone())), dir).map(Some),
            None => Ok(None),
        }
    }

    /// Opens `admin.sock` in `dir`, mode 0600. One that is left from a killed process is replaced: the
    /// data directory's lock, which the engine holds, says that nobody listens on it.
    ///
    /// # Errors
    /// The socket can't be made: its path may be too long (107 bytes), or the directory not writable.
    pub fn open(api: Arc<Api>, dir: &Path) -> io::Result<AdminSocket> {
        let path = dir.join(SOCKET_NAME);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let listener = UnixListener::from(above_stdio(UnixListener::bind(&path)?.into())?);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let (stop, stopped) = UnixStream::pair()?;
        let (stop, stopped) = (above_stdio(stop.into())?, above_stdio(stopped.into())?);
        let body = move || accept_all(&listener, &stopped, &api);
        Ok(AdminSocket {
            path,
            born: fork::generation(),
            thread: Some(thread::spawn("postrider-admin", body)?),
            stop: Some(stop),
        })
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        if fork::is_child(self.born) {
            // The thread and the file are the parent's.
            std::mem::forget(self.thread.take());
            return;
        }
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A host that closed its first three descriptors must not find ours there.
fn above_stdio(fd: OwnedFd) -> io::Result<OwnedFd> {
    use rustix::fd::AsRawFd;
    match fd.as_raw_fd() {
        0..=2 => Ok(fcntl_dupfd_cloexec(&fd, 3)?),
        _ => Ok(fd),
    }
}

fn accept_all(listener: &UnixListener, stopped: &OwnedFd, api: &Arc<Api>) {
    let busy = Arc::new(AtomicUsize::new(0));
    loop {
        let mut fds = [
            PollFd::new(listener, PollFlags::IN),
            PollFd::from_borrowed_fd(stopped.as_fd(), PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => break,
            Ok(_) => {}
        }
        if !fds[1].revents().is_empty() {
            break;
        }
        let accepted = listener.accept().and_then(|(stream, _)| {
            let stream = UnixStream::from(above_stdio(stream.into())?);
            stream.set_nonblocking(false)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        });
        let Ok(stream) = accepted else {
            // Out of descriptors, say: the peer still waits, so this would come round at once.
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        if busy.fetch_add(1, Ordering::Relaxed) >= REQUESTS {
            busy.fetch_sub(1, Ordering::Relaxed);
            answer(&stream, &busy_response());
            continue;
        }
        let (api, still) = (api.clone(), busy.clone());
        let spawned = thread::spawn("postrider-api", move || {
            converse(stream, &api);
            still.fetch_sub(1, Ordering::Release);
        });
        if spawned.is_err() {
            busy.fetch_sub(1, Ordering::Relaxed);
        }
    }
    // Closing is rare: to look each millisecond costs nobody anything.
    while busy.load(Ordering::Acquire) > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn busy_response() -> Response {
    crate::failure::Failure::Busy.into_response()
}

/// One request and its answer; what goes wrong is the peer's to notice.
fn converse(mut stream: UnixStream, api: &Api) {
    let response = match read_request(&mut stream) {
        Ok(request) => api.handle(&request, Caller::Host),
        Err(Unread::TooLarge) => body_too_large(MAX_BODY),
        Err(Unread::Malformed) => crate::failure::Failure::Malformed.into_response(),
        Err(Unread::Gone) => return,
    };
    answer(&stream, &response);
}

enum Unread {
    Gone,
    Malformed,
    TooLarge,
}

fn read_request(stream: &mut UnixStream) -> Result<Request, Unread> {
    let mut bytes = Vec::new();
    let (mut request, head) = loop {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(&bytes) {
            Ok(httparse::Status::Complete(head)) => break (owned(&parsed)?, head),
            Ok(httparse::Status::Partial) if bytes.len() <= HEAD_BYTES => {}
            _ => return Err(Unread::Malformed),
        }
        read_some(stream, &mut bytes)?;
    };
    let length = match request.header("content-length") {
        _ if request.header("transfer-encoding").is_some() => return Err(Unread::Malformed),
        None => 0,
        Some(text) => text.parse().map_err(|_| Unread::Malformed)?,
    };
    if length > MAX_BODY {
        return Err(Unread::TooLarge);
    }
    let waits = request
        .header("expect")
        .is_some_and(|e| e.eq_ignore_ascii_case("100-continue"));
    if waits && bytes.len() < head + length {
        send_all(stream, b"HTTP/1.1 100 Continue\r\n\r\n").map_err(|_| Unread::Gone)?;
    }
    while bytes.len() < head + length {
        read_some(stream, &mut bytes)?;
    }
    request.body = bytes[head..head + length].to_vec();
    Ok(request)
}

fn owned(parsed: &httparse::Request<'_, '_>) -> Result<Request, Unread> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    Ok(Request {
        method: parsed.method.ok_or(Unread::Malformed)?.to_owned(),
        path_and_query: parsed.path.ok_or(Unread::Malformed)?.to_owned(),
        headers: parsed
            .headers
            .iter()
            .map(|h| (h.name.to_owned(), text(h.value)))
            .collect(),
        body: Vec::new(),
    })
}

fn read_some(stream: &mut UnixStream, bytes: &mut Vec<u8>) -> Result<(), Unread> {
    let mut chunk = [0; 16 * 1024];
    match stream.read(&mut chunk) {
        Ok(n) if n > 0 => {
            bytes.extend_from_slice(&chunk[..n]);
            Ok(())
        }
        _ => Err(Unread::Gone),
    }
}

fn answer(stream: &UnixStream, response: &Response) {
    let mut bytes = format!("HTTP/1.1 {} -\r\n", response.status).into_bytes();
    for (name, value) in &response.headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    let length = response.body.len();
    bytes.extend_from_slice(
        format!("content-length: {length}\r\nconnection: close\r\n\r\n").as_bytes(),
    );
    bytes.extend_from_slice(&response.body);
    let _ = send_all(stream, &bytes);
}

fn send_all(stream: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match send(stream, bytes, SendFlags::NOSIGNAL) {
            Ok(n) => bytes = &bytes[n..],
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}
