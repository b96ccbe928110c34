//! Memory that the library gives: one struct, one way to free it.

use std::ffi::c_char;
use std::ptr;

use crate::error::{Failure, POSTRIDER_E_NULL, POSTRIDER_OK};
use crate::guard::guard;

/// Text that the library made; give it back with `postrider_free()`.
///
/// Start it as `{ 0 }`. A call that fails leaves it alone.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Buffer {
    /// The text; a NUL follows it, which `length` does not count. NULL where there is none.
    pub data: *mut c_char,
    /// Its bytes.
    pub length: usize,
}

impl Buffer {
    /// Moves `text` to the host.
    ///
    /// # Safety
    ///
    /// `to` is NULL or writable.
    pub(crate) unsafe fn give(to: *mut Buffer, what: &str, text: Vec<u8>) -> Result<(), Failure> {
        if to.is_null() {
            return Err(Failure::new(
                POSTRIDER_E_NULL,
                format_args!("{what} is NULL"),
            ));
        }
        let length = text.len();
        let mut text = text;
        text.push(0);
        let data = Box::into_raw(text.into_boxed_slice()).cast();
        // SAFETY: not NULL, and writable as the caller vouches.
        unsafe { to.write(Buffer { data, length }) };
        Ok(())
    }
}

/// Frees what a buffer holds and empties it. NULL and an empty buffer are no-ops. Any thread.
///
/// # Safety
///
/// NULL, or a buffer that is empty or as the library filled it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_free(buffer: *mut Buffer) {
    guard(|| {
        if buffer.is_null() {
            return Ok(POSTRIDER_OK);
        }
        // SAFETY: not NULL; the caller vouches for the rest.
        let held = unsafe {
            buffer.replace(Buffer {
                data: ptr::null_mut(),
                length: 0,
            })
        };
        if !held.data.is_null() {
            let slice = ptr::slice_from_raw_parts_mut(held.data.cast::<u8>(), held.length + 1);
            // SAFETY: `give` made this slice of just this length.
            drop(unsafe { Box::from_raw(slice) });
        }
        Ok(POSTRIDER_OK)
    });
}
