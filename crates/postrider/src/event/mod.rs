//! event

pub mod entry;

pub use entry::{ENTRY_BYTES, Entry};
