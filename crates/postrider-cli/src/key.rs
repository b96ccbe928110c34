//! `postrider key`.

use crate::api::Client;
use crate::cli::{KeyArgs, KeyCommand};
use crate::error::CliError;
use serde_json::{Value, json};

/// Every grant there is, for a key made without naming any.
pub(crate) const ALL_GRANTS: [&str; 5] = [
    "webhooks/view",
    "webhooks/modify",
    "message_events/view",
    "ingest/events",
    "keys",
];

pub(crate) fn run(args: KeyArgs) -> Result<(), CliError> {
    match args.command {
        KeyCommand::Create {
            grants,
            label,
            subaccount,
            reach,
        } => {
            let client = Client::of(&reach)?;
            let mut body = json!({ "label": label });
            body["grants"] = if grants.is_empty() {
                json!(ALL_GRANTS)
            } else {
                json!(grants)
            };
            if let Some(n) = subaccount {
                body["subaccount_id"] = n.into();
            }
            let made = client.call("POST", "/api/v1/keys", Some(&body))?;
            if client.json {
                println!("{made:#}");
            } else {
                println!("{}", made["key"].as_str().unwrap_or_default());
            }
            Ok(())
        }
        KeyCommand::List { reach } => {
            let client = Client::of(&reach)?;
            let keys = client.call("GET", "/api/v1/keys", None)?;
            if client.json {
                println!("{keys:#}");
                return Ok(());
            }
            for key in keys.as_array().into_iter().flatten() {
                let grants = key["grants"].as_array().into_iter().flatten();
                let grants: Vec<&str> = grants.filter_map(Value::as_str).collect();
                println!(
                    "{}  {:20}  {}",
                    key["id"].as_str().unwrap_or("?"),
                    key["label"].as_str().unwrap_or(""),
                    grants.join(",")
                );
            }
            Ok(())
        }
        KeyCommand::Revoke { id, reach } => {
            Client::of(&reach)?.call("DELETE", &format!("/api/v1/keys/{id}"), None)?;
            Ok(())
        }
    }
}
