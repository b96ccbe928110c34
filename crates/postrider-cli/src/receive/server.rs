//! The receiver's sockets, answers and prints.

use super::check::SignatureCheck;
use super::post::{Head, Post, read_body, read_head};
use super::rule::{Action, Rule, Seen, decide};
use super::wire::{Wire, self_made};
use base64::Engine as _;
use rustls::ServerConfig;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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
    pub(super) tls: Option<PathBuf>,
    pub(super) print: Print,
    pub(super) token: Option<String>,
    pub(super) signature: Option<SignatureCheck>,
    pub(super) basic: Option<String>,
    pub(super) rules: Vec<Rule>,
    pub(super) delay: Duration,
    pub(super) exit_after: Option<u64>,
}

struct Receiver {
    settings: Settings,
    tls: Option<Arc<ServerConfig>>,
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

pub(super) fn run(settings: Settings) -> io::Result<()> {
    let listener = TcpListener::bind(settings.listen).map_err(|e| {
        io::Error::new(
            e.kind(),
            format!("cannot listen on {}: {e}", settings.listen),
        )
    })?;
    let file = settings.tls.as_deref();
    let tls = file
        .map(|file| self_made(settings.listen.ip(), file))
        .transpose()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    println!("listening on {scheme}://{}/", listener.local_addr()?);
    io::stdout().flush()?;
    let (done, ended) = mpsc::channel();
    let receiver = Arc::new(Receiver {
        settings,
        tls,
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
        let Ok(wire) = Wire::new(stream, self.tls.as_ref()) else {
            return;
        };
        let mut reader = BufReader::with_capacity(64 << 10, wire);
        // An error is the end of the connection, whoever ended it.
        if let Ok(End::Close) = self.converse(&mut reader) {
            reader.into_inner().close();
        }
    }

    /// Answers request after request.
    fn converse(&self, reader: &mut BufReader<Wire>) -> io::Result<End> {
        loop {
            let post = match read_head(reader) {
                Ok(Some(head)) => {
                    if let Some(status) = self.early(&head) {
                        respond(reader.get_mut(), status, None, "before the body")?;
                        return Ok(End::Close);
                    }
                    read_body(reader, head)
                }
                Ok(None) => return Ok(End::Close),
                Err(status) => Err(status),
            };
            match post {
                Ok(Some(post)) => {
                    if let Some(end) = self.answer(&post, reader.get_mut())? {
                        return Ok(end);
                    }
                }
                Ok(None) => return Ok(End::Close),
                Err(status) => {
                    respond(reader.get_mut(), status, None, "")?;
                    return Ok(End::Close);
                }
            }
        }
    }

    /// The status of a rule that answers before the body is read.
    fn early(&self, head: &Head) -> Option<u16> {
        let rules = &self.settings.rules;
        if !rules.iter().any(|r| matches!(r.action, Action::Early(_))) {
            return None;
        }
        let seen = Seen {
            test: head.is_test(),
            number: self.counts().posts + 1,
            since_start: self.started.elapsed(),
            path: &head.path,
            types: &[],
        };
        let Action::Early(status) = decide(rules, &seen) else {
            return None;
        };
        self.counts().posts += u64::from(!seen.test);
        Some(status)
    }

    /// Answers one POST; says how the connection ends, if it does.
    fn answer(&self, post: &Post, stream: &mut Wire) -> io::Result<Option<End>> {
        if let Some(why) = self.unauthorized(post) {
            respond(stream, 401, None, &why)?;
            return Ok(None);
        }
        let test = post.is_test();
        let events: Vec<Value> = match serde_json::from_slice(&post.body) {
            Ok(Value::Array(events)) => events,
            _ => {
                respond(stream, 400, None, "the body is not a JSON array")?;
                return Ok(None);
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
            path: &post.head.path,
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
                stream.reset()?;
                return Ok(Some(End::Drop));
            }
            Action::Close => {
                self.print(post, &events, test, "closed");
                return Ok(Some(End::Close));
            }
            Action::Hostile(hostile) => {
                self.print(post, &events, test, "hostile");
                hostile.answer(stream)?;
                if hostile.resets() {
                    stream.reset()?;
                }
                let drop = hostile.resets() || hostile.cuts();
                return Ok(Some(if drop { End::Drop } else { End::Close }));
            }
            // Its time is over.
            Action::Early(status) => (status, None),
            Action::Hang => {
                self.print(post, &events, test, "hangs");
                // Until the sender gives up.
                let _ = stream.read(&mut [0; 1]);
                return Ok(Some(End::Drop));
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
        Ok(None)
    }

    fn unauthorized(&self, post: &Post) -> Option<String> {
        if let Some(token) = &self.settings.token
            && post.header("x-messagesystems-webhook-token") != token
        {
            return Some("wrong or missing X-MessageSystems-Webhook-Token".to_owned());
        }
        if let Some(basic) = &self.settings.basic {
            let expected = base64::engine::general_purpose::STANDARD.encode(basic);
            let given = post.header("authorization").strip_prefix("Basic ");
            if given != Some(expected.as_str()) {
                return Some("wrong or missing Basic credentials".to_owned());
            }
        }
        self.settings.signature.as_ref()?.fault(post)
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
            (true, _) => writeln!(out, "# test POST to {}: {answer}", post.head.path),
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

fn type_of(event: &Value) -> Option<&str> {
    let (_, fields) = event.get("msys")?.as_object()?.iter().next()?;
    fields.get("type")?.as_str()
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// As it should.
    Close,
    /// Without a goodbye.
    Drop,
}

fn respond(stream: &mut Wire, status: u16, retry_after: Option<u64>, text: &str) -> io::Result<()> {
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
    stream.write_all(answer.as_bytes())?;
    stream.flush()
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
