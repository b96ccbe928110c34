//! The fields that the engine itself reads: `timestamp` and `subaccount_id`.

use crate::time::UnixMillis;

pub(super) const TIMESTAMP: &str = "Unix seconds from 0 to 253402300799, a fraction allowed";
pub(super) const SUBACCOUNT: &str = "a number from 0 to 2147483647";
pub(super) const EVENT_ID: &str = "decimal digits, at most 36, or a UUID";

/// Unix milliseconds from the text of Unix seconds, which may have a fraction: `1411751722.079`.
/// Up to the last second of the year 9999.
pub(super) fn millis(text: &[u8]) -> Option<UnixMillis> {
    const LAST_SECOND: u64 = 253_402_300_799;
    let dot = text.iter().position(|&b| b == b'.');
    let (seconds, fraction) = match dot {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &b"0"[..]),
    };
    let seconds = number(seconds).filter(|&s| s <= LAST_SECOND)?;
    if fraction.is_empty() || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = fraction.iter().chain(b"00").take(3);
    Some(seconds * 1000 + digits.fold(0, |ms, d| ms * 10 + u64::from(d - b'0')))
}

/// The digits of a second, kept because nearly always the next event's is the same.
#[derive(Debug, Default)]
pub(super) struct Seconds {
    digits: [u8; 20],
    len: usize,
    second: u64,
}

impl Seconds {
    #[inline]
    pub(super) fn digits(&mut self, second: u64) -> &[u8] {
        if self.second != second || self.len == 0 {
            self.set(second);
        }
        &self.digits[..self.len]
    }

    #[cold]
    fn set(&mut self, second: u64) {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(second).as_bytes();
        self.digits[..digits.len()].copy_from_slice(digits);
        self.len = digits.len();
        self.second = second;
    }
}

/// A subaccount's number; 0 is the primary account.
pub(super) fn subaccount(text: &[u8]) -> Option<u32> {
    number(text)
        .filter(|&n| n <= i32::MAX as u64)
        .map(|n| n as u32)
}

/// Decimal digits, 1 to 12.
fn number(text: &[u8]) -> Option<u64> {
    if !(1..=12).contains(&text.len()) || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |n, d| n * 10 + u64::from(d - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_milliseconds() {
        for (text, ms) in [
            ("0", 0),
            ("1460989507", 1_460_989_507_000),
            ("1411751722.079", 1_411_751_722_079),
            ("1411751722.5", 1_411_751_722_500),
            ("1411751722.07", 1_411_751_722_070),
            ("1411751722.0799999", 1_411_751_722_079),
            ("253402300799.999", 253_402_300_799_999),
        ] {
            assert_eq!(millis(text.as_bytes()), Some(ms), "{text}");
        }
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e9",
            " 1",
            "1 ",
            "253402300800",
            "9999999999999",
            "1.2.3",
        ] {
            assert_eq!(millis(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn subaccounts_are_31_bit_numbers() {
        assert_eq!(subaccount(b"0"), Some(0));
        assert_eq!(subaccount(b"101"), Some(101));
        assert_eq!(subaccount(b"2147483647"), Some(i32::MAX as u32));
        for bad in ["2147483648", "-1", "", "1.0", "x"] {
            assert_eq!(subaccount(bad.as_bytes()), None, "{bad}");
        }
    }
}
