//! Webhooks with a client certificate, from an engine to servers that demand one.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use postrider::engine::Engine;
use postrider::event::{Event, types};
use postrider::webhook::{
    ClientCertificate, Condition, Secret, TestFailure, Webhook, WebhookError, WebhookPatch,
    WebhookSpec,
};
use postrider_tests::cc::need_program;
use postrider_tests::certs::Ca;
use postrider_tests::server::{Server, haproxy, nginx, shared_dir};
use tempfile::TempDir;

const MINUTE: Duration = Duration::from_secs(60);

/// A server whose certificate `ca` has issued, and which lets in only whom that authority vouches for.
struct Demanding {
    server: Server,
    ca: Ca,
}

impl Demanding {
    fn start(serve: impl FnOnce(TempDir) -> Server) -> Demanding {
        let dir = shared_dir();
        let ca = Ca::new(dir.path());
        let (certificate, key) = ca.issue("127.0.0.1");
        fs::write(dir.path().join("both.pem"), certificate + &key).expect("written");
        let server = serve(dir);
        Demanding { server, ca }
    }

    /// nginx with these lines in its `http`.
    fn nginx(http: &str) -> Demanding {
        let server = "listen 127.0.0.1:@PORT@ ssl;
    ssl_certificate @DIR@/both.pem; ssl_certificate_key @DIR@/both.pem;
    ssl_client_certificate @DIR@/ca.pem; ssl_verify_client on;";
        Demanding::start(|dir| nginx(http, server, dir))
    }

    fn haproxy() -> Demanding {
        let frontend =
            "  bind 127.0.0.1:@PORT@ ssl crt @DIR@/both.pem ca-file @DIR@/ca.pem verify required
  http-request return status 200 content-type text/plain string ok
";
        Demanding::start(|dir| haproxy(frontend, dir))
    }

    fn url(&self) -> String {
        format!("https://127.0.0.1:{}/", self.server.port())
    }
}

fn engine_trusting(ca: &Path) -> Engine {
    let ca = ca.display().to_string();
    let settings = [
        ("http.allow_target", "127.0.0.0/8"),
        ("http.ca_file", &*ca),
        ("batch.linger_ms", "0"),
        ("retry.schedule", "1"),
    ];
    let builder = Engine::builder().memory();
    let set = settings
        .into_iter()
        .try_fold(builder, |b, (key, value)| b.set(key, value));
    set.expect("settings").start().expect("an engine")
}

fn issued(ca: &Ca) -> ClientCertificate {
    issued_to(ca, "sender.example.com")
}

fn issued_to(ca: &Ca, name: &str) -> ClientCertificate {
    let (certificate, key) = ca.issue(name);
    let key = Secret::new(key);
    ClientCertificate { certificate, key }
}

fn spec(url: &str, certificate: Option<ClientCertificate>) -> WebhookSpec {
    WebhookSpec {
        client_certificate: certificate,
        ..WebhookSpec::new("mutual", url, ["delivery"])
    }
}

