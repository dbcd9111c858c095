//! Tasks that Docker knows: [`list`], [`describe`], [`logs`] and [`stop`], from labels
//! alone. What a launcher that crashed has left behind is found here as well.

use super::cgroup;
use super::error::LaunchError;
use super::events::Event;
use super::identity::{
    ARN_LABEL, CLUSTER_LABEL, CONTAINER_LABEL, DELIVERY_LABEL, ESSENTIAL_LABEL, FAMILY_LABEL, LEVEL_LABEL,
    REVISION_LABEL, ROLE_LABEL, SERVICE_LABEL, SUPERVISOR_LABEL, TASK_LABEL, VOLUMES_LABEL,
};
use super::logs::follow_all;
use super::pause;
use super::runtime::{ContainerRuntime, Inspection, Listed};
use super::supervise;
use futures_util::future::try_join_all;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// A task that has containers in Docker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSummary {
    /// Its id.
    pub task_id: String,
    /// Family of the task definition.
    pub family: String,
    /// Revision of the task definition.
    pub revision: String,
    /// In ECS's form.
    pub task_arn: String,
    /// Name of the cluster.
    pub cluster: String,
    /// Whether its containers were given credentials of a role.
    pub has_role: bool,
    /// Directory of its supervisor.
    pub supervisor: Option<PathBuf>,
    /// The service that it belongs to.
    pub service: Option<String>,
    /// Its containers, in start order.
    pub containers: Vec<ContainerSummary>,
}

/// A container of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSummary {
    /// Its name within the task.
    pub name: String,
    /// Docker id.
    pub docker_id: String,
    /// Docker name.
    pub docker_name: String,
    /// The image as it was named.
    pub image: String,
    /// `created`, `running`, `exited`, ...
    pub state: String,
    /// The state in words.
    pub status: String,
    /// Whether the task ends when it ends.
    pub essential: bool,
    /// `env` or `runtime`.
    pub delivery: String,
    level: usize,
    volumes: Vec<String>,
}

impl ContainerSummary {
    /// Whether it only holds the task's namespaces.
    pub fn is_pause(&self) -> bool {
        self.name == pause::NAME
    }
}

impl TaskSummary {
    /// The ARN of one of its containers, in ECS's form.
    pub fn container_arn(&self, docker_id: &str) -> Option<String> {
        let (prefix, _) = self.task_arn.split_once(":task/")?;
        let part = |from: usize, to: usize| docker_id.get(from..to);
        let uuid = [part(0, 8)?, part(8, 12)?, part(12, 16)?, part(16, 20)?, part(20, 32)?].join("-");
        Some(format!("{prefix}:container/{}/{}/{uuid}", self.cluster, self.task_id))
    }
}

/// The tasks, by id.
///
/// # Errors
/// If Docker cannot be asked.
pub async fn list<R: ContainerRuntime>(runtime: &R) -> Result<Vec<TaskSummary>, LaunchError> {
    let mut tasks: BTreeMap<String, TaskSummary> = BTreeMap::new();
    for listed in runtime.list(TASK_LABEL).await? {
        let label = |name: &str| listed.labels.get(name).cloned().unwrap_or_default();
        let task_id = label(TASK_LABEL);
        let task = tasks.entry(task_id.clone()).or_insert_with(|| TaskSummary {
            task_id,
            family: label(FAMILY_LABEL),
            revision: label(REVISION_LABEL),
            task_arn: label(ARN_LABEL),
            cluster: label(CLUSTER_LABEL),
            has_role: false,
            supervisor: listed.labels.get(SUPERVISOR_LABEL).map(PathBuf::from),
            service: listed.labels.get(SERVICE_LABEL).cloned(),
            containers: Vec::new(),
        });
        task.has_role |= listed.labels.contains_key(ROLE_LABEL);
        task.containers.push(summary(&listed));
    }
    let mut tasks: Vec<_> = tasks.into_values().collect();
    for task in &mut tasks {
        task.containers.sort_by(|a, b| (a.level, &a.name).cmp(&(b.level, &b.name)));
    }
    Ok(tasks)
}

