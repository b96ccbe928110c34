//! The programs of `compare/`, built with the system's compiler and libraries where those are there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Builds `compare/NAME.c` into `dir`, with these further arguments for the compiler. `None` where that can't be done
/// here, which it says: `package` is Debian's name for what is missing.
pub fn build(name: &str, dir: &Path, args: &[&str], package: &str) -> Option<PathBuf> {
    let source = folder().join(name).with_extension("c");
    let program = dir.join(name);
    let built = Command::new("cc")
        .args(["-O2", "-pthread", "-o"])
        .args([&program, &source])
        .args(args)
        .stderr(Stdio::null())
        .status();
    if built.is_ok_and(|status| status.success()) {
        return Some(program);
    }
    println!("SKIPPED: {name}: {package} or a C compiler is not installed");
    None
}

/// Where the sources and configurations are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("compare")
}

/// Whether a program is in `PATH`; says so where it is not.
pub fn is_installed(program: &str, package: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()));
    if !found {
        println!("SKIPPED: {program} is not installed ({package})");
    }
    found
}
