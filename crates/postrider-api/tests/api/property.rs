//! Whatever is sent: an answer of the contract's shape, and never a fault of ours.

use crate::fake::{json, least_with, world};
use postrider_api::{Caller, Request};
use proptest::prelude::*;
use serde_json::Value;

/// JSON of any kind, with the names that the calls look for.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(none|basic|oauth2|delivery|http://example.com/|[*]{8}|\\PC{0,8})".prop_map(Value::from),
    ];
    let name = prop_oneof![
        "(name|target|events|active|auth_type|auth_credentials|auth_token|custom_headers)",
        "(subaccount_id|exception_subaccounts|limits|grants|label|message|username|password)",
        "(batch_events|linger_ms|auth_request_details|\\PC{0,8})",
    ];
    leaf.prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any_json().prop_map(|json| json.to_string().into_bytes()),
        any_json().prop_map(|more| least_with(more).to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..64),
    ]
}

fn any_path() -> impl Strategy<Value = String> {
    let path = "/api/v1/(webhooks|keys)(/[0-]{36}|/00000000-0000-0000-0000-000000000001|/events)?\
                (/validate|/batch-status|/samples|/documentation)?/?";
    let query = "([?](timezone|limit|purge|events)=(UTC|1|true|delivery|\\PC{0,8}))?";
    prop_oneof![
        9 => (path, query).prop_map(|(path, query)| path + &query),
        1 => "\\PC{0,40}",
    ]
}

proptest! {
    #[test]
    fn every_answer_has_the_contracts_shape(
        method in "(GET|POST|PUT|DELETE|HEAD|PATCH|\\PC{0,5})",
        path_and_query in any_path(),
        subaccount in prop::option::of("[0-9-]{0,4}"),
        body in any_body(),
    ) {
        let w = world();
        w.webhook(Value::Null);
        let header = |value| ("x-msys-subaccount".to_owned(), value);
        let headers = subaccount.map(header).into_iter().collect();
        let request = Request { method, path_and_query, headers, body };
        let response = w.api.handle(&request, Caller::Host);
        let body = json(&response);
        match response.status {
            200 if request.method == "HEAD" => prop_assert!(body.is_null()),
            200 => prop_assert!(!body["results"].is_null(), "{request:?}"),
            204 => prop_assert!(body.is_null()),
            400 | 404 | 405 | 413 | 422 if request.method != "HEAD" => {
                prop_assert!(body["errors"][0]["message"].is_string(), "{request:?}")
            }
            400 | 404 | 405 => prop_assert!(body.is_null()),
            other => prop_assert!(false, "{other} to {request:?}"),
        }
    }
}
