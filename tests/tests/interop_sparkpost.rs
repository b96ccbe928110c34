//! The npm client `sparkpost`, unchanged: every call of it that Postrider answers, over plain HTTP.

use postrider_tests::binary::Served;
use postrider_tests::cc::workspace;
use postrider_tests::packages;
use postrider_tests::receiver::{Post, Receiver, Reply};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// The client in a process of its own.
struct Client {
    process: Child,
    calls: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Client {
    fn of(url: &str, key: &str) -> Option<Client> {
        let mut process = packages::node("sparkpost")?
            .arg(workspace().join("tests/interop/sparkpost.js"))
            .args([url, key])
            .env("NODE_NO_WARNINGS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs");
        let calls = process.stdin.take().expect("a pipe");
        let answers = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        Some(Client {
            process,
            calls,
            answers,
        })
    }

    /// The body of a success, or the error.
    fn call(&mut self, name: &str, args: &[Value]) -> Result<Value, Value> {
        let mut line = vec![json!(name)];
        line.extend(args.iter().cloned());
        writeln!(self.calls, "{}", json!(line)).expect("node reads");
        let answer = self.answers.next().expect("an answer").expect("UTF-8");
        let mut answer: Value = serde_json::from_str(&answer).expect("JSON");
        match answer.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(answer["body"].take()),
        }
    }

