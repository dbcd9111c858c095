//! Task metadata, version 4, and version 3, which says less.
//!
//! ```text
//! /v4/ID                   the container that asks
//! /v4/ID/task              its task with all containers; also /taskWithTags
//! /v4/ID/stats             measurements of the container     stats.rs
//! /v4/ID/task/stats        measurements of all, by Docker id
//! /v3/ID ...               the same paths
//! ```
//!
//! `ID` is in the container's environment and on its label. Nothing here comes from the environment
//! of a container, and of log options only those that the task definition has in plain text are
//! shown, so that no secret can be.
//!
//! Source: amazon-ecs-agent, `ecs-agent/tmds/handlers/v4` and `agent/handlers/v3`; "Amazon ECS task
//! metadata endpoint version 4" of the Developer Guide.

use super::shape;
use super::stats;
use crate::endpoint::http::{Answer, plain};
use crate::launch::endpoint::ENDPOINT_ID_LABEL;
use crate::launch::{self, Docker, LaunchError, Listed, TaskSummary};
use ::http::StatusCode;
use bollard::models::ContainerInspectResponse;
use futures_util::future::try_join_all;
use serde_json::Value;

/// The version that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V3,
    V4,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Container,
    Task,
    Stats,
    TaskStats,
}

impl Subject {
    /// What the path after `/v4/ID` asks for.
    pub(super) fn parse(rest: &[&str]) -> Option<Self> {
        match rest {
            [] | [""] => Some(Self::Container),
            ["task"] | ["taskWithTags"] => Some(Self::Task),
            ["stats"] => Some(Self::Stats),
            ["task", "stats"] => Some(Self::TaskStats),
            _ => None,
        }
    }

    /// The agent's answer for an id of no container.
    fn unknown(self, version: Version, id: &str) -> (StatusCode, String) {
        let (handler, wanted) = match (self, version) {
            (Self::Container, _) => ("container metadata", CONTAINER),
            (Self::Task, _) => ("task metadata", TASK),
            (Self::Stats, Version::V4) => ("container stats", CONTAINER),
            (Self::Stats, Version::V3) => ("container stats", TASK),
            (Self::TaskStats, _) => ("task stats", TASK),
        };
        let status = match (version, self) {
            (Version::V4, _) => StatusCode::NOT_FOUND,
            (Version::V3, Self::Container | Self::Task) => StatusCode::INTERNAL_SERVER_ERROR,
            (Version::V3, Self::Stats | Self::TaskStats) => StatusCode::BAD_REQUEST,
        };
        (status, format!("{version:?} {handler} handler: {wanted} from v3 endpoint ID: {id}"))
    }
}

const CONTAINER: &str = "unable to get container ID from request: unable to get docker ID";
const TASK: &str = "unable to get task arn from request: unable to get task Arn";

pub(super) async fn answer(docker: &Docker, version: Version, id: &str, subject: Subject) -> Answer {
    let json = |status, value: &Value| plain(status, "application/json", value.to_string());
    match find(docker, id, subject).await {
        Ok(Some(Found::Unmeasured(container))) => {
            let status = match version {
                Version::V3 => StatusCode::BAD_REQUEST,
                Version::V4 => StatusCode::INTERNAL_SERVER_ERROR,
            };
            json(status, &format!("Unable to get container stats for: {container}").into())
        }
        Ok(Some(Found::Members(found))) if version == Version::V3 => {
            json(StatusCode::OK, &shape::as_version_3(found))
        }
        Ok(Some(Found::Members(found))) => json(StatusCode::OK, &found),
        Ok(None) => {
            let (status, text) = subject.unknown(version, id);
            json(status, &text.into())
        }
        Err(error) => {
            tracing::error!(%error, "Docker does not answer about a task");
            json(StatusCode::INTERNAL_SERVER_ERROR, &"failed to get metadata".into())
        }
    }
}

/// What there is to tell.
enum Found {
    Members(Value),
    /// A container that does not run, by its Docker id.
    Unmeasured(String),
}

async fn find(docker: &Docker, id: &str, subject: Subject) -> Result<Option<Found>, LaunchError> {
    let Some((task, asking)) = asking(docker, id).await? else { return Ok(None) };
    let found = match subject {
        Subject::Container => {
            let pause = pause(docker, &task).await?;
            let own = docker.facts(&asking).await?;
            own.map(|own| shape::container(&task, &own, pause.as_ref()))
        }
        Subject::Task => {
            let ids = task.containers.iter().map(|c| docker.facts(&c.docker_id));
            let all: Vec<_> = try_join_all(ids).await?.into_iter().flatten().collect();
            Some(shape::task(&task, &all))
        }
        Subject::Stats => match stats::of_container(docker, &task, &asking).await? {
            Value::Null => return Ok(Some(Found::Unmeasured(asking))),
            measured => Some(measured),
        },
        Subject::TaskStats => Some(stats::of_task(docker, &task).await?),
    };
    Ok(found.map(Found::Members))
}

/// The container with an id, and its task. An id is 36 letters and digits, so that nothing else
/// becomes part of a filter.
async fn asking(docker: &Docker, id: &str) -> Result<Option<(TaskSummary, String)>, LaunchError> {
    use crate::launch::ContainerRuntime as _;
    if uuid::Uuid::try_parse(id).is_err() {
        return Ok(None);
    }
    let found: Vec<Listed> = docker.list(&format!("{ENDPOINT_ID_LABEL}={id}")).await?;
    let Some(container) = found.into_iter().next() else { return Ok(None) };
    let tasks = launch::list(docker).await?;
    let own = tasks.into_iter().find(|task| task.containers.iter().any(|c| c.docker_id == container.id));
    Ok(own.map(|task| (task, container.id)))
}

/// The pause container, if it holds the network.
async fn pause(docker: &Docker, task: &TaskSummary) -> Result<Option<ContainerInspectResponse>, LaunchError> {
    match task.containers.iter().find(|c| c.is_pause()) {
        Some(pause) => Ok(docker.facts(&pause.docker_id).await?),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_texts_are_the_agents() {
        assert_eq!(Subject::parse(&["taskWithTags"]), Some(Subject::Task));
        assert_eq!(Subject::parse(&["task", "stats"]), Some(Subject::TaskStats));
        assert_eq!(Subject::parse(&["associations"]), None);
        assert_eq!(
            Subject::Container.unknown(Version::V4, "bad").1,
            "V4 container metadata handler: unable to get container ID from request: unable to get docker ID from v3 \
             endpoint ID: bad"
        );
        assert_eq!(
            Subject::TaskStats.unknown(Version::V3, "bad"),
            (
                StatusCode::BAD_REQUEST,
                "V3 task stats handler: unable to get task arn from request: unable to get task Arn from v3 endpoint ID: bad"
                    .to_owned()
            )
        );
        assert_eq!(Subject::Task.unknown(Version::V3, "bad").0, StatusCode::INTERNAL_SERVER_ERROR);
    }
}
