//! Parameter Store's operations on the vault; permits as in [`super::secrets`].

use super::kms::OWN_KEYS;
use super::kms_keyring::{Key, KeyRefusal};
use super::kms_permits::KeyPermits;
use super::parameter_error::ParameterError;
use super::parameter_record::{ParameterKind, ParameterRecord, ParameterVersion, Selector};
use super::scope::Scope;
use super::secrets::permitted;
use super::table::{Change, Row};
use super::{Vault, VaultError};
use crate::audit::Permit;
use crate::secret::SecretValue;
use base64::Engine;
use std::sync::Arc;

/// Why an operation on a parameter fails.
#[derive(Debug, thiserror::Error)]
pub enum ParameterFailure {
    /// The service refuses; the client is told so.
    #[error(transparent)]
    Refused(#[from] ParameterError),
    /// The vault cannot; the operator is told so.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// A parameter value that was read.
#[derive(Debug)]
pub struct ParameterValue {
    /// The parameter as it stood.
    pub parameter: Arc<Row<ParameterRecord>>,
    /// The version read.
    pub version: ParameterVersion,
    /// The selector, as the API echoes it.
    pub selector: Option<String>,
    /// The plaintext; of a SecureString that is read without decryption, its sealed form.
    pub value: SecretValue,
}

/// The default KMS key of Parameter Store.
pub(crate) const DEFAULT_KEY: &str = OWN_KEYS[1];

/// Parameter Store's view of a vault.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'v>(pub(super) &'v Vault);

impl Parameters<'_> {
    /// The parameter of this name, unless it has expired. With one level the leading slash does
    /// not count: `/a` and `a` are one parameter, as they have one ARN.
    pub fn find(&self, scope: &Scope, name: &str) -> Option<Arc<Row<ParameterRecord>>> {
        let now = self.0.now();
        self.stored(scope, name).filter(|row| !row.record.is_expired(now))
    }

    pub(super) fn stored(&self, scope: &Scope, name: &str) -> Option<Arc<Row<ParameterRecord>>> {
        self.0.parameters.get(&scope.id(name)).or_else(|| {
            let bare = name.strip_prefix('/').unwrap_or(name);
            let other = if bare == name { format!("/{name}") } else { bare.to_owned() };
            self.0.parameters.get(&scope.id(&other)).filter(|_| !bare.contains('/'))
        })
    }

    /// `GetParameter`, `GetParameters`: the value that a selector names.
    pub fn get(
        &self,
        permit: &Permit,
        keys: &KeyPermits,
        parameter: &Arc<Row<ParameterRecord>>,
        selector: &Selector,
        decrypt: bool,
    ) -> Result<ParameterValue, ParameterFailure> {
        permitted(permit, &["ssm:GetParameter", "ssm:GetParameters"], &parameter.record.arn())?;
        match self.read(keys, parameter, selector, decrypt) {
            // The blob may have gone since the parameter was found: deleted, or dropped as the oldest.
            Err(ParameterFailure::Vault(VaultError::Unreadable)) => {
                let record = &parameter.record;
                let current = self.0.parameters.get(&record.scope.id(&record.name));
                let current = current.ok_or_else(|| ParameterError::NotFound(record.name.clone()))?;
                self.read(keys, &current, selector, decrypt)
            }
            other => other,
        }
    }

    /// The value of a version, for whoever has checked the permit of the parameter. A version under a
    /// customer key that is decrypted needs one for that key as well
    /// ([`ParameterVersion::customer_key`]), for the parameter's ARN.
    pub(super) fn read(
        &self,
        keys: &KeyPermits,
        parameter: &Arc<Row<ParameterRecord>>,
        selector: &Selector,
        decrypt: bool,
    ) -> Result<ParameterValue, ParameterFailure> {
        let record = &parameter.record;
        let version = record.select(selector)?.clone();
        let value = if version.kind == ParameterKind::SecureString && !decrypt {
            let sealed = self.0.blobs.sealed(&version.blob)?;
            SecretValue::from(base64::engine::general_purpose::STANDARD.encode(sealed))
        } else {
            let kek = self.0.keyring.to_open(&record.scope, key_of(&version), &record.arn(), keys);
            self.0.blobs.get(&*kek.map_err(ParameterFailure::from)?, &version.blob)?
        };
        Ok(ParameterValue { parameter: Arc::clone(parameter), version, selector: selector.echo(), value })
    }

    /// `DeleteParameter`: all versions, at once.
    pub fn delete(&self, permit: &Permit, parameter: &Row<ParameterRecord>) -> Result<(), ParameterFailure> {
        let record = &parameter.record;
        permitted(permit, &["ssm:DeleteParameter", "ssm:DeleteParameters"], &record.arn())?;
        let blobs = self.0.parameters.change(&record.scope.id(&record.name), |current| match current {
            Some(current) => Ok((Change::Remove, current.blobs())),
            None => Err(ParameterFailure::Refused(ParameterError::NotFound(record.name.clone()))),
        })?;
        for blob in blobs {
            self.0.blobs.delete(&blob)?;
        }
        Ok(())
    }
}

impl From<KeyRefusal> for ParameterFailure {
    fn from(refusal: KeyRefusal) -> Self {
        match refusal {
            KeyRefusal::Unusable(cause) => ParameterError::Key(cause).into(),
            KeyRefusal::Vault(error) => error.into(),
        }
    }
}

/// The key that a version is sealed under. Without a customer key the name is that of a key of the
/// vault's own.
fn key_of(version: &ParameterVersion) -> Key<'_> {
    match &version.customer_key {
        Some(arn) => Key::Customer(arn),
        None => Key::Own(version.key_id.as_deref().unwrap_or(DEFAULT_KEY)),
    }
}
