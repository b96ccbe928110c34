//! A receiver that tells how long events took to it: each carries the time of its push.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

/// The field with the time of the push, nanoseconds since the start.
pub const PUSHED: &str = "x_pushed";

/// Of events that arrived together: when each was pushed, and how long it took, in nanoseconds.
pub type Arrivals = Receiver<Vec<(u64, u64)>>;

/// Listens on the port that it answers, says 200 to everything, and tells of each event when it was pushed and how
/// long it took, in nanoseconds; until the process ends.
pub fn receiver(began: Instant) -> io::Result<(u16, Arrivals)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tell = tell.clone();
            std::thread::spawn(move || serve(stream, began, &tell));
        }
    });
    Ok((port, told))
}

/// Serves one connection to its end.
fn serve(stream: TcpStream, began: Instant, tell: &Sender<Vec<(u64, u64)>>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut stream = BufReader::with_capacity(256 << 10, stream);
    loop {
        let mut body = vec![0; content_length(&mut stream)?];
        stream.read_exact(&mut body).ok()?;
        let now = began.elapsed().as_nanos() as u64;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        stream.get_mut().write_all(answer).ok()?;
        let text = std::str::from_utf8(&body).ok()?;
        let times = text.split("\"x_pushed\":").skip(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_digit()).expect("more");
            let pushed: u64 = rest[..end].parse().expect("a number");
            (pushed, now - pushed)
        });
        tell.send(times.collect()).ok()?;
    }
}

/// Reads a head; none at the end of the connection.
fn content_length(stream: &mut impl BufRead) -> Option<usize> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|n| *n > 0)?;
        if line == "\r\n" {
            return Some(length);
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().ok()?;
        }
    }
}
