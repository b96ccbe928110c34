//! Heads: interim answers, line discipline, limits.

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[test]
fn a_plain_answer_is_read() {
    let answer =
        read("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nX-A:  b c \r\n\r\nok").unwrap();
    assert_eq!(
        (answer.head.status, answer.body.as_slice()),
        (202, b"ok".as_slice())
    );
    assert_eq!(answer.head.headers.get("x-a"), Some("b c"));
    assert_eq!((answer.end, answer.reuse), (BodyEnd::Complete, Reuse::Yes));
}

/// Row 1.
#[test]
fn several_interim_answers_before_the_final_one_are_skipped() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\n\
                   HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nContent-Length: 9\r\n\r\n\
                   HTTP/1.1 199 x\r\n\r\n";
    fine(format!("{interim}{OK}"), 200, "");
}

/// Row 1.
#[test]
fn interim_answers_are_limited_in_number_and_bytes() {
    let limit = Limits::default().interim as usize;
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    fine(interim.repeat(limit) + OK, 200, "");
    refused(
        interim.repeat(limit + 1) + OK,
        ProtocolError::TooManyInterim,
    );

    let limits = Limits {
        head_bytes: 2 * interim.len() + OK.len(),
        ..Limits::default()
    };
    let how = (Method::Post, limits);
    assert!(read_with(how, (interim.repeat(2) + OK).as_bytes(), Then::Open).is_ok());
    assert_eq!(
        read_with(how, (interim.repeat(3) + OK).as_bytes(), Then::Open),
        Err(Failure::Protocol(ProtocolError::HeadTooLarge))
    );
}

/// Row 2.
#[test]
fn switching_protocols_without_being_asked_is_refused() {
    refused(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        ProtocolError::SwitchedProtocols,
    );
}

/// Row 17.
#[test]
fn heads_are_limited_in_headers_and_bytes() {
    let many = |n: usize| {
        let lines: String = (0..n).map(|i| format!("H{i}: v\r\n")).collect();
        format!("HTTP/1.1 204 x\r\n{lines}\r\n")
    };
    let limit = Limits::default().headers;
    fine(many(limit), 204, "");
    refused(many(limit + 1), ProtocolError::TooManyHeaders);

    let limits = Limits {
        head_bytes: 200,
        ..Limits::default()
    };
    let padded = |n: usize| format!("HTTP/1.1 204 x\r\nA: {}\r\n\r\n", "v".repeat(n));
    let fits = 200 - padded(0).len();
    let how = (Method::Post, limits);
    assert!(read_with(how, padded(fits).as_bytes(), Then::Open).is_ok());
    assert_eq!(
        read_with(how, padded(fits + 1).as_bytes(), Then::Open),
        Err(Failure::Protocol(ProtocolError::HeadTooLarge))
    );
}

/// Row 17.
#[test]
fn an_endless_head_is_refused_at_the_limit() {
    let endless = "HTTP/1.1 200 OK\r\nA: ".to_owned() + &"v".repeat(70_000);
    refused(endless, ProtocolError::HeadTooLarge);
}

/// Row 17.
#[test]
fn folded_headers_are_refused() {
    refused(
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        ProtocolError::Header,
    );
    refused(
        "HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\n\r\n",
        ProtocolError::Header,
    );
}

/// Row 17.
#[test]
fn a_bare_line_feed_is_refused() {
    refused(
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        ProtocolError::LineEnd,
    );
    refused(
        "HTTP/1.1 200 OK\r\nA: b\nContent-Length: 0\r\n\r\n",
        ProtocolError::LineEnd,
    );
    refused("HTTP/1.1 200 OK\r\nA: b\r\n\n", ProtocolError::LineEnd);
}

/// Row 17.
#[test]
fn a_lone_carriage_return_is_refused() {
    refused("HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", ProtocolError::LineEnd);
    refused("HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n", ProtocolError::LineEnd);
}

/// Row 17.
#[test]
fn nul_and_control_bytes_are_refused() {
    refused("HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n", ProtocolError::Header);
    refused(
        "HTTP/1.1 200 OK\r\nA: b\x01c\r\n\r\n",
        ProtocolError::Header,
    );
    refused("HTTP/1.1 200 O\0K\r\nA: b\r\n\r\n", ProtocolError::Header);
}

/// Row 17.
#[test]
fn a_space_before_the_colon_is_refused() {
    refused(
        "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
        ProtocolError::Header,
    );
    refused("HTTP/1.1 200 OK\r\n: 0\r\n\r\n", ProtocolError::Header);
    refused("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", ProtocolError::Header);
}

#[test]
fn what_is_no_status_line_is_refused_at_its_first_wrong_byte() {
    for garbage in [
        "SSH-2.0-OpenSSH_9\r\n",
        "<html>",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/2 200",
    ] {
        refused(garbage, ProtocolError::StatusLine);
    }
    for line in [
        "HTTP/1.2 200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 099 x",
    ] {
        refused(head(&[line]), ProtocolError::StatusLine);
    }
}

#[test]
fn a_missing_reason_and_bytes_above_ascii_are_accepted() {
    fine("HTTP/1.1 204\r\n\r\n", 204, "");
    fine("HTTP/1.1 204 \r\n\r\n", 204, "");
    let answer = read(b"HTTP/1.1 204 x\r\nServer: \xe9t\xc3\xa9\r\n\r\n").unwrap();
    assert_eq!(answer.head.headers.get("server"), Some("\u{fffd}té"));
}

/// Row 16.
#[test]
fn connection_tokens_are_compared_without_case_and_in_lists() {
    let with = |version: &str, connection: &str| {
        let line = format!("HTTP/{version} 204 x");
        read(head(&[&line, &format!("Connection: {connection}")]))
            .unwrap()
            .reuse
    };
    let closed = Reuse::No(NoReuse::ServerAsked);
    for close in [
        "close",
        "Close",
        "CLOSE",
        "foo, close",
        "close,foo",
        " ,close , keep-alive",
    ] {
        assert_eq!(with("1.1", close), closed, "{close}");
        assert_eq!(with("1.0", close), closed, "{close}");
    }
    for open in ["keep-alive", "closed", "Keep-Alive, x", "", "x-close"] {
        assert_eq!(with("1.1", open), Reuse::Yes, "{open}");
    }
    assert_eq!(with("1.0", "Keep-Alive"), Reuse::Yes);
    assert_eq!(with("1.0", "x, keep-alive"), Reuse::Yes);
    assert_eq!(with("1.0", "x"), Reuse::No(NoReuse::Http10));
}

/// Row 16.
#[test]
fn connection_close_in_a_second_header_counts() {
    let answer = read(head(&[
        "HTTP/1.1 204 x",
        "Connection: keep-alive",
        "connection: Close",
    ]))
    .unwrap();
    assert_eq!(answer.reuse, Reuse::No(NoReuse::ServerAsked));
}

/// Row 16.
#[test]
fn version_1_0_closes_unless_it_says_otherwise() {
    let answer = read(head(&["HTTP/1.0 200 OK", "Content-Length: 0"])).unwrap();
    assert_eq!(answer.reuse, Reuse::No(NoReuse::Http10));
}
