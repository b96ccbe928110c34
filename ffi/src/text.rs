//! C strings that a host passes: names, keys, paths.

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Failure, POSTRIDER_E_NULL, POSTRIDER_E_UTF8};

/// The string at `at`; `what` names the parameter.
///
/// # Safety
///
/// `at` is NULL or a string closed by a NUL, good for `'a`.
pub(crate) unsafe fn c_string<'a>(at: *const c_char, what: &str) -> Result<&'a CStr, Failure> {
    if at.is_null() {
        return Err(Failure::new(
            POSTRIDER_E_NULL,
            format_args!("{what} is NULL"),
        ));
    }
    // SAFETY: not NULL, closed by a NUL as the caller vouches.
    Ok(unsafe { CStr::from_ptr(at) })
}

/// As [`c_string`], UTF-8.
///
/// # Safety
///
/// As [`c_string`].
pub(crate) unsafe fn utf8<'a>(at: *const c_char, what: &str) -> Result<&'a str, Failure> {
    // SAFETY: as the caller vouches.
    let text = unsafe { c_string(at, what)? };
    text.to_str().map_err(|e| {
        Failure::new(
            POSTRIDER_E_UTF8,
            format_args!("{what} is not UTF-8 at byte {}", e.valid_up_to()),
        )
    })
}

/// As [`c_string`], a path of any bytes.
///
/// # Safety
///
/// As [`c_string`].
pub(crate) unsafe fn path<'a>(at: *const c_char, what: &str) -> Result<&'a Path, Failure> {
    // SAFETY: as the caller vouches.
    let text = unsafe { c_string(at, what)? };
    Ok(Path::new(OsStr::from_bytes(text.to_bytes())))
}
