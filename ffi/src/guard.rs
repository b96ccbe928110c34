//! The one boundary between a host and Rust.
//!
//! A panic that leaves an `extern "C"` function aborts the process, and this process is somebody's
//! mail server. So every exported function runs its body in [`guard`]
//! (`tests/tests/capi_exports.rs` looks that none is without): it catches the panic, keeps its
//! message and place as the last error, and the caller poisons the handle.
//!
//! The standard panic hook prints to descriptor 2, which in a mail server may be a socket or
//! closed. Ours is silent inside the guard and on Postrider's own threads, and passes everything
//! else on. A shared object has a copy of Rust's runtime to itself, so a Rust host's hook is
//! neither seen nor changed; in a static link with other Rust code the hook is shared, hence the
//! passing on.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;
use std::thread;

use crate::error::{Failure, POSTRIDER_E_PANIC, Status};

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Runs `body`; a failure or a panic becomes its number, its text the last error.
pub(crate) fn guard(body: impl FnOnce() -> Result<Status, Failure>) -> Status {
    match caught(body) {
        Ok(Ok(status)) => status,
        Ok(Err(failure)) => failure.status(),
        Err(Panicked) => POSTRIDER_E_PANIC,
    }
}

/// Runs `body`; a failure or a panic becomes `otherwise`, its text the last error.
pub(crate) fn guard_or<T>(otherwise: T, body: impl FnOnce() -> Result<T, Failure>) -> T {
    match caught(body) {
        Ok(Ok(value)) => value,
        Ok(Err(_)) | Err(Panicked) => otherwise,
    }
}

/// The body panicked; the last error says with what and where.
pub(crate) struct Panicked;

/// Runs `body` with panics caught and kept quiet.
pub(crate) fn caught<T>(body: impl FnOnce() -> T) -> Result<T, Panicked> {
    HOOK.call_once(|| {
        let next = panic::take_hook();
        panic::set_hook(Box::new(move |info| hook(info, &*next)));
    });
    let outer = INSIDE.replace(true);
    // Unwind safety: what the body may have left half-done is behind the handle, which gets
    // poisoned.
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    INSIDE.set(outer);
    result.map_err(|payload| {
        // A payload's destructor may panic too; forgetting it costs a few bytes once.
        std::mem::forget(payload);
        Panicked
    })
}

/// What the panic said: the formatted text, or what was thrown if it is text.
fn message<'a>(info: &'a PanicHookInfo<'_>) -> &'a str {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

fn hook(info: &PanicHookInfo<'_>, next: &dyn Fn(&PanicHookInfo<'_>)) {
    let ours = |name: &str| name.starts_with("postrider");
    if INSIDE.get() {
        let what = message(info);
        let _ = match info.location() {
            Some(at) => Failure::new(
                POSTRIDER_E_PANIC,
                format_args!("bug in Postrider: {what} ({at})"),
            ),
            None => Failure::new(POSTRIDER_E_PANIC, format_args!("bug in Postrider: {what}")),
        };
    } else if !thread::current().name().is_some_and(ours) {
        next(info);
    }
}
