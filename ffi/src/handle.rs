//! Handles: what a C host holds.
//!
//! A handle starts with a word that says what it is, so that a pointer of another kind, or one used
//! after close, is answered instead of followed. For that answer to be sound the shell (not what is
//! in it) stays allocated after close: some 50 bytes per handle that a process ever opened,
//! reachable from [`CLOSED`].
//!
//! What the word cannot do is make a race safe: the thread that closes must know that no other is
//! in a call.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

use crate::error::{
    Failure, POSTRIDER_E_CLOSED, POSTRIDER_E_HANDLE, POSTRIDER_E_NULL, POSTRIDER_E_PANIC,
    POSTRIDER_E_POISONED, Status,
};
use crate::guard::caught;
use crate::inner::Inner;

/// "postride" and "POSTRIDE": an open and a closed handle.
const OPEN: u64 = u64::from_le_bytes(*b"postride");
const SHUT: u64 = u64::from_le_bytes(*b"POSTRIDE");

static CLOSED: AtomicPtr<Handle> = AtomicPtr::new(ptr::null_mut());

/// An engine, or a client of one. Opaque; made by `postrider_open()` or `postrider_connect()`.
pub struct Handle {
    magic: AtomicU64,
    poisoned: AtomicBool,
    /// Owned while `magic` is [`OPEN`].
    inner: *mut Inner,
    /// The next closed shell.
    next: AtomicPtr<Handle>,
}

impl Handle {
    /// Gives `inner` to the host.
    pub(crate) fn give(inner: Inner) -> *mut Handle {
        Box::into_raw(Box::new(Handle {
            magic: AtomicU64::new(OPEN),
            poisoned: AtomicBool::new(false),
            inner: Box::into_raw(Box::new(inner)),
            next: AtomicPtr::new(ptr::null_mut()),
        }))
    }

    /// Runs `body` with what the handle holds. Fails on NULL, on what is no handle, on a closed or
    /// poisoned one; a panic in `body` poisons it.
    pub(crate) fn with(
        handle: *mut Handle,
        body: impl FnOnce(&Inner) -> Result<Status, Failure>,
    ) -> Status {
        let handle = match Handle::check(handle) {
            Ok(handle) => handle,
            Err(failure) => return failure.status(),
        };
        if handle.poisoned.load(Ordering::Relaxed) {
            let text = "an earlier call with this handle met a bug; close it";
            return Failure::new(POSTRIDER_E_POISONED, text).status();
        }
        // SAFETY: `inner` is live while the magic word says OPEN, and by contract nobody closes
        // during a call.
        match caught(|| body(unsafe { &*handle.inner })) {
            Ok(Ok(status)) => status,
            Ok(Err(failure)) => failure.status(),
            Err(_) => {
                handle.poisoned.store(true, Ordering::Relaxed);
                POSTRIDER_E_PANIC
            }
        }
    }

    /// Takes the contents back from the host; the shell stays to answer late calls.
    pub(crate) fn take(handle: *mut Handle) -> Result<Box<Inner>, Failure> {
        let handle = Handle::check(handle)?;
        if handle
            .magic
            .compare_exchange(OPEN, SHUT, Ordering::AcqRel, Ordering::Acquire)
            .is_err()
        {
            return Err(Failure::new(
                POSTRIDER_E_CLOSED,
                "the handle is being closed by another thread",
            ));
        }
        // SAFETY: winning the exchange makes this the only thread that takes `inner`, which came
        // from a Box.
        let inner = unsafe { Box::from_raw(handle.inner) };
        let shell: *const Handle = handle;
        let mut head = CLOSED.load(Ordering::Relaxed);
        loop {
            handle.next.store(head, Ordering::Relaxed);
            match CLOSED.compare_exchange_weak(
                head,
                shell.cast_mut(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(inner),
                Err(now) => head = now,
            }
        }
    }

    fn check<'a>(handle: *mut Handle) -> Result<&'a Handle, Failure> {
        if handle.is_null() {
            return Err(Failure::new(POSTRIDER_E_NULL, "the handle is NULL"));
        }
        if !handle.is_aligned() {
            return Err(Failure::new(
                POSTRIDER_E_HANDLE,
                "the handle is not a pointer that postrider_open() gave",
            ));
        }
        // SAFETY: the host vouches for a pointer that came from us, and shells are never freed;
        // anything else that can be read is told apart by its first word.
        let handle = unsafe { &*handle };
        match handle.magic.load(Ordering::Acquire) {
            OPEN => Ok(handle),
            SHUT => Err(Failure::new(POSTRIDER_E_CLOSED, "the handle is closed")),
            _ => Err(Failure::new(
                POSTRIDER_E_HANDLE,
                "not a handle that postrider_open() or _connect() gave",
            )),
        }
    }
}
