//! Parameter Store's operations on the vault; permits as in [`super::secrets`].

use super::parameter_policies::InlinePolicy;
use super::parameter_record::{
    ParameterError, ParameterKind, ParameterRecord, ParameterVersion, Selector, Tier, TierNeeds, WantedTier,
    choose_tier,
};
use super::parameter_value::{TEXT, check_data_type, check_pattern};
use super::scope::Scope;
use super::secrets::permitted;
use super::table::{Change, Row};
use super::{Vault, VaultError};
use crate::audit::Permit;
use crate::secret::SecretValue;
use base64::Engine;
use std::sync::{Arc, PoisonError};

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

/// A version to write, as `PutParameter` describes it.
#[derive(Debug)]
pub struct NewParameter {
    /// Name.
    pub name: String,
    /// The plaintext.
    pub value: SecretValue,
    /// Type; may be left out when overwriting.
    pub kind: Option<ParameterKind>,
    /// KMS key of a SecureString.
    pub key_id: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Whether an existing parameter gets a new version.
    pub overwrite: bool,
    /// Regular expression; that of the last version if there is none, and an empty one ends that.
    pub allowed_pattern: Option<String>,
    /// Tags, only for a new parameter.
    pub tags: Vec<(String, String)>,
    /// Tier asked for.
    pub tier: Option<WantedTier>,
    /// Parameter policies; those of the last version if there are none.
    pub policies: Option<Vec<InlinePolicy>>,
    /// Data type; that of the last version if there is none.
    pub data_type: Option<String>,
    /// ARN of the writer.
    pub user: String,
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
pub(crate) const DEFAULT_KEY: &str = "alias/aws/ssm";

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

    fn stored(&self, scope: &Scope, name: &str) -> Option<Arc<Row<ParameterRecord>>> {
        self.0.parameters.get(&scope.id(name)).or_else(|| {
            let bare = name.strip_prefix('/').unwrap_or(name);
            let other = if bare == name { format!("/{name}") } else { bare.to_owned() };
            self.0.parameters.get(&scope.id(&other)).filter(|_| !bare.contains('/'))
        })
    }

    /// Changes one record, and keeps the index of what is due and shared in step.
    pub(super) fn change<T, E: From<VaultError>>(
        &self,
        id: &str,
        decide: impl FnOnce(Option<&ParameterRecord>) -> Result<(Change<ParameterRecord>, T), E>,
    ) -> Result<T, E> {
        let answer = self.0.parameters.change(id, decide)?;
        self.0.parameter_index.follow(id, &self.0.parameters);
        Ok(answer)
    }

    /// `GetParameter`, `GetParameters`: the value that a selector names.
    pub fn get(
        &self,
        permit: &Permit,
        parameter: &Arc<Row<ParameterRecord>>,
        selector: &Selector,
        decrypt: bool,
    ) -> Result<ParameterValue, ParameterFailure> {
        permitted(permit, &["ssm:GetParameter", "ssm:GetParameters"], &parameter.record.arn())?;
        match self.read(parameter, selector, decrypt) {
            // The blob may have gone since the parameter was found: deleted, or dropped as the oldest.
            Err(ParameterFailure::Vault(VaultError::Unreadable)) => {
                let record = &parameter.record;
                let current = self.0.parameters.get(&record.scope.id(&record.name));
                let current = current.ok_or_else(|| ParameterError::NotFound(record.name.clone()))?;
                self.read(&current, selector, decrypt)
            }
            other => other,
        }
    }

