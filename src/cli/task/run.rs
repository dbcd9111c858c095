//! `sealdock task run`: a task from its file to its end.
//!
//! The process that runs the task is its supervisor, in the foreground or detached: it
//! starts containers by `dependsOn`, restarts them by their policy, ends the task with its
//! essential containers, and takes the requests of `task stop`. A detached task that has
//! ended leaves its containers to `task describe` and `task logs` for as long as the ECS
//! agent does (`ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION`, three hours), or until `task stop`.

use super::show::{outcome_json, show};
use super::source::{DefinitionArguments, HostArguments, Source};
use super::{DockerHost, docker_failed};
use crate::cli::broker::{BrokerArguments, block_on};
use crate::cli::output::{say, tell};
use crate::cli::{Failure, detach};
use crate::client::Client;
use crate::ecs::plan::TaskPlan;
use crate::launch::supervisor::{self, Control, Kind, Replies, Request, Supervisor};
use crate::launch::{self, Delivery, Docker, Event, Interrupt, LaunchError, Options, Outcome, PullPolicy};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long the containers of a detached task stay when it has ended.
const KEPT: Duration = Duration::from_secs(3 * 60 * 60);
/// How often it is looked whether somebody else has removed them.
const GONE_POLL: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    definition: DefinitionArguments,
    #[command(flatten)]
    launch: LaunchArguments,
    /// Print the id once every container has started, and leave the task to a process of its own
    #[arg(long)]
    detach: bool,
    /// Leave the containers in Docker when the task has ended
    #[arg(long)]
    keep: bool,
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
}

/// How tasks are launched.
#[derive(Debug, Args)]
pub(crate) struct LaunchArguments {
    #[command(flatten)]
    host: HostArguments,
    /// When images are fetched
    #[arg(long, value_enum, default_value_t = PullArgument::Missing)]
    pull: PullArgument,
    /// How values reach the containers
    #[arg(long, value_enum, default_value_t = DeliveryArgument::Env)]
    delivery: DeliveryArgument,
    /// Name under which Docker knows the runtime hook
    #[arg(long, default_value = "sealdock", value_name = "NAME")]
    oci_runtime: String,
    /// Cluster name in the task's ARN and labels
    #[arg(long, default_value = "default", value_name = "NAME")]
    cluster: String,
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

impl LaunchArguments {
    pub(crate) fn docker(&self) -> Result<Docker, Failure> {
        self.docker.connect()
    }

    pub(crate) fn client(&self) -> Result<Client, Failure> {
        self.broker.client().map_err(Failure::of_launch)
    }

    pub(crate) fn options(&self, client: &Client) -> Result<Options, Failure> {
        Ok(Options {
            region: client.region().to_owned(),
            cluster: self.cluster.clone(),
            delivery: match self.delivery {
                DeliveryArgument::Env => Delivery::Env,
                DeliveryArgument::Runtime => Delivery::Runtime,
            },
            oci_runtime: self.oci_runtime.clone(),
            pull: match self.pull {
                PullArgument::Always => PullPolicy::Always,
                PullArgument::Missing => PullPolicy::Missing,
                PullArgument::Never => PullPolicy::Never,
            },
            ..self.host.options()?
        })
    }
}

pub(super) fn run(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    if let Some(code) = detach::begin(arguments.detach)? {
        return Ok(code);
    }
    let (source, plan) = arguments.definition.plan()?;
    let client = arguments.launch.client()?;
    let docker = arguments.launch.docker()?;
    let options = arguments.launch.options(&client)?;
    supervisor::forget_older(Kind::Task, KEPT);
    let supervisor = Supervisor::begin(Kind::Task, &options.task_id).map_err(|e| Failure::new(2, e))?;
    let options = Options {
        keep: arguments.keep || arguments.detach,
        supervisor: Some(supervisor.directory().to_owned()),
        ..options
    };
    let mut task =
        Task { arguments, plan: &plan, options: &options, docker: &docker, source: &source, supervisor };
    let ended = block_on(task.run(&client));
    task.supervisor.remove();
    ended?
}

struct Task<'a> {
    arguments: &'a RunArguments,
    plan: &'a TaskPlan,
    options: &'a Options,
    docker: &'a Docker,
    source: &'a Source,
    supervisor: Supervisor,
}

