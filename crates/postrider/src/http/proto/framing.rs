//! Where an answer's body ends: RFC 9112 §6.3, in one function.

use super::head::{Head, Headers, Version};
use super::{Method, NoReuse, ProtocolError, Reuse};

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// Where the connection ends.
    UntilClose,
}

/// Decides how the body of a final answer is framed, and what that says about the connection.
///
/// The rules, first match wins. Where the RFC leaves a choice, the stricter one is taken: an
/// answer that two parsers could read differently is refused.
///
/// 1. An answer to HEAD, 2xx to CONNECT, and 204 and 304: no body, whatever the headers say.
/// 2. Transfer-Encoding:
///    a. on HTTP/1.0: refused (a proxy that does not know it has passed it on);
///    b. a coding that is unknown, chunked twice, or an empty element behind the last coding, which RFC 9110
///    §5.6.1 passes over and other readers take for a last coding that is not chunked: refused;
///    c. chunked as the last coding: chunks. What other codings leave in them is not undone;
///    d. otherwise the body ends with the connection.
///
///    With a Content-Length beside it, Transfer-Encoding wins and the connection is not reused.
/// 3. Content-Length: decimal digits, at most 19, that fit; given more than once only with the
///    same value. Anything else, a list in one header included, is refused.
/// 4. Otherwise the body ends with the connection.
pub fn framing(method: Method, head: &Head) -> Result<(Framing, Reuse), ProtocolError> {
    let asked = connection_reuse(head);
    // 1
    if method == Method::Connect && matches!(head.status, 200..=299) {
        return Ok((Framing::None, Reuse::Yes));
    }
    if method == Method::Head || matches!(head.status, 204 | 304) {
        return Ok((Framing::None, asked));
    }
    let length = content_length(&head.headers);
    // 2
    if head.headers.get("transfer-encoding").is_some() {
        if head.version == Version::Http10 {
            return Err(ProtocolError::TransferEncoding);
        }
        if !chunked_is_last(&head.headers)? {
            return Ok((Framing::UntilClose, Reuse::No(NoReuse::UntilClose)));
        }
        let reuse = match length {
            Ok(None) => asked,
            Ok(Some(_)) | Err(_) => Reuse::No(NoReuse::BothFramings),
        };
        return Ok((Framing::Chunked, reuse));
    }
    // 3
    if let Some(length) = length? {
        return Ok((Framing::Length(length), asked));
    }
    // 4
    Ok((Framing::UntilClose, Reuse::No(NoReuse::UntilClose)))
}

/// The one value of all Content-Length headers.
fn content_length(headers: &Headers) -> Result<Option<u64>, ProtocolError> {
    let mut found = None;
    for text in headers.all("content-length") {
        // 19 digits always fit 64 bits; `parse` alone would take a plus sign.
        if !(1..=19).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ProtocolError::ContentLength);
        }
        let value = text.parse().map_err(|_| ProtocolError::ContentLength)?;
        if found.is_some_and(|f| f != value) {
            return Err(ProtocolError::ContentLength);
        }
        found = Some(value);
    }
    Ok(found)
}

/// Whether chunked is the last transfer coding; an error where the list is not to be trusted.
fn chunked_is_last(headers: &Headers) -> Result<bool, ProtocolError> {
    const KNOWN: [&str; 5] = ["gzip", "x-gzip", "deflate", "compress", "x-compress"];
    let (mut chunked, mut last) = (0, false);
    let mut ended = false;
    for coding in headers.all("transfer-encoding").flat_map(elements) {
        ended = !coding.is_empty();
        if !ended {
            continue;
        }
        last = coding.eq_ignore_ascii_case("chunked");
        chunked += usize::from(last);
        if !last && !KNOWN.iter().any(|k| k.eq_ignore_ascii_case(coding)) {
            return Err(ProtocolError::TransferEncoding);
        }
    }
    if !ended || chunked > 1 {
        return Err(ProtocolError::TransferEncoding);
    }
    Ok(last)
}

/// What version and Connection say about the connection (RFC 9112 §9.3); `close` wins.
fn connection_reuse(head: &Head) -> Reuse {
    let says = |option: &str| {
        let mut all = head.headers.all("connection").flat_map(tokens);
        all.any(|t| t.eq_ignore_ascii_case(option))
    };
    if says("close") {
        Reuse::No(NoReuse::ServerAsked)
    } else if head.version == Version::Http10 && !says("keep-alive") {
        Reuse::No(NoReuse::Http10)
    } else {
        Reuse::Yes
    }
}

/// The elements of a comma-separated list, empty ones left out (RFC 9110 §5.6.1.2).
fn tokens(list: &str) -> impl Iterator<Item = &str> {
    elements(list).filter(|t| !t.is_empty())
}

/// The elements of a list, empty ones too.
fn elements(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(|t| t.trim_matches([' ', '\t']))
}
