//! Sharing of parameters: `PutResourcePolicy`, `GetResourcePolicies`, `DeleteResourcePolicy`.
//! A resource is a parameter of the caller's own account, or it is not here.

use super::exchange::{Answer, Exchange, Failure, blocking};
use super::named_parameter::{Named, refused};
use crate::audit::Permit;
use crate::policy::{PolicyKind, ResourcePolicy};
use crate::protocol::ssm::{
    DeleteResourcePolicyRequest, DeleteResourcePolicyResponse, GetResourcePoliciesRequest,
    GetResourcePoliciesResponse, PutResourcePolicyRequest, PutResourcePolicyResponse, ResourcePolicyEntry,
    invalid_next_token, malformed_resource_policy_document, resource_not_found,
    resource_policy_invalid_parameter, resource_policy_limit_exceeded,
};
use crate::protocol::{ApiError, Operation};
use crate::vault::{ParameterRecord, Row};
use serde_json::json;
use std::sync::Arc;

/// Longest policy, in bytes.
const MAX_POLICY: usize = 1024;

pub(super) async fn put(exchange: &mut Exchange<'_>) -> Answer {
    let request = PutResourcePolicyRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "resourceArn": request.resource_arn, "policy": request.policy,
        "policyId": request.policy_id, "policyHash": request.policy_hash,
    }));
    let operation = Operation::PutParameterResourcePolicy;
    let (parameter, permit) = gate(exchange, operation, &request.resource_arn).await?;
    let replaces = match (&request.policy_id, &request.policy_hash) {
        (None, None) => None,
        (Some(id), Some(hash)) => Some((id.as_str(), hash.as_str())),
        (given, _) => {
            let missing = if given.is_some() { "PolicyHash" } else { "PolicyId" };
            return Err(resource_policy_invalid_parameter(
                &[missing],
                "To update a policy, you must specify PolicyId and PolicyHash.",
            )
            .into());
        }
    };
    check_policy(&parameter.record.arn(), &request.policy)?;
    let parameters = exchange.broker.vault().parameters();
    let sharing =
        blocking(|| parameters.share(&permit, &parameter, request.policy, replaces)).map_err(refused)?;
    exchange.answer(&PutResourcePolicyResponse { policy_hash: sharing.hash(), policy_id: sharing.id })
}

pub(super) async fn get(exchange: &mut Exchange<'_>) -> Answer {
    let request = GetResourcePoliciesRequest::decode(exchange.body)?;
    exchange.context.parameters =
        Some(json!({ "resourceArn": request.resource_arn, "maxResults": request.max_results }));
    let (parameter, _permit) = gate(exchange, Operation::GetResourcePolicies, &request.resource_arn).await?;
    if request.next_token.is_some() {
        // There is one page, so no token was ever handed out.
        return Err(resource_policy_invalid_parameter(&["NextToken"], invalid_next_token().message).into());
    }
    let entry = parameter.record.sharing.as_ref().map(|sharing| ResourcePolicyEntry {
        policy_id: sharing.id.clone(),
        policy_hash: sharing.hash(),
        policy: sharing.text.clone(),
    });
    exchange.answer(&GetResourcePoliciesResponse { policies: entry.into_iter().collect() })
}

pub(super) async fn delete(exchange: &mut Exchange<'_>) -> Answer {
    let request = DeleteResourcePolicyRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "resourceArn": request.resource_arn, "policyId": request.policy_id, "policyHash": request.policy_hash,
    }));
    let operation = Operation::DeleteParameterResourcePolicy;
    let (parameter, permit) = gate(exchange, operation, &request.resource_arn).await?;
    let parameters = exchange.broker.vault().parameters();
    let seen = (request.policy_id.as_str(), request.policy_hash.as_str());
    blocking(|| parameters.unshare(&permit, &parameter, seen)).map_err(refused)?;
    exchange.answer(&DeleteResourcePolicyResponse)
}

/// The parameter that a request is about, and the permit for it.
async fn gate(
    exchange: &Exchange<'_>,
    operation: Operation,
    resource_arn: &str,
) -> Result<(Arc<Row<ParameterRecord>>, Permit), Failure> {
    let named = Some(resource_arn.to_owned())
        .filter(|text| text.starts_with("arn:"))
        .and_then(|text| Named::new(exchange, text).ok())
        .filter(|named| named.name.selector.is_none());
    let Some(named) = named else {
        return Err(resource_policy_invalid_parameter(
            &["ResourceArn"],
            "The resource must be a parameter, named by its ARN: arn:aws:ssm:REGION:ACCOUNT:parameter/NAME.",
        )
        .into());
    };
    let permit = named.authorize(exchange, operation).await?;
    // The sharing of a parameter is its owner's, whatever its policy says.
    let own = named.found.filter(|row| row.record.scope == exchange.scope);
    let parameter =
        own.ok_or_else(|| resource_not_found("The specified parameter to be shared could not be found."))?;
    Ok((parameter, permit))
}

fn check_policy(arn: &str, text: &str) -> Result<(), ApiError> {
    if text.len() > MAX_POLICY {
        return Err(resource_policy_limit_exceeded(
            i64::try_from(MAX_POLICY).unwrap_or_default(),
            "ResourcePolicySizeInBytes",
            format!("A policy can't be greater than {MAX_POLICY} bytes in size."),
        ));
    }
    let policy = ResourcePolicy::parse(arn, text, PolicyKind::ParameterStore)
        .map_err(|findings| malformed_resource_policy_document(findings.to_string()))?;
    if policy.is_public() {
        return Err(malformed_resource_policy_document(
            "The policy gives everyone access to the parameter. Name the accounts, users or roles to share it with, or \
             bound the statement by a condition.",
        ));
    }
    Ok(())
}
