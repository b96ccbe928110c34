//! Where an event's fields are in its text: found once, in one pass, which goes as far as what a filter asks for.
//!
//! The text is what the encoder writes, on one line and without white space:
//! `{"msys":{"<category>":{"type":"<type>","<name>":<value>,…}}}`. It may come from another process
//! by way of the inbox, so nothing is taken on trust: what does not look so is not an event.
//!
//! The pass notes where names and values begin and end, and no more: what a name means is found out by comparing
//! it, length first, with the one that is asked for, which is cheaper than to look up all of them.

use crate::event::MAX_FIELDS;
use std::ops::Range;

/// Fields of an event at most: those given, and what the encoder adds (`type`, `event_id`, `timestamp`).
pub(super) const MOST: usize = MAX_FIELDS + 3;

/// One field of an event: `"name":value`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// Where the name begins, behind its quote.
    name: u32,
    name_end: u32,
    /// Where the value ends. It begins two bytes behind the name.
    end: u32,
    name_escaped: bool,
    /// The value is a string with a backslash in it, or holds one.
    escaped: bool,
}

impl Member {
    /// The name as it stands between its quotes.
    pub(super) fn name<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.name as usize..self.name_end as usize]
    }

    /// The value as it stands.
    pub(super) fn value<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.name_end as usize + 2..self.end as usize]
    }

    /// Whether there is a backslash in the value.
    pub(super) fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// From the comma before its name to the end of its value.
    pub(super) fn whole<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.name as usize - 2..self.end as usize]
    }

    /// Whether this is the field of that name.
    #[inline]
    pub(super) fn is(&self, text: &[u8], name: &str) -> bool {
        if self.name_escaped {
            return self.means(text, name);
        }
        let same_length = (self.name_end - self.name) as usize == name.len();
        same_length && self.name(text) == name.as_bytes()
    }

    #[cold]
    fn means(&self, text: &[u8], name: &str) -> bool {
        let quoted = &text[self.name as usize - 1..=self.name_end as usize];
        serde_json::from_slice::<String>(quoted).is_ok_and(|decoded| decoded == name)
    }
}

/// What stands before the first comma of the fields, and after the last field.
pub(super) fn envelope<'a>(text: &'a [u8], members: &[Member]) -> Option<(&'a [u8], &'a [u8])> {
    let (first, last) = (members.first()?, members.last()?);
    // `type` is always the first member; it belongs to the envelope.
    Some((&text[..first.end as usize], &text[last.end as usize..]))
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
    let mut at = first(text);
    for _ in 0..MOST {
        let (member, behind) = next(text, at?)?;
        out.push(member);
        match behind {
            Some(_) => at = behind,
            None => return Some(()),
        }
    }
    None
}

/// Where the first member is, if the text begins as an event does.
pub(super) fn first(text: &[u8]) -> Option<usize> {
    let rest = text.strip_prefix(b"{\"msys\":{\"")?;
    let (category, _) = string_end(text, text.len() - rest.len())?;
    let at = expect(text, category + 1, b":{")?;
    text[at..].starts_with(b"\"type\":\"").then_some(at)
}

/// The member at `at`, and where the next one is, unless it is the last. `None` where the text is not an event.
pub(super) fn next(text: &[u8], at: usize) -> Option<(Member, Option<usize>)> {
    let name = expect(text, at, b"\"")?;
    let (name_end, name_escaped) = string_end(text, name)?;
    let value = expect(text, name_end, b"\":")?;
    let (end, escaped) = value_end(text, value)?;
    let member = Member {
        name: name as u32,
        name_end: name_end as u32,
        end: end as u32,
        name_escaped,
        escaped,
    };
    match text.get(end)? {
        b',' => Some((member, Some(end + 1))),
        b'}' => (&text[end..] == b"}}}").then_some((member, None)),
        _ => None,
    }
}

fn expect(text: &[u8], at: usize, what: &[u8]) -> Option<usize> {
    text.get(at..)?.starts_with(what).then_some(at + what.len())
}

/// Where the string whose inside starts at `at` has its closing quote, and whether there is a backslash before that.
///
/// Eight bytes at a time at first: most strings are shorter than what it takes to start a vector search.
#[inline]
fn string_end(text: &[u8], mut at: usize) -> Option<(usize, bool)> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // The highest bit of every byte that is 0; above the first of them also of others, which does not matter here.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    for _ in 0..4 {
        let Some(word) = text.get(at..)?.first_chunk() else {
            break;
        };
        let word = u64::from_le_bytes(*word);
        let found =
            zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            at += found.trailing_zeros() as usize / 8;
            if text[at] == b'"' {
                return Some((at, false));
            }
            break;
        }
        at += 8;
    }
    string_end_far(text, at)
}

/// The same for what is longer or has a backslash.
#[inline(never)]
fn string_end_far(text: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut escaped = false;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some((at, escaped));
        }
        escaped = true;
        at += 2;
    }
}

/// The end of the value that starts at `at`, and whether there is a backslash in it.
fn value_end(text: &[u8], at: usize) -> Option<(usize, bool)> {
    match text.get(at)? {
        b'"' => string_end(text, at + 1).map(|(end, escaped)| (end + 1, escaped)),
        b'{' | b'[' => container_end(text, at),
        _ => {
            let plain = |b: &u8| !matches!(b, b',' | b'}' | b']');
            let len = text[at..].iter().take_while(|b| plain(b)).count();
            (len > 0).then_some((at + len, false))
        }
    }
}

fn container_end(text: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut depth = 0_usize;
    let mut escaped = false;
    loop {
        match text.get(at)? {
            b'"' => {
                let (end, with_escapes) = string_end(text, at + 1)?;
                escaped |= with_escapes;
                at = end;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some((at, escaped));
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
        let escaped: Vec<bool> = members.iter().map(Member::is_escaped).collect();
        assert_eq!(escaped, [false, true, false, false, false, false]);
    }

    #[test]
    fn a_name_is_what_it_means() {
        let text = br#"{"msys":{"message_event":{"type":"delivery","x_\u0061":1,"x_ab":2}}}"#;
        let mut members = Vec::new();
        find(text, &mut members).unwrap();
        let which = |name| members.iter().position(|m| m.is(text, name));
        assert_eq!(which("type"), Some(0));
        assert_eq!(which("x_a"), Some(1));
        assert_eq!(which("x_ab"), Some(2));
        assert_eq!(which(r"x_\u0061"), None);
        assert_eq!(which("x_"), None);
    }

    /// Quotes and backslashes at every distance, by the plainest search there is.
    #[test]
    fn the_end_of_a_string_is_found_wherever_it_is() {
        for len in 0..80 {
            for at in 0..=len {
                for end in ["\"", "\\\"\"", "\\\\\""] {
                    let mut text = vec![b'a'; len];
                    text.splice(at..at, end.bytes());
                    let expected = at + end.len() - 1;
                    assert_eq!(string_end(&text, 0), Some((expected, end.len() > 1)));
                }
            }
            assert_eq!(string_end(&vec![b'\xa2'; len], 0), None);
            assert_eq!(
                string_end(&[vec![b'a'; len], b"\\".to_vec()].concat(), 0),
                None
            );
        }
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
