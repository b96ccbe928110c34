//! The receiver's sockets, answers and prints.

use super::rule::{Action, Rule, Seen, decide};
use base64::Engine as _;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bodies above this are refused with 413.
const MAX_BODY: usize = 64 << 20;

/// What is printed of a POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Print {
    Events,
    Pretty,
    Count,
    Nothing,
}

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) listen: SocketAddr,
    pub(super) print: Print,
    pub(super) token: Option<String>,
    pub(super) basic: Option<String>,
    pub(super) rules: Vec<Rule>,
    pub(super) delay: Duration,
    pub(super) exit_after: Option<u64>,
}

struct Receiver {
    settings: Settings,
    started: Instant,
    counts: Mutex<Counts>,
    /// Told when enough events have come.
    done: Sender<()>,
}

/// What came so far.
#[derive(Debug, Default)]
struct Counts {
    posts: u64,
    accepted: u64,
    events: u64,
    bytes: u64,
    /// Batches accepted before, and how often they came again.
    batches: HashMap<String, u64>,
    repeats: u64,
}

/// A request as it came.
struct Post {
    path: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Post {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

pub(super) fn run(settings: Settings) -> io::Result<()> {
    let listener = TcpListener::bind(settings.listen).map_err(|e| {
        io::Error::new(
            e.kind(),
            format!("cannot listen on {}: {e}", settings.listen),
        )
    })?;
    println!("listening on http://{}/", listener.local_addr()?);
    io::stdout().flush()?;
    let (done, ended) = mpsc::channel();
    let receiver = Arc::new(Receiver {
        settings,
        started: Instant::now(),
        counts: Mutex::default(),
        done,
    });
    let serving = receiver.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let receiver = serving.clone();
            std::thread::spawn(move || receiver.serve(stream));
        }
    });
    if ended.recv().is_ok() {
        receiver.summary();
    }
    Ok(())
}

impl Receiver {
    fn serve(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut reader = BufReader::with_capacity(64 << 10, stream);
        loop {
            match read_post(&mut reader) {
                Ok(Some(post)) => {
                    if !self.answer(&post, reader.get_mut()).unwrap_or(false) {
                        return;
                    }
                }
                Ok(None) => return,
                Err(status) => {
                    let _ = respond(reader.get_mut(), status, None, "");
                    return;
                }
            }
        }
    }

    /// Answers one POST; false when the connection is over.
    fn answer(&self, post: &Post, stream: &mut TcpStream) -> io::Result<bool> {
        if let Some(why) = self.unauthorized(post) {
            respond(stream, 401, None, why)?;
            return Ok(true);
        }
        let test = is_test(&post.body);
        let events: Vec<Value> = match serde_json::from_slice(&post.body) {
            Ok(Value::Array(events)) => events,
            _ => {
                respond(stream, 400, None, "the body is not a JSON array")?;
                return Ok(true);
            }
        };
        let types: Vec<&str> = events.iter().filter_map(type_of).collect();
        let number = {
            let mut counts = self.counts();
            counts.posts += u64::from(!test);
            counts.posts
        };
        let seen = Seen {
            test,
            number,
            since_start: self.started.elapsed(),
            path: &post.path,
            types: &types,
        };
        let action = decide(&self.settings.rules, &seen);
        std::thread::sleep(self.settings.delay);
        let (status, retry_after) = match action {
            Action::Status(status, after) => (status, after),
            Action::Delay(time) => {
                std::thread::sleep(time);
                (200, None)
            }
            Action::Reset => {
                self.print(post, &events, test, "reset");
                rustix::net::sockopt::set_socket_linger(&*stream, Some(Duration::ZERO))?;
                return Ok(false);
            }
            Action::Close => {
                self.print(post, &events, test, "closed");
                return Ok(false);
            }
            Action::Hang => {
                self.print(post, &events, test, "hangs");
                // Until the sender gives up.
                let _ = stream.read(&mut [0; 1]);
                return Ok(false);
            }
        };
        self.print(post, &events, test, &status.to_string());
        let text = if (200..300).contains(&status) {
            "OK"
        } else {
            "refused by rule"
        };
        respond(stream, status, retry_after, text)?;
        if (200..300).contains(&status) && !test {
            self.count(post, events.len() as u64);
        }
        Ok(true)
    }

