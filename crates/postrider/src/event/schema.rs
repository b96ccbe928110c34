//! What events may contain: the catalogue, and what the user added to it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::catalogue::{Catalogue, MAX_TYPES, TypeId};
use super::error::{EventError, Excerpt};

const SLOTS: usize = MAX_TYPES - TypeId::FIRST_CUSTOM.0 as usize;

/// A type that the user declared.
///
/// It has no list of fields: it takes any, those of the catalogue in their type.
#[derive(Debug, PartialEq, Eq)]
pub struct CustomType {
    /// Its category; may be one of the catalogue.
    pub category: Box<str>,
    /// Its name; unique across categories and no type of the catalogue.
    pub name: Box<str>,
    prefix: Box<str>,
}

impl CustomType {
    fn new(category: &str, name: &str) -> CustomType {
        let prefix = format!("{{\"msys\":{{\"{category}\":{{\"type\":\"{name}\"").into();
        CustomType {
            category: category.into(),
            name: name.into(),
            prefix,
        }
    }
}

/// What events may contain.
///
/// Shared by all threads. A type once declared stays, in its slot, as long as the schema: reading
/// takes no lock, also in a forked child.
#[derive(Debug)]
pub struct Schema {
    unknown_fields: AtomicBool,
    /// Made by the first declaration: most schemas have none, and the slots are ten pages that a
    /// process of a few milliseconds would have to touch.
    custom: OnceLock<Box<[OnceLock<CustomType>]>>,
    /// One past the last slot in use.
    used: AtomicUsize,
}

/// What the encoder needs of a type.
#[derive(Clone, Copy, Debug)]
pub(super) struct TypeRef<'a> {
    pub(super) id: TypeId,
    pub(super) name: &'a str,
    pub(super) category: &'a str,
    /// `{"msys":{"<category>":{"type":"<type>"`
    pub(super) prefix: &'a str,
}

impl Schema {
    /// The catalogue. Fields that it does not have are taken where their name starts with `x_`,
    /// others only if `unknown_fields`.
    pub fn new(unknown_fields: bool) -> Schema {
        Schema {
            unknown_fields: AtomicBool::new(unknown_fields),
            custom: OnceLock::new(),
            used: AtomicUsize::new(0),
        }
    }

    /// Declares a custom type under the lowest free id; the same pair again gives the same id.
    ///
    /// Both names are `a`–`z`, `0`–`9`, `_`, 1 to 64 bytes; 768 types can be declared.
    pub fn declare(&self, category: &str, name: &str) -> Result<TypeId, EventError> {
        check_name(category)?;
        check_name(name)?;
        if let Some(known) = self.find(name.as_bytes()) {
            return match known.category == category && known.id.is_custom() {
                true => Ok(known.id),
                false => Err(taken(name)),
            };
        }
        for (slot, place) in self.slots().iter().enumerate() {
            // Whoever loses the race for a slot finds the winner's type in it and goes on.
            let there = place.get_or_init(|| CustomType::new(category, name));
            if *there.name == *name {
                self.used.fetch_max(slot + 1, Ordering::Release);
                let same = *there.category == *category;
                return same.then_some(id_of(slot)).ok_or_else(|| taken(name));
            }
        }
        Err(refused(
            name,
            "768 types are declared, there is no room for more",
        ))
    }

    /// Declares a custom type under the id that it had before, as its keeper stored it.
    ///
    /// For opening: it does not look out for a [`declare`](Self::declare) of the same name that
    /// runs at the same time. Declaring again what is there is fine.
    pub fn declare_as(&self, id: TypeId, category: &str, name: &str) -> Result<(), EventError> {
        check_name(category)?;
        check_name(name)?;
        if !id.is_custom() {
            return Err(refused(name, "ids of custom types are 256 to 1023"));
        }
        if self
            .find(name.as_bytes())
            .is_some_and(|known| known.id != id)
        {
            return Err(taken(name));
        }
        let slot = slot_of(id);
        let there = self.slots()[slot].get_or_init(|| CustomType::new(category, name));
        if *there.category != *category || *there.name != *name {
            return Err(refused(name, "its id belongs to another type"));
        }
        self.used.fetch_max(slot + 1, Ordering::Release);
        Ok(())
    }

    /// The id of a type by its name, case-sensitive.
    pub fn lookup(&self, name: &str) -> Option<TypeId> {
        Some(self.find(name.as_bytes())?.id)
    }

    /// The name of a type.
    pub fn type_name(&self, id: TypeId) -> Option<&str> {
        Some(self.get(id)?.name)
    }

    /// The category of a type.
    pub fn category_name(&self, id: TypeId) -> Option<&str> {
        Some(self.get(id)?.category)
    }

    /// The custom types, by id.
    pub fn custom_types(&self) -> impl Iterator<Item = (TypeId, &CustomType)> {
        let used = self.used.load(Ordering::Acquire);
        let slots = self.custom.get().into_iter().flatten();
        slots
            .take(used)
            .enumerate()
            .filter_map(|(slot, place)| Some((id_of(slot), place.get()?)))
    }

    /// Whether fields of any name are taken, not only `x_…`.
    pub fn unknown_fields(&self) -> bool {
        self.unknown_fields.load(Ordering::Relaxed)
    }

    /// Allows or forbids fields of any name.
    pub fn set_unknown_fields(&self, allowed: bool) {
        self.unknown_fields.store(allowed, Ordering::Relaxed);
    }

