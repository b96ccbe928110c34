//! The request's head, and what may not get into it.

use crate::http::proto::{HeaderError, HeaderLines, Method, check_header, write_head};

fn written(method: Method, lines: &HeaderLines, body_len: u64) -> String {
    let mut out = Vec::new();
    write_head(
        &mut out,
        method,
        "example.com:8080",
        "/hook?a=b",
        "Postrider/9",
        lines,
        body_len,
    );
    String::from_utf8(out).unwrap()
}

#[test]
fn a_head_is_written_in_full() {
    let mut lines = HeaderLines::new();
    lines.push("Content-Type", "application/json").unwrap();
    lines.push("X-MessageSystems-Batch-ID", "abc").unwrap();
    assert_eq!(
        written(Method::Post, &lines, 790_002),
        "POST /hook?a=b HTTP/1.1\r\nHost: example.com:8080\r\nUser-Agent: Postrider/9\r\n\
         Content-Length: 790002\r\nContent-Type: application/json\r\n\
         X-MessageSystems-Batch-ID: abc\r\n\r\n"
    );
}

#[test]
fn an_empty_post_says_so_and_a_get_says_nothing() {
    assert!(written(Method::Post, &HeaderLines::new(), 0).contains("\r\nContent-Length: 0\r\n"));
    assert!(!written(Method::Get, &HeaderLines::new(), 0).contains("Content-Length"));
}

#[test]
fn a_user_agent_of_the_caller_replaces_ours() {
    let mut lines = HeaderLines::new();
    lines.push("user-agent", "SparkPost").unwrap();
    let mut all = HeaderLines::new();
    all.extend(&lines);
    let head = written(Method::Post, &all, 0);
    assert!(head.contains("user-agent: SparkPost\r\n") && !head.contains("Postrider"));
}

/// No header can be smuggled in through a name or a value.
#[test]
fn headers_that_could_break_out_of_their_line_are_refused() {
    for value in ["a\r\nB: c", "a\nB: c", "a\rb", "a\0b", "a\x7fb", "\x1b[m"] {
        assert_eq!(
            check_header("X-A", value),
            Err(HeaderError::Value("X-A".into())),
            "{value:?}"
        );
    }
    for name in ["", "A B", "A:", "A\r\nB", "Ä", "A\0", "A(b)"] {
        assert_eq!(
            check_header(name, "v"),
            Err(HeaderError::Name(name.into())),
            "{name:?}"
        );
    }
    assert_eq!(check_header("X-A", "tab\tand ünïcode are fine"), Ok(()));
}

#[test]
fn headers_that_frame_the_message_are_reserved() {
    for name in [
        "Host",
        "content-LENGTH",
        "Transfer-Encoding",
        "Connection",
        "Expect",
        "TE",
    ] {
        assert_eq!(
            check_header(name, "v"),
            Err(HeaderError::Reserved(name.into()))
        );
    }
}

#[test]
fn a_refused_header_leaves_the_lines_as_they_were() {
    let mut lines = HeaderLines::new();
    lines.push("A", "1").unwrap();
    lines.push("B", "\r\n").unwrap_err();
    assert_eq!(lines.as_bytes(), b"A: 1\r\n");
}

#[test]
fn values_of_headers_are_not_shown() {
    let mut lines = HeaderLines::new();
    lines.push("Authorization", "Bearer hush: hush").unwrap();
    lines.push("X-Key", "hush").unwrap();
    assert_eq!(format!("{lines:?}"), r#"["Authorization", "X-Key"]"#);
}
