//! `sealdock bindings`: which containers hold which version of which secret.
//!
//! The broker knows what was put in; Docker knows which containers there still are.
//! A container keeps the values that it was started with, so one that holds an
//! outdated version has to be replaced to get the current one.

use super::broker::{BrokerArguments, block_on, refused};
use super::output::{say, tell};
use super::{Failure, table};
use crate::client::Client;
use crate::launch::{Docker, Listed, RuntimeError};
use crate::protocol::sealdock::Binding;
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct BindingsArguments {
    /// Only bindings whose reference would get another version now; the exit code is 1 if there are any
    #[arg(long)]
    stale: bool,
    /// Also containers that Docker does not have any more
    #[arg(long, conflicts_with = "prune")]
    all: bool,
    /// Forget the containers that Docker does not have any more
    #[arg(long, conflicts_with = "stale")]
    prune: bool,
    /// Docker's socket
    #[arg(long = "docker-host", env = "DOCKER_HOST", value_name = "unix://PATH")]
    docker_host: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    broker: BrokerArguments,
}

/// A binding and the container that Docker has for it.
struct Row {
    binding: Binding,
    container: Option<Listed>,
}

pub(crate) fn run(arguments: &BindingsArguments) -> Result<ExitCode, Failure> {
    let client = arguments.broker.client()?;
    let bindings = block_on(client.list_bindings(None))?.map_err(|e| refused(&e))?;
    let containers = match (block_on(containers(arguments.docker_host.as_deref()))?, arguments.all) {
        (Ok(containers), _) => containers,
        // Without Docker nothing can be said about what is gone, but all about what was put in.
        (Err(error), true) => {
            tell(format_args!("warning: {error}"));
            Vec::new()
        }
        (Err(error), false) => {
            return Err(Failure::new(2, format!("{error}; `--all` lists what is on record without Docker")));
        }
    };
    let rows = bindings.into_iter().map(|binding| {
        let container = containers.iter().find(|c| is_meant(&binding.container_id, c)).cloned();
        Row { binding, container }
    });
    let rows: Vec<Row> = rows.collect();
    if arguments.prune {
        return prune(&client, &rows);
    }
    let shown = rows.iter().filter(|row| arguments.all || row.container.is_some());
    let shown: Vec<&Row> = shown.filter(|row| !arguments.stale || row.binding.is_stale()).collect();
    if arguments.json {
        say(json!({ "bindings": shown.iter().map(|row| as_json(row)).collect::<Vec<_>>() }));
    } else {
        let header = ["CONTAINER", "VARIABLE", "VERSION", "CURRENT", "STATE", "ARN"];
        say(table::render(header, shown.iter().map(|row| as_line(row))));
    }
    let found = arguments.stale && !shown.is_empty();
    Ok(if found { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

async fn containers(docker_host: Option<&str>) -> Result<Vec<Listed>, RuntimeError> {
    Docker::connect(docker_host)?.containers().await
}

/// A binding names the container by Docker's id or, where it was made before there was one, by its name.
fn is_meant(container_id: &str, container: &Listed) -> bool {
    container.id == container_id || container.name == container_id
}

fn prune(client: &Client, rows: &[Row]) -> Result<ExitCode, Failure> {
    let gone = rows.iter().filter(|row| row.container.is_none());
    let mut ids: Vec<String> = gone.map(|row| row.binding.container_id.clone()).collect();
    ids.dedup();
    for some in ids.chunks(1000) {
        block_on(client.forget_bindings(some.to_vec()))?.map_err(|e| refused(&e))?;
    }
    say(format_args!("{} containers forgotten", ids.len()));
    Ok(ExitCode::SUCCESS)
}

fn as_line(row: &Row) -> [String; 6] {
    let Row { binding, container } = row;
    let name = container
        .as_ref()
        .map_or_else(|| binding.container_id.chars().take(12).collect(), |c| c.name.clone());
    [
        name,
        binding.name.clone(),
        binding.version_id.clone(),
        binding.current_version_id.clone().unwrap_or_else(|| "gone".into()),
        container.as_ref().map_or_else(|| "removed".into(), |c| c.state.clone()),
        binding.arn.clone(),
    ]
}

fn as_json(row: &Row) -> serde_json::Value {
    let Row { binding, container } = row;
    json!({
        "containerId": container.as_ref().map_or(&binding.container_id, |c| &c.id),
        "dockerName": container.as_ref().map(|c| &c.name),
        "state": container.as_ref().map_or("removed", |c| c.state.as_str()),
        "taskId": binding.task_id,
        "containerName": binding.container_name,
        "name": binding.name,
        "valueFrom": binding.value_from,
        "arn": binding.arn,
        "versionId": binding.version_id,
        "currentVersionId": binding.current_version_id,
        "stale": binding.is_stale(),
    })
}
