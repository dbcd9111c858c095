//! `RecordCachedRead`: the gate and the record of a read whose value an agent has already.
//!
//! The read is made as any other, with everything that it asks: the caller's policies and the
//! resource's, the key, and that the value is still there. Only the value stays here.

use super::exchange::{Answer, Exchange};
use super::{secretsmanager, ssm};
use crate::protocol::sealdock::{CachedService, RecordCachedReadRequest, RecordCachedReadResponse};
use crate::protocol::{Operation, Service};
use serde_json::json;

pub(super) async fn record(exchange: &mut Exchange<'_>) -> Answer {
    let request = RecordCachedReadRequest::decode(exchange.body)?;
    let (service, operation) = match request.service {
        CachedService::SecretsManager => (Service::SecretsManager, Operation::GetSecretValue),
        CachedService::Ssm => (Service::Ssm, Operation::GetParameter),
    };
    exchange.context.event_source = service.event_source();
    exchange.context.event_name = operation.name();
    exchange.context.read_only = true;
    match request.service {
        CachedService::SecretsManager => {
            exchange.context.parameters = Some(json!({
                "secretId": request.name, "versionId": request.version_id, "versionStage": request.version_stage,
                "cachedVersionId": request.cached_version,
            }));
            let (version_id, stage) = (request.version_id.as_deref(), request.version_stage.as_deref());
            let _value = secretsmanager::read_value(exchange, request.name, version_id, stage).await?;
        }
        CachedService::Ssm => {
            exchange.context.parameters = Some(json!({
                "name": request.name, "withDecryption": request.with_decryption,
                "cachedVersion": request.cached_version,
            }));
            let _parameter = ssm::read(exchange, request.name, request.with_decryption).await?;
        }
    }
    exchange.answer(&RecordCachedReadResponse)
}
