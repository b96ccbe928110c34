//! `postrider webhook pause|resume|dead|replay`.

use super::{path, show, text};
use crate::api::Client;
use crate::cli::{Reach, ReplayArgs};
use crate::error::CliError;
use serde_json::{Value, json};

pub(super) fn hold(reach: &Reach, id: &str, call: &str) -> Result<(), CliError> {
    let client = Client::of(reach)?;
    let now = client.call("POST", &format!("{}/{call}", path(id)), None)?;
    show(&client, &now, |now| match now["state_reason"].as_str() {
        Some(why) => format!("{} ({why})", text(&now["state"])),
        None => text(&now["state"]),
    });
    Ok(())
}

pub(super) fn dead(reach: &Reach, id: &str, limit: u32) -> Result<(), CliError> {
    let client = Client::of(reach)?;
    let call = format!("{}/dead-letters?limit={limit}", path(id));
    let letters = client.call("GET", &call, None)?;
    show(&client, &letters, |letters| {
        let rows = letters.as_array().into_iter().flatten().map(|letter| {
            format!(
                "{}  {}  {:8}  {} events  {} attempts  {}",
                text(&letter["ts"]),
                text(&letter["batch_id"]),
                text(&letter["reason"]),
                letter["batch_size"],
                letter["attempts"],
                letter["failure_code"].as_str().unwrap_or("-"),
            )
        });
        rows.collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

/// A long stretch of time takes several calls.
pub(super) fn replay(args: &ReplayArgs) -> Result<(), CliError> {
    let client = Client::of(&args.reach)?;
    let call = format!("{}/replay", path(&args.id));
    let mut body = match (&args.from, args.all) {
        (Some(from), _) => json!({ "from": from }),
        (None, true) => json!({ "all": true }),
        (None, false) => json!({ "batch_ids": args.batches }),
    };
    if let Some(to) = &args.to {
        body["to"] = to.as_str().into();
    }
    let (mut batches, mut events, mut unknown) = (0, 0, Vec::new());
    loop {
        let done = client.call("POST", &call, Some(&body))?;
        batches += done["batches"].as_u64().unwrap_or(0);
        events += done["events"].as_u64().unwrap_or(0);
        unknown.extend(done["unknown"].as_array().into_iter().flatten().map(text));
        match done.get("next") {
            Some(next) => body["from"] = next.clone(),
            None => break,
        }
    }
    let total = json!({ "batches": batches, "events": events, "unknown": unknown });
    show(&client, &total, |total| {
        format!("{} batches, {} events", total["batches"], total["events"])
    });
    match total["unknown"]
        .as_array()
        .map_or(&[] as &[Value], Vec::as_slice)
    {
        [] => Ok(()),
        unknown => Err(CliError::Refused(format!(
            "no dead letters of this webhook: {}",
            unknown.iter().map(text).collect::<Vec<_>>().join(", ")
        ))),
    }
}
