//! The resource policies of secrets: `PutResourcePolicy`, `GetResourcePolicy`,
//! `DeleteResourcePolicy`, `ListResourcePolicies`, `ValidateResourcePolicy`.
//!
//! A policy is compiled before it is stored, so that what is in force is what was
//! accepted. The gate sees it with every request for the secret
//! ([`Named::authorize`](super::named_secret::Named::authorize)).

use super::exchange::{Answer, Exchange, Failure, blocking};
use super::named_secret::{Named, refused};
use crate::broker::Ask;
use crate::policy::{ConditionKeys, ResourcePolicy};
use crate::protocol::secretsmanager::{
    self as wire, DeleteResourcePolicyRequest, GetResourcePolicyRequest, ListResourcePoliciesRequest,
    ListResourcePoliciesResponse, PolicyObjection, PutResourcePolicyRequest, ResourcePolicyResponse,
    ValidateResourcePolicyRequest, ValidateResourcePolicyResponse,
};
use crate::protocol::{ApiError, Operation};
use crate::vault::{AttachedPolicy, SecretRecord};
use serde_json::{Value, json};

/// AWS's words for a policy that `BlockPublicPolicy` keeps out.
/// Source: Secrets Manager API Reference, `PublicPolicyException`.
const PUBLIC: &str = "The BlockPublicPolicy parameter is set to true, and the resource policy did not prevent broad \
                      access to the secret.";

pub(super) async fn put(exchange: &mut Exchange<'_>) -> Answer {
    let request = PutResourcePolicyRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "secretId": request.secret_id, "resourcePolicy": recorded(&request.resource_policy),
        "blockPublicPolicy": request.block_public_policy,
    }));
    let named = Named::new(exchange, request.secret_id);
    let mut keys = ConditionKeys::new();
    keys.set("secretsmanager:BlockPublicPolicy", request.block_public_policy.to_string());
    let permit = named.authorize_with(exchange, Operation::PutResourcePolicy, keys).await?;
    let secret = named.existing()?;
    changeable(&secret.record)?;
    let policy = compiled(exchange, request.resource_policy)?;
    if request.block_public_policy && policy.compiled().is_none_or(ResourcePolicy::is_public) {
        return Err(wire::public_policy(PUBLIC).into());
    }
    let secrets = exchange.broker.vault().secrets();
    blocking(|| secrets.put_policy(&permit, &secret, policy)).map_err(refused)?;
    exchange.answer(&answer(&secret.record, None, true))
}

pub(super) async fn get(exchange: &mut Exchange<'_>) -> Answer {
    let request = GetResourcePolicyRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "secretId": request.secret_id }));
    let named = Named::new(exchange, request.secret_id.clone());
    let _permit = named.authorize(exchange, Operation::GetResourcePolicy).await?;
    let secret = named.existing()?;
    not_marked(&secret.record)?;
    request.require_default()?;
    let text = secret.record.policy.as_ref().map(|policy| policy.text().to_owned());
    let named = text.is_some();
    exchange.answer(&answer(&secret.record, text, named))
}

pub(super) async fn list(exchange: &mut Exchange<'_>) -> Answer {
    let request = ListResourcePoliciesRequest::decode(exchange.body)?;
    exchange.context.parameters =
        Some(json!({ "secretId": request.secret_id, "maxResults": request.max_results }));
    let named = Named::new(exchange, request.secret_id.clone());
    let _permit = named.authorize(exchange, Operation::ListResourcePolicies).await?;
    let secret = named.existing()?;
    not_marked(&secret.record)?;
    request.require_first_page()?;
    exchange.answer(&ListResourcePoliciesResponse { attached: secret.record.policy.is_some() })
}

