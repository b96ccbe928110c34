//! The host's table for one instance: numbers of names, lines for the log.

use super::filters::Say;
use crate::event::{Catalogue, FieldId, FieldName, Schema, TypeId};
use postrider_filter::Severity;
use postrider_filter::abi;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Fields outside the catalogue are numbered from here.
pub(super) const FIRST_NAMED: u32 = 0x1_0000;
/// The most of them.
const MAX_NAMED: usize = 4096;
/// The longest name, in bytes.
const MAX_NAME: usize = 128;
/// The longest line, in bytes.
const MAX_LINE: usize = 512;
/// Lines in a minute.
const MAX_LINES: u32 = 100;

/// The host's table for one instance; the instance is given a pointer to its start.
#[repr(C)]
pub(super) struct HostSide {
    table: abi::Host,
    /// The filter's name in the log.
    filter: String,
    pub(super) schema: Arc<Schema>,
    say: Say,
    named: Mutex<Named>,
    lines: Mutex<Lines>,
}

// SAFETY: the table's pointers are to constants; the rest takes care of itself.
unsafe impl Send for HostSide {}
// SAFETY: as above.
unsafe impl Sync for HostSide {}

/// Fields that the catalogue does not have.
#[derive(Default)]
struct Named {
    numbers: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
}

/// Lines of this minute.
struct Lines {
    since: Instant,
    said: u32,
    unsaid: u64,
}

impl HostSide {
    pub(super) fn new(filter: &str, schema: Arc<Schema>, say: Say) -> HostSide {
        HostSide {
            table: abi::Host {
                size: size_of::<abi::Host>() as u32,
                abi_major: abi::MAJOR,
                abi_minor: abi::MINOR,
                name: c"Postrider".as_ptr(),
                version: VERSION.as_ptr(),
                field,
                r#type: event_type,
                type_name,
                log,
                get_extension,
            },
            filter: filter.to_owned(),
            schema,
            say,
            named: Mutex::default(),
            lines: Mutex::new(Lines {
                since: Instant::now(),
                said: 0,
                unsaid: 0,
            }),
        }
    }

    pub(super) fn as_raw(self: &Arc<Self>) -> *const abi::Host {
        Arc::as_ptr(self).cast()
    }

    /// The number of a field; 0 where it can have none.
    pub(super) fn number(&self, name: &str) -> u32 {
        if let Some(info) = Catalogue::field_by_name(name) {
            return u32::from(info.id.0);
        }
        if !(1..=MAX_NAME).contains(&name.len()) {
            return 0;
        }
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&number) = named.numbers.get(name) {
            return number;
        }
        if named.names.len() >= MAX_NAMED {
            return 0;
        }
        let number = FIRST_NAMED + named.names.len() as u32;
        let name: Arc<str> = name.into();
        named.names.push(name.clone());
        named.numbers.insert(name, number);
        number
    }

    /// The field with this number.
    pub(super) fn key(&self, number: u32) -> Option<Key> {
        if let Ok(id) = u16::try_from(number) {
            return Catalogue::field(FieldId(id)).map(|info| Key::Known(info.id));
        }
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let name = named.names.get((number - FIRST_NAMED) as usize)?;
        Some(Key::Named(name.clone()))
    }

    /// One line for the operator.
    pub(super) fn say(&self, severity: Severity, line: &str) {
        (self.say)(severity, &format!("filter {}: {line}", self.filter));
    }

    /// A line as the filter's own are: cut, and not too many.
    pub(super) fn say_limited(&self, severity: Severity, text: &[u8]) {
        {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.since.elapsed() >= Duration::from_secs(60) {
                if lines.unsaid > 0 {
                    let unsaid = lines.unsaid;
                    self.say(
                        Severity::Warning,
                        &format!("{unsaid} lines were not logged"),
                    );
                }
                *lines = Lines {
                    since: Instant::now(),
                    said: 0,
                    unsaid: 0,
                };
            }
            if lines.said >= MAX_LINES {
                lines.unsaid += 1;
                return;
            }
            lines.said += 1;
        }
        let text = String::from_utf8_lossy(&text[..text.len().min(MAX_LINE)]);
        let line: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        self.say(severity, &line);
    }
}

