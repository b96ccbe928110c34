//! Status numbers and the last error's text.
//!
//! A number says what the caller should do, the text says what was wrong. Numbers are fixed for
//! ever: `tests/tests/capi_status.rs` holds them. The hundreds are the group, so that a host needs
//! one test per reaction, not a table of codes: `POSTRIDER_CLASS(status)`.

use std::cell::RefCell;
use std::ffi::c_char;
use std::fmt;

/// What a call answers: 0 and above, done; below 0, an error.
///
/// The group, `POSTRIDER_CLASS(status)`, says what to do about it; `postrider_last_error()` says
/// what was wrong.
pub type Status = i32;

/// Done.
pub const POSTRIDER_OK: Status = 0;
/// Taken and dropped: no webhook, filter or search wants this event type. Counted as `unwanted`.
pub const POSTRIDER_OK_UNWANTED: Status = 1;
/// Not done yet: poll again. From `postrider_api_poll()` alone.
pub const POSTRIDER_OK_PENDING: Status = 2;
/// The queue was full and its policy is `drop`: the event is gone, and counted as dropped.
pub const POSTRIDER_OK_DROPPED: Status = 3;

/// The queue or the inbox has no room; the event was not taken. Room comes as the engine drains.
pub const POSTRIDER_E_FULL: Status = -100;
/// The deadline passed first. What was pushed stays pushed.
pub const POSTRIDER_E_TIMEOUT: Status = -101;

/// A pointer that must not be NULL is NULL.
pub const POSTRIDER_E_NULL: Status = -200;
/// Not a handle of this library, or of another kind, or one that was closed.
pub const POSTRIDER_E_HANDLE: Status = -201;
/// A parameter outside its range: a level, a flag, a struct's size, a reserved word that is not
/// zero.
pub const POSTRIDER_E_ARGUMENT: Status = -202;
/// The event type is neither in the catalogue nor declared.
pub const POSTRIDER_E_TYPE: Status = -203;
/// A field is unknown, given twice, or of a kind that its contract does not allow.
pub const POSTRIDER_E_FIELD: Status = -204;
/// The JSON cannot be read, or is not an object of fields.
pub const POSTRIDER_E_JSON: Status = -205;
/// Text that is not UTF-8.
pub const POSTRIDER_E_UTF8: Status = -206;
/// Past a limit: 128 KiB encoded, 256 fields, 16 levels of JSON.
pub const POSTRIDER_E_LIMIT: Status = -207;
/// A configuration key is unknown, or its value is not one it takes.
pub const POSTRIDER_E_CONFIG: Status = -208;
/// This library or mode cannot do it: an engine call in libpostrider-client or on a client handle,
/// or durability in memory mode.
pub const POSTRIDER_E_UNSUPPORTED: Status = -209;

/// Another engine holds the data directory.
pub const POSTRIDER_E_LOCKED: Status = -300;
/// The data directory is missing, unsafe (owner, mode, a link) or may not be written.
pub const POSTRIDER_E_DATA_DIR: Status = -301;
/// The system refused a call: disk, memory, descriptors, threads. The text has its reason.
pub const POSTRIDER_E_SYSTEM: Status = -302;
/// Files of a newer version of Postrider, or damaged beyond what recovery may decide.
pub const POSTRIDER_E_FORMAT: Status = -303;

/// The handle is closed or closing.
pub const POSTRIDER_E_CLOSED: Status = -400;
/// The engine stopped itself: its log can no longer be written. Close, look at the disk, open
/// again.
pub const POSTRIDER_E_STOPPED: Status = -401;
/// A bug in Postrider was caught in this call; the text has its message and place. The handle is
/// poisoned.
pub const POSTRIDER_E_PANIC: Status = -402;
/// A bug was caught in an earlier call with this handle. Close it.
pub const POSTRIDER_E_POISONED: Status = -403;

/// `POSTRIDER_CLASS` of success.
pub const POSTRIDER_CLASS_OK: Status = 0;
/// `POSTRIDER_CLASS` of statuses that the same call may not meet again later: try again.
pub const POSTRIDER_CLASS_RETRY: Status = 1;
/// `POSTRIDER_CLASS` of statuses that the same call will always meet: fix the call.
pub const POSTRIDER_CLASS_CALL: Status = 2;
/// `POSTRIDER_CLASS` of statuses that an operator must lift: disk, permissions, another engine.
pub const POSTRIDER_CLASS_SYSTEM: Status = 3;
/// `POSTRIDER_CLASS` of statuses that no call with this handle gets past: close it.
pub const POSTRIDER_CLASS_CLOSE: Status = 4;

