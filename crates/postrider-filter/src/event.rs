//! Events as a filter sees them: views into the host's memory, good for one call.

use crate::abi::{self, Status};
use crate::host::{Field, Type, raw};
use std::fmt;
use std::marker::PhantomData;

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text, unescaped.
    Str(&'a str),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Double(f64),
    /// A truth value.
    Bool(bool),
    /// One JSON value: an object, an array or null.
    Json(&'a str),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Str(text)
    }
}

impl From<i64> for Value<'_> {
    fn from(n: i64) -> Self {
        Value::Int(n)
    }
}

impl From<f64> for Value<'_> {
    fn from(n: f64) -> Self {
        Value::Double(n)
    }
}

impl From<bool> for Value<'_> {
    fn from(truth: bool) -> Self {
        Value::Bool(truth)
    }
}

/// The host refused a change, and has failed the event: the filter need not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// One of `abi::E_…`.
    pub status: Status,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.status {
            abi::E_TURN => "called out of turn",
            abi::E_INDEX => "no such event",
            abi::E_FIELD => "not a field that a filter may change",
            abi::E_VALUE => "not a value that the field takes",
            abi::E_LIMIT => "past a limit",
            abi::E_TYPE => "no such event type",
            abi::E_EVENT => "the event's text cannot be read",
            other => return write!(f, "refused with status {other}"),
        };
        f.write_str(why)
    }
}

impl std::error::Error for Refused {}

/// The events of one call.
#[derive(Debug)]
pub struct Batch<'a> {
    raw: *mut abi::Batch,
    events: &'a [abi::Event],
}

impl<'a> Batch<'a> {
    /// # Safety
    /// `raw` is what the host gave `process`, which does not return before `'a` ends.
    pub(crate) unsafe fn new(raw: *mut abi::Batch) -> Batch<'a> {
        // SAFETY: the host's batch is good for the call, and so are its `count` events.
        let events = unsafe {
            match (*raw).count {
                0 => &[],
                count => std::slice::from_raw_parts((*raw).events, count as usize),
            }
        };
        Batch { raw, events }
    }

    /// How many events.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The events, oldest first.
    pub fn events(&mut self) -> impl Iterator<Item = Event<'a>> + use<'a> {
        let raw = self.raw;
        (0..).zip(self.events).map(move |(index, view)| Event {
            raw,
            index,
            view,
            call: PhantomData,
        })
    }

    /// Adds an event behind those of the batch; `object` is a JSON object of its fields. Later
    /// filters see it, this one does not.
    ///
    /// # Errors
    /// The host refused it, and has failed the batch.
    pub fn emit(&mut self, ty: Type, object: &str) -> Result<(), Refused> {
        let (text, length) = raw(object);
        // SAFETY: the batch's function, with text that is good for the call.
        done(unsafe { ((*self.raw).emit)(self.raw, ty.0, text, length) })
    }
}

/// One event of a batch. What it gives out is borrowed for the call.
#[derive(Debug)]
pub struct Event<'a> {
    raw: *mut abi::Batch,
    index: u32,
    view: &'a abi::Event,
    call: PhantomData<&'a mut ()>,
}

