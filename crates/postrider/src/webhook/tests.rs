use super::*;
use serde_json::{Value, json};

fn known(name: &str) -> bool {
    ["delivery", "bounce", "open"].contains(&name)
}

fn spec(body: Value) -> Result<WebhookSpec, WebhookError> {
    WebhookSpec::from_json(&body, known)
}

fn least() -> Value {
    json!({"name": "Example", "target": "http://example.com/hook", "events": ["delivery"]})
}

/// The least body with some fields changed or added.
fn with(changes: Value) -> Value {
    let mut body = least();
    body.as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    body
}

fn webhook(body: Value) -> Webhook {
    spec(body).unwrap().into_webhook(Uuid::from_u128(1), 1000)
}

fn patched(webhook: &Webhook, body: Value) -> Result<Webhook, WebhookError> {
    WebhookPatch::from_json(&body, known)?.apply(webhook, 2000)
}

#[test]
fn the_least_body_has_the_contracts_defaults() {
    let w = webhook(least());
    assert_eq!((w.revision, w.active, w.auth), (1, true, Auth::None));
    assert_eq!((w.token, w.custom_headers), (None, Vec::new()));
    assert_eq!(w.scope, Subaccounts::All { except: vec![] });
    assert_eq!(w.limits, Limits::default());
}

#[test]
fn every_field_is_read() {
    let w = webhook(with(json!({
        "events": ["delivery", "bounce", "delivery"],
        "active": false,
        "auth_type": "basic",
        "auth_credentials": {"username": "u", "password": "p:w"},
        "auth_token": "tok",
        "custom_headers": {"X-Api-Key": "k", "x-n": 7},
        "exception_subaccounts": [3, "4"],
        "limits": {"batch_events": 1000, "linger_ms": 0, "in_flight": null}
    })));
    assert_eq!(w.events, ["delivery", "bounce"]);
    assert!(!w.active);
    assert_eq!(
        w.auth,
        Auth::Basic {
            username: "u".into(),
            password: Secret::new("p:w")
        }
    );
    assert_eq!(w.token, Some(Secret::new("tok")));
    let headers: Vec<_> = w
        .custom_headers
        .iter()
        .map(|h| (h.name.as_str(), h.value.expose()))
        .collect();
    assert_eq!(headers, [("X-Api-Key", "k"), ("x-n", "7")]);
    assert_eq!(w.scope, Subaccounts::All { except: vec![3, 4] });
    let own = Limits {
        batch_events: Some(1000),
        linger_ms: Some(0),
        ..Limits::default()
    };
    assert_eq!(w.limits, own);
}

