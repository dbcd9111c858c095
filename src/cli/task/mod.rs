//! `sealdock task`: runs ECS task definitions on Docker.

use super::Failure;
use crate::ecs::definition::Condition;
use crate::launch::{Docker, LaunchError};
use clap::{Args, Subcommand};
use std::process::ExitCode;

pub(crate) use run::LaunchArguments;
pub(crate) use show::show;
pub(crate) use source::{DefinitionArguments, Source};

mod described;
mod endpoint;
mod plan;
mod run;
mod show;
mod source;
mod tasks;

#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Check a task definition and show what a launch would do; nothing is started
    Plan(Box<plan::PlanArguments>),
    /// Run a task definition: resolve every reference, then create and start its containers
    ///
    /// The exit code is that of the essential container that ended the task. Failures
    /// of the launch itself: 2 invalid task definition, 120 files missing or references not
    /// resolved or refused, 121 broker unreachable, 122 Docker unreachable, 123 image missing, 124
    /// container not created or started, 130 and 143 stopped by a signal.
    Run(Box<run::RunArguments>),
    /// List the tasks that Docker has containers of
    Ps(DockerArguments),
    /// Show a task and its containers; with --json in the shape of DescribeTasks
    Describe(tasks::DescribeArguments),
    /// Show what the containers of a task wrote
    Logs(tasks::LogsArguments),
    /// Stop a task in order, remove its containers, and end its credentials
    Stop(tasks::StopArguments),
    /// Serve the containers of this host's tasks: credentials of `taskRoleArn`, and metadata
    ///
    /// At 169.254.170.2, as on ECS; the address is added to this host while the command runs, which
    /// takes root. On a loopback address it serves tasks in the host's network only.
    Endpoint(endpoint::EndpointArguments),
}

#[derive(Debug, Args)]
pub(crate) struct DockerHost {
    /// Docker's socket
    #[arg(long = "docker-host", env = "DOCKER_HOST", value_name = "unix://PATH")]
    host: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DockerArguments {
    #[command(flatten)]
    docker: DockerHost,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: TaskCommand) -> Result<ExitCode, Failure> {
    match command {
        TaskCommand::Plan(arguments) => plan::plan(&arguments),
        TaskCommand::Run(arguments) => run::run(&arguments),
        TaskCommand::Ps(arguments) => tasks::list(&arguments),
        TaskCommand::Describe(arguments) => tasks::describe(&arguments),
        TaskCommand::Logs(arguments) => tasks::logs(&arguments),
        TaskCommand::Stop(arguments) => tasks::stop(&arguments),
        TaskCommand::Endpoint(arguments) => endpoint::run(&arguments),
    }
}

impl DockerHost {
    pub(crate) fn connect(&self) -> Result<Docker, Failure> {
        Docker::connect(self.host.as_deref()).map_err(|e| docker_failed(&e.into()))
    }
}

pub(crate) fn docker_failed(error: &LaunchError) -> Failure {
    Failure::new(error.exit_code(), error)
}

pub(crate) fn condition_text(condition: Condition) -> String {
    format!("{condition:?}").to_uppercase()
}
