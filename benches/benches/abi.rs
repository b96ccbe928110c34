//! What a call through the C ABI costs: `compare/abi.c`, against libpostrider as this profile builds it.
//! `cargo bench -p postrider-bench --bench abi`; `CALLS` (20,000) sets the length of each of ten runs.

use postrider_bench::compare::build;
use postrider_bench::figures::machine;
use std::path::Path;
use std::process::Command;

fn main() {
    let test = std::env::args().any(|arg| arg == "--test");
    let set = std::env::var("CALLS").ok();
    let calls = if test {
        "100".to_owned()
    } else {
        set.unwrap_or("20000".to_owned())
    };
    println!("{}", machine());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // target/PROFILE/deps/THIS; only `dev` has a directory of another name.
    let exe = std::env::current_exe().expect("this program");
    let built = exe.ancestors().nth(2).expect("target/PROFILE").to_owned();
    let profile = match built.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        other => other.expect("text"),
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build_library = Command::new(cargo);
    build_library
        .current_dir(&root)
        .args([
            "build",
            "--quiet",
            "-p",
            "postrider-ffi",
            "--profile",
            profile,
        ])
        .env("CARGO_TARGET_DIR", built.parent().expect("target"));
    // Build scripts would see a change in what cargo has set for this program.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            build_library.env_remove(name);
        }
    }
    assert!(
        build_library.status().expect("cargo runs").success(),
        "libpostrider"
    );
    let dir = tempfile::tempdir().expect("a directory");
    // The loader looks for the library by its soname.
    let object = built.join("libpostrider.so");
    for name in ["libpostrider.so", "libpostrider.so.0"] {
        std::os::unix::fs::symlink(&object, dir.path().join(name)).expect("a link");
    }
    let include = format!("-I{}", root.join("include").display());
    let library = format!("-L{}", dir.path().display());
    let Some(program) = build(
        "abi",
        dir.path(),
        &[&include, &library, "-lpostrider"],
        "cc",
    ) else {
        return;
    };
    let status = Command::new(program)
        .arg(calls)
        .env("LD_LIBRARY_PATH", dir.path())
        .status();
    assert!(status.expect("it was built").success());
}
