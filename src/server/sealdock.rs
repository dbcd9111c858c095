//! Sealdock's own operations: what the launcher, the runtime hook and the command
//! line need beyond the AWS services.

use super::exchange::{Answer, Exchange, Failure, blocking};
use super::{bindings, injections, sealdock_reads, sealdock_tasks};
use crate::arn::arn;
use crate::broker::{KeyError, ServiceSession, SessionError};
use crate::policy::IdentityKind;
use crate::protocol::sealdock::{
    AccessKey, AccessKeyLastUsed, AccessKeyStatus, AccessKeySummary, CreateAccessKeyRequest,
    CreateAccessKeyResponse, CreateTaskSessionRequest, CreateTaskSessionResponse, DeleteAccessKeyRequest,
    DeleteAccessKeyResponse, KeyOwner, ListAccessKeysRequest, ListAccessKeysResponse, SessionCredentials,
    UpdateAccessKeyRequest, UpdateAccessKeyResponse, WhoAmIRequest, WhoAmIResponse, invalid_request,
    limit_exceeded, not_found,
};
use crate::protocol::sigv4::SigningKeys;
use crate::protocol::{ApiError, Operation};
use serde_json::json;

/// Serves one operation. `keys` forgets access keys that are switched off or deleted.
pub(super) async fn serve(operation: Operation, exchange: &mut Exchange<'_>, keys: &SigningKeys) -> Answer {
    match operation {
        Operation::CreateTaskSession => create_session(exchange).await,
        Operation::GrantTaskRole => sealdock_tasks::grant(exchange).await,
        Operation::GetTaskCredentials => sealdock_tasks::credentials(exchange).await,
        Operation::EndTask => sealdock_tasks::end(exchange).await,
        Operation::RecordCachedRead => sealdock_reads::record(exchange).await,
        Operation::ResolveInjections => injections::resolve(exchange).await,
        Operation::RecordInjections => bindings::record(exchange).await,
        Operation::ListBindings => bindings::list(exchange).await,
        Operation::ForgetBindings => bindings::forget(exchange).await,
        Operation::CreateAccessKey => create_key(exchange).await,
        Operation::ListAccessKeys => list_keys(exchange).await,
        Operation::UpdateAccessKey => update_key(exchange, keys).await,
        Operation::DeleteAccessKey => delete_key(exchange, keys).await,
        Operation::RevokeSessions => super::sealdock_sessions::revoke(exchange).await,
        Operation::ListRevocations => super::sealdock_sessions::list(exchange).await,
        Operation::WhoAmI => who_am_i(exchange).await,
        other => Err(ApiError::unknown_operation(other.name()).into()),
    }
}

async fn create_session(exchange: &mut Exchange<'_>) -> Answer {
    let request = CreateTaskSessionRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({
        "roleArn": request.role_arn, "roleSessionName": request.session_name, "taskDefinition": request.task_definition,
    }));
    let wanted = ServiceSession::task(&request.role_arn, &request.session_name);
    let session = exchange.broker.service_session(&exchange.context, &wanted).await;
    let session = session.map_err(|e| no_session(exchange, e, &request.role_arn))?;
    exchange.answer(&CreateTaskSessionResponse {
        assumed_role_arn: session.caller.arn.to_string(),
        assumed_role_id: session.caller.id.to_string(),
        credentials: SessionCredentials {
            access_key_id: session.claims.access_key_id,
            secret_access_key: session.secret,
            session_token: session.token,
            expiration: session.claims.expires,
        },
    })
}

/// The error for a session that there is none of.
pub(super) fn no_session(exchange: &Exchange<'_>, error: SessionError, role_arn: &str) -> Failure {
    match error {
        SessionError::Denied(deny) => exchange.denied(deny, role_arn),
        SessionError::Untrusted { role } => Failure::Recorded(ApiError::access_denied_text(format!(
            "ECS was unable to assume the role '{role}' that was provided for this task. Please verify that the role \
             being passed has the proper trust relationship and permissions and that your IAM user has permissions to \
             pass this role."
        ))),
    }
}

async fn create_key(exchange: &mut Exchange<'_>) -> Answer {
    let request = CreateAccessKeyRequest::decode(exchange.body)?;
    let principal = match request.owner {
        KeyOwner::Principal(arn) => arn,
        KeyOwner::UserName(name) => named_user(exchange, &name),
    };
    exchange.context.parameters = Some(json!({ "principalArn": principal }));
    enter_account_of(exchange, &principal);
    let _permit = exchange.authorize("iam:CreateAccessKey", &principal, &principal).await?;
    let (key, secret) = blocking(|| exchange.broker.create_access_key(&principal)).map_err(|e| match e {
        KeyError::UnknownPrincipal(_) => not_found(e.to_string()),
        KeyError::TooMany(_) => limit_exceeded(e.to_string()),
        KeyError::Vault(error) => super::internal(&error),
    })?;
    exchange.answer(&CreateAccessKeyResponse {
        access_key: AccessKey {
            access_key_id: key.id,
            secret_access_key: secret,
            principal_arn: key.principal,
            create_date: key.created,
        },
    })
}

