//! Fork detection by a wipe-on-fork page.
