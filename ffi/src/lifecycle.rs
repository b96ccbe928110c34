//! Opening, connecting, flushing, closing; and coming back after a daemon's fork.

use std::ffi::c_char;
use std::time::Duration;

use postrider::client::Level;

use crate::config::Config;
use crate::error::{Failure, POSTRIDER_E_ARGUMENT, POSTRIDER_E_NULL, POSTRIDER_OK, Status};
use crate::guard::guard;
use crate::handle::Handle;
use crate::inner::Inner;
use crate::text;

/// A level: in the queue. Lost if the process is killed.
pub const POSTRIDER_LEVEL_QUEUED: u32 = 0;
/// A level: in the log, or in the inbox. Survives a killed process.
pub const POSTRIDER_LEVEL_WRITTEN: u32 = 1;
/// A level: on stable storage. Survives a power cut.
pub const POSTRIDER_LEVEL_SYNCED: u32 = 2;

/// Opens an engine on a data directory, which is made if its parent is there, and starts its
/// threads.
///
/// `data_dir` NULL keeps everything in memory: nothing survives the process, and levels above
/// QUEUED are refused. `config` NULL means defaults; it may be freed afterwards. One engine per
/// data directory: a second open, of this process or another, gets POSTRIDER_E_LOCKED. Any thread.
///
/// # Safety
///
/// `data_dir` NULL or a C string, `config` NULL or live, `out` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_open(
    data_dir: *const c_char,
    config: *const Config,
    out: *mut *mut Handle,
) -> Status {
    guard(|| {
        let out = result(out)?;
        let data_dir = match data_dir.is_null() {
            true => None,
            // SAFETY: not NULL, a C string as the caller vouches.
            false => Some(unsafe { text::path(data_dir, "data_dir")? }),
        };
        // SAFETY: NULL or live, as the caller vouches.
        let config = unsafe { Config::check(config)? };
        *out = Handle::give(Inner::open(data_dir, config)?);
        Ok(POSTRIDER_OK)
    })
}

/// Connects to the inbox of a data directory, whether or not its engine is up.
///
/// Starts no thread and opens no socket; each push is one append to a file, and so at level
/// WRITTEN. The directory must be there (the engine makes it at its first start) and this process's
/// user in the inbox's group. Any thread.
///
/// # Safety
///
/// `data_dir` NULL or a C string, `out` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_connect(
    data_dir: *const c_char,
    out: *mut *mut Handle,
) -> Status {
    guard(|| {
        let out = result(out)?;
        // SAFETY: NULL or a C string, as the caller vouches.
        let data_dir = unsafe { text::path(data_dir, "data_dir")? };
        *out = Handle::give(Inner::connect(data_dir)?);
        Ok(POSTRIDER_OK)
    })
}

/// Waits until everything that was pushed before this call has reached `level`.
///
/// On an engine's handle that means by all threads, and in a forked child or on a client handle by
/// this process. `timeout_ms` 0 only looks. POSTRIDER_E_TIMEOUT loses nothing; ask again. Any
/// thread.
///
/// # Safety
///
/// `handle` NULL or from this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_flush(
    handle: *mut Handle,
    level: u32,
    timeout_ms: u32,
) -> Status {
    Handle::with(handle, |inner| {
        inner.flush(level_of(level)?, Duration::from_millis(timeout_ms.into()))
    })
}

/// Closes a handle: stops taking events, writes and syncs what was taken, lets POSTs in flight end,
/// stops the threads.
///
/// What is undelivered by then stays in the data directory and goes out after the next open.
/// `timeout_ms` bounds the wait; POSTRIDER_E_TIMEOUT means that some thread did not end in time.
/// The handle is gone whatever is returned. NULL is a no-op. In a forked child the parent's engine
/// is left alone. No other thread may be using the handle.
///
/// # Safety
///
/// `handle` NULL or from this library; no other thread in a call with it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_close(handle: *mut Handle, timeout_ms: u32) -> Status {
    guard(|| {
        if handle.is_null() {
            return Ok(POSTRIDER_OK);
        }
        Handle::take(handle)?.close(Duration::from_millis(timeout_ms.into()))
    })
}

/// Gives a daemon's child a whole engine again: opens the data directory anew with the first open's
/// settings.
///
/// For hosts that open, fork and let the parent exit. It waits up to `timeout_ms` for the parent to
/// be gone; POSTRIDER_E_LOCKED: it still holds the directory, try again. Until then the handle is a
/// client, and what is pushed goes to the inbox, from where the new engine takes it.
///
/// # Safety
///
/// `handle` NULL or from this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_restart_after_fork(
    handle: *mut Handle,
    timeout_ms: u32,
) -> Status {
    Handle::with(handle, |inner| {
        inner.restart_after_fork(Duration::from_millis(timeout_ms.into()))
    })
}

/// Declares an event type of your own, as category and name, and gives its number for pushes with
/// this handle.
///
/// The same pair gets the same number again, also after a restart of the engine. Names are `a` to
/// `z`, `0` to `9` and `_`, at most 64 bytes; names of the catalogue are taken. Such a type takes
/// fields of any name. Any thread.
///
/// # Safety
///
/// `handle` NULL or from this library, `category` and `name` NULL or C strings, `type_id` NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_declare_type(
    handle: *mut Handle,
    category: *const c_char,
    name: *const c_char,
    type_id: *mut u32,
) -> Status {
    Handle::with(handle, |inner| {
        if type_id.is_null() {
            return Err(Failure::new(POSTRIDER_E_NULL, "type_id is NULL"));
        }
        // SAFETY: NULL or C strings, as the caller vouches.
        let (category, name) =
            unsafe { (text::utf8(category, "category")?, text::utf8(name, "name")?) };
        let declared = inner.declare_type(category, name)?;
        // SAFETY: not NULL, and writable as the caller vouches.
        unsafe { type_id.write(declared.0.into()) };
        Ok(POSTRIDER_OK)
    })
}

/// The level of that number.
pub(crate) fn level_of(level: u32) -> Result<Level, Failure> {
    match level {
        POSTRIDER_LEVEL_QUEUED => Ok(Level::Queued),
        POSTRIDER_LEVEL_WRITTEN => Ok(Level::Written),
        POSTRIDER_LEVEL_SYNCED => Ok(Level::Synced),
        other => {
            let text = format_args!("level {other} is none of POSTRIDER_LEVEL_…");
            Err(Failure::new(POSTRIDER_E_ARGUMENT, text))
        }
    }
}

/// Where a new handle goes.
fn result<'a>(out: *mut *mut Handle) -> Result<&'a mut *mut Handle, Failure> {
    // SAFETY: NULL, or writable as the caller vouches.
    unsafe { out.as_mut() }
        .ok_or_else(|| Failure::new(POSTRIDER_E_NULL, "out, where the handle goes, is NULL"))
}
