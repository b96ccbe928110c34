//! Where bodies end.

use super::*;

/// Row 3.
#[test]
fn answers_without_body_ignore_their_content_length() {
    for status in [204, 304] {
        fine(
            format!("HTTP/1.1 {status} x\r\nContent-Length: 7\r\n\r\n"),
            status,
            "",
        );
        fine(
            format!("HTTP/1.1 {status} x\r\nTransfer-Encoding: chunked\r\n\r\n"),
            status,
            "",
        );
    }
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
    let answer = read_with((Method::Head, Limits::default()), head, Then::Open);
    is(answer, 200, "", BodyEnd::Complete, Reuse::Yes);
}

/// Row 4.
#[test]
fn content_length_twice_with_the_same_value_is_one() {
    fine(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        200,
        "hello",
    );
    fine(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 05\r\n\r\nhello",
        200,
        "hello",
    );
}

/// Row 4.
#[test]
fn content_length_that_is_not_one_number_is_refused() {
    let bad = [
        "5\r\nContent-Length: 6",
        "5, 5",
        "5,6",
        "+5",
        "-5",
        "0x5",
        "5 5",
        "",
        "five",
        "5.0",
        "٥",
        "100000000000000000000",
        "000000000000000000005",
    ];
    for value in bad {
        refused(
            format!("HTTP/1.1 200 OK\r\nContent-Length: {value}\r\n\r\nhello"),
            ProtocolError::ContentLength,
        );
    }
}

#[test]
fn the_largest_content_length_does_not_overflow() {
    let bytes = "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\nabc";
    is(
        read_then(bytes, Then::Fin),
        200,
        "abc",
        BodyEnd::Truncated,
        Reuse::No(NoReuse::BodyCut),
    );
}

/// Row 5.
#[test]
fn chunked_wins_over_content_length_and_the_connection_is_not_reused() {
    let bytes = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
                 5\r\nhello\r\n0\r\n\r\n";
    is(
        read(bytes),
        200,
        "hello",
        BodyEnd::Complete,
        Reuse::No(NoReuse::BothFramings),
    );
}

/// Row 6.
#[test]
fn transfer_encoding_on_http_1_0_is_refused() {
    refused(
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ProtocolError::TransferEncoding,
    );
}

/// Row 6.
#[test]
fn chunked_that_is_not_the_last_coding_ends_with_the_connection() {
    for coding in [
        "chunked, gzip",
        "gzip",
        "Chunked\r\nTransfer-Encoding: deflate",
    ] {
        let bytes = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\nraw");
        is(
            read_then(bytes, Then::Fin),
            200,
            "raw",
            BodyEnd::Complete,
            Reuse::No(NoReuse::UntilClose),
        );
    }
}

/// Row 6.
#[test]
fn gzip_then_chunked_gives_the_gzip_bytes() {
    for coding in [
        "gzip, chunked",
        "gzip\r\nTransfer-Encoding: chunked",
        "x-GZIP ,, CHUNKED",
    ] {
        fine(
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n2\r\n\x1fz\r\n0\r\n\r\n"
            ),
            200,
            "\x1fz",
        );
    }
}

/// Row 6.
#[test]
fn an_unknown_or_repeated_transfer_coding_is_refused() {
    for coding in [
        "chunked, chunked",
        "identity",
        "br, chunked",
        "chunked;q=1",
        "",
        ",",
        "xchunked",
    ] {
        refused(
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n"),
            ProtocolError::TransferEncoding,
        );
    }
}

/// Row 6.
#[test]
fn an_empty_element_behind_the_last_coding_is_refused() {
    for coding in [
        "gzip, chunked,",
        "chunked ,\t",
        "chunked\r\nTransfer-Encoding:",
    ] {
        refused(
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n"),
            ProtocolError::TransferEncoding,
        );
    }
}

/// Row 11.
#[test]
fn a_body_until_close_is_complete_only_after_a_clean_end() {
    let bytes = "HTTP/1.1 200 OK\r\n\r\nhello";
    assert_eq!(read(bytes), Err(Failure::Unfinished));
    is(
        read_then(bytes, Then::Fin),
        200,
        "hello",
        BodyEnd::Complete,
        Reuse::No(NoReuse::UntilClose),
    );
    is(
        read_then(bytes, Then::Reset),
        200,
        "hello",
        BodyEnd::Truncated,
        Reuse::No(NoReuse::BodyCut),
    );
}

/// Row 11.
#[test]
fn a_body_that_is_cut_keeps_its_status() {
    for bytes in [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello",
    ] {
        for then in [Then::Fin, Then::Reset] {
            is(
                read_then(bytes, then),
                200,
                "hello",
                BodyEnd::Truncated,
                Reuse::No(NoReuse::BodyCut),
            );
        }
    }
}

/// Row 20.
#[test]
fn an_endless_body_is_given_up_at_the_limit() {
    let limits = Limits {
        body_kept: 4,
        body_read: 1000,
        ..Limits::default()
    };
    let how = (Method::Post, limits);
    let filler = "x".repeat(1001);
    for head in [
        "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n".to_owned(),
    ] {
        let bytes = head.clone() + &filler;
        is(
            read_with(how, bytes.as_bytes(), Then::Open),
            200,
            "xxxx",
            BodyEnd::TooLong,
            Reuse::No(NoReuse::BodyCut),
        );
        let at_limit = head + &filler[..1000];
        assert_eq!(
            read_with(how, at_limit.as_bytes(), Then::Open),
            Err(Failure::Unfinished)
        );
    }
}

#[test]
fn no_more_of_the_body_is_kept_than_asked() {
    let limits = Limits {
        body_kept: 3,
        ..Limits::default()
    };
    let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let answer = read_with((Method::Post, limits), bytes, Then::Open);
    is(answer, 200, "hel", BodyEnd::Complete, Reuse::Yes);
}
