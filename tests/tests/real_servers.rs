//! Our HTTP client and other people's servers: Apache, HAProxy, Node.js, Python.

use std::time::{Duration, Instant};

use postrider::engine::Engine;
use postrider::event::{Event, types};
use postrider::http::{BodyEnd, NoReuse, Reuse};
use postrider::webhook::WebhookSpec;
use postrider_tests::cc::need_program;
use postrider_tests::poster::*;
use postrider_tests::server::{Server, haproxy, shared_dir};

#[test]
fn what_apache_closes_after_three_requests_or_two_seconds_is_not_used_again() {
    if !need_program("apache2") {
        return;
    }
    let config = "ServerRoot /usr/lib/apache2
LoadModule mpm_prefork_module modules/mod_mpm_prefork.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule rewrite_module modules/mod_rewrite.so
User www-data
Group www-data
PidFile @DIR@/pid
ErrorLog @DIR@/error.log
DefaultRuntimeDir @DIR@
Mutex file:@DIR@
Listen 127.0.0.1:@PORT@
ServerName localhost
DocumentRoot @DIR@
KeepAlive On
KeepAliveTimeout 2
MaxKeepAliveRequests 3
RewriteEngine on
RewriteRule ^/hook - [R=204,L]
";
    let server = Server::start(&["apache2", "-X", "-f", "@DIR@/conf"], config, shared_dir());
    let url = format!("http://127.0.0.1:{}/hook", server.port());
    let mut client = client();
    let reused: Vec<bool> = (0..5)
        .map(|_| {
            let done = exchange(&mut client, post(&url, 100_000));
            assert_eq!(done.result.expect("an answer").status, 204);
            done.reused
        })
        .collect();
    // Three more after the first.
    assert_eq!(reused, [false, true, true, true, false]);
    let missing = format!("http://127.0.0.1:{}/nothing", server.port());
    assert_eq!(answer(&mut client, post(&missing, 10)).status, 404);
    wait_until_idle_ones_are_closed(&mut client);
    let not_reused = client.counters().not_reused;
    assert_eq!(not_reused[NoReuse::ServerAsked.index()], 1);
    // It does not say when, and is seen to close before our own 4 s.
    assert_eq!(not_reused[NoReuse::IdleClosed.index()], 1);
    assert_eq!(client.counters().retried, 0);
}

fn returning() -> Server {
    let frontend = "  bind 127.0.0.1:@PORT@
  http-request return status 200 content-type text/plain string ok if { path /hook }
  http-request return status 429 hdr Retry-After 3 if { path /busy }
  http-request silent-drop if { path /drop }
";
    haproxy(frontend, shared_dir())
}

/// `http-request return` answers before it has read the body, then cuts the connection.
#[test]
fn an_answer_that_haproxy_gives_before_it_has_read_the_body_counts_once() {
    if !need_program("haproxy") {
        return;
    }
    let server = returning();
    let url = format!("http://127.0.0.1:{}/hook", server.port());
    let mut client = client();
    for (round, bytes) in [6_000, 300_000, 8_000_000, 8_000_000]
        .into_iter()
        .enumerate()
    {
        let response = answer(&mut client, post(&url, bytes));
        assert_eq!(response.status, 200, "{bytes} bytes");
        assert_eq!(client.counters().retried, 0, "round {round}");
    }
    let busy = format!("http://127.0.0.1:{}/busy", server.port());
    let response = answer(&mut client, post(&busy, 10));
    assert_eq!(response.status, 429);
    assert_eq!(response.headers.get("retry-after"), Some("3"));
}

/// The same for a whole engine: every batch is delivered by its first attempt.
#[test]
fn batches_that_haproxy_accepts_unread_are_delivered_once() {
    if !need_program("haproxy") {
        return;
    }
    let server = returning();
    let engine = Engine::builder()
        .memory()
        .set("http.allow_target", "127.0.0.0/8")
        .and_then(|b| b.set("batch.linger_ms", "0"))
        .expect("settings")
        .start()
        .expect("an engine");
    let url = format!("http://127.0.0.1:{}/hook", server.port());
    let spec = WebhookSpec::new("haproxy", &url, ["delivery"]);
    let id = engine.create_webhook(spec).expect("a webhook").id;
    for _ in 0..20_000 {
        while engine.push(&Event::new(types::DELIVERY)).is_err() {
            std::thread::yield_now();
        }
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let stats = engine.stats();
        assert!(stats.balanced(), "{stats:?}");
        if stats.books.webhooks[&id].delivered == 20_000 {
            break;
        }
        assert!(Instant::now() < deadline, "{stats:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    // It lists what took more than one attempt.
    let again = engine.batch_status(id, 1000, false).expect("its history");
    assert!(again.is_empty(), "{again:?}");
}

/// Node's server closes after 5 s, and says so.
#[test]
fn a_connection_to_node_is_closed_by_us_before_node_does() {
    if !need_program("node") {
        return;
    }
    let script = "require('http').createServer((request, response) => {
        let bytes = 0;
        request.on('data', (part) => bytes += part.length);
        request.on('end', () => response.end(String(bytes)));
    }).listen(@PORT@, '127.0.0.1');";
    let server = Server::start(&["node", "@DIR@/conf"], script, shared_dir());
    let url = format!("http://127.0.0.1:{}/", server.port());
    let mut client = client();
    for round in 0..3 {
        let done = exchange(&mut client, post(&url, 1_000_000));
        assert_eq!(done.reused, round > 0);
        let response = done.result.expect("an answer");
        assert_eq!((response.status, response.end), (200, BodyEnd::Complete));
        assert_eq!(response.body, b"1000004");
        assert_eq!(response.headers.get("keep-alive"), Some("timeout=5"));
    }
    wait_until_idle_ones_are_closed(&mut client);
    let counters = client.counters();
    assert_eq!(counters.not_reused[NoReuse::IdleAge.index()], 1);
    assert_eq!((counters.opened, counters.retried), (1, 0));
}

/// Python's own server speaks HTTP/1.0 and knows no POST: an answer all the same.
#[test]
fn pythons_http_server_answers_501_and_is_not_kept() {
    if !need_program("python3") {
        return;
    }
    let command = [
        "python3",
        "-m",
        "http.server",
        "--bind",
        "127.0.0.1",
        "@PORT@",
    ];
    let server = Server::start(&command, "", shared_dir());
    let url = format!("http://127.0.0.1:{}/", server.port());
    let mut client = client();
    for _ in 0..2 {
        let done = exchange(&mut client, post(&url, 10));
        assert!(!done.reused);
        let response = done.result.expect("an answer");
        assert_eq!(response.status, 501);
        assert!(matches!(response.reuse, Reuse::No(_)), "{response:?}");
    }
}

/// The same library with HTTP/1.1 switched on keeps connections.
#[test]
fn a_python_handler_that_speaks_http_1_1_is_kept() {
    if !need_program("python3") {
        return;
    }
    let script = "
import http.server
class Hook(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        answer = str(len(body)).encode()
        self.send_response(202)
        self.send_header('Content-Length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(('127.0.0.1', @PORT@), Hook).serve_forever()
";
    let server = Server::start(&["python3", "@DIR@/conf"], script, shared_dir());
    let url = format!("http://127.0.0.1:{}/", server.port());
    let mut client = client();
    for round in 0..3 {
        let done = exchange(&mut client, post(&url, 300_000));
        assert_eq!(done.reused, round > 0);
        let response = done.result.expect("an answer");
        assert_eq!(
            (response.status, &*response.body),
            (202, b"300004".as_slice())
        );
    }
}
