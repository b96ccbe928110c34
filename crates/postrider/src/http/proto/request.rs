//! The request's head, written so that nothing from outside can add a line to it.

use std::fmt;

use thiserror::Error;

/// Request methods that Postrider sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// `POST`, with a body.
    #[default]
    Post,
    /// `GET`.
    Get,
    /// `HEAD`: its answer has no body, whatever its headers say.
    Head,
    /// `CONNECT`: a 2xx answer to it has no body; behind it, the connection is a tunnel.
    Connect,
}

impl Method {
    /// As it is written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Post => "POST",
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Connect => "CONNECT",
        }
    }
}

/// Header lines that are known to be one line each: `name: value CR LF`, again and again.
///
/// The only way in is [`HeaderLines::push`], which refuses what could end a line or contradict
/// the client's own headers.
/// Credentials are among them: `Debug` shows names alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HeaderLines {
    text: Vec<u8>,
    user_agent: bool,
}

impl fmt::Debug for HeaderLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.text.split(|b| *b == b'\n');
        let names = lines.filter_map(|line| line.split(|b| *b == b':').next());
        let names = names.filter(|name| !name.is_empty());
        f.debug_list()
            .entries(names.map(String::from_utf8_lossy))
            .finish()
    }
}

/// Why a header is not sent.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// The name is empty or holds something else than the token characters of RFC 9110 §5.6.2.
    #[error("header name {0:?} is not a token")]
    Name(String),
    /// The client writes this header itself.
    #[error("header {0:?} is reserved: the client sets it")]
    Reserved(String),
    /// The value holds CR, LF, NUL or another control character.
    #[error("the value of header {0:?} holds a control character")]
    Value(String),
}

/// Headers that frame the message or steer the connection: only the client may write them.
const RESERVED: [&str; 11] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "upgrade",
    "expect",
    "te",
    "trailer",
];

impl HeaderLines {
    /// No lines.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one line.
    pub fn push(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        check_header(name, value)?;
        self.user_agent |= name.eq_ignore_ascii_case("user-agent");
        for part in [name.as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            self.text.extend_from_slice(part);
        }
        Ok(())
    }

    /// Adds `Proxy-Authorization`, Basic, with these encoded credentials: for the client alone.
    pub(in crate::http) fn set_proxy_authorization(&mut self, credentials: &str) {
        debug_assert!(credentials.bytes().all(|b| b.is_ascii_graphic()));
        let line = format!("Proxy-Authorization: Basic {credentials}\r\n");
        self.text.extend_from_slice(line.as_bytes());
    }

    /// Adds all lines of `other`.
    pub fn extend(&mut self, other: &HeaderLines) {
        self.text.extend_from_slice(&other.text);
        self.user_agent |= other.user_agent;
    }

    /// The lines as they go out.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Whether a line sets `User-Agent`, in place of the client's.
    pub fn sets_user_agent(&self) -> bool {
        self.user_agent
    }
}

/// Checks a header without keeping it: what [`HeaderLines::push`] refuses.
pub fn check_header(name: &str, value: &str) -> Result<(), HeaderError> {
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(HeaderError::Name(name.to_owned()));
    }
    if RESERVED.iter().any(|r| r.eq_ignore_ascii_case(name)) {
        return Err(HeaderError::Reserved(name.to_owned()));
    }
    if value.bytes().any(|b| b != b'\t' && (b < 0x20 || b == 0x7f)) {
        return Err(HeaderError::Value(name.to_owned()));
    }
    Ok(())
}

/// `tchar` of RFC 9110 §5.6.2.
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// Appends a whole request head to `out`.
///
/// `authority` and `request_target` (RFC 9112 §3.2: path and query; through a proxy the whole URL, or
/// host and port) come from a parsed URL, `user_agent` from the checked configuration; `body_len` is sent with every POST, also when it is zero (RFC 9110 §8.6).
pub fn write_head(
    out: &mut Vec<u8>,
    method: Method,
    authority: &str,
    request_target: &str,
    user_agent: &str,
    lines: &HeaderLines,
    body_len: u64,
) {
    let mut put = |part: &str| out.extend_from_slice(part.as_bytes());
    put(method.as_str());
    put(" ");
    put(request_target);
    put(" HTTP/1.1\r\nHost: ");
    put(authority);
    if !lines.sets_user_agent() && !user_agent.is_empty() {
        put("\r\nUser-Agent: ");
        put(user_agent);
    }
    if method == Method::Post || body_len > 0 {
        put("\r\nContent-Length: ");
        put(itoa::Buffer::new().format(body_len));
    }
    put("\r\n");
    out.extend_from_slice(lines.as_bytes());
    out.extend_from_slice(b"\r\n");
}
