//! What routing costs per event. `cargo bench -p postrider-bench --bench route`

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use postrider::event::Entry;
use postrider::route::{Router, Run, Scope, Selection};
use postrider::time::Instant;

/// What one drain of the queue gives.
const FRAME: u32 = 1300;

/// A frame as a mail server makes it: types mixed, subaccounts too.
fn frame() -> Vec<Entry> {
    (0..FRAME)
        .map(|i| Entry {
            len: 790,
            type_id: 1 + (i * 7 % 5) as u16,
            subaccount: i % 100,
            ..Entry::default()
        })
        .collect()
}

fn selection(types: &[u16], scope: Scope) -> Arc<Selection> {
    Arc::new(Selection {
        types: types.iter().copied().collect(),
        scope,
    })
}

fn routing(c: &mut Criterion) {
    let all = || selection(&[1, 2, 3, 4, 5], Scope::all());
    let one_type = || selection(&[2], Scope::all());
    let tenant = |n| selection(&[1, 2, 3, 4, 5], Scope::One(n));
    let cases = [
        ("one that wants all", vec![all()]),
        ("one that wants a fifth", vec![one_type()]),
        ("100 that want all", (0..100).map(|_| all()).collect()),
        (
            "10,000 of one subaccount each",
            (0..10_000).map(tenant).collect(),
        ),
        (
            "10,000 that want other types",
            (0..10_000).map(|_| selection(&[9], Scope::all())).collect(),
        ),
    ];
    let frame = frame();
    let mut group = c.benchmark_group("route");
    group.throughput(Throughput::Elements(FRAME.into()));
    for (name, webhooks) in cases {
        let mut router = Router::new((0..).zip(webhooks));
        group.bench_function(name, |b| {
            b.iter(|| {
                let at = Run::empty(0, Instant(0), 0);
                router.route(at, frame.iter().copied(), |slot, run| {
                    black_box((slot, run));
                });
            });
        });
    }
    group.finish();
}

criterion_group!(benches, routing);
criterion_main!(benches);
