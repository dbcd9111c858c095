//! `RecordInjections`, `ListBindings`, `ForgetBindings`: which version of what every
//! variable of a container was started with, and whether that is still the current one.

use super::exchange::{Answer, Exchange, blocking};
use crate::arn::Arn;
use crate::broker::Injected;
use crate::ecs::valuefrom::ValueFrom;
use crate::protocol::Operation;
use crate::protocol::sealdock::{
    Binding, Delivery, ForgetBindingsRequest, ForgetBindingsResponse, ListBindingsRequest,
    ListBindingsResponse, RecordInjectionsRequest, RecordInjectionsResponse,
};
use crate::vault::{self, Scope, Vault};
use serde_json::json;

/// A value is on record before the container starts.
pub(super) async fn record(exchange: &mut Exchange<'_>) -> Answer {
    let request = RecordInjectionsRequest::decode(exchange.body)?;
    let trail: Vec<_> = request
        .injections
        .iter()
        .map(|i| {
            json!({
                "name": i.name, "target": i.target.as_str(), "valueFrom": i.value_from, "arn": i.arn,
                "versionId": i.version_id,
            })
        })
        .collect();
    exchange.context.parameters = Some(json!({
        "taskId": request.task_id, "family": request.family, "containerName": request.container_name,
        "containerId": request.container_id, "dockerName": request.docker_name, "delivery": request.delivery.as_str(),
        "injections": trail,
    }));
    let permit = exchange.authorize(&Operation::RecordInjections.action(), "*", "*").await?;
    // A launcher records before there is a container, and so before it has an id; the hook has one.
    let container = match request.delivery {
        Delivery::Env => request.container_id.or(request.docker_name),
        Delivery::Runtime => request.container_id,
    };
    let injected = Injected {
        task_id: request.task_id,
        container_name: request.container_name,
        container_id: container,
        entries: request
            .injections
            .into_iter()
            .map(|i| vault::Binding {
                name: i.name,
                value_from: i.value_from,
                arn: i.arn,
                version_id: i.version_id,
            })
            .collect(),
    };
    blocking(|| exchange.broker.bind(&permit, injected)).map_err(|e| super::internal(&e))?;
    exchange.answer(&RecordInjectionsResponse)
}

pub(super) async fn list(exchange: &mut Exchange<'_>) -> Answer {
    let request = ListBindingsRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "containerId": request.container_id }));
    let _permit = exchange.authorize(&Operation::ListBindings.action(), "*", "*").await?;
    let vault = exchange.broker.vault();
    let rows = match &request.container_id {
        Some(id) => vault.bindings().get(id).into_iter().collect(),
        None => vault.bindings().list(),
    };
    let bindings = rows.iter().flat_map(|row| {
        let record = &row.record;
        record.entries.iter().map(|entry| Binding {
            task_id: record.task_id.clone(),
            container_name: record.container_name.clone(),
            container_id: record.container_id.clone(),
            name: entry.name.clone(),
            value_from: entry.value_from.clone(),
            arn: entry.arn.clone(),
            version_id: entry.version_id.clone(),
            current_version_id: current(vault, entry),
        })
    });
    exchange.answer(&ListBindingsResponse { bindings: bindings.collect() })
}

pub(super) async fn forget(exchange: &mut Exchange<'_>) -> Answer {
    let request = ForgetBindingsRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "containerIds": request.container_ids }));
    let permit = exchange.authorize(&Operation::ForgetBindings.action(), "*", "*").await?;
    let bindings = exchange.broker.vault().bindings();
    blocking(|| bindings.forget(&permit, &request.container_ids)).map_err(|e| super::internal(&e))?;
    exchange.answer(&ForgetBindingsResponse)
}

/// The version that the reference would get now; `None` if there is no such thing any more.
fn current(vault: &Vault, binding: &vault::Binding) -> Option<String> {
    let arn: Arn = binding.arn.parse().ok()?;
    let scope = Scope::new(arn.account.as_str(), arn.region.as_str());
    match ValueFrom::parse(&binding.value_from).ok()? {
        ValueFrom::Secret(reference) => {
            let secret = vault.secrets().find(&scope, &binding.arn)?;
            let (id, stage) = (reference.version_id.as_deref(), reference.version_stage.as_deref());
            secret.record.select(id, stage).ok().map(|version| version.id.clone())
        }
        ValueFrom::Parameter(_) => {
            let name = arn.resource.strip_prefix("parameter")?;
            let parameter = vault.parameters().find(&scope, name)?;
            parameter.record.versions.last().map(|version| version.version.to_string())
        }
    }
}
