//! What safe filters may do to the host, by a host that can be taken away.

use postrider_filter::abi::{self, Batch as RawBatch, Buffer, Descriptor};
use postrider_filter::{Batch, Error, Event, Filter, Host, NoConfig, Severity, entry};
use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lines that hosts were given.
static LINES: AtomicUsize = AtomicUsize::new(0);
/// Names that hosts were asked for.
static NAMES: AtomicUsize = AtomicUsize::new(0);
/// What the filter is to do, and the hosts that it kept.
static TOLD: Mutex<(&str, Vec<Host>)> = Mutex::new(("", Vec::new()));
/// One test at a time: they share the above.
static ONE: Mutex<()> = Mutex::new(());

fn told() -> MutexGuard<'static, (&'static str, Vec<Host>)> {
    TOLD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn alone(what: &'static str) -> MutexGuard<'static, ()> {
    let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    *told() = (what, Vec::new());
    one
}

struct Keeper(Host);

/// Thrown, and throws again when it goes.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("again");
    }
}

impl Filter for Keeper {
    const ID: &'static CStr = c"keeper";
    const VERSION: &'static CStr = c"1.0";
    const SUMMARY: &'static CStr = c"Keeps what it should not";
    type Config = NoConfig;

    fn create(host: &Host, _: NoConfig) -> Result<Self, Error> {
        host.field("rcpt_to")?;
        told().1.push(host.clone());
        let what = told().0;
        match what {
            "refuse" => Err(Error::new("told to")),
            "panic early" => panic!("told to"),
            _ => Ok(Keeper(host.clone())),
        }
    }

