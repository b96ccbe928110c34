//! The yardstick: the bytes that the engine would send, from a prepared buffer over one connection, each
//! POST after the answer to the last. No sender over one connection is much faster.

use crate::event;
use crate::sink::find;
use postrider::event::{Encoder, Field, FieldName, Schema, Value, types};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A body as the engine would send it, of `events` events.
pub fn prepared_body(events: u64) -> Vec<u8> {
    let mut body = b"[".to_vec();
    body.extend_from_slice(&texts(events));
    body.truncate(body.len() - 2);
    body.push(b']');
    body
}

/// The texts of `events` events, each with its separator.
pub fn texts(events: u64) -> Vec<u8> {
    let (schema, mut encoder) = (Schema::new(false), Encoder::new());
    let fields = event::fields();
    let mut texts = Vec::new();
    for _ in 0..events {
        let encoded = encoder.typed(&schema, types::DELIVERY, &fields, 1_776_522_307_000);
        let encoded = encoded.expect("the benchmark's event is valid");
        texts.extend_from_slice(encoded.text_and_separator());
    }
    texts
}

/// The field that numbers events, for receivers that count each once.
pub const NUMBER: &str = "x_number";
/// What stands before its value.
pub(crate) const NUMBER_MARK: &[u8] = b"\"x_number\":";

/// Writes `events` numbered events to `file`, a line each.
pub fn write_lines(file: &Path, events: u64) -> io::Result<()> {
    let (schema, mut encoder) = (Schema::new(false), Encoder::new());
    let mut fields = event::fields();
    let mut out = io::BufWriter::new(File::create(file)?);
    for n in 0..events {
        fields.truncate(25);
        fields.push(Field {
            name: FieldName::Name(NUMBER),
            value: Value::Int(n as i64),
        });
        let encoded = encoder.typed(&schema, types::DELIVERY, &fields, 1_776_522_307_000);
        out.write_all(encoded.expect("valid").text)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Connects as a sender that measures should.
pub fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// POSTs `body` `times` times over `stream`.
pub fn post_prepared(mut stream: impl Read + Write, body: &[u8], times: u64) -> io::Result<()> {
    let mut request = head(body.len());
    request.extend_from_slice(body);
    for _ in 0..times {
        stream.write_all(&request)?;
        await_answer(&mut stream)?;
    }
    Ok(())
}

/// POSTs all of `file` over `stream`, `bytes` at a time, each read into the same buffer just before: the least that
/// sending from a file by reading it takes.
pub fn post_file(mut stream: impl Read + Write, file: &File, bytes: usize) -> io::Result<()> {
    let mut request = head(bytes);
    let body = request.len();
    request.resize(body + bytes, 0);
    let mut at = 0;
    while at < file.metadata()?.len() {
        file.read_exact_at(&mut request[body..], at)?;
        at += bytes as u64;
        stream.write_all(&request)?;
        await_answer(&mut stream)?;
    }
    Ok(())
}

fn head(body: usize) -> Vec<u8> {
    format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {body}\r\n\r\n"
    )
    .into_bytes()
}

fn await_answer(stream: &mut (impl Read + Write)) -> io::Result<()> {
    stream.flush()?;
    let (mut answer, mut have) = ([0; 256], 0);
    while find(&answer[..have], b"\r\n\r\n").is_none() {
        match stream.read(&mut answer[have..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => have += n,
        }
    }
    Ok(())
}
