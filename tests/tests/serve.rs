//! The listeners of `postrider serve`, and the admin socket of any engine: who gets in, and how far.

use postrider_tests::binary::{Served, postrider, push, run, told};
use postrider_tests::cc::{Library, Program, Under};
use postrider_tests::receiver::Receiver;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

/// Sends what is given and reads the answer to its end.
fn talk(mut stream: impl Read + Write, request: &[u8]) -> String {
    // The server may answer, and close, before it has read all.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn connect(served: &Served) -> TcpStream {
    let authority = served.url.trim_start_matches("http://");
    TcpStream::connect(authority).expect("it listens")
}

fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: \
         application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").into_bytes()
}

#[test]
fn with_a_certificate_it_speaks_tls_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let write = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let cert = write("cert.pem", made.cert.pem());
    let key = write("key.pem", made.signing_key.serialize_pem());
    let set = [
        format!("serve.tls_cert={cert}"),
        format!("serve.tls_key={key}"),
    ];
    let more = ["--set", &set[0], "--set", &set[1]];
    let served = Served::start(&dir.path().join("data"), &more);
    let port = served.url.rsplit(':').next().expect("a port");
    assert_eq!(served.url, format!("https://127.0.0.1:{port}"));

    let url = format!("https://localhost:{port}");
    let list = |url: &str, more: &[&str]| {
        let mut args = vec![
            "webhook",
            "list",
            "--json",
            "--url",
            url,
            "--key",
            &served.key,
        ];
        args.extend(more);
        run(&args)
    };
    let listed = list(&url, &["--ca", &cert]);
    assert!(listed.status.success(), "{}", told(&listed));
    assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), "[]");
    let stranger = list(&url, &[]);
    assert_eq!(stranger.status.code(), Some(3), "{}", told(&stranger));
    let plain = list(&format!("http://localhost:{port}"), &[]);
    assert_eq!(plain.status.code(), Some(3), "{}", told(&plain));
    served.process.terminate();
}

#[test]
fn an_address_that_other_machines_reach_needs_tls_or_the_switch() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let data = data.to_str().expect("UTF-8");
    let refused = run(&["serve", "--data", data, "--listen", "0.0.0.0:0"]);
    assert_eq!(refused.status.code(), Some(2));
    let text = told(&refused);
    assert!(
        text.contains("serve.tls_cert") && text.contains("serve.insecure"),
        "{text}"
    );
    let half = run(&["serve", "--data", data, "--set", "serve.tls_cert=/x.pem"]);
    assert_eq!(half.status.code(), Some(2));
    assert!(
        told(&half).contains("one needs the other"),
        "{}",
        told(&half)
    );
    assert!(!Path::new(data).exists(), "nothing was made");
}

#[test]
fn a_head_and_a_body_have_their_limits() {
    let dir = tempfile::tempdir().expect("a directory");
    let served = Served::start(&dir.path().join("data"), &[]);
    let long = format!(
        "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n",
        "a".repeat(200_000)
    );
    assert!(talk(connect(&served), long.as_bytes()).starts_with("HTTP/1.1 431"));
    let lines = "X-Many: 1\r\n".repeat(200);
    let many = format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
    assert!(talk(connect(&served), many.as_bytes()).starts_with("HTTP/1.1 431"));

    // Refused by its head: the body, which never comes, is not waited for.
    let head = "POST /api/v1/webhooks HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n";
    let mut stream = connect(&served);
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = String::new();
    BufReader::new(&stream)
        .read_line(&mut answer)
        .expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");

    let key = format!("Authorization: {}\r\n", served.key);
    let head = format!(
        "POST /api/v1/webhooks HTTP/1.1\r\nHost: x\r\n{key}Content-Length: 2000000\r\n\r\n"
    );
    let mut request = head.into_bytes();
    request.resize(request.len() + 2_000_000, b' ');
    let answer = talk(connect(&served), &request);
    assert!(
        answer.starts_with("HTTP/1.1 413") || answer.is_empty(),
        "{answer}"
    );
    assert!(talk(connect(&served), &get("/healthz")).starts_with("HTTP/1.1 200"));
    served.process.terminate();
}

