//! A receiver that does as it is told, and a client that is polled until it is done.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::http::{
    Body, Client, Config, Done, HeaderLines, HttpError, Method, Policy, Request, Response, Target,
};
use crate::time::{Clock, Instant, SystemClock};

/// A listener on 127.0.0.1 that gives each connection, with its number, to `serve` in a thread of
/// its own. Dropping it waits for them all: drop the client first.
pub(super) struct Receiver {
    pub(super) addr: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    pub(super) fn start(serve: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> Receiver {
        Receiver::start_on("127.0.0.1:0", serve)
    }

    pub(super) fn start_on(
        addr: &str,
        serve: impl Fn(usize, TcpStream) + Send + Sync + 'static,
    ) -> Receiver {
        let listener = TcpListener::bind(addr).unwrap();
        let addr = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let serve = Arc::new(serve);
        let thread = std::thread::spawn(move || {
            let mut connections = Vec::new();
            for (number, stream) in listener.incoming().enumerate() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let serve = Arc::clone(&serve);
                connections.push(std::thread::spawn(move || serve(number, stream.unwrap())));
            }
            for connection in connections {
                connection.join().unwrap();
            }
        });
        Receiver {
            addr,
            stop,
            thread: Some(thread),
        }
    }

    /// A receiver that gives every request this answer and reads on.
    pub(super) fn answering(answer: &'static str) -> Receiver {
        Receiver::start(move |_, stream| {
            let mut stream = BufReader::new(stream);
            while read_request(&mut stream).is_some() {
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook", self.addr)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.addr);
        // In a test that fails, the client may still hold connections open.
        if !std::thread::panicking() {
            self.thread.take().unwrap().join().unwrap();
        }
    }
}

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Reads one request: head and body. None at the end of the connection.
pub(super) fn read_request(stream: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let head = read_head(stream)?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

pub(super) fn read_head(stream: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

/// Closes with a reset instead of a clean end.
pub(super) fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
}

/// Reads until the other side closes.
pub(super) fn drain(mut stream: impl Read) {
    let mut buf = [0; 64 * 1024];
    while matches!(stream.read(&mut buf), Ok(1..)) {}
}

/// What tests allow: loopback, all ports.
pub(super) fn loopback() -> Policy {
    let allow = ["127.0.0.0/8", "::1"].map(|text| text.parse().unwrap());
    Policy {
        allow: allow.into(),
    }
}

pub(super) fn config() -> Config {
    Config {
        policy: loopback(),
        ..Config::default()
    }
}

pub(super) fn client() -> Client {
    Client::new(config()).unwrap()
}

/// A client to which every name has these addresses.
pub(super) fn client_where_names_are(addresses: &[&str]) -> Client {
    let all: Vec<IpAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
    Client::with_look_up(config(), Arc::new(move |_| Ok(all.clone()))).unwrap()
}

pub(super) fn now() -> Instant {
    SystemClock.now().mono
}

/// A POST to `url` with ten seconds to go.
pub(super) fn post(url: &str, body: impl Into<Body>) -> Request {
    Request {
        target: Arc::new(Target::parse(url, &loopback()).unwrap()),
        method: Method::Post,
        headers: HeaderLines::new(),
        body: body.into(),
        deadline: now().after(Duration::from_secs(10)),
        answer_kept: usize::MAX,
        unproven: false,
    }
}

pub(super) fn body(text: &str) -> Body {
    Body::from(text.as_bytes().to_vec())
}

/// Polls until so many exchanges are done.
pub(super) fn finish(client: &mut Client, count: usize) -> Vec<Done> {
    let mut done = Vec::new();
    poll_until(client, &mut done, |_, done| done.len() >= count);
    done
}

/// Polls until something holds; fails where it never does.
pub(super) fn poll_until(
    client: &mut Client,
    done: &mut Vec<Done>,
    mut holds: impl FnMut(&Client, &[Done]) -> bool,
) {
    let give_up = now().after(Duration::from_secs(30));
    while !holds(client, done) {
        assert!(
            now() < give_up,
            "nothing happened for 30 s: {client:?} {done:?}"
        );
        client
            .poll(Some(Duration::from_millis(100)), &SystemClock, done)
            .unwrap();
    }
}

/// One exchange from start to end.
pub(super) fn exchange(client: &mut Client, request: Request) -> Done {
    client.start(7, request, now());
    let done = finish(client, 1).pop().unwrap();
    assert_eq!(done.id, 7);
    done
}

#[track_caller]
pub(super) fn answer(done: Done) -> Response {
    done.result.expect("an answer")
}

#[track_caller]
pub(super) fn error(done: Done) -> HttpError {
    done.result.expect_err("an error")
}