fn refusal(engine: &Engine, spec: WebhookSpec) -> TestFailure {
    match engine.create_webhook(spec).expect_err("not let in") {
        WebhookError::TestFailed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

fn push(engine: &Engine, events: u64) {
    for _ in 0..events {
        while engine.push(&Event::new(types::DELIVERY)).is_err() {
            std::thread::yield_now();
        }
    }
}

/// Waits until `reached` says so of the webhook's state and events delivered.
fn wait(engine: &Engine, webhook: &Webhook, reached: impl Fn(Condition, &str, u64) -> bool) {
    let deadline = Instant::now() + MINUTE;
    loop {
        let stats = engine.stats();
        assert!(stats.balanced(), "{stats:?}");
        let delivered = stats.books.webhooks[&webhook.id].delivered;
        let (_, activity) = engine.webhook(webhook.id).expect("there");
        let why = activity.why.as_deref().unwrap_or("");
        if reached(activity.condition, why, delivered) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{activity:?}, {delivered} delivered"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn nginx_takes_what_comes_with_a_client_certificate() {
    if !need_program("nginx") {
        return;
    }
    let nginx = Demanding::nginx("");
    let engine = engine_trusting(&nginx.ca.file());
    let own = spec(&nginx.url(), Some(issued(&nginx.ca)));
    let webhook = engine.create_webhook(own).expect("let in");
    push(&engine, 1000);
    wait(&engine, &webhook, |_, _, delivered| delivered == 1000);
    engine.close(MINUTE).expect("closed");
    let log = nginx.server.lines("access.log");
    assert!(log.len() > 1, "{log:?}");
    let fine = |line: &String| line.starts_with("200 ") && line.ends_with("CN=sender.example.com");
    assert!(log.iter().all(fine), "{log:?}");
}

/// A request as nginx saw it.
#[derive(Debug)]
struct Seen {
    connection: String,
    resumed: bool,
    who: String,
}

/// At least so many requests: nginx writes its line behind the answer.
fn seen(server: &Server, at_least: usize) -> Vec<Seen> {
    let deadline = Instant::now() + MINUTE;
    let lines = loop {
        let lines = server.lines("access.log");
        if lines.len() >= at_least {
            break lines;
        }
        assert!(Instant::now() < deadline, "{lines:?}");
        std::thread::sleep(Duration::from_millis(5));
    };
    let read = |line: String| {
        let mut words = line.splitn(4, ' ').map(str::to_owned);
        let mut word = || words.next().expect("four of them");
        assert_eq!(word(), "200");
        Seen {
            connection: word(),
            resumed: word() == "r",
            who: word(),
        }
    };
    lines.into_iter().map(read).collect()
}

/// From its change on a webhook speaks for its new certificate: over kept connections, and over new ones that
/// resume a session.
#[test]
fn a_changed_certificate_is_used_from_the_next_connection_on() {
    if !need_program("nginx") {
        return;
    }
    for (http, kept) in [("", true), ("keepalive_requests 1;", false)] {
        let nginx = Demanding::nginx(http);
        let engine = engine_trusting(&nginx.ca.file());
        let names = ["first.example.com", "second.example.com"];
        let [first, second] = names.map(|name| issued_to(&nginx.ca, name));
        let webhook = engine.create_webhook(spec(&nginx.url(), Some(first)));
        let webhook = webhook.expect("let in");
        let mut sent = 0;
        let mut posts = || {
            for _ in 0..5 {
                push(&engine, 1);
                sent += 1;
                wait(&engine, &webhook, |_, _, delivered| delivered == sent);
            }
        };
        posts();
        // With the test POST.
        let before = seen(&nginx.server, 1 + 5).len();
        let patch = WebhookPatch {
            client_certificate: Some(Some(second.certificate)),
            client_key: Some(Some(second.key)),
            ..WebhookPatch::default()
        };
        engine.update_webhook(webhook.id, patch).expect("updated");
        posts();
        engine.close(MINUTE).expect("closed");

        let all = seen(&nginx.server, before + 5);
        let (old, new) = all.split_at(before);
        let speak_for = |part: &[Seen], name: &str| {
            let subject = format!("CN={name}");
            assert!(part.len() >= 5, "{all:?}");
            assert!(part.iter().all(|seen| seen.who == subject), "{all:?}");
        };
        speak_for(old, names[0]);
        speak_for(new, names[1]);
        let on_old = |seen: &Seen| old.iter().any(|other| other.connection == seen.connection);
        assert!(!new.iter().any(on_old), "{all:?}");
        assert!(!new[0].resumed, "{all:?}");
        // The test can fail: connections are kept in one case, sessions resumed in the other.
        for part in [old, new] {
            let same = part.windows(2).any(|w| w[0].connection == w[1].connection);
            assert_eq!(same, kept, "{all:?}");
            assert_eq!(part.iter().any(|seen| seen.resumed), !kept, "{all:?}");
        }
    }
}

/// nginx completes the handshake and says by HTTP what is missing; that answer goes to whoever set the
/// webhook up.
#[test]
fn nginx_says_which_certificate_it_misses() {
    if !need_program("nginx") {
        return;
    }
    let nginx = Demanding::nginx("");
    let elsewhere = shared_dir();
    let stranger = Ca::new(elsewhere.path());
    let engine = engine_trusting(&nginx.ca.file());
    for (certificate, said) in [
        (None, "No required SSL certificate was sent"),
        (Some(issued(&stranger)), "The SSL certificate error"),
    ] {
        let failure = refusal(&engine, spec(&nginx.url(), certificate));
        let answer = failure.response().expect("an answer");
        let body = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, 400);
        assert!(body.contains(said), "{body}");
    }
    engine.close(MINUTE).expect("closed");
}

/// HAProxy refuses in TLS: under 1.3 by an alert behind the handshake, with the POST already sent.
#[test]
fn haproxys_refusals_are_said_in_words_at_the_test_and_while_the_target_is_down() {
    if !need_program("haproxy") {
        return;
    }
    let haproxy = Demanding::haproxy();
    let elsewhere = shared_dir();
    let stranger = Ca::new(elsewhere.path());
    let engine = engine_trusting(&haproxy.ca.file());
    let url = haproxy.url();
    let none = "127.0.0.1 asks for a client certificate, and this webhook has none";
    let unknown = "127.0.0.1 refused our client certificate: it does not know the issuer";
    for (certificate, words) in [(None, none), (Some(issued(&stranger)), unknown)] {
        match refusal(&engine, spec(&url, certificate)) {
            TestFailure::NoAnswer { detail, .. } => assert_eq!(detail, words),
            other => panic!("{other:?}"),
        }
    }

    let own = issued(&haproxy.ca);
    let fine = spec(&url, Some(own.clone()));
    let webhook = engine.create_webhook(fine).expect("let in");
    push(&engine, 100);
    wait(&engine, &webhook, |_, _, delivered| delivered == 100);

    // It is replaced by one that will not do, and back again: meanwhile events wait, with the reason.
    let replace = |with: ClientCertificate| {
        let patch = WebhookPatch {
            client_certificate: Some(Some(with.certificate)),
            client_key: Some(Some(with.key)),
            ..WebhookPatch::default()
        };
        engine.update_webhook(webhook.id, patch).expect("updated");
    };
    replace(issued(&stranger));
    push(&engine, 100);
    wait(&engine, &webhook, |condition, why, _| {
        condition == Condition::Down && why == format!("ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: {unknown}")
    });
    replace(own);
    wait(&engine, &webhook, |_, _, delivered| delivered == 200);
    engine.close(MINUTE).expect("closed");
}
