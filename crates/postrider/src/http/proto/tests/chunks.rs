//! Chunked bodies.

use super::*;

fn chunked(rest: impl AsRef<str>) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        rest.as_ref()
    )
}

/// Asserts that the body is malformed; the status stands.
#[track_caller]
fn malformed(rest: impl AsRef<str>) {
    let answer = read(chunked(rest)).expect("an answer");
    assert_eq!((answer.head.status, answer.end), (200, BodyEnd::Malformed));
    assert_eq!(answer.reuse, Reuse::No(NoReuse::BodyCut));
}

#[test]
fn chunks_are_joined() {
    fine(chunked("0\r\n\r\n"), 200, "");
    fine(
        chunked("5\r\nhello\r\n1\r\n \r\n00005\r\nworld\r\n000\r\n\r\n"),
        200,
        "hello world",
    );
    let long = "x".repeat(0x1AB);
    fine(chunked(format!("1aB\r\n{long}\r\n0\r\n\r\n")), 200, &long);
}

/// Row 7.
#[test]
fn a_chunk_size_is_one_to_sixteen_hex_digits() {
    fine(chunked("0000000000000002\r\nok\r\n0\r\n\r\n"), 200, "ok");
    for size in [
        "",
        ";a",
        " 2",
        "00000000000000002",
        "0x2",
        "+2",
        "-2",
        "g",
        "2g",
        "2\u{0}",
        "2_",
        "2 2",
    ] {
        malformed(format!("{size}\r\nok\r\n0\r\n\r\n"));
    }
}

/// Row 7.
#[test]
fn blanks_between_size_and_extension_are_skipped() {
    fine(chunked("2 ;a=b\r\nok\r\n0\t \r\n\r\n"), 200, "ok");
}

/// Row 8.
#[test]
fn chunk_extensions_are_limited_over_the_whole_body() {
    let limits = Limits {
        extension_bytes: 30,
        ..Limits::default()
    };
    let body = |n: usize| chunked("1;a\r\nx\r\n".repeat(n) + "0\r\n\r\n");
    let how = (Method::Post, limits);
    let answer = read_with(how, body(15).as_bytes(), Then::Open);
    is(answer, 200, &"x".repeat(15), BodyEnd::Complete, Reuse::Yes);
    let answer = read_with(how, body(16).as_bytes(), Then::Open).unwrap();
    assert_eq!(answer.end, BodyEnd::Malformed);
}

/// Row 8.
#[test]
fn a_million_chunks_with_an_extension_each_are_cut_short() {
    let bytes = chunked("1;\r\nx\r\n".repeat(1_000_000));
    let how = (Method::Post, Limits::default());
    let answer = feed(how, bytes.as_bytes().chunks(1460), Then::Open).unwrap();
    assert_eq!(answer.end, BodyEnd::Malformed);
    assert_eq!(
        answer.body.len(),
        Limits::default().extension_bytes as usize
    );
}

/// Row 8.
#[test]
fn endless_blanks_behind_a_size_are_limited() {
    malformed("2".to_owned() + &" ".repeat(20_000));
}

/// Row 9.
#[test]
fn chunk_data_must_be_followed_by_cr_lf() {
    for end in ["", "\n", "\r", "x\r\n", "\r\r\n"] {
        malformed(format!("2\r\nok{end}0\r\n\r\n"));
    }
}

/// Row 9.
#[test]
fn chunk_lines_must_end_in_cr_lf() {
    malformed("2\nok\r\n0\r\n\r\n");
    malformed("2\rok\r\n0\r\n\r\n");
    malformed("2;a\nok\r\n0\r\n\r\n");
    malformed("2;a\rb\r\nok\r\n0\r\n\r\n");
    malformed("0\r\n\n");
    malformed("0\r\n\rx");
    malformed("0\r\nA: b\n\r\n");
    malformed("0\r\nA: b\rc\r\n\r\n");
}

/// Row 10.
#[test]
fn trailers_are_read_and_ignored() {
    fine(
        chunked("2\r\nok\r\n0\r\nA: b\r\nContent-Length: 99\r\nConnection: close\r\n\r\n"),
        200,
        "ok",
    );
    let many: String = (0..500).map(|i| format!("T{i}: v\r\n")).collect();
    fine(chunked(format!("0\r\n{many}\r\n")), 200, "");
}

/// Row 10.
#[test]
fn trailers_are_limited() {
    let limits = Limits {
        trailer_bytes: 10,
        ..Limits::default()
    };
    let how = (Method::Post, limits);
    let ok = read_with(
        how,
        chunked("0\r\nA: 1\r\nB: 2\r\n\r\n").as_bytes(),
        Then::Open,
    );
    is(ok, 200, "", BodyEnd::Complete, Reuse::Yes);
    let over = read_with(
        how,
        chunked("0\r\nA: 1\r\nB: 2\r\nC\r\n\r\n").as_bytes(),
        Then::Open,
    );
    assert_eq!(over.unwrap().end, BodyEnd::Malformed);
    malformed("0\r\nA: ".to_owned() + &"v".repeat(20_000));
}
