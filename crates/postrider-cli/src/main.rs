//! The binary `postrider`.
//!
//! `serve` is an engine with the REST API before it; the other commands talk to one: `webhook`, `key`,
//! `stats` and `reload` through its admin socket (or `--url`), `push` through the inbox of its data directory. `log`
//! reads a data directory's files and needs none.

mod api;
mod cli;
mod error;
mod filter;
mod key;
mod log;
mod push;
mod receive;
mod reload;
mod serve;
mod webhook;

use clap::{CommandFactory, Parser};
use cli::{Cli, Command};
use error::CliError;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("postrider: {e}");
            e.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<(), CliError> {
    match cli.command {
        Command::Serve(args) => serve::run(args),
        Command::Push(args) => push::run(&args),
        Command::Webhook(args) => webhook::run(args),
        Command::Key(args) => key::run(args),
        Command::Filter(args) => filter::run(args),
        Command::Receive(args) => receive::run(args).map_err(CliError::environment),
        Command::Stats(args) => {
            let client = api::Client::of(&args)?;
            client.print_text("GET", "/metrics")
        }
        Command::Reload(args) => reload::run(&args),
        Command::Log(args) => log::run(args),
        Command::Init(args) => {
            let group = (!args.group.is_empty()).then_some(args.group.as_str());
            std::fs::create_dir_all(&args.data).map_err(|e| {
                CliError::Environment(format!("cannot create {}: {e}", args.data.display()))
            })?;
            let path = postrider::inbox::init(&args.data, group)
                .map_err(|e| CliError::Environment(e.to_string()))?;
            println!("inbox ready: {}", path.display());
            Ok(())
        }
        Command::Config => {
            for key in postrider::config::TABLE {
                println!(
                    "{} = {}\n    {} ({})",
                    key.name,
                    key.default,
                    key.doc,
                    key.kind.allowed()
                );
            }
            Ok(())
        }
        Command::Completions { shell } => {
            let mut command = Cli::command();
            clap_complete::generate(shell, &mut command, "postrider", &mut std::io::stdout());
            Ok(())
        }
        Command::Man => cli::man(&mut std::io::stdout()).map_err(CliError::environment),
    }
}
