use super::*;
use crate::event::{Entry, types};
use crate::filter::FilterSpec;
use postrider_filter::{Error, Event, Filter, Host, NoConfig, abi};
use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[test]
fn time_that_nobody_watched_does_not_count() {
    let second = Duration::from_secs(1);
    let start = Instant::now();
    let mut watched = Watched::default();
    let mut look = |call, at: u64| watched.look(call, start + Duration::from_secs(at), second);
    assert_eq!(look(1, 0), Duration::ZERO);
    assert_eq!(look(1, 1), second);
    // The process was stopped for an hour.
    assert_eq!(look(1, 3600), 3 * second);
    for n in 1..6 {
        assert_eq!(look(1, 3600 + n), (3 + n as u32) * second);
    }
    // The next call is another matter.
    assert_eq!(look(2, 3606), Duration::ZERO);
    assert_eq!(look(2, 3607), second);
}

/// While one that is in force is to stay in its call.
static STAY: AtomicBool = AtomicBool::new(false);
/// Calls that went in there, and that came back.
static IN: AtomicU64 = AtomicU64::new(0);
static BACK: AtomicU64 = AtomicU64::new(0);

struct Stays;

impl Filter for Stays {
    const ID: &'static CStr = c"stays";
    const VERSION: &'static CStr = c"1.0";
    const SUMMARY: &'static CStr = c"Comes back when it is let";
    type Config = NoConfig;

    fn create(_: &Host, _: NoConfig) -> Result<Self, Error> {
        Ok(Stays)
    }

    fn event(&mut self, _: &mut Event<'_>) -> Result<(), Error> {
        let stayed = STAY.load(Ordering::SeqCst);
        IN.fetch_add(u64::from(stayed), Ordering::SeqCst);
        while STAY.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        BACK.fetch_add(u64::from(stayed), Ordering::SeqCst);
        Ok(())
    }
}

extern "C" fn stays() -> *const abi::Entry {
    postrider_filter::entry::<Stays>()
}

struct Nothing;

impl Filter for Nothing {
    const ID: &'static CStr = c"nothing";
    const VERSION: &'static CStr = c"1.0";
    const SUMMARY: &'static CStr = c"Does nothing";
    type Config = NoConfig;

    fn create(_: &Host, _: NoConfig) -> Result<Self, Error> {
        Ok(Nothing)
    }

    fn event(&mut self, _: &mut Event<'_>) -> Result<(), Error> {
        Ok(())
    }
}

extern "C" fn nothing() -> *const abi::Entry {
    postrider_filter::entry::<Nothing>()
}

/// Puts a filter in force that is linked in.
fn put(filters: &Filters, timeout_ms: u64, entry: extern "C" fn() -> *const abi::Entry) {
    let mut spec = FilterSpec::new("linked", "/linked.so");
    spec.timeout_ms = timeout_ms;
    spec.budget_us = 1_000_000;
    filters.put_linked(spec, entry);
}

fn one_event() -> Batch {
    let mut batch = Batch::default();
    let entry = Entry {
        type_id: types::BOUNCE.0,
        ..Entry::default()
    };
    batch.push_copy(&entry, b"{}");
    batch
}

/// Counts the batches that it has taken through the filters.
struct Counts {
    seat: Seat<Counts>,
    done: u64,
    to: u64,
    told: std::sync::mpsc::Sender<(u64, Option<String>)>,
}

impl Counts {
    fn run(mut self: Box<Self>) {
        while self.done < self.to {
            let chain = self.seat.filters().now();
            self = match chain.run(self, one_event()) {
                Some((role, batch)) => role.did(&batch),
                None => return,
            };
        }
        let comm = std::fs::read_to_string("/proc/thread-self/comm").ok();
        self.told.send((self.done, comm)).unwrap();
    }

    fn did(mut self: Box<Self>, batch: &Batch) -> Box<Self> {
        assert_eq!((batch.pushed(), batch.text(0)), (1, &b"{}"[..]));
        self.done += 1;
        self
    }
}

impl Role for Counts {
    fn seat(&mut self) -> &mut Seat<Counts> {
        &mut self.seat
    }

    fn go_on(self: Box<Self>, batch: Batch) {
        self.did(&batch).run();
    }
}

/// Calls that return just when they are given up: whoever is first has the role, and nobody else.
#[test]
fn a_role_has_one_thread_whenever_its_calls_come_back() {
    const ROUNDS: u64 = 60;
    let filters = Arc::new(Filters::for_linked());
    let wait = |count: &AtomicU64, to: u64| {
        while count.load(Ordering::SeqCst) < to {
            std::thread::yield_now();
        }
    };
    for round in 0..ROUNDS {
        put(&filters, 4, stays);
        let seat = filters
            .seat("counts")
            .expect("the one before was let go of");
        assert!(filters.seat::<Counts>("another").is_none());
        let (told, tells) = std::sync::mpsc::channel();
        let role = Counts {
            seat,
            done: 0,
            to: 20,
            told,
        };
        STAY.store(true, Ordering::SeqCst);
        let thread = Seat::start(Box::new(role), Counts::run).unwrap();
        wait(&IN, round + 1);
        // About when the watcher gives up: a little before, or behind.
        std::thread::sleep(Duration::from_micros(3_500 + 40 * round));
        STAY.store(false, Ordering::SeqCst);
        let (done, name) = tells.recv().expect("it goes on");
        assert_eq!((done, name.as_deref()), (20, Some("counts\n")));
        thread.join();
        wait(&BACK, round + 1);
        assert!(tells.recv().is_err(), "nobody else has it");
    }
    filters.close(Duration::from_secs(60));
}

#[test]
fn a_watcher_rests_while_no_call_is_made() {
    let filters = Arc::new(Filters::for_linked());
    put(&filters, 80, nothing);
    let seat = filters.seat("counts").unwrap();
    let (told, _) = std::sync::mpsc::channel();
    let mut role = Box::new(Counts {
        seat,
        done: 0,
        to: 0,
        told,
    });
    for _ in 0..3 {
        role = filters.now().run(role, one_event()).expect("in time").0;
        let desk = role.seat.watch.as_ref().expect("begun").desk.clone();
        let rest = || lock(&desk.state).rest;
        let deadline = Instant::now() + Duration::from_secs(60);
        while rest() != FOREVER {
            assert!(Instant::now() < deadline, "{:?}", rest());
            std::thread::yield_now();
        }
    }
    drop(role);
    filters.close(Duration::from_secs(60));
}
