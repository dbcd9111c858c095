//! Secrets Manager's operations on the vault.
//!
//! Each takes the [`Permit`] that allows it and checks that it is for this action
//! and this secret. Metadata needs a permit as well, except [`Secrets::find`],
//! which only turns a name into the ARN that is then authorised.

use super::kms::{ChosenKey, OWN_KEYS};
use super::kms_keyring::{Key, KeyRefusal};
use super::kms_permits::KeyPermits;
use super::replica_record::{Replica, check_regions};
use super::scope::Scope;
use super::secret_error::SecretError;
use super::secret_record::{SecretRecord, VersionRecord};
use super::secret_suffix::SecretSuffix;
use super::table::{Change, Row};
use super::{Vault, VaultError};
use crate::arn::{Arn, arn};
use crate::audit::Permit;
use crate::secret::SecretValue;
use jiff::Timestamp;
use std::sync::Arc;

/// Why an operation on a secret fails.
#[derive(Debug, thiserror::Error)]
pub enum SecretFailure {
    /// The service refuses; the client is told so.
    #[error(transparent)]
    Refused(#[from] SecretError),
    /// The vault cannot; the operator is told so.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// The content of a version.
#[derive(Debug)]
pub enum SecretContent {
    /// SecretString, UTF-8.
    String(SecretValue),
    /// SecretBinary.
    Binary(SecretValue),
}

/// A new secret, as `CreateSecret` describes it.
#[derive(Debug)]
pub struct NewSecret {
    /// Friendly name.
    pub name: String,
    /// ClientRequestToken: the id of the first version.
    pub token: String,
    /// Free text.
    pub description: Option<String>,
    /// Its KMS key.
    pub key: ChosenKey,
    /// Tags.
    pub tags: Vec<(String, String)>,
    /// First value, if there is one.
    pub content: Option<SecretContent>,
    /// Replicas to make.
    pub replicas: Vec<Replica>,
}

/// A value that was read.
#[derive(Debug)]
pub struct SecretVersionValue {
    /// The secret as it stood.
    pub secret: Arc<Row<SecretRecord>>,
    /// The id of the version that was read.
    pub version_id: String,
    /// Its stages.
    pub stages: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Whether it was given as SecretBinary.
    pub binary: bool,
    /// The plaintext.
    pub value: SecretValue,
}

/// Outcome of a write.
#[derive(Debug)]
pub struct Written {
    /// The secret after the write.
    pub secret: SecretRecord,
    /// The version that was written or found, if the write had a value.
    pub version: Option<VersionRecord>,
}

/// What `UpdateSecret` does about the key.
#[derive(Debug)]
pub enum KeyEdit {
    /// The secret keeps its key, and no value is sealed.
    Kept,
    /// The secret keeps its key, and the new value is sealed under it.
    Sealing(ChosenKey),
    /// The secret gets this key: its new value is sealed under it, and the versions with the labels
    /// AWSCURRENT, AWSPENDING and AWSPREVIOUS are, as far as there are permits for both keys.
    Changed(ChosenKey),
}

/// The service's own key, for secrets without another one.
pub(super) const DEFAULT_KEY: &str = OWN_KEYS[0];

/// Secrets Manager's view of a vault.
#[derive(Clone, Copy, Debug)]
pub struct Secrets<'v>(pub(super) &'v Vault);

impl Secrets<'_> {
    /// The secret that `secret_id` names: a name, a full ARN, or an ARN without the
    /// random suffix. For an ARN its own account and Region count.
    pub fn find(&self, scope: &Scope, secret_id: &str) -> Option<Arc<Row<SecretRecord>>> {
        let get = |id: &str| self.0.secrets.get(id).filter(|row| !self.is_over(&row.record));
        let Ok(arn) = secret_id.parse::<Arn>() else {
            return get(&scope.id(secret_id));
        };
        let name = arn
            .resource
            .strip_prefix("secret:")
            .filter(|_| arn.partition == "aws" && arn.service == "secretsmanager")?;
        if arn.region != scope.region {
            return None;
        }
        let scope = Scope::new(arn.account, arn.region);
        // A full ARN wins over a partial one: a name may itself end like a suffix.
        let full = name
            .rsplit_once('-')
            .and_then(|(name, suffix)| get(&scope.id(name)).filter(|r| r.record.suffix == suffix));
        full.or_else(|| get(&scope.id(name)))
    }

