//! `sealdock task ps`, `describe`, `logs` and `stop`: tasks that Docker knows.

use super::described::{container_status, health, last_status, reason, stopped_reason, task_json};
use super::show::write_line;
use super::{DockerArguments, DockerHost, docker_failed};
use crate::cli::broker::{BrokerArguments, block_on, refused};
use crate::cli::output::{say, tell};
use crate::cli::{Failure, table};
use crate::client::Client;
use crate::launch::supervisor::{self, AskError, Liveness, Request};
use crate::launch::{self, Docker, Event, LaunchError, TaskSummary};
use clap::Args;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct StopArguments {
    /// Task id, or its beginning
    id: String,
    #[command(flatten)]
    broker: BrokerArguments,
    #[command(flatten)]
    docker: DockerHost,
}

#[derive(Debug, Args)]
pub(crate) struct DescribeArguments {
    /// Task id, or its beginning
    id: String,
    #[command(flatten)]
    docker: DockerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// Task id, or its beginning
    id: String,
    /// Only this container
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// Go on until the containers end
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    docker: DockerHost,
}

pub(super) fn list(arguments: &DockerArguments) -> Result<ExitCode, Failure> {
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
                "taskId": t.task_id, "family": t.family, "revision": t.revision, "service": t.service,
                "supervisor": supervision(t).0, "supervisorPid": supervision(t).1,
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
                supervision_text(t),
                c.status.clone(),
                c.docker_name.clone(),
            ]
        })
    });
    let header = ["TASK ID", "FAMILY", "CONTAINER", "DELIVERY", "SUPERVISOR", "STATUS", "DOCKER NAME"];
    say(table::render(header, rows));
    tell_lost(&tasks);
    Ok(ExitCode::SUCCESS)
}

