//! `postrider filter`.

mod check;
mod events;

use crate::cli::{FilterArgs, FilterCommand};
use crate::error::CliError;

pub(crate) fn run(args: FilterArgs) -> Result<(), CliError> {
    match args.command {
        FilterCommand::Check { file, config } => check::run(&file, config.as_deref()),
    }
}
