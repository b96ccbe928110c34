//! Where an event's fields are in its text: found once, when a filter first asks for one.
//!
//! The text is what the encoder writes, on one line and without white space:
//! `{"msys":{"<category>":{"type":"<type>","<name>":<value>,…}}}`. It may come from another process
//! by way of the inbox, so nothing is taken on trust: what does not look so is not an event.

use crate::event::{Catalogue, MAX_FIELDS};
use std::ops::Range;

/// Fields of an event at most: those given, and what the encoder adds (`type`, `event_id`, `timestamp`).
pub(super) const MOST: usize = MAX_FIELDS + 3;

/// One field of an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// Its number in the catalogue; 0 where it is not there.
    pub(super) id: u16,
    name: (u32, u32),
    value: (u32, u32),
}

impl Member {
    /// The name as it stands between its quotes.
    pub(super) fn name<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.name.0 as usize..self.name.1 as usize]
    }

    /// The value as it stands.
    pub(super) fn value<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.value.0 as usize..self.value.1 as usize]
    }

    /// From the comma before its name to the end of its value.
    pub(super) fn whole<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.name.0 as usize - 2..self.value.1 as usize]
    }
}

/// What stands before the first comma of the fields, and after the last field.
pub(super) fn envelope<'a>(text: &'a [u8], members: &[Member]) -> Option<(&'a [u8], &'a [u8])> {
    let (first, last) = (members.first()?, members.last()?);
    // `type` is always the first member; it belongs to the envelope.
    Some((
        &text[..first.value.1 as usize],
        &text[last.value.1 as usize..],
    ))
}

/// Appends the members of the event's object, `type` first, to `out`, and says which those are. `None`, and nothing
/// appended, where the text is not an event.
pub(super) fn find(text: &[u8], out: &mut Vec<Member>) -> Option<Range<usize>> {
    let start = out.len();
    match walk(text, out) {
        Some(()) if out.len() > start => Some(start..out.len()),
        _ => {
            out.truncate(start);
            None
        }
    }
}

fn walk(text: &[u8], out: &mut Vec<Member>) -> Option<()> {
    let rest = text.strip_prefix(b"{\"msys\":{\"")?;
    let category = string_end(text, text.len() - rest.len())?;
    let mut at = category + 1;
    at = expect(text, at, b":{")?;
    if !text[at..].starts_with(b"\"type\":\"") {
        return None;
    }
    for _ in 0..MOST {
        at = expect(text, at, b"\"")?;
        let name = (at, string_end(text, at)?);
        let value = expect(text, name.1, b"\":")?;
        let end = value_end(text, value)?;
        out.push(Member {
            id: number(&text[name.0..name.1]),
            name: (name.0 as u32, name.1 as u32),
            value: (value as u32, end as u32),
        });
        match text.get(end)? {
            b',' => at = end + 1,
            b'}' => return (&text[end..] == b"}}}").then_some(()),
            _ => return None,
        }
    }
    None
}

fn number(name: &[u8]) -> u16 {
    let name = str::from_utf8(name).ok();
    name.and_then(Catalogue::field_by_name)
        .map_or(0, |info| info.id.0)
}

fn expect(text: &[u8], at: usize, what: &[u8]) -> Option<usize> {
    text.get(at..)?.starts_with(what).then_some(at + what.len())
}

/// Where the string whose inside starts at `at` has its closing quote.
fn string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        match text[at] {
            b'"' => return Some(at),
            _ => at += 2,
        }
    }
}

/// The end of the value that starts at `at`.
fn value_end(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' => Some(string_end(text, at + 1)? + 1),
        b'{' | b'[' => container_end(text, at),
        _ => {
            let plain = |b: &u8| !matches!(b, b',' | b'}' | b']');
            let len = text[at..].iter().take_while(|b| plain(b)).count();
            (len > 0).then_some(at + len)
        }
    }
}

fn container_end(text: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match text.get(at)? {
            b'"' => at = string_end(text, at + 1)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &[u8] = br#"{"msys":{"message_event":{"type":"delivery","rcpt_to":"a\"b","num_retries":"2","rcpt_tags":["x","}"],"x_n":-1.5,"rcpt_meta":{"a":{"b":[]}}}}}"#;

    #[test]
    fn every_member_is_found_with_its_value() {
        let mut members = Vec::new();
        let range = find(EVENT, &mut members).unwrap();
        let found: Vec<(String, String)> = members[range]
            .iter()
            .map(|m| {
                let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
                (text(m.name(EVENT)), text(m.value(EVENT)))
            })
            .collect();
        let expected = [
            ("type", r#""delivery""#),
            ("rcpt_to", r#""a\"b""#),
            ("num_retries", r#""2""#),
            ("rcpt_tags", r#"["x","}"]"#),
            ("x_n", "-1.5"),
            ("rcpt_meta", r#"{"a":{"b":[]}}"#),
        ];
        let expected = expected.map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(found, expected);
        assert_eq!(members[4].id, 0);
        assert_eq!(members[1].id, crate::event::fields::RCPT_TO.0);
    }

    /// Every event with one byte changed, and every beginning of one: an answer, never a panic.
    #[test]
    fn damaged_text_is_not_an_event_or_is_read_within_its_bounds() {
        let mut members = Vec::new();
        for end in 0..EVENT.len() {
            assert!(find(&EVENT[..end], &mut members).is_none(), "{end}");
        }
        let mut text = EVENT.to_vec();
        for at in 0..text.len() {
            for byte in [
                b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', b'x', 0, 0xff,
            ] {
                let before = std::mem::replace(&mut text[at], byte);
                members.clear();
                if let Some(range) = find(&text, &mut members) {
                    for member in &members[range] {
                        assert!(member.value(&text).len() + member.name(&text).len() < text.len());
                    }
                }
                text[at] = before;
            }
        }
    }
}
