//! The receiver in a process of its own, so that this process's CPU time and memory are the sender's
//! alone. It is this program once more: a bench's `main` begins with [`serve_if_asked`].

use crate::sink::{Count, How, Received, Sink};
use crate::tls;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::Ordering;

/// In the environment of the receiver's process.
const ROLE: &str = "POSTRIDER_BENCH_SINK";

/// A [`Sink`] in a process of its own, until dropped.
pub struct SinkProcess {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Its certificate, PEM, where it speaks TLS.
    pub certificate: Option<String>,
    process: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What it has received so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// POSTs.
    pub posts: u64,
    /// Bytes of bodies.
    pub bytes: u64,
    /// Events, if it counts them.
    pub events: u64,
}

/// What a receiver's process is to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wants {
    /// What it counts.
    pub count: Count,
    /// Speak TLS.
    pub tls: bool,
}

impl SinkProcess {
    /// Starts it.
    pub fn start(wants: Wants) -> io::Result<SinkProcess> {
        let role = format!("{}{}", wants.count as u8, u8::from(wants.tls));
        let mut process = Command::new(std::env::current_exe()?)
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let ask = process.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let answers = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut answers = BufReader::new(answers);
        let addr = line(&mut answers)?.parse().map_err(io::Error::other)?;
        let mut certificate = None;
        if wants.tls {
            let text: &mut String = certificate.insert(String::new());
            while !text.contains("-----END") {
                text.push_str(&line(&mut answers)?);
                text.push('\n');
            }
        }
        Ok(SinkProcess {
            addr,
            certificate,
            process,
            ask,
            answers,
        })
    }

    /// Where webhooks point to.
    pub fn url(&self) -> String {
        let scheme = if self.certificate.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}/", self.addr)
    }

    /// What it has received so far.
    pub fn counts(&mut self) -> Counts {
        self.ask.write_all(b"\n").expect("the receiver listens");
        let line = line(&mut self.answers).expect("the receiver answers");
        let mut numbers = line.split(' ').map(|n| n.parse().expect("a number"));
        let mut next = || numbers.next().expect("three numbers");
        Counts {
            posts: next(),
            bytes: next(),
            events: next(),
        }
    }
}

impl Drop for SinkProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    match from.read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end().to_owned()),
    }
}

/// If this process was started to be a receiver: is one, and ends with whoever started it.
pub fn serve_if_asked() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let how = How {
        count: match role.as_bytes() {
            [b'1', ..] => Count::Lines,
            [b'2', ..] => Count::Numbers,
            _ => Count::Posts,
        },
        tls: role.ends_with('1').then(tls::Server::new),
    };
    let certificate = how.tls.as_ref().map(|tls| tls.certificate.clone());
    let sink = Sink::start(how).expect("a sink");
    println!("{}", sink.addr);
    if let Some(pem) = certificate {
        print!("{pem}");
    }
    let mut asked = String::new();
    let mut asks = io::stdin().lock();
    while matches!(asks.read_line(&mut asked), Ok(1..)) {
        let Received {
            posts,
            bytes,
            events,
            ..
        } = &*sink.received;
        let [posts, bytes, events] = [posts, bytes, events].map(|n| n.load(Ordering::Acquire));
        println!("{posts} {bytes} {events}");
        asked.clear();
    }
    std::process::exit(0);
}
