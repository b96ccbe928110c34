//! Which fields an event has had.
//!
//! A field of the catalogue is marked with the number of the event, so that nothing has to be cleared
//! between events and a mark waits for no other, as in a shared word of bits it would. Other fields
//! are compared with each other where they stand in the text: escaping gives each name one spelling.

use std::ops::Range;

use super::MAX_FIELDS;
use super::catalogue::FieldId;

#[derive(Debug)]
pub(super) struct Seen {
    /// By field id, of which there are at most 255.
    marks: Box<[u32; 256]>,
    event: u32,
    others: Vec<Range<usize>>,
}

impl Seen {
    pub(super) fn new() -> Seen {
        let others = Vec::with_capacity(MAX_FIELDS);
        Seen {
            marks: Box::new([0; 256]),
            event: 0,
            others,
        }
    }

    /// Begins the next event.
    pub(super) fn clear(&mut self) {
        self.others.clear();
        self.event = self.event.wrapping_add(1);
        if self.event == 0 {
            self.marks.fill(0);
            self.event = 1;
        }
    }

    /// Marks a field of the catalogue; false if it was.
    #[inline]
    pub(super) fn first(&mut self, id: FieldId) -> bool {
        let mark = &mut self.marks[usize::from(id.0 as u8)];
        let first = *mark != self.event;
        *mark = self.event;
        first
    }

    /// Notes the name of another field, which stands at `name` in `text`; false if it did before.
    pub(super) fn first_other(&mut self, text: &[u8], name: Range<usize>) -> bool {
        let first = !self
            .others
            .iter()
            .any(|other| text[other.clone()] == text[name.clone()]);
        self.others.push(name);
        first
    }

    /// Where the name of the last other field is.
    pub(super) fn last_other(&self) -> Option<Range<usize>> {
        self.others.last().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_outlast_no_event_even_when_the_numbers_run_out() {
        let mut seen = Seen::new();
        for event in [0, 1, u32::MAX - 1] {
            seen.event = event;
            for _ in 0..3 {
                seen.clear();
                assert!(seen.first(FieldId(7)));
                assert!(!seen.first(FieldId(7)));
                assert!(seen.first(FieldId(8)));
                assert!(seen.first_other(b"abab", 0..2));
                assert!(!seen.first_other(b"abab", 2..4));
            }
        }
    }
}
