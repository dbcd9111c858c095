//! STS, one function an operation. Requests come as forms (see
//! [`crate::protocol::query`]); answers are XML.

use super::exchange::{Answer, Exchange, Failure};
use crate::broker::{AssumeError, Caller, NewSession, Proof, RoleSession};
use crate::protocol::sts::{
    AssumeRoleRequest, AssumeRoleResponse, Credentials, DecodeAuthorizationMessageRequest,
    GetAccessKeyInfoRequest, GetCallerIdentityRequest, GetCallerIdentityResponse, GetSessionTokenRequest,
    access_denied, access_key_info, invalid_authorization_message, invalid_parameter_value,
    malformed_policy_document, packed_policy_too_large, validation,
};
use crate::protocol::{ApiError, Operation, query};
use crate::vault::account_of_key;
use jiff::SignedDuration;
use serde_json::json;

/// Serves one operation, in JSON if the caller wants that and the operation can. Errors have the names of
/// the Query protocol.
pub(super) async fn serve(operation: Operation, exchange: &mut Exchange<'_>, wants_json: bool) -> Answer {
    let answer = match operation {
        Operation::AssumeRole => assume_role(exchange).await,
        Operation::GetCallerIdentity => get_caller_identity(exchange, wants_json).await,
        Operation::GetSessionToken => get_session_token(exchange).await,
        Operation::GetAccessKeyInfo => get_access_key_info(exchange).await,
        Operation::DecodeAuthorizationMessage => decode_authorization_message(exchange).await,
        other => Err(ApiError::unknown_operation(other.name()).into()),
    };
    answer.map_err(|failure| match failure {
        Failure::Recorded(error) => Failure::Recorded(query::renamed(error)),
        Failure::Unrecorded(error) => Failure::Unrecorded(query::renamed(error)),
    })
}

async fn assume_role(exchange: &mut Exchange<'_>) -> Answer {
    let request = AssumeRoleRequest::decode(exchange.body)?;
    let tags: Vec<_> =
        request.tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    exchange.context.parameters = Some(json!({
        "roleArn": request.role_arn, "roleSessionName": request.role_session_name, "policy": request.policy,
        "policyArns": request.policy_arns, "durationSeconds": request.duration_seconds, "tags": tags,
        "transitiveTagKeys": request.transitive_tag_keys, "externalId": request.external_id,
        "sourceIdentity": request.source_identity, "serialNumber": request.serial_number,
    }));
    refuse_mfa(request.serial_number.as_deref(), request.token_code.is_some())?;
    let role = request.role_arn.clone();
    let wanted = NewSession {
        role: request.role_arn,
        name: request.role_session_name,
        policy: request.policy,
        policy_arns: request.policy_arns,
        duration: request.duration_seconds.map(SignedDuration::from_secs),
        tags: request.tags,
        transitive: request.transitive_tag_keys,
        external_id: request.external_id,
        source_identity: request.source_identity,
    };
    let assumed = exchange.broker.assume_role(&exchange.context, wanted).await;
    let assumed = assumed.map_err(|error| match error {
        AssumeError::Denied(deny) => exchange.denied(deny, &role),
        AssumeError::Root => access_denied("Roles may not be assumed by root accounts.").into(),
        AssumeError::Parameter(text) => invalid_parameter_value(text).into(),
        AssumeError::Duration(text) => validation(text).into(),
        AssumeError::SourceIdentity => access_denied(
            "The source identity of a session cannot be changed by role chaining: leave SourceIdentity out, or give \
             that of the calling session.",
        )
        .into(),
        AssumeError::Policy(text) => malformed_policy_document(text).into(),
        AssumeError::TooLarge { percent, tags: true } => {
            packed_policy_too_large(format!("Packed size of session tags consumes {percent}% of allotted space.")).into()
        }
        AssumeError::TooLarge { percent, tags: false } => packed_policy_too_large(format!(
            "Packed policy consumes {percent}% of allotted space, please use smaller policy."
        ))
        .into(),
    })?;
    let (arn, id) = (assumed.session.caller.arn.to_string(), assumed.session.caller.id.to_string());
    let response = AssumeRoleResponse {
        source_identity: assumed.session.claims.source_identity.clone(),
        credentials: credentials(assumed.session),
        assumed_role_arn: arn,
        assumed_role_id: id,
        packed_policy_size: assumed.packed,
    };
    Ok(response.encode(&exchange.context.request_id))
}

