//! Pushing events: the calls that a mail server makes all the time.

use std::ffi::c_char;
use std::time::Duration;

use postrider::client::{Input, PushOptions, Pushed};
use postrider::event::TypeId;

use crate::error::{Failure, POSTRIDER_E_NULL, POSTRIDER_E_TYPE, POSTRIDER_OK, Status};
use crate::field::{Field, Fields, bytes};
use crate::handle::Handle;
use crate::inner::status;
use crate::lifecycle::level_of;
use crate::sized::{self, Sized_};

/// Bytes that an event id with its closing NUL may take.
pub const POSTRIDER_EVENT_ID_BYTES: usize = 40;

/// A type for `postrider_push_json()`: the JSON says it itself.
pub const POSTRIDER_TYPE_IN_JSON: u32 = 0;

/// How one push differs from `postrider_push()`. All zero but the size: not at all.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct PushWish {
    /// `sizeof(postrider_push_options)`.
    pub size: usize,
    /// Return only when the event has reached this POSTRIDER_LEVEL_….
    pub level: u32,
    /// How long to wait for room and for the level; 0 as configured (`queue.policy`,
    /// `queue.wait_ms`; 10 s for a level above QUEUED).
    pub timeout_ms: u32,
}

// SAFETY: repr(C), starts with its size, integers only, no padding.
unsafe impl Sized_ for PushWish {
    const NAME: &str = "postrider_push_options";
}

/// Pushes an event made of fields: the fast way.
///
/// `event_id` and `timestamp` are filled in where the fields have none. Returns at level QUEUED (a
/// client handle: WRITTEN), POSTRIDER_OK_UNWANTED where nobody wants the type, or an error, and
/// then nothing was taken. Neither locks nor allocates after a thread's first call. Any thread.
///
/// # Safety
///
/// `handle` NULL or from this library, `fields` good for `count` fields and their pointers for
/// their lengths.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_push(
    handle: *mut Handle,
    event_type: u32,
    fields: *const Field,
    count: usize,
) -> Status {
    Handle::with(handle, |inner| {
        let ty = type_id(event_type)?;
        let mut room = Fields::new();
        // SAFETY: as the caller vouches.
        let fields = unsafe { room.read(fields, count)? };
        let input = Input::Fields(ty, fields);
        Ok(status(&inner.push(input, PushOptions::default())?))
    })
}

/// Pushes an event given as JSON: an object of fields, checked before it is taken.
///
/// With POSTRIDER_TYPE_IN_JSON the text says its type itself:
/// `{"msys":{"message_event":{"type":"delivery",…}}}`, or the inner object alone. Otherwise as
/// `postrider_push()`.
///
/// # Safety
///
/// `handle` NULL or from this library, `json` good for `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_push_json(
    handle: *mut Handle,
    event_type: u32,
    json: *const c_char,
    length: usize,
) -> Status {
    Handle::with(handle, |inner| {
        // SAFETY: as the caller vouches.
        let input = unsafe { json_input(event_type, json, length)? };
        Ok(status(&inner.push(input, PushOptions::default())?))
    })
}

/// As `postrider_push()`, with a level and a deadline, and tells the event's id.
///
/// `options` NULL: as `postrider_push()`. `event_id` NULL or room for POSTRIDER_EVENT_ID_BYTES,
/// where the id goes as a C string; empty for an event that was not kept (POSTRIDER_OK_UNWANTED,
/// POSTRIDER_OK_DROPPED). POSTRIDER_E_TIMEOUT: the event is queued, and may still reach the level.
/// Any thread.
///
/// # Safety
///
/// As `postrider_push()`; `options` NULL or a struct of the size it starts with, `event_id` NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_push_opts(
    handle: *mut Handle,
    event_type: u32,
    fields: *const Field,
    count: usize,
    options: *const PushWish,
    event_id: *mut c_char,
) -> Status {
    Handle::with(handle, |inner| {
        let ty = type_id(event_type)?;
        let mut room = Fields::new();
        // SAFETY: as the caller vouches.
        let (options, fields) = unsafe { (read(options)?, room.read(fields, count)?) };
        let pushed = inner.push(Input::Fields(ty, fields), options)?;
        // SAFETY: as the caller vouches.
        unsafe { tell_id(&pushed, event_id) };
        Ok(status(&pushed))
    })
}

/// As `postrider_push_json()`, with the options and the id of `postrider_push_opts()`.
///
/// # Safety
///
/// As `postrider_push_json()` and `postrider_push_opts()`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn postrider_push_json_opts(
    handle: *mut Handle,
    event_type: u32,
    json: *const c_char,
    length: usize,
    options: *const PushWish,
    event_id: *mut c_char,
) -> Status {
    Handle::with(handle, |inner| {
        // SAFETY: as the caller vouches.
        let (options, input) = unsafe { (read(options)?, json_input(event_type, json, length)?) };
        let pushed = inner.push(input, options)?;
        // SAFETY: as the caller vouches.
        unsafe { tell_id(&pushed, event_id) };
        Ok(status(&pushed))
    })
}

fn type_id(event_type: u32) -> Result<TypeId, Failure> {
    match u16::try_from(event_type) {
        Ok(id) if id != 0 => Ok(TypeId(id)),
        _ => Err(Failure::new(
            POSTRIDER_E_TYPE,
            format_args!("unknown event type {event_type}"),
        )),
    }
}

unsafe fn json_input<'a>(
    event_type: u32,
    json: *const c_char,
    length: usize,
) -> Result<Input<'a>, Failure> {
    // SAFETY: as the callers' callers vouch.
    let json = unsafe { bytes(json.cast(), length) }.ok_or_else(|| {
        Failure::new(
            POSTRIDER_E_NULL,
            format_args!("json is NULL, with a length of {length}"),
        )
    })?;
    match event_type {
        POSTRIDER_TYPE_IN_JSON => Ok(Input::Line(json)),
        _ => Ok(Input::Json(type_id(event_type)?, json)),
    }
}

unsafe fn read(options: *const PushWish) -> Result<PushOptions, Failure> {
    if options.is_null() {
        return Ok(PushOptions::default());
    }
    // SAFETY: as the callers' callers vouch.
    let options = unsafe { sized::read(options)? };
    let timeout =
        (options.timeout_ms != 0).then(|| Duration::from_millis(options.timeout_ms.into()));
    Ok(PushOptions {
        level: level_of(options.level)?,
        deadline: timeout,
    })
}

/// # Safety
///
/// `to` is NULL or has room for an id and its NUL.
unsafe fn tell_id(pushed: &Pushed, to: *mut c_char) {
    if to.is_null() {
        return;
    }
    let kept = pushed
        .event_id
        .as_ref()
        .filter(|_| status(pushed) == POSTRIDER_OK);
    let id = kept.map_or("", |id| id.as_str());
    // SAFETY: ids are at most 36 bytes, and the caller vouches for 40.
    unsafe {
        to.cast::<u8>()
            .copy_from_nonoverlapping(id.as_ptr(), id.len());
        to.add(id.len()).write(0);
    }
}

const _: () = assert!(postrider::event::EventId::MAX < POSTRIDER_EVENT_ID_BYTES);
