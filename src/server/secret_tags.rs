//! `TagResource`, `UntagResource`, and the rules that tags of a request keep.

use super::exchange::{Answer, Exchange, blocking};
use super::named_secret::{Named, refused};
use super::secret_keys;
use crate::policy::ConditionKeys;
use crate::protocol::secretsmanager::{
    Tag, TagResourceRequest, TagsChanged, UntagResourceRequest, invalid_parameter,
};
use crate::protocol::{ApiError, Operation};
use serde_json::json;

/// Most tags of a secret, and so of a request.
const MAX_TAGS: usize = 50;

pub(super) async fn tag(exchange: &mut Exchange<'_>) -> Answer {
    let request = TagResourceRequest::decode(exchange.body)?;
    let tags = checked_tags(request.tags)?;
    exchange.context.parameters = Some(json!({ "secretId": request.secret_id, "tags": tag_list(&tags) }));
    let named = Named::new(exchange, request.secret_id);
    let mut keys = ConditionKeys::new();
    secret_keys::of_tags(&mut keys, &tags);
    let permit = named.authorize_with(exchange, Operation::TagResource, keys).await?;
    let secret = named.existing()?;
    let secrets = exchange.broker.vault().secrets();
    blocking(|| secrets.tag(&permit, &secret, tags)).map_err(refused)?;
    exchange.answer(&TagsChanged)
}

pub(super) async fn untag(exchange: &mut Exchange<'_>) -> Answer {
    let request = UntagResourceRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "secretId": request.secret_id, "tagKeys": request.tag_keys }));
    let named = Named::new(exchange, request.secret_id);
    let mut keys = ConditionKeys::new();
    request.tag_keys.iter().for_each(|key| keys.add("aws:TagKeys", key.clone()));
    let permit = named.authorize_with(exchange, Operation::UntagResource, keys).await?;
    let secret = named.existing()?;
    for key in &request.tag_keys {
        not_reserved(key)?;
    }
    let secrets = exchange.broker.vault().secrets();
    blocking(|| secrets.untag(&permit, &secret, &request.tag_keys)).map_err(refused)?;
    exchange.answer(&TagsChanged)
}

/// Tags that a request may give to a secret.
pub(super) fn checked_tags(tags: Vec<Tag>) -> Result<Vec<(String, String)>, ApiError> {
    if tags.len() > MAX_TAGS {
        return Err(invalid_parameter(format!("You can't have more than {MAX_TAGS} tags on a secret.")));
    }
    let mut seen = std::collections::HashSet::new();
    for tag in &tags {
        not_reserved(&tag.key)?;
        if !seen.insert(tag.key.as_str()) {
            return Err(invalid_parameter(format!("Duplicate tag key: {}", tag.key)));
        }
    }
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

fn not_reserved(key: &str) -> Result<(), ApiError> {
    if key.to_lowercase().starts_with("aws:") {
        return Err(invalid_parameter("Tag keys that begin with \"aws:\" are reserved for AWS use."));
    }
    Ok(())
}

/// Tags as the audit log shows them.
pub(super) fn tag_list(tags: &[(String, String)]) -> Vec<serde_json::Value> {
    tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}
