//! The kinds of value that a key takes, and how each is read from text.

use crate::allow::AllowTarget;
use std::net::SocketAddr;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Unit {
    Count,
    /// Also written with a suffix: `KiB`, `MiB`, `GiB`, `TiB`.
    Bytes,
    Millis,
    Seconds,
    Hours,
    Days,
}

/// A key's type and allowed values.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A whole number of `unit`s from `min` to `max`.
    Number {
        /// What it counts.
        unit: Unit,
        /// The least allowed.
        min: u64,
        /// The most allowed.
        max: u64,
    },
    /// A number from 0 to 1.
    Fraction,
    /// `true` or `false`.
    Bool,
    /// Any text.
    Text,
    /// Text that can stand in an HTTP header.
    HeaderText,
    /// One of these.
    Choice(&'static [&'static str]),
    /// An address and a port.
    Listen,
    /// A list of whole seconds, at least one.
    Seconds,
    /// A list of `category/type`.
    CustomTypes,
    /// A list of [`AllowTarget`]s.
    AllowTargets,
}

/// A value of one of the [`Kind`]s.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of [`Kind::Number`].
    Number(u64),
    /// Of [`Kind::Fraction`].
    Fraction(f64),
    /// Of [`Kind::Bool`].
    Bool(bool),
    /// Of [`Kind::Text`], [`Kind::HeaderText`] and [`Kind::Choice`].
    Text(String),
    /// Of [`Kind::Listen`].
    Listen(SocketAddr),
    /// Of [`Kind::Seconds`].
    Seconds(Vec<u64>),
    /// Of [`Kind::CustomTypes`]: category and type.
    CustomTypes(Vec<(String, String)>),
    /// Of [`Kind::AllowTargets`].
    AllowTargets(Vec<AllowTarget>),
}

impl Kind {
    /// Reads a value; `None` when it is not allowed.
    pub fn parse(self, text: &str) -> Option<Value> {
        let text = text.trim();
        Some(match self {
            Kind::Number { unit, min, max } => {
                let n = number(unit, text)?;
                Value::Number((min..=max).contains(&n).then_some(n)?)
            }
            Kind::Fraction => {
                let f = text.parse::<f64>().ok()?;
                Value::Fraction((0.0..=1.0).contains(&f).then_some(f)?)
            }
            Kind::Bool => Value::Bool(text.parse().ok()?),
            Kind::Text => Value::Text(text.to_owned()),
            Kind::HeaderText => {
                let visible = |b: u8| (b' '..=b'~').contains(&b);
                let fine = !text.is_empty() && text.bytes().all(visible);
                Value::Text(fine.then(|| text.to_owned())?)
            }
            Kind::Choice(allowed) => Value::Text(allowed.contains(&text).then(|| text.to_owned())?),
            Kind::Listen => Value::Listen(text.parse().ok()?),
            Kind::Seconds => {
                let list: Vec<u64> = items(text, |s| s.parse().ok())?;
                let fine = !list.is_empty() && list.iter().all(|s| *s <= MAX_SPACING);
                Value::Seconds(fine.then_some(list)?)
            }
            Kind::CustomTypes => Value::CustomTypes(items(text, custom_type)?),
            Kind::AllowTargets => Value::AllowTargets(items(text, |s| s.parse().ok())?),
        })
    }

    /// What is allowed, to be read after "must be".
    pub fn allowed(self) -> String {
        match self {
            Kind::Number { unit, min, max } => {
                let (min, max) = (unit.show(min), unit.show(max));
                match unit {
                    Unit::Count => format!("a whole number from {min} to {max}"),
                    Unit::Bytes => format!("a size from {min} to {max}"),
                    Unit::Millis => format!("whole milliseconds from {min} to {max}"),
                    Unit::Seconds => format!("whole seconds from {min} to {max}"),
                    Unit::Hours => format!("whole hours from {min} to {max}"),
                    Unit::Days => format!("whole days from {min} to {max}"),
                }
            }
            Kind::Fraction => "a number from 0 to 1".into(),
            Kind::Bool => "true or false".into(),
            Kind::Text => "text".into(),
            Kind::HeaderText => "printable ASCII text".into(),
            Kind::Choice(allowed) => format!("one of {}", allowed.join(", ")),
            Kind::Listen => "an address and a port, such as 127.0.0.1:8025 or [::1]:8025".into(),
            Kind::Seconds => {
                format!("a list of whole seconds, at least one, each at most {MAX_SPACING}")
            }
            Kind::CustomTypes => {
                "a list of category/type, both of a-z, 0-9 and _, beginning with a letter".into()
            }
            Kind::AllowTargets => {
                "a list of networks, each CIDR[:PORT], such as 10.0.0.0/8, 127.0.0.1/32:8080 or [::1/128]:8080"
                    .into()
            }
        }
    }
}

impl Unit {
    /// A number as people write it.
    pub fn show(self, n: u64) -> String {
        let whole = |(_, size): &&(&str, u64)| n > 0 && n.is_multiple_of(*size);
        match SUFFIXES.iter().rev().find(whole) {
            Some((suffix, size)) if self == Unit::Bytes => format!("{} {suffix}", n / size),
            _ => n.to_string(),
        }
    }
}

/// A year: no one waits longer for a next attempt.
const MAX_SPACING: u64 = 365 * 86_400;

const SUFFIXES: [(&str, u64); 4] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

fn number(unit: Unit, text: &str) -> Option<u64> {
    if unit == Unit::Bytes {
        for (suffix, size) in SUFFIXES {
            if let Some(n) = text.strip_suffix(suffix) {
                return n.trim_end().parse::<u64>().ok()?.checked_mul(size);
            }
        }
    }
    text.parse().ok()
}

/// Comma-separated items; none at all for an empty text.
fn items<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split(',').map(|item| parse(item.trim())).collect()
}

fn custom_type(text: &str) -> Option<(String, String)> {
    let (category, name) = text.split_once('/')?;
    let word = |s: &str| {
        s.starts_with(|c: char| c.is_ascii_lowercase())
            && s.bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    (word(category) && word(name)).then(|| (category.to_owned(), name.to_owned()))
}