    /// The `results` of a success.
    fn results(&mut self, name: &str, args: &[Value]) -> Value {
        let body = self.call(name, args);
        body.unwrap_or_else(|e| panic!("{name}: {e}"))["results"].take()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn serve(more: &[&str]) -> (tempfile::TempDir, Served) {
    let dir = tempfile::tempdir().expect("a directory");
    let served = Served::start(&dir.path().join("data"), more);
    (dir, served)
}

#[test]
fn every_webhooks_call_is_answered_as_it_expects() {
    let (_dir, served) = serve(&["--set", "batch.linger_ms=0", "--set", "retry.schedule=1"]);
    let Some(mut client) = Client::of(&served.url, &served.key) else {
        return;
    };
    let receiver = Receiver::ok();

    let created = client.results(
        "webhooks.create",
        &[json!({
            "name": "Test webhook",
            "target": receiver.url("/hook"),
            "auth_type": "basic",
            "auth_credentials": {"username": "user", "password": "pass"},
            "events": ["delivery", "injection", "open", "click"],
        })],
    );
    let id = created["id"].clone();
    let path = format!("/api/v1/webhooks/{}", id.as_str().expect("an id"));
    assert_eq!(
        created["links"],
        json!([{"href": path, "rel": "urn.msys.webhooks.webhook", "method": ["GET", "PUT"]}])
    );
    let test = receiver.all_posts().pop().expect("a test POST");
    assert_eq!(test.headers["authorization"], "Basic dXNlcjpwYXNz");

    let new_york = json!({"timezone": "America/New_York"});
    let listed = client.results("webhooks.list", std::slice::from_ref(&new_york));
    assert_eq!(listed[0]["id"], id);
    assert_eq!(listed[0]["links"][0]["rel"], "urn.msys.webhooks.webhook");
    assert_eq!(
        client.results("webhooks.list", &[])[0]["name"],
        "Test webhook"
    );
    let got = client.results("webhooks.get", &[id.clone(), new_york]);
    assert_eq!(got["id"], id);
    assert_eq!(got["auth_type"], "basic");
    assert_eq!(got["links"][0]["rel"], "urn.msys.webhooks.validate");
    assert_eq!(got["links"][1]["rel"], "urn.msys.webhooks.batches");

    // It sends back all that it got, but the id.
    let mut changed = got.clone();
    changed["name"] = json!("Renamed webhook");
    changed["events"] = json!(["bounce"]);
    let updated = client.results("webhooks.update", &[id.clone(), changed]);
    assert_eq!(updated["id"], id);
    assert_eq!(updated["links"][0]["rel"], "urn.msys.webhooks.validate");
    let got = client.results("webhooks.get", std::slice::from_ref(&id));
    assert_eq!(
        (&got["name"], &got["events"]),
        (&json!("Renamed webhook"), &json!(["bounce"]))
    );

    let message = json!({"message": {"msys": {"message_event": {"type": "bounce"}}}});
    let tested = client.results("webhooks.validate", &[id.clone(), message]);
    assert_eq!(tested["msg"], "Test POST to endpoint succeeded");
    assert_eq!(tested["response"]["status"], 200);
    let test = receiver.all_posts().pop().expect("a test POST");
    assert_eq!(
        test.events(),
        [json!({"msys": {"message_event": {"type": "bounce"}}})]
    );
    assert_eq!(
        test.headers["authorization"], "Basic dXNlcjpwYXNz",
        "the password was kept"
    );

    // A batch that is taken at the second attempt is listed, and one that is taken at once is not.
    let refusals = std::cell::Cell::new(0);
    receiver.answer(move |post| {
        let first = post.events()[0]["msys"]["message_event"]["rcpt_to"] == "twice@example.com";
        refusals.set(refusals.get() + u32::from(first));
        Reply::Status(if first && refusals.get() == 1 {
            503
        } else {
            200
        })
    });
    let came = |who: &str, times: usize| {
        receiver.wait(who, |posts| {
            let has = |post: &&Post| memchr::memmem::find(&post.body, who.as_bytes()).is_some();
            posts.iter().filter(has).count() == times
        })
    };
    push(&served, r#"{"type":"bounce","rcpt_to":"once@example.com"}"#);
    // Only then the other, so that each is a batch.
    came("once@example.com", 1);
    push(
        &served,
        r#"{"type":"bounce","rcpt_to":"twice@example.com"}"#,
    );
    came("twice@example.com", 2);
    let status = postrider_tests::binary::until("a batch in the history", || {
        let args = [id.clone(), json!({"limit": 5})];
        let status = client.results("webhooks.getBatchStatus", &args);
        (status[0]["response_code"] == "200").then_some(status)
    });
    assert_eq!(status.as_array().map(Vec::len), Some(1), "{status}");
    assert_eq!(status[0]["attempts"], 1);
    assert_eq!(status[0]["response_code"], "200");
    assert!(status[0]["latency"].is_u64() && status[0]["batch_id"].is_string());
    let got = client.results("webhooks.get", std::slice::from_ref(&id));
    for time in ["last_successful", "last_failure"] {
        let text = got[time].as_str().unwrap_or_default();
        assert_eq!(text.len(), "2026-03-01 09:30:00".len(), "{time}: {text}");
    }

    assert_eq!(
        client.call("webhooks.delete", std::slice::from_ref(&id)),
        Ok(json!(""))
    );
    assert_eq!(client.results("webhooks.list", &[]), json!([]));
    served.process.terminate();
}

#[test]
fn its_documentation_and_samples_calls_are_answered() {
    let (_dir, served) = serve(&[]);
    let Some(mut client) = Client::of(&served.url, &served.key) else {
        return;
    };
    let docs = client.results("webhooks.getDocumentation", &[]);
    assert_eq!(
        docs["message_event"]["events"]["bounce"]["display_name"],
        "Bounce"
    );
    let some = json!({"events": "bounce,delivery"});
    let samples = client.results("webhooks.getSamples", &[some]);
    let types = samples.as_array().expect("an array").iter();
    let types: Vec<&Value> = types.map(|s| &s["msys"]["message_event"]["type"]).collect();
    assert_eq!(types.len(), 2);
    assert!(types.contains(&&json!("bounce")) && types.contains(&&json!("delivery")));
    let all = client.results("webhooks.getSamples", &[]);
    assert_eq!(all.as_array().map(Vec::len), Some(27));
    served.process.terminate();
}

#[test]
fn its_searches_find_what_was_pushed() {
    let (_dir, served) = serve(&[]);
    let Some(mut client) = Client::of(&served.url, &served.key) else {
        return;
    };
    let lines: String = (0..5)
        .map(|n| format!("{{\"type\":\"bounce\",\"rcpt_to\":\"r{n}@example.com\"}}\n"))
        .collect();
    push(&served, &lines);
    push(
        &served,
        r#"{"type":"relay_injection","rcpt_to":"r0@example.com"}"#,
    );
    let events = json!({"events": ["bounce", "click"], "per_page": 2, "cursor": "initial"});
    let first = postrider_tests::binary::until("all events in the log", || {
        let found = client.call("events.searchMessage", std::slice::from_ref(&events));
        found.ok().filter(|found| found["total_count"] == 5)
    });
    let recipients = |body: &Value| -> Vec<String> {
        let results = body["results"].as_array().expect("an array").iter();
        results
            .map(|r| r["rcpt_to"].as_str().expect("text").to_owned())
            .collect()
    };
    assert_eq!(recipients(&first), ["r4@example.com", "r3@example.com"]);
    let next = first["links"]["next"].as_str().expect("a link");
    let cursor = next.rsplit_once("cursor=").expect("a cursor").1;
    let events = json!({"events": ["bounce", "click"], "per_page": 2, "cursor": cursor});
    let second = client.call("events.searchMessage", &[events]).expect("200");
    assert_eq!(recipients(&second), ["r2@example.com", "r1@example.com"]);

    let page = json!({"events": ["bounce", "click"], "per_page": 2, "page": 3});
    let third = client.call("messageEvents.search", &[page]).expect("200");
    assert_eq!(recipients(&third), ["r0@example.com"]);
    assert_eq!(third["total_count"], 5);
    let rels: Vec<&Value> = third["links"]
        .as_array()
        .expect("an array")
        .iter()
        .map(|l| &l["rel"])
        .collect();
    assert_eq!(rels, ["first", "previous", "last"]);
    let one = json!({"recipients": ["r1@example.com", "r9@example.com"]});
    let found = client.call("messageEvents.search", &[one]).expect("200");
    assert_eq!(recipients(&found), ["r1@example.com"]);
    assert_eq!(found["links"], json!([]));
    served.process.terminate();
}

#[test]
fn it_tells_errors_as_the_original_api_does() {
    let (_dir, served) = serve(&[]);
    let Some(mut client) = Client::of(&served.url, &served.key) else {
        return;
    };
    let receiver = Receiver::with(|_| {
        let headers = "X-Why: moved\r\n".to_owned();
        Reply::Full(405, headers, "POST is not for here".to_owned())
    });
    let webhook = json!({
        "name": "Test webhook", "target": receiver.url("/"), "events": ["delivery"],
    });
    let refused = client.call("webhooks.create", &[webhook]).expect_err("405");
    assert_eq!(
        (&refused["status"], &refused["message"]),
        (&json!(400), &json!("Bad Request"))
    );
    let error = &refused["errors"][0];
    assert_eq!(error["code"], 400);
    assert_eq!(
        error["message"],
        "POST to webhook target URL failed with non-2xx response code 405"
    );
    assert_eq!(error["response"]["status"], 405);
    assert_eq!(error["response"]["headers"]["x-why"], "moved");
    assert_eq!(error["response"]["body"], "POST is not for here");

    let none = json!("12affc24-f183-11e3-9234-3c15c2c818c2");
    let missing = client.call("webhooks.get", &[none]).expect_err("404");
    assert_eq!(
        (&missing["status"], &missing["message"]),
        (&json!(404), &json!("Not Found"))
    );
    assert_eq!(
        missing["errors"][0]["message"],
        "Resource could not be found"
    );

    let nameless = json!({"target": receiver.url("/"), "events": ["delivery"]});
    let invalid = client
        .call("webhooks.create", &[nameless])
        .expect_err("422");
    assert_eq!(invalid["status"], 422);
    assert_eq!(invalid["errors"][0]["message"], "'name' is required");

    let mut stranger = Client::of(&served.url, "not-a-key").expect("installed above");
    let refused = stranger.call("webhooks.list", &[]).expect_err("401");
    assert_eq!(refused["status"], 401);
    assert_eq!(refused["errors"], json!([{"message": "Unauthorized"}]));
    served.process.terminate();
}

fn push(served: &Served, line: &str) {
    let pushed = postrider_tests::binary::push(served.data_arg(), line.as_bytes());
    assert!(
        pushed.status.success(),
        "{}",
        postrider_tests::binary::told(&pushed)
    );
}
