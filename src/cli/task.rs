//! `sealdock task`: runs ECS task definitions on Docker.

use super::broker::{BrokerArguments, block_on};
use super::output::{say, tell};
use super::{Failure, table};
use crate::client::Client;
use crate::diagnostic::{Diagnostic, line_column, render_all};
use crate::ecs::definition::{Condition, SecretBinding};
use crate::ecs::plan::{ContainerPlan, TaskPlan};
use crate::launch::{self, Delivery, Docker, Event, LaunchError, Options, Outcome, OutputStream};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Check a task definition and show what a launch would do; nothing is started
    Plan(PlanArguments),
    /// Run a task definition: resolve every reference, then create and start its containers
    ///
    /// The exit code is that of the essential container that ended the task. Failures
    /// of the launch itself: 2 invalid task definition, 120 references not resolved or
    /// refused, 121 broker unreachable, 122 Docker unreachable, 123 image missing, 124
    /// container not created or started, 130 and 143 stopped by a signal.
    Run(Box<RunArguments>),
    /// List the tasks that Docker has containers of
    Ps(DockerArguments),
    /// Stop a task in order and remove its containers
    Stop(StopArguments),
}

#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    /// Task definition (JSON); `-` is standard input
    file: PathBuf,
    /// Also ask the broker whether every reference resolves, as the execution role; no value is shown
    #[arg(long)]
    resolve: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    broker: BrokerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Task definition (JSON); `-` is standard input
    file: PathBuf,
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

#[derive(Debug, Args)]
pub(crate) struct StopArguments {
    /// Task id, or its beginning
    id: String,
    #[command(flatten)]
    docker: DockerHost,
}

pub(crate) fn run(command: TaskCommand) -> Result<ExitCode, Failure> {
    match command {
        TaskCommand::Plan(arguments) => plan(&arguments),
        TaskCommand::Run(arguments) => launch(&arguments),
        TaskCommand::Ps(arguments) => list(&arguments),
        TaskCommand::Stop(arguments) => stop(&arguments),
    }
}

/// A task definition and its text, to show places in.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn read(path: &Path) -> Result<Self, Failure> {
        let mut text = String::new();
        let read = if path.as_os_str() == "-" {
            std::io::stdin().read_to_string(&mut text).map(|_| ())
        } else {
            std::fs::read_to_string(path).map(|content| text = content)
        };
        let path = path.display().to_string();
        read.map_err(|e| Failure::new(2, format!("cannot read `{path}`: {e}")))?;
        Ok(Self { path, text })
    }

    fn plan(&self) -> Result<TaskPlan, Failure> {
        let invalid = |found: Vec<Diagnostic>| Failure::new(2, self.render(&found));
        crate::ecs::parse(&self.text).map_err(invalid)?.plan().map_err(invalid)
    }

    fn render(&self, diagnostics: &[Diagnostic]) -> String {
        render_all(diagnostics, &self.path, &self.text)
    }

    fn failed(&self, error: &LaunchError) -> Failure {
        let found = error.diagnostics();
        let text = if found.is_empty() {
            error.to_string()
        } else {
            format!("{}\n\nerror: {error}", self.render(found))
        };
        Failure::new(error.exit_code(), text)
    }
}

