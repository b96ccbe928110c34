//! What one revision of a webhook asks for.

use crate::event::MAX_TYPES;

/// A set of event types, one bit each.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct TypeSet([u64; MAX_TYPES / 64]);

impl TypeSet {
    /// The set without types.
    pub const EMPTY: TypeSet = TypeSet([0; MAX_TYPES / 64]);

    /// Adds a type; ids of [`MAX_TYPES`] and above are not in any set.
    #[inline]
    pub fn insert(&mut self, type_id: u16) {
        if let Some(word) = self.0.get_mut(usize::from(type_id >> 6)) {
            *word |= 1 << (type_id & 63);
        }
    }

    /// Whether the type is in the set.
    #[inline]
    pub fn contains(&self, type_id: u16) -> bool {
        self.0
            .get(usize::from(type_id >> 6))
            .is_some_and(|word| word >> (type_id & 63) & 1 == 1)
    }

    /// Adds all types of `other`.
    pub fn union(&mut self, other: &TypeSet) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine |= theirs;
        }
    }

    /// Whether all types of `other` are in this set.
    pub fn covers(&self, other: &TypeSet) -> bool {
        self.0
            .iter()
            .zip(&other.0)
            .all(|(mine, theirs)| theirs & !mine == 0)
    }

    /// Whether no type is in the set.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; MAX_TYPES / 64]
    }

    /// The types of the set, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().enumerate().flat_map(|(at, &word)| {
            (0..64u16)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| at as u16 * 64 + bit)
        })
    }

    /// The bits, type 0 in the lowest of the first word.
    pub fn words(&self) -> &[u64; MAX_TYPES / 64] {
        &self.0
    }
}

impl FromIterator<u16> for TypeSet {
    fn from_iter<I: IntoIterator<Item = u16>>(ids: I) -> TypeSet {
        let mut set = TypeSet::EMPTY;
        ids.into_iter().for_each(|id| set.insert(id));
        set
    }
}

impl From<[u64; MAX_TYPES / 64]> for TypeSet {
    fn from(words: [u64; MAX_TYPES / 64]) -> TypeSet {
        TypeSet(words)
    }
}

impl std::fmt::Debug for TypeSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Whose events a webhook takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The primary account's and every subaccount's, but for these.
    All {
        /// Subaccounts left out.
        except: Box<[u32]>,
    },
    /// The primary account's only.
    Primary,
    /// One subaccount's only.
    One(u32),
}

impl Scope {
    /// Every account.
    pub fn all() -> Scope {
        Scope::All {
            except: Box::default(),
        }
    }

    /// Whether events of this subaccount are taken; 0 is the primary account.
    #[inline]
    pub fn admits(&self, subaccount: u32) -> bool {
        match self {
            Scope::All { except } => !except.contains(&subaccount),
            Scope::Primary => subaccount == 0,
            Scope::One(one) => subaccount == *one,
        }
    }
}

/// What one revision of a webhook asks for: types and accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The event types.
    pub types: TypeSet,
    /// The accounts.
    pub scope: Scope,
}

impl Selection {
    /// Nothing at all: what a webhook that is not active asks for.
    pub fn nothing() -> Selection {
        Selection {
            types: TypeSet::EMPTY,
            scope: Scope::all(),
        }
    }

    /// Whether an event of this type and subaccount is wanted.
    #[inline]
    pub fn wants(&self, type_id: u16, subaccount: u32) -> bool {
        self.types.contains(type_id) && self.scope.admits(subaccount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_beyond_the_limit_is_in_no_set() {
        let set: TypeSet = [1, 63, 64, 1023, 1024, 0xFFFF].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [1, 63, 64, 1023]);
        assert!(!set.contains(1024) && !set.contains(0xFFFF));
    }

    #[test]
    fn scope_decides_by_subaccount() {
        let all_but_7 = Scope::All {
            except: Box::new([7]),
        };
        let admitted = |scope: &Scope| [0, 7, 8].map(|sub| scope.admits(sub));
        assert_eq!(admitted(&Scope::all()), [true, true, true]);
        assert_eq!(admitted(&all_but_7), [true, false, true]);
        assert_eq!(admitted(&Scope::Primary), [true, false, false]);
        assert_eq!(admitted(&Scope::One(7)), [false, true, false]);
    }
}