#[test]
fn an_error_names_the_field() {
    let long = "x".repeat(3000);
    for (change, message) in [
        (json!({"evnts": []}), "'evnts' is not a field of a webhook"),
        (json!({"name": 7}), "'name' must be a string"),
        (
            json!({"name": ""}),
            "'name' must be 1 to 255 bytes of text without control characters",
        ),
        (
            json!({"events": "delivery"}),
            "'events' must be a non-empty array of event type names",
        ),
        (
            json!({"events": []}),
            "'events' must be a non-empty array of event type names",
        ),
        (
            json!({"events": ["delivry"]}),
            "'events' names \"delivry\", which is not an event type",
        ),
        (json!({"active": "yes"}), "'active' must be true or false"),
        (
            json!({"auth_type": "digest"}),
            "'auth_type' must be none, basic or oauth2",
        ),
        (
            json!({"auth_type": "oauth2"}),
            "'auth_request_details' is required",
        ),
        (
            json!({"auth_type": "oauth2", "auth_request_details": {"url": "http://a/"}}),
            "'auth_request_details.body' is required",
        ),
        (
            json!({"auth_type": "oauth2", "auth_request_details": {"body": {"a": "b"}}}),
            "'auth_request_details.url' is required",
        ),
        (
            json!({"auth_type": "oauth2", "auth_request_details": {"url": "ftp://a/", "body": {"a": 1}}}),
            "'auth_request_details.url' is refused: the target's scheme is \"ftp\": use http or https",
        ),
        (
            json!({"auth_request_details": {"url": "http://a/", "body": {"a": []}}}),
            "'auth_request_details.body.a' must be a string, a number, true or false",
        ),
        (
            json!({"auth_request_details": {"encoding": "xml"}}),
            "'auth_request_details.encoding' must be form or json",
        ),
        (
            json!({"auth_type": "basic"}),
            "'auth_credentials' is required",
        ),
        (
            json!({"auth_type": "basic", "auth_credentials": {"password": "p"}}),
            "'auth_credentials.username' is required",
        ),
        (
            json!({"auth_type": "basic", "auth_credentials": {"username": "a:b"}}),
            "'auth_credentials.username' must be non-empty text without colon or control characters",
        ),
        (
            json!({"auth_type": "basic", "auth_credentials": {"username": "a", "realm": "b"}}),
            "'auth_credentials.realm' is not a field of auth_type basic",
        ),
        (
            json!({"auth_credentials": {"username": "a"}}),
            "'auth_credentials' needs auth_type basic",
        ),
        (
            json!({"auth_request_details": {"url": "http://a/", "body": {"a": "b"}}}),
            "'auth_request_details' needs auth_type oauth2",
        ),
        (
            json!({"auth_token": "a\r\nb"}),
            "'auth_token' must be text that a header can carry",
        ),
        (
            json!({"custom_headers": []}),
            "'custom_headers' must be an object",
        ),
        (
            json!({"custom_headers": {"x": {}}}),
            "'custom_headers.x' must be a string or a number",
        ),
        (
            json!({"custom_headers": {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1}}),
            "'custom_headers' must have at most 5 entries",
        ),
        (
            json!({"custom_headers": {"x": long}}),
            "'custom_headers' must have less than 3000 bytes in all",
        ),
        (
            json!({"custom_headers": {"Content-Type": "a"}}),
            "'custom_headers' must not set Content-Type",
        ),
        (
            json!({"custom_headers": {"host": "a"}}),
            "'custom_headers' must not set host",
        ),
        (
            json!({"custom_headers": {"X-MessageSystems-Batch-ID": "a"}}),
            "'custom_headers' must not set X-MessageSystems-Batch-ID",
        ),
        (
            json!({"custom_headers": {"x": 1, "X": 2}}),
            "'custom_headers' names x twice",
        ),
        (
            json!({"subaccount_id": 5}),
            "'subaccount_id' can be changed by an update only; to create, send the header X-MSYS-SUBACCOUNT",
        ),
        (
            json!({"exception_subaccounts": [3, 3]}),
            "'exception_subaccounts' must be an array of at most 10 subaccounts, none twice",
        ),
        (
            json!({"exception_subaccounts": ["2147483648"]}),
            "'exception_subaccounts' must be an array of at most 10 subaccounts, none twice",
        ),
        (
            json!({"exception_subaccounts": []}),
            "'exception_subaccounts' must be non-empty, or left out",
        ),
        (
            json!({"limits": {"size": 1}}),
            "'limits.size' is not a limit of a webhook",
        ),
        (
            json!({"limits": {"batch_events": 0}}),
            "'limits.batch_events' must be a whole number from 1 to 8192, or null",
        ),
        (
            json!({"signing_keys": "whsec_x"}),
            "'signing_keys' must be an array of at most 8 keys",
        ),
        (
            json!({"signing_keys": ["hush"]}),
            "'signing_keys' holds a key that must begin with whsec_ (HMAC-SHA256) or whsk_ (ed25519)",
        ),
        (
            json!({"signing_keys": [{"id": "0a1b2c3d"}]}),
            "'signing_keys' names \"0a1b2c3d\", which is no key of this webhook",
        ),
        (
            json!({"signing_keys": [{"type": "rsa"}]}),
            "'signing_keys.type' must be hmac-sha256 or ed25519",
        ),
        (
            json!({"signing_keys": [{"retires_in_s": -1}]}),
            "'signing_keys.retires_in_s' must be a whole number of seconds, or null",
        ),
        (
            json!({"custom_headers": {"Webhook-Signature": "a"}}),
            "'custom_headers' must not set Webhook-Signature",
        ),
        (
            json!({"auth_token": "********"}),
            "'auth_token' is the mask that stands for a secret in answers, and there is none to keep",
        ),
    ] {
        let error = spec(with(change.clone())).expect_err(&change.to_string());
        assert_eq!(error.to_string(), message);
    }
    for field in ["name", "target", "events"] {
        let mut body = least();
        body.as_object_mut().unwrap().remove(field);
        assert_eq!(
            spec(body).unwrap_err().to_string(),
            format!("'{field}' is required")
        );
    }
    assert_eq!(
        spec(json!([])).unwrap_err().to_string(),
        "'request body' must be a JSON object"
    );
}

