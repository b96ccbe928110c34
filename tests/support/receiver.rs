//! A webhook receiver for tests: keeps what it got, answers by a rule.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// A POST as it came.
#[derive(Clone, Debug)]
pub struct Post {
    /// Path and query.
    pub path: String,
    /// Header names in lower case.
    pub headers: HashMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
    /// When its last byte was read.
    pub at: Instant,
}

impl Post {
    /// The batch id header, or "".
    pub fn batch_id(&self) -> &str {
        self.headers
            .get("x-messagesystems-batch-id")
            .map_or("", String::as_str)
    }

    /// The body as an array of events; panics where it isn't one.
    pub fn events(&self) -> Vec<serde_json::Value> {
        serde_json::from_slice(&self.body).expect("the body is a JSON array")
    }
}

/// What to do with a POST.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Answer with this status and an empty body.
    Status(u16),
    /// Answer with this status, these header lines (each ending in CRLF) and this body.
    Full(u16, String, String),
    /// Close with a reset instead of an answer.
    Reset,
}

type Rule = Box<dyn FnMut(&Post) -> Reply + Send>;

struct State {
    posts: Mutex<Vec<Post>>,
    arrived: Condvar,
    rule: Mutex<Rule>,
    keep: bool,
    stop: AtomicBool,
}

/// A receiver on a free port of 127.0.0.1, until dropped.
pub struct Receiver {
    addr: SocketAddr,
    state: Arc<State>,
}

impl Receiver {
    /// Answers 200 to everything.
    pub fn ok() -> Receiver {
        Receiver::with(|_| Reply::Status(200))
    }

    /// Answers by `rule`, which sees the test POST of a webhook's creation too.
    pub fn with(rule: impl FnMut(&Post) -> Reply + Send + 'static) -> Receiver {
        Receiver::start(Box::new(rule), true)
    }

    /// Hands every POST to `rule` and keeps none: for millions of events.
    pub fn discarding(rule: impl FnMut(&Post) -> Reply + Send + 'static) -> Receiver {
        Receiver::start(Box::new(rule), false)
    }

    fn start(rule: Rule, keep: bool) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("its address");
        let state = Arc::new(State {
            posts: Mutex::default(),
            arrived: Condvar::new(),
            rule: Mutex::new(rule),
            keep,
            stop: AtomicBool::new(false),
        });
        let accepting = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.stop.load(Ordering::Acquire) {
                    return;
                }
                let state = accepting.clone();
                if let Ok(stream) = stream {
                    std::thread::spawn(move || serve(stream, &state));
                }
            }
        });
        Receiver { addr, state }
    }

    /// Its URL, with this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Replaces the rule.
    pub fn answer(&self, rule: impl FnMut(&Post) -> Reply + Send + 'static) {
        *self.state.rule.lock().unwrap() = Box::new(rule);
    }

    /// The POSTs so far, test POSTs of `[{"msys":{}}]` left out.
    pub fn posts(&self) -> Vec<Post> {
        let posts = self.state.posts.lock().unwrap();
        posts.iter().filter(|p| !is_test(p)).cloned().collect()
    }

    /// All POSTs so far.
    pub fn all_posts(&self) -> Vec<Post> {
        self.state.posts.lock().unwrap().clone()
    }

    /// Waits until `enough` says so of the POSTs (without test POSTs); panics after a minute.
    pub fn wait(&self, what: &str, enough: impl Fn(&[Post]) -> bool) -> Vec<Post> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut posts = self.state.posts.lock().unwrap();
        loop {
            let real: Vec<Post> = posts.iter().filter(|p| !is_test(p)).cloned().collect();
            if enough(&real) {
                return real;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "no {what} after a minute; got {} POSTs",
                real.len()
            );
            posts = self.state.arrived.wait_timeout(posts, left).unwrap().0;
        }
    }

    /// Waits until POSTs that were answered 2xx hold `n` events in all; answers the events.
    pub fn wait_events(&self, n: usize) -> Vec<serde_json::Value> {
        let posts = self.wait(&format!("{n} events"), |posts| {
            posts.iter().map(|p| p.events().len()).sum::<usize>() >= n
        });
        posts.iter().flat_map(Post::events).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.addr);
    }
}

fn is_test(post: &Post) -> bool {
    post.body == br#"[{"msys":{}}]"#
}

fn serve(stream: TcpStream, state: &State) {
    let mut reader = BufReader::with_capacity(1 << 16, stream);
    while let Some(post) = read_post(&mut reader) {
        let mut rule = state.rule.lock().unwrap();
        let reply = rule(&post);
        // Kept in the order in which the rule saw them.
        if state.keep {
            state.posts.lock().unwrap().push(post);
        }
        drop(rule);
        state.arrived.notify_all();
        let stream = reader.get_mut();
        let answer = match reply {
            Reply::Status(status) => {
                format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n")
            }
            Reply::Full(status, headers, body) => format!(
                "HTTP/1.1 {status} x\r\n{headers}Content-Length: {}\r\n\r\n{body}",
                body.len()
            ),
            Reply::Reset => {
                let linger =
                    rustix::net::sockopt::set_socket_linger(&*stream, Some(Duration::ZERO));
                linger.expect("SO_LINGER");
                return;
            }
        };
        // In one write: in pieces, each would wait for the sender's delayed acknowledgement.
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read_post(reader: &mut BufReader<TcpStream>) -> Option<Post> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&n| n > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|&n| n > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Post {
        path,
        headers,
        body,
        at: Instant::now(),
    })
}
