//! Key policies and tags of keys.

use super::exchange::{Answer, Exchange, Failure, blocking};
use super::kms::{any, one};
use super::kms_named::{Named, no_marker, of_key, of_tags, own_policy, refused};
use crate::arn::Arn;
use crate::broker::{Ask, Caller};
use crate::policy::{ConditionKeys, PolicyKind, PolicySet, Request, ResourcePolicy, evaluate};
use crate::protocol::kms::{
    Done, GetKeyPolicyRequest, GetKeyPolicyResponse, KeyPageRequest, ListKeyPoliciesResponse,
    ListResourceTagsResponse, PutKeyPolicyRequest, Tag, TagResourceRequest, UntagResourceRequest,
    limit_exceeded, malformed_policy_document, not_found, tag as tag_error,
};
use crate::protocol::{ApiError, Operation};
use crate::vault::{FoundKey, KeyRecord, Kms};
use serde_json::json;

/// Longest key policy, in bytes.
const MAX_POLICY: usize = 32_768;

/// Most tags of a key, and so of a request.
const MAX_TAGS: usize = 50;

/// The name of every key policy.
const DEFAULT: &str = "default";

pub(super) async fn get(exchange: &mut Exchange<'_>) -> Answer {
    let request = GetKeyPolicyRequest::decode(exchange.body)?;
    let (_permit, key) = any(exchange, Operation::GetKeyPolicy, &request.key_id).await?;
    named_default(&request.policy_name)?;
    exchange.answer(&GetKeyPolicyResponse {
        policy: match &key {
            FoundKey::Own(own) => own_policy(own),
            FoundKey::Customer(row) => {
                row.record.customer.as_ref().map(|customer| customer.policy.clone()).unwrap_or_default()
            }
        },
    })
}

pub(super) async fn put(exchange: &mut Exchange<'_>) -> Answer {
    let request = PutKeyPolicyRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "keyId": request.key_id, "policyName": request.policy_name, "policy": request.policy,
        "bypassPolicyLockoutSafetyCheck": request.bypass_lockout_check,
    }));
    let named = Named::without_alias(exchange, &request.key_id);
    let keys = ConditionKeys::new()
        .with("kms:PolicyName", request.policy_name.clone())
        .with("kms:BypassPolicyLockoutSafetyCheck", request.bypass_lockout_check.to_string());
    let permit = named.authorize_with(exchange, Operation::PutKeyPolicy, keys).await?;
    let key = named.customer()?;
    if request.policy_name == "AWS_RAM" {
        return Err(ApiError::validation("The AWS_RAM policy can only be managed by the RAM service.").into());
    }
    named_default(&request.policy_name)?;
    check_policy(exchange, Some(&key.record), &request.policy, request.bypass_lockout_check)?;
    let kms = exchange.broker.vault().kms();
    blocking(|| kms.put_policy(&permit, &key.record.arn(), request.policy)).map_err(refused)?;
    exchange.answer(&Done)
}

pub(super) async fn list(exchange: &mut Exchange<'_>) -> Answer {
    let request = KeyPageRequest::decode(exchange.body)?;
    let _found = any(exchange, Operation::ListKeyPolicies, &request.key_id).await?;
    no_marker(request.page.marker.as_deref())?;
    exchange.answer(&ListKeyPoliciesResponse)
}

pub(super) async fn tag(exchange: &mut Exchange<'_>) -> Answer {
    let request = TagResourceRequest::decode(exchange.body)?;
    let tags = checked_tags(request.tags)?;
    let shown: Vec<_> = tags.iter().map(|(key, value)| json!({ "tagKey": key, "tagValue": value })).collect();
    exchange.context.parameters = Some(json!({ "keyId": request.key_id, "tags": shown }));
    let named = Named::without_alias(exchange, &request.key_id);
    let mut keys = ConditionKeys::new();
    of_tags(&mut keys, &tags);
    let permit = named.authorize_with(exchange, Operation::KmsTagResource, keys).await?;
    let arn = named.customer()?.record.arn();
    let kms = exchange.broker.vault().kms();
    blocking(|| kms.tag(&permit, &arn, tags)).map_err(refused)?;
    exchange.answer(&Done)
}

