//! `ResolveInjections`: everything that a container's references need, in one request.
//!
//! What would be a session, a look at the bindings and a request for each read is
//! decided here one after the other, and written to the audit log together: one wait
//! for the disk, where the launcher's way has four. Nothing is left out. Each read
//! passes the gate of `GetSecretValue` or `GetParameters` in the role's session and
//! has its own record; values are put together only when all records are durable.
//!
//! ```text
//! iam:PassRole, AssumeRole, reads ..  --one batch-->  permits -> vault -> values by reference
//! ```

use super::exchange::{Answer, Exchange, Failure, on_record};
use super::sealdock::no_session;
use super::{secretsmanager, ssm};
use crate::arn::is_region;
use crate::broker::{Caller, ServiceSession};
use crate::ecs::fetched::{FetchError, Fetched, FetchedParameter, FetchedSecret};
use crate::ecs::injection::resolve as value_of;
use crate::ecs::plan::{ParameterBatch, Reads, SecretRead};
use crate::ecs::valuefrom::{ParameterReference, SecretReference, ValueFrom};
use crate::protocol::sealdock::{
    NamedReference, ResolveInjectionsRequest, ResolveInjectionsResponse, ResolvedInjection,
    UnresolvedInjection, invalid_request,
};
use crate::protocol::{ApiError, Operation};
use crate::vault::{Binding, Scope};
use futures_util::future::{join, join_all};
use serde_json::json;
use std::collections::HashMap;

/// The values of all references, or the failure of each that has none.
pub(super) async fn resolve(exchange: &mut Exchange<'_>) -> Answer {
    let request = ResolveInjectionsRequest::decode(exchange.body)?;
    let named = |r: &NamedReference| json!({ "name": r.name, "valueFrom": r.value_from });
    exchange.context.parameters = Some(json!({
        "roleArn": request.role_arn, "taskId": request.task_id, "family": request.family,
        "containerId": request.container_id, "references": request.references.iter().map(named).collect::<Vec<_>>(),
    }));
    let region = request.region.clone().unwrap_or_else(|| exchange.scope.region.clone());
    let bound = bound(exchange, &request)?;
    let reads = Reads::of(&bound);
    let regions = reads.secrets.iter().map(|read| read.region.as_str());
    let regions = regions.chain(reads.parameters.iter().filter_map(|batch| batch.region.as_deref()));
    if let Some(wrong) = regions.chain([region.as_str()]).find(|r| !r.is_empty() && !is_region(r)) {
        return Err(invalid_request(format!("`{wrong}` is not the name of a Region")).into());
    }
    // Two for the session; a batch of parameters makes its own count as one.
    let records = 2 + reads.secrets.len() + reads.parameters.len();
    let work = read_as_role(exchange, &request, &region, &reads);
    let fetched = exchange.broker.at_once(records, work).await?;

    let mut response = ResolveInjectionsResponse::default();
    for (reference, bound) in request.references.iter().zip(&bound) {
        match value_of(bound, &fetched) {
            Ok(found) => response.values.push(ResolvedInjection {
                value: found.value,
                arn: found.arn,
                version_id: found.version_id,
            }),
            Err(reason) => {
                let (name, reason) = (reference.name.clone(), reason.to_string());
                response.failures.push(UnresolvedInjection { name, reason });
            }
        }
    }
    if !response.failures.is_empty() {
        response.values.clear();
    }
    exchange.answer(&response)
}

/// The references, each narrowed to the version that the container holds if it holds one.
fn bound(exchange: &Exchange<'_>, request: &ResolveInjectionsRequest) -> Result<Vec<ValueFrom>, ApiError> {
    let row = exchange.broker.vault().bindings().get(&request.container_id);
    let bindings = row.as_ref().map(|row| row.record.entries.as_slice()).unwrap_or_default();
    let parsed = request.references.iter().map(|reference| {
        let parsed = ValueFrom::parse(&reference.value_from);
        parsed.map(|parsed| bind(reference, parsed, bindings)).map_err(|error| {
            invalid_request(format!("`{}`: `{}`: {error}", reference.name, reference.value_from))
        })
    });
    parsed.collect()
}

fn bind(reference: &NamedReference, parsed: ValueFrom, bindings: &[Binding]) -> ValueFrom {
    let is_same = |b: &&Binding| b.name == reference.name && b.value_from == reference.value_from;
    let Some(binding) = bindings.iter().find(is_same) else { return parsed };
    match parsed {
        ValueFrom::Secret(secret) => ValueFrom::Secret(SecretReference {
            // A secret that was deleted and made again under its name is another secret.
            secret_id: binding.arn.clone(),
            version_stage: None,
            version_id: Some(binding.version_id.clone()),
            ..secret
        }),
        ValueFrom::Parameter(parameter) => ValueFrom::Parameter(ParameterReference {
            name: format!("{}:{}", parameter.name, binding.version_id),
            ..parameter
        }),
    }
}

