//! Structs that grow: they start with their size.
//!
//! A host compiled with an older header passes a smaller struct, whose missing end counts as zero;
//! one compiled with a newer header a larger one, which is taken if the part that this library
//! doesn't know is all zero. So zero always means what the library did before the member existed.
//! Answers go the other way: as much as the caller's size holds.

use std::{ptr, slice};

use crate::error::{Failure, POSTRIDER_E_ARGUMENT, POSTRIDER_E_NULL};

/// A struct of the header that starts with its size.
///
/// # Safety
///
/// `repr(C)`, the first member a `usize` that counts its bytes, no padding, and all bit patterns
/// valid, zero among them.
pub(crate) unsafe trait Sized_: Copy {
    /// Its name in the header.
    const NAME: &str;
}

/// Reads the struct at `at`, whatever version it is of.
///
/// # Safety
///
/// `at` is NULL or points to a struct of the size it starts with.
pub(crate) unsafe fn read<T: Sized_>(at: *const T) -> Result<T, Failure> {
    // SAFETY: as the caller vouches.
    let size = unsafe { size(at)? };
    let known = size.min(size_of::<T>());
    // SAFETY: the caller vouches for `size` bytes.
    let tail = unsafe { slice::from_raw_parts(at.cast::<u8>().add(known), size - known) };
    if tail.iter().any(|&byte| byte != 0) {
        let text = format_args!(
            "{} sets members that this library ({}) does not know",
            T::NAME,
            env!("CARGO_PKG_VERSION")
        );
        return Err(Failure::new(POSTRIDER_E_ARGUMENT, text));
    }
    // SAFETY: zeroes are valid by the trait's contract; `known` bytes fit both sides.
    unsafe {
        let mut value: T = std::mem::zeroed();
        ptr::copy_nonoverlapping(at.cast::<u8>(), (&raw mut value).cast(), known);
        Ok(value)
    }
}

/// Answers with as much of `value` as the struct at `to` holds, and zero in what it has beyond; its
/// size stays.
///
/// # Safety
///
/// `to` is NULL or points to a writable struct of the size it starts with.
pub(crate) unsafe fn write<T: Sized_>(to: *mut T, value: &T) -> Result<(), Failure> {
    // SAFETY: as the caller vouches.
    let size = unsafe { size(to)? };
    let known = size.min(size_of::<T>());
    let head = size_of::<usize>();
    // SAFETY: the caller vouches for `size` bytes, of which the first `head` are left alone.
    unsafe {
        let to = to.cast::<u8>();
        ptr::copy_nonoverlapping(
            ptr::from_ref(value).cast::<u8>().add(head),
            to.add(head),
            known - head,
        );
        ptr::write_bytes(to.add(known), 0, size - known);
    }
    Ok(())
}

unsafe fn size<T: Sized_>(at: *const T) -> Result<usize, Failure> {
    if at.is_null() {
        return Err(Failure::new(
            POSTRIDER_E_NULL,
            format_args!("the {} is NULL", T::NAME),
        ));
    }
    // SAFETY: not NULL, and by the trait's contract it starts with its size.
    let size = unsafe { at.cast::<usize>().read() };
    if !(size_of::<usize>()..=4096).contains(&size) {
        let text = format_args!("{0}.size is {size}; set it to sizeof({0})", T::NAME);
        return Err(Failure::new(POSTRIDER_E_ARGUMENT, text));
    }
    Ok(size)
}