pub(super) async fn untag(exchange: &mut Exchange<'_>) -> Answer {
    let request = UntagResourceRequest::decode(exchange.body)?;
    for key in &request.tag_keys {
        not_reserved(key)?;
    }
    exchange.context.parameters = Some(json!({ "keyId": request.key_id, "tagKeys": request.tag_keys }));
    let named = Named::without_alias(exchange, &request.key_id);
    let mut keys = ConditionKeys::new();
    for key in &request.tag_keys {
        keys.add("aws:TagKeys", key.clone());
    }
    let permit = named.authorize_with(exchange, Operation::KmsUntagResource, keys).await?;
    let arn = named.customer()?.record.arn();
    let kms = exchange.broker.vault().kms();
    blocking(|| kms.untag(&permit, &arn, &request.tag_keys)).map_err(refused)?;
    exchange.answer(&Done)
}

/// All tags are on one page: a key has fifty at most. A smaller page has a Marker.
pub(super) async fn list_tags(exchange: &mut Exchange<'_>) -> Answer {
    let request = KeyPageRequest::decode(exchange.body)?;
    let (_permit, key) = one(exchange, Operation::ListResourceTags, &request.key_id).await?;
    let arn = key.record.arn();
    let list = format!("tags {arn}");
    let after = super::kms_named::open_marker(exchange, &list, request.page.marker.as_deref())?;
    let tags = key.record.customer.iter().flat_map(|customer| &customer.tags);
    let mut tags: Vec<Tag> =
        tags.map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect();
    tags.sort_by(|a, b| a.key.cmp(&b.key));
    tags.retain(|tag| after.as_ref().is_none_or(|after| tag.key > *after));
    let size = request.page.limit.unwrap_or(MAX_TAGS);
    let more = tags.len() > size;
    tags.truncate(size);
    let next =
        tags.last().filter(|_| more).map(|last| super::kms_named::seal_marker(exchange, &list, &last.key));
    exchange.answer(&ListResourceTagsResponse { tags, next_marker: next })
}

fn named_default(name: &str) -> Result<(), ApiError> {
    if name == DEFAULT { Ok(()) } else { Err(not_found(format!("No such policy exists: {name}"))) }
}

/// A policy compiles, and, unless that is waived, can be replaced again: by the caller, or by
/// whom the account lets.
pub(super) fn check_policy(
    exchange: &Exchange<'_>,
    key: Option<&KeyRecord>,
    text: &str,
    waived: bool,
) -> Result<(), Failure> {
    if text.len() > MAX_POLICY {
        return Err(limit_exceeded(format!("The policy is longer than {MAX_POLICY} bytes.")).into());
    }
    let arn = key.map_or_else(|| Kms::hypothetical_arn(&exchange.scope, "new"), KeyRecord::arn);
    let policy = ResourcePolicy::parse("key policy", text, PolicyKind::Kms)
        .map_err(|findings| malformed_policy_document(findings.to_string().trim()))?;
    if let Some(name) = policy.missing_principal(&exchange.broker.policies()) {
        // AWS's words, which clients wait on while a new role becomes known.
        return Err(malformed_policy_document(format!(
            "Policy contains a statement with one or more invalid principals. ({name} does not exist)"
        ))
        .into());
    }
    let mut keys = ConditionKeys::new();
    if let Some(key) = key {
        of_key(exchange, &mut keys, key);
    }
    let account = exchange.context.caller.as_ref().map(Caller::account).unwrap_or_default();
    let root = Arn::new("iam", "", account, "root");
    let by_root =
        Request { policy: Some(&policy), keys: &keys, ..Request::new(&root, "kms:PutKeyPolicy", &arn) };
    let by_account = evaluate(&PolicySet::empty(), &by_root).is_allowed();
    let ask = Ask { keys, policy: Some(&policy), ..Ask::new("kms:PutKeyPolicy", &arn) };
    if waived || by_account || exchange.broker.would_allow(&exchange.context, &ask) {
        return Ok(());
    }
    Err(malformed_policy_document(
        "The new key policy will not allow you to update the key policy in the future.",
    )
    .into())
}

/// Tags that a request may give to a key.
pub(super) fn checked_tags(tags: Vec<Tag>) -> Result<Vec<(String, String)>, ApiError> {
    if tags.len() > MAX_TAGS {
        return Err(limit_exceeded(format!("A key can have at most {MAX_TAGS} tags.")));
    }
    let mut seen = std::collections::HashSet::new();
    for tag in &tags {
        not_reserved(&tag.key)?;
        if !seen.insert(tag.key.as_str()) {
            return Err(tag_error(format!("Duplicate tag key: {}", tag.key)));
        }
    }
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

fn not_reserved(key: &str) -> Result<(), ApiError> {
    if key.to_lowercase().starts_with("aws:") {
        return Err(tag_error("Tags beginning with aws: are reserved"));
    }
    Ok(())
}