impl<'a> Event<'a> {
    /// As it goes out, and as it was when the call began.
    pub fn json(&self) -> &'a str {
        // SAFETY: the host gives UTF-8 that is good for the call.
        unsafe { text(self.view.json.cast(), self.view.length) }
    }

    /// Its type.
    pub fn event_type(&self) -> Type {
        Type(self.view.r#type)
    }

    /// When it happened, in Unix milliseconds.
    pub fn time_ms(&self) -> i64 {
        self.view.time_ms
    }

    /// Its subaccount; 0 is the primary account.
    pub fn subaccount(&self) -> u32 {
        self.view.subaccount
    }

    /// The value of a field, in the kind in which it stands in the JSON; none without one.
    pub fn get(&self, field: Field) -> Option<Value<'a>> {
        let mut value = abi::Value {
            r#as: abi::As { integer: 0 },
            kind: 0,
            length: 0,
        };
        // SAFETY: the batch's function, with a value that it may write.
        let status = unsafe { ((*self.raw).get)(self.raw, self.index, field.0, &raw mut value) };
        if status != abi::OK {
            return None;
        }
        // SAFETY: `kind` says which member the host wrote; its text is UTF-8 and good for the call.
        unsafe {
            Some(match value.kind {
                abi::STRING => Value::Str(text(value.r#as.text.cast(), value.length)),
                abi::INT => Value::Int(value.r#as.integer),
                abi::DOUBLE => Value::Double(value.r#as.number),
                abi::BOOL => Value::Bool(value.r#as.integer != 0),
                abi::JSON => Value::Json(text(value.r#as.text.cast(), value.length)),
                _ => return None,
            })
        }
    }

    /// The text of a field that has text.
    pub fn str(&self, field: Field) -> Option<&'a str> {
        match self.get(field) {
            Some(Value::Str(text)) => Some(text),
            _ => None,
        }
    }

    /// Gives a field a value, whether or not it has one.
    ///
    /// # Errors
    /// The host refused it, and has failed the event; so for all changes.
    pub fn set<'v>(&mut self, field: Field, value: impl Into<Value<'v>>) -> Result<(), Refused> {
        let of_text = |text: &str, kind| {
            let (text, length) = raw(text);
            abi::Value {
                r#as: abi::As { text },
                kind,
                length: u32::try_from(length).unwrap_or(u32::MAX),
            }
        };
        let of_int = |integer, kind| abi::Value {
            r#as: abi::As { integer },
            kind,
            length: 0,
        };
        let value = match value.into() {
            Value::Str(text) => of_text(text, abi::STRING),
            Value::Json(text) => of_text(text, abi::JSON),
            Value::Int(n) => of_int(n, abi::INT),
            Value::Bool(truth) => of_int(i64::from(truth), abi::BOOL),
            Value::Double(number) => abi::Value {
                r#as: abi::As { number },
                kind: abi::DOUBLE,
                length: 0,
            },
        };
        // SAFETY: the batch's function, with a value that is good for the call.
        done(unsafe { ((*self.raw).set)(self.raw, self.index, field.0, &raw const value) })
    }

    /// Takes a field away, if it is there.
    pub fn remove(&mut self, field: Field) -> Result<(), Refused> {
        // SAFETY: the batch's function.
        done(unsafe { ((*self.raw).remove)(self.raw, self.index, field.0) })
    }

    /// Adds a text of 1 to 64 bytes to the array `x_tags`, once.
    pub fn tag(&mut self, tag: &str) -> Result<(), Refused> {
        // SAFETY: the batch's own function.
        done(self.with_text(unsafe { (*self.raw).tag }, tag))
    }

    /// Lets the event go no further. The reason has 1 to 64 bytes and is counted.
    pub fn drop(&mut self, reason: &str) -> Result<(), Refused> {
        // SAFETY: the batch's own function.
        done(self.with_text(unsafe { (*self.raw).drop }, reason))
    }

    /// Fails the event: it could not be treated, and the failure policy decides.
    pub fn fail(&mut self, why: &str) {
        // SAFETY: the batch's own function. The event's index is right, so nothing is refused.
        self.with_text(unsafe { (*self.raw).fail }, why);
    }

    fn with_text(&mut self, call: abi::TextCall, text: &str) -> Status {
        let (text, length) = raw(text);
        // SAFETY: one of the batch's functions, with text that is good for the call.
        unsafe { call(self.raw, self.index, text, length) }
    }
}

fn done(status: Status) -> Result<(), Refused> {
    match status {
        abi::OK => Ok(()),
        status => Err(Refused { status }),
    }
}

/// # Safety
/// `length` bytes of UTF-8 at `text`, good for `'a`.
unsafe fn text<'a>(text: *const u8, length: u32) -> &'a str {
    match length {
        0 => "",
        // SAFETY: as the caller says.
        _ => unsafe {
            std::str::from_utf8_unchecked(std::slice::from_raw_parts(text, length as usize))
        },
    }
}
