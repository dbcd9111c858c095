//! Who sends a request: its signature, or the kernel's word for a Unix-socket peer.

use super::listener::{Incoming, Peer};
use crate::arn::is_region;
use crate::broker::{Broker, Caller, CredentialError, Proof};
use crate::protocol::sigv4::{Presented, SigningKey, SigningKeys};
use crate::protocol::{ApiError, Operation, Service};
use std::sync::Arc;

/// The caller and the Region that the request is for.
///
/// # Errors
/// The errors that AWS answers for missing, malformed, expired and wrong signatures.
pub(super) fn authenticate(
    broker: &Broker,
    keys: &SigningKeys,
    incoming: &Incoming,
    operation: Operation,
) -> Result<(Caller, String), ApiError> {
    let head = &incoming.head;
    let Some(presented) = Presented::parse(&head.method, &head.uri, &head.headers)? else {
        let Peer::Unix { uid, .. } = &head.peer else {
            return Err(ApiError::missing_authentication_token());
        };
        let caller = broker.peer(*uid).ok_or_else(|| {
            ApiError::access_denied_text(format!(
                "uid {uid} has no principal on this socket: sign the request, or add a [[peer]] entry to the configuration"
            ))
        })?;
        return Ok((caller, broker.settings().region.clone()));
    };
    let service = operation.service().signing_name();
    let region = presented.scope.region.clone();
    if !is_region(&region) {
        presented.scope.require(&broker.settings().region, service)?;
    }
    presented.scope.require(&region, service)?;
    let token = presented.session_token.as_ref();
    let claimed = broker.claimed(&presented.access_key_id, token).map_err(|e| unproven(&e))?;
    let caller = match keys.get(&presented.access_key_id, &presented.scope) {
        Some(key) => {
            presented.verify(&key, &incoming.body, broker.now())?;
            claimed.caller
        }
        None => {
            let (caller, secret) = broker.secret_of(claimed).map_err(|e| unproven(&e))?;
            let key = Arc::new(SigningKey::derive(&secret, &presented.scope));
            presented.verify(&key, &incoming.body, broker.now())?;
            keys.keep(&presented.access_key_id, &presented.scope, key);
            caller
        }
    };
    if let Proof::AccessKey { id } = &caller.proof {
        broker.vault().access_keys().used(id, service, &region);
    }
    Ok((caller, region))
}

/// Keeps temporary credentials of a user or the root from what they may not call without MFA, which does
/// not exist here: IAM, and of STS all but two operations. A session would become a key that
/// outlives it.
///
/// Source: STS API Reference, "GetSessionToken".
///
/// # Errors
/// `AccessDeniedException`, whatever policies say.
pub(super) fn refuse_own_session(caller: &Caller, operation: Operation) -> Result<(), ApiError> {
    let closed = match operation {
        Operation::AssumeRole | Operation::GetCallerIdentity => false,
        Operation::CreateAccessKey
        | Operation::ListAccessKeys
        | Operation::UpdateAccessKey
        | Operation::DeleteAccessKey => true,
        other => other.service() == Service::Sts,
    };
    if closed && caller.is_own_session() {
        let name = operation.name();
        return Err(ApiError::access_denied_text(format!("Cannot call {name} with session credentials")));
    }
    Ok(())
}

fn unproven(error: &CredentialError) -> ApiError {
    match error {
        CredentialError::Unrecognized => ApiError::unrecognized_client(),
        CredentialError::Expired => ApiError::expired_token(),
        CredentialError::Vault(error) => super::internal(error),
    }
}
