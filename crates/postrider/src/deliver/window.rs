//! How many batches may be under way to one webhook at once: as many as its receiver bears, up to the
//! configured maximum.
//!
//! A receiver with a worker to spare answers as fast with one more batch under way. One without lets
//! the batch wait in a queue of its own: the answer takes longer, and nothing is won. So, as TCP Vegas
//! does (Brakmo, Peterson 1995): the best latency of the last minute says what an answer takes, and
//!
//! ```text
//! an answer in time, all places taken   one place more for a round of them
//! an answer much later than the best    one place fewer, once a round
//! no answer, 429, 503                   half the places, once a round
//! ```
//!
//! Only first attempts count: where a batch fails again, it may be the batch. A round is as many answers
//! as there are places: what was begun before a change says nothing of it.

use std::time::Duration;

use crate::time::Instant;

/// Places at the start, if the maximum allows.
const START: u32 = 4;
/// How long the best latency counts; for up to twice as long.
const MEMORY: Duration = Duration::from_secs(30);
/// Batches differ in size, machines in what else they do: this much is not late yet.
const SLACK: Duration = Duration::from_millis(50);

/// What an attempt said about the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// It answered, after so long.
    Answer(Duration),
    /// It did not answer, or said that it is too busy.
    Overload,
}

/// The places for one webhook's batches under way.
#[derive(Clone, Debug)]
pub(super) struct Window {
    places: u32,
    /// The best latency of this stretch of [`MEMORY`] and of the one before.
    best: Option<Duration>,
    best_before: Option<Duration>,
    stretch_ends: Instant,
    /// Answers in time since the window last grew.
    in_time: u32,
    /// Answers to come that were begun before it last shrank.
    settling: u32,
}

impl Default for Window {
    fn default() -> Window {
        Window {
            places: START,
            best: None,
            best_before: None,
            stretch_ends: Instant::default(),
            in_time: 0,
            settling: 0,
        }
    }
}

impl Window {
    /// Batches that may be under way, at least one.
    pub(super) fn places(&self, max: u32) -> u32 {
        self.places.clamp(1, max.max(1))
    }

    /// Takes an attempt's end into account; `under_way` counts it, too.
    pub(super) fn ended(&mut self, sign: Sign, under_way: u32, max: u32, now: Instant) {
        let places = self.places(max);
        self.places = places;
        let settled = self.settling == 0;
        self.settling = self.settling.saturating_sub(1);
        let shrink = match sign {
            Sign::Overload => places.div_ceil(2),
            Sign::Answer(latency) => {
                let best = self.note(latency, now);
                if latency > best * 2 + SLACK {
                    1
                } else {
                    // Only who is stopped by the window has shown that the receiver bears it.
                    self.in_time += u32::from(under_way >= places);
                    if self.in_time >= places && settled {
                        self.places = (places + 1).min(max.max(1));
                        self.in_time = 0;
                    }
                    0
                }
            }
        };
        if shrink > 0 {
            self.in_time = 0;
            if settled {
                self.places = places.saturating_sub(shrink).max(1);
                self.settling = under_way.saturating_sub(1);
            }
        }
    }

    /// The best latency, this one included.
    fn note(&mut self, latency: Duration, now: Instant) -> Duration {
        if now >= self.stretch_ends {
            self.best_before = self.best.take();
            self.stretch_ends = now.after(MEMORY);
        }
        let best = self.best.map_or(latency, |best| best.min(latency));
        self.best = Some(best);
        self.best_before.map_or(best, |before| before.min(best))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    /// A receiver with so many workers, each of which takes so long for a batch, that is always given
    /// as many batches as the window allows. Answers batches done in a minute, and the places then.
    fn run(window: &mut Window, max: u32, workers: u32, work_ms: u64, from_ms: u64) -> (u32, u32) {
        let at = |ms: u64| Instant(0).after(Duration::from_millis(ms));
        let mut free = BinaryHeap::from(vec![Reverse(from_ms); workers as usize]);
        let mut ends: BinaryHeap<Reverse<(u64, u64)>> = BinaryHeap::new();
        let (mut now, mut done) = (from_ms, 0);
        while now < from_ms + 60_000 {
            while (ends.len() as u32) < window.places(max) {
                let Reverse(worker) = free.pop().expect("workers");
                let end = worker.max(now) + work_ms;
                free.push(Reverse(end));
                ends.push(Reverse((end, now)));
            }
            let under_way = ends.len() as u32;
            let Reverse((end, begun)) = ends.pop().expect("under way");
            now = end;
            let latency = Duration::from_millis(end - begun);
            window.ended(Sign::Answer(latency), under_way, max, at(now));
            done += 1;
        }
        (done, window.places(max))
    }

    #[test]
    fn a_receiver_with_workers_to_spare_gets_the_maximum() {
        let mut window = Window::default();
        assert_eq!(window.places(2), 2);
        let (_, places) = run(&mut window, 32, 100, 20, 0);
        assert_eq!(places, 32);
    }

    #[test]
    fn a_receiver_gets_about_twice_as_many_as_it_has_workers_and_stays_busy() {
        for workers in [1, 2, 8] {
            let mut window = Window::default();
            run(&mut window, 64, workers, 200, 0);
            let (done, places) = run(&mut window, 64, workers, 200, 60_000);
            assert!(places <= 3 * workers, "{places} for {workers}");
            // Five a second and worker.
            assert!(done >= 60 * 5 * workers * 95 / 100, "{done} for {workers}");
        }
    }

    #[test]
    fn overload_halves_once_for_all_that_was_under_way() {
        let mut window = Window::default();
        run(&mut window, 16, 100, 20, 0);
        assert_eq!(window.places(16), 16);
        for left in (1..=16).rev() {
            window.ended(Sign::Overload, left, 16, Instant(0));
        }
        assert_eq!(window.places(16), 8);
        for _ in 0..100 {
            window.ended(Sign::Overload, 1, 16, Instant(0));
        }
        assert_eq!(window.places(16), 1);
    }

    #[test]
    fn a_receiver_that_recovers_gets_its_places_back() {
        let mut window = Window::default();
        for _ in 0..100 {
            window.ended(Sign::Overload, 1, 16, Instant(0));
        }
        let (_, places) = run(&mut window, 16, 100, 20, 0);
        assert_eq!(places, 16);
    }

    /// What was best an hour ago says nothing.
    #[test]
    fn a_receiver_that_is_slower_for_good_is_judged_by_what_it_is_now() {
        let mut window = Window::default();
        run(&mut window, 8, 100, 10, 0);
        run(&mut window, 8, 100, 500, 60_000);
        let (_, places) = run(&mut window, 8, 100, 500, 120_000);
        assert_eq!(places, 8);
    }

    /// Few batches that are never stopped by the window say nothing about more.
    #[test]
    fn an_idle_webhook_keeps_its_places() {
        let mut window = Window::default();
        for _ in 0..100 {
            window.ended(Sign::Answer(Duration::from_millis(5)), 1, 64, Instant(0));
        }
        assert_eq!(window.places(64), START);
    }
}
