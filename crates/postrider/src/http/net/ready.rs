//! Who is served when: what is to be looked at, in the order in which connections get their turn.
//!
//! There are two queues. The first is served whole in every turn of the loop: connections whose receivers are known
//! to be there. The second holds all that may take long or may be meant to, and gets a share of each turn: the
//! unproven, handshakes, and whoever had more to say than one share. So what a good receiver waits for is one such
//! share at most, however many the others are.
//!
//! A connection is in them once, whatever is reported about it meanwhile: a receiver that drips can't fill them.

use std::collections::VecDeque;

use super::conn::Hint;

/// What is to be looked at, by slot.
#[derive(Debug, Default)]
pub(super) struct Ready {
    /// An entry of a queue whose slot has none of these means nothing.
    hints: Vec<Option<Hint>>,
    first: VecDeque<usize>,
    later: VecDeque<usize>,
}

impl Ready {
    /// Notes that there is something to look at; `later`: in the second queue, if it is in none.
    pub(super) fn note(&mut self, slot: usize, hint: Hint, later: bool) {
        if self.hints.len() <= slot {
            self.hints.resize(slot + 1, None);
        }
        match &mut self.hints[slot] {
            Some(known) => *known = known.and(hint),
            none => {
                *none = Some(hint);
                match later {
                    false => self.first.push_back(slot),
                    true => self.later.push_back(slot),
                }
            }
        }
    }

    /// What was there has ended.
    pub(super) fn forget(&mut self, slot: usize) {
        if let Some(hint) = self.hints.get_mut(slot) {
            *hint = None;
        }
    }

    /// Entries of the first queue.
    pub(super) fn first(&self) -> usize {
        self.first.len()
    }

    /// Entries of the second.
    pub(super) fn later(&self) -> usize {
        self.later.len()
    }

    /// The next of the first queue; `None` also for an entry that means nothing any more.
    pub(super) fn next_first(&mut self) -> Option<(usize, Hint)> {
        let slot = self.first.pop_front()?;
        Some((slot, self.hints[slot].take()?))
    }

    /// The next of the second, in the same way.
    pub(super) fn next_later(&mut self) -> Option<(usize, Hint)> {
        let slot = self.later.pop_front()?;
        Some((slot, self.hints[slot].take()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: Hint = Hint {
        input: true,
        end: false,
    };
    const END: Hint = Hint {
        input: false,
        end: true,
    };

    #[test]
    fn a_connection_is_in_the_queues_once_with_all_that_was_reported() {
        let mut ready = Ready::default();
        for _ in 0..1000 {
            ready.note(7, INPUT, true);
        }
        ready.note(7, END, false);
        assert_eq!((ready.first(), ready.later()), (0, 1));
        let (slot, hint) = ready.next_later().expect("noted");
        assert_eq!((slot, hint.input, hint.end), (7, true, true));
        assert!(ready.next_later().is_none() && ready.next_first().is_none());
    }

    #[test]
    fn what_was_reported_of_a_connection_that_has_ended_is_not_told_of_the_next_one() {
        let mut ready = Ready::default();
        ready.note(3, END, true);
        ready.forget(3);
        ready.note(3, INPUT, false);
        assert!(ready.next_first().is_some_and(|(_, hint)| !hint.end));
        assert_eq!(ready.later(), 1);
        assert!(ready.next_later().is_none());
    }
}
