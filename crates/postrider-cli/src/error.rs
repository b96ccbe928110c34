//! What the commands end with.

use std::io;
use std::process::ExitCode;

/// Why a command failed; the kind is its exit code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// 1: something that was asked for was refused.
    #[error("{0}")]
    Refused(String),
    /// 2: the command line or the configuration is wrong (clap ends with 2 by itself).
    #[error("{0}")]
    Usage(String),
    /// 3: no engine answers.
    #[error("{0}")]
    Unreachable(String),
    /// 4: a port, a directory or another resource can't be had.
    #[error("{0}")]
    Environment(String),
}

impl CliError {
    pub(crate) fn environment(e: io::Error) -> CliError {
        CliError::Environment(e.to_string())
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            CliError::Refused(_) => 1,
            CliError::Usage(_) => 2,
            CliError::Unreachable(_) => 3,
            CliError::Environment(_) => 4,
        })
    }
}
