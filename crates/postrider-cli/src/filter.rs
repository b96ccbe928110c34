//! `postrider filter`.

mod check;
mod events;

use crate::api::Client;
use crate::cli::{FilterArgs, FilterChain, FilterCommand, FilterFields, Reach};
use crate::error::CliError;
use crate::webhook;
use serde_json::{Map, Value, json};

const PATH: &str = "/api/v1/filters";

pub(crate) fn run(args: FilterArgs) -> Result<(), CliError> {
    match args.command {
        FilterCommand::Check {
            file,
            config,
            lives,
        } => check::run(&file, config.as_deref(), lives as usize),
        FilterCommand::List { of, reach } => {
            let client = Client::of(&reach)?;
            show(&client, &list(&client, &of)?);
            Ok(())
        }
        FilterCommand::Add {
            name,
            fields,
            of,
            reach,
        } => {
            let mut filter = settings(&fields)?;
            filter["name"] = name.as_str().into();
            change(&reach, &of, |all| {
                match all.iter_mut().find(|known| known["name"] == name) {
                    Some(known) => *known = filter,
                    None => all.push(filter),
                }
                Ok(())
            })
        }
        FilterCommand::Remove { name, of, reach } => change(&reach, &of, |all| {
            all.remove(place(all, &name)?);
            Ok(())
        }),
        FilterCommand::Enable { name, of, reach } => {
            change(&reach, &of, |all| enable(all, &name, true))
        }
        FilterCommand::Disable { name, of, reach } => {
            change(&reach, &of, |all| enable(all, &name, false))
        }
        FilterCommand::Order { names, of, reach } => change(&reach, &of, |all| order(all, &names)),
        FilterCommand::Held { reach } => {
            let client = Client::of(&reach)?;
            let held = client.call("GET", &format!("{PATH}/held"), None)?;
            match client.json {
                true => println!("{held:#}"),
                false => held.as_array().into_iter().flatten().for_each(|held| {
                    println!("{}  {}", held["offset"], held["event"]);
                }),
            }
            Ok(())
        }
        FilterCommand::Release { reach } => {
            let client = Client::of(&reach)?;
            let answer = client.call("POST", &format!("{PATH}/held/release"), None)?;
            println!("{} released", answer["released"]);
            Ok(())
        }
        FilterCommand::Reload { name, of, reach } => {
            let client = Client::of(&reach)?;
            let name = plain(&name);
            let call = match &of.webhook {
                None => format!("{PATH}/{name}/reload"),
                Some(id) => format!("{}/filters/reload?name={name}", webhook::path(id)),
            };
            let all = client.call("POST", &call, None)?;
            show(&client, &all);
            Ok(())
        }
    }
}

/// What an operator says of a filter; the rest of what the engine lists is how it stands.
const SETTINGS: [&str; 10] = [
    "name",
    "path",
    "config",
    "events",
    "subaccounts",
    "on_failure",
    "timeout_ms",
    "budget_us",
    "sha256",
    "enabled",
];

fn list(client: &Client, of: &FilterChain) -> Result<Value, CliError> {
    match &of.webhook {
        None => client.call("GET", PATH, None),
        Some(id) => client.call("GET", &format!("{}/filters", webhook::path(id)), None),
    }
}

/// Reads a chain, changes it, and puts it in force.
fn change(
    reach: &Reach,
    of: &FilterChain,
    change: impl FnOnce(&mut Vec<Value>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let client = Client::of(reach)?;
    let listed = list(&client, of)?;
    let only_settings = |filter: &Value| {
        let all = filter.as_object().into_iter().flatten();
        let kept = all.filter(|(name, _)| SETTINGS.contains(&name.as_str()));
        Value::Object(
            kept.map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    };
    let mut all: Vec<Value> = listed
        .as_array()
        .into_iter()
        .flatten()
        .map(only_settings)
        .collect();
    change(&mut all)?;
    match &of.webhook {
        None => client.call("PUT", PATH, Some(&all.into()))?,
        Some(id) => client.call("PUT", &webhook::path(id), Some(&json!({ "filters": all })))?,
    };
    show(&client, &list(&client, of)?);
    Ok(())
}

fn place(all: &[Value], name: &str) -> Result<usize, CliError> {
    let at = all.iter().position(|filter| filter["name"] == name);
    at.ok_or_else(|| CliError::Refused(format!("no filter is named {name}")))
}

fn enable(all: &mut [Value], name: &str, enabled: bool) -> Result<(), CliError> {
    let at = place(all, name)?;
    all[at]["enabled"] = enabled.into();
    Ok(())
}

/// Those named go first, in this order; the others keep theirs behind them.
fn order(all: &mut Vec<Value>, names: &[String]) -> Result<(), CliError> {
    let mut ordered = Vec::with_capacity(all.len());
    for name in names {
        let at = place(all, name)?;
        ordered.push(all.remove(at));
    }
    ordered.append(all);
    *all = ordered;
    Ok(())
}

/// Names are plain; anything else must not become a part of the path.
fn plain(name: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    name.chars().filter(plain).collect()
}

fn settings(fields: &FilterFields) -> Result<Value, CliError> {
    let mut body = Map::new();
    let file = std::path::absolute(&fields.file).map_err(CliError::environment)?;
    body.insert("path".into(), json!(file));
    if let Some(config) = &fields.config {
        let config: Value = serde_json::from_str(config)
            .map_err(|e| CliError::Usage(format!("--config: not a JSON object: {e}")))?;
        body.insert("config".into(), config);
    }
    if !fields.events.is_empty() {
        body.insert("events".into(), json!(fields.events));
    }
    if !fields.subaccounts.is_empty() {
        body.insert("subaccounts".into(), json!(fields.subaccounts));
    }
    if let Some(policy) = &fields.on_failure {
        body.insert("on_failure".into(), policy.as_str().into());
    }
    if let Some(ms) = fields.timeout_ms {
        body.insert("timeout_ms".into(), ms.into());
    }
    if let Some(us) = fields.budget_us {
        body.insert("budget_us".into(), us.into());
    }
    if let Some(sum) = &fields.sha256 {
        body.insert("sha256".into(), sum.as_str().into());
    }
    Ok(Value::Object(body))
}

fn show(client: &Client, all: &Value) {
    if client.json {
        println!("{all:#}");
        return;
    }
    for (i, filter) in all.as_array().into_iter().flatten().enumerate() {
        let text = |name: &str| filter[name].as_str().unwrap_or("-").to_owned();
        let stats = &filter["stats"];
        let number = |name: &str| stats[name].as_u64().unwrap_or(0);
        let dropped: u64 = stats["dropped"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(_, n)| n.as_u64())
            .sum();
        println!(
            "{i}  {:20}  {:9}  {:8}  events {}, changed {}, dropped {dropped}, added {}, passed {}, held {}  {}",
            text("name"),
            text("state"),
            text("policy"),
            number("events"),
            number("changed"),
            number("emitted"),
            number("passed"),
            number("held"),
            text("path"),
        );
    }
}
