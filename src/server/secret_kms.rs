//! The KMS keys of secrets: which one is meant, and the permits that it takes.
//!
//! ```text
//! read a value        Decrypt
//! write a value       GenerateDataKey, Decrypt
//! give another key    GenerateDataKey, Decrypt, to see that the caller may use it; and for each
//!                     labelled version Decrypt on its key, Encrypt on the new one: a version
//!                     for which these are refused stays under its key
//! ```
//!
//! All with the encryption context SecretARN and SecretVersionId. The service's own key
//! takes no permit, and serves the secret's own account only.
//!
//! Source: Secrets Manager User Guide, "Secret encryption and decryption", "Access AWS
//! Secrets Manager secrets from a different account".

use super::exchange::{Exchange, Failure};
use super::kms_use::{KeyDenied, Use, alias_of, permit};
use super::named_secret::refused;
use crate::audit::Permit;
use crate::protocol::secretsmanager as wire;
use crate::protocol::{ApiError, Service};
use crate::vault::{
    ChosenKey, KeyError, KeyPermits, KeyRecord, OWN_KEYS, Row, Scope, SecretError, SecretFailure,
    SecretRecord, SecretVersionValue, VaultError, VersionRecord,
};
use std::sync::Arc;

/// SecretVersionId where the service only looks whether the caller may use a key.
const TO_VALIDATE: &str = "RequestToValidateKeyAccess";

/// Reads the version that these selectors name, with the permit for its key if it needs one.
pub(super) async fn read(
    exchange: &Exchange<'_>,
    permit: &Permit,
    secret: &Arc<Row<SecretRecord>>,
    version_id: Option<&str>,
    stage: Option<&str>,
) -> Result<SecretVersionValue, Failure> {
    let secrets = exchange.broker.vault().secrets();
    let keys = to_read(exchange, &secret.record, version_id, stage).await?;
    match secrets.get_value(permit, &keys, secret, version_id, stage) {
        // The version may have got another key since the secret was found.
        Err(SecretFailure::Vault(VaultError::NotPermitted)) => {
            let current = secrets.find(&exchange.scope, &secret.record.arn());
            let current = current.ok_or_else(|| refused(SecretError::NotFound.into()))?;
            let keys = to_read(exchange, &current.record, version_id, stage).await?;
            secrets.get_value(permit, &keys, &current, version_id, stage).map_err(refused)
        }
        read => read.map_err(refused),
    }
}

async fn to_read(
    exchange: &Exchange<'_>,
    secret: &SecretRecord,
    version_id: Option<&str>,
    stage: Option<&str>,
) -> Result<KeyPermits, Failure> {
    let version = secret.select(version_id, stage).map_err(|error| refused(error.into()))?;
    let Some(arn) = &version.customer_key else {
        own_account(exchange, &secret.scope)?;
        return Ok(KeyPermits::none());
    };
    let kms = exchange.broker.vault().kms();
    let Some(key) = kms.customer(arn) else {
        return Err(refused(SecretError::DecryptionFailure(KeyError::NoSuchKey(arn.clone())).into()));
    };
    let mut keys = KeyPermits::none();
    match ask(exchange, "Decrypt", &key.record, &secret.arn(), &version.id, alias(version)).await {
        Ok(permit) => keys.add(version.id.as_str(), permit),
        Err(KeyDenied::Refused(_)) => {
            let current = kms.choose(&secret.scope, OWN_KEYS[0], secret.kms_key_id.as_deref());
            let is_current = current.is_ok_and(|key| key.customer() == Some(arn));
            return Err(if is_current {
                no_access()
            } else {
                ApiError::access_denied_text(
                    "Access to KMS is not allowed. This version of secret is not encrypted with the current KMS key.",
                )
            }
            .into());
        }
        Err(KeyDenied::Failed(failure)) => return Err(failure),
    }
    Ok(keys)
}

/// The key that the caller names for a secret of `scope`.
pub(super) fn choose(
    exchange: &Exchange<'_>,
    scope: &Scope,
    named: Option<&str>,
) -> Result<ChosenKey, Failure> {
    let kms = exchange.broker.vault().kms();
    let chosen = kms
        .choose(scope, OWN_KEYS[0], named)
        .map_err(|cause| refused(SecretError::EncryptionFailure(cause).into()))?;
    if chosen.customer().is_none() {
        own_account(exchange, scope)?;
    }
    Ok(chosen)
}