    fn unauthorized(&self, post: &Post) -> Option<&'static str> {
        if let Some(token) = &self.settings.token
            && post.header("x-messagesystems-webhook-token") != token
        {
            return Some("wrong or missing X-MessageSystems-Webhook-Token");
        }
        if let Some(basic) = &self.settings.basic {
            let expected = base64::engine::general_purpose::STANDARD.encode(basic);
            let given = post.header("authorization").strip_prefix("Basic ");
            if given != Some(expected.as_str()) {
                return Some("wrong or missing Basic credentials");
            }
        }
        None
    }

    fn count(&self, post: &Post, events: u64) {
        let mut counts = self.counts();
        let times = counts
            .batches
            .entry(post.header("x-messagesystems-batch-id").to_owned())
            .or_insert(0);
        *times += 1;
        if *times > 1 {
            counts.repeats += 1;
            return;
        }
        counts.accepted += 1;
        counts.events += events;
        counts.bytes += post.body.len() as u64;
        if self.settings.exit_after.is_some_and(|n| counts.events >= n) {
            let _ = self.done.send(());
        }
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn print(&self, post: &Post, events: &[Value], test: bool, answer: &str) {
        let print = self.settings.print;
        if print == Print::Nothing {
            return;
        }
        let mut out = io::stdout().lock();
        let batch = post.header("x-messagesystems-batch-id");
        let bytes = post.body.len();
        let _ = match (test, print) {
            (true, _) => writeln!(out, "# test POST to {}: {answer}", post.path),
            (_, Print::Count) => {
                writeln!(
                    out,
                    "# batch {batch}: {} events, {bytes} bytes: {answer}",
                    events.len()
                )
            }
            _ => {
                let _ = writeln!(out, "# batch {batch}, {} events: {answer}", events.len());
                events.iter().try_for_each(|event| match print {
                    Print::Pretty => writeln!(out, "{event:#}"),
                    _ => writeln!(out, "{event}"),
                })
            }
        };
        let _ = out.flush();
    }

    fn summary(&self) {
        let counts = self.counts();
        println!(
            "{} events in {} batches, {} bytes; {} POSTs, {} batches came again after a 2xx",
            counts.events, counts.accepted, counts.bytes, counts.posts, counts.repeats
        );
    }
}

fn is_test(body: &[u8]) -> bool {
    let text: Vec<u8> = body
        .iter()
        .copied()
        .filter(|b| !b.is_ascii_whitespace())
        .collect();
    text == br#"[{"msys":{}}]"#
}

fn type_of(event: &Value) -> Option<&str> {
    let (_, fields) = event.get("msys")?.as_object()?.iter().next()?;
    fields.get("type")?.as_str()
}

/// One request; `None` at the end of the connection, or the status to refuse it with.
fn read_post(reader: &mut BufReader<TcpStream>) -> Result<Option<Post>, u16> {
    let mut line = String::new();
    let mut next = |reader: &mut BufReader<TcpStream>| -> Result<Option<String>, u16> {
        line.clear();
        match reader.take(64 << 10).read_line(&mut line) {
            Ok(0) | Err(_) => Ok(None),
            Ok(_) if !line.ends_with('\n') => Err(431),
            Ok(_) => Ok(Some(line.trim_end().to_owned())),
        }
    };
    let Some(request) = next(reader)? else {
        return Ok(None);
    };
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or("/"));
    let (method, path) = (method.to_owned(), path.to_owned());
    let mut headers = HashMap::new();
    loop {
        let Some(line) = next(reader)? else {
            return Ok(None);
        };
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or(400_u16)?;
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    if method != "POST" {
        return Err(405);
    }
    let length: usize = match headers.get("content-length") {
        Some(length) => length.parse().map_err(|_| 400_u16)?,
        None => return Err(411),
    };
    if length > MAX_BODY {
        return Err(413);
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return Ok(None);
    }
    Ok(Some(Post {
        path,
        headers,
        body,
    }))
}

fn respond(
    stream: &mut TcpStream,
    status: u16,
    retry_after: Option<u64>,
    text: &str,
) -> io::Result<()> {
    let after = retry_after.map_or(String::new(), |s| format!("Retry-After: {s}\r\n"));
    let body = if status == 204 || status == 304 {
        ""
    } else {
        text
    };
    let length = body.len();
    // In one write, so that it is one packet.
    let answer = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: text/plain\r\n{after}Content-Length: {length}\r\n\r\n{body}",
        reason(status),
    );
    stream.write_all(answer.as_bytes())
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        410 => "Gone",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
