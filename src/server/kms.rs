//! KMS on the vault: one function an operation, in the same four steps as
//! [`super::secretsmanager`]. Here are the keys; aliases, policies with tags, and rotation
//! have files of their own.

use super::exchange::{Answer, Exchange, Failure, blocking};
use super::kms_named::{Named, default_policy, metadata, of_tags, open_marker, refused, seal_marker};
use super::kms_policies::{check_policy, checked_tags};
use super::{kms_aliases, kms_policies, kms_rotation};
use crate::audit::Permit;
use crate::broker::Ask;
use crate::policy::ConditionKeys;
use crate::protocol::kms::{
    self as wire, CreateKeyRequest, DescribeKeyRequest, Done, KeyEntry, KeyIdResponse, KeyMetadataResponse,
    KeyRequest, ListKeysRequest, ListKeysResponse, ScheduleKeyDeletionRequest, ScheduleKeyDeletionResponse,
    UpdateKeyDescriptionRequest,
};
use crate::protocol::{ApiError, Operation};
use crate::vault::{FoundKey, KeyRecord, NewKey, Row};
use serde_json::json;
use std::sync::Arc;

/// Entries on a page when the request does not say.
const PAGE: usize = 100;

/// Serves one operation.
pub(super) async fn serve(operation: Operation, exchange: &mut Exchange<'_>) -> Answer {
    match operation {
        Operation::CancelKeyDeletion => cancel_deletion(exchange).await,
        Operation::CreateAlias => kms_aliases::create(exchange).await,
        Operation::CreateKey => create(exchange).await,
        Operation::DeleteAlias => kms_aliases::delete(exchange).await,
        Operation::DescribeKey => describe(exchange).await,
        Operation::DisableKey => switch(exchange, operation).await,
        Operation::DisableKeyRotation => kms_rotation::disable(exchange).await,
        Operation::EnableKey => switch(exchange, operation).await,
        Operation::EnableKeyRotation => kms_rotation::enable(exchange).await,
        Operation::GetKeyPolicy => kms_policies::get(exchange).await,
        Operation::GetKeyRotationStatus => kms_rotation::status(exchange).await,
        Operation::ListAliases => kms_aliases::list(exchange).await,
        Operation::ListKeyPolicies => kms_policies::list(exchange).await,
        Operation::ListKeyRotations => kms_rotation::list(exchange).await,
        Operation::ListKeys => list(exchange).await,
        Operation::ListResourceTags => kms_policies::list_tags(exchange).await,
        Operation::PutKeyPolicy => kms_policies::put(exchange).await,
        Operation::RotateKeyOnDemand => kms_rotation::rotate(exchange).await,
        Operation::ScheduleKeyDeletion => schedule_deletion(exchange).await,
        Operation::KmsTagResource => kms_policies::tag(exchange).await,
        Operation::KmsUntagResource => kms_policies::untag(exchange).await,
        Operation::UpdateAlias => kms_aliases::update(exchange).await,
        Operation::UpdateKeyDescription => update_description(exchange).await,
        other => Err(ApiError::unknown_operation(other.name()).into()),
    }
}

async fn create(exchange: &mut Exchange<'_>) -> Answer {
    let request = CreateKeyRequest::decode(exchange.body)?;
    let tags = checked_tags(request.tags)?;
    let shown: Vec<_> = tags.iter().map(|(key, value)| json!({ "tagKey": key, "tagValue": value })).collect();
    exchange.context.parameters = Some(json!({
        "description": request.description, "policy": request.policy, "tags": shown,
        "bypassPolicyLockoutSafetyCheck": request.bypass_lockout_check,
    }));
    let mut keys = ConditionKeys::new();
    for (key, value) in [
        ("kms:KeySpec", "SYMMETRIC_DEFAULT"),
        ("kms:KeyUsage", "ENCRYPT_DECRYPT"),
        ("kms:KeyOrigin", "AWS_KMS"),
        ("kms:MultiRegion", "false"),
    ] {
        keys.set(key, value);
    }
    keys.set("kms:BypassPolicyLockoutSafetyCheck", request.bypass_lockout_check.to_string());
    of_tags(&mut keys, &tags);
    let permit = exchange.ask(Ask { keys: keys.clone(), ..Ask::new("kms:CreateKey", "*") }, "*").await?;
    if !tags.is_empty() {
        let _tags = exchange.ask(Ask { keys, ..Ask::new("kms:TagResource", "*") }, "*").await?;
    }
    if !request.unsupported.is_empty() {
        return Err(wire::unsupported_operation(format!(
            "Keys are symmetric, for encryption, and their material is made here: {} is not supported.",
            request.unsupported.join(", ")
        ))
        .into());
    }
    let policy = match request.policy {
        Some(policy) => {
            check_policy(exchange, None, &policy, request.bypass_lockout_check)?;
            policy
        }
        None => default_policy(&exchange.scope.account),
    };
    let new = NewKey { description: request.description, policy, tags };
    let kms = exchange.broker.vault().kms();
    let key = blocking(|| kms.create(&permit, &exchange.scope, new)).map_err(refused)?;
    answer_with(exchange, &key.arn())
}

