//! Events that a filter must stand: samples of every type, extreme ones, and random ones.

use postrider::event::{Catalogue, FieldInfo, JsonType, TypeInfo, fields, samples};
use serde_json::{Map, Value, json};

/// One sample of each event type of the catalogue.
pub(super) fn of_every_type() -> Vec<String> {
    samples(|_| true).iter().map(Value::to_string).collect()
}

/// Events at the limits of what a push takes.
pub(super) fn extreme() -> Vec<String> {
    let delivery = |more: Value| {
        let mut event = Map::new();
        event.insert("type".into(), "delivery".into());
        event.extend(more.as_object().cloned().unwrap_or_default());
        Value::Object(event).to_string()
    };
    let many: Map<String, Value> = (0..250).map(|i| (format!("x_{i}"), json!(i))).collect();
    let mut deep = json!(1);
    for _ in 0..13 {
        deep = json!([deep]);
    }
    let names = json!({ "x_\u{e9}": 1, "x_\"\\": 2, "x_\u{1}": 3 });
    vec![
        delivery(json!({})),
        delivery(json!({ "rcpt_to": "" })),
        delivery(json!({ "subject": "s".repeat(120_000) })),
        delivery(json!({ "subject": "\u{0}\u{1}\n\r\t\"\\/\u{7f}\u{fffd}\u{10ffff}\u{202e}" })),
        delivery(json!({ "raw_reason": "550 \\\\ \"".repeat(10_000) })),
        delivery(json!({ "rcpt_meta": { "deep": deep }, "rcpt_tags": [] })),
        delivery(
            json!({ "x_big": u64::MAX, "x_small": i64::MIN, "x_exp": 1e308, "x_tiny": 5e-324 }),
        ),
        delivery(json!({ "x_null": null, "x_object": {}, "x_true": true })),
        delivery(json!({ "x_tags": "not an array" })),
        delivery(names),
        delivery(Value::Object(many)),
        delivery(json!({ "timestamp": "253402300799", "subaccount_id": "2147483647" })),
    ]
}

/// Random events, the same for the same seed.
pub(super) fn random(seed: u64, count: usize) -> Vec<String> {
    let mut dice = Dice(seed | 1);
    (0..count).map(|_| dice.event()).collect()
}

/// xorshift64: enough to be different, and the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    fn event(&mut self) -> String {
        let types = Catalogue::types();
        let ty: &TypeInfo = &types[self.roll(types.len())];
        let mut event = Map::new();
        event.insert("type".into(), ty.name.into());
        for field in Catalogue::fields() {
            let fixed = [
                fields::TYPE,
                fields::EVENT_ID,
                fields::TIMESTAMP,
                fields::SUBACCOUNT_ID,
            ];
            if !fixed.contains(&field.id) && self.roll(4) == 0 {
                let value = self.value(field);
                event.insert(field.name.into(), value);
            }
        }
        Value::Object(event).to_string()
    }

    fn value(&mut self, field: &FieldInfo) -> Value {
        match field.kind {
            JsonType::String => self.text().into(),
            JsonType::Boolean => (self.roll(2) == 0).into(),
            JsonType::Integer => self.roll(1 << 30).into(),
            JsonType::Number => (self.roll(1 << 20) as f64 / 7.0).into(),
            JsonType::Object => json!({ self.text(): self.text() }),
            JsonType::Array => json!([self.text(), self.roll(9)]),
        }
    }

    fn text(&mut self) -> String {
        let letters: Vec<char> = "abc 0.@-<>\"\\\n\u{e9}\u{4e2d}\u{1f4e7}".chars().collect();
        let length = self.roll(60);
        (0..length)
            .map(|_| letters[self.roll(letters.len())])
            .collect()
    }
}