    /// Whether a field that the catalogue does not have may go with this type.
    pub(super) fn takes_unknown(&self, ty: TypeId, field: &[u8]) -> bool {
        field.starts_with(b"x_") || ty.is_custom() || self.unknown_fields()
    }

    #[inline]
    pub(super) fn get(&self, id: TypeId) -> Option<TypeRef<'_>> {
        if let Some(info) = Catalogue::type_info(id) {
            let category = info.category().name;
            return Some(TypeRef {
                id,
                name: info.name,
                category,
                prefix: info.prefix,
            });
        }
        let custom = id
            .is_custom()
            .then(|| self.custom.get()?[slot_of(id)].get())??;
        Some(of_custom(id, custom))
    }

    fn slots(&self) -> &[OnceLock<CustomType>] {
        self.custom
            .get_or_init(|| (0..SLOTS).map(|_| OnceLock::new()).collect())
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<TypeRef<'_>> {
        match Catalogue::type_named(name) {
            Some(info) => self.get(info.id),
            None => self
                .custom_types()
                .find(|(_, custom)| custom.name.as_bytes() == name)
                .map(|(id, custom)| of_custom(id, custom)),
        }
    }
}

fn of_custom(id: TypeId, custom: &CustomType) -> TypeRef<'_> {
    TypeRef {
        id,
        name: &custom.name,
        category: &custom.category,
        prefix: &custom.prefix,
    }
}

fn id_of(slot: usize) -> TypeId {
    TypeId(TypeId::FIRST_CUSTOM.0 + slot as u16)
}

fn slot_of(id: TypeId) -> usize {
    usize::from(id.0 - TypeId::FIRST_CUSTOM.0)
}

/// Names are plain enough to be written into JSON, URLs and metrics as they are.
fn check_name(name: &str) -> Result<(), EventError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    match (1..=64).contains(&name.len()) && name.bytes().all(plain) {
        true => Ok(()),
        false => Err(refused(name, "names are a-z, 0-9 and _, 1 to 64 bytes")),
    }
}

fn taken(name: &str) -> EventError {
    refused(
        name,
        "the catalogue or another category has a type of this name",
    )
}

fn refused(name: &str, reason: &'static str) -> EventError {
    EventError::Declaration {
        name: Excerpt::of(name),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::event::types;

    #[test]
    fn ids_are_given_in_order_and_kept() {
        let schema = Schema::new(false);
        let held = schema.declare("mail_event", "held").unwrap();
        assert_eq!(held, TypeId(256));
        assert_eq!(
            schema.declare("mail_event", "released").unwrap(),
            TypeId(257)
        );
        assert_eq!(schema.declare("mail_event", "held").unwrap(), held);
        assert_eq!(schema.lookup("held"), Some(held));
        assert_eq!(schema.type_name(held), Some("held"));
        assert_eq!(schema.category_name(held), Some("mail_event"));
    }

    #[test]
    fn a_stored_id_comes_back_and_leaves_gaps_free() {
        let schema = Schema::new(false);
        schema.declare_as(TypeId(1023), "a", "last").unwrap();
        schema.declare_as(TypeId(1023), "a", "last").unwrap();
        assert_eq!(schema.lookup("last"), Some(TypeId(1023)));
        assert_eq!(schema.declare("a", "first").unwrap(), TypeId(256));
        let all: Vec<u16> = schema.custom_types().map(|(id, _)| id.0).collect();
        assert_eq!(all, [256, 1023]);
    }

    #[test]
    fn what_clashes_is_refused() {
        let schema = Schema::new(false);
        schema.declare("a", "one").unwrap();
        for (category, name) in [
            ("b", "one"),
            ("message_event", "delivery"),
            ("other", "delivery"),
            ("", "x"),
            ("a", "X"),
        ] {
            assert!(schema.declare(category, name).is_err(), "{category}/{name}");
        }
        let long = "n".repeat(65);
        assert!(schema.declare("a", &long).is_err());
        assert!(schema.declare_as(TypeId(256), "a", "two").is_err());
        assert!(schema.declare_as(TypeId(300), "a", "one").is_err());
        assert!(schema.declare_as(TypeId(255), "a", "three").is_err());
        assert!(schema.declare_as(TypeId(1024), "a", "three").is_err());
        assert_eq!(schema.custom_types().count(), 1);
    }

    #[test]
    fn the_types_end() {
        let schema = Schema::new(false);
        for i in 0..SLOTS {
            assert_eq!(schema.declare("c", &format!("t{i}")).unwrap(), id_of(i));
        }
        assert!(matches!(
            schema.declare("c", "more"),
            Err(EventError::Declaration { .. })
        ));
    }

    #[test]
    fn threads_that_declare_the_same_types_agree() {
        let schema = Schema::new(false);
        let declare_all = || -> Vec<TypeId> {
            (0..50)
                .map(|i| schema.declare("c", &format!("t{i}")).unwrap())
                .collect()
        };
        let all: Vec<Vec<TypeId>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(declare_all)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(all.iter().all(|ids| *ids == all[0]));
        assert_eq!(schema.custom_types().count(), 50);
    }

    #[test]
    fn the_catalogue_is_always_there() {
        let schema = Schema::new(false);
        assert_eq!(schema.lookup("delivery"), Some(types::DELIVERY));
        assert_eq!(schema.category_name(types::CLICK), Some("track_event"));
        for id in [0, 28, 255, 256, 1023, 1024, 0xffff] {
            assert_eq!(schema.type_name(TypeId(id)), None, "{id}");
        }
    }
}
