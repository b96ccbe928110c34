//! An answer is read the same whole, in pieces and byte by byte, and is what it says it is.
//!
//! The first two bytes choose the method, how the connection ends and how long the pieces are.

#![no_main]

use libfuzzer_sys::fuzz_target;
use postrider::http::proto::{
    Answer, BodyEnd, Exchange, Limits, Method, NoReuse, ProtocolError, Reuse,
};

type Outcome = Result<Option<Answer>, ProtocolError>;

fn read<'a>(method: Method, pieces: impl Iterator<Item = &'a [u8]>, clean: bool) -> Outcome {
    let mut exchange = Exchange::new(method, Limits::default());
    exchange.sent();
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
    Ok(exchange.closed(clean))
}

fuzz_target!(|data: &[u8]| {
    let [choice, piece, bytes @ ..] = data else {
        return;
    };
    let method = match choice & 3 {
        0 => Method::Head,
        1 => Method::Connect,
        _ => Method::Post,
    };
    let clean = choice & 4 == 0;
    let whole = read(method, [bytes].into_iter(), clean);
    assert_eq!(read(method, bytes.chunks(1), clean), whole);
    assert_eq!(
        read(method, bytes.chunks(usize::from(*piece) + 1), clean),
        whole
    );
    if let Ok(Some(answer)) = whole {
        let limits = Limits::default();
        assert!((200..=999).contains(&answer.head.status));
        assert!(answer.head.headers.len() <= limits.headers);
        assert!(answer.body.len() <= limits.body_kept);
        // Only what ended as it said may be followed by another request.
        assert!(answer.reuse != Reuse::Yes || answer.end == BodyEnd::Complete);
    }
});