/// A field, found by its number.
#[derive(Clone, Debug)]
pub(super) enum Key {
    Known(FieldId),
    Named(Arc<str>),
}

impl Key {
    pub(super) fn field(&self) -> FieldName<'_> {
        match self {
            Key::Known(id) => FieldName::Id(*id),
            Key::Named(name) => FieldName::Name(name),
        }
    }
}

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };

/// The instance's table, and what a foreign pointer and length say.
///
/// At most the first [`MAX_LINE`] bytes of the text, which is more than any name has.
///
/// # Safety
/// `host` is NULL or what [`HostSide::as_raw`] gave; `length` bytes are good at `text`, unless it is NULL.
unsafe fn given<'a>(
    host: *const abi::Host,
    text: *const c_char,
    length: usize,
) -> Option<(&'a HostSide, &'a [u8])> {
    // SAFETY: the table is the first member of a `HostSide`, which its instance keeps alive.
    let side = unsafe { host.cast::<HostSide>().as_ref() }?;
    let text = match (text.is_null(), length) {
        (_, 0) => &[],
        (true, _) => return None,
        // SAFETY: as the caller says.
        (false, _) => unsafe { std::slice::from_raw_parts(text.cast(), length.min(MAX_LINE)) },
    };
    Some((side, text))
}

/// A panic of ours must not unwind into the filter.
fn guarded<T>(otherwise: T, body: impl FnOnce() -> Option<T>) -> T {
    catch_unwind(AssertUnwindSafe(body))
        .ok()
        .flatten()
        .unwrap_or(otherwise)
}

unsafe extern "C" fn field(host: *const abi::Host, name: *const c_char, length: usize) -> u32 {
    guarded(0, || {
        // SAFETY: the contract of the header.
        let (side, name) = unsafe { given(host, name, length) }?;
        Some(side.number(str::from_utf8(name).ok()?))
    })
}

unsafe extern "C" fn event_type(host: *const abi::Host, name: *const c_char, length: usize) -> u32 {
    guarded(0, || {
        // SAFETY: the contract of the header.
        let (side, name) = unsafe { given(host, name, length) }?;
        let id = side.schema.lookup(str::from_utf8(name).ok()?)?;
        Some(u32::from(id.0))
    })
}

unsafe extern "C" fn type_name(host: *const abi::Host, ty: u32) -> *const c_char {
    /// Names that were asked for. There are at most as many as there are types.
    static NAMES: OnceLock<Mutex<HashMap<String, CString>>> = OnceLock::new();
    guarded(std::ptr::null(), || {
        // SAFETY: the contract of the header.
        let (side, _) = unsafe { given(host, std::ptr::null(), 0) }?;
        let name = side.schema.type_name(TypeId(u16::try_from(ty).ok()?))?;
        let names = NAMES.get_or_init(Mutex::default);
        let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
        if !names.contains_key(name) {
            names.insert(name.to_owned(), CString::new(name).ok()?);
        }
        names.get(name).map(|name| name.as_ptr())
    })
}

unsafe extern "C" fn log(
    host: *const abi::Host,
    severity: u32,
    text: *const c_char,
    length: usize,
) {
    guarded((), || {
        // SAFETY: the contract of the header.
        let (side, text) = unsafe { given(host, text, length) }?;
        let severity = match severity {
            abi::LOG_INFO => Severity::Info,
            abi::LOG_WARNING => Severity::Warning,
            _ => Severity::Error,
        };
        side.say_limited(severity, text);
        Some(())
    });
}

unsafe extern "C" fn get_extension(_: *const abi::Host, _: *const c_char) -> *const c_void {
    std::ptr::null()
}
