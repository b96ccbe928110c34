//! What names resolve to, remembered: at most so many, each for a while.
//!
//! ```text
//! looked up ──fresh: used──▶ 60 s ──stale: used, and looked up again──▶ 10 min ──▶ forgotten
//! failed ────the same failure──▶ 5 s ──▶ forgotten
//! ```
//!
//! `getaddrinfo` tells no time to live, so the times are fixed. Stale addresses are used (RFC 8767)
//! because look-ups share some threads: hostile names, whose servers never answer, may hold all of
//! them, and the good ones must not wait behind them. For the same reason names that were not found the last time
//! have threads of their own. A name all of whose addresses fail is forgotten
//! at once. Askers of one name share one look-up.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Waker;
use super::resolve::{Lane, LookUp, Outcome, Resolver};
use crate::time::Instant;

/// Used without asking again.
const FRESH: Duration = Duration::from_secs(60);
/// Used while it is asked again.
const STALE: Duration = Duration::from_secs(600);
/// A failure is not asked about again.
const FAILED: Duration = Duration::from_secs(5);
/// Names remembered.
const MAX_NAMES: usize = 4096;

/// What is known of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Its addresses, in the order in which they are to be tried.
    Addresses(Arc<[IpAddr]>),
    /// Why there are none.
    Failed(Arc<str>),
    /// Nothing yet: [`Names::next_outcome`] will tell.
    Pending,
}

#[derive(Debug)]
struct Entry {
    known: Known,
    fresh_until: Instant,
    forget_at: Instant,
    asked: bool,
    /// Where it is looked up the next time.
    lane: Lane,
}

/// The names and the threads that look them up.
pub(super) struct Names {
    resolver: Resolver,
    entries: HashMap<Arc<str>, Entry>,
}

impl Names {
    pub(super) fn new(waker: Arc<Waker>, look_up: Arc<LookUp>) -> Names {
        Names {
            resolver: Resolver::new(waker, look_up),
            entries: HashMap::new(),
        }
    }

    /// What is known of a name; asks for it where that is not enough.
    pub(super) fn ask(&mut self, name: &str, now: Instant) -> Known {
        let mut lane = Lane::Main;
        if let Some(entry) = self.entries.get(name) {
            let usable = entry.known != Known::Pending && now < entry.forget_at;
            if usable && (now < entry.fresh_until || entry.asked) {
                return entry.known.clone();
            }
            if entry.asked {
                return Known::Pending;
            }
            lane = entry.lane;
        }
        let name: Arc<str> = Arc::from(name);
        let asked = self.resolver.ask(Arc::clone(&name), lane, now);
        let stale = self.entries.get_mut(&name).filter(|e| now < e.forget_at);
        match (asked, stale) {
            (asked, Some(entry)) => {
                entry.asked = asked.is_ok();
                entry.known.clone()
            }
            (Ok(()), None) => {
                self.make_room(now);
                let pending = Entry {
                    known: Known::Pending,
                    fresh_until: now,
                    forget_at: now,
                    asked: true,
                    lane,
                };
                self.entries.insert(name, pending);
                Known::Pending
            }
            // The lack is ours, and not remembered.
            (Err(e), None) => Known::Failed(Arc::from(e.to_string())),
        }
    }

    /// A name that has been looked up, and what it resolves to.
    pub(super) fn next_outcome(&mut self, now: Instant) -> Option<(Arc<str>, Known)> {
        let Outcome {
            name, addresses, ..
        } = self.resolver.next_outcome(now)?;
        let before = self.entries.remove(&name);
        let lane = match &addresses {
            Ok(all) if !all.is_empty() => Lane::Main,
            _ => Lane::Failed,
        };
        let (known, fresh_until, forget_at) = match addresses {
            Ok(all) if !all.is_empty() => {
                let known = Known::Addresses(in_turn(&all).into());
                (known, now.after(FRESH), now.after(STALE))
            }
            failed => {
                let why = failed.map_or_else(|e| e.to_string(), |_| "it has no address".to_owned());
                match before {
                    Some(Entry {
                        known: known @ Known::Addresses(_),
                        forget_at,
                        ..
                    }) if now < forget_at => (known, now.after(FAILED), forget_at),
                    _ => (
                        Known::Failed(Arc::from(why)),
                        now.after(FAILED),
                        now.after(FAILED),
                    ),
                }
            }
        };
        let entry = Entry {
            known: known.clone(),
            fresh_until,
            forget_at,
            asked: false,
            lane,
        };
        self.entries.insert(Arc::clone(&name), entry);
        Some((name, known))
    }

    /// Goes on where look-ups have become slow and others wait; when to call it again.
    pub(super) fn go_on(&mut self, now: Instant) -> Option<Instant> {
        self.resolver.go_on(now)
    }

    /// None of its addresses is any good: asked again the next time.
    pub(super) fn forget(&mut self, name: &str) {
        self.entries.remove(name);
    }

