//! The kinds of value that a key takes, and how each is read from text.

use super::allow::AllowTarget;
use std::net::SocketAddr;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Unit {
    Count,
    /// Also written with a suffix: `KiB`, `MiB`, `GiB`, `TiB`.
    Bytes,
    Millis,
    Seconds,
    Hours,
    Days,
}

/// A key's type and allowed values.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A whole number of `unit`s from `min` to `max`.
    Number {
        /// What it counts.
        unit: Unit,
        /// The least allowed.
        min: u64,
        /// The most allowed.
        max: u64,
    },
    /// A number from 0 to 1.
    Fraction,
    /// `true` or `false`.
    Bool,
    /// Any text.
    Text,
    /// Text that can stand in an HTTP header.
    HeaderText,
    /// One of these.
    Choice(&'static [&'static str]),
    /// An address and a port.
    Listen,
    /// A list of whole seconds, at least one.
    Seconds,
    /// A list of `category/type`.
    CustomTypes,
    /// A list of [`AllowTarget`]s.
    AllowTargets,
}

/// A value of one of the [`Kind`]s.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of [`Kind::Number`].
    Number(u64),
    /// Of [`Kind::Fraction`].
    Fraction(f64),
    /// Of [`Kind::Bool`].
    Bool(bool),
    /// Of [`Kind::Text`], [`Kind::HeaderText`] and [`Kind::Choice`].
    Text(String),
    /// Of [`Kind::Listen`].
    Listen(SocketAddr),
    /// Of [`Kind::Seconds`].
    Seconds(Vec<u64>),
    /// Of [`Kind::CustomTypes`]: category and type.
    CustomTypes(Vec<(String, String)>),
    /// Of [`Kind::AllowTargets`].
    AllowTargets(Vec<AllowTarget>),
}
