//! Status numbers are published: hosts compare them, logs hold them. They never change.

use std::fs;
use std::process::Command;

use postrider_tests::capi;
use postrider_tests::cc::{Library, Program, Under, output, text, workspace};

#[path = "../../ffi/src/error.rs"]
#[allow(dead_code, unreachable_pub, reason = "a part of another crate")]
mod error;
#[path = "../../ffi/src/guard.rs"]
#[allow(dead_code, unreachable_pub, reason = "a part of another crate")]
mod guard;

#[test]
fn numbers_are_what_they_were() {
    let header = fs::read_to_string(workspace().join("include/postrider.h")).unwrap();
    let ours = [
        ("POSTRIDER_OK", 0),
        ("POSTRIDER_OK_UNWANTED", 1),
        ("POSTRIDER_OK_PENDING", 2),
        ("POSTRIDER_OK_DROPPED", 3),
        ("POSTRIDER_E_FULL", -100),
        ("POSTRIDER_E_TIMEOUT", -101),
        ("POSTRIDER_E_NULL", -200),
        ("POSTRIDER_E_HANDLE", -201),
        ("POSTRIDER_E_ARGUMENT", -202),
        ("POSTRIDER_E_TYPE", -203),
        ("POSTRIDER_E_FIELD", -204),
        ("POSTRIDER_E_JSON", -205),
        ("POSTRIDER_E_UTF8", -206),
        ("POSTRIDER_E_LIMIT", -207),
        ("POSTRIDER_E_CONFIG", -208),
        ("POSTRIDER_E_UNSUPPORTED", -209),
        ("POSTRIDER_E_LOCKED", -300),
        ("POSTRIDER_E_DATA_DIR", -301),
        ("POSTRIDER_E_SYSTEM", -302),
        ("POSTRIDER_E_FORMAT", -303),
        ("POSTRIDER_E_CLOSED", -400),
        ("POSTRIDER_E_STOPPED", -401),
        ("POSTRIDER_E_PANIC", -402),
        ("POSTRIDER_E_POISONED", -403),
    ];
    let mut found = capi::numbers(&header, "POSTRIDER_OK");
    found.extend(capi::numbers(&header, "POSTRIDER_E_"));
    let found: Vec<_> = found.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    assert_eq!(found, ours);
}

#[test]
fn names_and_versions_agree_between_header_and_library() {
    for library in [Library::Engine, Library::Client] {
        for under in [Under::Plain, Under::Sanitizers, Under::Valgrind] {
            if let Some(program) = Program::build("tests/c/version.c", library, under) {
                program.run(std::iter::empty::<&str>());
            }
        }
    }
}

#[test]
fn libpostrider_client_says_which_library_has_an_engine() {
    for under in [Under::Plain, Under::Sanitizers, Under::Valgrind] {
        if let Some(program) = Program::build("tests/c/noengine.c", Library::Client, under) {
            program.run(std::iter::empty::<&str>());
        }
    }
}

fn last_error() -> String {
    // SAFETY: the text is closed by a NUL and lives as long as this thread.
    let text = unsafe { std::ffi::CStr::from_ptr(error::postrider_last_error()) };
    text.to_str().unwrap().to_owned()
}

#[test]
fn a_panic_becomes_a_status_with_its_message_and_place() {
    let status = guard::guard(|| panic!("the {} is wet", "paper"));
    assert_eq!(status, error::POSTRIDER_E_PANIC);
    let text = last_error();
    assert!(text.contains("the paper is wet"), "{text}");
    assert!(text.contains("capi_status.rs:"), "{text}");
    assert_eq!(guard::guard(|| Ok(7)), 7, "the next call is as any other");
}

#[test]
fn a_text_that_is_too_long_is_cut_between_characters() {
    let status = guard::guard(|| Err(error::Failure::new(-1, "ä".repeat(2000))));
    assert_eq!(status, -1);
    assert_eq!(last_error(), "ä".repeat(511));
}

/// Run by the test below in a process of its own.
#[test]
#[ignore = "prints, or rather must not"]
fn panics_inside_and_outside() {
    let _ = guard::guard(|| panic!("inside the guard"));
    let _ = std::panic::catch_unwind(|| panic!("outside of it"));
}

#[test]
fn a_caught_panic_prints_nothing_and_others_print_as_before() {
    let own = std::env::current_exe().unwrap();
    let printed = text(&output(Command::new(own).args([
        "panics_inside_and_outside",
        "--exact",
        "--ignored",
        "--nocapture",
    ])));
    assert!(printed.contains("outside of it"), "{printed}");
    assert!(!printed.contains("inside the guard"), "{printed}");
}