    /// Keeps the number of names below the limit; those being looked up are bounded by the queue.
    fn make_room(&mut self, now: Instant) {
        if self.entries.len() < MAX_NAMES {
            return;
        }
        self.entries.retain(|_, e| e.asked || now < e.forget_at);
        if self.entries.len() < MAX_NAMES {
            return;
        }
        let idle = self.entries.iter().filter(|(_, e)| !e.asked);
        let oldest = idle.min_by_key(|(_, e)| e.forget_at);
        if let Some(name) = oldest.map(|(name, _)| Arc::clone(name)) {
            self.entries.remove(&name);
        }
    }
}

/// The families in turn, beginning with the system's first choice (RFC 8305 §4).
fn in_turn(all: &[IpAddr]) -> Vec<IpAddr> {
    let first_is_v6 = all.first().is_some_and(IpAddr::is_ipv6);
    let (mut one, mut other): (Vec<_>, Vec<_>) = all
        .iter()
        .copied()
        .partition(|a| a.is_ipv6() == first_is_v6);
    one.reverse();
    other.reverse();
    let mut turn = Vec::with_capacity(all.len());
    while !one.is_empty() || !other.is_empty() {
        turn.extend(one.pop());
        turn.extend(other.pop());
    }
    turn
}

#[cfg(test)]
mod tests {
    use super::super::resolve::SLOW;
    use super::*;
    use std::io;
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    type Reply = io::Result<Vec<IpAddr>>;

    /// Names that are looked up when the test says so.
    struct Scripted {
        names: Names,
        /// Names that a thread is looking up.
        asked: Receiver<String>,
        reply: Sender<Reply>,
        _poll: mio::Poll,
    }

    impl Scripted {
        fn new() -> Scripted {
            let poll = mio::Poll::new().unwrap();
            let waker = Arc::new(Waker::new(poll.registry(), mio::Token(0)).unwrap());
            let (tell, asked) = channel();
            let (reply, replies) = channel::<Reply>();
            let both = Mutex::new((tell, replies));
            let look_up = move |name: &str| {
                let both = both.lock().unwrap();
                let _ = both.0.send(name.to_owned());
                both.1.recv().unwrap_or_else(|_| Ok(Vec::new()))
            };
            Scripted {
                names: Names::new(waker, Arc::new(look_up)),
                asked,
                reply,
                _poll: poll,
            }
        }

        /// Answers the look-up under way.
        fn answer(&mut self, name: &str, reply: Reply, now: Instant) -> Known {
            assert_eq!(self.asked.recv().unwrap(), name);
            self.reply.send(reply).unwrap();
            loop {
                if let Some((looked_up, known)) = self.names.next_outcome(now) {
                    assert_eq!(&*looked_up, name);
                    return known;
                }
                std::thread::yield_now();
            }
        }

        fn is_asking(&self) -> bool {
            self.names.resolver.pending() > 0
        }
    }

    fn ips(all: &[&str]) -> Vec<IpAddr> {
        all.iter().map(|a| a.parse().unwrap()).collect()
    }

    fn addresses(all: &[&str]) -> Known {
        Known::Addresses(ips(all).into())
    }

    fn at(seconds: u64) -> Instant {
        Instant(0).after(Duration::from_secs(seconds))
    }

    #[test]
    fn askers_of_one_name_share_one_look_up_and_its_outcome() {
        let mut s = Scripted::new();
        assert_eq!(s.names.ask("a", at(0)), Known::Pending);
        assert_eq!(s.names.ask("a", at(0)), Known::Pending);
        let known = s.answer("a", Ok(ips(&["192.0.2.1"])), at(1));
        assert_eq!(known, addresses(&["192.0.2.1"]));
        assert!(!s.is_asking());
        assert_eq!(s.names.ask("a", at(60)), known);
        assert!(!s.is_asking());
    }

    #[test]
    fn stale_addresses_are_used_while_they_are_looked_up_again() {
        let mut s = Scripted::new();
        s.names.ask("a", at(0));
        s.answer("a", Ok(ips(&["192.0.2.1"])), at(0));
        assert_eq!(s.names.ask("a", at(60)), addresses(&["192.0.2.1"]));
        assert!(s.is_asking());
        // A failure leaves them as they are, until they are too old.
        s.answer("a", Err(io::Error::other("no server")), at(61));
        assert_eq!(s.names.ask("a", at(62)), addresses(&["192.0.2.1"]));
        assert!(!s.is_asking());
        assert_eq!(s.names.ask("a", at(70)), addresses(&["192.0.2.1"]));
        s.answer("a", Ok(ips(&["192.0.2.2"])), at(70));
        assert_eq!(s.names.ask("a", at(71)), addresses(&["192.0.2.2"]));
        assert_eq!(s.names.ask("a", at(70 + 600)), Known::Pending);
        assert!(s.is_asking());
    }