#[test]
fn a_target_must_be_a_url_that_a_post_can_go_to() {
    for bad in [
        "",
        "example.com",
        "ftp://example.com/",
        "http://",
        "http://u:p@example.com/",
        "/hook",
    ] {
        let error = spec(with(json!({"target": bad}))).unwrap_err();
        assert!(matches!(error, WebhookError::Target(_)), "{bad}: {error:?}");
        assert!(
            error.to_string().starts_with("'target' is refused: "),
            "{error}"
        );
    }
    // Whether this engine may go there is asked when the webhook is created.
    for fine in [
        "http://127.0.0.1:8080/x?y=z",
        "https://example.com",
        "http://[::1]/",
    ] {
        assert_eq!(webhook(with(json!({"target": fine}))).target, fine);
    }
}

#[test]
fn exceptions_need_a_webhook_for_all() {
    let body = with(json!({"exception_subaccounts": [3]}));
    let error = spec(body).unwrap().within(Subaccounts::One(5)).unwrap_err();
    assert!(matches!(
        error,
        WebhookError::Combination {
            field: "exception_subaccounts",
            ..
        }
    ));
}

#[test]
fn scopes_contain_what_they_say() {
    let all = Subaccounts::All { except: vec![3] };
    let cases = [
        (all, [true, false, true]),
        (Subaccounts::Primary, [true, false, false]),
    ];
    for (scope, expected) in cases
        .into_iter()
        .chain([(Subaccounts::One(3), [false, true, false])])
    {
        assert_eq!([0, 3, 4].map(|n| scope.contains(n)), expected, "{scope:?}");
    }
}

#[test]
fn a_patch_changes_what_it_names_alone() {
    let w = webhook(with(json!({
        "auth_type": "basic", "auth_credentials": {"username": "u", "password": "p"},
        "auth_token": "t", "custom_headers": {"x-key": "k"}, "limits": {"in_flight": 1}
    })));
    let next = patched(&w, json!({"events": ["open"]})).unwrap();
    assert_eq!(
        (next.revision, next.updated_ms, next.created_ms),
        (2, 2000, 1000)
    );
    assert_eq!(next.events, ["open"]);
    let back = Webhook {
        events: w.events.clone(),
        revision: 1,
        updated_ms: 1000,
        ..next
    };
    assert_eq!(back, w);
}

#[test]
fn what_an_answer_shows_may_be_sent_back() {
    let w = webhook(with(json!({
        "auth_type": "basic", "auth_credentials": {"username": "u", "password": "p"},
        "auth_token": "t", "custom_headers": {"x-key": "k", "x-other": "o"}
    })));
    let next = patched(
        &w,
        json!({
            "id": "x", "links": [], "last_successful": "2026-01-01 00:00:00", "name": "Renamed",
            "auth_type": "basic", "auth_credentials": {"username": "u", "password": Secret::MASK},
            "auth_token": Secret::MASK, "custom_headers": {"X-Key": Secret::MASK, "x-other": "new"}
        }),
    )
    .unwrap();
    assert_eq!((&next.auth, &next.token), (&w.auth, &w.token));
    let values: Vec<_> = next
        .custom_headers
        .iter()
        .map(|h| h.value.expose())
        .collect();
    assert_eq!(values, ["k", "new"]);
}

#[test]
fn token_requests_are_written_as_a_form_or_as_json() {
    let details = |encoding: &str, body: Value| {
        json!({"auth_type": "oauth2", "auth_request_details":
            {"url": "https://auth.example.com/token", "encoding": encoding, "body": body}})
    };
    let request = |encoding: &str, body: Value| match webhook(with(details(encoding, body))).auth {
        Auth::OAuth2(oauth) => {
            let (kind, body) = oauth.request();
            (kind, String::from_utf8(body).unwrap())
        }
        other => panic!("{other:?}"),
    };
    let form = request(
        "form",
        json!({"client_id": "me", "client_secret": "a&b=c d\u{e9}", "n": 7}),
    );
    assert_eq!(form.0, "application/x-www-form-urlencoded");
    let expected = "client_id=me&client_secret=a%26b%3Dc+d%C3%A9&n=7&grant_type=client_credentials";
    assert_eq!(form.1, expected);
    let body = json!({"grant_type": "own", "client_secret": "\"x", "n": 7, "s": "7", "b": true});
    let (kind, json) = request("json", body.clone());
    assert_eq!(
        (kind, serde_json::from_str::<Value>(&json).unwrap()),
        ("application/json", body)
    );
}

