//! A receiver for tests: one thread per connection, answers as it is told, remembers what it got.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How long a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A POST as it came.
#[derive(Clone, Debug)]
pub(super) struct Post {
    pub(super) head: String,
    pub(super) body: String,
    pub(super) status: u16,
}

impl Post {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(super) fn batch(&self) -> &str {
        self.header("x-messagesystems-batch-id")
            .expect("a batch id")
    }

    /// The numbers that the test's events carry.
    pub(super) fn events(&self) -> Vec<u64> {
        let all: Vec<serde_json::Value> = serde_json::from_str(&self.body).expect("a JSON array");
        all.iter()
            .map(|event| event["n"].as_u64().expect("a numbered event"))
            .collect()
    }
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// What it answers; `None` never answers.
    status: Option<u16>,
    posts: Vec<Post>,
    ended: bool,
}

pub(super) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Receiver {
    pub(super) fn start(status: Option<u16>) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let state = State {
            status,
            posts: Vec::new(),
            ended: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if accepting.state.lock().unwrap().ended {
                    return;
                }
                let shared = accepting.clone();
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Receiver { address, shared }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/events?x=1", self.address)
    }

    pub(super) fn answer(&self, status: Option<u16>) {
        self.shared.state.lock().unwrap().status = status;
        self.shared.changed.notify_all();
    }

    /// Waits until what came satisfies `enough`, and answers what came.
    pub(super) fn wait(&self, enough: impl Fn(&[Post]) -> bool) -> Vec<Post> {
        let state = self.shared.state.lock().unwrap();
        let (state, timeout) = self
            .shared
            .changed
            .wait_timeout_while(state, PATIENCE, |state| !enough(&state.posts))
            .unwrap();
        assert!(!timeout.timed_out(), "after {} posts", state.posts.len());
        state.posts.clone()
    }

    /// Waits until so many different events were accepted, and answers them sorted.
    pub(super) fn wait_for(&self, events: usize) -> Vec<u64> {
        let accepted = |posts: &[Post]| {
            let taken = posts.iter().filter(|post| post.status == 200);
            let all: std::collections::BTreeSet<u64> = taken.flat_map(Post::events).collect();
            all.into_iter().collect::<Vec<_>>()
        };
        accepted(&self.wait(|posts| accepted(posts).len() >= events))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap().ended = true;
        self.shared.changed.notify_all();
        // Lets the accepting thread see it.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    let Ok(reading) = stream.try_clone() else {
        return;
    };
    let mut reader = BufReader::new(reading);
    while let Some((head, body)) = read_post(&mut reader) {
        let mut state = shared.state.lock().unwrap();
        let status = state.status;
        state.posts.push(Post {
            head,
            body,
            status: status.unwrap_or(0),
        });
        shared.changed.notify_all();
        let Some(status) = status else {
            let state = shared
                .changed
                .wait_while(state, |state| state.status.is_none() && !state.ended)
                .unwrap();
            drop(state);
            return;
        };
        drop(state);
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nOK");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read_post(reader: &mut impl BufRead) -> Option<(String, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    })?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).ok()?))
}
