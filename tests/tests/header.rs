//! The header, by itself: current, and accepted by C and C++ compilers at their strictest.

use std::process::Command;

use postrider_tests::capi;
use postrider_tests::cc::{STRICT, cargo, need_program, output, run, text, workspace};
use tempfile::TempDir;

#[test]
fn is_what_the_sources_and_the_catalogue_say() {
    let check = output(cargo().args(["run", "--quiet", "-p", "postrider-header", "--", "check"]));
    assert!(check.status.success(), "{}", text(&check));
}

#[test]
fn compiles_alone_and_its_inline_functions_work() {
    let dir = TempDir::new().unwrap();
    for (compiler, language, standard) in [
        ("gcc", "c", "c99"),
        ("gcc", "c", "c11"),
        ("gcc", "c", "c17"),
        ("g++", "c++", "c++17"),
    ] {
        if !need_program(compiler) {
            continue;
        }
        let strict = STRICT
            .iter()
            .filter(|flag| language == "c" || **flag != "-Wstrict-prototypes");
        let exe = dir.path().join(standard);
        let mut cc = Command::new(compiler);
        cc.current_dir(workspace())
            .args(["-x", language, &format!("-std={standard}"), "-O0"])
            .args(strict);
        run(cc.args(["-Iinclude", "tests/c/header.c", "-o"]).arg(&exe));
        run(&mut Command::new(&exe));
    }
}

#[test]
fn documents_every_function() {
    let header = std::fs::read_to_string(workspace().join("include/postrider.h")).unwrap();
    let functions = capi::functions(&header);
    assert!(functions.len() > 20, "{functions:?}");
    let bare: Vec<_> = functions.iter().filter(|f| !f.documented).collect();
    assert!(bare.is_empty(), "{bare:?}");
}
