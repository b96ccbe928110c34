//! What of a text may stay.

use std::net::IpAddr;

/// The domain of a mail address, the network of an IP address (24 bits of version 4, 48 of version 6), else nothing.
pub(crate) fn whole(text: &str) -> String {
    if let Some((_, domain)) = text.rsplit_once('@') {
        return format!("***@{}", domain.trim_end_matches('>'));
    }
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}.0")
        }
        Ok(IpAddr::V6(ip)) => {
            let [a, b, c, ..] = ip.segments();
            std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).to_string()
        }
        Err(_) => "***".to_owned(),
    }
}

/// The text with the local part of each mail address in it masked.
pub(crate) fn addresses(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let (before, behind) = rest.split_at(at);
        let domain = behind[1..].starts_with(|c: char| c.is_alphanumeric() || c == '[');
        let start = local_start(before);
        if domain && start < before.len() {
            out.push_str(&before[..start]);
            out.push_str("***@");
        } else {
            out.push_str(before);
            out.push('@');
        }
        rest = &behind[1..];
    }
    out.push_str(rest);
    out
}

/// Where the local part that ends `text` starts: RFC 5322 atom characters and dots, what is beyond ASCII (RFC 6531), or one
/// quoted string.
fn local_start(text: &str) -> usize {
    if let Some(inner) = text.strip_suffix('"') {
        let mut end = inner.len();
        while let Some(quote) = inner[..end].rfind('"') {
            let escaped = inner[..quote]
                .bytes()
                .rev()
                .take_while(|b| *b == b'\\')
                .count()
                % 2
                == 1;
            if !escaped {
                return quote;
            }
            end = quote;
        }
    }
    let atom = |c: char| c.is_alphanumeric() || !c.is_ascii() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
    text.trim_end_matches(atom).len()
}
