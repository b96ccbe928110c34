//! Row 18: whatever the bytes and the cuts, the same outcome, and never a panic.

use proptest::prelude::*;

use super::*;

/// Pieces of answers, right and wrong, that random answers are made of.
const PIECES: [&str; 34] = [
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.1 204 No Content\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 x\r\nA: b\r\n\r\n",
    "HTTP/1.1 101 x\r\n",
    "HTTP/1.1 413 x\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: +5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "X: y\r\n",
    "X : y\r\n",
    "\r\n",
    "\n",
    "\r",
    "\0",
    "5\r\nhello\r\n",
    "5;ext=1\r\nhello\r\n",
    "5 \r\nhello\r\n",
    "FFFFFFFFFFFFFFFF\r\n",
    "10000000000000000\r\n",
    "0\r\n",
    "0\r\n\r\n",
    "T: v\r\n",
    "hello",
    "5",
    "a",
    " ",
    ";",
    "H",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_answer_is_read_the_same_at_every_cut(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 1..12),
        then in prop::sample::select(&[Then::Open, Then::Fin, Then::Reset][..]),
    ) {
        let bytes = pieces.concat();
        let limits = Limits { head_bytes: 120, body_read: 20, extension_bytes: 6, trailer_bytes: 8,
                              ..Limits::default() };
        // `read_with` asserts that all cuts agree; bytes behind an answer are the one thing that
        // a cut may hide, so they are left out here.
        let how = (Method::Post, limits);
        let used = answer_len(how, bytes.as_bytes());
        let _ = read_with(how, &bytes.as_bytes()[..used], then);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let how = (Method::Post, Limits::default());
        let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        answer.extend_from_slice(&bytes);
        let used = answer_len(how, &answer);
        let _ = read_with(how, &answer[..used], Then::Fin);
        let used = answer_len(how, &bytes);
        let _ = read_with(how, &bytes[..used], Then::Fin);
    }
}

/// How many bytes an exchange takes before it is over.
fn answer_len((method, limits): (Method, Limits), bytes: &[u8]) -> usize {
    let mut exchange = Exchange::new(method, limits);
    exchange.sent();
    let over = bytes
        .chunks(1)
        .position(|b| !matches!(exchange.received(b), Ok(None)));
    over.map_or(bytes.len(), |last| last + 1)
}
