//! Which library this is.

use std::ffi::c_char;

/// The library's version at run time, such as `0.1.0`; compare with `POSTRIDER_VERSION`.
///
/// Closed by a NUL, valid for ever. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn postrider_version() -> *const c_char {
    // No guard: a constant.
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The library's version at run time as a number: major × 65536 + minor × 256 + patch; compare with
/// `POSTRIDER_VERSION_NUMBER`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn postrider_version_number() -> u32 {
    // No guard: a constant.
    const NUMBER: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
        | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
        | number(env!("CARGO_PKG_VERSION_PATCH"));
    NUMBER
}

const fn number(text: &str) -> u32 {
    match u32::from_str_radix(text, 10) {
        Ok(n) if n < 256 => n,
        _ => panic!("a part of the version does not fit a byte"),
    }
}
