//! The event of the benchmarks: a delivery with 25 fields, about 790 bytes as it travels.

use postrider::event::{Field, FieldName, Value, fields};

/// The 25 fields, as a mail server would have them at hand.
pub fn fields() -> Vec<Field<'static>> {
    let text = |id, value| Field {
        name: FieldName::Id(id),
        value: Value::Str(value),
    };
    vec![
        text(fields::MESSAGE_ID, "000443ee14578172be22"),
        text(fields::TRANSMISSION_ID, "65832150921904138"),
        text(fields::CUSTOMER_ID, "1"),
        text(fields::CAMPAIGN_ID, "Summer deals 2026, second wave"),
        text(fields::TEMPLATE_ID, "templ-1234"),
        text(fields::TEMPLATE_VERSION, "3"),
        text(fields::FRIENDLY_FROM, "sender@example.com"),
        text(
            fields::MSG_FROM,
            "bounces+000443ee14578172be22@mail.example.com",
        ),
        text(fields::RCPT_TO, "alice.recipient@example.net"),
        text(fields::RAW_RCPT_TO, "Alice.Recipient@example.net"),
        text(fields::RECIPIENT_DOMAIN, "example.net"),
        text(fields::ROUTING_DOMAIN, "mx.example.net"),
        text(fields::SUBJECT, "Summer deals are here!"),
        text(fields::IP_ADDRESS, "198.51.100.25"),
        text(fields::SENDING_IP, "203.0.113.7"),
        text(fields::IP_POOL, "shared-eu"),
        text(fields::DELV_METHOD, "esmtp"),
        text(fields::RECV_METHOD, "esmtp"),
        text(fields::OUTBOUND_TLS, "1"),
        text(fields::INJECTION_TIME, "2026-04-18T14:25:07.000Z"),
        Field {
            name: FieldName::Id(fields::MSG_SIZE),
            value: Value::Int(14_337),
        },
        Field {
            name: FieldName::Id(fields::QUEUE_TIME),
            value: Value::Int(1_204),
        },
        Field {
            name: FieldName::Id(fields::NUM_RETRIES),
            value: Value::Int(0),
        },
        Field {
            name: FieldName::Id(fields::OPEN_TRACKING),
            value: Value::Bool(true),
        },
        Field {
            name: FieldName::Id(fields::RCPT_TAGS),
            value: Value::Json(r#"["newsletter","eu"]"#),
        },
    ]
}

/// The same as the text of a JSON object.
pub fn object() -> Vec<u8> {
    let mut object = serde_json::Map::new();
    for field in fields() {
        let FieldName::Id(id) = field.name else {
            continue;
        };
        let name = postrider::event::Catalogue::field(id).map_or("", |f| f.name);
        let value = match field.value {
            Value::Str(text) => text.into(),
            Value::Int(n) => n.into(),
            Value::Bool(b) => b.into(),
            Value::Json(text) => serde_json::from_str(text).unwrap_or_default(),
            _ => serde_json::Value::Null,
        };
        object.insert(name.to_owned(), value);
    }
    serde_json::to_vec(&object).unwrap_or_default()
}
