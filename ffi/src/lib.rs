//! Postrider's C ABI: the sources of libpostrider and of libpostrider-client.
//!
//! The header, `include/postrider.h`, is made from this crate by `cargo run -p postrider-header --
//! write`, which reads the doc comments of what is exported, so those are written for C.
//! Conventions:
//!
//! * A call that can fail returns a [`Status`](error::Status), and its text goes to
//!   `postrider_last_error()`. What it gives goes through pointers, written only on success.
//! * Every body runs inside the guard, either [`guard::guard`] or [`handle::Handle::with`]: no
//!   panic crosses.
//! * Structs that may grow start with their size ([`sized`]); `postrider_field` has a reserved word
//!   instead.
//! * What a call does to an engine or a client is in [`inner`], in safe Rust. Pointers end before
//!   it.
#![warn(missing_docs)]

pub mod api;
pub mod buffer;
pub mod config;
pub mod error;
pub mod field;
mod guard;
pub mod handle;
mod inner;
mod layout;
pub mod lifecycle;
pub mod log;
pub mod push;
mod sized;
pub mod stats;
mod text;
pub mod version;