fn plan(arguments: &PlanArguments) -> Result<ExitCode, Failure> {
    let source = Source::read(&arguments.file)?;
    let plan = source.plan()?;
    let mut warnings = plan.warnings.clone();
    if arguments.resolve {
        let client = arguments.broker.client().map_err(Failure::of_launch)?;
        let options = Options { region: client.region().to_owned(), ..Options::default() };
        let checked = block_on(launch::check(&plan, &options, &client))?;
        warnings.extend(checked.map_err(|e| source.failed(&e))?);
    }
    if arguments.json {
        say(plan_json(&plan, &warnings, &source, arguments.resolve));
    } else {
        show_plan(&plan, arguments.resolve);
        if !warnings.is_empty() {
            tell(source.render(&warnings));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show_plan(plan: &TaskPlan, resolved: bool) {
    let role = plan.execution_role.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
    say(format_args!("task {}, execution role {role}", plan.family));
    for container in &plan.containers {
        let essential = if container.essential { "essential" } else { "not essential" };
        say(format_args!("  container {} ({essential}), image {}", container.name, container.settings.image));
        for (name, condition) in &container.depends_on {
            say(format_args!("    waits for {name} {}", condition_text(*condition)));
        }
        for (kind, binding) in references(container) {
            say(format_args!("    {kind} {} <- {}", binding.name, binding.text));
        }
    }
    let calls = plan.reads.secrets.len() + plan.reads.parameters.len();
    say(format_args!("{} references, {calls} reads from the broker", plan.bindings().count()));
    if resolved {
        say("every reference resolves");
    }
}

fn references(container: &ContainerPlan) -> impl Iterator<Item = (&'static str, &SecretBinding)> {
    let options = container.log.iter().flat_map(|log| &log.secret_options);
    container.secrets.iter().map(|b| ("variable", b)).chain(options.map(|b| ("log option", b)))
}

fn plan_json(plan: &TaskPlan, warnings: &[Diagnostic], source: &Source, resolved: bool) -> Value {
    let containers = plan.containers.iter().map(|container| {
        let references = references(container).map(|(kind, binding)| {
            json!({ "kind": kind, "name": binding.name, "valueFrom": binding.text })
        });
        json!({
            "name": container.name, "image": container.settings.image, "essential": container.essential,
            "dependsOn": container.depends_on.iter()
                .map(|(name, c)| json!({ "containerName": name, "condition": condition_text(*c) })).collect::<Vec<_>>(),
            "references": references.collect::<Vec<_>>(),
        })
    });
    let warnings = warnings.iter().map(|w| {
        let place = w.primary.as_ref().map(|label| line_column(&source.text, label.span.start));
        json!({
            "code": w.code, "message": w.message, "line": place.map(|p| p.0), "column": place.map(|p| p.1),
            "help": w.help,
        })
    });
    json!({
        "family": plan.family, "executionRoleArn": plan.execution_role.as_ref().map(ToString::to_string),
        "containers": containers.collect::<Vec<_>>(), "reads": plan.reads.secrets.len() + plan.reads.parameters.len(),
        "resolved": resolved, "warnings": warnings.collect::<Vec<_>>(),
    })
}

fn condition_text(condition: Condition) -> String {
    format!("{condition:?}").to_uppercase()
}

fn launch(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    let source = Source::read(&arguments.file)?;
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
        ..Options::default()
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
            show(&event, source);
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
        Event::Log { container, stream, line } => {
            let mut bytes = format!("{container} | ").into_bytes();
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
            // A closed pipe is no reason to stop the task.
            let _ = match stream {
                OutputStream::Stdout => std::io::stdout().lock().write_all(&bytes),
                OutputStream::Stderr => std::io::stderr().lock().write_all(&bytes),
            };
        }
        Event::Created { container, docker_name } => {
            tell(format_args!("{container}: created as {docker_name}"))
        }
        Event::Started { container } => tell(format_args!("{container}: started")),
        Event::Healthy { container } => tell(format_args!("{container}: healthy")),
        Event::Exited { container, exit_code } => tell(format_args!("{container}: exited with {exit_code}")),
        Event::Skipped { container, reason } => tell(format_args!("{container}: not started: {reason}")),
        Event::Pulling { image } => tell(format_args!("pulling {image}")),
        Event::Stopping { reason } => tell(format_args!("stopping: {reason}")),
        Event::Waiting { container, on, condition } => {
            tell(format_args!("{container}: waits for {on} {}", condition_text(*condition)));
        }
        Event::Warning(diagnostic) => tell(source.render(std::slice::from_ref(diagnostic))),
    }
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

fn list(arguments: &DockerArguments) -> Result<ExitCode, Failure> {
    let docker = arguments.docker.connect()?;
    let tasks = block_on(launch::list(&docker))?.map_err(|e| docker_failed(&e))?;
    if arguments.json {
        let tasks = tasks.iter().map(|t| {
            let containers = t.containers.iter().map(|c| {
                json!({
                    "name": c.name, "runtimeId": c.docker_id, "dockerName": c.docker_name, "image": c.image,
                    "state": c.state, "essential": c.essential, "delivery": c.delivery,
                })
            });
            json!({
                "taskId": t.task_id, "family": t.family, "revision": t.revision,
                "containers": containers.collect::<Vec<_>>(),
            })
        });
        say(Value::from(tasks.collect::<Vec<_>>()));
        return Ok(ExitCode::SUCCESS);
    }
    let rows = tasks.iter().flat_map(|t| {
        t.containers.iter().map(|c| {
            [
                t.task_id.clone(),
                t.family.clone(),
                c.name.clone(),
                c.delivery.clone(),
                c.status.clone(),
                c.docker_name.clone(),
            ]
        })
    });
    say(table::render(["TASK ID", "FAMILY", "CONTAINER", "DELIVERY", "STATUS", "DOCKER NAME"], rows));
    Ok(ExitCode::SUCCESS)
}

fn stop(arguments: &StopArguments) -> Result<ExitCode, Failure> {
    let docker = arguments.docker.connect()?;
    let task = block_on(launch::stop(&docker, &arguments.id))?.map_err(|e| docker_failed(&e))?;
    say(format_args!("stopped {}", task.task_id));
    Ok(ExitCode::SUCCESS)
}
