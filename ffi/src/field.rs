//! Fields of an event, as C passes them: 32 bytes each, strings borrowed for the call.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::slice;

use postrider::event::{self, Catalogue, EventError, FieldId, FieldName, MAX_FIELDS};

use crate::error::{
    Failure, POSTRIDER_E_ARGUMENT, POSTRIDER_E_LIMIT, POSTRIDER_E_NULL, POSTRIDER_E_UTF8,
};

/// `postrider_field.kind`: text, UTF-8.
pub const POSTRIDER_KIND_STRING: u16 = 1;
/// `postrider_field.kind`: a whole number.
pub const POSTRIDER_KIND_INT: u16 = 2;
/// `postrider_field.kind`: a finite number.
pub const POSTRIDER_KIND_DOUBLE: u16 = 3;
/// `postrider_field.kind`: true or false, from `integer`.
pub const POSTRIDER_KIND_BOOL: u16 = 4;
/// `postrider_field.kind`: one JSON value as text, for the fields that are arrays or objects.
pub const POSTRIDER_KIND_JSON: u16 = 5;

/// The value of a field; `kind` says which member counts.
#[derive(Clone, Copy)]
#[repr(C)]
pub union FieldValue {
    /// STRING and JSON: `length` bytes; may be NULL where `length` is 0.
    pub text: *const c_char,
    /// INT and BOOL.
    pub integer: i64,
    /// DOUBLE.
    pub number: f64,
}

/// One field of an event. Made by `postrider_str()` and its sisters, below; borrowed until the push
/// returns.
///
/// A number in a field that the contract sends as text goes out as text.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Field {
    /// A `POSTRIDER_FIELD_…`; 0 where the field goes by `name`.
    pub id: u16,
    /// A `POSTRIDER_KIND_…`.
    pub kind: u16,
    /// Bytes of `name`; 0 where `id` says which field it is.
    pub name_length: u16,
    /// Must be 0.
    pub reserved: u16,
    /// The name, UTF-8; NULL where `id` says which field it is.
    pub name: *const c_char,
    /// The value.
    pub value: FieldValue,
    /// Bytes of `value.text`; 0 for the other kinds.
    pub length: usize,
}

/// Room for [`MAX_FIELDS`] fields on the stack of a call. It is filled where it is: to move it is to copy 12 KiB, which
/// takes longer than to read the fields of most events.
pub(crate) struct Fields<'a>([MaybeUninit<event::Field<'a>>; MAX_FIELDS]);

impl<'a> Fields<'a> {
    #[inline(always)]
    pub(crate) fn new() -> Fields<'a> {
        Fields([const { MaybeUninit::uninit() }; MAX_FIELDS])
    }

    /// Reads the host's fields; what only the encoder can judge (UTF-8 of values, kinds, names) is
    /// left to it.
    ///
    /// # Safety
    ///
    /// `fields` points to `count` fields whose pointers are good for the lengths beside them, all
    /// for `'a`.
    pub(crate) unsafe fn read(
        &mut self,
        fields: *const Field,
        count: usize,
    ) -> Result<&[event::Field<'a>], Failure> {
        if count == 0 {
            return Ok(&[]);
        }
        if fields.is_null() {
            return Err(Failure::new(
                POSTRIDER_E_NULL,
                format_args!("fields is NULL, with a count of {count}"),
            ));
        }
        if count > MAX_FIELDS {
            let text = format_args!("{count} fields; an event has at most {MAX_FIELDS}");
            return Err(Failure::new(POSTRIDER_E_LIMIT, text));
        }
        // SAFETY: not NULL, and the caller vouches for `count` fields.
        let fields = unsafe { slice::from_raw_parts(fields, count) };
        for (at, (field, read)) in fields.iter().zip(&mut self.0).enumerate() {
            // SAFETY: the caller vouches for the pointers.
            read.write(unsafe { field.read(at)? });
        }
        // SAFETY: the first `count` are written.
        Ok(unsafe { slice::from_raw_parts(self.0.as_ptr().cast(), count) })
    }
}

