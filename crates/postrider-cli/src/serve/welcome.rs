//! What `serve` says first: where it listens, and how to go on.

use crate::error::CliError;
use crate::key::ALL_GRANTS;
use postrider::engine::Engine;
use postrider_api::{Api, Caller, Request};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Where the first key is kept, in the data directory.
const KEY_FILE: &str = "api.key";

/// Where there is no key yet: makes one with all grants and keeps it for the command line.
pub(super) fn first_key(
    engine: &Engine,
    api: &Api,
    data: &Path,
) -> Result<Option<String>, CliError> {
    let failed = |e: &dyn std::fmt::Display| CliError::Environment(format!("first API key: {e}"));
    if !engine.store().keys().map_err(|e| failed(&e))?.is_empty() {
        return Ok(None);
    }
    let body = serde_json::json!({ "label": "made by serve", "grants": ALL_GRANTS });
    let request = Request {
        method: "POST".to_owned(),
        path_and_query: "/api/v1/keys".to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into_bytes(),
    };
    let answer = api.handle(&request, Caller::Host);
    let made: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let key = made["results"]["key"].as_str();
    let key = key.ok_or_else(|| failed(&String::from_utf8_lossy(&answer.body)))?;
    let path = data.join(KEY_FILE);
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| writeln!(file, "{key}"))
        .map_err(|e| failed(&format!("{}: {e}", path.display())))?;
    Ok(Some(key.to_owned()))
}

pub(super) fn welcome(url: &str, data: &Path, new_key: Option<&str>) {
    println!("Postrider {} listens on {url}", env!("CARGO_PKG_VERSION"));
    println!("data directory: {}", data.display());
    let file = data.join(KEY_FILE);
    match new_key {
        Some(key) => {
            println!("API key (shown once, kept in {}): {key}", file.display());
        }
        None => println!("API key: the first one is in {}", file.display()),
    }
    let data = data.display();
    println!(
        "\nNext, in other terminals:
  postrider receive                                   # a receiver on 127.0.0.1:8030 (needs --allow-target 127.0.0.0/8 here)
  postrider webhook create --data {data} --name first --target http://127.0.0.1:8030/ --events delivery,bounce
  echo '{{\"type\":\"delivery\",\"rcpt_to\":\"alice@example.com\"}}' | postrider push --data {data}
  curl -H \"Authorization: $(cat {})\" {url}/api/v1/webhooks",
        file.display()
    );
    let _ = std::io::stdout().flush();
}
