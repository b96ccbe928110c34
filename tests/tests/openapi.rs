//! The OpenAPI document against the running API, by schemathesis: nothing that it sends fails the server,
//! and no answer is one that the document does not have.

use postrider_tests::binary::{Served, told};
use postrider_tests::packages;
use postrider_tests::receiver::Receiver;
use serde_json::{Value, json};

#[test]
fn every_answer_to_generated_requests_is_documented() {
    let Some(mut schemathesis) = packages::python("schemathesis") else {
        return;
    };
    let dir = tempfile::tempdir().expect("a directory");
    let more = [
        "--set",
        "api.requests_per_second=0",
        "--set",
        "http.timeout_ms=1000",
    ];
    let served = Served::start(&dir.path().join("data"), &more);
    let receiver = Receiver::ok();

    // As committed, but for targets: only this machine is POSTed to.
    let document = include_str!("../../docs/openapi.json");
    let mut document: Value = serde_json::from_str(document).expect("JSON");
    for schema in ["NewWebhook", "WebhookChanges"] {
        let target = &mut document["components"]["schemas"][schema]["properties"]["target"];
        assert_eq!(target["type"], "string");
        *target = json!({"enum": [receiver.url("/hook")]});
    }
    // It would make keys up: the one that the command line has is to be used.
    let components = document["components"].as_object_mut();
    components.expect("components").remove("securitySchemes");
    for operation in operations(&mut document) {
        operation.remove("security");
    }
    // It writes no lines of JSON; any text is a batch, if a bad one.
    let body = &mut document["paths"]["/api/v1/ingest/events"]["post"]["requestBody"]["content"];
    let lines = body
        .as_object_mut()
        .expect("an object")
        .remove("application/x-ndjson");
    body["text/plain"] = lines.expect("a schema");

    let path = dir.path().join("openapi.json");
    std::fs::write(&path, document.to_string()).expect("written");

    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,\
                  response_schema_conformance";
    let ran = schemathesis
        .args(["-m", "schemathesis.cli", "run"])
        .arg(&path)
        .args([
            "--url",
            &served.url,
            "--header",
            &format!("Authorization: {}", served.key),
        ])
        .args(["--checks", checks, "--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", "25", "--seed", "1", "--no-color"])
        .args(["--generation-database", "none"])
        .current_dir(dir.path())
        .output()
        .expect("python runs");
    assert!(ran.status.success(), "{}", told(&ran));
    served.process.terminate();
}

fn operations(document: &mut Value) -> impl Iterator<Item = &mut serde_json::Map<String, Value>> {
    let paths = document["paths"].as_object_mut().expect("paths");
    let methods = paths.values_mut().filter_map(Value::as_object_mut);
    methods
        .flat_map(|path| path.values_mut())
        .filter_map(Value::as_object_mut)
}