/// Stops a task in order and removes its containers and volumes. If it has a supervisor,
/// that has to do it: see [`super::supervisor::ask`].
///
/// # Errors
/// If Docker fails.
pub async fn stop<R: ContainerRuntime>(runtime: &R, task: &TaskSummary) -> Result<(), LaunchError> {
    let top = task.containers.iter().map(|c| c.level).max().unwrap_or(0);
    for level in (0..=top).rev() {
        let running = task.containers.iter().filter(|c| c.level == level && c.state == "running");
        try_join_all(running.map(|c| supervise::stop(runtime, &c.docker_id))).await?;
    }
    for container in task.containers.iter().rev() {
        runtime.remove(&container.docker_id).await?;
    }
    let mut volumes: Vec<&String> = task.containers.iter().flat_map(|c| &c.volumes).collect();
    volumes.sort();
    volumes.dedup();
    for volume in volumes {
        runtime.remove_volume(volume).await?;
    }
    forget(&task.task_id).await;
    Ok(())
}

/// Removes the cgroup of a task whose containers somebody else has removed.
pub async fn forget(task_id: &str) {
    cgroup::remove(Path::new(cgroup::ROOT), task_id).await;
}

/// The task of an id, of an id's beginning if there is only one, or of an ARN.
///
/// # Errors
/// If there is no such task, or Docker fails.
pub async fn find<R: ContainerRuntime>(runtime: &R, task_id: &str) -> Result<TaskSummary, LaunchError> {
    let no_such_task = || LaunchError::NoSuchTask { task_id: task_id.to_owned() };
    let id = task_id.rsplit('/').next().unwrap_or(task_id);
    let tasks = list(runtime).await?;
    let mut matching = tasks.into_iter().filter(|t| !id.is_empty() && t.task_id.starts_with(id));
    let task = matching.next().ok_or_else(no_such_task)?;
    match matching.next() {
        Some(_) => Err(no_such_task()),
        None => Ok(task),
    }
}

/// A container and what Docker says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerDescription {
    /// What the labels say.
    pub summary: ContainerSummary,
    /// What it is doing.
    pub inspection: Inspection,
}

/// What the containers of a task are doing, in start order, without the pause container.
/// Its address and ports are each container's.
///
/// # Errors
/// If Docker cannot be asked.
pub async fn describe<R: ContainerRuntime>(
    runtime: &R,
    task: &TaskSummary,
) -> Result<Vec<ContainerDescription>, LaunchError> {
    let inspected = try_join_all(task.containers.iter().map(|c| runtime.inspect(&c.docker_id))).await?;
    let mut shared = None;
    let mut containers = Vec::new();
    for (summary, mut inspection) in task.containers.iter().cloned().zip(inspected) {
        if summary.name == pause::NAME {
            shared = Some(inspection);
            continue;
        }
        // INVARIANT: the pause container is on the lowest level, so it comes first.
        if let Some(pause) = shared.as_ref().filter(|pause| pause.address.is_some()) {
            inspection.address.clone_from(&pause.address);
            inspection.ports.clone_from(&pause.ports);
        }
        containers.push(ContainerDescription { summary, inspection });
    }
    Ok(containers)
}

/// Passes on what the containers of a task wrote, or one of them; with `follow`, until
/// they end.
///
/// # Errors
/// If Docker cannot be asked.
pub async fn logs<R: ContainerRuntime>(
    runtime: &R,
    task: &TaskSummary,
    container: Option<&str>,
    follow: bool,
    events: &mpsc::Sender<Event>,
) -> Result<(), LaunchError> {
    runtime.check().await?;
    let wanted = task.containers.iter().filter(|c| c.name != pause::NAME);
    let wanted = wanted.filter(|c| container.is_none_or(|name| c.name == name));
    let containers: Vec<(&str, &str)> = wanted.map(|c| (c.name.as_str(), c.docker_id.as_str())).collect();
    follow_all(runtime, &containers, follow, events).await;
    Ok(())
}

fn summary(listed: &Listed) -> ContainerSummary {
    let label = |name: &str| listed.labels.get(name).cloned().unwrap_or_default();
    ContainerSummary {
        name: label(CONTAINER_LABEL),
        docker_id: listed.id.clone(),
        docker_name: listed.name.clone(),
        image: listed.image.clone(),
        state: listed.state.clone(),
        status: listed.status.clone(),
        essential: label(ESSENTIAL_LABEL) == "true",
        delivery: label(DELIVERY_LABEL),
        level: label(LEVEL_LABEL).parse().unwrap_or(0),
        volumes: label(VOLUMES_LABEL).split(',').filter(|v| !v.is_empty()).map(str::to_owned).collect(),
    }
}