    fn event(&mut self, _: &mut Event<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn process(&mut self, _: &mut Batch<'_>) -> Result<(), Error> {
        let what = told().0;
        match what {
            "panic" => panic!("told to"),
            "bomb" => std::panic::panic_any(Bomb),
            "ask elsewhere" => {
                let host = self.0.clone();
                std::thread::spawn(move || {
                    host.log(Severity::Info, "from any thread");
                    assert!(host.field("rcpt_to").is_err());
                    assert_eq!(host.event_type("open"), None);
                })
                .join()
                .map_err(|_| Error::new("it was answered"))
            }
            _ => self.0.field("subject").map(|_| ()),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.log(Severity::Info, "the end");
    }
}

unsafe extern "C" fn number(_: *const abi::Host, _: *const c_char, _: usize) -> u32 {
    NAMES.fetch_add(1, Ordering::Relaxed);
    1
}

unsafe extern "C" fn type_name(_: *const abi::Host, _: u32) -> *const c_char {
    std::ptr::null()
}

unsafe extern "C" fn log(_: *const abi::Host, _: u32, _: *const c_char, _: usize) {
    LINES.fetch_add(1, Ordering::Relaxed);
}

unsafe extern "C" fn get_extension(_: *const abi::Host, _: *const c_char) -> *const c_void {
    std::ptr::null()
}

fn table() -> Box<abi::Host> {
    Box::new(abi::Host {
        size: size_of::<abi::Host>() as u32,
        abi_major: abi::MAJOR,
        abi_minor: abi::MINOR,
        name: c"test".as_ptr(),
        version: c"1".as_ptr(),
        field: number,
        r#type: number,
        type_name,
        log,
        get_extension,
    })
}

fn descriptor() -> Descriptor {
    // SAFETY: the entry of a filter that is linked in.
    unsafe { *entry::<Keeper>().descriptor }
}

/// What `create` answers, and the instance.
fn create(table: &abi::Host) -> (abi::Status, *mut c_void) {
    let mut text = [0_u8; 64];
    let mut error = Buffer {
        text: text.as_mut_ptr().cast(),
        size: text.len(),
        length: 0,
    };
    let mut filter = std::ptr::null_mut();
    let create = descriptor().create.unwrap();
    // SAFETY: as the header says.
    let status = unsafe { create(table, c"{}".as_ptr(), 2, &raw mut filter, &raw mut error) };
    (status, filter)
}

fn process(filter: *mut c_void) -> abi::Status {
    unsafe extern "C" fn get(_: *mut RawBatch, _: u32, _: u32, _: *mut abi::Value) -> abi::Status {
        abi::ABSENT
    }
    unsafe extern "C" fn set(
        _: *mut RawBatch,
        _: u32,
        _: u32,
        _: *const abi::Value,
    ) -> abi::Status {
        abi::E_TURN
    }
    unsafe extern "C" fn remove(_: *mut RawBatch, _: u32, _: u32) -> abi::Status {
        abi::E_TURN
    }
    unsafe extern "C" fn text(_: *mut RawBatch, _: u32, _: *const c_char, _: usize) -> abi::Status {
        abi::E_TURN
    }
    let mut batch = RawBatch {
        size: size_of::<RawBatch>() as u32,
        count: 0,
        events: std::ptr::null(),
        get,
        set,
        remove,
        tag: text,
        drop: text,
        fail: text,
        emit: text,
    };
    // SAFETY: as the header says.
    unsafe { descriptor().process.unwrap()(filter, &raw mut batch) }
}

fn destroy(filter: *mut c_void) {
    // SAFETY: as the header says.
    unsafe { descriptor().destroy.unwrap()(filter) }
}

/// That the hosts which were kept ask nothing of a table that is gone.
fn kept_hosts_are_silent(table: Box<abi::Host>) {
    drop(table);
    let before = (LINES.load(Ordering::Relaxed), NAMES.load(Ordering::Relaxed));
    let kept = std::mem::take(&mut told().1);
    assert!(!kept.is_empty());
    for host in kept {
        host.log(Severity::Error, "from beyond");
        assert!(host.field("rcpt_to").is_err());
        assert_eq!(host.event_type("open"), None);
    }
    let after = (LINES.load(Ordering::Relaxed), NAMES.load(Ordering::Relaxed));
    assert_eq!(before, after);
}

#[test]
fn a_host_that_is_kept_past_the_end_of_its_instance_is_silent() {
    let _one = alone("");
    let table = table();
    let (status, filter) = create(&table);
    assert_eq!((status, process(filter)), (abi::OK, abi::OK));
    let before = LINES.load(Ordering::Relaxed);
    destroy(filter);
    assert_eq!(
        LINES.load(Ordering::Relaxed),
        before + 1,
        "the destructor's line"
    );
    kept_hosts_are_silent(table);
}

#[test]
fn a_host_that_is_kept_from_a_create_that_failed_is_silent() {
    for what in ["refuse", "panic early"] {
        let _one = alone(what);
        let table = table();
        assert_eq!(create(&table).0, abi::FAILED);
        kept_hosts_are_silent(table);
    }
}

#[test]
fn a_host_that_a_poisoned_instance_kept_is_silent_after_its_end() {
    let _one = alone("panic");
    let table = table();
    let (_, filter) = create(&table);
    assert_eq!(process(filter), abi::BROKEN);
    assert_eq!(process(filter), abi::BROKEN);
    destroy(filter);
    kept_hosts_are_silent(table);
}

#[test]
fn names_are_resolved_only_on_the_thread_that_the_host_calls() {
    let _one = alone("ask elsewhere");
    let table = table();
    let (_, filter) = create(&table);
    let before = (LINES.load(Ordering::Relaxed), NAMES.load(Ordering::Relaxed));
    assert_eq!(process(filter), abi::OK);
    let after = (LINES.load(Ordering::Relaxed), NAMES.load(Ordering::Relaxed));
    assert_eq!(after, (before.0 + 1, before.1));
    destroy(filter);
}

/// It would end the engine's process if it left the filter.
#[test]
fn a_panic_whose_payload_panics_is_contained() {
    let _one = alone("bomb");
    let table = table();
    let (_, filter) = create(&table);
    assert_eq!(process(filter), abi::BROKEN);
    destroy(filter);
}
