//! Gives both libraries their soname, and keeps them loaded: a thread of the engine, or a
//! thread-local destructor, must not outlive the code that it runs.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let package = env::var("CARGO_PKG_NAME").expect("cargo sets CARGO_PKG_NAME");
    let library = match package.as_str() {
        "postrider-ffi" => "libpostrider",
        "postrider-ffi-client" => "libpostrider-client",
        other => panic!("no soname for {other}"),
    };
    // While the major version is 0 the soname's number goes up with every break of the ABI,
    // whatever the version says.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,{library}.so.0");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
