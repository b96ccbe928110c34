//! The price of encoding one event: 25 fields, about 800 bytes, checksum, id and time included.
//!
//! `cargo bench -p postrider-bench --bench encode`

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use postrider::event::{Encoder, Event, Schema, fields, types};
use serde_json::{Map, Value, json};

const NOW: u64 = 1_767_225_600_000;

/// A delivery as a busy mail server reports it.
fn delivery() -> Event<'static> {
    Event::new(types::DELIVERY)
        .str(fields::CUSTOMER_ID, "1")
        .int(fields::SUBACCOUNT_ID, 101)
        .str(fields::MESSAGE_ID, "00a1f3c46965b81d2e07")
        .str(fields::TRANSMISSION_ID, "65840193287004161")
        .str(fields::CAMPAIGN_ID, "spring-launch")
        .str(fields::RCPT_TO, "alice.wonderland@example.com")
        .str(fields::RAW_RCPT_TO, "Alice.Wonderland@example.com")
        .str(fields::RECIPIENT_DOMAIN, "example.com")
        .str(fields::ROUTING_DOMAIN, "example.com")
        .str(fields::FRIENDLY_FROM, "news@shop.example.org")
        .str(
            fields::MSG_FROM,
            "bounces+65840193287004161@mail.example.org",
        )
        .str(fields::SUBJECT, "Your order A-1001 is on its way")
        .int(fields::MSG_SIZE, 18432)
        .str(fields::INJECTION_TIME, "2026-01-01T00:00:00.000Z")
        .str(fields::RECV_METHOD, "esmtp")
        .str(fields::DELV_METHOD, "esmtp")
        .str(fields::IP_ADDRESS, "203.0.113.25")
        .str(fields::SENDING_IP, "192.0.2.10")
        .str(fields::IP_POOL, "default")
        .str(fields::OUTBOUND_TLS, "1")
        .int(fields::NUM_RETRIES, 0)
        .int(fields::QUEUE_TIME, 1250)
        .bool(fields::OPEN_TRACKING, true)
        .bool(fields::CLICK_TRACKING, true)
        .json(fields::RCPT_TAGS, r#"["trial","nl"]"#)
}

fn encode(c: &mut Criterion) {
    let schema = Schema::new(false);
    let mut encoder = Encoder::new();
    let event = delivery();
    let (text, object) = {
        let encoded = encoder
            .typed(&schema, event.ty(), event.fields(), NOW)
            .unwrap();
        let value: Value = serde_json::from_slice(encoded.text).unwrap();
        let mut object = value["msys"]["message_event"].as_object().unwrap().clone();
        // As a caller gives it: id and time are made while encoding.
        object.remove("event_id");
        object.remove("timestamp");
        (encoded.text.to_vec(), object)
    };
    assert_eq!(event.fields().len(), 25);
    println!("{} bytes: {}", text.len(), String::from_utf8_lossy(&text));

    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("typed", |b| {
        b.iter(|| {
            let fields = black_box(event.fields());
            black_box(
                encoder
                    .typed(&schema, event.ty(), fields, NOW)
                    .unwrap()
                    .entry,
            )
        })
    });
    let json = serde_json::to_vec(&object).unwrap();
    group.bench_function("json", |b| {
        b.iter(|| {
            black_box(
                encoder
                    .json(&schema, types::DELIVERY, black_box(&json), NOW)
                    .unwrap()
                    .entry,
            )
        })
    });
    // As mail servers write it: the type first.
    let line = text
        .strip_suffix(b"}}}")
        .map(String::from_utf8_lossy)
        .unwrap();
    let line = format!("{}}}}}}}", line.split(",\"event_id\"").next().unwrap());
    group.bench_function("line", |b| {
        b.iter(|| {
            black_box(
                encoder
                    .line(&schema, black_box(line.as_bytes()), NOW)
                    .unwrap()
                    .entry,
            )
        })
    });
    group.finish();

    // The same with serde_json, without checksum, id, time, types or duplicates.
    let mut group = c.benchmark_group("serde_json");
    group.throughput(Throughput::Bytes(text.len() as u64));
    let whole: Value = serde_json::from_slice(&text).unwrap();
    let mut out = Vec::with_capacity(4096);
    group.bench_function("write a value", |b| {
        b.iter(|| {
            out.clear();
            serde_json::to_writer(&mut out, black_box(&whole)).unwrap();
            black_box(out.len())
        })
    });
    group.bench_function("check only", |b| {
        b.iter(|| {
            serde_json::from_slice::<&serde_json::value::RawValue>(black_box(&json))
                .unwrap()
                .get()
                .len()
        })
    });
    group.bench_function("read and write", |b| {
        b.iter(|| {
            let object: Map<String, Value> = serde_json::from_slice(black_box(&json)).unwrap();
            out.clear();
            serde_json::to_writer(&mut out, &envelope(object)).unwrap();
            black_box(out.len())
        })
    });
    group.finish();
}

fn envelope(object: Map<String, Value>) -> Value {
    json!({ "msys": { "message_event": object } })
}

criterion_group!(benches, encode);
criterion_main!(benches);
