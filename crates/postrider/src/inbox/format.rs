//! The bytes of version 1.

/// The format written by this build.
pub const VERSION: u32 = 1;

/// The longest event text, bytes; the separator comes on top.
pub const MAX_TEXT: usize = 128 * 1024;
