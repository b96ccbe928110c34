//! How near the HTTP client comes to the limit: the same prepared body over one kept connection,
//! once in a plain loop of blocking writes and reads, once through the client. One slice, and one
//! slice per event. In one run, alternating, so that a noisy neighbour meets all.
//!
//! `cargo bench -p postrider-bench --bench http_limit`; `ROUNDS` and `POSTS` change the length.

use std::sync::Arc;
use std::time::{Duration, Instant};

use postrider::http::{Body, Client, Config, HeaderLines, Method, Policy, Request, Slice, Target};
use postrider::time::{Clock, SystemClock};
use postrider_bench::figures::{cpu_time, machine, median};
use postrider_bench::prepared::{connect, post_prepared};
use postrider_bench::sink::{How, Sink};

/// Events of one POST, and bytes of an event.
const EVENTS: usize = 1000;
const EVENT: usize = 790;

/// One measurement.
struct Run {
    posts_per_s: f64,
    cpu_s_per_million_events: f64,
}

fn main() {
    let test = std::env::args().any(|arg| arg == "--test");
    let number = |name, or| {
        std::env::var(name)
            .ok()
            .and_then(|v| v.parse().ok())
            .unwrap_or(or)
    };
    let rounds = if test { 1 } else { number("ROUNDS", 5) };
    let posts = if test { 10 } else { number("POSTS", 5000) };
    println!("{}", machine());
    println!(
        "{posts} POSTs of {} bytes, {rounds} rounds; median of rounds",
        EVENTS * EVENT
    );

    let memory = Arc::new(vec![b'x'; EVENTS * EVENT]);
    let whole = body(&memory, 1);
    let events = body(&memory, EVENTS);
    let mut runs: [Vec<Run>; 3] = Default::default();
    for _ in 0..rounds {
        runs[0].push(plain(&memory, posts));
        runs[1].push(client(&whole, posts));
        runs[2].push(client(&events, posts));
    }
    let limit = report("limit: blocking loop", &runs[0], None);
    report("client, one slice", &runs[1], Some(limit));
    report("client, a slice per event", &runs[2], Some(limit));
}

/// The same bytes as so many slices.
fn body(memory: &Arc<Vec<u8>>, slices: usize) -> Body {
    let len = memory.len() / slices;
    let mut body = Body::new();
    for i in 0..slices {
        body.push(Slice::shared(memory.clone(), i * len..(i + 1) * len));
    }
    body
}

fn plain(body: &[u8], posts: u64) -> Run {
    let sink = Sink::start(How::default()).expect("a sink");
    timed(posts, || {
        post_prepared(connect(sink.addr).expect("it listens"), body, posts)
            .expect("the sink answers")
    })
}

fn client(body: &Body, posts: u64) -> Run {
    let sink = Sink::start(How::default()).expect("a sink");
    let policy = Policy {
        allow: vec!["127.0.0.0/8".parse().expect("a range")],
    };
    let url = format!("http://{}/", sink.addr);
    let target = Arc::new(Target::parse(&url, &policy).expect("a target"));
    let mut client = Client::new(Config {
        policy,
        ..Config::default()
    })
    .expect("a client");
    let mut headers = HeaderLines::new();
    headers
        .push("Content-Type", "application/json")
        .expect("a header");
    let mut done = Vec::new();
    timed(posts, || {
        for id in 0..posts {
            let now = SystemClock.now().mono;
            let request = Request {
                target: target.clone(),
                method: Method::Post,
                headers: headers.clone(),
                body: body.clone(),
                deadline: now.after(Duration::from_secs(10)),
                answer_kept: usize::MAX,
                unproven: false,
            };
            client.start(id, request, now);
            while done.is_empty() {
                client
                    .poll(None, &SystemClock, &mut done)
                    .expect("the loop turns");
            }
            let over = done.pop().expect("not empty");
            assert_eq!(over.result.expect("an answer").status, 200);
        }
    })
}

/// Times `work`, which makes so many POSTs.
fn timed(posts: u64, work: impl FnOnce()) -> Run {
    let (cpu, start) = (cpu_time(), Instant::now());
    work();
    let (wall, cpu) = (start.elapsed(), cpu_time() - cpu);
    Run {
        posts_per_s: posts as f64 / wall.as_secs_f64(),
        cpu_s_per_million_events: cpu.as_secs_f64() / (posts as f64 * EVENTS as f64) * 1e6,
    }
}

fn report(what: &str, runs: &[Run], limit: Option<f64>) -> f64 {
    let mut rates: Vec<f64> = runs.iter().map(|r| r.posts_per_s).collect();
    let mut cpu: Vec<f64> = runs.iter().map(|r| r.cpu_s_per_million_events).collect();
    let rate = median(&mut rates);
    let ratio = limit.map_or(String::new(), |l| {
        format!("{:5.1} % of the limit", 100.0 * rate / l)
    });
    println!(
        "{what:26} {rate:7.0} requests/s  {:5.2} GB/s  {:5.2} M events/s ({:.2}..{:.2})  \
         {:.3} CPU s/M  {ratio}",
        rate * (EVENTS * EVENT) as f64 / 1e9,
        rate * EVENTS as f64 / 1e6,
        rates[0] * EVENTS as f64 / 1e6,
        rates[rates.len() - 1] * EVENTS as f64 / 1e6,
        median(&mut cpu),
    );
    rate
}
