//! The KMS keys of SecureStrings: the permits that it takes to use one.
//!
//! ```text
//! read with decryption      Decrypt
//! write, standard tier      Encrypt
//! write, advanced tier      GenerateDataKey
//! ```
//!
//! All with the encryption context PARAMETER_ARN. The service's own key takes no permit, and
//! serves the parameter's own account only. Without decryption no key is used.
//!
//! Source: Systems Manager User Guide, "AWS KMS encryption for AWS Systems Manager Parameter
//! Store SecureString parameters".

use super::exchange::{Exchange, Failure, blocking};
use super::kms_use::{KeyDenied, Use, alias_of, permit};
use super::named_parameter::{answered, refused};
use crate::audit::Permit;
use crate::protocol::{ApiError, Service};
use crate::vault::{
    KeyError, KeyPermits, KeyRecord, NewParameter, ParameterError, ParameterFailure, ParameterKind,
    ParameterRecord, ParameterVersion, Row, Scope, Tier, parameter_arn,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How often a write is begun again because the parameter got another key or tier meanwhile.
const ATTEMPTS: usize = 4;

/// What it takes to decrypt `versions` of a parameter.
pub(super) async fn to_read<'v>(
    exchange: &Exchange<'_>,
    record: &ParameterRecord,
    versions: impl IntoIterator<Item = &'v ParameterVersion>,
) -> Result<KeyPermits, Failure> {
    // They share their encryption context, so that one permit for each key will do.
    let mut customers: BTreeMap<&str, &ParameterVersion> = BTreeMap::new();
    for version in versions.into_iter().filter(|v| v.kind == ParameterKind::SecureString) {
        match &version.customer_key {
            Some(arn) => {
                customers.insert(arn, version);
            }
            None => own_account(exchange, &record.scope)?,
        }
    }
    let parameter = record.arn();
    let mut keys = KeyPermits::none();
    for (arn, version) in customers {
        let key = customer(exchange, arn)?;
        let alias = version.key_id.as_deref().and_then(alias_of);
        keys.add(parameter.as_str(), ask(exchange, "Decrypt", &key.record, &parameter, alias).await?);
    }
    Ok(keys)
}

/// Writes a version, with the permit for its key if it needs one.
pub(super) async fn put(
    exchange: &Exchange<'_>,
    permit: &Permit,
    new: &NewParameter,
) -> Result<(i64, Tier), Failure> {
    let (scope, arn) = (&exchange.scope, parameter_arn(&exchange.scope, &new.name));
    let parameters = exchange.broker.vault().parameters();
    for _ in 0..ATTEMPTS {
        // A hostile AllowedPattern takes its time.
        let sealing = blocking(|| parameters.sealing(scope, new)).map_err(refused)?;
        let mut keys = KeyPermits::none();
        if let Some(customer_key) = sealing.key.customer() {
            let key = customer(exchange, customer_key)?;
            let operation = match sealing.tier {
                Tier::Standard => "Encrypt",
                Tier::Advanced => "GenerateDataKey",
            };
            let alias = sealing.key.shown().and_then(alias_of);
            keys.add(arn.as_str(), ask(exchange, operation, &key.record, &arn, alias).await?);
        }
        match blocking(|| parameters.put(permit, &keys, &arn, scope, new, &sealing)) {
            Err(ParameterFailure::Refused(ParameterError::Concurrent)) => {}
            written => return written.map_err(refused),
        }
    }
    Err(answered(ParameterError::Concurrent).into())
}

/// The record of a customer key.
fn customer(exchange: &Exchange<'_>, arn: &str) -> Result<Arc<Row<KeyRecord>>, ApiError> {
    let gone = || answered(ParameterError::Key(KeyError::NoSuchKey(arn.to_owned())));
    exchange.broker.vault().kms().customer(arn).ok_or_else(gone)
}

/// The service's own key works for the parameter's account only.
fn own_account(exchange: &Exchange<'_>, scope: &Scope) -> Result<(), ApiError> {
    if exchange.scope.account == scope.account {
        return Ok(());
    }
    Err(ApiError::access_denied_text(of_kms(
        "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are \
         not allowed to access.",
        "AccessDeniedException",
    )))
}

async fn ask(
    exchange: &Exchange<'_>,
    operation: &'static str,
    key: &KeyRecord,
    parameter_arn: &str,
    alias: Option<&str>,
) -> Result<Permit, Failure> {
    let context = [("PARAMETER_ARN", parameter_arn)];
    let using = Use { service: Service::Ssm, operation, context: &context, alias };
    permit(exchange, key, &using).await.map_err(|denied| match denied {
        KeyDenied::Refused(text) => {
            ApiError::access_denied_text(of_kms(&text, "AccessDeniedException")).into()
        }
        KeyDenied::Failed(failure) => failure,
    })
}

/// The code and the text with which Parameter Store passes on that a key cannot be used.
pub(super) fn unusable(error: &KeyError) -> ApiError {
    let code = match error {
        KeyError::Disabled(_) => "DisabledException",
        KeyError::PendingDeletion(_) => "KMSInvalidStateException",
        KeyError::OfAnotherService(_) => "AccessDeniedException",
        _ => "NotFoundException",
    };
    let text = of_kms(&error.to_string(), code);
    match error {
        KeyError::OfAnotherService(_) => ApiError::access_denied_text(text),
        _ => crate::protocol::ssm::invalid_key_id(text),
    }
}

/// An error of KMS as Parameter Store repeats it.
fn of_kms(text: &str, code: &str) -> String {
    format!("{text} (Service: AWSKMS; Status Code: 400; Error Code: {code})")
}