    /// The ARN to authorise when no secret has this id: what a policy for such a
    /// secret would match, so that a refusal does not tell whether it exists.
    pub fn hypothetical_arn(scope: &Scope, secret_id: &str) -> String {
        if secret_id.starts_with("arn:") {
            return secret_id.to_owned();
        }
        arn("secretsmanager", &scope.region, &scope.account, &["secret:", secret_id, "-??????"])
    }

    /// `GetSecretValue`: the value of one version. A version under a customer key needs a permit for
    /// that key as well ([`VersionRecord::customer_key`]).
    pub fn get_value(
        &self,
        permit: &Permit,
        keys: &KeyPermits,
        secret: &Arc<Row<SecretRecord>>,
        version_id: Option<&str>,
        stage: Option<&str>,
    ) -> Result<SecretVersionValue, SecretFailure> {
        permitted(permit, &["secretsmanager:GetSecretValue"], &secret.record.arn())?;
        let read = |secret: &Arc<Row<SecretRecord>>| -> Result<SecretVersionValue, SecretFailure> {
            let version = secret.record.select(version_id, stage)?;
            let value = self.open(&secret.record.scope, version, keys)?;
            Ok(SecretVersionValue {
                secret: Arc::clone(secret),
                version_id: version.id.clone(),
                stages: version.stages.clone(),
                created: version.created,
                binary: version.binary,
                value,
            })
        };
        let read = match read(secret) {
            // The blob may have gone since the secret was found: destroyed, or pruned.
            Err(SecretFailure::Vault(VaultError::Unreadable)) => {
                let current = self.0.secrets.get(&secret.record.scope.id(&secret.record.name));
                same(current.as_ref().map(|row| &row.record), secret)?;
                read(current.as_ref().unwrap_or(secret))?
            }
            other => other?,
        };
        self.0.touched(&read.secret.record, &read.version_id);
        Ok(read)
    }

    pub(super) fn open(
        &self,
        scope: &Scope,
        version: &VersionRecord,
        keys: &KeyPermits,
    ) -> Result<SecretValue, SecretFailure> {
        let kek =
            self.0.keyring.to_open(scope, key_of(version), &version.id, keys).map_err(
                |refusal| match refusal {
                    KeyRefusal::Unusable(cause) => {
                        SecretFailure::Refused(SecretError::DecryptionFailure(cause))
                    }
                    KeyRefusal::Vault(error) => error.into(),
                },
            )?;
        Ok(self.0.blobs.get(&kek, &version.blob)?)
    }

    /// Seals the value of a version into a blob that nothing names yet.
    pub(super) fn seal(
        &self,
        scope: &Scope,
        key: &ChosenKey,
        keys: &KeyPermits,
        (version, value): (&str, &SecretValue),
    ) -> Result<String, SecretFailure> {
        let kek = self.0.keyring.to_seal(scope, key.key(DEFAULT_KEY), version, keys).map_err(|refusal| {
            match refusal {
                KeyRefusal::Unusable(cause) => SecretFailure::Refused(SecretError::EncryptionFailure(cause)),
                KeyRefusal::Vault(error) => error.into(),
            }
        })?;
        Ok(self.0.blobs.put(&kek, value)?)
    }

    /// `CreateSecret` with a suffix of its own.
    pub fn create(
        &self,
        permit: &Permit,
        keys: &KeyPermits,
        resource: &str,
        scope: &Scope,
        new: NewSecret,
    ) -> Result<Written, SecretFailure> {
        self.create_as(permit, keys, resource, (scope, SecretSuffix::draw()), new)
    }

