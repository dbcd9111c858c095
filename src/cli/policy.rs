//! `sealdock policy`: what policies say, without a broker.

mod check;
mod explain;
mod question;
mod simulate;

use super::Failure;
use crate::broker::{PolicyError, policies};
use crate::policy::{PolicySet, Source};
use clap::Subcommand;
use std::path::Path;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Read policies as the broker would, and list what they define or what is wrong with them
    Check(check::CheckArguments),
    /// Tell whether a request would be allowed, which statement decides, and which ones nearly would
    Explain(Box<explain::ExplainArguments>),
    /// Try a table of requests with their expected outcomes; for continuous integration
    Simulate(simulate::SimulateArguments),
}

pub(crate) fn run(command: &PolicyCommand) -> Result<ExitCode, Failure> {
    match command {
        PolicyCommand::Check(arguments) => check::run(arguments),
        PolicyCommand::Explain(arguments) => explain::run(arguments),
        PolicyCommand::Simulate(arguments) => simulate::run(arguments),
    }
}

/// A file by itself.
fn read(path: &Path) -> Result<Source, Failure> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(2, format!("cannot read `{shown}`: {error}")))?;
    Ok(Source { path: shown, text })
}

/// The policies of a directory, for commands that ask about them.
fn load(directory: &Path) -> Result<PolicySet, Failure> {
    let sources = policies::read(directory).map_err(|e: PolicyError| Failure::new(2, e))?;
    PolicySet::load(&sources).map_err(|e| Failure::new(2, e))
}
