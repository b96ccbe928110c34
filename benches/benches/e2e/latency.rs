//! From the push to the last byte of the POST that holds the event, linger 0, at 1,000 and 50,000 events a second.
//!
//! Each event carries the time of its push; the receiver, a thread here, reads it back. The producer sleeps
//! until the next event is due and then pushes all that are, so at high rates a few come at once.

use crate::Size;
use crate::senders::{close, engine};
use postrider::engine::PushOptions;
use postrider::event::{Field, FieldName, Value, types};
use postrider::webhook::WebhookSpec;
use postrider_bench::event;
use postrider_bench::figures::percentile;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// The field with the time of the push, nanoseconds since the start.
const PUSHED: &str = "x_pushed";

pub(crate) fn measure(size: Size) {
    println!("\n### Push → receipt, linger 0, {} s each\n", size.seconds);
    println!("| Rate | mode | p50 | p99 | p99.9 |\n|---|---|---|---|---|");
    for rate in [1000, 50_000] {
        for written in [false, true] {
            let latencies = run(rate, rate * size.seconds, written);
            let ms = |p| percentile(&latencies, p) as f64 / 1e6;
            println!(
                "| {rate} events/s | {} | {:.3} ms | {:.3} ms | {:.3} ms |",
                if written { "written" } else { "in memory" },
                ms(0.5),
                ms(0.99),
                ms(0.999)
            );
        }
    }
}

/// All latencies in nanoseconds, sorted.
fn run(rate: u64, events: u64, written: bool) -> Vec<u64> {
    let began = Instant::now();
    let (port, arrivals) = receiver(began);
    let dir = tempfile::tempdir().expect("a directory");
    let engine = engine(written.then(|| dir.path()), &[]);
    let url = format!("http://127.0.0.1:{port}/");
    let mut spec = WebhookSpec::new("bench", &url, ["delivery"]);
    spec.limits.linger_ms = Some(0);
    engine.create_webhook(spec).expect("the receiver answers");
    let mut fields = event::fields();
    fields.push(Field {
        name: FieldName::Name(PUSHED),
        value: Value::Int(0),
    });
    let (last, warm) = (fields.len() - 1, rate / 2);
    let start = Instant::now();
    for n in 0..warm + events {
        let due = start + Duration::from_nanos(n * 1_000_000_000 / rate);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        fields[last].value = Value::Int(began.elapsed().as_nanos() as i64);
        let pushed = engine.push_fields(types::DELIVERY, &fields, PushOptions::default());
        pushed.expect("push");
    }
    let mut all: Vec<(u64, u64)> = Vec::new();
    while (all.len() as u64) < warm + events {
        let some = arrivals.recv_timeout(Duration::from_secs(60));
        all.extend(some.expect("every event arrives"));
    }
    close(engine);
    // By time of push: the first half second warms up.
    all.sort_unstable();
    let mut latencies: Vec<u64> = all[warm as usize..].iter().map(|(_, took)| *took).collect();
    latencies.sort_unstable();
    latencies
}

/// Answers 200 to everything and tells when each event was pushed and how long it took.
fn receiver(began: Instant) -> (u16, Receiver<Vec<(u64, u64)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tell = tell.clone();
            std::thread::spawn(move || serve(stream, began, &tell));
        }
    });
    (port, told)
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
