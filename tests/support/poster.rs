//! The HTTP client by itself, for tests against real servers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use postrider::http::{
    Body, Client, Config, Done, HeaderLines, HttpError, Identity, Method, Policy, Request,
    Response, Target,
};
use postrider::time::{Clock, SystemClock};

/// Loopback is allowed.
pub fn policy() -> Policy {
    Policy {
        allow: vec!["127.0.0.0/8".parse().expect("a network")],
    }
}

/// A client that may go to loopback.
pub fn client() -> Client {
    client_with(|_| {})
}

/// The same, its configuration changed.
pub fn client_with(change: impl FnOnce(&mut Config)) -> Client {
    let mut config = Config {
        policy: policy(),
        ..Config::default()
    };
    change(&mut config);
    Client::new(config).expect("a client")
}

/// A client that trusts the authority of a PEM file.
pub fn client_trusting(ca: &Path) -> Client {
    client_with(|config| config.ca_file = Some(ca.to_owned()))
}

/// A POST of a JSON array of about so many bytes, with ten seconds to go.
pub fn post(url: &str, bytes: usize) -> Request {
    post_as(url, bytes, None)
}

/// The same, with a client certificate.
pub fn post_as(url: &str, bytes: usize, identity: Option<Identity>) -> Request {
    let mut target = Target::parse(url, &policy()).expect("a target");
    if let Some(identity) = identity {
        target = target.with_identity(identity);
    }
    let mut headers = HeaderLines::new();
    headers
        .push("Content-Type", "application/json")
        .expect("a header");
    Request {
        target: Arc::new(target),
        method: Method::Post,
        headers,
        body: Body::from(format!("[\"{}\"]", "x".repeat(bytes)).into_bytes()),
        deadline: SystemClock.now().mono.after(Duration::from_secs(10)),
        answer_kept: usize::MAX,
        unproven: false,
    }
}

/// One exchange from start to end.
pub fn exchange(client: &mut Client, request: Request) -> Done {
    let mut done = Vec::new();
    client.start(1, request, SystemClock.now().mono);
    while done.is_empty() {
        client
            .poll(None, &SystemClock, &mut done)
            .expect("the loop runs");
    }
    done.pop().expect("an exchange")
}

/// One exchange that is answered.
#[track_caller]
pub fn answer(client: &mut Client, request: Request) -> Response {
    exchange(client, request).result.expect("an answer")
}

/// One exchange that fails.
#[track_caller]
pub fn failure(client: &mut Client, request: Request) -> HttpError {
    exchange(client, request).result.expect_err("a failure")
}

/// Polls until all idle connections are gone, by whoever closed them.
pub fn wait_until_idle_ones_are_closed(client: &mut Client) {
    while client.connections() > 0 {
        client
            .poll(None, &SystemClock, &mut Vec::new())
            .expect("the loop runs");
    }
}
