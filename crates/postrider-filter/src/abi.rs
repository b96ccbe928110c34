//! `include/postrider_filter.h` in Rust: the same names, numbers and layouts, documented there.
//!
//! Both sides use it: the SDK in this crate, and the engine that loads filters. A test of the
//! repository compares every size, offset and number with what a C compiler makes of the header.

use std::ffi::{c_char, c_void};

/// First word of the entry.
pub const MAGIC: u32 = 0x5446_5250;
/// The major version of this ABI: a filter's must be the host's.
pub const MAJOR: u16 = 1;
/// The minor version of this ABI: a filter's may be at most the host's.
pub const MINOR: u16 = 0;
/// The symbol of the one function that a filter exports, an [`EntryFn`].
pub const SYMBOL: &str = "postrider_filter";

/// What calls answer: 0 and above is done.
pub type Status = i32;
/// Done.
pub const OK: Status = 0;
/// The event has no such field.
pub const ABSENT: Status = 1;
/// From the filter: not done.
pub const FAILED: Status = -1;
/// From the filter: not done, and this instance is of no more use.
pub const BROKEN: Status = -2;
/// Called out of turn.
pub const E_TURN: Status = -10;
/// No event has this index.
pub const E_INDEX: Status = -11;
/// A pointer is NULL, or a value has no kind that there is.
pub const E_ARGUMENT: Status = -12;
/// No field has this number, or it is not a filter's to change.
pub const E_FIELD: Status = -13;
/// The field does not take this value.
pub const E_VALUE: Status = -14;
/// Past a limit.
pub const E_LIMIT: Status = -15;
/// No event type has this number.
pub const E_TYPE: Status = -16;
/// The event's text cannot be read.
pub const E_EVENT: Status = -17;

/// `text`, unescaped.
pub const STRING: u32 = 1;
/// `integer`.
pub const INT: u32 = 2;
/// `number`.
pub const DOUBLE: u32 = 3;
/// `integer`: 0 or 1.
pub const BOOL: u32 = 4;
/// `text` is one JSON value.
pub const JSON: u32 = 5;

/// A failed event goes on as it was.
pub const OPEN: u32 = 1;
/// A failed event is kept until an operator releases it.
pub const CLOSED: u32 = 2;
/// As [`OPEN`], and a filter that has tripped stays out.
pub const DISABLE: u32 = 3;

/// Severity of a line: an operator should look.
pub const LOG_ERROR: u32 = 1;
/// Severity of a line: odd.
pub const LOG_WARNING: u32 = 2;
/// Severity of a line: what happens.
pub const LOG_INFO: u32 = 3;

/// The members of a [`Value`].
#[repr(C)]
#[derive(Clone, Copy)]
pub union As {
    /// STRING and JSON.
    pub text: *const c_char,
    /// INT and BOOL.
    pub integer: i64,
    /// DOUBLE.
    pub number: f64,
}

/// `postrider_filter_value`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Value {
    /// The member that `kind` names.
    pub r#as: As,
    /// STRING, …
    pub kind: u32,
    /// Bytes of `text`.
    pub length: u32,
}

/// `postrider_filter_buffer`
#[repr(C)]
pub struct Buffer {
    /// Room for `size` bytes.
    pub text: *mut c_char,
    /// How many.
    pub size: usize,
    /// How many were written.
    pub length: usize,
}

/// `postrider_filter_host`
#[repr(C)]
pub struct Host {
    /// Bytes of this struct.
    pub size: u32,
    /// The host's major version.
    pub abi_major: u16,
    /// The host's minor version.
    pub abi_minor: u16,
    /// What the host is.
    pub name: *const c_char,
    /// Its version.
    pub version: *const c_char,
    /// The number of a field.
    pub field: unsafe extern "C" fn(*const Host, *const c_char, usize) -> u32,
    /// The number of an event type.
    pub r#type: unsafe extern "C" fn(*const Host, *const c_char, usize) -> u32,
    /// The name of an event type.
    pub type_name: unsafe extern "C" fn(*const Host, u32) -> *const c_char,
    /// One line for the operator.
    pub log: unsafe extern "C" fn(*const Host, u32, *const c_char, usize),
    /// A table beyond the header.
    pub get_extension: unsafe extern "C" fn(*const Host, *const c_char) -> *const c_void,
}

/// `postrider_filter_event`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The event as it goes out.
    pub json: *const c_char,
    /// When it happened, in Unix milliseconds.
    pub time_ms: i64,
    /// Bytes of `json`.
    pub length: u32,
    /// Its type.
    pub r#type: u32,
    /// Its subaccount.
    pub subaccount: u32,
    /// 0.
    pub reserved: [u32; 3],
}

/// A function of the batch that takes an event and text.
pub type TextCall = unsafe extern "C" fn(*mut Batch, u32, *const c_char, usize) -> Status;

/// `postrider_filter_batch`
#[repr(C)]
pub struct Batch {
    /// Bytes of this struct.
    pub size: u32,
    /// How many events.
    pub count: u32,
    /// The events.
    pub events: *const Event,
    /// The value of a field.
    pub get: unsafe extern "C" fn(*mut Batch, u32, u32, *mut Value) -> Status,
    /// Gives a field a value.
    pub set: unsafe extern "C" fn(*mut Batch, u32, u32, *const Value) -> Status,
    /// Takes a field away.
    pub remove: unsafe extern "C" fn(*mut Batch, u32, u32) -> Status,
    /// Adds a text to `x_tags`.
    pub tag: TextCall,
    /// Lets the event go no further.
    pub drop: TextCall,
    /// Fails the event.
    pub fail: TextCall,
    /// Adds an event.
    pub emit: TextCall,
}

/// `create()`
pub type CreateFn = unsafe extern "C" fn(
    *const Host,
    *const c_char,
    usize,
    *mut *mut c_void,
    *mut Buffer,
) -> Status;
/// `process()`
pub type ProcessFn = unsafe extern "C" fn(*mut c_void, *mut Batch) -> Status;
/// `destroy()`
pub type DestroyFn = unsafe extern "C" fn(*mut c_void);
/// `get_extension()` of a filter.
pub type ExtensionFn = unsafe extern "C" fn(*const c_char) -> *const c_void;

/// `postrider_filter_descriptor`; what must not be NULL may be in a bad filter.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Descriptor {
    /// Bytes of this struct.
    pub size: u32,
    /// OPEN, CLOSED or DISABLE.
    pub on_failure: u32,
    /// The filter's id.
    pub id: *const c_char,
    /// Its version.
    pub version: *const c_char,
    /// What it does.
    pub summary: *const c_char,
    /// Makes an instance.
    pub create: Option<CreateFn>,
    /// Treats a batch.
    pub process: Option<ProcessFn>,
    /// Ends an instance.
    pub destroy: Option<DestroyFn>,
    /// A table beyond the header.
    pub get_extension: Option<ExtensionFn>,
}

/// `postrider_filter_entry`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Entry {
    /// [`MAGIC`]
    pub magic: u32,
    /// [`MAJOR`] of the filter.
    pub abi_major: u16,
    /// [`MINOR`] of the filter.
    pub abi_minor: u16,
    /// Bytes of this struct.
    pub size: u32,
    /// 0.
    pub reserved: u32,
    /// What the filter is.
    pub descriptor: *const Descriptor,
}

/// `postrider_filter()`
pub type EntryFn = unsafe extern "C" fn() -> *const Entry;

// SAFETY: both are read-only, and so is what they point to, for the life of the process.
unsafe impl Sync for Descriptor {}
// SAFETY: as above.
unsafe impl Sync for Entry {}