    /// `CreateSecret`. The permit is for the name, since the ARN does not exist yet.
    pub fn create_as(
        &self,
        permit: &Permit,
        keys: &KeyPermits,
        resource: &str,
        (scope, suffix): (&Scope, SecretSuffix),
        new: NewSecret,
    ) -> Result<Written, SecretFailure> {
        permitted(permit, &["secretsmanager:CreateSecret"], resource)?;
        check_regions(&scope.region, &new.replicas)?;
        self.bury(&scope.id(&new.name))?;
        let now = self.0.now();
        let record = SecretRecord {
            scope: scope.clone(),
            name: new.name,
            suffix: suffix.0,
            description: new.description,
            kms_key_id: new.key.shown.clone(),
            created: now,
            changed: now,
            accessed: None,
            deletion: None,
            tagged: !new.tags.is_empty(),
            tags: new.tags,
            versions: Vec::new(),
            rotation: None,
            policy: None,
            primary_region: None,
            replicas: new.replicas,
            generation: 0,
        };
        let version = match &new.content {
            Some(content) => Some(self.stage_version(&record, &new.key, keys, (&new.token, content))?),
            None => None,
        };
        let staged = version.as_ref().map(|v| v.blob.clone());
        let outcome = self.change(&scope.id(&record.name), |current| match current {
            Some(found) if found.deletion.is_some() => Err(SecretError::NameScheduledForDeletion.into()),
            // A repeated request with the same token and content gets the same answer.
            Some(found) => match &version {
                Some(v) if found.repeats(&v.id, &v.digest)? => Ok((
                    Change::Keep,
                    Written { secret: found.clone(), version: found.version(&v.id).cloned() },
                )),
                _ => Err(SecretError::Exists(found.name.clone()).into()),
            },
            None => {
                let mut record = record;
                if let Some(version) = version {
                    record.add_version(version, Vec::new(), now)?;
                }
                let written = Written { version: record.versions.first().cloned(), secret: record.clone() };
                Ok((Change::Write(record), written))
            }
        });
        self.discard_unused(staged, outcome)
    }

    /// `PutSecretValue`: a new version with these stages (AWSCURRENT when none are given).
    pub fn put_value(
        &self,
        permit: &Permit,
        keys: &KeyPermits,
        secret: &Row<SecretRecord>,
        key: ChosenKey,
        value: (&str, &SecretContent),
        stages: Vec<String>,
    ) -> Result<Written, SecretFailure> {
        permitted(permit, &["secretsmanager:PutSecretValue"], &secret.record.arn())?;
        self.write(secret, keys, Some(value), KeyEdit::Sealing(key), stages, None)
    }

    /// `UpdateSecret`: description, key and, when given, a new current version.
    pub fn update(
        &self,
        permit: &Permit,
        keys: &KeyPermits,
        secret: &Row<SecretRecord>,
        value: Option<(&str, &SecretContent)>,
        description: Option<String>,
        key: KeyEdit,
    ) -> Result<Written, SecretFailure> {
        permitted(permit, &["secretsmanager:UpdateSecret"], &secret.record.arn())?;
        self.write(secret, keys, value, key, Vec::new(), description)
    }

    fn write(
        &self,
        secret: &Row<SecretRecord>,
        keys: &KeyPermits,
        value: Option<(&str, &SecretContent)>,
        key: KeyEdit,
        stages: Vec<String>,
        description: Option<String>,
    ) -> Result<Written, SecretFailure> {
        let now = self.0.now();
        let (sealing, changed) = match &key {
            KeyEdit::Kept => (None, None),
            KeyEdit::Sealing(key) => (Some(key), None),
            KeyEdit::Changed(key) => (Some(key), Some(key)),
        };
        let version = match (value, sealing) {
            (Some(value), Some(key)) => Some(self.stage_version(&secret.record, key, keys, value)?),
            (None, _) => None,
            (Some(_), None) => return Err(VaultError::NotPermitted.into()),
        };
        let staged = version.as_ref().map(|v| v.blob.clone());
        let resealed = match changed {
            Some(key) => self.reseal(&secret.record, key, keys)?,
            None => Vec::new(),
        };
        let outcome = self.change(&secret.record.scope.id(&secret.record.name), |current| {
            let mut record = same(current, secret)?.clone();
            record.require_changeable()?;
            if description.is_some() {
                record.description = description;
            }
            let mut pruned = Vec::new();
            if let Some(key) = changed {
                record.kms_key_id.clone_from(&key.shown);
                pruned = record.take_resealed(&resealed, key);
            }
            let id = version.as_ref().map(|v| v.id.clone());
            match version {
                Some(v) if record.repeats(&v.id, &v.digest)? => {}
                Some(v) => {
                    record.add_version(v, stages, now)?;
                    pruned.extend(record.prune(now));
                }
                None => record.changed = now,
            }
            let version = id.and_then(|id| record.version(&id).cloned());
            let written = Written { secret: record.clone(), version };
            let change = if current == Some(&record) { Change::Keep } else { Change::Write(record) };
            Ok::<_, SecretFailure>((change, (written, pruned)))
        });
        let (outcome, mut unused) = match outcome {
            Ok((written, pruned)) => (Ok(written), pruned),
            Err(e) => (Err(e), Vec::new()),
        };
        if let Ok(written) = &outcome
            && written.secret.rotation.as_ref().is_some_and(|r| !r.abandoned.is_empty())
        {
            self.rotation_may_be_due();
        }
        let taken = |blob: &String| {
            let versions = outcome.as_ref().map(|w| w.secret.versions.as_slice()).unwrap_or_default();
            versions.iter().any(|v| v.blob == *blob)
        };
        unused.extend(resealed.into_iter().map(|r| r.blob));
        // A version that a rotation test has made shares the value of another.
        for blob in unused.into_iter().filter(|blob| !taken(blob)) {
            self.0.blobs.delete(&blob)?;
        }
        self.discard_unused(staged, outcome)
    }

