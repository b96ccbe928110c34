//! Through a proxy, and around it; whose fault it was.

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::support::*;
use super::tls::{self, Ca};
use crate::http::{
    Client, Config, ErrorKind, HttpError, NoProxy, Phase, Policy, Proxy, ProxyError, Request,
    Target,
};

/// A client that goes through this proxy, and trusts this authority.
fn client_through(proxy: &str, no_proxy: &[&str], ca: Option<&Ca>) -> Client {
    Client::new(Config {
        proxy: Some(proxy.parse().unwrap()),
        no_proxy: no_proxy.iter().map(|n| n.parse().unwrap()).collect(),
        ca_file: ca.map(|ca| ca.file().to_owned()),
        ..config()
    })
    .unwrap()
}

/// Opens a tunnel to where it is asked to, and tells the head that it was asked by.
fn tunnelling_proxy(answer: &'static str) -> (Receiver, mpsc::Receiver<String>) {
    let (sender, heads) = mpsc::channel();
    let proxy = Receiver::start(move |_, stream| {
        let mut client = BufReader::new(stream);
        let Some(head) = read_head(&mut client) else {
            return;
        };
        let to = head.split(' ').nth(1).unwrap().to_owned();
        sender.send(head).unwrap();
        // Whatever the name was, its port is here.
        let port = to.rsplit_once(':').unwrap().1;
        let target = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        client.get_mut().write_all(answer.as_bytes()).unwrap();
        let (mut from, mut to) = (
            client.get_ref().try_clone().unwrap(),
            target.try_clone().unwrap(),
        );
        let there = std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        });
        let _ = std::io::copy(&mut &target, client.get_mut());
        let _ = client.get_ref().shutdown(std::net::Shutdown::Both);
        there.join().unwrap();
    });
    (proxy, heads)
}

#[test]
fn an_https_target_is_reached_through_a_tunnel() {
    for established in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.0 200 Connection established\r\nProxy-Agent: old\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n",
    ] {
        let ca = Ca::new();
        let receiver = tls::answering_for(&ca, "localhost");
        let (proxy, heads) = tunnelling_proxy(established);
        let url = format!("http://us%65r:p%40ss@{}", proxy.addr);
        let mut client = client_through(&url, &[], Some(&ca));
        let port = receiver.addr.port();
        for round in 0..3 {
            let done = exchange(
                &mut client,
                post(&format!("https://localhost:{port}/h"), body("x")),
            );
            assert_eq!(done.reused, round > 0);
            assert_eq!(answer(done).status, 200);
        }
        let agent = &Config::default().user_agent;
        assert_eq!(
            heads.try_iter().collect::<Vec<_>>(),
            [format!(
                "CONNECT localhost:{port} HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: {agent}\r\n\
                 Proxy-Authorization: Basic dXNlcjpwQHNz\r\n\r\n"
            )]
        );
    }
}

#[test]
fn an_http_target_is_asked_for_in_absolute_form() {
    let (sender, heads) = mpsc::channel();
    let proxy = Receiver::start(move |_, stream| {
        let mut stream = BufReader::new(stream);
        while let Some((head, _)) = read_request(&mut stream) {
            sender.send(head).unwrap();
            stream.get_mut().write_all(OK.as_bytes()).unwrap();
        }
    });
    let mut client = client_through(&format!("http://u:p@{}", proxy.addr), &[], None);
    // Names are the proxy's to look up: this one has no address.
    for round in 0..2 {
        let done = exchange(&mut client, post("http://hooks.invalid/a?b=c", body("x")));
        assert_eq!(done.reused, round > 0);
        assert_eq!(answer(done).status, 200);
    }
    let head = heads.recv().unwrap();
    assert!(
        head.starts_with("POST http://hooks.invalid/a?b=c HTTP/1.1\r\nHost: hooks.invalid\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\nProxy-Authorization: Basic dTpw\r\n"),
        "{head}"
    );
}

/// A proxy that gives this answer to everything.
fn refusal(scheme: &str, answer: &'static str) -> HttpError {
    let proxy = Receiver::start(move |_, stream| {
        let mut stream = BufReader::new(stream);
        if read_head(&mut stream).is_some() {
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            let _ = stream.get_ref().shutdown(std::net::Shutdown::Write);
            drain(stream);
        }
    });
    let mut client = client_through(
        &format!("http://u:secret@{}", proxy.addr),
        &[],
        Some(&Ca::new()),
    );
    let url = format!("{scheme}://hooks.invalid/");
    let error = error(exchange(&mut client, post(&url, body("x"))));
    assert_eq!(client.connections(), 0);
    assert!(!error.to_string().contains("secret"), "{error}");
    error
}