/// What it takes to seal the version `version_id` under a secret's key.
pub(super) async fn to_write(
    exchange: &Exchange<'_>,
    keys: &mut KeyPermits,
    key: &ChosenKey,
    (secret_arn, version_id): (&str, &str),
) -> Result<(), Failure> {
    let Some(record) = customer(exchange, key)? else { return Ok(()) };
    let alias = key.shown().and_then(alias_of);
    for operation in ["GenerateDataKey", "Decrypt"] {
        let asked = ask(exchange, operation, &record.record, secret_arn, version_id, alias).await;
        keys.add(version_id, asked.map_err(refusal)?);
    }
    record.record.usable().map_err(|cause| refused(SecretError::EncryptionFailure(cause).into()))
}

/// What it takes to give a secret this key, whether or not something is sealed under it now.
pub(super) async fn to_establish(
    exchange: &Exchange<'_>,
    key: &ChosenKey,
    secret_arn: &str,
) -> Result<(), Failure> {
    // These permits prove that the caller may use the key; nothing is sealed or opened with them.
    let mut unused = KeyPermits::none();
    to_write(exchange, &mut unused, key, (secret_arn, TO_VALIDATE)).await
}

/// What it takes to copy a secret to other Regions: to decrypt its current version. Later changes go
/// to the replicas without asking again.
pub(super) async fn to_replicate(exchange: &Exchange<'_>, secret: &SecretRecord) -> Result<(), Failure> {
    if secret.select(None, None).is_ok() {
        // Nothing is read here: the copy is made in the vault.
        let _proof = to_read(exchange, secret, None, None).await?;
    }
    Ok(())
}

/// What is to be had of what it takes to seal the labelled versions of a secret under another key.
pub(super) async fn to_reseal(
    exchange: &Exchange<'_>,
    keys: &mut KeyPermits,
    key: &ChosenKey,
    secret: &SecretRecord,
) -> Result<(), Failure> {
    let arn = secret.arn();
    let new = customer(exchange, key)?;
    for version in secret.following(key.customer()) {
        let old = version.customer_key.as_deref().and_then(|arn| exchange.broker.vault().kms().customer(arn));
        let uses = [("Decrypt", old.as_ref()), ("Encrypt", new.as_ref())];
        for (operation, record) in uses {
            let Some(record) = record else { continue };
            match ask(exchange, operation, &record.record, &arn, &version.id, None).await {
                Ok(permit) => keys.add(version.id.as_str(), permit),
                Err(KeyDenied::Refused(_)) => break,
                Err(KeyDenied::Failed(failure)) => return Err(failure),
            }
        }
    }
    Ok(())
}

/// The refusal for a key that the caller may not use.
pub(super) fn no_access() -> ApiError {
    ApiError::access_denied_text("Access to KMS is not allowed")
}

fn refusal(denied: KeyDenied) -> Failure {
    match denied {
        KeyDenied::Refused(_) => no_access().into(),
        KeyDenied::Failed(failure) => failure,
    }
}

/// The service's own key works for the secret's account only.
fn own_account(exchange: &Exchange<'_>, scope: &Scope) -> Result<(), Failure> {
    let own = exchange.context.caller.as_ref().is_some_and(|caller| caller.account() == scope.account);
    if own {
        return Ok(());
    }
    Err(wire::invalid_request(
        "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key.",
    )
    .into())
}

/// The record of a customer key; `None` for the service's own.
fn customer(exchange: &Exchange<'_>, key: &ChosenKey) -> Result<Option<Arc<Row<KeyRecord>>>, Failure> {
    let Some(arn) = key.customer() else { return Ok(None) };
    let gone = || refused(SecretError::EncryptionFailure(KeyError::NoSuchKey(arn.to_owned())).into());
    exchange.broker.vault().kms().customer(arn).map(Some).ok_or_else(gone)
}

async fn ask(
    exchange: &Exchange<'_>,
    operation: &'static str,
    key: &KeyRecord,
    secret_arn: &str,
    version_id: &str,
    alias: Option<&str>,
) -> Result<Permit, KeyDenied> {
    let context = [("SecretARN", secret_arn), ("SecretVersionId", version_id)];
    permit(exchange, key, &Use { service: Service::SecretsManager, operation, context: &context, alias })
        .await
}

fn alias(version: &VersionRecord) -> Option<&str> {
    version.kms_key_id.as_deref().and_then(alias_of)
}