/// The longest text kept, its closing NUL included.
const TEXT_BYTES: usize = 1024;

/// One thread's last error. Fixed size and without a destructor: it needs no allocation in a forked
/// child and stays readable until the thread is gone.
struct LastError {
    len: usize,
    text: [u8; TEXT_BYTES],
}

thread_local! {
    static LAST: RefCell<LastError> = const { RefCell::new(LastError::EMPTY) };
}

impl LastError {
    const EMPTY: LastError = LastError {
        len: 0,
        text: [0; TEXT_BYTES],
    };
}

impl fmt::Write for LastError {
    /// Takes what fits, cut between characters.
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let room = TEXT_BYTES - 1 - self.len;
        let mut take = room.min(s.len());
        while !s.is_char_boundary(take) {
            take -= 1;
        }
        self.text[self.len..self.len + take].copy_from_slice(&s.as_bytes()[..take]);
        self.len += take;
        self.text[self.len] = 0;
        if take < s.len() {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

/// A call that failed: its text is already the thread's last error.
#[derive(Debug)]
pub(crate) struct Failure(Status);

impl Failure {
    /// Records `text` as this thread's last error.
    pub(crate) fn new(status: Status, text: impl fmt::Display) -> Failure {
        LAST.with(|last| {
            // Only a Display that calls back into this function could hold the borrow; its text is
            // lost then.
            if let Ok(mut last) = last.try_borrow_mut() {
                last.len = 0;
                last.text[0] = 0;
                // An error here means "cut short", which is what the limit promises.
                let _ = fmt::write(&mut *last, format_args!("{text}"));
            }
        });
        Failure(status)
    }

    /// The number to answer with.
    pub(crate) fn status(&self) -> Status {
        self.0
    }
}

/// The text of the last call that failed on this thread: UTF-8, closed by a NUL, at most 1,023
/// bytes.
///
/// Empty before the first failure; a call that succeeds leaves it alone. Valid until the thread's
/// next failure or end. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn postrider_last_error() -> *const c_char {
    // No guard: nothing here can fail, and the guard itself writes this text.
    LAST.with(|last| {
        let last: *const LastError = last.as_ptr();
        // SAFETY: the cell lives as long as the thread and nothing holds a reference into it
        // between calls; taking the address of the array makes none.
        unsafe { (&raw const (*last).text).cast() }
    })
}

/// The name of a status, such as `POSTRIDER_E_FULL`; `POSTRIDER_E_?` for a number this library
/// doesn't know.
///
/// Closed by a NUL, valid for ever. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn postrider_status_name(status: Status) -> *const c_char {
    // No guard: a match over constants.
    macro_rules! names {
        ($($name:ident),* $(,)?) => {
            match status { $($name => concat!(stringify!($name), "\0"),)* _ => "POSTRIDER_E_?\0" }
        };
    }
    let name = names!(
        POSTRIDER_OK,
        POSTRIDER_OK_UNWANTED,
        POSTRIDER_OK_PENDING,
        POSTRIDER_OK_DROPPED,
        POSTRIDER_E_FULL,
        POSTRIDER_E_TIMEOUT,
        POSTRIDER_E_NULL,
        POSTRIDER_E_HANDLE,
        POSTRIDER_E_ARGUMENT,
        POSTRIDER_E_TYPE,
        POSTRIDER_E_FIELD,
        POSTRIDER_E_JSON,
        POSTRIDER_E_UTF8,
        POSTRIDER_E_LIMIT,
        POSTRIDER_E_CONFIG,
        POSTRIDER_E_UNSUPPORTED,
        POSTRIDER_E_LOCKED,
        POSTRIDER_E_DATA_DIR,
        POSTRIDER_E_SYSTEM,
        POSTRIDER_E_FORMAT,
        POSTRIDER_E_CLOSED,
        POSTRIDER_E_STOPPED,
        POSTRIDER_E_PANIC,
        POSTRIDER_E_POISONED,
    );
    name.as_ptr().cast()
}
