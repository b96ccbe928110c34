//! From a reply to a class: phrases, then the enhanced status code, then the reply code.

use crate::rules::{CLASSES, PHRASES};
use aho_corasick::{AhoCorasick, MatchKind};
use postrider_filter::Error;
use serde::Deserialize;

/// A phrase and the class that it means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    class: u8,
    phrase: String,
}

/// What a reply means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The bounce class, as the contract numbers it.
    pub class: u8,
    /// The reply code, if it has one.
    pub code: Option<u16>,
}

/// Finds the class of replies.
pub struct Classifier {
    phrases: AhoCorasick,
    /// The class of each phrase; those first in the list count most.
    classes: Vec<u8>,
}

impl Classifier {
    /// With an operator's phrases before the known ones.
    ///
    /// # Errors
    /// A class that there is not, or an empty phrase.
    pub fn with(rules: &[Rule]) -> Result<Classifier, Error> {
        for rule in rules {
            if !CLASSES.contains(&rule.class) {
                return Err(Error::new(format!(
                    "rules: class {}: there is no such class",
                    rule.class
                )));
            }
            if rule.phrase.trim().is_empty() {
                return Err(Error::new("rules: empty phrase"));
            }
        }
        let known = PHRASES
            .iter()
            .flat_map(|(class, phrases)| phrases.iter().map(|p| (*class, *p)));
        let all: Vec<(u8, &str)> = rules
            .iter()
            .map(|r| (r.class, r.phrase.as_str()))
            .chain(known)
            .collect();
        let phrases = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(all.iter().map(|(_, phrase)| phrase))?;
        Ok(Classifier {
            phrases,
            classes: all.iter().map(|(class, _)| *class).collect(),
        })
    }

    /// What a reply means. `code` is its reply code where that is known otherwise.
    pub fn judge(&self, reply: &str, code: Option<u16>) -> Judged {
        let code = code.or_else(|| reply_code(reply));
        let phrase = self
            .phrases
            .find_overlapping_iter(reply)
            .map(|m| m.pattern().as_usize())
            .min();
        let class = phrase
            .map(|at| self.classes[at])
            .or_else(|| enhanced_code(reply).and_then(of_enhanced))
            .unwrap_or_else(|| of_code(code));
        Judged { class, code }
    }
}

/// The reply code: three digits with a space or hyphen behind them that begin the text, or a part of it behind a colon.
fn reply_code(reply: &str) -> Option<u16> {
    let begins = |text: &str| {
        let digits = text
            .get(..3)
            .filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
        let ends = text[3..]
            .chars()
            .next()
            .is_none_or(|c| c == ' ' || c == '-');
        digits
            .parse()
            .ok()
            .filter(|code| ends && (200..600).contains(code))
    };
    begins(reply.trim_start_matches('#')).or_else(|| {
        reply
            .split(": ")
            .skip(1)
            .find_map(|part| begins(part.trim_start()))
    })
}

/// The first enhanced status code (RFC 3463): class 2, 4 or 5, subject, detail; nothing that could be part of an address.
fn enhanced_code(reply: &str) -> Option<(u8, u16, u16)> {
    let outside = |c: char| !(c.is_ascii_alphanumeric() || c == '.');
    reply.split(outside).find_map(|word| {
        let mut parts = word.trim_end_matches('.').split('.');
        let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || !matches!(class, "2" | "4" | "5") {
            return None;
        }
        Some((
            class.parse().ok()?,
            subject.parse().ok()?,
            detail.parse().ok()?,
        ))
    })
}

fn of_enhanced((class, subject, detail): (u8, u16, u16)) -> Option<u8> {
    Some(match (subject, detail) {
        (1, 2 | 8 | 10) => 21,
        (1, 7) => 50,
        (1, 0 | 1 | 3 | 4 | 6) => 10,
        (2, 1) if class == 5 => 10,
        (2, 2) => 22,
        (2, 3) | (3, 4) => 23,
        (3, _) if class == 4 => 70,
        (4, 1 | 7) => 24,
        (4, 3 | 4) => 21,
        (4, 5) => 70,
        (4, _) if class == 4 => 20,
        (7, _) => match class {
            4 => 70,
            _ => 50,
        },
        _ => return None,
    })
}

fn of_code(code: Option<u16>) -> u8 {
    match code {
        Some(421 | 451) => 70,
        Some(452 | 552) => 22,
        Some(400..500) => 20,
        Some(500..600) => 40,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_where_they_stand() {
        for (reply, code, enhanced) in [
            ("550 5.1.1 gone", Some(550), Some((5, 1, 1))),
            ("550-5.1.1 gone", Some(550), Some((5, 1, 1))),
            ("#550 5.1.1 RESOLVER", Some(550), Some((5, 1, 1))),
            ("421", Some(421), None),
            ("Sorry (#5.1.1)", None, Some((5, 1, 1))),
            (
                "SMTP error from remote mail server after RCPT TO:<a@example.com>: 550 5.7.1 no",
                Some(550),
                Some((5, 7, 1)),
            ),
            ("host 5.1.1.7 said nothing", None, None),
            ("version 5.1.1b and 15.1.1", None, None),
            ("1234 not a code, 55 neither", None, None),
            ("\u{e9}\u{e9} 550", None, None),
        ] {
            assert_eq!(reply_code(reply), code, "{reply}");
            assert_eq!(enhanced_code(reply), enhanced, "{reply}");
        }
    }

    #[test]
    fn without_words_the_codes_decide() {
        let classifier = Classifier::with(&[]).unwrap();
        for (reply, class) in [
            ("550 5.2.2 x", 22),
            ("450 4.2.2 x", 22),
            ("554 5.7.1 x", 50),
            ("450 4.7.1 x", 70),
            ("550 x", 40),
            ("450 x", 20),
            ("x", 1),
        ] {
            assert_eq!(classifier.judge(reply, None).class, class, "{reply}");
        }
        assert_eq!(classifier.judge("x", Some(552)).class, 22);
    }
}
