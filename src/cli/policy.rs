//! `sealdock policy check`: a check that needs no broker.

use super::Failure;
use super::output::{say, tell};
use crate::broker::{PolicyError, policies};
use crate::policy::PolicySet;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Read the policy documents of a directory as the broker would, and list what they define
    Check(CheckArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Directory of `*.json` files in the shape of `aws iam get-account-authorization-details`
    directory: PathBuf,
}

pub(crate) fn run(command: &PolicyCommand) -> Result<ExitCode, Failure> {
    let PolicyCommand::Check(arguments) = command;
    let sources = policies::read(&arguments.directory).map_err(|e: PolicyError| Failure::new(2, e))?;
    let set = PolicySet::load(&sources).map_err(|e| Failure::new(1, e))?;
    say(set.summary());
    if sources.is_empty() {
        tell("the directory has no *.json file: only the account root may do anything");
    }
    Ok(ExitCode::SUCCESS)
}