    #[test]
    fn a_failure_is_remembered_for_a_moment() {
        let mut s = Scripted::new();
        s.names.ask("a", at(0));
        let failed = s.answer("a", Err(io::Error::other("no such name")), at(0));
        assert_eq!(failed, Known::Failed("no such name".into()));
        assert_eq!(s.names.ask("a", at(4)), failed);
        assert!(!s.is_asking());
        assert_eq!(s.names.ask("a", at(5)), Known::Pending);
        s.answer("a", Ok(Vec::new()), at(5));
        assert_eq!(
            s.names.ask("a", at(6)),
            Known::Failed("it has no address".into())
        );
    }

    #[test]
    fn names_that_were_not_found_hold_up_no_others() {
        let poll = mio::Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let (release, held) = channel::<()>();
        let held = Mutex::new(held);
        let look_up = move |name: &str| match name {
            _ if name.starts_with("hangs") => {
                let _ = held.lock().unwrap().recv();
                Err(io::Error::other("no answer"))
            }
            _ => Ok(ips(&["192.0.2.1"])),
        };
        let mut names = Names::new(waker, Arc::new(look_up));
        let outcome = |names: &mut Names, now| loop {
            if let Some((name, _)) = names.next_outcome(now) {
                return name;
            }
            std::thread::yield_now();
        };
        let hanging: Vec<String> = (0..20).map(|n| format!("hangs {n}")).collect();
        for name in &hanging {
            names.ask(name, at(0));
        }
        for _ in &hanging {
            release.send(()).unwrap();
            outcome(&mut names, at(0));
        }
        for name in &hanging {
            assert_eq!(names.ask(name, at(10)), Known::Pending);
        }
        // All of them hang; a name that is new, and one whose addresses have become too old, are found.
        for now in [at(10), at(1000)] {
            assert_eq!(names.ask("good", now), Known::Pending);
            assert_eq!(&*outcome(&mut names, now), "good");
            assert_eq!(names.ask("good", now), addresses(&["192.0.2.1"]));
        }
        drop(release);
    }

    /// The first time nothing is known of names: good ones must get past hundreds that hang.
    #[test]
    fn a_look_up_that_takes_long_leaves_its_place_to_the_next_name() {
        let poll = mio::Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let (release, held) = channel::<()>();
        let held = Mutex::new(held);
        let look_up = move |name: &str| {
            if name.starts_with("hangs") {
                let _ = held.lock().unwrap().recv();
            }
            Ok(ips(&["192.0.2.1"]))
        };
        let mut names = Names::new(waker, Arc::new(look_up));
        let mut now = at(0);
        for n in 0..22 {
            names.ask(&format!("hangs {n}"), now);
        }
        assert_eq!(names.ask("good", now), Known::Pending);
        // Four at a time: after five waits twenty are slow, and the last two and the good one have their turn.
        for _ in 0..5 {
            assert_eq!(names.resolver.pending(), 23, "none is over");
            now = names.go_on(now).expect("one that waits");
        }
        assert_eq!(now, at(0).after(5 * SLOW));
        assert_eq!(names.go_on(now), None, "nobody waits");
        let (name, known) = loop {
            match names.next_outcome(now) {
                Some(outcome) => break outcome,
                None => std::thread::yield_now(),
            }
        };
        assert_eq!((&*name, known), ("good", addresses(&["192.0.2.1"])));
        // There is an end to it.
        for n in 22..200 {
            names.ask(&format!("hangs {n}"), now);
        }
        while let Some(next) = names.go_on(now) {
            now = next;
        }
        assert_eq!(names.resolver.threads(), 64);
        drop(release);
    }

    #[test]
    fn a_forgotten_name_is_looked_up_again() {
        let mut s = Scripted::new();
        s.names.ask("a", at(0));
        s.answer("a", Ok(ips(&["192.0.2.1"])), at(0));
        s.names.forget("a");
        assert_eq!(s.names.ask("a", at(1)), Known::Pending);
    }

    #[test]
    fn names_are_bounded_in_number() {
        let mut s = Scripted::new();
        for i in 0..MAX_NAMES + 10 {
            let name = format!("n{i}");
            s.names.ask(&name, at(0));
            s.answer(&name, Ok(ips(&["192.0.2.1"])), Instant(i as u64));
        }
        assert!(s.names.entries.len() <= MAX_NAMES);
        // The oldest went.
        assert!(!s.names.entries.contains_key("n0"));
        assert!(
            s.names
                .entries
                .contains_key(&*format!("n{}", MAX_NAMES + 9))
        );
    }

    #[test]
    fn families_take_turns_beginning_with_the_systems_choice() {
        let all = ips(&[
            "2001:db8::1",
            "2001:db8::2",
            "2001:db8::3",
            "192.0.2.1",
            "192.0.2.2",
        ]);
        let turn = ips(&[
            "2001:db8::1",
            "192.0.2.1",
            "2001:db8::2",
            "192.0.2.2",
            "2001:db8::3",
        ]);
        assert_eq!(in_turn(&all), turn);
        assert_eq!(in_turn(&ips(&["192.0.2.1"])), ips(&["192.0.2.1"]));
    }
}
