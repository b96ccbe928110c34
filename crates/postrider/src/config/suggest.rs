//! The key that a misspelt one was meant to be.

use super::{ConfigError, TABLE};

/// The error for a key that there is not.
pub(super) fn unknown(key: &str) -> ConfigError {
    let near = TABLE.iter().map(|k| (distance(key, k.name), k.name)).min();
    let hint = near
        .filter(|(d, _)| *d <= key.len() / 3)
        .map(|(_, name)| name);
    ConfigError::UnknownKey {
        key: key.to_owned(),
        hint,
    }
}

/// Levenshtein's: how many characters to insert, delete or replace.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replace = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        for (a, b, d) in [
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(a, b), d, "{a} {b}");
        }
    }

    #[test]
    fn hints_only_at_what_looks_alike() {
        let hint = |key: &str| match unknown(key) {
            ConfigError::UnknownKey { hint, .. } => hint,
            other => panic!("{other}"),
        };
        assert_eq!(hint("batch.linger"), Some("batch.linger_ms"));
        assert_eq!(hint("que.bytes"), Some("queue.bytes"));
        assert_eq!(hint("colour"), None);
    }
}
