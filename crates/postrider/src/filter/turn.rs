//! Whose turn it is: the batch that a filter gets, and the functions in it.
//!
//! The pointer that a filter is given stays good until the instance ends, so that one that it kept is no danger: outside of
//! its turn, or from another thread, every function answers `E_TURN` and touches nothing. The turn is a word that names
//! the thread; only that thread gets at the sheet.

use super::batch::Batch;
use super::host::HostSide;
use super::sheet::{Outcome, Sheet};
use crate::event::{MAX_TEXT, Value};
use crate::time::UnixMillis;
use postrider_filter::abi::{self, Status};
use std::cell::UnsafeCell;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// No thread's turn.
const NOBODY: usize = 0;

/// What a filter's batch pointer points to.
#[repr(C)]
pub(super) struct Turn {
    /// What the filter sees.
    head: UnsafeCell<abi::Batch>,
    /// The thread whose turn it is, by [`thread`].
    owner: AtomicUsize,
    /// Calls out of turn.
    late: AtomicU64,
    sheet: UnsafeCell<Sheet>,
}

// SAFETY: head and sheet are used by the owner alone, which only the instance's one user sets.
unsafe impl Send for Turn {}
// SAFETY: as above.
unsafe impl Sync for Turn {}

impl Turn {
    pub(super) fn new(host: Arc<HostSide>) -> Turn {
        Turn {
            head: UnsafeCell::new(abi::Batch {
                size: size_of::<abi::Batch>() as u32,
                count: 0,
                events: std::ptr::null(),
                get,
                set,
                remove,
                tag,
                drop: drop_event,
                fail,
                emit,
            }),
            owner: AtomicUsize::new(NOBODY),
            late: AtomicU64::new(0),
            sheet: UnsafeCell::new(Sheet::new(host)),
        }
    }

    /// Gives `process` a turn over the events `picked` from `batch`, which outlives the call even if it never
    /// returns. Then [`apply`](Self::apply).
    ///
    /// # Safety
    /// One call at a time, and none after one that did not return.
    pub(super) unsafe fn give(
        &self,
        batch: &Batch,
        picked: &[u32],
        now_ms: UnixMillis,
        process: impl FnOnce(*mut abi::Batch) -> Status,
    ) -> Status {
        // SAFETY: nobody owns the turn, so nobody else is at the sheet or the head.
        unsafe {
            let sheet = &mut *self.sheet.get();
            sheet.begin(batch, picked, now_ms);
            let head = &mut *self.head.get();
            head.count = sheet.views.len() as u32;
            head.events = sheet.views.as_ptr();
        }
        self.owner.store(thread(), Ordering::Release);
        let status = process(std::ptr::from_ref(self).cast_mut().cast());
        self.owner.store(NOBODY, Ordering::Release);
        // SAFETY: as above.
        let refusal = unsafe { (*self.sheet.get()).refusal() };
        match (status, refusal) {
            (abi::OK, Some(refused)) => refused,
            (status, _) => status,
        }
    }

    /// Does to the batch what the filter asked for in its last turn.
    ///
    /// # Safety
    /// As for [`give`](Self::give), whose `picked` it gets.
    pub(super) unsafe fn apply(&self, batch: &mut Batch, picked: &[u32]) -> Outcome {
        // SAFETY: nobody owns the turn.
        unsafe { (*self.sheet.get()).apply(batch, picked) }
    }

    /// Ends the turn of a call that has not returned: it can do nothing more.
    pub(super) fn revoke(&self) {
        self.owner.store(NOBODY, Ordering::Release);
    }

    /// Calls out of turn since the last look.
    pub(super) fn take_late(&self) -> u64 {
        self.late.swap(0, Ordering::Relaxed)
    }
}

/// This thread, as a number that no other living thread has.
fn thread() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

/// Runs what a filter called, if it is its turn.
///
/// # Safety
/// `batch` is NULL or the start of a [`Turn`].
unsafe fn in_turn(
    batch: *mut abi::Batch,
    body: impl FnOnce(&mut Sheet) -> Result<Status, Status>,
) -> Status {
    // SAFETY: a filter has no other batch than one of ours, and ours stay.
    let Some(turn) = (unsafe { batch.cast::<Turn>().cast_const().as_ref() }) else {
        return abi::E_ARGUMENT;
    };
    if turn.owner.load(Ordering::Acquire) != thread() {
        turn.late.fetch_add(1, Ordering::Relaxed);
        return abi::E_TURN;
    }
    // SAFETY: it is this thread's turn, and `give` is below on its stack, away from the sheet.
    let sheet = unsafe { &mut *turn.sheet.get() };
    // A panic of ours must not unwind into the filter.
    match catch_unwind(AssertUnwindSafe(|| body(sheet))) {
        Ok(Ok(status) | Err(status)) => status,
        Err(_) => abi::E_EVENT,
    }
}

