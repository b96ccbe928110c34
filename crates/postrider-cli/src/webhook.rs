//! `postrider webhook`.

mod replay;

use crate::api::Client;
use crate::cli::{WebhookArgs, WebhookCommand, WebhookFields};
use crate::error::CliError;
use postrider::event::Catalogue;
use serde_json::{Map, Value, json};

const PATH: &str = "/api/v1/webhooks";

pub(crate) fn run(args: WebhookArgs) -> Result<(), CliError> {
    match args.command {
        WebhookCommand::Create { fields, reach } => {
            let client = Client::of(&reach)?;
            let made = client.call("POST", PATH, Some(&body(&fields)?))?;
            show(&client, &made, |made| text(&made["id"]));
        }
        WebhookCommand::List { reach } => {
            let client = Client::of(&reach)?;
            let all = client.call("GET", PATH, None)?;
            show(&client, &all, table);
        }
        WebhookCommand::Show { id, reach } => {
            let one = Client::of(&reach)?.call("GET", &path(&id), None)?;
            println!("{one:#}");
        }
        WebhookCommand::Update { id, fields, reach } => {
            let client = Client::of(&reach)?;
            let changed = client.call("PUT", &path(&id), Some(&body(&fields)?))?;
            show(&client, &changed, |changed| text(&changed["id"]));
        }
        WebhookCommand::Delete { id, purge, reach } => {
            let query = if purge { "?purge=true" } else { "" };
            Client::of(&reach)?.call("DELETE", &format!("{}{query}", path(&id)), None)?;
        }
        WebhookCommand::Pause { id, reach } => replay::hold(&reach, &id, "pause")?,
        WebhookCommand::Resume { id, reach } => replay::hold(&reach, &id, "resume")?,
        WebhookCommand::Dead { id, limit, reach } => replay::dead(&reach, &id, limit)?,
        WebhookCommand::Replay(args) => replay::replay(&args)?,
        WebhookCommand::Test { id, reach } => {
            let client = Client::of(&reach)?;
            let answer = client.call("POST", &format!("{}/validate", path(&id)), None)?;
            show(&client, &answer, |answer| {
                let status = &answer["response"]["status"];
                format!("{} (status {status})", text(&answer["msg"]))
            });
        }
        WebhookCommand::Batches { id, limit, reach } => {
            let client = Client::of(&reach)?;
            let call = format!("{}/batch-status?limit={limit}", path(&id));
            let batches = client.call("GET", &call, None)?;
            show(&client, &batches, |batches| {
                let rows = batches.as_array().into_iter().flatten().map(|b| {
                    let code = [&b["failure_code"], &b["response_code"]];
                    let code = code.into_iter().find_map(Value::as_str).unwrap_or("-");
                    format!(
                        "{}  {}  failed attempts {}  {code}  {} ms",
                        text(&b["ts"]),
                        text(&b["batch_id"]),
                        b["attempts"],
                        b["latency"],
                    )
                });
                rows.collect::<Vec<_>>().join("\n")
            });
        }
    }
    Ok(())
}

/// Ids are UUIDs; anything else must not become a part of the path.
pub(crate) fn path(id: &str) -> String {
    let safe: String = id
        .chars()
        .filter(|c| c.is_ascii_hexdigit() || *c == '-')
        .collect();
    format!("{PATH}/{safe}")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn show(client: &Client, value: &Value, for_people: impl Fn(&Value) -> String) {
    if client.json {
        println!("{value:#}");
    } else {
        let text = for_people(value);
        if !text.is_empty() {
            println!("{text}");
        }
    }
}

fn table(webhooks: &Value) -> String {
    let rows = webhooks.as_array().into_iter().flatten().map(|w| {
        let events = w["events"].as_array().map_or(0, Vec::len);
        let state = if w["active"] == json!(false) {
            "inactive"
        } else {
            "active"
        };
        format!(
            "{}  {:20}  {state:8}  {events:2} types  {}",
            text(&w["id"]),
            text(&w["name"]),
            text(&w["target"])
        )
    });
    rows.collect::<Vec<_>>().join("\n")
}

/// The call's body: what was given, nothing else.
fn body(fields: &WebhookFields) -> Result<Value, CliError> {
    let mut body = Map::new();
    if let Some(name) = &fields.name {
        body.insert("name".into(), name.as_str().into());
    }
    if let Some(target) = &fields.target {
        body.insert("target".into(), target.as_str().into());
    }
    if let Some(events) = &fields.events {
        body.insert("events".into(), json!(events));
    }
    if fields.all_events {
        let all: Vec<&str> = Catalogue::types().iter().map(|t| t.name).collect();
        body.insert("events".into(), json!(all));
    }
    if let Some(token) = &fields.token {
        body.insert("auth_token".into(), token.as_str().into());
    }
    if let Some(basic) = &fields.basic {
        let (user, password) = basic.split_once(':').unwrap_or((basic, ""));
        body.insert("auth_type".into(), "basic".into());
        let credentials = json!({ "username": user, "password": password });
        body.insert("auth_credentials".into(), credentials);
    }
    if !fields.headers.is_empty() {
        let mut headers = Map::new();
        for header in &fields.headers {
            let (name, value) = header.split_once(':').ok_or_else(|| {
                CliError::Usage(format!("--header {header:?}: write 'NAME: VALUE'"))
            })?;
            headers.insert(name.trim().to_owned(), value.trim().into());
        }
        body.insert("custom_headers".into(), headers.into());
    }
    if let Some(active) = fields.active {
        body.insert("active".into(), active.into());
    }
    Ok(Value::Object(body))
}
