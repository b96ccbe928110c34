//! Secrets go to receivers and into the store, and nowhere else: planted ones are looked for in every
//! answer, log line, metric and error.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use postrider_tests::binary::postrider;
use postrider_tests::receiver::{Post, Receiver, Reply};
use serde_json::{Value, json};

const SIGNING: &str = "whsec_cGxhbnRlZC1zaWduaW5nLWtleS0xMjM0NTY3ODkw";
const PLANTED: &[&str] = &[
    "planted-password",
    // The same as it goes out.
    "YWxpY2U6cGxhbnRlZC1wYXNzd29yZA==",
    "planted-token",
    "planted-header",
    "planted-client-secret",
    "planted-access-token",
    "cGxhbnRlZC1zaWduaW5nLWtleS0xMjM0NTY3ODkw",
    "planted-in-an-error",
];

/// A served engine whose every word is kept.
struct Server {
    child: Child,
    address: String,
    key: String,
    /// What it said, by where.
    heard: Vec<(String, String)>,
}

impl Server {
    fn start(dir: &std::path::Path) -> Server {
        let data = dir.join("data");
        let errors = File::create(dir.join("stderr")).expect("a file");
        let data_arg = data.to_str().expect("a path");
        let mut command = postrider(&["serve", "--data", data_arg, "--listen", "127.0.0.1:0"]);
        command.args(["--allow-target", "127.0.0.0/8"]);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("it runs");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let address = lines.find_map(|line| {
            let line = line.expect("a line");
            Some(line.split_once("listens on http://")?.1.trim().to_owned())
        });
        std::thread::spawn(move || lines.count());
        let deadline = Instant::now() + Duration::from_secs(60);
        let key = loop {
            match std::fs::read_to_string(data.join("api.key")) {
                Ok(key) if !key.trim().is_empty() => break key.trim().to_owned(),
                _ => assert!(Instant::now() < deadline, "no first key"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        Server {
            child,
            address: address.expect("its address"),
            key,
            heard: Vec::new(),
        }
    }

    /// One call; its whole answer is kept. Gives status and body.
    fn call(&mut self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        self.heard
            .push((format!("{method} {path}"), answer.clone()));
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        (status.expect("a status"), body)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn planted_secrets_are_in_no_answer_log_metric_or_error() {
    let tokens = Receiver::with(|_: &Post| {
        let answer = json!({"access_token": "planted-access-token", "expires_in": 3600});
        Reply::Full(200, String::new(), answer.to_string())
    });
    let target = Receiver::ok();
    let dir = tempfile::tempdir().expect("a directory");
    let mut server = Server::start(dir.path());
    let basic = json!({
        "name": "basic", "target": target.url("/basic"), "events": ["delivery"],
        "auth_type": "basic",
        "auth_credentials": {"username": "alice", "password": "planted-password"},
        "auth_token": "planted-token", "custom_headers": {"X-Key": "planted-header"},
        "signing_keys": [SIGNING],
    });
    let oauth = json!({
        "name": "oauth", "target": target.url("/oauth"), "events": ["delivery"],
        "auth_type": "oauth2", "auth_request_details": {
            "url": tokens.url("/"),
            "body": {"client_id": "me", "client_secret": "planted-client-secret"},
        },
    });
    let mut ids = Vec::new();
    for body in [&basic, &oauth] {
        let (status, answer) = server.call("POST", "/api/v1/webhooks", body.clone());
        assert_eq!(status, 200, "{answer}");
        let id = answer["results"]["id"].as_str().expect("an id");
        ids.push(format!("/api/v1/webhooks/{id}"));
    }
    // The masks are sent back, and the secrets are still there.
    for path in &ids {
        let (_, shown) = server.call("GET", path, Value::Null);
        let mut back = shown["results"].clone();
        back["name"] = "renamed".into();
        let fields = back.as_object_mut().expect("a webhook");
        let ours = [
            "name",
            "target",
            "events",
            "auth_type",
            "auth_credentials",
            "auth_token",
            "auth_request_details",
            "custom_headers",
            "signing_keys",
        ];
        fields.retain(|name, _| ours.contains(&name.as_str()));
        let (status, answer) = server.call("PUT", path, back);
        assert_eq!(status, 200, "{answer}");
        assert_eq!(
            server
                .call("POST", &format!("{path}/validate"), Value::Null)
                .0,
            200
        );
    }
    let posts = target.all_posts();
    let last = |path: &str| {
        posts
            .iter()
            .rev()
            .find(|post| post.path == path)
            .expect("a POST")
    };
    let (by_basic, by_oauth) = (last("/basic"), last("/oauth"));
    assert_eq!(
        by_basic.headers["authorization"],
        format!("Basic {}", PLANTED[1])
    );
    assert_eq!(
        by_basic.headers["x-messagesystems-webhook-token"],
        "planted-token"
    );
    assert_eq!(by_basic.headers["x-key"], "planted-header");
    assert!(by_basic.headers.contains_key("webhook-signature"));
    assert_eq!(
        by_oauth.headers["authorization"],
        "Bearer planted-access-token"
    );
    let asked = tokens.all_posts();
    let asked = String::from_utf8_lossy(&asked.last().expect("a request").body).into_owned();
    assert!(asked.contains("planted-client-secret"), "{asked}");

    // Whatever can go wrong.
    target.answer(|_| Reply::Status(500));
    tokens.answer(|_| {
        let answer = r#"{"token":"planted-access-token"}"#;
        Reply::Full(200, String::new(), answer.into())
    });
    for path in &ids {
        server.call("POST", &format!("{path}/validate"), Value::Null);
        server.call("GET", &format!("{path}/batch-status"), Value::Null);
    }
    for wrong in [
        json!({"signing_keys": ["whsec_planted-in-an-error"]}),
        json!({"auth_token": "planted-in-an-error\r\n"}),
        json!({"custom_headers": {"X-Key": "planted-in-an-error\n"}}),
        json!({"auth_credentials": {"username": "a", "password": "planted-in-an-error\n"}}),
        json!({"client_certificate": "x", "client_key": "planted-in-an-error"}),
        json!({"target": "http://u:planted-in-an-error@example.com/"}),
    ] {
        let (status, answer) = server.call("PUT", &ids[0], wrong);
        assert_eq!(status, 422, "{answer}");
    }
    for path in ["/api/v1/webhooks", "/metrics", "/healthz"] {
        server.call("GET", path, Value::Null);
    }
    for path in &ids {
        server.call("DELETE", path, Value::Null);
    }
    let pid = rustix::process::Pid::from_child(&server.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    server.child.wait().expect("it ends");
    let mut heard = std::mem::take(&mut server.heard);
    let log = std::fs::read_to_string(dir.path().join("stderr")).expect("its log");
    heard.push(("the log".into(), log));
    for entry in std::fs::read_dir(dir.path().join("data")).expect("its directory") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|e| e == "log") {
            let text = std::fs::read_to_string(&path).expect("text");
            heard.push((path.display().to_string(), text));
        }
    }
    assert!(heard.len() > 20);
    for (place, said) in &heard {
        for secret in PLANTED {
            assert!(!said.contains(secret), "{place} shows {secret}: {said}");
        }
    }
}