impl Field {
    /// `at` is its place in the array, for the error.
    unsafe fn read<'a>(&self, at: usize) -> Result<event::Field<'a>, Failure> {
        if self.reserved != 0 {
            let text = format_args!("field {at}: reserved is {}, must be 0", self.reserved);
            return Err(Failure::new(POSTRIDER_E_ARGUMENT, text));
        }
        // SAFETY: as the caller of `Fields::read` vouches.
        let name = unsafe { self.read_name(at)? };
        let text = || {
            if self.length == 0 {
                return Ok(&[][..]);
            }
            // SAFETY: STRING and JSON use this member, and every bit pattern is a pointer.
            let text = unsafe { self.value.text };
            // SAFETY: as the caller of `Fields::read` vouches.
            unsafe { bytes(text.cast(), self.length) }.ok_or_else(|| {
                Failure::new(
                    POSTRIDER_E_NULL,
                    format_args!("{}: the value is NULL", Name(name)),
                )
            })
        };
        // SAFETY: all members are 8 plain bytes, valid as integer and as double.
        let (integer, number) = unsafe { (self.value.integer, self.value.number) };
        let value = match self.kind {
            POSTRIDER_KIND_STRING => event::Value::Bytes(text()?),
            POSTRIDER_KIND_INT => event::Value::Int(integer),
            POSTRIDER_KIND_DOUBLE => event::Value::Double(number),
            POSTRIDER_KIND_BOOL => event::Value::Bool(integer != 0),
            POSTRIDER_KIND_JSON => event::Value::Json(str::from_utf8(text()?).map_err(|e| {
                let text = format_args!("{} is not UTF-8 at byte {}", Name(name), e.valid_up_to());
                Failure::new(POSTRIDER_E_UTF8, text)
            })?),
            kind => {
                let text = format_args!("{}: kind {kind} is none of POSTRIDER_KIND_…", Name(name));
                return Err(Failure::new(POSTRIDER_E_ARGUMENT, text));
            }
        };
        Ok(event::Field { name, value })
    }

    unsafe fn read_name<'a>(&self, at: usize) -> Result<FieldName<'a>, Failure> {
        match (self.id, self.name.is_null()) {
            (0, true) => {
                let text = format_args!("field {at} has neither id nor name");
                Err(Failure::new(POSTRIDER_E_ARGUMENT, text))
            }
            (0, false) => {
                // SAFETY: not NULL, and the caller of `Fields::read` vouches for its length.
                let name = unsafe {
                    slice::from_raw_parts(self.name.cast::<u8>(), usize::from(self.name_length))
                };
                let name = str::from_utf8(name).map_err(|_| {
                    Failure::new(
                        POSTRIDER_E_UTF8,
                        format_args!("the name of field {at} is not UTF-8"),
                    )
                })?;
                Ok(FieldName::Name(name))
            }
            (id, true) => Ok(FieldName::Id(FieldId(id))),
            (id, false) => {
                let text = format_args!("field {at} has both an id ({id}) and a name");
                Err(Failure::new(POSTRIDER_E_ARGUMENT, text))
            }
        }
    }
}

/// A field's name as an error tells it.
struct Name<'a>(FieldName<'a>);

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            FieldName::Id(id) => match Catalogue::field(id) {
                Some(field) => write!(f, "field `{}`", field.name),
                None => write!(f, "field {}", id.0),
            },
            FieldName::Name(name) => write!(f, "field `{name}`"),
        }
    }
}

/// `len` bytes at `data`; `None` for NULL with a length.
///
/// # Safety
///
/// A `data` that is not NULL is good for `len` bytes for `'a`.
pub(crate) unsafe fn bytes<'a>(data: *const c_void, len: usize) -> Option<&'a [u8]> {
    match (data.is_null(), len) {
        (_, 0) => Some(&[]),
        (true, _) => None,
        // SAFETY: as the caller vouches.
        (false, _) => Some(unsafe { slice::from_raw_parts(data.cast(), len) }),
    }
}

/// The status that tells the host what to do about `error`.
pub(crate) fn event_failure(error: &EventError) -> Failure {
    use crate::error::{POSTRIDER_E_FIELD, POSTRIDER_E_JSON, POSTRIDER_E_SYSTEM, POSTRIDER_E_TYPE};
    let status = match error {
        EventError::UnknownType { .. }
        | EventError::UnknownTypeId { .. }
        | EventError::NoType
        | EventError::OtherType { .. } => POSTRIDER_E_TYPE,
        EventError::UnknownFieldId { .. }
        | EventError::UnknownField { .. }
        | EventError::FieldName { .. }
        | EventError::DuplicateField { .. }
        | EventError::WrongKind { .. }
        | EventError::BadValue { .. } => POSTRIDER_E_FIELD,
        EventError::Utf8 { .. } => POSTRIDER_E_UTF8,
        EventError::Syntax { .. } => POSTRIDER_E_JSON,
        EventError::TooDeep { .. }
        | EventError::TooManyFields { .. }
        | EventError::TooLarge { .. } => POSTRIDER_E_LIMIT,
        EventError::NoRandomness => POSTRIDER_E_SYSTEM,
        _ => POSTRIDER_E_ARGUMENT,
    };
    Failure::new(status, error)
}
