//! Where the texts of events lie that are about to be sent, as the log's posting lists have said when runs were read back.
//!
//! It is a shortcut: whoever is not found here is found by offset, through the table of a frame. What nobody comes for
//! must go some time, and nobody says what that is; so there are two halves, and when the younger one is full, the
//! elder is forgotten.

use std::collections::HashMap;

use crate::journal::Span;
use crate::log::Site;

/// Sites in one half: 12 MiB. That is more than webhooks by the ten thousand have runs in memory.
const HALF: usize = (1 << 19) / 8 * 7;

/// Sites by offset, each good for one use.
#[derive(Default)]
pub(crate) struct Sites {
    younger: HashMap<u64, Site>,
    elder: HashMap<u64, Site>,
}

impl Sites {
    /// Notes where the text of the event at `offset` lies.
    pub(crate) fn note(&mut self, offset: u64, site: Site) {
        if self.younger.len() >= HALF {
            self.elder = std::mem::take(&mut self.younger);
        }
        self.younger.insert(offset, site);
    }

    /// What was noted of the events of `spans`, by offset, which is then forgotten.
    pub(crate) fn take(&mut self, spans: &[Span]) -> Vec<(u64, Site)> {
        if self.younger.is_empty() && self.elder.is_empty() {
            return Vec::new();
        }
        let offsets = spans.iter().flat_map(|span| span.first..span.end());
        let found = |offset| {
            let site = take(&mut self.younger, offset).or_else(|| take(&mut self.elder, offset));
            Some((offset, site?))
        };
        offsets.filter_map(found).collect()
    }
}

fn take(half: &mut HashMap<u64, Site>, offset: u64) -> Option<Site> {
    if half.is_empty() {
        return None;
    }
    let site = half.remove(&offset);
    if half.is_empty() {
        *half = HashMap::new();
    }
    site
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_found_once_and_the_oldest_is_forgotten_first() {
        let mut sites = Sites::default();
        let site = |n: u64| Site::new(1, n, n as u32, 0).unwrap();
        for n in 0..2 * HALF as u64 + 10 {
            sites.note(n, site(n));
        }
        let half = HALF as u64;
        let spans = [half - 1, half, 2 * half, 2 * half + 9];
        let spans = spans.map(|first| Span { first, count: 1 });
        let found = spans[1..].iter().map(|s| (s.first, site(s.first)));
        assert_eq!(sites.take(&spans), found.collect::<Vec<_>>());
        assert_eq!(sites.take(&spans), []);
    }
}
