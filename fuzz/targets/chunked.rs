//! Chunks: what is cut into them comes out whole, and whatever else comes is read the same however
//! it is cut.

#![no_main]

use libfuzzer_sys::fuzz_target;
use postrider::http::proto::{
    Answer, BodyEnd, Exchange, Limits, Method, NoReuse, ProtocolError, Reuse,
};

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

fn read<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    limits: Limits,
) -> Result<Option<Answer>, ProtocolError> {
    let mut exchange = Exchange::new(Method::Post, limits);
    exchange.sent();
    assert_eq!(exchange.received(HEAD), Ok(None));
    let mut pieces = pieces;
    while let Some(piece) = pieces.next() {
        if let Some(mut answer) = exchange.received(piece)? {
            // What comes later is found by whoever wants to use the connection again.
            if answer.reuse == Reuse::Yes && pieces.next().is_some() {
                answer.reuse = Reuse::No(NoReuse::Unsolicited);
            }
            return Ok(Some(answer));
        }
    }
    Ok(exchange.closed(false))
}

fuzz_target!(|data: &[u8]| {
    // Small limits, so that they are met.
    let limits = Limits {
        extension_bytes: 8,
        trailer_bytes: 8,
        ..Limits::default()
    };
    let whole = read([data].into_iter(), limits);
    assert_eq!(read(data.chunks(1), limits), whole);
    let answer = whole
        .expect("a head came")
        .expect("and the connection ended");
    assert_eq!(answer.head.status, 200);
    assert!(
        answer.body.len() < data.len().max(1),
        "chunks are longer than what is in them"
    );

    // The first byte says how long the chunks are.
    let Some((&size, body)) = data.split_first() else {
        return;
    };
    let mut chunked = Vec::new();
    for chunk in body.chunks(usize::from(size) + 1) {
        chunked.extend_from_slice(format!("{:x};e\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\nA: b\r\n\r\n");
    let answer = read(chunked.chunks(7), Limits::default())
        .expect("chunks")
        .expect("an answer");
    assert_eq!(
        (answer.body.as_slice(), answer.end),
        (body, BodyEnd::Complete)
    );
});
