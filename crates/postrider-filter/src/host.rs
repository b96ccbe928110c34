//! What the host offers an instance.

use crate::{Error, abi};
use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::ptr::NonNull;
use std::sync::{Arc, PoisonError, RwLock};

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
///
/// Safe to keep anywhere and for ever: once the instance has ended, and for names also on a thread that the host is not
/// calling, it answers as if there were nothing.
#[derive(Clone, Debug)]
pub struct Host(Arc<Table>);

/// The host's table for as long as it is there. Whoever uses it holds the lock, so it does not go meanwhile.
#[derive(Debug)]
struct Table(RwLock<Option<NonNull<abi::Host>>>);

// SAFETY: the pointer is used under the lock and gone from it before the table goes; of the table's functions any thread
// may call `log`, and `named` keeps the others to the thread that the host is calling.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

thread_local! {
    /// The host that is calling this thread.
    static CALLER: Cell<*const Table> = const { Cell::new(std::ptr::null()) };
}

impl Host {
    /// # Safety
    /// `raw` is NULL or what the host gave `create`; [`end`](Self::end) is called before it is no longer good.
    pub(crate) unsafe fn new(raw: *const abi::Host) -> Option<Host> {
        let raw = NonNull::new(raw.cast_mut())?;
        Some(Host(Arc::new(Table(RwLock::new(Some(raw))))))
    }

    /// The table is there no more, whoever has a clone of this.
    pub(crate) fn end(&self) {
        *self.0.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Runs what the host has called.
    pub(crate) fn calls<T>(&self, body: impl FnOnce() -> T) -> T {
        struct Back(*const Table);
        impl Drop for Back {
            fn drop(&mut self) {
                CALLER.set(self.0);
            }
        }
        let _back = Back(CALLER.replace(Arc::as_ptr(&self.0)));
        body()
    }

    fn with<T>(&self, call: impl FnOnce(*const abi::Host, &abi::Host) -> T) -> Option<T> {
        let raw = self.0.0.read().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: it is there as long as the lock is held.
        raw.map(|raw| call(raw.as_ptr(), unsafe { raw.as_ref() }))
    }

    /// As `with`, on the thread that the host is calling and no other.
    fn named<T>(&self, call: impl FnOnce(*const abi::Host, &abi::Host) -> T) -> Option<T> {
        match CALLER.get() == Arc::as_ptr(&self.0) {
            true => self.with(call),
            false => None,
        }
    }

    /// The number of a field.
    ///
    /// # Errors
    /// The name is empty or longer than 128 bytes, the instance asked for too many, or this is not a call of the host's.
    pub fn field(&self, name: &str) -> Result<Field, Error> {
        let (text, length) = raw(name);
        // SAFETY: the table's function, with text that is good for the call.
        match self.named(|raw, table| unsafe { (table.field)(raw, text, length) }) {
            Some(0) => Err(Error::new(format!("no field can be named `{name}`"))),
            Some(number) => Ok(Field(number)),
            None => Err(Error::new(format!(
                "field `{name}` asked for outside of a call of the host's"
            ))),
        }
    }

    /// The number of an event type, if there is one of this name.
    pub fn event_type(&self, name: &str) -> Option<Type> {
        let (text, length) = raw(name);
        // SAFETY: as above.
        match self.named(|raw, table| unsafe { (table.r#type)(raw, text, length) })? {
            0 => None,
            number => Some(Type(number)),
        }
    }

    /// The numbers of the event types that `member` of the configuration names.
    ///
    /// # Errors
    /// One of them is no event type; the error has its name and the member's.
    pub fn event_types(&self, member: &str, names: &[String]) -> Result<Vec<Type>, Error> {
        let number = |name: &String| {
            let unknown = || {
                Error::new(format!(
                    "{member} names '{name}', which is not an event type"
                ))
            };
            self.event_type(name).ok_or_else(unknown)
        };
        names.iter().map(number).collect()
    }

    /// The name of an event type.
    pub fn type_name(&self, ty: Type) -> Option<&'static str> {
        // SAFETY: as above; the answer is NULL or a C string that stays.
        let name = self.named(|raw, table| unsafe {
            let name = (table.type_name)(raw, ty.0);
            (!name.is_null()).then(|| CStr::from_ptr(name))
        });
        name??.to_str().ok()
    }

    /// One line for the operator, from any thread.
    pub fn log(&self, severity: Severity, line: &str) {
        let severity = match severity {
            Severity::Error => abi::LOG_ERROR,
            Severity::Warning => abi::LOG_WARNING,
            Severity::Info => abi::LOG_INFO,
        };
        let (text, length) = raw(line);
        // SAFETY: as above.
        self.with(|raw, table| unsafe { (table.log)(raw, severity, text, length) });
    }
}

pub(crate) fn raw(text: &str) -> (*const c_char, usize) {
    (text.as_ptr().cast(), text.len())
}