    /// Seals the content into a blob that no version names yet.
    fn stage_version(
        &self,
        secret: &SecretRecord,
        key: &ChosenKey,
        keys: &KeyPermits,
        (token, content): (&str, &SecretContent),
    ) -> Result<VersionRecord, SecretFailure> {
        let (value, binary) = match content {
            SecretContent::String(value) => (value, false),
            SecretContent::Binary(value) => (value, true),
        };
        let blob = self.seal(&secret.scope, key, keys, (token, value))?;
        #[expect(
            clippy::disallowed_methods,
            reason = "a keyed digest tells whether a repeated request has the same content"
        )]
        let digest = self.0.keys.mac(&[secret.name.as_bytes(), &[u8::from(binary)], value.expose()]);
        Ok(VersionRecord {
            id: token.to_owned(),
            created: self.0.now(),
            stages: Vec::new(),
            kms_key_id: key.shown.clone(),
            customer_key: key.customer.clone(),
            accessed: None,
            binary,
            digest: hex::encode(digest),
            blob,
        })
    }

    /// Removes the staged blob again when the write did not take it.
    fn discard_unused(
        &self,
        staged: Option<String>,
        outcome: Result<Written, SecretFailure>,
    ) -> Result<Written, SecretFailure> {
        let taken = |w: &Written| w.version.as_ref().map(|v| &v.blob) == staged.as_ref();
        if let (Some(blob), false) = (&staged, outcome.as_ref().is_ok_and(taken)) {
            self.0.blobs.delete(blob)?;
        }
        outcome
    }
}

/// The same secret as the caller authorised, not a later one of the same name.
pub(super) fn same<'r>(
    current: Option<&'r SecretRecord>,
    secret: &Row<SecretRecord>,
) -> Result<&'r SecretRecord, SecretFailure> {
    current.filter(|r| r.suffix == secret.record.suffix).ok_or(SecretFailure::Refused(SecretError::NotFound))
}

/// The key that a version is sealed under. Without a customer key the name is that of a key of the
/// vault's own.
pub(super) fn key_of(version: &VersionRecord) -> Key<'_> {
    match &version.customer_key {
        Some(arn) => Key::Customer(arn),
        None => Key::Own(version.kms_key_id.as_deref().unwrap_or(DEFAULT_KEY)),
    }
}

pub(super) fn permitted(permit: &Permit, actions: &[&str], resource: &str) -> Result<(), VaultError> {
    if actions.iter().any(|action| permit.covers(action, resource)) {
        Ok(())
    } else {
        Err(VaultError::NotPermitted)
    }
}

/// The day of `time`, as AWS reports LastAccessedDate.
pub(crate) fn day(time: Timestamp) -> Timestamp {
    const DAY: i64 = 24 * 60 * 60;
    let second = time.as_second();
    Timestamp::from_second(second - second.rem_euclid(DAY)).unwrap_or(time)
}
