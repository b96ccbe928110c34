//! Where the texts of events lie that are about to be sent, as the log's posting lists have said when runs were read back.
//!
//! It is a shortcut: whoever is not found here is found by offset, through the table of a frame. What nobody comes for
//! must go some time, and nobody says what that is. So it is a cache like a processor's: an offset has sixteen places, its
//! *set*, and where these are taken, the site that came first makes way. Unlike a hash table it never grows, by
//! doubling least of all, and says how much memory it takes.

use crate::journal::Span;
use crate::log::Site;

/// Sites of one set: their keys are one line of the processor's cache.
const WAYS: usize = 16;

/// Sets of one block. A block is 87 KiB, so that the allocator treats it as any other memory.
const SETS: usize = 256;

/// Blocks: 524,288 sites in all, 11 MiB. Where half as many wait, eight in a thousand make way too early, and with ten
/// thousand webhooks that lag it is about that half.
const BLOCKS: usize = 128;

/// The key of a place that is free.
const FREE: u32 = u32::MAX;

/// Sites by offset, each good for one use.
#[derive(Default)]
pub(crate) struct Sites {
    /// None, where no site is noted.
    blocks: Vec<Option<Box<[Set; SETS]>>>,
    noted: usize,
}

#[derive(Clone, Copy)]
struct Set {
    /// The lower part of the offsets: where two are the same in that, the site's checksum tells.
    keys: [u32; WAYS],
    sites: [Site; WAYS],
    /// Where the next site goes.
    next: u8,
}

impl Sites {
    /// Notes where the text of the event at `offset` lies.
    pub(crate) fn note(&mut self, offset: u64, site: Site) {
        if self.blocks.is_empty() {
            self.blocks.resize_with(BLOCKS, || None);
        }
        let (block, set) = place(offset);
        let block = self.blocks[block].get_or_insert_with(|| {
            let set = Set {
                keys: [FREE; WAYS],
                sites: [site; WAYS],
                next: 0,
            };
            Box::new([set; SETS])
        });
        self.noted += usize::from(block[set].note(key(offset), site));
    }

    /// What was noted of the events of `spans`, by offset, which is then forgotten.
    pub(crate) fn take(&mut self, spans: &[Span]) -> Vec<(u64, Site)> {
        let mut found = Vec::new();
        for offset in spans.iter().flat_map(|span| span.first..span.end()) {
            if self.noted == 0 {
                break;
            }
            let (block, set) = place(offset);
            let block = self.blocks[block].as_mut();
            if let Some(site) = block.and_then(|block| block[set].take(key(offset))) {
                found.push((offset, site));
                self.noted -= 1;
            }
        }
        if self.noted == 0 {
            self.blocks = Vec::new();
        }
        found
    }
}

impl Set {
    /// Says whether there is one more than before.
    fn note(&mut self, key: u32, site: Site) -> bool {
        let known = self.keys.iter().position(|known| *known == key);
        let at = known.unwrap_or(self.next.into());
        if known.is_none() {
            self.next = (self.next + 1) % WAYS as u8;
        }
        self.sites[at] = site;
        std::mem::replace(&mut self.keys[at], key) == FREE
    }

    fn take(&mut self, key: u32) -> Option<Site> {
        let at = self.keys.iter().position(|known| *known == key)?;
        self.keys[at] = FREE;
        Some(self.sites[at])
    }
}

fn key(offset: u64) -> u32 {
    (offset % u64::from(FREE)) as u32
}

/// Block and set of an offset: neighbours, and events that are equally far apart, are spread over all sets (Knuth's
/// multiplicative hashing).
fn place(offset: u64) -> (usize, usize) {
    let bits = (BLOCKS * SETS).trailing_zeros();
    let hash = offset.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - bits);
    (hash as usize / SETS, hash as usize % SETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: u64 = (BLOCKS * SETS * WAYS) as u64;

    fn site(n: u64) -> Site {
        Site::new(1, n, n as u32, 0).unwrap()
    }

    fn single(first: u64) -> Span {
        Span { first, count: 1 }
    }

    #[test]
    fn what_is_noted_is_found_once_and_in_order() {
        let mut sites = Sites::default();
        for n in (0..5000).rev() {
            sites.note(n * 7, site(n));
        }
        sites.note(7, site(99));
        let spans = [
            single(1),
            Span { first: 7, count: 8 },
            single(700),
            single(7 * 5000),
        ];
        let found = [(7, site(99)), (14, site(2)), (700, site(100))];
        assert_eq!(sites.take(&spans), found);
        assert_eq!(sites.take(&spans), []);
    }

    #[test]
    fn of_too_many_the_newest_are_known() {
        let mut sites = Sites::default();
        // One event in ten thousand of each webhook, as they come when they are read back.
        let all: Vec<u64> = (0..3 * PLACES)
            .map(|n| n / 374 * 10_000 + n % 374)
            .collect();
        all.iter().for_each(|n| sites.note(*n, site(*n)));
        assert!(sites.noted as u64 <= PLACES);
        let newest = all[all.len() - PLACES as usize / 2..].iter();
        let spans: Vec<Span> = newest.map(|n| single(*n)).collect();
        let found = sites.take(&spans);
        assert!(
            found.len() >= spans.len() * 99 / 100,
            "{} of {}",
            found.len(),
            spans.len()
        );
        assert!(found.iter().all(|(n, found)| *found == site(*n)));
    }

    #[test]
    fn memory_is_bounded_and_goes_with_the_last_site() {
        let sets = BLOCKS * size_of::<[Set; SETS]>();
        assert!(sets <= 11 << 20 && size_of::<[Set; SETS]>() < 128 << 10);
        let mut sites = Sites::default();
        (0..PLACES / 4).for_each(|n| sites.note(n, site(n)));
        let all = |first| Span {
            first,
            count: PLACES as u32 / 8,
        };
        assert!(!sites.take(&[all(0)]).is_empty() && !sites.blocks.is_empty());
        sites.take(&[all(PLACES / 8)]);
        assert_eq!((sites.noted, sites.blocks.capacity()), (0, 0));
    }
}