#[test]
fn masked_parameters_of_a_token_request_stay_as_they_were() {
    let details =
        |body: Value| json!({"auth_request_details": {"url": "https://a/", "body": body}});
    let first = json!({"auth_type": "oauth2", "auth_request_details":
        {"url": "https://a/", "body": {"client_id": "me", "client_secret": "hush", "pin": 7}}});
    let w = webhook(with(first));
    let back = json!({"client_id": "you", "client_secret": Secret::MASK, "pin": Secret::MASK});
    let Auth::OAuth2(next) = patched(&w, details(back)).unwrap().auth else {
        panic!("still oauth2");
    };
    let values: Vec<_> = next
        .body
        .iter()
        .map(|p| (p.value.expose(), p.bare))
        .collect();
    assert_eq!(values, [("you", false), ("hush", false), ("7", true)]);
    let shown: Vec<_> = next.body.iter().map(TokenParameter::is_public).collect();
    assert_eq!(shown, [true, false, false]);
    let unknown = patched(&w, details(json!({"other": Secret::MASK}))).unwrap_err();
    assert!(
        unknown
            .to_string()
            .starts_with("'auth_request_details.body.other' is the mask")
    );
    // As the original API's user interface turns it off, and as its answers come back.
    let off = patched(&w, json!({"auth_type": "none"})).unwrap();
    assert_eq!(off.auth, Auth::None);
    let shown =
        json!({"auth_type": "oauth2", "auth_credentials": {"access_token": "x", "expires_in": 1}});
    assert_eq!(patched(&w, shown).unwrap().auth, w.auth);
    let stored = serde_json::to_string(&w).unwrap();
    assert_eq!(serde_json::from_str::<Webhook>(&stored).unwrap(), w);
}

#[test]
fn signing_keys_are_given_made_kept_and_retired() {
    const GIVEN: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let w = webhook(with(
        json!({"signing_keys": [GIVEN, {"type": "ed25519"}, {}]}),
    ));
    let shown: Vec<_> = w
        .signing_keys
        .iter()
        .map(|k| (k.made, k.created_ms))
        .collect();
    assert_eq!(shown, [(false, 1000), (true, 1000), (true, 1000)]);
    assert_eq!(w.signing_keys[0].secret.expose(), GIVEN);
    assert!(w.signing_keys[1].secret.expose().starts_with("whsk_"));
    assert!(w.signing_keys[2].secret.expose().starts_with("whsec_"));
    let stored: Webhook = serde_json::from_str(&serde_json::to_string(&w).unwrap()).unwrap();
    assert!(
        stored.signing_keys.iter().all(|key| !key.made),
        "shown once"
    );

    let (first, second) = (&w.signing_keys[0].id, &w.signing_keys[1].id);
    let keys = json!([
        {"id": first, "retires_in_s": 1}, {"id": second, "secret": Secret::MASK, "type": "ed25519",
         "public_key": "whpk_x", "created": "2026-01-01T00:00:00.000Z"}, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    ]);
    let next = patched(&stored, json!({"signing_keys": keys})).unwrap();
    let retires: Vec<_> = next.signing_keys.iter().map(|k| k.retires_ms).collect();
    assert_eq!(retires, [Some(3000), None, None]);
    assert_eq!(next.signing_keys[1], stored.signing_keys[1]);

    let unretired = patched(
        &next,
        json!({"signing_keys": [{"id": first, "retires_in_s": null}]}),
    )
    .unwrap();
    assert_eq!(unretired.signing_keys[0].retires_ms, None);
    let given_again = patched(&next, json!({"signing_keys": [GIVEN]})).unwrap();
    assert_eq!(
        given_again.signing_keys[0], next.signing_keys[0],
        "the same key, as it was"
    );
    let later = WebhookPatch::default().apply(&next, 3000).unwrap();
    assert_eq!(
        later.signing_keys,
        next.signing_keys[1..],
        "retired and forgotten"
    );
}

#[test]
fn auth_is_turned_on_changed_and_off() {
    let plain = webhook(least());
    let on = json!({"auth_type": "basic", "auth_credentials": {"username": "u", "password": "p"}});
    let basic = patched(&plain, on).unwrap();
    let renewed = json!({"auth_credentials": {"username": "u2", "password": "p2"}});
    let renewed = patched(&basic, renewed).unwrap();
    assert_eq!(
        renewed.auth,
        Auth::Basic {
            username: "u2".into(),
            password: Secret::new("p2")
        }
    );
    assert_eq!(
        patched(&basic, json!({"auth_type": "basic"})).unwrap().auth,
        basic.auth
    );
    assert_eq!(
        patched(&basic, json!({"auth_type": "none"})).unwrap().auth,
        Auth::None
    );
    assert_eq!(
        patched(&plain, json!({"auth_token": ""})).unwrap().token,
        None
    );
    let both = json!({"custom_headers": {"Authorization": "Bearer x"}});
    assert!(patched(&plain, both.clone()).is_ok());
    assert!(patched(&basic, both).is_err());
}

