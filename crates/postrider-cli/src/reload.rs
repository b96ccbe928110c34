//! `postrider reload`.

use crate::api::Client;
use crate::cli::Reach;
use crate::error::CliError;
use serde_json::Value;

pub(crate) fn run(reach: &Reach) -> Result<(), CliError> {
    let client = Client::of(reach)?;
    let done = client.call("POST", "/api/v1/reload", None)?;
    if client.json {
        println!("{done:#}");
        return Ok(());
    }
    let keys = |field: &str| -> Vec<String> {
        let all = done[field].as_array().into_iter().flatten();
        all.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    println!("{}", told(&keys("applied"), &keys("needs_restart")));
    Ok(())
}

/// What reading the configuration anew came to, in a line.
pub(crate) fn told<T: AsRef<str>>(applied: &[T], needs_restart: &[T]) -> String {
    let list = |keys: &[T]| {
        keys.iter()
            .map(AsRef::as_ref)
            .collect::<Vec<&str>>()
            .join(", ")
    };
    let applied = match list(applied) {
        none if none.is_empty() => "configuration read: no change takes effect".to_owned(),
        some => format!("configuration read, in force now: {some}"),
    };
    match list(needs_restart) {
        none if none.is_empty() => applied,
        some => format!("{applied}; needs a restart: {some}"),
    }
}
