//! `postrider push`: lines of JSON into the inbox.

use crate::cli::PushArgs;
use crate::error::CliError;
use indicatif::{ProgressBar, ProgressStyle};
use postrider::client::{Client, Level, PushError, PushOptions};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::time::Duration;

/// A line above this is no event: reading it whole would only cost memory.
const MAX_LINE: u64 = 1 << 20;

pub(crate) fn run(args: &PushArgs) -> Result<(), CliError> {
    let client = Client::connect(&args.data).map_err(|e| CliError::Environment(e.to_string()))?;
    for custom in &args.custom {
        let (category, name) = custom
            .split_once('/')
            .ok_or_else(|| CliError::Usage(format!("--custom {custom:?}: write CATEGORY/TYPE")))?;
        let declared = client.schema().declare(category, name);
        declared.map_err(|e| CliError::Usage(format!("--custom {custom}: {e}")))?;
    }
    let input: Box<dyn Read> = match &args.file {
        Some(path) if path.as_os_str() != "-" => {
            let opened = File::open(path);
            Box::new(opened.map_err(|e| {
                CliError::Environment(format!("cannot read {}: {e}", path.display()))
            })?)
        }
        _ => Box::new(io::stdin()),
    };
    let progress = progress();
    let counts = push_lines(&client, BufReader::with_capacity(1 << 16, input), &progress)?;
    progress.finish_and_clear();
    if args.sync {
        let synced = client.flush(Level::Synced);
        synced.map_err(|e| CliError::Environment(e.to_string()))?;
    }
    eprintln!(
        "{} events pushed, {} lines refused",
        counts.pushed, counts.refused
    );
    if counts.refused > 0 {
        return Err(CliError::Refused("some lines were refused".to_owned()));
    }
    Ok(())
}

#[derive(Default)]
struct Counts {
    pushed: u64,
    refused: u64,
}

fn push_lines(
    client: &Client,
    mut input: impl BufRead,
    progress: &ProgressBar,
) -> Result<Counts, CliError> {
    let mut counts = Counts::default();
    let mut line = Vec::new();
    let mut number = 0_u64;
    let options = PushOptions {
        deadline: Some(Duration::from_secs(10)),
        ..PushOptions::default()
    };
    while let Some(length) = read_line(&mut input, &mut line)? {
        number += 1;
        let mut refuse = |why: &str| {
            counts.refused += 1;
            progress.suspend(|| eprintln!("line {number}: {why}"));
        };
        if length > MAX_LINE {
            refuse(&format!("{length} bytes; an event has at most 131072"));
            continue;
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        match client.push_line(text, options) {
            Ok(_) => {
                counts.pushed += 1;
                if counts.pushed.is_multiple_of(1024) {
                    progress.set_position(counts.pushed);
                }
            }
            Err(PushError::Inbox(e)) => {
                let lost = format!("line {number}: {e}; {} events were pushed", counts.pushed);
                return Err(CliError::Environment(lost));
            }
            Err(e) => refuse(&e.to_string()),
        }
    }
    Ok(counts)
}

/// Reads a line without its end; its length, which may be above what is kept of it. `None` at the end.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> Result<Option<u64>, CliError> {
    line.clear();
    let failed = |e: io::Error| CliError::Environment(format!("cannot read events: {e}"));
    let mut length = input
        .by_ref()
        .take(MAX_LINE + 1)
        .read_until(b'\n', line)
        .map_err(failed)? as u64;
    if length == 0 {
        return Ok(None);
    }
    if length > MAX_LINE && line.last() != Some(&b'\n') {
        length += input.skip_until(b'\n').map_err(failed)? as u64;
    }
    Ok(Some(length))
}

/// Hidden where standard error is no terminal.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} events, {per_sec}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
