//! The inbox directory: who may own it, and what in it may be opened.

use super::InboxError;
use std::path::{Path, PathBuf};

/// The directory's name inside the data directory.
pub const DIR_NAME: &str = "inbox";

/// Makes `<data_dir>/inbox` with mode 2770 and, where `group` is given (a name from `/etc/group` or a
/// number), that group; lets the group pass through the data directory. One that exists is
/// checked and given the group. For the engine and `postrider init`; writers never make it.
///
/// # Errors
/// The directory is a link, belongs to someone else, or the group is unknown or can't be set.
pub fn init(data_dir: &Path, group: Option<&str>) -> Result<PathBuf, InboxError> {
    let _ = (data_dir, group);
    todo!()
}
