//! The header, by itself: current, and accepted by C and C++ compilers at their strictest.

use postrider_tests::capi;
use postrider_tests::cc::{cargo, in_every_standard, output, text, workspace};

#[test]
fn is_what_the_sources_and_the_catalogue_say() {
    let check = output(cargo().args(["run", "--quiet", "-p", "postrider-header", "--", "check"]));
    assert!(check.status.success(), "{}", text(&check));
}

#[test]
fn compiles_alone_and_its_inline_functions_work() {
    in_every_standard("tests/c/header.c");
}

#[test]
fn documents_every_function() {
    let header = std::fs::read_to_string(workspace().join("include/postrider.h")).unwrap();
    let functions = capi::functions(&header);
    assert!(functions.len() > 20, "{functions:?}");
    let bare: Vec<_> = functions.iter().filter(|f| !f.documented).collect();
    assert!(bare.is_empty(), "{bare:?}");
}
