//! What events may contain: the catalogue, and what the user added to it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::catalogue::{Catalogue, MAX_TYPES, TypeId};
use super::error::{EventError, Excerpt};

const CUSTOM: usize = MAX_TYPES - TypeId::FIRST_CUSTOM.0 as usize;

/// A type that the user declared.
///
/// It has no list of fields: it takes any, those of the catalogue in their type.
#[derive(Debug, PartialEq, Eq)]
pub struct CustomType {
    /// Its category; may be one of the catalogue.
    pub category: Box<str>,
    /// Its name; unique across categories and no type of the catalogue.
    pub name: Box<str>,
    pub(super) prefix: Box<str>,
}

/// What events may contain.
///
/// Shared by all threads. Reading takes no lock; a declared type stays as long as the schema.
#[derive(Debug)]
pub struct Schema {
    unknown_fields: AtomicBool,
    custom: Box<[OnceLock<CustomType>; CUSTOM]>,
}

impl Schema {
    /// The catalogue. Fields that it does not have are taken where their name starts with `x_`,
    /// others only if `unknown_fields`.
    pub fn new(unknown_fields: bool) -> Schema {
        Schema {
            unknown_fields: AtomicBool::new(unknown_fields),
            custom: Box::new([const { OnceLock::new() }; CUSTOM]),
        }
    }

    /// Declares a custom type under the lowest free id; the same pair again gives the same id.
    ///
    /// Names are `a`–`z`, `0`–`9`, `_`, at most 64 bytes.
    pub fn declare(&self, category: &str, name: &str) -> Result<TypeId, EventError> {
        let _ = (category, name);
        todo!()
    }

    /// Declares a custom type under the id that it had before, as its keeper stored it.
    pub fn declare_as(&self, id: TypeId, category: &str, name: &str) -> Result<(), EventError> {
        let _ = (id, category, name);
        todo!()
    }

    /// The id of a type by its name.
    pub fn lookup(&self, name: &str) -> Option<TypeId> {
        let _ = name;
        todo!()
    }

    /// The name of a type.
    pub fn type_name(&self, id: TypeId) -> Option<&str> {
        let _ = id;
        todo!()
    }

    /// The category of a type.
    pub fn category_name(&self, id: TypeId) -> Option<&str> {
        let _ = id;
        todo!()
    }

    /// The custom types, by id.
    pub fn custom_types(&self) -> impl Iterator<Item = (TypeId, &CustomType)> {
        let ids = TypeId::FIRST_CUSTOM.0..;
        ids.zip(self.custom.iter())
            .filter_map(|(id, c)| Some((TypeId(id), c.get()?)))
    }

    /// Whether fields of any name are taken, not only `x_…`.
    pub fn unknown_fields(&self) -> bool {
        self.unknown_fields.load(Ordering::Relaxed)
    }

    /// Allows or forbids fields of any name.
    pub fn set_unknown_fields(&self, allowed: bool) {
        self.unknown_fields.store(allowed, Ordering::Relaxed);
    }
}

#[allow(dead_code)]
fn unused(name: &str) -> EventError {
    let _ = Catalogue::types();
    EventError::UnknownType {
        name: Excerpt::of(name),
    }
}
