//! `sealdock task`: runs ECS task definitions on Docker.

use super::Failure;
use super::broker::{BrokerArguments, block_on};
use super::output::{say, tell};
use crate::client::Client;
use crate::ecs::definition::Condition;
use crate::ecs::plan::TaskPlan;
use crate::launch::{self, Delivery, Docker, Event, LaunchError, Options, Outcome, OutputStream, PullPolicy};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use source::{DefinitionArguments, HostArguments, Source};
use std::io::Write;
use std::process::ExitCode;

mod endpoint;
mod plan;
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
    Run(Box<RunArguments>),
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
pub(crate) struct RunArguments {
    #[command(flatten)]
    definition: DefinitionArguments,
    #[command(flatten)]
    host: HostArguments,
    /// When images are fetched
    #[arg(long, value_enum, default_value_t = PullArgument::Missing)]
    pull: PullArgument,
    /// How values reach the containers
    #[arg(long, value_enum, default_value_t = DeliveryArgument::Env)]
    delivery: DeliveryArgument,
    /// Leave the task running and print its id
    #[arg(long)]
    detach: bool,
    /// Leave the containers in Docker when the task has ended
    #[arg(long)]
    keep: bool,
    /// Name under which Docker knows the runtime hook
    #[arg(long, default_value = "sealdock", value_name = "NAME")]
    oci_runtime: String,
    /// Cluster name in the task's ARN and labels
    #[arg(long, default_value = "default", value_name = "NAME")]
    cluster: String,
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    broker: BrokerArguments,
    #[command(flatten)]
    docker: DockerHost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DeliveryArgument {
    /// Values stand in Docker's create call, as the ECS agent does it
    Env,
    /// Containers are created with references; the runtime hook replaces them at start
    Runtime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PullArgument {
    /// Before every launch
    Always,
    /// When Docker does not have them
    Missing,
    /// Not at all
    Never,
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
        TaskCommand::Run(arguments) => launch(&arguments),
        TaskCommand::Ps(arguments) => tasks::list(&arguments),
        TaskCommand::Describe(arguments) => tasks::describe(&arguments),
        TaskCommand::Logs(arguments) => tasks::logs(&arguments),
        TaskCommand::Stop(arguments) => tasks::stop(&arguments),
        TaskCommand::Endpoint(arguments) => endpoint::run(&arguments),
    }
}

fn launch(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    let source = arguments.definition.read()?;
    let plan = source.plan()?;
    if !plan.warnings.is_empty() {
        tell(source.render(&plan.warnings));
    }
    let client = arguments.broker.client().map_err(Failure::of_launch)?;
    let docker = arguments.docker.connect()?;
    let options = Options {
        region: client.region().to_owned(),
        cluster: arguments.cluster.clone(),
        delivery: match arguments.delivery {
            DeliveryArgument::Env => Delivery::Env,
            DeliveryArgument::Runtime => Delivery::Runtime,
        },
        oci_runtime: arguments.oci_runtime.clone(),
        keep: arguments.keep,
        detach: arguments.detach,
        pull: match arguments.pull {
            PullArgument::Always => PullPolicy::Always,
            PullArgument::Missing => PullPolicy::Missing,
            PullArgument::Never => PullPolicy::Never,
        },
        ..arguments.host.options()?
    };
    let outcome = block_on(follow(&plan, &options, &client, &docker, &source))??;
    if arguments.json {
        say(outcome_json(&outcome));
    } else if arguments.detach && outcome.stopped_reason.is_none() {
        say(&outcome.task_id);
    } else if let Some(reason) = &outcome.stopped_reason {
        tell(format_args!("task {} stopped: {reason}", outcome.task_id));
    }
    Ok(ExitCode::from(outcome.exit_code()))
}

async fn follow(
    plan: &TaskPlan,
    options: &Options,
    client: &Client,
    docker: &Docker,
    source: &Source,
) -> Result<Outcome, Failure> {
    let (sender, mut events) = tokio::sync::mpsc::channel(1024);
    let mut interrupts =
        launch::interrupts().map_err(|e| Failure::new(2, format!("cannot wait for signals: {e}")))?;
    let shown = async {
        while let Some(event) = events.recv().await {
            // Whoever detaches wants the id; `task logs` has the rest.
            if !(options.detach && matches!(event, Event::Log { .. })) {
                show(&event, source);
            }
        }
    };
    let run = async {
        let outcome = launch::run(plan, options, client, docker, &sender, &mut interrupts).await;
        drop(sender);
        outcome
    };
    let (outcome, ()) = tokio::join!(run, shown);
    outcome.map_err(|e| source.failed(&e))
}

/// Container output goes where the container sent it; what Sealdock says goes to standard error.
fn show(event: &Event, source: &Source) {
    match event {
        Event::Log { container, stream, line } => write_line(container, *stream, line),
        Event::Created { container, docker_name } => {
            tell(format_args!("{container}: created as {docker_name}"))
        }
        Event::Started { container } => tell(format_args!("{container}: started")),
        Event::Healthy { container } => tell(format_args!("{container}: healthy")),
        Event::Exited { container, exit_code } => tell(format_args!("{container}: exited with {exit_code}")),
        Event::Skipped { container, reason } => tell(format_args!("{container}: not started: {reason}")),
        Event::Pulled { image, done, total } => {
            let megabytes = |bytes: u64| bytes / 1_000_000;
            tell(format_args!("pulling {image}: {} of {} MB", megabytes(*done), megabytes(*total)));
        }
        Event::Restarting { container, exit_code } => {
            tell(format_args!("{container}: exited with {exit_code}, starting again"));
        }
        Event::Pulling { image } => tell(format_args!("pulling {image}")),
        Event::Stopping { reason } => tell(format_args!("stopping: {reason}")),
        Event::Waiting { container, on, condition } => {
            tell(format_args!("{container}: waits for {on} {}", condition_text(*condition)));
        }
        Event::Warning(diagnostic) => tell(source.render(std::slice::from_ref(diagnostic))),
    }
}

fn write_line(container: &str, stream: OutputStream, line: &[u8]) {
    let mut bytes = format!("{container} | ").into_bytes();
    bytes.extend_from_slice(line);
    bytes.push(b'\n');
    // A closed pipe is no reason to stop the task.
    let _ = match stream {
        OutputStream::Stdout => std::io::stdout().lock().write_all(&bytes),
        OutputStream::Stderr => std::io::stderr().lock().write_all(&bytes),
    };
}

fn outcome_json(outcome: &Outcome) -> Value {
    let containers = outcome.containers.iter().map(|c| {
        json!({ "name": c.name, "runtimeId": c.docker_id, "dockerName": c.docker_name, "exitCode": c.exit_code })
    });
    json!({
        "taskId": outcome.task_id, "taskArn": outcome.task_arn, "stoppedReason": outcome.stopped_reason,
        "exitCode": outcome.exit_code(), "containers": containers.collect::<Vec<_>>(),
    })
}

impl DockerHost {
    fn connect(&self) -> Result<Docker, Failure> {
        Docker::connect(self.host.as_deref()).map_err(|e| docker_failed(&e.into()))
    }
}

fn docker_failed(error: &LaunchError) -> Failure {
    Failure::new(error.exit_code(), error)
}

fn condition_text(condition: Condition) -> String {
    format!("{condition:?}").to_uppercase()
}
