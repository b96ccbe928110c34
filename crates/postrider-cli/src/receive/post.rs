//! Requests as they come in.

use flate2::read::GzDecoder;
use std::collections::HashMap;
use std::io::{BufRead, Read};

/// Bodies above this are refused with 413.
const MAX_BODY: usize = 64 << 20;

/// Bytes of one line of a head.
const MAX_LINE: u64 = 64 << 10;

/// The batch id of test POSTs.
const TEST_BATCH: &str = "77c2b630-d712-11e4-9642-efc2723b99c1";

/// A POST's head.
pub(super) struct Head {
    pub(super) path: String,
    headers: HashMap<String, String>,
}

/// A whole POST.
pub(super) struct Post {
    pub(super) head: Head,
    /// Uncompressed.
    pub(super) body: Vec<u8>,
}

impl Head {
    /// A header's value; empty if it is not there. `name` in lower case.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Whether it says that it is the test POST of a webhook's creation or validation.
    pub(super) fn is_test(&self) -> bool {
        self.header("x-messagesystems-batch-id") == TEST_BATCH
    }
}

impl Post {
    /// A header's value; empty if it is not there. `name` in lower case.
    pub(super) fn header(&self, name: &str) -> &str {
        self.head.header(name)
    }

    /// Whether it is the test POST of a webhook's creation or validation.
    pub(super) fn is_test(&self) -> bool {
        let text = self.body.iter().filter(|b| !b.is_ascii_whitespace());
        text.eq(br#"[{"msys":{}}]"#.iter())
    }
}

/// One request's head; `None` at the end of the connection, or the status to refuse it with.
pub(super) fn read_head(reader: &mut impl BufRead) -> Result<Option<Head>, u16> {
    let mut line = String::new();
    let mut next = |reader: &mut dyn BufRead| -> Result<Option<String>, u16> {
        line.clear();
        match reader.take(MAX_LINE).read_line(&mut line) {
            Ok(0) | Err(_) => Ok(None),
            Ok(_) if !line.ends_with('\n') => Err(431),
            Ok(_) => Ok(Some(line.trim_end().to_owned())),
        }
    };
    let Some(request) = next(reader)? else {
        return Ok(None);
    };
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or("/"));
    let (method, path) = (method.to_owned(), path.to_owned());
    let mut headers = HashMap::new();
    loop {
        let Some(line) = next(reader)? else {
            return Ok(None);
        };
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or(400_u16)?;
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    if method != "POST" {
        return Err(405);
    }
    Ok(Some(Head { path, headers }))
}

/// The body behind a head; `None` if the connection ended first, or the status to refuse it with.
pub(super) fn read_body(reader: &mut impl Read, head: Head) -> Result<Option<Post>, u16> {
    let length: usize = match head.headers.get("content-length") {
        Some(length) => length.parse().map_err(|_| 400_u16)?,
        None => return Err(411),
    };
    if length > MAX_BODY {
        return Err(413);
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return Ok(None);
    }
    let coding = head.header("content-encoding");
    if coding.eq_ignore_ascii_case("gzip") {
        let mut unpacked = Vec::new();
        let mut decoder = GzDecoder::new(&*body).take(MAX_BODY as u64 + 1);
        decoder.read_to_end(&mut unpacked).map_err(|_| 400_u16)?;
        if unpacked.len() > MAX_BODY {
            return Err(413);
        }
        body = unpacked;
    } else if !coding.is_empty() {
        return Err(415);
    }
    Ok(Some(Post { head, body }))
}
