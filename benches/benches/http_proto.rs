//! The HTTP core alone, without a socket: writing a request's head, and reading its answer.
//! `cargo bench -p postrider-bench --bench http_proto`

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use postrider::http::proto::{Exchange, Limits, write_head};
use postrider::http::{HeaderLines, Method};

const SHORT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
/// As a receiver behind a load balancer answers.
const USUAL: &str = "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 03:00:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\n\
    Content-Length: 15\r\nConnection: keep-alive\r\nServer: nginx\r\nX-Request-Id: 7f3c2c55-9d0c-4b0e-8c36-0a6c1c6a6a0d\r\n\
    Strict-Transport-Security: max-age=31536000\r\nVary: Accept-Encoding\r\n\r\n{\"status\":\"ok\"}";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
    f\r\n{\"status\":\"ok\"}\r\n0\r\n\r\n";

fn heads(c: &mut Criterion) {
    let mut lines = HeaderLines::new();
    for (name, value) in [
        ("Content-Type", "application/json"),
        (
            "X-MessageSystems-Batch-ID",
            "5f1c3b9e-8f5d-4d3f-9a0e-2b7c1d6e8f90",
        ),
        ("X-MessageSystems-Webhook-Token", "4f8b1e0c9d7a"),
    ] {
        lines.push(name, value).expect("a header");
    }
    let mut out = Vec::with_capacity(1024);
    c.bench_function("write a head", |b| {
        b.iter(|| {
            out.clear();
            let (authority, path) = black_box(("receiver.example:8443", "/events?tenant=7"));
            write_head(
                &mut out,
                Method::Post,
                authority,
                path,
                "Postrider/0.1.0",
                &lines,
                872_002,
            );
            black_box(out.len())
        })
    });
}

fn answers(c: &mut Criterion) {
    let mut group = c.benchmark_group("read an answer");
    for (name, answer) in [("short", SHORT), ("usual", USUAL), ("chunked", CHUNKED)] {
        group.throughput(Throughput::Bytes(answer.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut exchange = Exchange::new(Method::Post, Limits::default());
                exchange.sent();
                let answer = exchange.received(black_box(answer.as_bytes()));
                answer.expect("well formed").expect("whole").head.status
            })
        });
    }
    group.finish();
}

criterion_group!(benches, heads, answers);
criterion_main!(benches);
