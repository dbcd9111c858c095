//! Tags of parameters: `AddTagsToResource`, `RemoveTagsFromResource`,
//! `ListTagsForResource`. A resource is a parameter, or it is not here.

use super::exchange::{Answer, Exchange, Failure, blocking};
use super::named_parameter::{Named, refused, request_tags};
use crate::audit::Permit;
use crate::policy::ConditionKeys;
use crate::protocol::ssm::{
    AddTagsToResourceRequest, ListTagsForResourceRequest, ListTagsForResourceResponse,
    RemoveTagsFromResourceRequest, ResourceType, Tag, Tagged, TagsChangedResponse, invalid_resource_id,
    invalid_resource_type, too_many_tags,
};
use crate::protocol::{ApiError, Operation};
use crate::vault::{ParameterError, ParameterFailure, ParameterRecord, Row};
use serde_json::json;
use std::sync::Arc;

pub(super) async fn add(exchange: &mut Exchange<'_>) -> Answer {
    let request = AddTagsToResourceRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "resourceType": request.resource.resource_type.as_str(), "resourceId": request.resource.resource_id,
        "tags": request.tags.iter().map(|t| json!({ "key": t.key, "value": t.value })).collect::<Vec<_>>(),
    }));
    let keys = request_tags(request.tags.iter().map(|tag| (tag.key.as_str(), Some(tag.value.as_str()))));
    let (parameter, permit) = gate(exchange, Operation::AddTagsToResource, request.resource, keys).await?;
    let tags = checked_tags(request.tags)?;
    let parameters = exchange.broker.vault().parameters();
    blocking(|| parameters.add_tags(&permit, &parameter, tags)).map_err(gone)?;
    exchange.answer(&TagsChangedResponse)
}

pub(super) async fn remove(exchange: &mut Exchange<'_>) -> Answer {
    let request = RemoveTagsFromResourceRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "resourceType": request.resource.resource_type.as_str(), "resourceId": request.resource.resource_id,
        "tagKeys": request.tag_keys,
    }));
    let keys = request_tags(request.tag_keys.iter().map(|key| (key.as_str(), None)));
    let operation = Operation::RemoveTagsFromResource;
    let (parameter, permit) = gate(exchange, operation, request.resource, keys).await?;
    let parameters = exchange.broker.vault().parameters();
    blocking(|| parameters.remove_tags(&permit, &parameter, &request.tag_keys)).map_err(gone)?;
    exchange.answer(&TagsChangedResponse)
}

pub(super) async fn list(exchange: &mut Exchange<'_>) -> Answer {
    let request = ListTagsForResourceRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "resourceType": request.resource.resource_type.as_str(), "resourceId": request.resource.resource_id,
    }));
    let (operation, keys) = (Operation::ListTagsForResource, ConditionKeys::new());
    let (parameter, permit) = gate(exchange, operation, request.resource, keys).await?;
    let tags = exchange.broker.vault().parameters().tags(&permit, &parameter).map_err(gone)?;
    exchange.answer(&ListTagsForResourceResponse {
        tag_list: tags.into_iter().map(|(key, value)| Tag { key, value }).collect(),
    })
}

/// The parameter that a request is about, and the permit for it.
async fn gate(
    exchange: &Exchange<'_>,
    operation: Operation,
    resource: Tagged,
    keys: ConditionKeys,
) -> Result<(Arc<Row<ParameterRecord>>, Permit), Failure> {
    if resource.resource_type != ResourceType::Parameter {
        return Err(invalid_resource_type().into());
    }
    let named = Named::new(exchange, resource.resource_id).map_err(|_| invalid_resource_id())?;
    let permit = named.ask(exchange, &operation.action(), keys).await?;
    let parameter = named.whole().ok_or_else(invalid_resource_id)?;
    Ok((Arc::clone(parameter), permit))
}

/// As [`refused`]; a parameter that has gone is a resource that is not there.
fn gone(failure: ParameterFailure) -> Failure {
    match failure {
        ParameterFailure::Refused(ParameterError::NotFound(_)) => invalid_resource_id().into(),
        other => refused(other),
    }
}

/// Most tags of a parameter.
const MAX_TAGS: usize = 50;

pub(super) fn checked_tags(tags: Vec<Tag>) -> Result<Vec<(String, String)>, ApiError> {
    if tags.len() > MAX_TAGS {
        return Err(too_many_tags(format!("A parameter can have at most {MAX_TAGS} tags.")));
    }
    let mut seen = std::collections::HashSet::new();
    for tag in &tags {
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            return Err(ApiError::validation("Tag keys that begin with \"aws:\" are reserved for AWS use."));
        }
        if !seen.insert(tag.key.as_str()) {
            return Err(ApiError::validation(format!("Duplicate tag key: {}", tag.key)));
        }
    }
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}
