//! What is not taken into the chain, each with its own reason.

use postrider::filter::{FilterSpec, Trial};
use postrider_tests::cc::skip;
use postrider_tests::filters::{Host, Modules};
use rustix::fs::Mode;
use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

fn refusal_of(path: &Path) -> String {
    Host::refusal(FilterSpec::new("bad", path))
}

#[test]
fn each_violation_of_the_entry_has_its_own_refusal() {
    let Some(modules) = Modules::new() else {
        return;
    };
    for (module, refusal) in [
        (
            "no_entry",
            "exports no postrider_filter(): is it a Postrider filter?",
        ),
        ("null_entry", "postrider_filter() returned NULL"),
        ("wrong_magic", "has magic 0xdeadbeef: expected 0x54465250"),
        (
            "wrong_major",
            "was built for version 2 of the filter ABI: this engine takes version 1",
        ),
        (
            "newer_minor",
            "was built for version 1.1 of the filter ABI: this engine takes up to 1.0",
        ),
        ("wrong_size", "the entry has 8 bytes: expected 24"),
        ("no_descriptor", "has no descriptor"),
        (
            "small_descriptor",
            "the descriptor has 16 bytes: expected 64",
        ),
        ("missing_hook", "descriptor: process() is missing"),
        (
            "bad_id",
            "descriptor: id is \"Good Filter\": must be 1 to 64 of a-z, 0-9 and -",
        ),
        (
            "bad_policy",
            "descriptor: on_failure is 4: must be OPEN (1), CLOSED (2) or DISABLE (3)",
        ),
        ("null_instance", "create() answered 0 and gave no instance"),
        (
            "fails_dry",
            "failed its dry run: process() answered 7, which is no verdict",
        ),
    ] {
        assert_eq!(Host::refusal(modules.spec(module)), refusal, "{module}");
    }
}

#[test]
fn a_configuration_is_refused_in_the_filters_words_and_within_bounds() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let mut spec = modules.spec("refuses");
    Host::with(vec![spec.clone()]);
    spec.config.insert("unknown".into(), json!(1));
    let refusal = "create() refused its configuration: there is nothing to set: must be {}";
    assert_eq!(Host::refusal(spec), refusal);
    let long = Host::refusal(modules.spec("long_refusal"));
    assert_eq!(long.matches('x').count(), 512, "{long}");
}

#[test]
fn files_that_others_could_have_written_are_refused() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let good = modules.path("good");
    let me = rustix::process::geteuid().as_raw();

    assert_eq!(refusal_of(Path::new("good.so")), "must be an absolute path");
    assert!(refusal_of(&modules.dir().join("none.so")).starts_with("cannot be read: No such file"));
    let text = modules.dir().join("text.so");
    fs::write(&text, "no shared object").unwrap();
    let refusal = refusal_of(&text);
    assert!(
        refusal.starts_with("is not a shared object that can be loaded: "),
        "{refusal}"
    );
    assert!(
        !refusal.contains("postrider-filter-"),
        "names the copy: {refusal}"
    );

    let open = modules.dir().join("open.so");
    fs::copy(&good, &open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o775)).unwrap();
    let refusal = "the file has mode 775: must not be writable for group or others";
    assert_eq!(refusal_of(&open), refusal);

    let shared = modules.dir().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::copy(&good, shared.join("good.so")).unwrap();
    fs::set_permissions(&shared, Permissions::from_mode(0o777)).unwrap();
    let refusal = "its directory has mode 777: must not be writable for group or others";
    assert_eq!(refusal_of(&shared.join("good.so")), refusal);
    // Nor by way of a link from a safe place.
    let link = modules.dir().join("link.so");
    symlink(shared.join("good.so"), &link).unwrap();
    assert_eq!(refusal_of(&link), refusal);

    if me == 0 {
        let foreign = modules.dir().join("foreign.so");
        fs::copy(&good, &foreign).unwrap();
        chown(&foreign, Some(12_345), None).unwrap();
        let refusal =
            "the file belongs to user 12345: must belong to root or to user 0, who runs the engine";
        assert_eq!(refusal_of(&foreign), refusal);
    } else {
        skip("only root can give a file away");
    }
}

/// Each at once: an open that waits for a FIFO's writer would end as a refusal for time.
#[test]
fn what_is_no_regular_file_is_refused_without_being_opened_for_long() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |name: &str, found: &str| {
        let path = dir.path().join(name);
        let refusal = format!("is {found}: must be a regular file");
        assert_eq!(refusal_of(&path), refusal);
        let trial = Trial::open(&FilterSpec::new("bad", &path), dir.path());
        assert_eq!(trial.err().unwrap().problem.to_string(), refusal);
    };
    refused("", "a directory");
    let fifo = dir.path().join("fifo.so");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::RUSR | Mode::WUSR).unwrap();
    refused("fifo.so", "a FIFO");
    symlink(&fifo, dir.path().join("link.so")).unwrap();
    refused("link.so", "a FIFO");
    let _socket = UnixListener::bind(dir.path().join("socket.so")).unwrap();
    refused("socket.so", "a socket");
    refused("/dev/null", "a device");
}

#[test]
fn a_file_without_an_end_in_sight_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.so");
    let file = fs::File::create(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    let refusal = "has more than 268435456 bytes, the most that a filter may have";
    assert_eq!(refusal_of(&path), refusal);
}

#[test]
fn a_sum_must_be_that_of_the_file() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let host = Host::with(vec![modules.spec("good")]);
    let sum = host.status("good").loaded_sha256;
    let with = |sum: &str| FilterSpec {
        sha256: Some(sum.to_owned()),
        ..modules.spec("good")
    };
    Host::with(vec![with(&sum.to_uppercase())]);
    let other = "0".repeat(64);
    let refusal = Host::refusal(with(&other));
    assert_eq!(refusal, format!("has SHA-256 {sum}: expected {other}"));
    assert!(Host::refusal(with("abc")).contains("sha256 must be 64 hexadecimal digits"));
}

#[test]
fn what_an_operator_says_is_checked_before_anything_is_loaded() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let good = modules.spec("good");
    for (spec, refusal) in [
        (
            FilterSpec {
                name: "Good".into(),
                ..good.clone()
            },
            "filter Good: name must be 1 to 64 of a-z, 0-9 and -",
        ),
        (
            FilterSpec {
                events: vec!["delivry".into()],
                ..good.clone()
            },
            "filter good: events names 'delivry', which is not an event type",
        ),
        (
            FilterSpec {
                timeout_ms: 0,
                ..good.clone()
            },
            "filter good: timeout_ms must be 1 to 60000",
        ),
        (
            FilterSpec {
                budget_us: 0,
                ..good.clone()
            },
            "filter good: budget_us must be 1 to 1000000",
        ),
    ] {
        assert_eq!(Host::refusal(spec), refusal);
    }
    let twice = Host::empty().filters.set(vec![good.clone(), good], None);
    assert_eq!(
        twice.unwrap_err().to_string(),
        "filter good: name is taken by another filter"
    );
}

#[test]
fn a_refused_change_leaves_the_chain_as_it_was() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let host = Host::with(vec![modules.spec("good")]);
    let both = vec![modules.spec("good"), modules.spec("fails_dry")];
    assert!(host.filters.set(both, None).is_err());
    assert_eq!(host.filters.specs(), [modules.spec("good")]);
    assert_eq!(
        host.one(&postrider_tests::filters::event("x_drop", "1")).0,
        postrider::filter::Fate::Dropped
    );
}
