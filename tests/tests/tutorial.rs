//! The tutorial that made this API known, command by command, with curl; host and key replaced.

use postrider_tests::binary::Served;
use postrider_tests::cc::need_program;
use postrider_tests::receiver::{Receiver, Reply};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Runs curl; the status and the body as JSON.
fn curl(args: &[&str]) -> (u16, Value) {
    let output = Command::new("curl")
        .args(["-sS", "-w", "\n%{http_code}"])
        .args(args)
        .output()
        .expect("curl runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(
        output.status.success(),
        "curl: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let (body, status) = text.rsplit_once('\n').expect("a status");
    let status = status.parse().expect("a status");
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn write(dir: &Path, body: &Value) -> String {
    let path = dir.join("webhook_example.json");
    std::fs::write(&path, body.to_string()).expect("written");
    format!("@{}", path.display())
}

#[test]
fn the_tutorial_works_command_by_command() {
    if !need_program("curl") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let served = Served::start(&dir.path().join("data"), &["--set", "batch.linger_ms=0"]);
    let api = format!("{}/api/v1/webhooks", served.url);
    let authorization = format!("Authorization: {}", served.key);
    let key = authorization.as_str();

    // 1. What events are there?
    let (status, docs) = curl(&[
        "-X",
        "GET",
        &format!("{api}/events/documentation"),
        "-H",
        key,
    ]);
    assert_eq!(status, 200);
    let click = &docs["results"]["track_event"]["events"]["click"];
    assert_eq!(click["display_name"], "Click");
    assert!(click["event"]["target_link_url"]["description"].is_string());
    assert!(click["event"]["target_link_url"]["sampleValue"].is_string());

    // 2. What does one look like?
    let (status, samples) = curl(&[
        "-X",
        "GET",
        &format!("{api}/events/samples?events=click"),
        "-H",
        key,
    ]);
    assert_eq!(status, 200);
    let samples = samples["results"].as_array().expect("an array").clone();
    assert_eq!(samples.len(), 1);
    assert_eq!(samples[0]["msys"]["track_event"]["type"], "click");

    // 3. A receiver that does not answer 2xx: 400, with its answer, and nothing is created.
    let receiver = Receiver::with(|_| Reply::Full(404, String::new(), "no such page".to_owned()));
    let mut webhook = json!({
        "name": "Example webhook",
        "target": receiver.url("/hook"),
        "events": ["injection", "delivery", "open", "click"],
    });
    let content = "Content-Type: application/json";
    let create = |body: &Value| {
        let file = write(dir.path(), body);
        curl(&[
            "-X",
            "POST",
            &format!("{api}/"),
            "-d",
            &file,
            "-H",
            content,
            "-H",
            key,
        ])
    };
    let (status, refused) = create(&webhook);
    assert_eq!(status, 400, "{refused}");
    let error = &refused["errors"][0];
    let message = error["message"].as_str().expect("a message");
    assert!(
        message.starts_with("POST to webhook target URL failed with non-2xx response code 404"),
        "{message}"
    );
    assert_eq!(error["response"]["status"], 404);
    assert_eq!(error["response"]["body"], "no such page");
    let (_, none) = curl(&[&api, "-H", key]);
    assert_eq!(none["results"], json!([]), "nothing was created");

    // 4. One that does: created, and tested with an empty event and the token.
    receiver.answer(|_| Reply::Status(200));
    webhook["auth_token"] = json!("5ebe2294ecd0e0f08eab7690d2a6ee69");
    let (status, created) = create(&webhook);
    assert_eq!(status, 200, "{created}");
    let id = created["results"]["id"].as_str().expect("an id").to_owned();
    let link = &created["results"]["links"][0];
    assert_eq!(link["rel"], "urn.msys.webhooks.webhook");
    assert_eq!(link["method"], json!(["GET", "PUT"]));
    assert!(
        link["href"]
            .as_str()
            .is_some_and(|h| h.ends_with(&format!("/api/v1/webhooks/{id}")))
    );
    let test = receiver.all_posts().pop().expect("a test POST");
    assert_eq!(test.body, br#"[{"msys":{}}]"#);
    assert_eq!(
        test.headers["x-messagesystems-webhook-token"],
        "5ebe2294ecd0e0f08eab7690d2a6ee69"
    );

    // 5. What happens to mail arrives, at once: no activation minute.
    let pushed = postrider_tests::binary::postrider(&["push", "--data", served.data_arg()])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .and_then(|mut push| {
            use std::io::Write;
            let mut input = push.stdin.take().expect("a pipe");
            writeln!(input, r#"{{"type":"click","rcpt_to":"alice@example.com"}}"#)?;
            drop(input);
            push.wait()
        });
    assert!(pushed.expect("push runs").success());
    let events = receiver.wait_events(1);
    let event = &events[0]["msys"]["track_event"];
    assert_eq!(event["type"], "click");
    assert_eq!(event["rcpt_to"], "alice@example.com");
    let post = &receiver.posts()[0];
    assert_eq!(
        post.headers["x-messagesystems-webhook-token"],
        "5ebe2294ecd0e0f08eab7690d2a6ee69"
    );

    // Without a key, or with a wrong one.
    let (status, error) = curl(&[&api]);
    assert_eq!(
        (status, &error["errors"][0]["message"]),
        (401, &json!("Unauthorized"))
    );
    let (status, _) = curl(&[&api, "-H", "Authorization: wrong"]);
    assert_eq!(status, 401);
    served.process.terminate();
}
