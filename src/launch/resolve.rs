//! References of a task -> values, all or nothing; and their place in the audit trail.
//!
//! Reads are made as the execution role, in a session that is named after the
//! task, so that the audit log can be searched by it. A failure is one error with
//! every reference that failed and its place in the task definition.

use super::error::LaunchError;
use super::fetch;
use super::identity::TaskIdentity;
use super::mapping::Delivery;
use crate::client::{Client, ClientError};
use crate::ecs::fetched::Fetched;
use crate::ecs::injection::{ContainerInjection, Injection, Release, Target, Unresolved};
use crate::ecs::plan::{Reads, TaskPlan};
use crate::ecs::registry::{self, RegistryAccount};
use crate::protocol::sealdock::{self as wire, InjectionTarget, RecordInjectionsRequest};
use std::collections::HashMap;

/// A client that acts as the task's execution role; `None` if there is nothing to read.
/// `client` is set to the Region of the task.
pub(super) async fn reader(
    plan: &TaskPlan,
    identity: &TaskIdentity,
    client: &Client,
) -> Result<Option<Client>, LaunchError> {
    let reads = &plan.reads;
    let nothing = reads.secrets.is_empty() && reads.parameters.is_empty() && plan.registry_reads.is_empty();
    let Some(role) = plan.execution_role.as_ref().filter(|_| !nothing) else { return Ok(None) };
    let role = role.to_string();
    let reader = fetch::act_as(client, &role, &identity.task_id, &identity.definition()).await;
    reader.map(Some).map_err(|cause| match cause {
        ClientError::Api { .. } => LaunchError::Session { role, cause },
        other => LaunchError::Broker(other),
    })
}

/// The accounts at registries, by container.
pub(super) async fn accounts(
    plan: &TaskPlan,
    reader: Option<&Client>,
) -> Result<HashMap<String, RegistryAccount>, LaunchError> {
    let fetched = match reader.filter(|_| !plan.registry_reads.is_empty()) {
        Some(reader) => {
            let reads = Reads { secrets: plan.registry_reads.clone(), parameters: Vec::new() };
            fetch::fetch(reader, &reads).await
        }
        None => return Ok(HashMap::new()),
    };
    let mut accounts = HashMap::new();
    for container in &plan.containers {
        let Some(read) = &container.registry else { continue };
        let account = registry::account(read, &fetched)
            .map_err(|cause| LaunchError::Registry { container: container.name.clone(), cause })?;
        accounts.insert(container.name.clone(), account);
    }
    Ok(accounts)
}

/// Every value of the task.
pub(super) async fn resolve(
    plan: &TaskPlan,
    region: &str,
    reader: Option<&Client>,
) -> Result<Injection, LaunchError> {
    let fetched = match reader {
        Some(reader) => fetch::fetch(reader, &plan.reads).await,
        // INVARIANT: without a role there are no references, or the plan would not exist.
        None => Fetched::new(region),
    };
    Injection::resolve(plan, &fetched)
        .map_err(|failed| LaunchError::Unresolved(failed.iter().map(Unresolved::diagnostic).collect()))
}

/// What goes on record about one container.
#[derive(Debug)]
pub(super) struct Record {
    /// Its name within the task.
    pub(super) container: String,
    /// Its Docker name.
    pub(super) docker_name: String,
    /// Its Docker id, if it exists already.
    pub(super) container_id: Option<String>,
    /// How it gets its values.
    pub(super) delivery: Delivery,
    /// What it gets.
    pub(super) releases: Vec<Release>,
}

impl Record {
    pub(super) fn new(injection: &ContainerInjection, identity: &TaskIdentity, delivery: Delivery) -> Self {
        Self {
            container: injection.container.clone(),
            docker_name: identity.docker_name(&injection.container),
            container_id: None,
            delivery,
            releases: injection.releases.clone(),
        }
    }
}

/// Puts the injections of the task on record. Nothing may start before.
pub(super) async fn record(
    records: &[Record],
    plan: &TaskPlan,
    identity: &TaskIdentity,
    client: &Client,
) -> Result<(), LaunchError> {
    for record in records.iter().filter(|r| !r.releases.is_empty()) {
        let injections = record.releases.iter().map(|release| wire::Injection {
            name: release.name.clone(),
            target: match release.target {
                Target::Environment => InjectionTarget::Environment,
                Target::LogOption => InjectionTarget::LogOption,
            },
            value_from: release.value_from.clone(),
            arn: release.arn.clone(),
            version_id: release.version_id.clone(),
        });
        let request = RecordInjectionsRequest {
            task_id: identity.task_id.clone(),
            family: plan.family.clone(),
            container_name: record.container.clone(),
            container_id: record.container_id.clone(),
            docker_name: Some(record.docker_name.clone()),
            delivery: match record.delivery {
                Delivery::Env => wire::Delivery::Env,
                Delivery::Runtime => wire::Delivery::Runtime,
            },
            injections: injections.collect(),
        };
        client.record_injections(&request).await.map_err(LaunchError::NotRecorded)?;
    }
    Ok(())
}