#[test]
fn the_ingest_socket_takes_events_and_nothing_else() {
    let receiver = Receiver::ok();
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("ingest.sock");
    let set = format!("serve.ingest_socket={}", socket.display());
    let more = ["--set", &set, "--set", "batch.linger_ms=0"];
    let served = Served::start(&dir.path().join("data"), &more);
    let target = receiver.url("/");
    let made = run(&[
        "webhook",
        "create",
        "--data",
        served.data_arg(),
        "--name",
        "all",
        "--target",
        &target,
        "--all-events",
    ]);
    assert!(made.status.success(), "{}", told(&made));
    let mode = std::fs::metadata(&socket)
        .expect("the socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);

    let ask = |request: &[u8]| talk(UnixStream::connect(&socket).expect("it listens"), request);
    let body = "{\"type\":\"delivery\",\"rcpt_to\":\"a@example.com\"}\n{\"type\":\"bad\"}\n";
    let answer = ask(&post("/api/v1/ingest/events", body));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (_, json) = answer.split_once("\r\n\r\n").expect("a body");
    let answer: Value = serde_json::from_str(json).expect("JSON");
    assert_eq!(answer["results"]["number_succeeded"], 1);
    assert_eq!(answer["results"]["errors"][0]["line"], 2);
    let events = receiver.wait_events(2);
    // In batches of their own, and so in any order.
    let of = |category: &str| {
        let mut found = events.iter().filter_map(|e| e["msys"].get(category));
        found.next().expect("an event of it").clone()
    };
    assert_eq!(of("message_event")["rcpt_to"], "a@example.com");
    let of_batch = of("ingest_event");
    assert_eq!(
        (&of_batch["type"], &of_batch["number_failed"]),
        (&json!("error"), &json!(1))
    );

    assert!(ask(&get("/api/v1/webhooks")).starts_with("HTTP/1.1 403"));
    assert!(ask(&post("/api/v1/keys", r#"{"grants":["keys"]}"#)).starts_with("HTTP/1.1 403"));
    served.process.terminate();
    assert!(!socket.exists());
}

#[test]
fn the_admin_socket_is_its_owners_and_goes_with_the_engine() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let served = Served::start(&data, &[]);
    let socket = data.join("admin.sock");
    let mode = std::fs::metadata(&socket)
        .expect("the socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let ask = |request: &[u8]| talk(UnixStream::connect(&socket).expect("it listens"), request);
    assert!(ask(&get("/metrics")).contains("postrider_"));
    assert!(ask(&get("/api/v1/keys")).starts_with("HTTP/1.1 200"));
    assert!(ask(b"nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
    let huge = "POST /api/v1/keys HTTP/1.1\r\nContent-Length: 6000000\r\n\r\n";
    assert!(ask(huge.as_bytes()).starts_with("HTTP/1.1 413"));
    // Peers that leave, or say nothing, hold up nobody.
    let silent = UnixStream::connect(&socket).expect("it listens");
    let gone = UnixStream::connect(&socket).expect("it listens");
    gone.shutdown(Shutdown::Both).expect("gone");
    assert!(ask(&get("/healthz")).starts_with("HTTP/1.1 200"));
    drop(silent);
    served.process.terminate();
    assert!(!socket.exists());

    let off = Served::start(&data, &["--set", "admin.socket=false"]);
    assert!(!socket.exists());
    off.process.terminate();
}

#[test]
fn the_command_line_reaches_an_engine_that_a_c_host_embeds() {
    let Some(program) = Program::build("tests/c/admin.c", Library::Engine, Under::Plain) else {
        return;
    };
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().to_str().expect("UTF-8");
    let mut host = program
        .command([data])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut line = String::new();
    let out = host.stdout.take().expect("a pipe");
    BufReader::new(out)
        .read_line(&mut line)
        .expect("its output");
    assert_eq!(line, "open\n");

    let stats = run(&["stats", "--data", data]);
    assert!(stats.status.success(), "{}", told(&stats));
    assert!(told(&stats).contains("postrider_"));
    let receiver = Receiver::ok();
    let url = receiver.url("/");
    let made = run(&[
        "webhook", "create", "--data", data, "--name", "a", "--target", &url, "--events",
        "delivery",
    ]);
    assert!(made.status.success(), "{}", told(&made));
    assert_eq!(
        receiver.all_posts().len(),
        1,
        "the test POST came from the host"
    );
    drop(host.stdin.take());
    assert!(host.wait().expect("it ends").success());
    assert!(!dir.path().join("admin.sock").exists());
    let gone = run(&["webhook", "list", "--data", data]);
    assert_eq!(gone.status.code(), Some(3));
    let audit = std::fs::read_to_string(dir.path().join("audit.log")).expect("the audit log");
    assert!(audit.contains("/api/v1/webhooks"), "{audit}");
}

#[test]
fn proxies_of_the_environment_are_not_asked() {
    let dir = tempfile::tempdir().expect("a directory");
    let proxy = Receiver::ok();
    let set = |command: &mut Command| {
        for name in [
            "http_proxy",
            "HTTP_PROXY",
            "https_proxy",
            "HTTPS_PROXY",
            "ALL_PROXY",
        ] {
            command.env(name, proxy.url("/"));
        }
    };
    let served = Served::with(dir.path(), &[], set);
    let receiver = Receiver::ok();
    let target = receiver.url("/");
    let mut create = postrider(&["webhook", "create", "--url", &served.url, "--name", "a"]);
    create.args(["--key", &served.key, "--target", &target]);
    create.args(["--events", "delivery"]);
    set(&mut create);
    let made = create.output().expect("it runs");
    assert!(made.status.success(), "{}", told(&made));
    let pushed = push(served.data_arg(), b"{\"type\":\"delivery\"}\n");
    assert!(pushed.status.success(), "{}", told(&pushed));
    receiver.wait_events(1);
    assert!(proxy.all_posts().is_empty());
    served.process.terminate();
}
