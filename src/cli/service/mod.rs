//! `sealdock service`: keeps tasks of a definition running, and replaces them without a refused connection.

use super::Failure;
use clap::Subcommand;
use std::process::ExitCode;

mod known;
mod run;

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Keep a number of tasks running; replace those that end or whose health checks fail
    ///
    /// The service listens on the ports that the definition gives a number on the host, and passes
    /// connections on to its healthy tasks. Exit codes are those of `task run`; 118 if
    /// the first tasks do not become ready.
    Run(Box<run::RunArguments>),
    /// List the services of this host
    List(known::ListArguments),
    /// List the tasks of services
    Ps(known::PsArguments),
    /// Start new tasks with fresh secrets, move the ports over when all are ready, then stop the old ones
    ///
    /// If a new task fails, the new ones are stopped and the old ones go on (exit code 118).
    Redeploy(known::RedeployArguments),
    /// Stop a service and its tasks, and remove their containers
    Stop(known::StopArguments),
}

pub(crate) fn run(command: ServiceCommand) -> Result<ExitCode, Failure> {
    match command {
        ServiceCommand::Run(arguments) => run::run(&arguments),
        ServiceCommand::List(arguments) => known::list(&arguments),
        ServiceCommand::Ps(arguments) => known::tasks(&arguments),
        ServiceCommand::Redeploy(arguments) => known::redeploy(&arguments),
        ServiceCommand::Stop(arguments) => known::stop(&arguments),
    }
}
