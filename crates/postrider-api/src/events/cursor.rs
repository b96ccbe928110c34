//! Where a page ended, as text that only we read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::ops::Range;

/// Where to go on. The times are those of the first page: what was asked for may have been "until now".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) from: u64,
    pub(super) to: u64,
    /// Only events below this offset.
    pub(super) below: u64,
    pub(super) total: u64,
    pub(super) exact: bool,
}

impl Cursor {
    pub(super) fn text(&self) -> String {
        let Cursor {
            from,
            to,
            below,
            total,
            exact,
        } = self;
        let numbers = (from, to, below, total, exact);
        let json = serde_json::to_vec(&numbers).expect("numbers are JSON");
        URL_SAFE_NO_PAD.encode(json)
    }

    /// Whatever comes back, it can only say where to look.
    pub(super) fn parse(text: &str) -> Option<Cursor> {
        let json = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (from, to, below, total, exact) = serde_json::from_slice(&json).ok()?;
        Some(Cursor {
            from,
            to,
            below,
            total,
            exact,
        })
    }

    pub(super) fn times_ms(&self) -> Range<u64> {
        self.from..self.to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went_out() {
        let cursor = Cursor {
            from: 1,
            to: u64::MAX,
            below: 7,
            total: 9,
            exact: false,
        };
        assert_eq!(Cursor::parse(&cursor.text()), Some(cursor));
        for bad in ["", "x", "WzFd", "____"] {
            assert_eq!(Cursor::parse(bad), None, "{bad}");
        }
    }
}