#[test]
fn an_update_may_move_a_webhook_between_subaccounts() {
    let w = webhook(with(json!({"exception_subaccounts": [3]})));
    let one = patched(&w, json!({"subaccount_id": 9})).unwrap();
    assert_eq!(one.scope, Subaccounts::One(9));
    assert_eq!(
        patched(&w, json!({"subaccount_id": 0})).unwrap().scope,
        Subaccounts::Primary
    );
    let all = patched(
        &one,
        json!({"subaccount_id": -1, "exception_subaccounts": [4]}),
    )
    .unwrap();
    assert_eq!(all.scope, Subaccounts::All { except: vec![4] });
    let none = patched(&w, json!({"exception_subaccounts": []})).unwrap();
    assert_eq!(none.scope, Subaccounts::default());
    assert!(patched(&w, json!({"subaccount_id": -2})).is_err());
    assert!(patched(&w, json!({"subaccount_id": 2_147_483_648u32})).is_err());
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let w = webhook(with(json!({
        "auth_type": "basic", "auth_credentials": {"username": "u", "password": "hush1"},
        "auth_token": "hush2", "custom_headers": {"x-key": "hush3"},
        "signing_keys": ["whsec_hushhushhushhushhushhushhushhush"]
    })));
    assert!(!format!("{w:?}").contains("hush"));
}

#[test]
fn the_stores_form_is_read_back_and_tolerates_missing_fields() {
    let w = webhook(with(
        json!({"auth_token": "t", "exception_subaccounts": [3]}),
    ));
    let text = serde_json::to_string(&w).unwrap();
    assert_eq!(serde_json::from_str::<Webhook>(&text).unwrap(), w);
    let old = r#"{"id":"00000000-0000-0000-0000-000000000001","revision":1,"name":"n",
        "target":"http://e/","events":["bounce"],"active":true,"created_ms":1,"updated_ms":1}"#;
    assert_eq!(
        serde_json::from_str::<Webhook>(old).unwrap().auth,
        Auth::None
    );
}

#[test]
fn only_2xx_passes_a_test_post() {
    let answer = |status| TestPost {
        status,
        headers: vec![],
        body: vec![],
    };
    assert!(answer(200).judge().is_ok() && answer(299).judge().is_ok());
    for status in [199, 302, 404] {
        let failure = answer(status).judge().unwrap_err();
        assert_eq!(
            failure.to_string(),
            format!("POST to webhook target URL failed with non-2xx response code {status}")
        );
        assert_eq!(failure.response().map(|r| r.status), Some(status));
    }
}

#[test]
fn a_client_certificate_has_both_parts_and_goes_with_https() {
    let pair = |name: &str| {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    };
    let (certificate, key) = pair("client.example.com");
    let own = |certificate: &str, key: &str| json!({"client_certificate": certificate, "client_key": key});
    let https = |mut fields: Value| {
        fields["target"] = "https://example.com/".into();
        spec(with(fields))
    };
    let w = https(own(&certificate, &key))
        .unwrap()
        .into_webhook(Uuid::from_u128(1), 0);
    assert!(!format!("{w:?}").contains("PRIVATE KEY"));
    let stored = serde_json::to_string(&w).unwrap();
    assert_eq!(serde_json::from_str::<Webhook>(&stored).unwrap(), w);

    let kept = patched(&w, own(&certificate, Secret::MASK)).unwrap();
    assert_eq!(kept.client_certificate, w.client_certificate);
    let (other, other_key) = pair("other.example.com");
    let renewed = patched(&w, own(&other, &other_key)).unwrap();
    assert_ne!(renewed.client_certificate, w.client_certificate);
    assert_eq!(patched(&w, own("", "")).unwrap().client_certificate, None);

    let refused = |result: Result<Webhook, WebhookError>| result.unwrap_err().to_string();
    let spec_refused = |result: Result<WebhookSpec, WebhookError>| result.unwrap_err().to_string();
    assert_eq!(
        refused(patched(&w, own(&other, Secret::MASK))),
        "'client_certificate' is refused: the private key is not the client certificate's"
    );
    assert_eq!(
        refused(patched(&w, json!({"client_key": ""}))),
        "'client_key' is required"
    );
    assert_eq!(
        spec_refused(https(json!({"client_key": key.as_str()}))),
        "'client_certificate' is required"
    );
    assert_eq!(
        spec_refused(spec(with(own(&certificate, &key)))),
        "'client_certificate' needs an https target"
    );
    let hush = spec_refused(https(own(&certificate, "hush")));
    assert!(
        hush.contains("no private key") && !hush.contains("hush"),
        "{hush}"
    );
}