#[test]
fn what_a_proxy_answers_to_a_tunnel_is_no_answer_of_the_target() {
    for (answer, words) in [
        (
            "HTTP/1.1 407 Auth\r\nContent-Length: 0\r\n\r\n",
            "asks for other credentials",
        ),
        (
            "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno",
            "refused to connect to hooks.invalid (403)",
        ),
        (
            "HTTP/1.1 503 No\r\n\r\n",
            "could not reach hooks.invalid (503)",
        ),
        (
            "HTTP/1.1 302 No\r\nContent-Length: 0\r\n\r\n",
            "refused to connect",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nand more", "refused to connect"),
        ("SSH-2.0-x\r\n\r\n", "does not speak HTTP/1.1"),
    ] {
        let error = refusal("https", answer);
        assert_eq!(
            (error.phase, error.kind),
            (Phase::Proxy, ErrorKind::Proxy),
            "{error}"
        );
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn a_proxy_that_asks_for_credentials_is_named_for_http_targets_too() {
    let error = refusal("http", "HTTP/1.1 407 Auth\r\nContent-Length: 0\r\n\r\n");
    assert_eq!((error.phase, error.kind), (Phase::Proxy, ErrorKind::Proxy));
    assert_eq!(error.node_code, "ERR_PROXY_TUNNEL");
}

#[test]
fn a_proxy_that_is_down_or_hangs_up_is_named() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut client = client_through(&format!("http://127.0.0.1:{port}"), &[], None);
    let refused = error(exchange(
        &mut client,
        post("http://hooks.invalid/", body("x")),
    ));
    assert_eq!(
        (refused.phase, refused.kind),
        (Phase::Connect, ErrorKind::Proxy)
    );
    assert!(
        refused.message.contains(&format!("127.0.0.1:{port}")),
        "{refused}"
    );

    let mut client = client_through("http://proxy.invalid:1", &[], None);
    let unknown = error(exchange(
        &mut client,
        post("http://hooks.invalid/", body("x")),
    ));
    assert_eq!(
        (unknown.phase, unknown.kind),
        (Phase::Resolve, ErrorKind::Proxy)
    );
    assert!(unknown.message.contains("proxy.invalid"), "{unknown}");

    let hanging_up = Receiver::start(|_, stream| drop(stream));
    let mut client = client_through(
        &format!("http://{}", hanging_up.addr),
        &[],
        Some(&Ca::new()),
    );
    let cut = error(exchange(
        &mut client,
        post("https://hooks.invalid/", body("x")),
    ));
    assert_eq!((cut.phase, cut.kind), (Phase::Proxy, ErrorKind::Proxy));
}

/// The target's own faults stay the target's.
#[test]
fn what_goes_wrong_behind_a_tunnel_is_the_targets() {
    let (ca, other) = (Ca::new(), Ca::new());
    let receiver = tls::answering_for(&ca, "localhost");
    let (proxy, _heads) = tunnelling_proxy("HTTP/1.1 200 OK\r\n\r\n");
    let mut client = client_through(&format!("http://{}", proxy.addr), &[], Some(&other));
    let url = format!("https://localhost:{}/", receiver.addr.port());
    let error = error(exchange(&mut client, post(&url, body("x"))));
    assert_eq!((error.phase, error.kind), (Phase::Tls, ErrorKind::Tls));
}

#[test]
fn what_needs_no_proxy_is_reached_directly() {
    let receiver = Receiver::answering(OK);
    let mut client = client_through("http://proxy.invalid:1", &["127.0.0.0/8"], None);
    let done = exchange(&mut client, post(&receiver.url(), body("x")));
    assert_eq!(answer(done).status, 200);
}

/// The proxy would connect to it, so the address in the URL is judged before it is asked.
#[test]
fn the_policy_judges_addresses_in_urls_behind_a_proxy_too() {
    let proxy = Receiver::answering(OK);
    let mut client = Client::new(Config {
        proxy: Some(format!("http://{}", proxy.addr).parse().unwrap()),
        ..Config::default()
    })
    .unwrap();
    let lax = Policy {
        allow: vec!["10.0.0.0/8".parse().unwrap()],
    };
    let target = Target::parse("http://10.1.2.3/", &lax).unwrap();
    let request = Request {
        target: Arc::new(target),
        ..post("http://127.0.0.1/", body("x"))
    };
    let error = error(exchange(&mut client, request));
    assert_eq!(error.kind, ErrorKind::Policy);
    assert!(error.message.contains("10.0.0.0/8"), "{error}");
}

#[test]
fn a_proxy_that_never_answers_is_cut_off() {
    let proxy = Receiver::start(|_, stream| drain(stream));
    let clock = crate::time::ManualClock::new(0);
    let mut client = client_through(&format!("http://{}", proxy.addr), &[], Some(&Ca::new()));
    let deadline = crate::time::Clock::now(&clock)
        .mono
        .after(Duration::from_secs(60));
    let request = Request {
        deadline,
        ..post("https://hooks.invalid/", body("x"))
    };
    let mut done = Vec::new();
    client.start(1, request, crate::time::Clock::now(&clock).mono);
    while client.phase_of(1) != Some(Phase::Proxy) {
        client
            .poll(Some(Duration::from_millis(10)), &clock, &mut done)
            .unwrap();
    }
    clock.advance(Duration::from_secs(3));
    client
        .poll(Some(Duration::ZERO), &clock, &mut done)
        .unwrap();
    let error = error(done.pop().expect("its time is over"));
    assert_eq!((error.phase, error.kind), (Phase::Proxy, ErrorKind::Proxy));
    assert_eq!(error.node_code, "ETIMEDOUT");
}

#[test]
fn what_is_no_proxy_says_why_and_shows_no_password() {
    let why = |text: &str| text.parse::<Proxy>().unwrap_err();
    assert!(matches!(why("proxy:3128"), ProxyError::Scheme(_)));
    assert!(matches!(why("10.0.0.1:3128"), ProxyError::Syntax(_)));
    assert_eq!(
        why("https://u:secret@p"),
        ProxyError::Scheme("https".into())
    );
    assert_eq!(why("http://u:secret@p/path"), ProxyError::Path);
    assert_eq!(why("http://u:secret%0d%0aX@p"), ProxyError::Credentials);
    for text in [
        "http://u:secret@p:70000",
        "socks5://u:secret@p",
        "http://u:secret@",
    ] {
        assert!(!why(text).to_string().contains("secret"), "{text}");
    }
    let proxy: Proxy = "http://u:secret@[::1]:3128/".parse().unwrap();
    assert_eq!(format!("{proxy:?}"), "Proxy([::1]:3128)");
    assert_eq!("http://p".parse::<Proxy>().unwrap().authority(), "p:80");
}

#[test]
fn no_proxy_covers_names_below_a_name_and_addresses_in_a_network() {
    let covers = |no_proxy: &str, url: &str| {
        let any = ["0.0.0.0/0", "::/0"].map(|a| a.parse().unwrap());
        let target = Target::parse(url, &Policy { allow: any.into() }).unwrap();
        no_proxy.parse::<NoProxy>().unwrap().covers(&target)
    };
    for (no_proxy, url, expected) in [
        ("*", "http://a.example/", true),
        ("example.com", "http://example.com/", true),
        ("Example.COM", "http://hooks.example.com/", true),
        (".example.com", "http://hooks.example.com/", true),
        ("example.com", "http://hooks.example.com./", true),
        ("example.com.", "http://example.com/", true),
        ("example.com", "http://notexample.com/", false),
        ("example.com", "http://example.com.evil/", false),
        ("example.com:8080", "http://example.com/", false),
        ("example.com:8080", "http://example.com:8080/", true),
        ("10.0.0.0/8", "http://10.1.2.3/", true),
        ("10.0.0.0/8", "http://11.1.2.3/", false),
        ("10.0.0.0/8", "http://10.example/", false),
        ("10.1.2.3:80", "http://10.1.2.3/", true),
        ("10.1.2.3:81", "http://10.1.2.3/", false),
        ("fd00::/8", "http://[fd00::1]/", true),
        ("[fd00::1]:80", "http://[fd00::1]/", true),
        ("3.com", "http://10.1.2.3/", false),
    ] {
        assert_eq!(covers(no_proxy, url), expected, "{no_proxy} {url}");
    }
    for text in [
        "",
        ".",
        "a b",
        "example.com:",
        "example.com:x",
        "http://a",
        "10.0.0.0/33",
    ] {
        assert!(text.parse::<NoProxy>().is_err(), "{text}");
    }
}
