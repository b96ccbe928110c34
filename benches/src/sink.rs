//! The receiver and the yardstick: one reads POSTs and throws the bodies away, the other sends
//! prepared bytes to it over one connection. Both are as cheap as sockets allow, so what they do
//! together is the limit of this machine.

use crate::event;
use postrider::event::{Encoder, Schema, types};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a sink has received.
#[derive(Debug, Default)]
pub struct Received {
    /// POSTs.
    pub posts: AtomicU64,
    /// Bytes of bodies.
    pub bytes: AtomicU64,
    /// Events: separators between events, plus one a POST with any.
    pub events: AtomicU64,
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
    /// Starts it. `count_events`: look for the separators in the bodies, which costs time; else
    /// only POSTs and bytes are counted.
    pub fn start(count_events: bool) -> io::Result<Sink> {
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
                let counts = counts.clone();
                if let Ok(stream) = stream {
                    std::thread::spawn(move || drain(stream, &counts, count_events));
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

fn drain(mut stream: TcpStream, counts: &Received, count_events: bool) {
    let _ = stream.set_nodelay(true);
    let mut buffer = vec![0u8; 256 * 1024];
    let mut have = 0;
    'posts: loop {
        let head = loop {
            if let Some(end) = find(&buffer[..have], b"\r\n\r\n") {
                break end + 4;
            }
            match stream.read(&mut buffer[have..]) {
                Ok(0) | Err(_) => return,
                Ok(n) => have += n,
            }
        };
        let Some(length) = content_length(&buffer[..head]) else {
            return;
        };
        let mut left = length;
        let mut events = u64::from(length > 20);
        let mut last = 0;
        let mut at = head;
        loop {
            let n = (have - at).min(left);
            if count_events {
                for &byte in &buffer[at..at + n] {
                    events += u64::from(last == b',' && byte == b'\n');
                    last = byte;
                }
            }
            left -= n;
            at += n;
            if left == 0 {
                buffer.copy_within(at..have, 0);
                have -= at;
                counts.bytes.fetch_add(length as u64, Ordering::Relaxed);
                counts.events.fetch_add(events, Ordering::Relaxed);
                counts.posts.fetch_add(1, Ordering::Release);
                if stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .is_err()
                {
                    return;
                }
                continue 'posts;
            }
            at = 0;
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(n) => have = n,
            }
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

fn content_length(head: &[u8]) -> Option<usize> {
    std::str::from_utf8(head).ok()?.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    })
}

/// A body as the engine would send it, of `events` events.
pub fn prepared_body(events: u64) -> Vec<u8> {
    let schema = Schema::new(false);
    let mut encoder = Encoder::new();
    let mut body = b"[".to_vec();
    for _ in 0..events {
        let encoded = encoder.typed(
            &schema,
            types::DELIVERY,
            &event::fields(),
            1_776_522_307_000,
        );
        let encoded = encoded.expect("the benchmark's event is valid");
        body.extend_from_slice(encoded.text_and_separator());
    }
    body.truncate(body.len() - 2);
    body.push(b']');
    body
}

/// POSTs `body` to the sink `times` times over one connection, each after the answer to the last.
pub fn post_prepared(addr: SocketAddr, body: &[u8], times: u64) -> io::Result<()> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {addr}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut request = head.into_bytes();
    request.extend_from_slice(body);
    let mut answer = [0; 256];
    for _ in 0..times {
        stream.write_all(&request)?;
        let mut have = 0;
        while find(&answer[..have], b"\r\n\r\n").is_none() {
            match stream.read(&mut answer[have..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => have += n,
            }
        }
    }
    Ok(())
}