async fn list_keys(exchange: &mut Exchange<'_>) -> Answer {
    let request = ListAccessKeysRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "principalArn": request.principal_arn }));
    let resource = request.principal_arn.as_deref().unwrap_or("*");
    enter_account_of(exchange, resource);
    let _permit = exchange.authorize("iam:ListAccessKeys", resource, resource).await?;
    let keys = exchange.broker.vault().access_keys().list();
    let everyone = exchange.context.caller.as_ref().is_some_and(|caller| exchange.broker.runs_broker(caller));
    let own = |arn: &str| everyone || arn.split(':').nth(4) == Some(exchange.scope.account.as_str());
    let wanted = keys.iter().map(|row| &row.record).filter(|key| own(&key.principal));
    let wanted = wanted.filter(|key| request.principal_arn.as_ref().is_none_or(|arn| *arn == key.principal));
    exchange.answer(&ListAccessKeysResponse {
        access_keys: wanted
            .map(|key| AccessKeySummary {
                access_key_id: key.id.clone(),
                principal_arn: key.principal.clone(),
                status: if key.active { AccessKeyStatus::Active } else { AccessKeyStatus::Inactive },
                create_date: key.created,
                last_used: key.last_used.as_ref().map(|last| AccessKeyLastUsed {
                    date: last.date,
                    service: last.service.clone(),
                    region: last.region.clone(),
                }),
            })
            .collect(),
    })
}

async fn update_key(exchange: &mut Exchange<'_>, keys: &SigningKeys) -> Answer {
    let request = UpdateAccessKeyRequest::decode(exchange.body)?;
    exchange.context.parameters =
        Some(json!({ "accessKeyId": request.access_key_id, "status": request.status.as_str() }));
    gate_for_key(exchange, "iam:UpdateAccessKey", &request.access_key_id).await?;
    let active = request.status == AccessKeyStatus::Active;
    let access_keys = exchange.broker.vault().access_keys();
    let found = blocking(|| access_keys.set_active(&request.access_key_id, active))
        .map_err(|e| super::internal(&e))?;
    keys.forget(&request.access_key_id);
    existing(found, &request.access_key_id)?;
    exchange.answer(&UpdateAccessKeyResponse)
}

async fn delete_key(exchange: &mut Exchange<'_>, keys: &SigningKeys) -> Answer {
    let request = DeleteAccessKeyRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "accessKeyId": request.access_key_id }));
    gate_for_key(exchange, "iam:DeleteAccessKey", &request.access_key_id).await?;
    let access_keys = exchange.broker.vault().access_keys();
    let found = blocking(|| access_keys.delete(&request.access_key_id)).map_err(|e| super::internal(&e))?;
    keys.forget(&request.access_key_id);
    existing(found, &request.access_key_id)?;
    exchange.answer(&DeleteAccessKeyResponse)
}

async fn who_am_i(exchange: &mut Exchange<'_>) -> Answer {
    WhoAmIRequest::decode(exchange.body)?;
    // As sts:GetCallerIdentity, it needs no permission; that it was asked is recorded.
    let Some(caller) = &exchange.context.caller else {
        return Err(invalid_request("the request has no caller").into());
    };
    let answer = WhoAmIResponse {
        account: caller.account().to_owned(),
        arn: caller.arn.to_string(),
        user_id: caller.id.to_string(),
        region: exchange.scope.region.clone(),
    };
    exchange.broker.note_success(&exchange.context).await.map_err(|e| exchange.denied(e.into(), "*"))?;
    exchange.answer(&answer)
}

/// Passes the gate for the owner of an access key; an unknown key is authorised
/// against all users, so that only those who may list keys learn that it is unknown.
async fn gate_for_key(exchange: &mut Exchange<'_>, action: &str, id: &str) -> Result<(), Failure> {
    let key = exchange.broker.vault().access_keys().get(id);
    let resource = key.map_or_else(|| user_arn(exchange, "*"), |row| row.record.principal.clone());
    enter_account_of(exchange, &resource);
    let _permit = exchange.authorize(action, &resource, id).await?;
    Ok(())
}

/// Whoever runs the broker looks after the keys of every account of the vault, each as its root.
fn enter_account_of(exchange: &mut Exchange<'_>, principal: &str) {
    let account = principal.split(':').nth(4).unwrap_or_default();
    let root = exchange.context.caller.as_ref().and_then(|caller| exchange.broker.root_in(caller, account));
    if let Some(root) = root {
        exchange.context.caller = Some(root);
    }
}

fn existing(found: bool, id: &str) -> Result<(), ApiError> {
    if found { Ok(()) } else { Err(not_found(format!("The Access Key with id {id} cannot be found."))) }
}

/// The user of this name, whatever the path in its ARN.
fn named_user(exchange: &Exchange<'_>, name: &str) -> String {
    let policies = exchange.broker.policies();
    let user = policies
        .identities()
        .find(|i| i.kind == IdentityKind::User && i.name == name && i.arn.account == exchange.scope.account);
    user.map_or_else(|| user_arn(exchange, name), |user| user.arn.to_string())
}

fn user_arn(exchange: &Exchange<'_>, name: &str) -> String {
    arn("iam", "", &exchange.scope.account, &["user/", name])
}
