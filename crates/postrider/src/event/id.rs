//! Event ids: never used twice, without asking anyone.
//!
//! Each encoder draws a random start and counts from there: 2^20 ids, then it draws again. Starts
//! are spread over 8·10^18 values, so two runs meet only if their starts fall within a run's length
//! of each other; a process that makes a handful of ids takes a handful of the space. A forked
//! child would repeat its parent's run, so it draws anew before its first id.

use std::fmt;

use super::EventError;
use crate::fork;

/// An event's id: decimal digits below 2^63 where Postrider made it, else what the caller gave.
// Aligned, so that it is moved in parts that do not overlap: the processor waits where it reads at once what two writes
// made.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(align(8))]
pub struct EventId {
    text: [u8; EventId::MAX],
    len: u8,
}

impl EventId {
    /// The longest id in bytes: a UUID's text.
    pub const MAX: usize = 36;
    /// None yet.
    pub(super) const NONE: EventId = EventId {
        text: [0; Self::MAX],
        len: 0,
    };

    /// The id as it stands in the event.
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).expect("ids are ASCII")
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.len)]
    }

    /// Takes an id that a caller gave: decimal digits, at most 36, or the text of a UUID.
    pub(super) fn given(text: &[u8]) -> Option<EventId> {
        let dashes = [8, 13, 18, 23];
        let uuid = || {
            text.len() == Self::MAX
                && text
                    .iter()
                    .enumerate()
                    .all(|(i, b)| match dashes.contains(&i) {
                        true => *b == b'-',
                        false => b.is_ascii_hexdigit(),
                    })
        };
        let digits =
            || (1..=Self::MAX).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
        (digits() || uuid()).then(|| Self::of(text))
    }

    fn of(ascii: &[u8]) -> EventId {
        let mut id = EventId {
            len: ascii.len() as u8,
            ..EventId::NONE
        };
        id.text[..ascii.len()].copy_from_slice(ascii);
        id
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({self})")
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where one encoder's ids come from. They are counted as text, as they go out: a step mostly changes
/// one digit.
#[derive(Debug)]
pub(super) struct IdSource {
    next: EventId,
    left: u32,
    generation: u32,
}

impl IdSource {
    const DIGITS: usize = 19;
    /// Ids of one run.
    const RUN: u32 = 1 << 20;
    /// The least number of 19 digits: ids have the same length all.
    const LEAST: u64 = 1_000_000_000_000_000_000;

    /// No id drawn yet.
    pub(super) fn new() -> IdSource {
        IdSource {
            next: EventId::NONE,
            left: 0,
            generation: 0,
        }
    }

    /// Hands the next id to `take`. Counting goes on after that: what is read right after it was written, in parts
    /// of another size, is waited for.
    #[inline]
    pub(super) fn next<T>(
        &mut self,
        take: impl FnOnce(&EventId) -> T,
    ) -> Result<T, Box<EventError>> {
        if self.left == 0 || fork::generation() != self.generation {
            self.draw()?;
        }
        let taken = take(&self.next);
        self.left -= 1;
        for digit in self.next.text[..Self::DIGITS].iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                break;
            }
            *digit = b'0';
        }
        Ok(taken)
    }

    #[cold]
    fn draw(&mut self) -> Result<(), Box<EventError>> {
        self.generation = fork::generation();
        let starts = (1 << 63) - u64::from(Self::RUN) - Self::LEAST;
        // The remainder favours small starts by one part in two: harmless, all are random enough.
        let random = getrandom::u64().map_err(|_| EventError::NoRandomness)?;
        let mut buffer = itoa::Buffer::new();
        let start = buffer.format(Self::LEAST + random % starts);
        self.next = EventId::of(start.as_bytes());
        self.left = Self::RUN;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::*;

    /// The next id, as a number.
    fn next(ids: &mut IdSource) -> u64 {
        let id = ids.next(EventId::clone).unwrap();
        assert_eq!(id.as_str().len(), IdSource::DIGITS);
        id.as_str().parse().unwrap()
    }

    #[test]
    fn ids_have_nineteen_digits_and_stay_below_two_to_the_63() {
        let mut ids = IdSource::new();
        for _ in 0..1000 {
            let id = next(&mut ids);
            assert!((IdSource::LEAST..1 << 63).contains(&id));
            ids.left = 0; // the run is used up: draws again
        }
    }

    #[test]
    fn a_run_counts_up_and_ends() {
        let mut ids = IdSource::new();
        let first = next(&mut ids);
        for i in 1..u64::from(IdSource::RUN) {
            assert_eq!(next(&mut ids), first + i);
        }
        let more = first + u64::from(IdSource::RUN);
        assert_ne!(next(&mut ids), more);
    }

    #[test]
    fn another_generation_draws_anew() {
        let mut ids = IdSource::new();
        let id = next(&mut ids);
        ids.generation = ids.generation.wrapping_sub(1);
        assert_ne!(next(&mut ids), id + 1);
        assert_eq!(ids.generation, fork::generation());
    }

    #[test]
    fn threads_never_meet() {
        const EACH: usize = 100_000;
        let mut seen = HashSet::new();
        thread::scope(|scope| {
            let draw = || {
                let mut ids = IdSource::new();
                (0..EACH).map(|_| next(&mut ids)).collect::<Vec<_>>()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(draw)).collect();
            for thread in threads {
                seen.extend(thread.join().unwrap());
            }
        });
        assert_eq!(seen.len(), 8 * EACH);
    }

    #[test]
    fn given_ids_are_digits_or_uuids() {
        let uuid = "0B6cfa5e-2d1f-4c3b-9a57-8f6f0d2c1e44";
        for good in ["0", "92356927693813856", "9".repeat(36).as_str(), uuid] {
            assert_eq!(EventId::given(good.as_bytes()).unwrap().as_str(), good);
        }
        let bad_uuid = uuid.replace('e', "g");
        let long = "9".repeat(37);
        for bad in [
            "",
            "-1",
            "1.5",
            "12a",
            " 1",
            &long,
            &bad_uuid,
            &uuid[1..],
            "true",
            "é",
        ] {
            assert!(EventId::given(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
