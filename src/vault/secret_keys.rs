//! Another key for a secret: its labelled versions are sealed again.
//!
//! ```text
//! new blob under the new key -> one compare-and-swap of the record -> the old blob goes
//! ```
//!
//! A version is sealed under one key at a time, so that the old key opens nothing of it
//! any more. (AWS keeps a copy under the old key.) A version that the permits do not reach
//! stays as it is, as on AWS: `kms:Decrypt` on its key and `kms:Encrypt` on the new one.
//!
//! Source: Secrets Manager API Reference, `UpdateSecret`, KmsKeyId; User Guide, "Secret
//! encryption and decryption".

use super::VaultError;
use super::kms::ChosenKey;
use super::kms_permits::KeyPermits;
use super::secret_error::SecretError;
use super::secret_record::{AWSCURRENT, AWSPREVIOUS, SecretRecord, VersionRecord};
use super::secrets::{SecretFailure, Secrets};

/// The labels whose versions follow the secret to another key.
pub(super) const FOLLOWING: [&str; 3] = [AWSCURRENT, "AWSPENDING", AWSPREVIOUS];

/// A version's value in a second blob, which no record names yet.
pub(super) struct Resealed {
    /// The version.
    id: String,
    /// The blob that it was read from.
    from: String,
    /// The new one.
    pub(super) blob: String,
}

impl SecretRecord {
    /// The versions that follow the secret to the key `customer` (`None` is the service's own).
    pub fn following(&self, customer: Option<&str>) -> impl Iterator<Item = &VersionRecord> {
        let following = |v: &&VersionRecord| !v.blob.is_empty() && FOLLOWING.iter().any(|stage| v.has(stage));
        self.versions.iter().filter(following).filter(move |v| v.is_under_another(customer))
    }

    /// Has the versions point to their new blobs; returns the names of those that nothing names any
    /// more. A version that has changed in the meantime stays as it is.
    pub(super) fn take_resealed(&mut self, resealed: &[Resealed], key: &ChosenKey) -> Vec<String> {
        let mut unused = Vec::new();
        for new in resealed {
            let found = self.versions.iter_mut().find(|v| v.id == new.id && v.blob == new.from);
            if let Some(version) = found {
                unused.push(std::mem::replace(&mut version.blob, new.blob.clone()));
                version.kms_key_id.clone_from(&key.shown);
                version.customer_key.clone_from(&key.customer);
            }
        }
        unused
    }
}

impl VersionRecord {
    /// Whether the version is sealed under this key, and shows it by this name.
    pub(super) fn is_under(&self, key: &ChosenKey) -> bool {
        self.customer_key == key.customer && self.kms_key_id == key.shown
    }

    fn is_under_another(&self, customer: Option<&str>) -> bool {
        // A name without a customer key is one of before there were customer keys.
        self.customer_key.as_deref() != customer || (customer.is_none() && self.kms_key_id.is_some())
    }
}

impl Secrets<'_> {
    /// Seals the versions that follow the secret under `key`.
    pub(super) fn reseal(
        &self,
        secret: &SecretRecord,
        key: &ChosenKey,
        keys: &KeyPermits,
    ) -> Result<Vec<Resealed>, SecretFailure> {
        let mut resealed = Vec::new();
        for version in secret.following(key.customer()) {
            if key.customer().is_some_and(|arn| !keys.cover(&["kms:Encrypt"], arn, &version.id)) {
                continue;
            }
            let value = match self.open(&secret.scope, version, keys) {
                Ok(value) => value,
                // No permit for its key, or the key is disabled or gone: nobody can read it with that.
                Err(
                    SecretFailure::Vault(VaultError::NotPermitted | VaultError::Unreadable)
                    | SecretFailure::Refused(SecretError::DecryptionFailure(_)),
                ) => continue,
                Err(error) => return Err(error),
            };
            let blob = self.seal(&secret.scope, key, keys, (&version.id, &value))?;
            resealed.push(Resealed { id: version.id.clone(), from: version.blob.clone(), blob });
        }
        Ok(resealed)
    }
}
