//! A task in the shape of DescribeTasks.
//!
//! What only a cluster has (capacity, attachments, versions) is absent or empty.

use crate::launch::supervisor;
use crate::launch::{ContainerDescription, Health, TaskSummary};
use serde_json::{Map, Value, json};

/// The answer of DescribeTasks.
pub(super) fn task_json(task: &TaskSummary, containers: &[ContainerDescription]) -> Value {
    let prefix = task.task_arn.split(":task/").next().unwrap_or_default();
    let earliest =
        |moment: fn(&ContainerDescription) -> Option<String>| containers.iter().filter_map(moment).min();
    let latest =
        |moment: fn(&ContainerDescription) -> Option<String>| containers.iter().filter_map(moment).max();
    let overrides = containers.iter().map(|c| json!({ "name": c.summary.name }));
    let essential = || containers.iter().filter(|c| c.summary.essential);
    let (status, reason) = (last_status(containers), stopped_reason(task));
    let mut answer = json!({
        "taskArn": task.task_arn,
        "taskDefinitionArn": format!("{prefix}:task-definition/{}:{}", task.family, task.revision),
        "clusterArn": format!("{prefix}:cluster/{}", task.cluster),
        "group": format!("family:{}", task.family),
        "launchType": "EXTERNAL",
        "lastStatus": status,
        "desiredStatus": if reason.is_some() { "STOPPED" } else { "RUNNING" },
        "healthStatus": worst_health(essential()),
        "containers": containers.iter().map(|c| container_json(task, c)).collect::<Vec<_>>(),
        "attachments": [], "attributes": [], "tags": [],
        "overrides": {
            "containerOverrides": overrides.collect::<Vec<_>>(), "inferenceAcceleratorOverrides": [],
        },
    });
    let started = containers.iter().any(|c| c.inspection.started_at.is_some());
    let ended = essential().filter_map(|c| c.inspection.finished_at.clone()).min();
    if let Some(answer) = answer.as_object_mut() {
        insert(answer, "createdAt", earliest(|c| Some(c.inspection.created_at.clone())));
        insert(answer, "startedAt", earliest(|c| c.inspection.started_at.clone()));
        if status == "STOPPED" {
            insert(answer, "stoppedAt", latest(|c| c.inspection.finished_at.clone()));
        }
        if let Some(reason) = reason {
            let (code, words) = stopped(&reason, started);
            insert(answer, "stopCode", Some(code));
            insert(answer, "stoppedReason", Some(words));
            insert(answer, "executionStoppedAt", ended);
        }
    }
    json!({ "tasks": [answer], "failures": [] })
}

/// The code that ECS has for a reason, and its words without what is added to them here.
fn stopped(reason: &str, started: bool) -> (&'static str, String) {
    const ESSENTIAL: &str = "Essential container in task exited";
    if reason.starts_with(ESSENTIAL) {
        return ("EssentialContainerExited", ESSENTIAL.to_owned());
    }
    let code = match reason {
        user if user.starts_with("Task stopped by user") => "UserInitiated",
        _ if started => "EssentialContainerExited",
        _ => "TaskFailedToStart",
    };
    (code, reason.to_owned())
}

/// Why the task ended, as its supervisor has it.
pub(super) fn stopped_reason(task: &TaskSummary) -> Option<String> {
    supervisor::stopped_reason(task.supervisor.as_deref().filter(|_| task.service.is_none())?)
}

fn container_json(task: &TaskSummary, container: &ContainerDescription) -> Value {
    let ContainerDescription { summary, inspection } = container;
    let bindings = inspection.ports.iter().map(|port| {
        json!({
            "bindIP": port.host_address, "containerPort": port.container_port, "hostPort": port.host_port,
            "protocol": port.protocol,
        })
    });
    let interfaces = inspection.address.iter().map(|address| json!({ "privateIpv4Address": address }));
    let mut answer = json!({
        "name": summary.name, "taskArn": task.task_arn, "image": summary.image, "imageDigest": inspection.image_id,
        "runtimeId": summary.docker_id, "lastStatus": container_status(container),
        "healthStatus": health(container), "networkBindings": bindings.collect::<Vec<_>>(),
        "networkInterfaces": interfaces.collect::<Vec<_>>(),
    });
    if let Some(answer) = answer.as_object_mut() {
        insert(answer, "containerArn", task.container_arn(&summary.docker_id));
        insert(answer, "exitCode", inspection.exit_code);
        insert(answer, "reason", reason(container));
    }
    answer
}

fn insert(object: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value.into());
    }
}

pub(super) fn container_status(container: &ContainerDescription) -> &'static str {
    match &container.inspection {
        inspection if inspection.running => "RUNNING",
        inspection if inspection.finished_at.is_some() => "STOPPED",
        _ => "PENDING",
    }
}

/// The status that every container has reached.
pub(super) fn last_status(containers: &[ContainerDescription]) -> &'static str {
    let reached = |status: &str| containers.iter().filter(|c| container_status(c) == status).count();
    match (reached("PENDING"), reached("STOPPED")) {
        (_, stopped) if stopped == containers.len() => "STOPPED",
        (0, _) => "RUNNING",
        _ => "PENDING",
    }
}

pub(super) fn health(container: &ContainerDescription) -> &'static str {
    match container.inspection.health {
        Health::Healthy => "HEALTHY",
        Health::Unhealthy => "UNHEALTHY",
        Health::None | Health::Starting => "UNKNOWN",
    }
}

fn worst_health<'a>(containers: impl Iterator<Item = &'a ContainerDescription>) -> &'static str {
    let states: Vec<&str> = containers.map(health).collect();
    let worst = ["UNHEALTHY", "UNKNOWN"].into_iter().find(|state| states.contains(state));
    worst.unwrap_or(if states.is_empty() { "UNKNOWN" } else { "HEALTHY" })
}

/// Why a container ended, in the agent's words.
pub(super) fn reason(container: &ContainerDescription) -> Option<String> {
    let inspection = &container.inspection;
    if inspection.out_of_memory {
        return Some("OutOfMemoryError: Container killed due to memory usage".to_owned());
    }
    inspection.error.as_ref().map(|error| format!("CannotStartContainerError: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_a_code() {
        let essential = "Essential container in task exited: `a` with exit code 3";
        assert_eq!(
            stopped(essential, true),
            ("EssentialContainerExited", "Essential container in task exited".to_owned())
        );
        assert_eq!(stopped("Task stopped by user: SIGINT", true).0, "UserInitiated");
        let failed = "CannotPullContainerError: no such image";
        assert_eq!(stopped(failed, false), ("TaskFailedToStart", failed.to_owned()));
    }
}