    /// The value of a version, for whoever has checked the permit.
    pub(super) fn read(
        &self,
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
            self.0.blobs.get(&*self.0.keyring.own(&record.scope, key_of(&version))?, &version.blob)?
        };
        Ok(ParameterValue { parameter: Arc::clone(parameter), version, selector: selector.echo(), value })
    }

    /// `PutParameter`; returns the new version number and its tier.
    pub fn put(
        &self,
        permit: &Permit,
        resource: &str,
        scope: &Scope,
        new: NewParameter,
    ) -> Result<(i64, Tier), ParameterFailure> {
        permitted(permit, &["ssm:PutParameter"], resource)?;
        if new.overwrite && !new.tags.is_empty() {
            return Err(ParameterError::TagsWithOverwrite.into());
        }
        // INVARIANT: `a` and `/a` are not both made, whoever else makes one of them now.
        let one_level = !new.name.strip_prefix('/').unwrap_or(&new.name).contains('/');
        let mut known = self.stored(scope, &new.name);
        let mut alone = None;
        if one_level && known.is_none() {
            alone = Some(self.0.one_level_names.lock().unwrap_or_else(PoisonError::into_inner));
            known = self.stored(scope, &new.name);
        }
        let name = known.map_or(new.name, |row| row.record.name.clone());
        let id = scope.id(&name);
        let mut staged = None;
        // INVARIANT: all that depends on the latest version is decided under the record's lock, so that
        // of two writers at once the later one sees the type, tier and key of the earlier.
        let outcome = self.change(&id, |current| {
            let latest = current.and_then(ParameterRecord::latest);
            if latest.is_some() && !new.overwrite {
                return Err(ParameterFailure::Refused(ParameterError::Exists));
            }
            let kind = new.kind.or(latest.map(|v| v.kind)).ok_or(ParameterError::TypeMissing)?;
            if new.key_id.is_some() && kind != ParameterKind::SecureString {
                return Err(ParameterError::KeyWithoutSecureString.into());
            }
            let policies = new
                .policies
                .or_else(|| latest.map(|v| InlinePolicy::carried(&v.policies)))
                .unwrap_or_default();
            let current_type = latest.map(|v| v.data_type.as_str());
            let data_type = new.data_type.as_deref().or(current_type).unwrap_or(TEXT).to_owned();
            let tier = choose_tier(
                new.tier,
                TierNeeds {
                    current: latest.map(|v| v.tier),
                    bytes: new.value.len(),
                    policies: !policies.is_empty(),
                    data_type: &data_type,
                },
            )?;
            let pattern = new.allowed_pattern.or_else(|| latest.and_then(|v| v.allowed_pattern.clone()));
            let pattern = pattern.filter(|pattern| !pattern.is_empty());
            check_pattern(pattern.as_deref().unwrap_or_default(), &new.value)?;
            check_data_type(&data_type, current_type, (kind, tier), &new.value)?;
            let key_id = match kind {
                ParameterKind::SecureString => new
                    .key_id
                    .or_else(|| latest.and_then(|v| v.key_id.clone()))
                    .or_else(|| Some(DEFAULT_KEY.to_owned())),
                ParameterKind::String | ParameterKind::StringList => None,
            };
            let number = latest.map_or(0, |v| v.version) + 1;
            let mut version = ParameterVersion {
                version: number,
                kind,
                key_id,
                modified: self.0.now(),
                user: new.user,
                description: new.description.or_else(|| latest.and_then(|v| v.description.clone())),
                allowed_pattern: pattern,
                tier,
                data_type,
                labels: Vec::new(),
                policies,
                blob: String::new(),
            };
            let blob = self.0.blobs.put(&*self.0.keyring.made(scope, key_of(&version))?, &new.value)?;
            version.blob.clone_from(&blob);
            staged = Some(blob);
            let (record, dropped) = match current {
                Some(current) => {
                    let mut record = current.clone();
                    let dropped = record.add_version(version)?;
                    (record, dropped)
                }
                None => {
                    let (scope, versions) = (scope.clone(), vec![version]);
                    (ParameterRecord { scope, name, tags: new.tags, versions, sharing: None }, None)
                }
            };
            Ok((Change::Write(record), (number, tier, dropped)))
        });
        drop(alone);
        let unused = match &outcome {
            Ok((_, _, dropped)) => dropped.clone(),
            Err(_) => staged,
        };
        if let Some(blob) = unused {
            self.0.blobs.delete(&blob)?;
        }
        outcome.map(|(number, tier, _)| (number, tier))
    }

    /// `DeleteParameter`: all versions, at once.
    pub fn delete(&self, permit: &Permit, parameter: &Row<ParameterRecord>) -> Result<(), ParameterFailure> {
        let record = &parameter.record;
        permitted(permit, &["ssm:DeleteParameter", "ssm:DeleteParameters"], &record.arn())?;
        let blobs = self.change(&record.scope.id(&record.name), |current| match current {
            Some(current) => Ok((Change::Remove, current.blobs())),
            None => Err(ParameterFailure::Refused(ParameterError::NotFound(record.name.clone()))),
        })?;
        for blob in blobs {
            self.0.blobs.delete(&blob)?;
        }
        Ok(())
    }
}

fn key_of(version: &ParameterVersion) -> &str {
    version.key_id.as_deref().unwrap_or(DEFAULT_KEY)
}
