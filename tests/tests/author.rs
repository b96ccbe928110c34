//! `docs/filters.md` as an author follows it, command by command: from nothing to a filter that an engine runs.

use postrider_tests::binary::{self, Served, binary, push, told, until};
use postrider_tests::cc::{need_program, workspace};
use postrider_tests::receiver::Receiver;
use serde_json::json;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// The part of the page under a heading.
fn section(heading: &str) -> String {
    let page = std::fs::read_to_string(workspace().join("docs/filters.md")).expect("the page");
    let (_, rest) = page
        .split_once(&format!("\n## {heading}\n"))
        .expect(heading);
    rest.split("\n## ").next().unwrap_or_default().to_owned()
}

/// The blocks of a language in it, in order.
fn blocks(section: &str, language: &str) -> Vec<String> {
    let begin = format!("\n```{language}\n");
    let parts = section.split(&begin).skip(1);
    parts
        .map(|part| part.split("\n```").next().unwrap_or_default().to_owned() + "\n")
        .collect()
}

/// Runs a block as a shell does, where `postrider` and its data directory are known.
fn run(block: &str, dir: &Path, served: &Served) {
    let path = std::env::var("PATH").unwrap_or_default();
    let own = binary().parent().expect("a folder");
    let output = Command::new("sh")
        .args(["-ec", block])
        .current_dir(dir)
        .env("PATH", format!("{}:{path}", own.display()))
        .env("POSTRIDER_DATA", served.data_arg())
        // As in a shell of the author's, not of this test.
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{block}\n{}", told(&output));
}

/// That the engine drops the events of campaign "test", and those alone.
fn drops_tests(served: &Served, receiver: &Receiver) {
    let event = |campaign: &str| {
        format!(
            "{}\n",
            json!({ "type": "delivery", "campaign_id": campaign })
        )
    };
    let lines = event("test") + &event("spring");
    let pushed = push(served.data_arg(), lines.as_bytes());
    assert!(pushed.status.success(), "{}", told(&pushed));
    let events = receiver.wait_events(1);
    assert_eq!(events[0]["msys"]["message_event"]["campaign_id"], "spring");
    until("line in the books", || {
        let list = binary::run(&["filter", "list", "--json", "--data", served.data_arg()]);
        told(&list).contains("a test").then_some(())
    });
}

fn served(dir: &Path) -> (Served, Receiver) {
    let served = Served::start(&dir.join("data"), &["--set", "batch.linger_ms=0"]);
    let receiver = Receiver::ok();
    let target = receiver.url("/hook");
    let create = [
        "webhook",
        "create",
        "--data",
        served.data_arg(),
        "--name",
        "all",
    ];
    let create = [&create[..], &["--target", &target, "--events", "delivery"]].concat();
    let created = binary::run(&create);
    assert!(created.status.success(), "{}", told(&created));
    (served, receiver)
}

#[test]
fn the_page_leads_to_a_loaded_filter_in_c() {
    if !need_program("cc") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let (served, receiver) = served(dir.path());
    for part in ["include", "examples"] {
        symlink(workspace().join(part), dir.path().join(part)).expect("a link");
    }
    for block in blocks(&section("One in C"), "sh") {
        run(&block, dir.path(), &served);
    }
    drops_tests(&served, &receiver);
    served.process.terminate();
}

#[test]
fn the_page_leads_to_a_loaded_filter_in_rust() {
    let dir = tempfile::tempdir().expect("a directory");
    let (served, receiver) = served(dir.path());
    let section = section("One in Rust");
    // The crates as they are here, and their dependencies as they are already.
    let crates = workspace().join("crates");
    let config = format!(
        "[patch.crates-io]\npostrider-filter.path = {:?}\npostrider.path = {:?}\n[net]\noffline = true\n",
        crates.join("postrider-filter"),
        crates.join("postrider")
    );
    std::fs::create_dir(dir.path().join(".cargo")).expect("a folder");
    std::fs::write(dir.path().join(".cargo/config.toml"), config).expect("written");

    let commands = blocks(&section, "sh");
    let [new, build] = &commands[..] else {
        panic!("{commands:?}")
    };
    run(new, dir.path(), &served);
    let project = dir.path().join("no-tests");
    let write = |name: &str, text: &str| std::fs::write(project.join(name), text).expect("written");
    write("Cargo.toml", &blocks(&section, "toml")[0]);
    let code = &blocks(&section, "rust");
    write("src/lib.rs", &code[0]);
    std::fs::copy(workspace().join("Cargo.lock"), project.join("Cargo.lock")).expect("copied");
    run(build, &project, &served);
    drops_tests(&served, &receiver);
    served.process.terminate();

    let example = workspace().join("examples/filter-rust/src/lib.rs");
    let example = std::fs::read_to_string(example).expect("the example");
    for block in code {
        assert!(
            example.contains(block),
            "the example and the page differ:\n{block}"
        );
    }
}
