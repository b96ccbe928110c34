//! Whether an event's fields hold what is looked for.
//!
//! Most events do not, so a filter first looks for the value beside its field's name in the text, as it
//! stands: JSON of ours has no white space between its parts. Only where it is there, or where the text has
//! escapes that could hide it, is the JSON taken apart.

use crate::log::Key;
use memchr::{memchr, memchr2, memmem};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How a field's text is compared with a value. The case of ASCII letters does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// They are the same.
    Whole,
    /// Each word of the value is a word of the text; words are what spaces, `-` and `_` divide.
    Words,
    /// The same, and `.` divides too; of an address, its domain.
    Domain,
    /// The value is a pattern in which `%` stands for any text.
    Pattern,
}

/// One condition: any of the fields holds any of the values.
#[derive(Clone, Debug)]
pub struct Filter {
    fields: &'static [&'static str],
    how: Match,
    values: Vec<String>,
    /// `"field":`, each.
    needles: Vec<memmem::Finder<'static>>,
}

impl Filter {
    /// One of `fields` holds one of `values`.
    pub fn new(
        fields: &'static [&'static str],
        how: Match,
        values: impl IntoIterator<Item = String>,
    ) -> Filter {
        let needle = |field: &&str| memmem::Finder::new(&format!("\"{field}\":")).into_owned();
        Filter {
            fields,
            how,
            values: values.into_iter().map(|v| v.to_ascii_lowercase()).collect(),
            needles: fields.iter().map(needle).collect(),
        }
    }

    /// What an index may know such events by: of each list one. No list where not each of its fields is indexed.
    pub(super) fn keys(&self) -> Vec<Vec<Key>> {
        let pairs = self.fields.iter();
        let pairs = pairs.flat_map(|field| self.values.iter().map(move |value| (field, value)));
        let known: Option<Vec<_>> = pairs
            .map(|(field, value)| self.known_by(field, value))
            .collect();
        match known {
            None => Vec::new(),
            // Every word must be there.
            Some(one) if one.len() == 1 => one.into_iter().flatten().map(|key| vec![key]).collect(),
            Some(any) => vec![
                any.into_iter()
                    .filter_map(|keys| keys.first().copied())
                    .collect(),
            ],
        }
    }

    /// All the keys of an event whose field holds a value, the one that says most first; `None` where the field
    /// is not indexed for that.
    fn known_by(&self, field: &str, value: &str) -> Option<Vec<Key>> {
        let whole = || Key::whole(field, value).map(|key| vec![key]);
        let words = || {
            let words = value.split([' ', '-', '_', '.']);
            let mut words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
            // A long word is seldom a common one.
            words.sort_by_key(|word| std::cmp::Reverse(word.len()));
            let keys = words.iter().map(|word| Key::word(field, word));
            let keys: Option<Vec<Key>> = keys.collect();
            keys.filter(|keys| !keys.is_empty())
        };
        match self.how {
            Match::Whole => whole().or_else(words),
            Match::Words | Match::Domain => words(),
            Match::Pattern => None,
        }
    }

    /// Looks for it in the text as it stands. A field of that name may also be nested, so this only tells
    /// where the text has to be taken apart.
    fn may_match(&self, text: &[u8]) -> bool {
        self.needles.iter().any(|needle| {
            needle.find_iter(text).any(|at| {
                let value = &text[at + needle.needle().len()..];
                let value = match value.split_first() {
                    Some((b'"', value)) => &value[..memchr(b'"', value).unwrap_or(value.len())],
                    // A number, true or false.
                    _ => &value[..memchr2(b',', b'}', value).unwrap_or(value.len())],
                };
                std::str::from_utf8(value).is_ok_and(|value| self.holds(value))
            })
        })
    }

    fn holds(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        self.values.iter().any(|value| match self.how {
            Match::Whole => text == *value,
            Match::Words => has_words(&text, value, &[' ', '-', '_']),
            Match::Domain => {
                let domain = text.rsplit('@').next().unwrap_or_default();
                has_words(domain, value, &[' ', '-', '_', '.'])
            }
            Match::Pattern => fits(text.as_bytes(), value.as_bytes()),
        })
    }

    fn matches(&self, fields: &BTreeMap<Cow<'_, str>, &RawValue>) -> bool {
        self.fields.iter().any(|name| {
            let text = fields
                .get(*name)
                .and_then(|raw| match raw.get().as_bytes() {
                    [b'"', ..] => serde_json::from_str::<String>(raw.get()).ok(),
                    [b'{' | b'[', ..] => None,
                    _ => Some(raw.get().to_owned()),
                });
            text.is_some_and(|text| self.holds(&text))
        })
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    msys: BTreeMap<Cow<'a, str>, BTreeMap<Cow<'a, str>, &'a RawValue>>,
}

