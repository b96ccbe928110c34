//! Where the texts of events lie that are about to be sent, as the log's posting lists have said when runs were read back.
//!
//! It is a shortcut: whoever is not found here is found by offset, through the table of a frame. What nobody comes for
//! must go some time, and nobody says what that is. So it is a cache like a processor's: an offset has two *sets* of sixteen
//! places, and where all of these are taken, a site makes way. Unlike a hash table it never grows, by doubling least of all,
//! and says how much memory it takes.

use crate::journal::Span;
use crate::log::Site;

/// Sites of one set: their keys are one line of the processor's cache.
const WAYS: usize = 16;

/// Sets of one block. A block is 87 KiB, so that the allocator treats it as any other memory.
const SETS: usize = 256;

/// Blocks: 524,288 sites in all, 11 MiB. Ten thousand webhooks that lag have two thirds as many.
const BLOCKS: usize = 128;

/// The key of a place that is free.
const FREE: u32 = u32::MAX;

/// Sites by offset, each good for one use.
#[derive(Default)]
pub(crate) struct Sites {
    /// None, where no site is noted.
    blocks: Vec<Box<[Set; SETS]>>,
    noted: usize,
}

#[derive(Clone, Copy)]
struct Set {
    /// The lower part of the offsets: where two are the same in that, the site's checksum tells.
    keys: [u32; WAYS],
    sites: [Site; WAYS],
    /// Where a site last made way.
    last: u8,
}

impl Sites {
    /// Notes where the text of the event at `offset` lies.
    pub(crate) fn note(&mut self, offset: u64, site: Site) {
        if self.blocks.is_empty() {
            let set = Set {
                keys: [FREE; WAYS],
                sites: [site; WAYS],
                last: 0,
            };
            self.blocks.resize_with(BLOCKS, || Box::new([set; SETS]));
        }
        let key = key(offset);
        let place = self.find(offset, key).or_else(|| self.find(offset, FREE));
        let [first, _] = sets_of(offset);
        let (set, at) = match place {
            Some((set, at)) => (self.set(set), at),
            None => {
                let set = self.set(first);
                set.last = (set.last + 1) % WAYS as u8;
                let at = set.last.into();
                (set, at)
            }
        };
        set.sites[at] = site;
        let before = std::mem::replace(&mut set.keys[at], key);
        self.noted += usize::from(before == FREE);
    }

    /// What was noted of the events of `spans`, by offset, which is then forgotten.
    pub(crate) fn take(&mut self, spans: &[Span]) -> Vec<(u64, Site)> {
        let mut found = Vec::new();
        for offset in spans.iter().flat_map(|span| span.first..span.end()) {
            if self.noted == 0 {
                break;
            }
            if let Some((set, at)) = self.find(offset, key(offset)) {
                let set = self.set(set);
                set.keys[at] = FREE;
                found.push((offset, set.sites[at]));
                self.noted -= 1;
            }
        }
        if self.noted == 0 {
            self.blocks = Vec::new();
        }
        found
    }

    /// Where in the sets of `offset` this key is.
    fn find(&self, offset: u64, key: u32) -> Option<(usize, usize)> {
        let keys = |set: usize| &self.blocks[set / SETS][set % SETS].keys;
        let at = |set| keys(set).iter().position(|known| *known == key);
        sets_of(offset)
            .into_iter()
            .find_map(|set| Some((set, at(set)?)))
    }

    fn set(&mut self, number: usize) -> &mut Set {
        &mut self.blocks[number / SETS][number % SETS]
    }
}

fn key(offset: u64) -> u32 {
    (offset % u64::from(FREE)) as u32
}

/// The sets of an offset: neighbours, and events that are equally far apart, are spread over all of them (Knuth's
/// multiplicative hashing).
fn sets_of(offset: u64) -> [usize; 2] {
    const BITS: u32 = (BLOCKS * SETS).trailing_zeros();
    let hash = offset.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let second = hash << BITS;
    [hash, second].map(|hash| (hash >> (u64::BITS - BITS)) as usize)
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

    /// The first `count` events as they come when they are read back for webhooks that want one in ten thousand.
    fn read_back(count: u64) -> Vec<u64> {
        (0..count).map(|n| n / 374 * 10_000 + n % 374).collect()
    }

    #[test]
    fn hardly_any_makes_way_while_a_third_of_the_places_is_free() {
        let mut sites = Sites::default();
        let all = read_back(10 * PLACES / 3);
        let (mut asked, mut known) = (0, 0);
        // Each is taken once so many others were noted.
        let behind = all.iter().zip(&all[PLACES as usize / 3 * 2..]);
        all[..PLACES as usize / 3 * 2]
            .iter()
            .for_each(|n| sites.note(*n, site(*n)));
        for (old, new) in behind {
            sites.note(*new, site(*new));
            asked += 1;
            known += sites.take(&[single(*old)]).len();
        }
        assert!(known * 1000 >= asked * 995, "{known} of {asked}");
    }

    #[test]
    fn of_too_many_no_more_are_kept_than_there_are_places() {
        let mut sites = Sites::default();
        let all = read_back(3 * PLACES);
        all.iter().for_each(|n| sites.note(*n, site(*n)));
        assert!(sites.noted as u64 <= PLACES);
        let spans: Vec<Span> = all.iter().map(|n| single(*n)).collect();
        let (noted, found) = (sites.noted, sites.take(&spans));
        assert_eq!(found.len(), noted);
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