/// What a foreign pointer and length say. No text of that length is taken, so it is not looked at: a length that came
/// out of a subtraction in the wrong order would lead past all memory.
///
/// # Safety
/// `length` bytes are good at `text`, unless it is NULL or there are more than [`MAX_TEXT`].
unsafe fn given<'a>(text: *const c_char, length: usize) -> Result<&'a [u8], Status> {
    match (text.is_null(), length) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(abi::E_ARGUMENT),
        (false, length) if length > MAX_TEXT => Err(abi::E_LIMIT),
        // SAFETY: as the caller says.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(text.cast(), length) }),
    }
}

unsafe extern "C" fn get(
    batch: *mut abi::Batch,
    index: u32,
    field: u32,
    out: *mut abi::Value,
) -> Status {
    let absent = abi::Value {
        r#as: abi::As { integer: 0 },
        kind: 0,
        length: 0,
    };
    let read = |sheet: &mut Sheet| {
        if out.is_null() {
            return Err(abi::E_ARGUMENT);
        }
        let (value, status) = match sheet.get(index, field) {
            Ok(Some(value)) => (value, abi::OK),
            Ok(None) => (absent, abi::ABSENT),
            Err(status) => (absent, status),
        };
        // SAFETY: the filter's place for a value.
        unsafe { out.write(value) };
        Ok(status)
    };
    // SAFETY: the contract of the header.
    unsafe { in_turn(batch, read) }
}

unsafe extern "C" fn set(
    batch: *mut abi::Batch,
    index: u32,
    field: u32,
    value: *const abi::Value,
) -> Status {
    let write = |sheet: &mut Sheet| {
        // SAFETY: the filter's value, whose kind says which member it wrote.
        let value = unsafe { value.as_ref().map(|value| of_raw(value)) };
        match value {
            Some(Ok(value)) => sheet.set(index, field, value).map(|()| abi::OK),
            Some(Err(status)) => refuse(sheet, index, status),
            None => refuse(sheet, index, abi::E_ARGUMENT),
        }
    };
    // SAFETY: the contract of the header.
    unsafe { in_turn(batch, write) }
}

/// # Safety
/// `value.kind` says which member is good.
unsafe fn of_raw(value: &abi::Value) -> Result<Value<'_>, Status> {
    // SAFETY: as the caller says.
    unsafe {
        let text = || given(value.r#as.text, value.length as usize);
        Ok(match value.kind {
            abi::STRING => Value::Bytes(text()?),
            abi::JSON => Value::Json(str::from_utf8(text()?).map_err(|_| abi::E_VALUE)?),
            abi::INT => Value::Int(value.r#as.integer),
            abi::DOUBLE => Value::Double(value.r#as.number),
            abi::BOOL => Value::Bool(value.r#as.integer != 0),
            _ => return Err(abi::E_ARGUMENT),
        })
    }
}

/// A change that was not even understood: it fails its event all the same.
fn refuse(sheet: &mut Sheet, index: u32, status: Status) -> Result<Status, Status> {
    sheet.fail(
        index,
        format!("a change was refused with status {status}").as_bytes(),
    )?;
    Err(status)
}

unsafe extern "C" fn remove(batch: *mut abi::Batch, index: u32, field: u32) -> Status {
    // SAFETY: the contract of the header.
    unsafe { in_turn(batch, |sheet| sheet.remove(index, field).map(|()| abi::OK)) }
}

/// # Safety
/// The contract of the header.
unsafe fn with_text(
    batch: *mut abi::Batch,
    index: u32,
    (text, length): (*const c_char, usize),
    call: impl FnOnce(&mut Sheet, u32, &[u8]) -> Result<(), Status>,
) -> Status {
    let run = |sheet: &mut Sheet| {
        // SAFETY: the filter's text.
        match unsafe { given(text, length) } {
            Ok(text) => call(sheet, index, text).map(|()| abi::OK),
            Err(status) => refuse(sheet, index, status),
        }
    };
    // SAFETY: as the caller says.
    unsafe { in_turn(batch, run) }
}

unsafe extern "C" fn tag(
    batch: *mut abi::Batch,
    index: u32,
    text: *const c_char,
    length: usize,
) -> Status {
    // SAFETY: the contract of the header.
    unsafe { with_text(batch, index, (text, length), Sheet::tag) }
}

unsafe extern "C" fn drop_event(
    batch: *mut abi::Batch,
    index: u32,
    text: *const c_char,
    length: usize,
) -> Status {
    // SAFETY: the contract of the header.
    unsafe { with_text(batch, index, (text, length), Sheet::drop_event) }
}

unsafe extern "C" fn fail(
    batch: *mut abi::Batch,
    index: u32,
    text: *const c_char,
    length: usize,
) -> Status {
    // SAFETY: the contract of the header.
    unsafe { with_text(batch, index, (text, length), Sheet::fail) }
}

unsafe extern "C" fn emit(
    batch: *mut abi::Batch,
    ty: u32,
    json: *const c_char,
    length: usize,
) -> Status {
    let add = |sheet: &mut Sheet| {
        // SAFETY: the filter's text.
        match unsafe { given(json, length) } {
            Ok(object) => sheet.emit(ty, object).map(|()| abi::OK),
            Err(status) => Err(sheet.refuse_emit(status)),
        }
    };
    // SAFETY: the contract of the header.
    unsafe { in_turn(batch, add) }
}