/// Whether an event, in its envelope, fits all filters.
pub(super) fn all_match(filters: &[Filter], text: &[u8]) -> bool {
    let hidden = || memchr(b'\\', text).is_some();
    if filters.is_empty() {
        return true;
    }
    if !filters.iter().all(|f| f.may_match(text)) && !hidden() {
        return false;
    }
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(text) else {
        return false;
    };
    let mut fields = envelope.msys.values();
    fields.any(|fields| filters.iter().all(|f| f.matches(fields)))
}

fn has_words(text: &str, value: &str, dividers: &[char]) -> bool {
    let words = |text: &'_ str| -> Vec<String> {
        let parts = text.split(|c| dividers.contains(&c));
        parts.filter(|w| !w.is_empty()).map(str::to_owned).collect()
    };
    let (have, want) = (words(text), words(value));
    !want.is_empty() && want.iter().all(|word| have.contains(word))
}

/// Whether all of `text` fits `pattern`; `%` is any text. Linear but for the last `%` that was tried.
fn fits(text: &[u8], pattern: &[u8]) -> bool {
    let (mut t, mut p) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'%') {
            again = Some((p + 1, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            (t, p) = (t + 1, p + 1);
        } else if let Some((after, from)) = again {
            again = Some((after, from + 1));
            (p, t) = (after, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'%')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(fields: &str) -> String {
        format!("{{\"msys\":{{\"message_event\":{{{fields}}}}}}}")
    }

    fn found(how: Match, value: &str, text: &str) -> bool {
        let filter = Filter::new(&["subject", "reason"], how, [value.to_owned()]);
        all_match(&[filter], event(text).as_bytes())
    }

    #[test]
    fn whole_values_are_compared_without_case() {
        let text = r#""type":"bounce","subject":"Hello Wörld""#;
        assert!(found(Match::Whole, "hello wörld", text));
        assert!(found(Match::Whole, "HELLO WöRLD", text));
        assert!(!found(Match::Whole, "hello", text));
        assert!(found(
            Match::Whole,
            "gone",
            r#""subject":"x","reason":"Gone""#
        ));
    }

    #[test]
    fn words_are_whole_words_and_all_of_them() {
        let text = r#""subject":"Summer-deals are_here now.please""#;
        for value in ["summer", "deals", "here", "here Summer", "now.please"] {
            assert!(found(Match::Words, value, text), "{value}");
        }
        for value in ["sum", "now", "summer winter", "", "-"] {
            assert!(!found(Match::Words, value, text), "{value}");
        }
        let address = r#""subject":"mail@news.example.com""#;
        assert!(found(Match::Domain, "example.com", address));
        assert!(found(Match::Domain, "news", address));
        assert!(!found(Match::Domain, "mail", address));
        assert!(!found(Match::Domain, "ample.com", address));
    }

    #[test]
    fn a_pattern_has_any_text_where_its_percent_signs_are() {
        let text = r#""reason":"550 5.1.1 user unknown""#;
        for value in [
            "%user%",
            "550%",
            "%unknown",
            "%",
            "5%5%u%n",
            "550 5.1.1 user unknown",
        ] {
            assert!(found(Match::Pattern, value, text), "{value}");
        }
        for value in ["user", "551%", "%user", "", "%unknownx%"] {
            assert!(!found(Match::Pattern, value, text), "{value}");
        }
    }

    #[test]
    fn escapes_hide_nothing_and_nested_fields_are_not_the_events() {
        assert!(found(Match::Whole, "a\"b", r#""subject":"a\"b""#));
        assert!(found(Match::Whole, "abc", r#""subject":"\u0061bc""#));
        assert!(found(Match::Whole, "abc", r#""sub\u006aect":"abc""#));
        assert!(!found(
            Match::Whole,
            "abc",
            r#""rcpt_meta":{"subject":"abc"}"#
        ));
        assert!(!found(Match::Whole, "abc", r#""x":"\"subject\":\"abc\"""#));
        assert!(!found(Match::Whole, "[7]", r#""subject":[7]"#));
    }

    #[test]
    fn numbers_and_truth_values_are_compared_as_they_stand() {
        assert!(found(Match::Whole, "7", r#""subject":7"#));
        assert!(found(Match::Whole, "True", r#""a":1,"subject":true,"b":2"#));
        assert!(!found(Match::Whole, "false", r#""subject":true"#));
    }
}
