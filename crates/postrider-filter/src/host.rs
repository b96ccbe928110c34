//! What the host offers an instance.

use crate::{Error, abi};
use std::ffi::{CStr, c_char};
use std::ptr::NonNull;

/// The number of a field. Belongs to the instance that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Field(pub u32);

/// The number of an event type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Type(pub u32);

/// How serious a line for the operator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something fails; an operator should look.
    Error,
    /// Something is odd, or will fail.
    Warning,
    /// What happens.
    Info,
}

/// What the host offers an instance: keep a clone where names must be resolved later.
#[derive(Clone, Debug)]
pub struct Host(NonNull<abi::Host>);

// SAFETY: an instance, and what it keeps, is used by one thread at a time; `log` takes any.
unsafe impl Send for Host {}

impl Host {
    /// # Safety
    /// `raw` is NULL or what the host gave `create`; nothing of this is used after `destroy`.
    pub(crate) unsafe fn new(raw: *const abi::Host) -> Option<Host> {
        NonNull::new(raw.cast_mut()).map(Host)
    }

    fn table(&self) -> &abi::Host {
        // SAFETY: the table is good until `destroy`, after which nothing of the instance is used.
        unsafe { self.0.as_ref() }
    }

    /// The number of a field.
    ///
    /// # Errors
    /// The name is empty or longer than 128 bytes, or the instance asked for too many.
    pub fn field(&self, name: &str) -> Result<Field, Error> {
        let (text, length) = raw(name);
        // SAFETY: the table's function, with text that is good for the call.
        match unsafe { (self.table().field)(self.0.as_ptr(), text, length) } {
            0 => Err(Error::new(format!("no field can be named `{name}`"))),
            number => Ok(Field(number)),
        }
    }

    /// The number of an event type, if there is one of this name.
    pub fn event_type(&self, name: &str) -> Option<Type> {
        let (text, length) = raw(name);
        // SAFETY: as above.
        match unsafe { (self.table().r#type)(self.0.as_ptr(), text, length) } {
            0 => None,
            number => Some(Type(number)),
        }
    }

    /// The name of an event type.
    pub fn type_name(&self, ty: Type) -> Option<&'static str> {
        // SAFETY: as above; the answer is NULL or a C string that stays.
        let name = unsafe {
            let name = (self.table().type_name)(self.0.as_ptr(), ty.0);
            (!name.is_null()).then(|| CStr::from_ptr(name))
        };
        name?.to_str().ok()
    }

    /// One line for the operator.
    pub fn log(&self, severity: Severity, line: &str) {
        let severity = match severity {
            Severity::Error => abi::LOG_ERROR,
            Severity::Warning => abi::LOG_WARNING,
            Severity::Info => abi::LOG_INFO,
        };
        let (text, length) = raw(line);
        // SAFETY: as above.
        unsafe { (self.table().log)(self.0.as_ptr(), severity, text, length) }
    }
}

pub(crate) fn raw(text: &str) -> (*const c_char, usize) {
    (text.as_ptr().cast(), text.len())
}
