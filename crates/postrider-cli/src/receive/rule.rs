//! Rules: which POSTs are answered with something else than 200.
//!
//! ```text
//! rule   = when ":" action
//! when   = "always" | "test" | "first" N | "every" N | "for" SECONDS | "path=" PATH | "event=" TYPE
//! action = STATUS ["retry-after=" SECONDS] | "delay" MILLISECONDS | "reset" | "close" | "hang"
//!        | "early" STATUS | hostile
//! hostile = "endless-body" | "endless-head" | "drip" MILLISECONDS | "reset" BYTES | "garbage"
//!        | "short" | "long" | "cut"
//! ```
//!
//! "early" answers before the body is read, and then closes: what is in the body can't decide it.
//!
//! The first rule that matches decides. Test POSTs are matched by `test` alone, so that a webhook can
//! be created with a receiver that will fail.

use super::hostile::Hostile;
use std::str::FromStr;
use std::time::Duration;

/// Which POSTs a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    /// The test POST of a webhook's creation or validation.
    Test,
    /// The first so many POSTs.
    First(u64),
    /// Every so manieth POST.
    Every(u64),
    /// All POSTs until so long after the start.
    For(Duration),
    /// POSTs to this path.
    Path(String),
    /// POSTs with an event of this type.
    Event(String),
}

/// What happens to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// An answer with this status, and `Retry-After` where given.
    Status(u16, Option<u64>),
    /// A 200 after a while.
    Delay(Duration),
    /// The connection is reset without an answer.
    Reset,
    /// The connection is closed without an answer.
    Close,
    /// Nothing is answered, the connection stays open.
    Hang,
    /// An answer with this status before the body is read; then the connection is closed.
    Early(u16),
    /// An answer that no sender should have to bear.
    Hostile(Hostile),
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) test: bool,
    /// 1 for the first POST that is no test.
    pub(crate) number: u64,
    pub(crate) since_start: Duration,
    pub(crate) path: &'a str,
    pub(crate) types: &'a [&'a str],
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) when: When,
    pub(crate) action: Action,
}

impl Rule {
    pub(crate) fn matches(&self, seen: &Seen<'_>) -> bool {
        if seen.test {
            return self.when == When::Test;
        }
        match &self.when {
            When::Always => true,
            When::Test => false,
            When::First(n) => seen.number <= *n,
            When::Every(n) => seen.number.is_multiple_of(*n),
            When::For(time) => seen.since_start < *time,
            When::Path(path) => seen.path == path,
            When::Event(name) => seen.types.contains(&name.as_str()),
        }
    }
}

/// The action for what was seen; a 200 where no rule matches.
pub(crate) fn decide(rules: &[Rule], seen: &Seen<'_>) -> Action {
    let rule = rules.iter().find(|rule| rule.matches(seen));
    rule.map_or(Action::Status(200, None), |rule| rule.action.clone())
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Rule, String> {
        let (when, action) = text.split_once(':').ok_or_else(|| {
            format!("rule {text:?} has no ':'; write WHEN: ACTION, such as 'first 5: 503'")
        })?;
        Ok(Rule {
            when: parse_when(when.trim())?,
            action: parse_action(action.trim())?,
        })
    }
}

