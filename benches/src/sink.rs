//! The receiver: reads POSTs, throws the bodies away, and answers 200. As cheap as sockets allow, so that
//! what it does together with the [yardstick](crate::prepared) is the limit of this machine.

use crate::prepared::NUMBER_MARK;
use crate::tls;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What a sink has received.
#[derive(Debug, Default)]
pub struct Received {
    /// POSTs.
    pub posts: AtomicU64,
    /// Bytes of bodies.
    pub bytes: AtomicU64,
    /// Events, as [`Count`] says.
    pub events: AtomicU64,
    /// The numbers that have come, a bit each.
    seen: Mutex<Vec<u64>>,
}

/// What a sink counts beside POSTs and bytes. Looking at bodies costs time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Count {
    /// Nothing.
    #[default]
    Posts,
    /// Lines of the bodies: events, wherever a line is one.
    Lines,
    /// The different numbers in fields [`NUMBER`](crate::prepared::NUMBER): events, each once.
    Numbers,
}

/// How a sink receives.
#[derive(Clone, Default)]
pub struct How {
    /// What it counts.
    pub count: Count,
    /// Speak TLS.
    pub tls: Option<tls::Server>,
}

/// A receiver on 127.0.0.1 until dropped: one thread a connection, a 200 to everything.
pub struct Sink {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Its counts.
    pub received: Arc<Received>,
    stop: Arc<AtomicBool>,
}

impl Sink {
    /// Starts it.
    pub fn start(how: How) -> io::Result<Sink> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let addr = listener.local_addr()?;
        let received = Arc::new(Received::default());
        let stop = Arc::new(AtomicBool::new(false));
        let (counts, stopping) = (received.clone(), stop.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::Acquire) {
                    return;
                }
                let (counts, how) = (counts.clone(), how.clone());
                if let Ok(stream) = stream {
                    std::thread::spawn(move || {
                        let _ = stream.set_nodelay(true);
                        let _ = match &how.tls {
                            None => drain(stream, &counts, how.count),
                            Some(tls) => drain(tls.accept(stream), &counts, how.count),
                        };
                    });
                }
            }
        });
        Ok(Sink {
            addr,
            received,
            stop,
        })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.addr);
    }
}

impl Received {
    /// Notes the numbers in a body; how many are new.
    fn note(&self, body: &[u8]) -> u64 {
        let mut seen = self.seen.lock().expect("whole");
        let mut new = 0;
        for at in memchr::memmem::find_iter(body, NUMBER_MARK) {
            let digits = body[at + NUMBER_MARK.len()..]
                .iter()
                .take_while(|b| b.is_ascii_digit());
            let number = digits.fold(0, |n, digit| n * 10 + usize::from(digit - b'0'));
            let (word, bit) = (number / 64, 1 << (number % 64));
            if seen.len() <= word {
                seen.resize(word + 1, 0);
            }
            new += u64::from(seen[word] & bit == 0);
            seen[word] |= bit;
        }
        new
    }
}

/// Serves one connection to its end.
fn drain(mut stream: impl Read + Write, counts: &Received, count: Count) -> io::Result<()> {
    let mut buffer = vec![0u8; 256 * 1024];
    let mut have = 0;
    loop {
        let head = loop {
            if let Some(end) = find(&buffer[..have], b"\r\n\r\n") {
                break end + 4;
            }
            match stream.read(&mut buffer[have..])? {
                0 => return Ok(()),
                n => have += n,
            }
        };
        let head_text = std::str::from_utf8(&buffer[..head]).map_err(io::Error::other)?;
        let Some(length) = content_length(head_text) else {
            return Err(io::Error::other("a POST without Content-Length"));
        };
        if wants_continue(head_text) {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let (mut left, mut lines, mut at) = (length, 0, head);
        let mut body = Vec::new();
        loop {
            let n = (have - at).min(left);
            let part = &buffer[at..at + n];
            match count {
                Count::Posts => {}
                Count::Lines => lines += part.iter().filter(|b| **b == b'\n').count() as u64,
                Count::Numbers => body.extend_from_slice(part),
            }
            left -= n;
            at += n;
            if left == 0 {
                break;
            }
            at = 0;
            have = match stream.read(&mut buffer)? {
                0 => return Ok(()),
                n => n,
            };
        }
        buffer.copy_within(at..have, 0);
        have -= at;
        counts.bytes.fetch_add(length as u64, Ordering::Relaxed);
        let events = match count {
            Count::Posts => 0,
            // One separator less than events; a test POST has no event.
            Count::Lines => lines + u64::from(length > 20),
            Count::Numbers => counts.note(&body),
        };
        counts.events.fetch_add(events, Ordering::Relaxed);
        counts.posts.fetch_add(1, Ordering::Release);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    }
}

pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim())
    })
}

fn content_length(head: &str) -> Option<usize> {
    header(head, "content-length")?.parse().ok()
}

/// libcurl asks before it sends a large body (RFC 9110 §10.1.1).
fn wants_continue(head: &str) -> bool {
    header(head, "expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
}
