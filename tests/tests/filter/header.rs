//! The filter header by itself, and against its Rust twin; and a filter that was built with the header of version 1.0.

use postrider::filter::{Fate, FilterSpec};
use postrider_filter::abi;
use postrider_tests::cc::{in_every_standard, need_program, workspace};
use postrider_tests::filters::{Host, compile, event};
use std::mem::offset_of;
use std::path::Path;
use tempfile::TempDir;

#[test]
fn compiles_alone_and_is_what_rust_says() {
    for (standard, printed) in in_every_standard("tests/c/filter_header.c") {
        assert_eq!(printed, in_rust(), "{standard}");
    }
}

/// The same list out of `abi.rs`.
fn in_rust() -> String {
    let mut lines = Vec::new();
    macro_rules! size {
        ($($name:literal $ty:ident),*) => { $(lines.push(format!("size {} {}", $name, size_of::<abi::$ty>()));)* };
    }
    macro_rules! at {
        ($name:literal $ty:ident: $($member:ident),*) => {
            $(lines.push(format!("at {}.{} {}", $name, stringify!($member).trim_start_matches("r#"), offset_of!(abi::$ty, $member)));)*
        };
    }
    macro_rules! number {
        ($($name:literal $value:ident),*) => { $(lines.push(format!("number {} {}", $name, i64::from(abi::$value)));)* };
    }
    size!("value" Value, "buffer" Buffer, "host" Host, "event" Event, "batch" Batch, "descriptor" Descriptor, "entry" Entry);
    at!("value" Value: r#as, kind, length);
    at!("buffer" Buffer: text, size, length);
    at!("host" Host: size, abi_major, abi_minor, name, version, field, r#type, type_name, log, get_extension);
    at!("event" Event: json, time_ms, length, r#type, subaccount, reserved);
    at!("batch" Batch: size, count, events, get, set, remove, tag, drop, fail, emit);
    at!("descriptor" Descriptor: size, on_failure, id, version, summary, create, process, destroy, get_extension);
    at!("entry" Entry: magic, abi_major, abi_minor, size, reserved, descriptor);
    number!("MAGIC" MAGIC, "ABI_MAJOR" MAJOR, "ABI_MINOR" MINOR, "OK" OK, "ABSENT" ABSENT, "FAILED" FAILED, "BROKEN" BROKEN);
    number!("E_TURN" E_TURN, "E_INDEX" E_INDEX, "E_ARGUMENT" E_ARGUMENT, "E_FIELD" E_FIELD, "E_VALUE" E_VALUE);
    number!("E_LIMIT" E_LIMIT, "E_TYPE" E_TYPE, "E_EVENT" E_EVENT);
    number!("STRING" STRING, "INT" INT, "DOUBLE" DOUBLE, "BOOL" BOOL, "JSON" JSON);
    number!("OPEN" OPEN, "CLOSED" CLOSED, "DISABLE" DISABLE);
    number!("LOG_ERROR" LOG_ERROR, "LOG_WARNING" LOG_WARNING, "LOG_INFO" LOG_INFO);
    lines.join("\n") + "\n"
}

/// `tests/fixtures/filter-v1` holds the header as version 1.0 had it: filters in the field were built with that.
#[test]
fn a_filter_built_with_the_first_header_works() {
    if !need_program("cc") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let object = dir.path().join("v1.so");
    let kept = workspace().join("tests/fixtures/filter-v1");
    let header = std::fs::read_to_string(kept.join("postrider_filter.h")).unwrap();
    assert!(
        header.contains("#define POSTRIDER_FILTER_ABI_MINOR 0"),
        "the kept header is of version 1.0"
    );
    let include = format!("-I{}", kept.display());
    compile(
        Path::new("tests/fixtures/filter-v1/filter.c"),
        &object,
        &[&include],
    );
    let host = Host::with(vec![FilterSpec::new("v1", &object)]);
    assert_eq!(host.one(&event("campaign_id", "test")).0, Fate::Dropped);
    let all = host.run(&[event("campaign_id", "real")]);
    let [(Fate::Live, text), (Fate::Live, added)] = &all[..] else {
        panic!("{all:?}")
    };
    assert!(
        text.contains(r#""x_tags":["seen"]"#) && text.contains(r#""x_size":"29""#),
        "{text}"
    );
    assert!(
        !text.contains("x_gone") && added.contains(r#""x_by":"v1""#),
        "{all:?}"
    );
    assert_eq!(
        host.one(&event("campaign_id", "bad")).0,
        Fate::Live,
        "its policy is disable"
    );
    assert_eq!(host.status("v1").stats.emitted, 1);
}

/// The examples of the documentation, in C.
#[test]
fn the_template_and_the_example_build_and_run() {
    if !need_program("cc") {
        return;
    }
    let dir = TempDir::new().unwrap();
    for (name, dropped) in [("template", 0), ("no_tests", 1)] {
        let object = dir.path().join(format!("{name}.so"));
        compile(
            Path::new(&format!("examples/filter-c/{name}.c")),
            &object,
            &[],
        );
        let host = Host::with(vec![FilterSpec::new(name.replace('_', "-"), &object)]);
        let all = host.run(&[event("campaign_id", "test"), event("campaign_id", "real")]);
        let gone = all
            .iter()
            .filter(|(fate, _)| *fate == Fate::Dropped)
            .count();
        assert_eq!(gone, dropped, "{name}");
    }
}
