//! `sealdock policy`: what policies say, without a broker.

mod explain;
mod question;
mod simulate;

use super::Failure;
use super::output::{say, tell};
use crate::broker::{PolicyError, policies};
use crate::policy::PolicySet;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Read the policy documents of a directory as the broker would, and list what they define
    Check(CheckArguments),
    /// Tell whether a request would be allowed, which statement decides, and which ones nearly would
    Explain(Box<explain::ExplainArguments>),
    /// Try a table of requests with their expected outcomes; for continuous integration
    Simulate(simulate::SimulateArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Directory of `*.json` files in the shape of `aws iam get-account-authorization-details`
    directory: PathBuf,
}

pub(crate) fn run(command: &PolicyCommand) -> Result<ExitCode, Failure> {
    match command {
        PolicyCommand::Check(arguments) => check(arguments),
        PolicyCommand::Explain(arguments) => explain::run(arguments),
        PolicyCommand::Simulate(arguments) => simulate::run(arguments),
    }
}

fn check(arguments: &CheckArguments) -> Result<ExitCode, Failure> {
    let sources = policies::read(&arguments.directory).map_err(|e: PolicyError| Failure::new(2, e))?;
    let set = PolicySet::load(&sources).map_err(|e| Failure::new(1, e))?;
    say(set.summary());
    if sources.is_empty() {
        tell("the directory has no *.json file: only the account root may do anything");
    }
    Ok(ExitCode::SUCCESS)
}

/// The policies of a directory, for commands that ask about them.
fn load(directory: &Path) -> Result<PolicySet, Failure> {
    let sources = policies::read(directory).map_err(|e: PolicyError| Failure::new(2, e))?;
    PolicySet::load(&sources).map_err(|e| Failure::new(2, e))
}
