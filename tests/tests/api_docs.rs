//! The curl lines of `docs/api.md`, one after the other against a real `serve`, as somebody would who reads
//! it with a shell open.

use postrider_tests::binary::{Served, binary};
use postrider_tests::cc::need_program;
use postrider_tests::receiver::Receiver;
use std::process::Command;

/// Each call writes its status and arguments to a line. `$ID` and `$KEY_ID` are those of the answers, and
/// what is deleted is made again for the calls that follow.
const PRELUDE: &str = r#"
set -eu
curl() {
  local status; status=$(command curl -sS -o answer -w '%{http_code}' "$@")
  echo "$status $*" | tr '\n' ' '; echo
  case "$*" in
    *"-X POST $URL/api/v1/webhooks -H"*) CREATE=("$@"); ID=$(answered '[0-9a-f-]\{36\}') ;;
    *"-X DELETE $URL/api/v1/webhooks/"*) curl "${CREATE[@]}" ;;
    *"-X POST $URL/api/v1/keys "*) KEY_ID=$(answered '[0-9a-f]\{16\}') ;;
  esac
}
answered() { sed -n 's/.*"id":"\('"$1"'\)".*/\1/p' answer; }
"#;

#[test]
fn every_curl_line_of_the_documentation_works() {
    if !need_program("curl") || !need_program("bash") {
        return;
    }
    let receiver = Receiver::ok();
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("ingest.sock");
    let set = format!("serve.ingest_socket={}", socket.display());
    let served = Served::start(&dir.path().join("data"), &["--set", &set]);
    let events = "{\"type\": \"delivery\", \"rcpt_to\": \"alice@example.com\"}\n";
    std::fs::write(dir.path().join("events.ndjson"), events).expect("written");

    let page = include_str!("../../docs/api.md");
    let blocks = page.split("```sh\n").skip(1).map(|rest| {
        let (block, _) = rest.split_once("```").expect("an end");
        block
    });
    let inline = page.split('`').filter(|span| span.starts_with("curl "));
    let commands: Vec<&str> = blocks
        .chain(inline.filter(|span| span.contains("http")))
        .collect();
    let written: usize = commands
        .iter()
        .flat_map(|block| block.lines())
        .filter(|line| line.starts_with("curl "))
        .count();
    assert!(written > 15, "{commands:?}");
    let script = format!("{PRELUDE}\n{}", commands.join("\n"));
    let mut script = script;
    for (there, here) in [
        ("http://127.0.0.1:8025", served.url.as_str()),
        ("https://receiver.example.com/hook", &receiver.url("/hook")),
        ("/run/postrider/ingest.sock", &socket.display().to_string()),
    ] {
        assert!(script.contains(there), "{there}");
        script = script.replace(there, here);
    }

    let path = std::env::var("PATH").unwrap_or_default();
    let own = binary().parent().expect("a directory").display();
    let ran = Command::new("bash")
        .args(["-c", &script])
        .env("PATH", format!("{own}:{path}"))
        .env("POSTRIDER_DATA", &served.data)
        .current_dir(dir.path())
        .output()
        .expect("bash runs");
    let told = String::from_utf8_lossy(&ran.stdout);
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{told}{errors}");
    let mut calls = 0;
    for line in told.lines() {
        calls += 1;
        let (status, call) = line.split_once(' ').expect("a status");
        let deleted = call.contains("-X DELETE");
        assert_eq!(status, if deleted { "204" } else { "200" }, "{call}");
    }
    // The deleted webhook was made again.
    assert_eq!(calls, written + 1, "{told}");
    served.process.terminate();
}
