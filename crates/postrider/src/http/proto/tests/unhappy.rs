//! Early answers, ends without an answer, bytes that nobody asked for.

use super::*;

fn exchange() -> Exchange {
    Exchange::new(Method::Post, Limits::default())
}

/// Row 12.
#[test]
fn an_early_refusal_stops_the_sending_and_closes() {
    let mut exchange = exchange();
    assert!(exchange.wants_to_send());
    assert_eq!(
        exchange.received(b"HTTP/1.1 413 x\r\nContent-Length: 2\r\n\r\n"),
        Ok(None)
    );
    assert!(!exchange.wants_to_send());
    let answer = exchange.received(b"no").unwrap().unwrap();
    assert_eq!((answer.head.status, answer.end), (413, BodyEnd::Complete));
    assert_eq!(answer.reuse, Reuse::No(NoReuse::EarlyAnswer));
}

/// Row 12.
#[test]
fn an_early_acceptance_goes_on_sending_until_it_is_complete() {
    let mut exchange = exchange();
    assert_eq!(
        exchange.received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
        Ok(None)
    );
    assert!(exchange.wants_to_send());
    let answer = exchange.received(b"ok").unwrap().unwrap();
    assert_eq!(answer.reuse, Reuse::No(NoReuse::EarlyAnswer));
}

/// Row 12.
#[test]
fn an_interim_answer_is_not_early() {
    let mut exchange = exchange();
    assert_eq!(
        exchange.received(b"HTTP/1.1 100 Continue\r\n\r\n"),
        Ok(None)
    );
    assert!(exchange.wants_to_send());
    assert!(!exchange.untouched());
    assert!(!exchange.answered());
}

/// Row 13.
#[test]
fn what_was_answered_before_a_reset_counts() {
    let mut exchange = exchange();
    assert_eq!(
        exchange.received(b"HTTP/1.1 413 x\r\nContent-Length: 9\r\n\r\nlarge"),
        Ok(None)
    );
    let answer = exchange.closed(false).unwrap();
    assert_eq!((answer.head.status, answer.end), (413, BodyEnd::Truncated));
}

/// Row 14.
#[test]
fn a_connection_that_ends_without_a_byte_leaves_the_exchange_untouched() {
    let mut silent = exchange();
    silent.sent();
    assert!(silent.untouched());
    assert_eq!(silent.closed(true), None);

    let mut touched = exchange();
    touched.sent();
    assert_eq!(touched.received(b"H"), Ok(None));
    assert!(!touched.untouched());
    assert_eq!(touched.closed(true), None);
}

/// Row 14.
#[test]
fn an_end_inside_the_head_is_no_answer() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    for cut in 0..whole.len() {
        assert_eq!(read_then(&whole[..cut], Then::Fin), Err(Failure::NoAnswer));
        assert_eq!(
            read_then(&whole[..cut], Then::Reset),
            Err(Failure::NoAnswer)
        );
    }
}

/// Row 15.
#[test]
fn bytes_behind_an_answer_close_the_connection() {
    let mut exchange = exchange();
    exchange.sent();
    let split = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    let answer = exchange.received(split).unwrap().unwrap();
    assert_eq!(answer.reuse, Reuse::No(NoReuse::Unsolicited));
}

/// Row 19.
#[test]
fn a_deadline_behind_the_head_leaves_the_answer_standing() {
    let mut exchange = exchange();
    exchange.sent();
    assert_eq!(exchange.timed_out(), None);
    assert_eq!(
        exchange.received(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nslow"),
        Ok(None)
    );
    let answer = exchange.timed_out().unwrap();
    assert_eq!((answer.head.status, answer.end), (200, BodyEnd::TimedOut));
    assert_eq!(answer.reuse, Reuse::No(NoReuse::BodyCut));
}

/// Row 24.
#[test]
fn a_redirect_is_an_answer_like_any_other() {
    let answer = read(head(&[
        "HTTP/1.1 302 Found",
        "Location: http://elsewhere.example/",
        "Content-Length: 0",
    ]))
    .unwrap();
    assert_eq!(answer.head.status, 302);
    assert_eq!(
        answer.head.headers.get("location"),
        Some("http://elsewhere.example/")
    );
}