async fn describe(exchange: &mut Exchange<'_>) -> Answer {
    let request = DescribeKeyRequest::decode(exchange.body)?;
    let (_permit, key) = {
        exchange.context.parameters = Some(json!({ "keyId": request.key_id }));
        let named = Named::new(exchange, &request.key_id);
        (named.authorize(exchange, Operation::DescribeKey).await?, named.existing()?)
    };
    exchange.answer(&KeyMetadataResponse(metadata(exchange, &key)))
}

async fn list(exchange: &mut Exchange<'_>) -> Answer {
    let ListKeysRequest { own, page: request } = ListKeysRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "limit": request.limit }));
    let permit = exchange.authorize(&Operation::ListKeys.action(), "*", "*").await?;
    let after = open_marker(exchange, "keys", request.marker.as_deref())?;
    let size = request.limit.unwrap_or(PAGE);
    let kms = exchange.broker.vault().kms();
    let page = kms.page(&permit, &exchange.scope, after.as_deref(), size.saturating_add(1));
    let mut found = page.map_err(|error| super::internal(&error))?;
    found.retain(|_| own);
    let more = found.len() > size;
    found.truncate(size);
    let next = found.last().filter(|_| more).map(|last| seal_marker(exchange, "keys", last.key_id()));
    exchange.answer(&ListKeysResponse {
        keys: found.iter().map(|key| KeyEntry { key_id: key.key_id().to_owned(), arn: key.arn() }).collect(),
        next_marker: next,
    })
}

async fn switch(exchange: &mut Exchange<'_>, operation: Operation) -> Answer {
    let request = KeyRequest::decode(exchange.body)?;
    let (permit, key) = one(exchange, operation, &request.key_id).await?;
    let kms = exchange.broker.vault().kms();
    let on = operation == Operation::EnableKey;
    blocking(|| kms.switch(&permit, &key.record.arn(), on)).map_err(refused)?;
    exchange.answer(&Done)
}

async fn update_description(exchange: &mut Exchange<'_>) -> Answer {
    let request = UpdateKeyDescriptionRequest::decode(exchange.body)?;
    let (permit, key) = one(exchange, Operation::UpdateKeyDescription, &request.key_id).await?;
    let kms = exchange.broker.vault().kms();
    blocking(|| kms.describe(&permit, &key.record.arn(), request.description)).map_err(refused)?;
    exchange.answer(&Done)
}

async fn schedule_deletion(exchange: &mut Exchange<'_>) -> Answer {
    let request = ScheduleKeyDeletionRequest::decode(exchange.body)?;
    exchange.context.parameters =
        Some(json!({ "keyId": request.key_id, "pendingWindowInDays": request.days }));
    let named = Named::without_alias(exchange, &request.key_id);
    let keys =
        ConditionKeys::new().with("kms:ScheduleKeyDeletionPendingWindowInDays", request.days.to_string());
    let permit = named.authorize_with(exchange, Operation::ScheduleKeyDeletion, keys).await?;
    let arn = named.customer()?.record.arn();
    let kms = exchange.broker.vault().kms();
    let deletion = blocking(|| kms.schedule_deletion(&permit, &arn, request.days)).map_err(refused)?;
    exchange.answer(&ScheduleKeyDeletionResponse { arn, deletion, days: request.days })
}

async fn cancel_deletion(exchange: &mut Exchange<'_>) -> Answer {
    let request = KeyRequest::decode(exchange.body)?;
    let (permit, key) = one(exchange, Operation::CancelKeyDeletion, &request.key_id).await?;
    let arn = key.record.arn();
    let kms = exchange.broker.vault().kms();
    blocking(|| kms.cancel_deletion(&permit, &arn)).map_err(refused)?;
    exchange.answer(&KeyIdResponse(arn))
}

/// The customer key that a request is about, and the permit for it.
pub(super) async fn one(
    exchange: &mut Exchange<'_>,
    operation: Operation,
    key_id: &str,
) -> Result<(Permit, Arc<Row<KeyRecord>>), Failure> {
    exchange.context.parameters = Some(json!({ "keyId": key_id }));
    let named = Named::without_alias(exchange, key_id);
    let permit = named.authorize(exchange, operation).await?;
    Ok((permit, named.customer()?))
}

/// As [`one`], whosever key it is.
pub(super) async fn any(
    exchange: &mut Exchange<'_>,
    operation: Operation,
    key_id: &str,
) -> Result<(Permit, FoundKey), Failure> {
    exchange.context.parameters = Some(json!({ "keyId": key_id }));
    let named = Named::without_alias(exchange, key_id);
    let permit = named.authorize(exchange, operation).await?;
    Ok((permit, named.existing()?))
}

fn answer_with(exchange: &Exchange<'_>, arn: &str) -> Answer {
    let key = exchange.broker.vault().kms().find(&exchange.scope, arn);
    let key = key.map_err(|error| refused(error.into()))?;
    exchange.answer(&KeyMetadataResponse(metadata(exchange, &key)))
}