pub(super) fn stop(arguments: &StopArguments) -> Result<ExitCode, Failure> {
    let docker = arguments.docker.connect()?;
    let (task, supervised) = block_on(async {
        let task = launch::find(&docker, &arguments.id).await.map_err(|e| docker_failed(&e))?;
        let supervised = match &task.supervisor {
            Some(directory) if matches!(supervisor::liveness(directory), Liveness::Alive { .. }) => {
                by_supervisor(directory, &task, &docker).await?;
                true
            }
            _ => {
                by_hand(&task, &docker).await?;
                false
            }
        };
        Ok::<_, Failure>((task, supervised))
    })??;
    say(format_args!("stopped {}", task.task_id));
    // A supervisor ends the credentials as well.
    if task.has_role && !supervised {
        let end = |client: Client| block_on(client.end_task(&task.task_id))?.map_err(|e| refused(&e));
        if let Err(failure) = arguments.broker.client().and_then(end) {
            tell(format_args!(
                "its credentials could not be ended: {failure}; a running `sealdock task endpoint` does it by itself"
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The supervisor of a task stops it; that of a service puts another one in its place.
async fn by_supervisor(directory: &Path, task: &TaskSummary, docker: &Docker) -> Result<(), Failure> {
    let request = match &task.service {
        Some(_) => Request::StopTask { task_id: task.task_id.clone() },
        None => Request::Stop,
    };
    match supervisor::ask(directory, &request, |text| tell(text)).await {
        Ok(_) => Ok(()),
        Err(AskError::Failed { code, text }) => Err(Failure::new(code, text)),
        // It ended meanwhile, of itself or by force.
        Err(AskError::Gone(_)) => match launch::find(docker, &task.task_id).await {
            Ok(task) => by_hand(&task, docker).await,
            Err(LaunchError::NoSuchTask { .. }) => Ok(()),
            Err(error) => Err(docker_failed(&error)),
        },
    }
}

async fn by_hand(task: &TaskSummary, docker: &Docker) -> Result<(), Failure> {
    launch::stop(docker, task).await.map_err(|e| docker_failed(&e))?;
    if let Some(directory) = task.supervisor.as_ref().filter(|_| task.service.is_none()) {
        supervisor::forget(directory);
    }
    Ok(())
}

/// Who looks after a task: a process, nobody any more though it runs, or nobody because it has ended.
pub(crate) fn supervision(task: &TaskSummary) -> (&'static str, Option<u32>) {
    let runs = task.containers.iter().any(|c| c.state == "running");
    match task.supervisor.as_deref().map(supervisor::liveness) {
        Some(Liveness::Alive { pid }) => ("ALIVE", Some(pid)),
        Some(Liveness::Unknown) => ("UNKNOWN", None),
        Some(Liveness::Gone) | None if runs => ("LOST", None),
        Some(Liveness::Gone) | None => ("ENDED", None),
    }
}

fn supervision_text(task: &TaskSummary) -> String {
    let (status, pid) = supervision(task);
    pid.map_or_else(|| status.to_lowercase(), |pid| pid.to_string())
}

/// What nobody looks after has to be known: restart policies and essential containers do nothing there.
fn tell_lost(tasks: &[TaskSummary]) {
    for task in tasks.iter().filter(|task| supervision(task).0 == "LOST") {
        let remedy = match &task.service {
            Some(name) => format!(
                "`sealdock service run --name {name} FILE` takes it over, `sealdock service stop {name}` ends it"
            ),
            None => format!("`sealdock task stop {}` ends it", task.task_id),
        };
        tell(format_args!(
            "warning: task {} runs without a supervisor (the process was killed): its restart policies and \
             essential containers have no effect; {remedy}",
            task.task_id
        ));
    }
}

pub(super) fn describe(arguments: &DescribeArguments) -> Result<ExitCode, Failure> {
    let docker = arguments.docker.docker.connect()?;
    let described = block_on(async {
        let task = launch::find(&docker, &arguments.id).await?;
        let containers = launch::describe(&docker, &task).await?;
        Ok((task, containers))
    })?;
    let (task, containers) = described.map_err(|e| docker_failed(&e))?;
    if arguments.docker.json {
        say(task_json(&task, &containers));
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!(
        "task {} ({}:{}), {}, supervisor {}",
        task.task_id,
        task.family,
        task.revision,
        last_status(&containers),
        supervision_text(&task)
    ));
    if let Some(reason) = stopped_reason(&task) {
        say(format_args!("stopped: {reason}"));
    }
    tell_lost(std::slice::from_ref(&task));
    let rows = containers.iter().map(|c| {
        let ports = c
            .inspection
            .ports
            .iter()
            .map(|p| format!("{}:{}->{}/{}", p.host_address, p.host_port, p.container_port, p.protocol));
        [
            c.summary.name.clone(),
            container_status(c).to_owned(),
            health(c).to_owned(),
            c.inspection.exit_code.map(|code| code.to_string()).unwrap_or_default(),
            ports.collect::<Vec<_>>().join(" "),
            reason(c).unwrap_or_default(),
        ]
    });
    say(table::render(["CONTAINER", "STATUS", "HEALTH", "EXIT", "PORTS", "REASON"], rows));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn logs(arguments: &LogsArguments) -> Result<ExitCode, Failure> {
    let docker = arguments.docker.connect()?;
    let read = block_on(async {
        let task = launch::find(&docker, &arguments.id).await?;
        let (sender, mut events) = tokio::sync::mpsc::channel(1024);
        let container = arguments.container.as_deref();
        if let Some(name) = container.filter(|name| !task.containers.iter().any(|c| c.name == **name)) {
            return Ok(Err(Failure::new(119, format!("the task has no container `{name}`"))));
        }
        let read = async {
            let read = launch::logs(&docker, &task, container, arguments.follow, &sender).await;
            drop(sender);
            read
        };
        let shown = async {
            while let Some(event) = events.recv().await {
                if let Event::Log { container, stream, line } = event {
                    write_line(&container, stream, &line);
                }
            }
        };
        let (read, ()) = tokio::join!(read, shown);
        read.map(Ok)
    })?;
    read.map_err(|e| docker_failed(&e))??;
    Ok(ExitCode::SUCCESS)
}