/// Makes the reads in a session of the role.
async fn read_as_role(
    exchange: &Exchange<'_>,
    request: &ResolveInjectionsRequest,
    region: &str,
    reads: &Reads,
) -> Result<Fetched, Failure> {
    let wanted = ServiceSession::task(&request.role_arn, &request.task_id);
    let session = exchange.broker.begin_session(&exchange.context, &wanted);
    let refused = |error| no_session(exchange, error, &request.role_arn);
    let Some(caller) = session.caller().cloned() else {
        return Err(session
            .settled()
            .await
            .err()
            .map_or_else(|| ApiError::internal_failure().into(), refused));
    };
    let secrets = join_all(reads.secrets.iter().map(|read| secret(exchange, &caller, region, read)));
    let batches = join_all(reads.parameters.iter().map(|batch| parameters(exchange, &caller, region, batch)));
    let (session, (secrets, batches)) = join(session.settled(), join(secrets, batches)).await;
    session.map_err(refused)?;
    let mut fetched = Fetched::new(region);
    for (read, answer) in reads.secrets.iter().zip(secrets) {
        fetched.secret(read.clone(), answer);
    }
    for (batch, answer) in reads.parameters.iter().zip(batches) {
        fetched.parameters(batch, answer);
    }
    Ok(fetched)
}

async fn secret(
    exchange: &Exchange<'_>,
    caller: &Caller,
    region: &str,
    read: &SecretRead,
) -> Result<FetchedSecret, FetchError> {
    let region = if read.region.is_empty() { region } else { &read.region };
    let mut part = part(exchange, caller, region, Operation::GetSecretValue);
    let (version_id, stage) = (read.version_id.as_deref(), read.version_stage.as_deref());
    let mut parameters = json!({ "secretId": read.secret_id });
    secretsmanager::insert(&mut parameters, "versionId", version_id);
    secretsmanager::insert(&mut parameters, "versionStage", stage);
    part.context.parameters = Some(parameters);
    let answer = secretsmanager::read_value(&part, read.secret_id.clone(), version_id, stage).await;
    match answer {
        Ok(read) => Ok(FetchedSecret {
            arn: read.secret.record.arn(),
            version_id: read.version_id,
            text: (!read.binary).then_some(read.value),
        }),
        Err(failure) => Err(noted(&part, failure).await),
    }
}

async fn parameters(
    exchange: &Exchange<'_>,
    caller: &Caller,
    region: &str,
    batch: &ParameterBatch,
) -> Result<HashMap<String, FetchedParameter>, FetchError> {
    let region = batch.region.as_deref().unwrap_or(region);
    let mut part = part(exchange, caller, region, Operation::GetParameters);
    part.context.parameters = Some(json!({ "names": batch.names, "withDecryption": true }));
    match ssm::read_several(&part, batch.names.clone(), true).await {
        Ok(found) => Ok(found
            .parameters
            .into_iter()
            .map(|parameter| {
                // A name with a selector is answered as the name and the selector apart.
                let asked = format!("{}{}", parameter.name, parameter.selector.unwrap_or_default());
                let version = parameter.version.to_string();
                (asked, FetchedParameter { arn: parameter.arn, version, value: parameter.value })
            })
            .collect()),
        Err(failure) => Err(noted(&part, failure).await),
    }
}

/// A read of the request, as it would be if it had come by itself.
fn part<'a>(exchange: &Exchange<'a>, caller: &Caller, region: &str, operation: Operation) -> Exchange<'a> {
    let mut context = exchange.context.clone();
    context.event_source = operation.event_source();
    context.event_name = operation.name();
    context.read_only = operation.read_only();
    context.region = region.to_owned();
    context.caller = Some(caller.clone());
    let scope = Scope::new(caller.account(), region);
    Exchange { broker: exchange.broker, context, scope, body: &[] }
}

/// What a failed read answers; it is on record by then.
async fn noted(part: &Exchange<'_>, failure: Failure) -> FetchError {
    let error = on_record(part.broker, &part.context, failure).await;
    FetchError::Service {
        status: error.status,
        code: error.code.to_owned(),
        message: error.message,
        request_id: part.context.request_id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db:pw:AWSCURRENT:";

    fn reference(name: &str, value_from: &str) -> NamedReference {
        NamedReference { name: name.into(), value_from: value_from.into() }
    }

    fn binding(name: &str, value_from: &str, arn: &str, version_id: &str) -> Binding {
        Binding {
            name: name.into(),
            value_from: value_from.into(),
            arn: arn.into(),
            version_id: version_id.into(),
        }
    }

    #[test]
    fn a_bound_secret_is_read_by_version_and_arn() {
        let bindings = [binding("DB", SECRET, "arn:of:it-AbCdEf", "v7"), binding("P", "/p", "arn:p", "3")];
        let secret = bind(&reference("DB", SECRET), ValueFrom::parse(SECRET).unwrap(), &bindings);
        let ValueFrom::Secret(secret) = secret else { panic!() };
        assert_eq!(
            (secret.secret_id.as_str(), secret.version_id.as_deref()),
            ("arn:of:it-AbCdEf", Some("v7"))
        );
        assert_eq!((secret.version_stage, secret.json_key.as_deref()), (None, Some("pw")));
        let parameter = bind(&reference("P", "/p"), ValueFrom::parse("/p").unwrap(), &bindings);
        let ValueFrom::Parameter(parameter) = parameter else { panic!() };
        assert_eq!(parameter.name, "/p:3");
    }

    #[test]
    fn another_reference_under_the_same_name_is_not_bound() {
        let bindings = [binding("P", "/old", "arn:p", "3")];
        let fresh = bind(&reference("P", "/p"), ValueFrom::parse("/p").unwrap(), &bindings);
        assert_eq!(fresh, ValueFrom::parse("/p").unwrap());
    }
}