impl Task<'_> {
    async fn run(&mut self, client: &Client) -> Result<ExitCode, Failure> {
        let mut control = self.supervisor.control().map_err(|e| Failure::new(2, e))?;
        let mut stops = Vec::new();
        let (ended, detached) = self.follow(client, &mut control, &mut stops).await?;
        let reason = match &ended {
            Ok(outcome) => outcome.stopped_reason.clone().unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        self.supervisor.stopped(&reason);
        if !self.arguments.keep || !stops.is_empty() {
            if detached && stops.is_empty() {
                tell(format_args!("task {} stopped: {reason}", self.options.task_id));
                self.linger(&mut control, &mut stops).await;
            }
            self.remove().await.map_err(|e| docker_failed(&e))?;
        }
        for mut stop in stops {
            stop.done(json!({ "stoppedReason": reason })).await;
        }
        let outcome = ended.map_err(|e| self.source.failed(&e))?;
        if self.arguments.json && !detached {
            say(outcome_json(&outcome));
        } else if !detached {
            tell(format_args!("task {} stopped: {reason}", outcome.task_id));
        }
        Ok(ExitCode::from(outcome.exit_code()))
    }

    /// Runs the task to its end, showing what happens; says whether it went on alone.
    async fn follow(
        &self,
        client: &Client,
        control: &mut Control,
        stops: &mut Vec<Replies>,
    ) -> Result<(Result<Outcome, LaunchError>, bool), Failure> {
        let (sender, mut events) = mpsc::channel(1024);
        let mut signals =
            launch::interrupts().map_err(|e| Failure::new(2, format!("cannot wait for signals: {e}")))?;
        let (interrupter, mut interrupts) = mpsc::channel(4);
        let asked = async {
            loop {
                let interrupt = tokio::select! {
                    Some(signal) = signals.recv() => signal,
                    (request, mut replies) = control.next() => match request {
                        Request::Stop => {
                            stops.push(replies);
                            // Asked twice, it would not wait for the containers.
                            if stops.len() > 1 { continue }
                            Interrupt::Stop
                        }
                        _ => {
                            replies.failed(2, "this is the supervisor of a task, not of a service").await;
                            continue;
                        }
                    },
                };
                let _ = interrupter.send(interrupt).await;
            }
        };
        let shown = async {
            let mut detached = false;
            while let Some(event) = events.recv().await {
                match &event {
                    Event::Running(outcome) if self.arguments.detach => {
                        detached = self.go_on_alone(outcome)?
                    }
                    // Whoever detaches wants the id; `task logs` has the rest.
                    Event::Log { .. } if self.arguments.detach => {}
                    event => show(event, self.source),
                }
            }
            Ok(detached)
        };
        let run = async {
            let ended =
                launch::run(self.plan, self.options, client, self.docker, &sender, &mut interrupts).await;
            drop(sender);
            ended
        };
        tokio::select! {
            (ended, detached) = async { tokio::join!(run, shown) } => Ok((ended, detached?)),
            () = asked => Err(Failure::new(2, "nobody can stop this task any more")),
        }
    }

    fn go_on_alone(&self, outcome: &Outcome) -> Result<bool, Failure> {
        if self.arguments.json {
            say(outcome_json(outcome));
        } else {
            say(&outcome.task_id);
        }
        let log = self.supervisor.log().map_err(|e| Failure::new(2, e))?;
        detach::ready(&log)?;
        Ok(true)
    }

    /// Waits until the containers of an ended task are not wanted any more.
    async fn linger(&self, control: &mut Control, stops: &mut Vec<Replies>) {
        let mut end = std::pin::pin!(tokio::time::sleep(KEPT));
        loop {
            tokio::select! {
                () = &mut end => return,
                (request, mut replies) = control.next() => match request {
                    Request::Stop => {
                        stops.push(replies);
                        return;
                    }
                    _ => replies.failed(2, "this is the supervisor of a task, not of a service").await,
                },
                () = tokio::time::sleep(GONE_POLL) => {
                    let found = launch::find(self.docker, &self.options.task_id).await;
                    if let Err(LaunchError::NoSuchTask { .. }) = found {
                        return;
                    }
                }
            }
        }
    }

    async fn remove(&self) -> Result<(), LaunchError> {
        match launch::find(self.docker, &self.options.task_id).await {
            Ok(task) => launch::stop(self.docker, &task).await,
            // The launch itself removes what it made before it failed; others may have removed containers.
            Err(LaunchError::NoSuchTask { .. }) => {
                launch::forget(&self.options.task_id).await;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}
