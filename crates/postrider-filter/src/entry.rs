//! From a [`Filter`] to the entry that the host calls: every call guarded, a panic poisons.

use crate::abi::{self, Status};
use crate::{Batch, Error, Filter, Host, OnFailure, Severity};
use std::any::Any;
use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// The entry of a filter; [`export!`](crate::export) calls this.
pub const fn entry<F: Filter>() -> &'static abi::Entry {
    &Exported::<F>::ENTRY
}

/// Exports a filter as `postrider_filter()`: once in a shared object.
#[macro_export]
macro_rules! export {
    ($filter:ty) => {
        /// The one function that a filter exports.
        #[unsafe(no_mangle)]
        pub extern "C" fn postrider_filter() -> *const $crate::abi::Entry {
            $crate::entry::<$filter>()
        }
    };
}

struct Exported<F>(F);

impl<F: Filter> Exported<F> {
    const DESCRIPTOR: abi::Descriptor = abi::Descriptor {
        size: size_of::<abi::Descriptor>() as u32,
        on_failure: match F::ON_FAILURE {
            OnFailure::Open => abi::OPEN,
            OnFailure::Closed => abi::CLOSED,
            OnFailure::Disable => abi::DISABLE,
        },
        id: F::ID.as_ptr(),
        version: F::VERSION.as_ptr(),
        summary: F::SUMMARY.as_ptr(),
        create: Some(create::<F>),
        process: Some(process::<F>),
        destroy: Some(destroy::<F>),
        get_extension: None,
    };

    const ENTRY: abi::Entry = abi::Entry {
        magic: abi::MAGIC,
        abi_major: abi::MAJOR,
        abi_minor: abi::MINOR,
        size: size_of::<abi::Entry>() as u32,
        reserved: 0,
        descriptor: &Self::DESCRIPTOR,
    };
}

/// What the host's pointer points to.
struct Instance<F> {
    /// None once it is poisoned.
    filter: Option<F>,
    host: Host,
}

unsafe extern "C" fn create<F: Filter>(
    host: *const abi::Host,
    config: *const c_char,
    length: usize,
    filter: *mut *mut c_void,
    error: *mut abi::Buffer,
) -> Status {
    // SAFETY: the host gives its table, which stays good until `destroy`, or until this returns without an instance;
    // either ends it.
    let Some(host) = (unsafe { Host::new(host) }) else {
        return abi::FAILED;
    };
    let made = guarded(&host, || {
        let config = match config.is_null() || length == 0 {
            true => &b"{}"[..],
            // SAFETY: the host's text is good for the call.
            false => unsafe { std::slice::from_raw_parts(config.cast(), length) },
        };
        let config = serde_json::from_slice(config)?;
        let filter = Some(F::create(&host, config)?);
        let host = host.clone();
        Ok::<_, Error>(Box::new(Instance { filter, host }))
    });
    let refusal = match made {
        Ok(Ok(instance)) => {
            // SAFETY: the host's place for the instance.
            unsafe { *filter = Box::into_raw(instance).cast() };
            return abi::OK;
        }
        Ok(Err(Error(text))) => text,
        Err(panic) => format!("panicked: {panic}"),
    };
    host.end();
    // SAFETY: the host's buffer, with room for `size` bytes.
    unsafe {
        let length = refusal.len().min((*error).size);
        std::ptr::copy_nonoverlapping(refusal.as_ptr().cast(), (*error).text, length);
        (*error).length = length;
    }
    abi::FAILED
}

unsafe extern "C" fn process<F: Filter>(filter: *mut c_void, batch: *mut abi::Batch) -> Status {
    // SAFETY: what `create` gave out, used by one thread at a time.
    let instance = unsafe { &mut *filter.cast::<Instance<F>>() };
    let Some(filter) = &mut instance.filter else {
        return abi::BROKEN;
    };
    // SAFETY: the host's batch, which is good until this returns.
    let mut batch = unsafe { Batch::new(batch) };
    match guarded(&instance.host, || filter.process(&mut batch)) {
        Ok(Ok(())) => abi::OK,
        Ok(Err(error)) => {
            instance.host.log(Severity::Error, &error.0);
            abi::FAILED
        }
        Err(panic) => {
            // Whatever state it is in, it is not to be used again, not even by its destructor.
            std::mem::forget(instance.filter.take());
            let line = format!("panicked, and is poisoned: {panic}");
            instance.host.log(Severity::Error, &line);
            abi::BROKEN
        }
    }
}

unsafe extern "C" fn destroy<F: Filter>(filter: *mut c_void) {
    // SAFETY: what `create` gave out, for the last time.
    let instance = unsafe { Box::from_raw(filter.cast::<Instance<F>>()) };
    let host = instance.host.clone();
    let _ = guarded(&host, || drop(instance));
    host.end();
}

thread_local! {
    /// Whether this thread is in a call of the host's: then a panic prints nothing.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `body`, which `host` has called; a panic in it is told by its text.
fn guarded<T>(host: &Host, body: impl FnOnce() -> T) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                before(info);
            }
        }));
    });
    GUARDED.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(|| host.calls(body)));
    let result = result.map_err(|payload| {
        let text = told(&*payload);
        // What was thrown may throw again when it goes; what comes of that never goes.
        if let Err(again) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(again);
        }
        text
    });
    GUARDED.set(false);
    result
}

fn told(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a text").to_owned()
}