fn credentials(session: RoleSession) -> Credentials {
    Credentials {
        access_key_id: session.claims.access_key_id,
        secret_access_key: session.secret,
        session_token: session.token,
        expiration: session.claims.expires,
    }
}

/// There are no MFA devices here, so no code can be right.
fn refuse_mfa(serial: Option<&str>, code: bool) -> Result<(), ApiError> {
    match (serial, code) {
        (None, false) => Ok(()),
        (Some(_), true) => {
            Err(access_denied("MultiFactorAuthentication failed with invalid MFA one time pass code. "))
        }
        _ => Err(access_denied(
            "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.",
        )),
    }
}

fn caller<'a>(exchange: &'a Exchange<'_>) -> Result<&'a Caller, Failure> {
    exchange.context.caller.as_ref().ok_or_else(|| ApiError::missing_authentication_token().into())
}

/// Needs no permission: even an explicit deny does not keep callers from knowing who they are.
async fn get_caller_identity(exchange: &mut Exchange<'_>, wants_json: bool) -> Answer {
    GetCallerIdentityRequest::decode(exchange.body)?;
    let caller = caller(exchange)?;
    let response = GetCallerIdentityResponse {
        arn: caller.arn.to_string(),
        user_id: caller.id.to_string(),
        account: caller.account().to_owned(),
    };
    exchange.broker.note_success(&exchange.context).await.map_err(|e| exchange.denied(e.into(), "*"))?;
    let request_id = &exchange.context.request_id;
    Ok(if wants_json { response.encode_json(request_id) } else { response.encode(request_id) })
}

/// Needs no permission either: the session can do no more than its user.
async fn get_session_token(exchange: &mut Exchange<'_>) -> Answer {
    let request = GetSessionTokenRequest::decode(exchange.body)?;
    exchange.context.parameters =
        Some(json!({ "durationSeconds": request.duration_seconds, "serialNumber": request.serial_number }));
    refuse_mfa(request.serial_number.as_deref(), request.token_code.is_some())?;
    if let Proof::Session(_) = caller(exchange)?.proof {
        return Err(access_denied("Cannot call GetSessionToken with session credentials").into());
    }
    let wanted = request.duration_seconds.map(SignedDuration::from_secs);
    let session = exchange.broker.own_session(&exchange.context, wanted).await;
    let session = session.map_err(|deny| exchange.denied(deny, "*"))?;
    Ok(GetSessionTokenRequest::answer(&credentials(session), &exchange.context.request_id))
}

/// The account stands in the key's id; that the key exists is not said.
async fn get_access_key_info(exchange: &mut Exchange<'_>) -> Answer {
    let request = GetAccessKeyInfoRequest::decode(exchange.body)?;
    exchange.context.parameters = Some(json!({ "accessKeyId": request.access_key_id }));
    let _permit = exchange.authorize("sts:GetAccessKeyInfo", "*", "*").await?;
    let known = exchange.broker.vault().access_keys().get(&request.access_key_id);
    let account = known.and_then(|row| row.record.principal.split(':').nth(4).map(str::to_owned));
    let account = account.or_else(|| account_of_key(&request.access_key_id));
    let account = account.ok_or_else(|| validation("Invalid access key ID"))?;
    Ok(access_key_info(&account, &exchange.context.request_id))
}

/// Refusals here are in plain words, so no message was ever encoded.
async fn decode_authorization_message(exchange: &mut Exchange<'_>) -> Answer {
    DecodeAuthorizationMessageRequest::decode(exchange.body)?;
    let _permit = exchange.authorize("sts:DecodeAuthorizationMessage", "*", "*").await?;
    Err(invalid_authorization_message().into())
}
