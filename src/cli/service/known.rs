//! `sealdock service list`, `ps`, `redeploy` and `stop`: services that run, and what is left of others.
//!
//! A service is known by its supervisor's directory and by the labels of its tasks. What a
//! killed supervisor has left is `LOST`: its tasks run, nobody replaces them, and nobody
//! listens on its ports.

use crate::cli::broker::{BrokerArguments, block_on, refused};
use crate::cli::output::{say, tell};
use crate::cli::task::{DockerHost, docker_failed};
use crate::cli::{Failure, table};
use crate::launch::supervisor::{self, AskError, Kind, Liveness, Request};
use crate::launch::{self, Docker, TaskSummary, service};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::ExitCode;

/// As for a task that does not exist.
const NO_SUCH_SERVICE: u8 = 119;

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    docker: DockerHost,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PsArguments {
    /// Only this service
    name: Option<String>,
    #[command(flatten)]
    docker: DockerHost,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RedeployArguments {
    /// Name of the service
    name: String,
    /// Only if a container of the service holds an outdated version of a secret or parameter
    #[arg(long)]
    when_stale: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    broker: BrokerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct StopArguments {
    /// Name of the service
    name: String,
    #[command(flatten)]
    docker: DockerHost,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A service as it is found.
struct Found {
    name: String,
    liveness: Liveness,
    /// What its supervisor says.
    status: Option<Value>,
    tasks: Vec<TaskSummary>,
}

impl Found {
    fn state(&self) -> &'static str {
        match self.liveness {
            Liveness::Unknown => "UNKNOWN",
            Liveness::Gone => "LOST",
            Liveness::Alive { .. } => match &self.status {
                None => "UNKNOWN",
                Some(status) if status.get("deploying") == Some(&Value::Bool(true)) => "DEPLOYING",
                Some(status) if status.get("readyCount") == status.get("desiredCount") => "READY",
                Some(_) => "DEGRADED",
            },
        }
    }

    fn said(&self, name: &str) -> Value {
        self.status.as_ref().and_then(|s| s.get(name)).cloned().unwrap_or(Value::Null)
    }

    /// What the supervisor says about a task.
    fn of_task(&self, task: &TaskSummary) -> String {
        let said = self.said("tasks");
        let one = said
            .as_array()
            .into_iter()
            .flatten()
            .find(|t| t.get("taskId").and_then(Value::as_str) == Some(&task.task_id));
        let status = one.and_then(|t| t.get("status")).and_then(Value::as_str);
        status.unwrap_or(if self.liveness == Liveness::Gone { "LOST" } else { "STOPPING" }).to_owned()
    }

    fn pid(&self) -> Option<u32> {
        match self.liveness {
            Liveness::Alive { pid } => Some(pid),
            _ => None,
        }
    }
}

async fn find(docker: &Docker) -> Result<Vec<Found>, Failure> {
    let tasks = launch::list(docker).await.map_err(|e| docker_failed(&e))?;
    let mut names: BTreeSet<String> = supervisor::names(Kind::Service).into_iter().collect();
    names.extend(tasks.iter().filter_map(|task| task.service.clone()));
    let mut found = Vec::new();
    for name in names {
        let own: Vec<TaskSummary> =
            tasks.iter().filter(|task| task.service.as_deref() == Some(&name)).cloned().collect();
        let labelled = own.iter().find_map(|task| task.supervisor.clone());
        let directory = labelled.unwrap_or_else(|| supervisor::directory(Kind::Service, &name));
        let liveness = supervisor::liveness(&directory);
        let status = match liveness {
            Liveness::Alive { .. } => supervisor::ask(&directory, &Request::Status, |_| ()).await.ok(),
            _ => None,
        };
        // A directory without a process and without tasks is no service.
        if liveness == Liveness::Gone && own.is_empty() {
            supervisor::forget(&directory);
            continue;
        }
        found.push(Found { name, liveness, status, tasks: own });
    }
    Ok(found)
}

fn tell_lost(found: &[Found]) {
    for service in found.iter().filter(|s| s.liveness == Liveness::Gone) {
        let name = &service.name;
        tell(format_args!(
            "warning: the supervisor of the service {name} was killed: nobody replaces its tasks or listens on its ports; \
             `sealdock service run --name {name} FILE` takes them over, `sealdock service stop {name}` ends them"
        ));
    }
}

pub(super) fn list(arguments: &ListArguments) -> Result<ExitCode, Failure> {
    let docker = arguments.docker.connect()?;
    let found = block_on(find(&docker))??;
    if arguments.json {
        let services = found.iter().map(|s| {
            json!({
                "service": s.name, "state": s.state(), "supervisorPid": s.pid(), "desiredCount": s.said("desiredCount"),
                "readyCount": s.said("readyCount"), "ports": s.said("ports"), "lastFailure": s.said("lastFailure"),
                "taskIds": s.tasks.iter().map(|t| &t.task_id).collect::<Vec<_>>(),
            })
        });
        say(Value::from(services.collect::<Vec<_>>()));
        return Ok(ExitCode::SUCCESS);
    }
    let text = |value: Value| if value.is_null() { "-".to_owned() } else { value.to_string() };
    let rows = found.iter().map(|s| {
        let ports = s.said("ports");
        let ports =
            ports.as_array().into_iter().flatten().filter_map(|p| p.get("hostPort")).map(Value::to_string);
        [
            s.name.clone(),
            s.state().to_owned(),
            format!("{}/{}", text(s.said("readyCount")), text(s.said("desiredCount"))),
            s.pid().map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            ports.collect::<Vec<_>>().join(" "),
        ]
    });
    say(table::render(["SERVICE", "STATE", "READY", "SUPERVISOR", "PORTS"], rows));
    tell_lost(&found);
    Ok(ExitCode::SUCCESS)
}

pub(super) fn tasks(arguments: &PsArguments) -> Result<ExitCode, Failure> {
    let docker = arguments.docker.connect()?;
    let mut found = block_on(find(&docker))??;
    if let Some(name) = &arguments.name {
        found.retain(|s| s.name == *name);
        if found.is_empty() {
            return Err(no_such_service(name));
        }
    }
    let tasks = found.iter().flat_map(|s| s.tasks.iter().map(move |t| (s, t)));
    if arguments.json {
        let tasks = tasks.map(|(s, t)| {
            let containers = t
                .containers
                .iter()
                .map(|c| json!({ "name": c.name, "state": c.state, "runtimeId": c.docker_id }));
            json!({
                "service": s.name, "taskId": t.task_id, "status": s.of_task(t),
                "containers": containers.collect::<Vec<_>>(),
            })
        });
        say(Value::from(tasks.collect::<Vec<_>>()));
        return Ok(ExitCode::SUCCESS);
    }
    let rows = tasks.map(|(s, t)| {
        let containers = t.containers.iter().map(|c| format!("{}: {}", c.name, c.status));
        [s.name.clone(), t.task_id.clone(), s.of_task(t), containers.collect::<Vec<_>>().join(", ")]
    });
    say(table::render(["SERVICE", "TASK ID", "STATUS", "CONTAINERS"], rows));
    tell_lost(&found);
    Ok(ExitCode::SUCCESS)
}

pub(super) fn redeploy(arguments: &RedeployArguments) -> Result<ExitCode, Failure> {
    let name = &arguments.name;
    let directory = supervisor::directory(Kind::Service, name);
    let ask = |request| block_on(async { supervisor::ask(&directory, &request, |text| tell(text)).await });
    if arguments.when_stale {
        let status = ask(Request::Status)?.map_err(|e| failed(name, e))?;
        let stale = stale(&arguments.broker, &status)?;
        if stale.is_empty() {
            if arguments.json {
                say(json!({ "service": name, "redeployed": false }));
            } else {
                tell(format_args!(
                    "every container of the service {name} holds current versions; nothing is replaced"
                ));
            }
            return Ok(ExitCode::SUCCESS);
        }
        tell(format_args!("outdated: {}", stale.join(", ")));
    }
    let status = ask(Request::Redeploy)?.map_err(|e| failed(name, e))?;
    if arguments.json {
        say(json!({ "service": name, "redeployed": true, "status": status }));
    } else {
        say(format_args!("redeployed {name}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The variables of the service's containers that hold an outdated version.
fn stale(broker: &BrokerArguments, status: &Value) -> Result<Vec<String>, Failure> {
    let client = broker.client().map_err(Failure::of_launch)?;
    let bindings = block_on(client.list_bindings(None))?.map_err(|e| refused(&e).of_launch())?;
    let tasks = status.get("tasks").and_then(Value::as_array);
    let ids: Vec<&str> = tasks.into_iter().flatten().filter_map(|t| t.get("taskId")?.as_str()).collect();
    let stale = bindings.iter().filter(|b| b.is_stale() && ids.contains(&b.task_id.as_str()));
    let mut names: Vec<String> = stale.map(|b| format!("{} ({})", b.name, b.arn)).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

fn failed(name: &str, error: AskError) -> Failure {
    match error {
        AskError::Failed { code, text } => Failure::new(code, text),
        AskError::Gone(_) => no_such_service(name),
    }
}

fn no_such_service(name: &str) -> Failure {
    let text = format!(
        "no supervisor of a service `{name}` answers on this host; `sealdock service list` shows what is there"
    );
    Failure::new(NO_SUCH_SERVICE, text)
}

pub(super) fn stop(arguments: &StopArguments) -> Result<ExitCode, Failure> {
    let (name, docker) = (&arguments.name, arguments.docker.connect()?);
    let stopped = block_on(async {
        let left = async || service::left(&docker, name).await.map_err(|e| docker_failed(&e));
        let labelled = left().await?.iter().find_map(|task| task.supervisor.clone());
        let directory = labelled.unwrap_or_else(|| supervisor::directory(Kind::Service, name));
        let asked = match supervisor::liveness(&directory) {
            Liveness::Gone => false,
            _ => match supervisor::ask(&directory, &Request::Stop, |text| tell(text)).await {
                Ok(_) => true,
                Err(AskError::Failed { code, text }) => return Err(Failure::new(code, text)),
                Err(AskError::Gone(_)) => false,
            },
        };
        let left = left().await?;
        for task in &left {
            launch::stop(&docker, task).await.map_err(|e| docker_failed(&e))?;
        }
        supervisor::forget(&directory);
        Ok(asked || !left.is_empty())
    })??;
    if !stopped {
        return Err(no_such_service(name));
    }
    if arguments.json {
        say(json!({ "service": name, "stopped": true }));
    } else {
        say(format_args!("stopped {name}"));
    }
    Ok(ExitCode::SUCCESS)
}