fn parse_when(text: &str) -> Result<When, String> {
    let wrong = || {
        format!(
            "{text:?} is not a condition: always, test, first N, every N, for SECONDS, path=/PATH or event=TYPE"
        )
    };
    if let Some(path) = text.strip_prefix("path=") {
        return Ok(When::Path(path.to_owned()));
    }
    if let Some(name) = text.strip_prefix("event=") {
        return Ok(When::Event(name.to_owned()));
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = |text: &str| text.parse().ok().filter(|&n| n > 0).ok_or_else(wrong);
    match words[..] {
        ["always"] => Ok(When::Always),
        ["test"] => Ok(When::Test),
        ["first", n] => Ok(When::First(number(n)?)),
        ["every", n] => Ok(When::Every(number(n)?)),
        ["for", n] => Ok(When::For(Duration::from_secs(number(n)?))),
        _ => Err(wrong()),
    }
}

fn parse_action(text: &str) -> Result<Action, String> {
    let wrong = || {
        format!(
            "{text:?} is not an action: a status from 200 to 599 [retry-after=SECONDS], delay MILLISECONDS, reset [BYTES], close, hang, early STATUS, endless-body, endless-head, drip MILLISECONDS, garbage, short, long or cut"
        )
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    if let Some(hostile) = Hostile::parse(&words) {
        return Ok(Action::Hostile(hostile));
    }
    match words[..] {
        ["reset"] => Ok(Action::Reset),
        ["close"] => Ok(Action::Close),
        ["hang"] => Ok(Action::Hang),
        ["delay", ms] => {
            let ms = ms.parse().map_err(|_| wrong())?;
            Ok(Action::Delay(Duration::from_millis(ms)))
        }
        ["early", status] => Ok(Action::Early(parse_status(status).ok_or_else(wrong)?)),
        [status, ref rest @ ..] => {
            let status = parse_status(status).ok_or_else(wrong)?;
            let after = match rest {
                [] => None,
                [after] => {
                    let seconds = after.strip_prefix("retry-after=").ok_or_else(wrong)?;
                    Some(seconds.parse().map_err(|_| wrong())?)
                }
                _ => return Err(wrong()),
            };
            Ok(Action::Status(status, after))
        }
        [] => Err(wrong()),
    }
}

fn parse_status(text: &str) -> Option<u16> {
    text.parse().ok().filter(|s| (200..=599).contains(s))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(number: u64) -> Seen<'static> {
        Seen {
            test: false,
            number,
            since_start: Duration::from_secs(10),
            path: "/hook",
            types: &["delivery", "bounce"],
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let rules: Vec<Rule> = [
            "first 2: 503 retry-after=7",
            "every 3: reset",
            "event=bounce: 400",
        ]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
        assert_eq!(decide(&rules, &seen(2)), Action::Status(503, Some(7)));
        assert_eq!(decide(&rules, &seen(3)), Action::Reset);
        assert_eq!(decide(&rules, &seen(4)), Action::Status(400, None));
        assert_eq!(decide(&rules[..2], &seen(4)), Action::Status(200, None));
    }

    #[test]
    fn a_test_post_is_matched_by_test_alone() {
        let test = Seen {
            test: true,
            ..seen(0)
        };
        let always: Rule = "always: 500".parse().unwrap();
        let rule: Rule = "test: 404".parse().unwrap();
        assert!(!always.matches(&test));
        assert!(rule.matches(&test));
        assert!(!rule.matches(&seen(1)));
    }

    #[test]
    fn time_and_path_are_conditions() {
        let matches = |text: &str| text.parse::<Rule>().unwrap().matches(&seen(1));
        assert!(matches("for 11: 503"));
        assert!(!matches("for 10: 503"));
        assert!(matches("path=/hook: hang"));
        assert!(!matches("path=/: hang"));
    }

    #[test]
    fn hostile_answers_have_a_word_each() {
        let action = |text: &str| format!("always: {text}").parse::<Rule>().unwrap().action;
        assert_eq!(action("reset"), Action::Reset);
        assert_eq!(action("reset 10"), Action::Hostile(Hostile::ResetAfter(10)));
        assert_eq!(action("early 413"), Action::Early(413));
        let drip = Hostile::Drip(Duration::from_millis(50));
        assert_eq!(action("drip 50"), Action::Hostile(drip));
        for word in [
            "endless-body",
            "endless-head",
            "garbage",
            "short",
            "long",
            "cut",
        ] {
            assert!(matches!(action(word), Action::Hostile(_)), "{word}");
        }
    }

    #[test]
    fn a_wrong_rule_says_what_may_be_written() {
        for (text, part) in [
            ("503", "has no ':'"),
            ("sometimes: 503", "first N"),
            ("every 0: 503", "every N"),
            ("always: 99", "a status from 200 to 599"),
            ("always: 503 soon", "retry-after=SECONDS"),
            ("always:", "reset"),
            ("always: early", "early STATUS"),
            ("always: early 99", "early STATUS"),
            ("always: drip fast", "drip MILLISECONDS"),
            ("always: reset -1", "reset [BYTES]"),
        ] {
            let error = text.parse::<Rule>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