pub(super) async fn delete(exchange: &mut Exchange<'_>) -> Answer {
    let request = DeleteResourcePolicyRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "secretId": request.secret_id }));
    let named = Named::new(exchange, request.secret_id);
    let permit = named.authorize(exchange, Operation::DeleteResourcePolicy).await?;
    let secret = named.existing()?;
    let secrets = exchange.broker.vault().secrets();
    blocking(|| secrets.delete_policy(&permit, &secret)).map_err(refused)?;
    exchange.answer(&answer(&secret.record, None, true))
}

/// Asks for `ValidateResourcePolicy` and, for a secret, `PutResourcePolicy`. A policy that
/// does not compile is an error; one that is public or locks the caller out is not passed.
pub(super) async fn validate(exchange: &mut Exchange<'_>) -> Answer {
    let request = ValidateResourcePolicyRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "secretId": request.secret_id, "resourcePolicy": recorded(&request.resource_policy),
    }));
    let (validate, put) = (Operation::ValidateResourcePolicy.action(), Operation::PutResourcePolicy.action());
    let arn = match request.secret_id {
        Some(id) => {
            let named = Named::new(exchange, id);
            let _permit = named.authorize(exchange, Operation::ValidateResourcePolicy).await?;
            let _permit = named.authorize(exchange, Operation::PutResourcePolicy).await?;
            let secret = named.existing()?;
            changeable(&secret.record)?;
            secret.record.arn()
        }
        None => {
            let _permit = exchange.authorize(&validate, "*", "*").await?;
            let _permit = exchange.authorize(&put, "*", "*").await?;
            "*".to_owned()
        }
    };
    let policy = compiled(exchange, request.resource_policy)?;
    let mut errors = Vec::new();
    if policy.compiled().is_none_or(ResourcePolicy::is_public) {
        errors.push(PolicyObjection {
            check: "PUBLIC_POLICY",
            message: "The resource policy gives broad access to the secret: name principals, or bound everyone by a \
                      condition."
                .to_owned(),
        });
    }
    let ask = Ask { policy: policy.compiled(), ..Ask::new(&put, &arn) };
    if !exchange.broker.would_allow(&exchange.context, &ask) {
        errors.push(PolicyObjection {
            check: "LOCKOUT",
            message: "The resource policy would keep you from changing it again: allow the caller \
                      secretsmanager:PutResourcePolicy."
                .to_owned(),
        });
    }
    exchange.answer(&ValidateResourcePolicyResponse { errors })
}

/// The policy, if it compiles and names nobody who is known not to exist.
fn compiled(exchange: &Exchange<'_>, text: String) -> Result<AttachedPolicy, ApiError> {
    let policy = AttachedPolicy::parse(text).map_err(|findings| {
        wire::malformed_policy_document(format!("This policy has invalid syntax. ({})", findings.first()))
    })?;
    let set = exchange.broker.policies();
    let missing = |compiled: &ResourcePolicy| compiled.missing_principal(&set);
    match policy.compiled().filter(|_| !exchange.broker.settings().other_principals).and_then(missing) {
        // AWS's words, which clients wait on while a new role becomes known.
        Some(name) => Err(wire::malformed_policy_document(format!(
            "This resource policy contains an unsupported principal. ({name} does not exist)"
        ))),
        None => Ok(policy),
    }
}

fn changeable(secret: &SecretRecord) -> Result<(), Failure> {
    secret.require_changeable().map_err(|error| refused(error.into()))
}

fn not_marked(secret: &SecretRecord) -> Result<(), Failure> {
    if secret.deletion.is_some() {
        return Err(wire::marked_for_deletion().into());
    }
    Ok(())
}

fn answer(secret: &SecretRecord, resource_policy: Option<String>, named: bool) -> ResourcePolicyResponse {
    ResourcePolicyResponse { arn: secret.arn(), name: secret.name.clone(), resource_policy, named }
}

/// A policy as the audit log shows it: as JSON, if it is some.
fn recorded(policy: &str) -> Value {
    serde_json::from_str(policy).unwrap_or_else(|_| Value::String(policy.to_owned()))
}
