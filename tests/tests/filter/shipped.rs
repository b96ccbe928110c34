//! The filters that ship, as the shared objects that an operator loads; and the conformance kit, as an author runs it.

use crate::watched::VALGRIND;
use postrider::filter::{Fate, FilterSpec, OnFailure};
use postrider_tests::binary;
use postrider_tests::cc::{built_dir, cargo, need_program, output, run, text};
use postrider_tests::filters::{Host, Modules};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{OnceLock, PoisonError};
use tempfile::NamedTempFile;

/// Each with a configuration that it takes, and the policy that it names.
fn shipped() -> Vec<(&'static str, Value, OnFailure)> {
    vec![
        ("bounce-classify", json!({}), OnFailure::Open),
        ("coalesce-delays", json!({}), OnFailure::Open),
        (
            "enrich",
            json!({ "user_agents": patterns() }),
            OnFailure::Open,
        ),
        (
            "redact",
            json!({ "fields": { "rcpt_to": "mask" } }),
            OnFailure::Closed,
        ),
        ("sample", json!({ "rate": 0.5 }), OnFailure::Open),
        (
            "select",
            json!({ "pass": "type != 'open'" }),
            OnFailure::Open,
        ),
    ]
}

/// A file in the form of uap-core's.
fn patterns() -> &'static Path {
    static FILE: OnceLock<NamedTempFile> = OnceLock::new();
    FILE.get_or_init(|| {
        let file = NamedTempFile::new().unwrap();
        write_patterns(file.path(), "Firefox");
        file
    })
    .path()
}

fn write_patterns(path: &Path, family: &str) {
    let patterns = json!({
        "user_agent_parsers": [{ "regex": "Firefox/", "family_replacement": family }],
        "os_parsers": [],
        "device_parsers": [],
    });
    // JSON is YAML.
    std::fs::write(path, patterns.to_string()).unwrap();
}

/// Built once; read-only for others, as packages install it.
pub(crate) fn object(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = cargo();
        build.args(["build", "--quiet"]);
        for (name, ..) in shipped() {
            build.args(["-p", &format!("postrider-filter-{name}")]);
        }
        run(&mut build);
    });
    built_dir().join(format!("libpostrider_filter_{}.so", name.replace('-', "_")))
}

fn spec(name: &str, config: &Value) -> FilterSpec {
    FilterSpec {
        config: config.as_object().unwrap().clone(),
        timeout_ms: 30_000,
        budget_us: 1_000_000,
        ..FilterSpec::new(name, object(name))
    }
}

#[test]
fn they_load_side_by_side_and_do_their_work_in_order() {
    let specs: Vec<FilterSpec> = shipped()
        .iter()
        .map(|(name, config, _)| spec(name, config))
        .collect();
    let host = Host::with(specs);
    for (name, _, policy) in shipped() {
        let status = host.status(name);
        assert_eq!((status.id.as_str(), status.policy), (name, Some(policy)));
    }
    let line = r#"{"type":"bounce","message_id":"m0","rcpt_to":"a@example.com","raw_reason":"552 5.2.2 a@example.com: mailbox full"}"#;
    let (fate, text) = host.one(line);
    assert_eq!(fate, Fate::Live);
    let event: Value = serde_json::from_str(&text).unwrap();
    let event = &event["msys"]["message_event"];
    assert_eq!(event["bounce_class"], "22");
    assert_eq!(event["reason"], "552 5.2.2 [internal]: mailbox full");
    assert_eq!(event["rcpt_to"], "***@example.com");
    let all: Vec<String> = (0..64)
        .map(|m| format!(r#"{{"type":"delivery","message_id":"m{m}"}}"#))
        .collect();
    let live = host
        .run(&all)
        .iter()
        .filter(|(fate, _)| *fate == Fate::Live)
        .count();
    assert!((8..56).contains(&live), "{live} of 64 sampled");
}

#[test]
fn a_reload_makes_enrich_read_its_files_again() {
    let file = NamedTempFile::new().unwrap();
    write_patterns(file.path(), "Firefox");
    let spec = spec("enrich", &json!({ "user_agents": file.path() }));
    let host = Host::with(vec![spec.clone()]);
    let family = || {
        let (_, text) = host.one(r#"{"type":"open","user_agent":"Firefox/130"}"#);
        let event: Value = serde_json::from_str(&text).unwrap();
        event["msys"]["track_event"]["user_agent_parsed"]["agent_family"].clone()
    };
    assert_eq!(family(), "Firefox");
    write_patterns(file.path(), "Ice Weasel");
    assert_eq!(family(), "Firefox", "until it is told to");
    host.filters.set(vec![spec], Some("enrich")).unwrap();
    assert_eq!(family(), "Ice Weasel");
}

#[test]
fn the_conformance_kit_passes_them_and_tells_what_is_wrong_with_others() {
    let check = |path: &PathBuf, config: &Value, lives: &str| {
        let mut command = Command::new(binary::binary());
        command.args(["filter", "check"]).arg(path).args([
            "--lives",
            lives,
            "--config",
            &config.to_string(),
        ]);
        output(&mut command)
    };
    for (name, config, _) in shipped() {
        let answer = check(&object(name), &config, "20");
        let printed = text(&answer);
        assert!(answer.status.success(), "{name}: {printed}");
        assert_eq!(printed.matches(" ok  ").count(), 8, "{name}: {printed}");
        println!("{name}\n{printed}");
    }
    let Some(modules) = Modules::new() else {
        return;
    };
    for (module, fault) in [
        ("wrong_magic", "has magic 0xdeadbeef"),
        ("fails_dry", "process() answered 7, which is no verdict"),
        ("leaks", "KiB stay of each instance"),
        ("leaves_threads", "threads outlive destroy()"),
    ] {
        let answer = check(&modules.path(module), &json!({}), "200");
        let printed = text(&answer);
        assert_eq!(answer.status.code(), Some(1), "{module}: {printed}");
        assert!(
            printed.contains("FAIL") && printed.contains(fault),
            "{module}: {printed}"
        );
    }
}

/// The host, the SDK and what filters do with memory, under valgrind: every event type, extreme events, many lives.
#[test]
fn valgrind_finds_no_error_and_no_leak_in_a_filters_life() {
    let Some(modules) = Modules::new() else {
        return;
    };
    if !need_program("valgrind") {
        return;
    }
    let _one = VALGRIND.lock().unwrap_or_else(PoisonError::into_inner);
    for module in ["traces", "emits"] {
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(["--quiet", "--error-exitcode=99", "--leak-check=full"])
            .args([
                "--errors-for-leak-kinds=definite",
                "--show-leak-kinds=definite",
            ])
            // What was freed is not kept, or the kit would take it for a leak.
            .arg("--freelist-vol=100000")
            .arg(binary::binary())
            .args(["filter", "check", "--lives", "4"])
            .arg(modules.path(module));
        let answer = output(&mut valgrind);
        assert!(answer.status.success(), "{module}: {}", text(&answer));
    }
}
