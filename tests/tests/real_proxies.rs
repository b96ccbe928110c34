//! Our HTTP client through Squid and Tinyproxy.

use std::fs;

use postrider::http::{Client, ErrorKind, Phase};
use postrider_tests::cc::need_program;
use postrider_tests::certs::Ca;
use postrider_tests::poster::*;
use postrider_tests::receiver::Receiver;
use postrider_tests::server::{Server, nginx, shared_dir};

fn squid() -> Server {
    let dir = shared_dir();
    // Squid asks its helper about each user and password, a line each.
    let helper = "while read -r pair; do
        if [ \"$pair\" = 'user secret1' ]; then echo OK; else echo ERR; fi
    done\n";
    fs::write(dir.path().join("auth.sh"), helper).expect("written");
    let config = "http_port 127.0.0.1:@PORT@
pid_filename @DIR@/pid
cache_log @DIR@/cache.log
access_log stdio:@DIR@/access.log
coredump_dir @DIR@
visible_hostname test
pinger_enable off
shutdown_lifetime 0 seconds
cache deny all
auth_param basic program /bin/sh @DIR@/auth.sh
auth_param basic children 1
acl users proxy_auth REQUIRED
acl forbidden dstdomain forbidden.test
http_access deny forbidden
http_access allow users
http_access deny all
";
    Server::start(&["squid", "-N", "-f", "@DIR@/conf"], config, dir)
}

fn tinyproxy() -> Server {
    let config = "Port @PORT@
Listen 127.0.0.1
Allow 127.0.0.1
Timeout 60
LogFile \"@DIR@/log\"
PidFile \"@DIR@/pid\"
BasicAuth user secret1
";
    Server::start(
        &["tinyproxy", "-d", "-c", "@DIR@/conf"],
        config,
        shared_dir(),
    )
}

fn client_through(proxy: &Server, credentials: &str, ca: Option<&Ca>) -> Client {
    client_with(|config| {
        let url = format!("http://{credentials}@127.0.0.1:{}", proxy.port());
        config.proxy = Some(url.parse().expect("a proxy"));
        config.ca_file = ca.map(Ca::file);
    })
}

/// nginx with TLS, its certificate from a new authority.
fn nginx_with_tls() -> (Server, Ca) {
    let dir = shared_dir();
    let ca = Ca::new(dir.path());
    let (certificate, key) = ca.issue("127.0.0.1");
    fs::write(dir.path().join("both.pem"), certificate + &key).expect("written");
    let server = "listen 127.0.0.1:@PORT@ ssl;
    ssl_certificate @DIR@/both.pem; ssl_certificate_key @DIR@/both.pem;";
    (nginx("", server, dir), ca)
}

/// What holds for both; `refusal` is the status for wrong credentials.
fn goes_through(proxy: &Server, refusal: u16) {
    let receiver = Receiver::ok();
    let mut client = client_through(proxy, "user:secret1", None);
    for round in 1..=3 {
        let done = exchange(&mut client, post(&receiver.url("/hook?a=b"), 100_000));
        assert_eq!(done.result.expect("an answer").status, 200);
        assert_eq!(receiver.posts().len(), round);
    }
    let posts = receiver.posts();
    assert_eq!(
        (posts[0].path.as_str(), posts[0].body.len()),
        ("/hook?a=b", 100_004)
    );
    assert!(!posts[0].headers.contains_key("proxy-authorization"));

    let (nginx, ca) = nginx_with_tls();
    let url = format!("https://127.0.0.1:{}/", nginx.port());
    let mut client = client_through(proxy, "user:secret1", Some(&ca));
    for round in 0..3 {
        let done = exchange(&mut client, post(&url, 100_000));
        assert_eq!(done.reused, round > 0, "a tunnel is kept");
        assert_eq!(done.result.expect("an answer").status, 200);
    }

    let mut client = client_through(proxy, "user:wrong", Some(&ca));
    // Of an http target, a 401 would be its own answer.
    let asked = [url, receiver.url("/hook")];
    for url in &asked[..if refusal == 407 { 2 } else { 1 }] {
        let error = failure(&mut client, post(url, 10));
        assert_eq!(
            (error.phase, error.kind),
            (Phase::Proxy, ErrorKind::Proxy),
            "{error}"
        );
        assert!(error.message.contains("credentials"), "{error}");
        assert!(!error.message.contains("wrong"), "{error}");
    }
    assert_eq!(receiver.posts().len(), 3);
}

#[test]
fn targets_are_reached_through_squid() {
    if !need_program("squid") || !need_program("nginx") {
        return;
    }
    let squid = squid();
    goes_through(&squid, 407);
    let mut client = client_through(&squid, "user:secret1", None);
    let error = failure(&mut client, post("https://forbidden.test/", 10));
    assert_eq!((error.phase, error.kind), (Phase::Proxy, ErrorKind::Proxy));
    assert!(
        error
            .message
            .contains("refused to connect to forbidden.test (403)"),
        "{error}"
    );
    // For http, what the proxy says is an answer: it can't be told from the target's.
    assert_eq!(
        answer(&mut client, post("http://forbidden.test/", 10)).status,
        403
    );
}

#[test]
fn targets_are_reached_through_tinyproxy() {
    if !need_program("tinyproxy") || !need_program("nginx") {
        return;
    }
    goes_through(&tinyproxy(), 401);
}
